//! The database that only the operation knows, and its way into the place of the old one.
use std::time::{Duration, Instant};

use odoopack_core::render::pg_hba::LOADERS;
use odoopack_core::render::sql::{identifier, literal, mark_by_comment, rename_database, role};
use odoopack_core::sorting::Sorting;
use postgres::Client;

use super::Restore;
use super::source::Source;
use crate::apply::databases::{drop_database, failed};
use crate::failure::{Failure, Result};

/// How long sessions may take to end once they were told to.
const SESSIONS: Duration = Duration::from_secs(30);

impl Restore<'_> {
    /// Whether somebody else runs the server, where the role that was given owns everything and makes no other.
    fn given(&self) -> bool {
        self.apply.spec.postgres.is_given()
    }

    fn set_mark(&self, database: &str, mark: &str) -> String {
        self.apply.mark(database, mark) + ";"
    }

    fn take_mark(&self, database: &str) -> String {
        if self.given() {
            return mark_by_comment(database, None) + ";";
        }
        format!("ALTER DATABASE {} RESET odoopack.kind;", identifier(database))
    }

    fn drop_with_door(&self, client: &mut Client, database: &str) -> Result<()> {
        if self.given() {
            return drop_database(client, database);
        }
        drop_with_door(client, database)
    }

    fn postgres(&self) -> Result<Client> {
        self.apply.admin(&self.environment, "postgres")
    }

    /// Everything that only an administrator may do is done now, while nothing of anybody is in the database: an object of
    /// a hostile dump could run as whoever touches it later.
    pub(super) fn make_database(&self, database: &str, role: &str) -> Result<()> {
        // The lines that let somebody in, or nobody, are the provider's; what needs a role of its own was refused before.
        if self.given() {
            self.make_like(database, role)?;
            return self.extensions(database, role);
        }
        let mut doors = door(database, role);
        if self.foreign() {
            doors += &loader(database, self.password.expose());
        }
        self.postgres()?
            .batch_execute(&doors)
            .map_err(|e| failed("could not let the role in", &e))?;
        if self.foreign() {
            self.make_like(database, database)?;
            return self.inside(database).map(drop);
        }
        self.make_like(database, role)?;
        self.extensions(database, role)
    }

    /// An empty database, made as that of the snapshot was; a backup of somebody else does not say how.
    fn make_like(&self, database: &str, role: &str) -> Result<()> {
        let like = match self.source {
            Some(Source::Snapshot(stored)) => Some(&stored.manifest().database),
            Some(Source::Zip(_) | Source::Folder { .. } | Source::Dump(_)) | None => None,
        };
        let otherwise = self
            .apply
            .make_database(&self.environment, database, role, like)?;
        if let (Some(like), Some(why)) = (like, otherwise) {
            self.warn(format!(
                "texts were sorted by {} where the snapshot was taken, and are sorted by {} now, because the server refuses the other: {why}",
                like.sorting(),
                Sorting::of_odoo()
            ));
        }
        Ok(())
    }

    /// Gives what the role that loaded it owns to the environment's; harmless where no such role did.
    ///
    /// `REASSIGN OWNED` hands over whole databases too: of this role there is only the one.
    fn hand_over(&self, client: &mut Client, database: &str) -> Result<()> {
        let trouble = |e: postgres::Error| failed("could not hand the database over to its role", &e);
        let owned = client
            .query(
                "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = $1",
                &[&database],
            )
            .map_err(trouble)?;
        let owned: Vec<String> = owned.iter().map(|row| row.get(0)).collect();
        if owned.is_empty() {
            return Ok(());
        }
        if owned != [database] {
            return Err(Failure::failed(format!(
                "the role that loaded {database} owns other databases: {}",
                owned.join(", ")
            )));
        }
        let (loader, role) = (identifier(database), identifier(&self.role()));
        // What the dump has set for the database would hold for the administrator's session too.
        client
            .batch_execute(&format!("ALTER DATABASE {loader} RESET ALL"))
            .map_err(trouble)?;
        self.apply
            .admin(&self.environment, database)?
            .batch_execute(&format!(
                "REASSIGN OWNED BY {loader} TO {role}; DROP OWNED BY {loader};"
            ))
            .map_err(trouble)
    }

    /// Only names that this operation made up are ever dropped.
    pub(super) fn drop_database(&self, database: &str) -> Result<()> {
        let ours = database.ends_with(&format!("_{}", self.id));
        if !ours {
            return Err(Failure::failed(format!("`{database}` is not of this operation")));
        }
        self.drop_with_door(&mut self.postgres()?, database)
    }

    pub(super) fn keep_database(&self, database: &str, kept: &str) -> Result<()> {
        let mut client = self.postgres()?;
        if exists(&mut client, database)? {
            alone(&mut client, &[database], &rename_database(database, kept))?;
        }
        self.drop_with_door(&mut client, database)
    }

    /// One transaction: nobody ever sees the name without a database, or a database without its mark.
    pub(super) fn swap_database(
        &self,
        from: &str,
        to: &str,
        kept: Option<&str>,
        mark: Option<&str>,
    ) -> Result<()> {
        let mut client = self.postgres()?;
        if !exists(&mut client, from)? {
            return if exists(&mut client, to)? {
                Ok(())
            } else {
                Err(Failure::failed(format!("neither `{from}` nor `{to}` is there")))
            };
        }
        if kept.is_none() && exists(&mut client, to)? {
            return Err(Failure::failed(format!(
                "meanwhile somebody made a database `{to}`"
            )));
        }
        self.hand_over(&mut client, from)?;
        if kept.is_some() {
            self.take_over(&mut client, to, from)?;
        }
        let mut sql = String::from("BEGIN;");
        if let Some(kept) = kept {
            sql += &rename_database(to, kept);
            sql += &self.take_mark(kept);
        }
        sql += &rename_database(from, to);
        match mark {
            Some(mark) => sql += &self.set_mark(to, mark),
            // A database beside has no line of its own in pg_hba.conf; its door stays.
            None if !self.given() => sql += &door(to, &self.role()),
            None => {}
        }
        if !self.given() {
            sql += &format!("DROP ROLE IF EXISTS {};", identifier(from));
        }
        sql += "COMMIT;";
        alone(&mut client, &[from, to], &sql)
    }

    pub(super) fn swap_database_back(
        &self,
        from: &str,
        to: &str,
        kept: Option<&str>,
        mark: Option<&str>,
    ) -> Result<()> {
        let mut client = self.postgres()?;
        let swapped = !exists(&mut client, from)?
            && match kept {
                Some(kept) => exists(&mut client, kept)?,
                None => exists(&mut client, to)?,
            };
        if !swapped {
            return Ok(());
        }
        let mut sql = String::from("BEGIN;");
        sql += &rename_database(to, from);
        sql += &self.take_mark(from);
        if let Some(kept) = kept {
            sql += &rename_database(kept, to);
            sql += &mark.map(|mark| self.set_mark(to, mark)).unwrap_or_default();
        }
        sql += "COMMIT;";
        alone(&mut client, &[from, to], &sql)
    }
}

