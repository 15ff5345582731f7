//! What every command about the modules of a database looks at first.
use odoopack_core::facts::Release;
use odoopack_core::name::Name;
use postgres::Client;

use crate::apply;
use crate::commands;
use crate::context::Pack;
use crate::failure::{Failure, Result};
use crate::observe;
use crate::observe::code::{self, Code};
use crate::observe::databases::{connect, server, words};

/// An environment with a database that is filled, and its code.
pub(super) struct Ground {
    pub(super) environment: Name,
    pub(super) database: String,
    pub(super) release: Release,
    /// The administrator's connection to the database; locks of the database are held by it.
    pub(super) client: Client,
    pub(super) code: Code,
}

impl Ground {
    /// Looks at the environment called `name`.
    ///
    /// # Errors
    /// Kind `Refused` while it is not up.
    pub(super) fn look(pack: &Pack, name: &str) -> Result<Self> {
        let (environment, settings) = commands::environment(pack, name)?;
        let not_up = |why: String| {
            Failure::refused(format!("{environment} is not up"))
                .because(why)
                .hint("`odoopack up`")
        };
        let release = observe::release(pack)?;
        let release = release.present().filter(|release| release.fetched);
        let release = release
            .ok_or_else(|| not_up("Odoo is not built yet".to_owned()))?
            .clone();
        let server = server(&pack.loaded.spec, &pack.layout, environment)?;
        let mut client = connect(&server, &settings.database).map_err(|e| not_up(words(&e)))?;
        let filled = "SELECT to_regclass('ir_module_module') IS NOT NULL";
        let filled = client.query_one(filled, &[]).map_err(|e| not_up(words(&e)))?;
        if !filled.get::<_, bool>(0) {
            return Err(not_up(format!("`{}` holds no Odoo yet", settings.database)));
        }
        let code = code::look(&pack.loaded.spec, &pack.layout, &release, &mut client)?;
        Ok(Self {
            environment: environment.clone(),
            database: settings.database.clone(),
            release,
            client,
            code,
        })
    }

    /// Whether the cluster has a database of this name.
    pub(super) fn has(&mut self, database: &str) -> Result<bool> {
        let found = self
            .client
            .query_opt("SELECT FROM pg_database WHERE datname = $1", &[&database])
            .map_err(|e| Failure::failed("could not look for databases").because(words(&e)))?;
        Ok(found.is_some())
    }

    /// Leaves the database: PostgreSQL copies and renames it only while nobody is in it.
    pub(super) fn step_out(&mut self, pack: &Pack) -> Result<()> {
        self.client = self.enter(pack, "postgres")?;
        Ok(())
    }

    /// Comes back, and keeps click-odoo-update away again.
    pub(super) fn step_in(&mut self, pack: &Pack) -> Result<()> {
        self.client = self.enter(pack, &self.database)?;
        apply::exclude_click_odoo(&mut self.client, &self.database)
    }

    fn enter(&self, pack: &Pack, database: &str) -> Result<Client> {
        connect(
            &server(&pack.loaded.spec, &pack.layout, &self.environment)?,
            database,
        )
        .map_err(|e| Failure::failed(format!("could not connect to database {database}")).because(words(&e)))
    }

    /// Looks at code and database again.
    pub(super) fn again(&mut self, pack: &Pack) -> Result<()> {
        self.code = code::look(&pack.loaded.spec, &pack.layout, &self.release, &mut self.client)?;
        Ok(())
    }
}
