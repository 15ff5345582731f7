//! Roles and databases; the first installation of Odoo.
use odoopack_core::backup;
use odoopack_core::name::Name;
use odoopack_core::render::sql;
use odoopack_core::sorting::{Sorting, as_like_or_own};
use odoopack_core::target::{self, DatabaseWant, generated_secrets};
use postgres::{Client, Transaction};

use super::Apply;
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe::databases::{Server, connect, server, words};
use crate::oneshot::OneShot;
use crate::store::marks;
use crate::ui::Progress;

impl Apply<'_> {
    /// The server with the database of an environment.
    pub(super) fn server(&self, environment: &Name) -> Result<Server> {
        server(self.spec, self.layout, environment)
    }

    /// Says what a database is for; where somebody else runs the server, a comment says it.
    pub(super) fn mark(&self, database: &str, kind: &str) -> String {
        if self.spec.postgres.is_given() {
            sql::mark_by_comment(database, Some(kind))
        } else {
            sql::mark(database, kind)
        }
    }

    /// The administrator's connection to a database of the server that is an environment's.
    pub(super) fn admin(&self, environment: &Name, database: &str) -> Result<Client> {
        connect(&self.server(environment)?, database)
            .map_err(|e| failed("could not connect to PostgreSQL", &e))
    }

    pub(super) fn want(&self, environment: &Name) -> Result<&DatabaseWant> {
        let want = self
            .target
            .databases
            .iter()
            .find(|want| want.environment == *environment);
        want.ok_or_else(|| Failure::failed(format!("nothing describes the database of `{environment}`")))
    }

    pub(super) fn described(&self, database: &str) -> Result<&DatabaseWant> {
        let mut all = self.target.databases.iter();
        let want = all.find(|want| want.database == database);
        want.ok_or_else(|| Failure::failed(format!("nothing describes the database `{database}`")))
    }

    pub(super) fn secret(&self, name: &str) -> Result<&str> {
        let value = self.facts.secrets.get(name);
        value
            .map(odoopack_core::secret::SecretText::expose)
            .ok_or_else(|| {
                Failure::failed(format!("secret {name} has no value"))
                    .hint(format!("`odoopack secret set {name}`"))
            })
    }

    pub(super) fn converge_role(&self, role: &str) -> Result<()> {
        let want = self.target.databases.iter().find(|want| want.role == role);
        let want = want.ok_or_else(|| Failure::failed(format!("nothing describes the role `{role}`")))?;
        let secret = target::secret_name(&want.environment, "DATABASE");
        self.set_role(&mut self.admin(&want.environment, "postgres")?, role, &secret)
    }

    /// Creates or converges a role that signs in with the value of a secret.
    fn set_role(&self, client: &mut Client, role: &str, secret: &str) -> Result<()> {
        let password = self.secret(secret)?;
        let there = client.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&role]);
        let there = there
            .map_err(|e| failed("could not look for the role", &e))?
            .is_some();
        // The server only ever sees the verifier, so no log of it can hold the password.
        let verifier = postgres_protocol::password::scram_sha_256(password.as_bytes());
        let make = if self.spec.postgres.is_given() {
            sql::role_by_another
        } else {
            sql::role
        };
        client
            .batch_execute(&make(role, there, &verifier))
            .map_err(|e| failed("could not set up the role", &e))
    }

    /// Odoo makes a database only as a role that may create some; ours may not, so the administrator prepares what it expects.
    pub(super) fn create_database(&self, database: &str) -> Result<()> {
        let want = self.described(database)?;
        self.make_database(&want.environment, database, &want.role, None)
            .map(drop)
    }

    /// Role and database of an environment's sessions.
    pub(super) fn prepare_sessions(&self, environment: &Name) -> Result<()> {
        let mut wants = self.target.sessions.iter();
        let want = wants.find(|want| want.environment == *environment);
        let want = want
            .ok_or_else(|| Failure::failed(format!("nothing describes the sessions of `{environment}`")))?;
        let name = &want.database;
        let mut client = self.admin(environment, "postgres")?;
        let sql = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1 AND pg_get_userbyid(datdba) <> $1";
        let other = client
            .query_opt(sql, &[name])
            .map_err(|e| failed("could not look for the database", &e))?;
        if let Some(row) = other {
            let owner: String = row.get(0);
            return Err(Failure::refused(format!(
                "database {name}, which is to hold sessions, belongs to {owner}"
            ))
            .hint(format!("`odoopack psql {environment}` shows it; rename it")));
        }
        self.set_role(&mut client, name, &want.secret)?;
        make_empty(&mut client, name, name, None).map(drop)
    }

    /// An empty database as Odoo expects one, or as that of a snapshot was made, that only `role` and the administrator may
    /// connect to; returns why it sorts its texts otherwise than that of the snapshot.
    pub(super) fn make_database(
        &self,
        environment: &Name,
        database: &str,
        role: &str,
        like: Option<&backup::Database>,
    ) -> Result<Option<String>> {
        let sorting = like.map(backup::Database::sorting);
        let mut client = self.admin(environment, "postgres")?;
        let otherwise = make_empty(&mut client, database, role, sorting.as_ref())?;
        if self.spec.postgres.is_given() {
            self.prepare_given(environment, database)?;
        } else {
            let immutable_unaccent = like.is_none_or(|like| like.unaccent_immutable);
            prepare(&mut self.admin(environment, database)?, role, immutable_unaccent)?;
        }
        Ok(otherwise)
    }

    /// The owner of a database may make what the server trusts, and no more; Odoo works without the rest, and the plan says so.
    fn prepare_given(&self, environment: &Name, database: &str) -> Result<()> {
        let mut client = self.admin(environment, database)?;
        let usable = self.facts.server.present().map(|server| &server.extensions);
        let usable = usable.into_iter().flatten().filter(|(_, usable)| **usable);
        for (name, _) in usable {
            let made = client.batch_execute(&format!(
                "CREATE EXTENSION IF NOT EXISTS {}",
                sql::identifier(name)
            ));
            if let Err(e) = made {
                self.ui.warn(&format!(
                    "extension {name} could not be made in {database}: {}",
                    words(&e)
                ));
            }
        }
        Ok(())
    }

    /// Dropped only because this program marked it before it began to fill it.
    pub(super) fn drop_unfinished(&self, environment: &Name, database: &str) -> Result<()> {
        let marks = marks::unfinished(&self.layout.state(), std::iter::once(environment))?;
        if marks.get(environment) != Some(&self.number(environment, database)?) {
            return Err(Failure::refused(format!(
                "`{database}` was not being filled by this program"
            )));
        }
        drop_database(&mut self.admin(environment, "postgres")?, database)
    }

    /// The number of a database: one that is made anew under the same name has another.
    pub(super) fn number(&self, environment: &Name, database: &str) -> Result<u32> {
        let sql = "SELECT oid FROM pg_database WHERE datname = $1";
        let row = self.admin(environment, "postgres")?.query_one(sql, &[&database]);
        row.map(|row| row.get(0))
            .map_err(|e| failed("could not look for the database", &e))
    }

    pub(super) fn initialize_database(&self, environment: &Name, progress: &Progress) -> Result<()> {
        let want = self.want(environment)?;
        marks::remember_unfinished(
            &self.layout.state(),
            environment,
            self.number(environment, &want.database)?,
        )?;
        let odoo = OneShot::of_services(
            self.spec,
            self.layout,
            environment,
            self.release()?,
            &self.facts.secrets,
        )?;
        let cmd = odoo
            .command()?
            .args(["-d", &want.database, "-i", &want.modules.join(",")])
            .args(["--load-language", self.language(environment)]);
        let verdict = odoo.run(cmd, progress)?.good()?;
        self.installed(want)?;
        self.remember_first(want, &verdict.worked_on)
    }

    fn language(&self, environment: &Name) -> &str {
        let settings = self.spec.environments.get(environment);
        settings.map_or("en_US", |settings| &settings.language)
    }

    /// Odoo's exit status says nothing about modules that it did not know.
    fn installed(&self, want: &DatabaseWant) -> Result<()> {
        let sql = "SELECT m, s.state FROM unnest($1::text[]) m LEFT JOIN ir_module_module s ON s.name = m \
                    WHERE s.state IS DISTINCT FROM 'installed'";
        let rows = self
            .admin(&want.environment, &want.database)?
            .query(sql, &[&want.modules]);
        let rows = rows.map_err(|e| failed("could not look at the installed modules", &e))?;
        let missing: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Failure::failed(format!(
            "these modules were not installed: {}",
            missing.join(", ")
        ))
        .hint("check their names in odoopack.toml and that their directory is in [addons] own"))
    }

    /// Password, addresses and the mark of completeness, in one transaction.
    pub(super) fn finish_database(&self, environment: &Name) -> Result<()> {
        let want = self.want(environment)?;
        let [admin, ..] = generated_secrets(environment);
        let hash = crate::password::hash(self.secret(&admin)?);
        let mut client = self.admin(environment, &want.database)?;
        let finish = |client: &mut Client| -> std::result::Result<(), postgres::Error> {
            let mut transaction = client.transaction()?;
            transaction.execute(
                "UPDATE res_users SET password = $1 WHERE login = 'admin'",
                &[&hash],
            )?;
            transaction.execute(
                "UPDATE res_partner SET lang = $1 WHERE id IN (SELECT partner_id FROM res_users UNION SELECT partner_id FROM res_company)",
                &[&self.language(environment)],
            )?;
            set_parameters(&mut transaction, want)?;
            transaction.batch_execute(&self.mark(&want.database, want.kind))?;
            transaction.commit()
        };
        finish(&mut client).map_err(|e| failed("could not finish the database", &e))?;
        files::remove(&marks::unfinished_file(&self.layout.state(), environment))
    }

    /// A running Odoo reads them anew: it keeps what it has read.
    pub(super) fn set_addresses(&self, environment: &Name) -> Result<()> {
        let want = self.want(environment)?;
        let mut client = self.admin(environment, &want.database)?;
        let set = |client: &mut Client| -> std::result::Result<(), postgres::Error> {
            let mut transaction = client.transaction()?;
            set_parameters(&mut transaction, want)?;
            transaction.batch_execute(sql::SIGNAL)?;
            transaction.commit()
        };
        set(&mut client).map_err(|e| failed("could not set the addresses", &e))
    }

    pub(super) fn mark_database(&self, environment: &Name) -> Result<()> {
        let want = self.want(environment)?;
        self.admin(environment, "postgres")?
            .batch_execute(&self.mark(&want.database, want.kind))
            .map_err(|e| failed("could not mark the database", &e))?;
        files::remove(&marks::unfinished_file(&self.layout.state(), environment))
    }
}