/// Whether there is a database of this name.
pub(in crate::apply) fn exists(client: &mut Client, database: &str) -> Result<bool> {
    client
        .query_opt("SELECT FROM pg_database WHERE datname = $1", &[&database])
        .map(|row| row.is_some())
        .map_err(|e| failed("could not look for the database", &e))
}

/// Drops a database and the role that let somebody in.
pub(super) fn drop_with_door(client: &mut Client, database: &str) -> Result<()> {
    drop_database(client, database)?;
    client
        .batch_execute(&format!("DROP ROLE IF EXISTS {}", identifier(database)))
        .map_err(|e| failed("could not drop the role that let somebody in", &e))
}

/// `pg_hba.conf` lets a role into a database that has a role of its own name which the first is a member of (`samerole`).
///
/// # Errors
/// Of the server, where there is a role of that name that is more than a door: whoever is a member of it has all that it has.
fn door(database: &str, role: &str) -> String {
    let (door, role, name) = (identifier(database), identifier(role), literal(database));
    format!(
        "DO $$ BEGIN \
           IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN CREATE ROLE {door} NOLOGIN; \
           ELSIF NOT EXISTS (SELECT FROM pg_roles r WHERE rolname = {name} AND {DOOR}) \
           THEN RAISE EXCEPTION 'there is a role of that name already, which is more than a way into its database'; \
           END IF; END $$; \
         GRANT {door} TO {role};"
    )
}

