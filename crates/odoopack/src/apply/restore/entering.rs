//! Who enters which database while it is restored.
use odoopack_core::secret::SecretText;
use odoopack_core::target::secret_name;
use postgres::Client;

use super::Restore;
use crate::apply::databases::failed;
use crate::failure::Result;
use crate::observe::databases::connect_as;
use crate::tools::dumps::Entrance;

impl Restore<'_> {
    /// Who works in the database that only the operation knows: for a backup of somebody else a role that owns this
    /// database and nothing besides. What such a dump does as the environment's role, it can do to the environment's
    /// database and to everything that was kept of it.
    fn visitor(&self, database: &str) -> Result<(String, SecretText)> {
        if self.foreign() {
            return Ok((database.to_owned(), self.password.clone()));
        }
        self.own()
    }

    /// The environment's own role.
    fn own(&self) -> Result<(String, SecretText)> {
        let password = self.apply.secret(&secret_name(&self.environment, "DATABASE"))?;
        Ok((self.role(), SecretText::new(password)))
    }

    pub(super) fn entrance(&self, database: &str) -> Result<Entrance> {
        let (role, password) = self.visitor(database)?;
        Ok(Entrance {
            role,
            password,
            ..super::entrance(self.apply, &self.environment, database)?
        })
    }

    /// Connects to the database that only the operation knows, never as the administrator.
    pub(super) fn inside(&self, database: &str) -> Result<Client> {
        let (role, password) = self.visitor(database)?;
        self.enter(database, &role, &password)
    }

    /// The same for the environment's own database, which a backup of somebody else has nothing to do with.
    pub(super) fn inside_own(&self, database: &str) -> Result<Client> {
        let (role, password) = self.own()?;
        self.enter(database, &role, &password)
    }

    fn enter(&self, database: &str, role: &str, password: &SecretText) -> Result<Client> {
        let server = self.apply.server(&self.environment)?;
        connect_as(&server, role, password.expose(), database).map_err(|e| {
            failed(&format!("could not enter `{database}` as {role}"), &e)
                .hint("`odoopack up` brings the pack to this version")
        })
    }
}