fn set_parameters(
    transaction: &mut Transaction<'_>,
    want: &DatabaseWant,
) -> std::result::Result<(), postgres::Error> {
    for (key, value) in &want.parameters {
        transaction.execute(
            "INSERT INTO ir_config_parameter (key, value, create_uid, write_uid, create_date, write_date) \
             VALUES ($1, $2, 1, 1, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC') \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            &[key, value],
        )?;
    }
    Ok(())
}

pub(super) fn failed(what: &str, error: &postgres::Error) -> Failure {
    Failure::failed(what).because(words(error))
}

/// Makes a database, if it is not there, that only its owner and the administrator may enter; it sorts its texts as `like`
/// where the server can, and returns why it cannot.
fn make_empty(
    client: &mut Client,
    database: &str,
    owner: &str,
    like: Option<&Sorting>,
) -> Result<Option<String>> {
    let there = client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&database]);
    let there = there.map_err(|e| failed("could not look for the database", &e))?;
    let mut otherwise = None;
    if there.is_none() {
        let major = client.query_one("SELECT current_setting('server_version_num')::int / 10000", &[]);
        let major: i32 = major
            .map_err(|e| failed("could not ask for the server's version", &e))?
            .get(0);
        let major = u16::try_from(major).unwrap_or_default();
        let refused = as_like_or_own(like, |sorting| {
            client.batch_execute(&sql::create_database(database, owner, sorting, major))
        });
        let refused = refused.map_err(|e| failed("could not create the database", &e))?;
        otherwise = refused.as_ref().map(words);
    }
    client
        .batch_execute(&sql::close_database(database))
        .map_err(|e| failed("could not close the database to others", &e))?;
    Ok(otherwise)
}

/// Drops a database, if it is there, whoever is in it.
pub(super) fn drop_database(client: &mut Client, database: &str) -> Result<()> {
    let sql = format!(
        "DROP DATABASE IF EXISTS {} WITH (FORCE)",
        sql::identifier(database)
    );
    client
        .batch_execute(&sql)
        .map_err(|e| failed("could not drop the database", &e))
}

/// What only the administrator may do in an empty database.
fn prepare(client: &mut Client, owner: &str, immutable_unaccent: bool) -> Result<()> {
    client
        .batch_execute(&sql::prepare_database(owner, immutable_unaccent))
        .map_err(|e| failed("could not prepare the database", &e))
}