/// Whether a role `r` of `pg_roles` can be one that was made to let somebody into the database of its name, and nothing besides: nobody
/// signs in as it, it may nothing, it is a member of nothing, and owns and was granted nothing in any database.
const DOOR: &str = "r.oid >= 16384 AND r.rolname <> 'odoopack-loading' \
    AND NOT (r.rolcanlogin OR r.rolsuper OR r.rolcreatedb OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls) \
    AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid) \
    AND NOT EXISTS (SELECT FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid \
                    AND d.classid <> 'pg_auth_members'::regclass)";

/// Whether somebody has a role of this name, which a restore beside would give to the environment's; `roles` are those of the pack, which
/// may be members of one that an earlier restore has left.
///
/// # Errors
/// When that cannot be seen.
pub(crate) fn is_somebodys_role(client: &mut Client, name: &str, roles: &[String]) -> Result<bool> {
    let sql = format!(
        "SELECT FROM pg_roles r WHERE r.rolname = $1 AND NOT ({DOOR} AND NOT EXISTS (\
           SELECT FROM pg_auth_members m WHERE m.roleid = r.oid AND pg_get_userbyid(m.member) <> ALL ($2)))"
    );
    client
        .query_opt(&sql, &[&name, &roles])
        .map(|row| row.is_some())
        .map_err(|e| failed("could not look for the role", &e))
}

/// The door's own role may log in, into the database of its name and no other, and is nobody else.
fn loader(database: &str, password: &str) -> String {
    let verifier = postgres_protocol::password::scram_sha_256(password.as_bytes());
    let (group, door) = (identifier(LOADERS), identifier(database));
    format!(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {}) THEN CREATE ROLE {group} NOLOGIN; END IF; END $$; \
         {}; GRANT {group} TO {door};",
        literal(LOADERS),
        role(database, true, &verifier)
    )
}

/// Ends every session on these databases and runs the statements before another one begins.
pub(in crate::apply) fn alone(client: &mut Client, databases: &[&str], sql: &str) -> Result<()> {
    let begun = Instant::now();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY($1) AND pid <> pg_backend_pid() \
               AND pg_has_role(usesysid, 'USAGE')";
    // What belongs to nobody, or to somebody above us, ends by itself or keeps the statements waiting.
    loop {
        client
            .query(end, &[&databases])
            .map_err(|e| failed("could not end the sessions", &e))?;
        let Err(error) = client.batch_execute(sql) else {
            return Ok(());
        };
        client
            .batch_execute("ROLLBACK")
            .map_err(|e| failed("could not go back", &e))?;
        let busy = error.code() == Some(&postgres::error::SqlState::OBJECT_IN_USE);
        if !busy || begun.elapsed() > SESSIONS {
            return Err(failed("could not give the database its name", &error));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_load_are_no_way_into_a_database() {
        assert!(DOOR.contains(&literal(LOADERS)), "{DOOR}");
    }

    #[test]
    fn a_door_is_given_only_where_the_role_is_one() {
        let sql = door("o'snap", "pack_production");
        let made =
            "NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'o''snap') THEN CREATE ROLE \"o'snap\" NOLOGIN";
        assert!(sql.contains(made) && sql.contains("RAISE EXCEPTION"), "{sql}");
        assert!(sql.ends_with("GRANT \"o'snap\" TO \"pack_production\";"), "{sql}");
    }
}
