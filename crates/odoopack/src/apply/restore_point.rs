//! The way back of a module operation: a copy of the database, put in its place when the operation fails.
//!
//! Attachments need no copy: Odoo only ever adds files, and what it marks as garbage is removed by scheduled jobs, none of
//! which runs before the operation has ended. The database that came back still names its files, so they stay then too.
use odoopack_core::name::Name;
use odoopack_core::render::sql::{self, identifier};
use odoopack_core::restore::own_name;
use odoopack_core::units::Bytes;
use postgres::Client;

use super::Apply;
use super::databases::failed;
use super::restore::{alone, exists};
use crate::failure::{Failure, Result};

/// From this version on PostgreSQL must be told to copy files; it would write all of them into its log.
const STRATEGIES: i32 = 150_000;

impl Apply<'_> {
    /// Copies an environment's database; every session in it ends, for PostgreSQL copies none that is in use.
    ///
    /// # Errors
    /// When the copy could not be made; nothing of it is left then.
    pub(crate) fn take_restore_point(&self, environment: &Name, point: &str) -> Result<()> {
        let want = self.want(environment)?;
        let mut client = self.admin(environment, "postgres")?;
        let version = client.query_one("SELECT current_setting('server_version_num')::int", &[]);
        let version: i32 = version
            .map_err(|e| failed("could not ask for the server's version", &e))?
            .get(0);
        let copy = sql::copy_database(&want.database, point, &want.role, version >= STRATEGIES);
        alone(&mut client, &[&want.database], &copy)
            .map_err(|failure| failure.during(format!("could not copy database {}", want.database)))?;
        client
            .batch_execute(&sql::close_database(point))
            .map_err(|e| failed("could not close the copy to others", &e))
    }

    /// Puts the copy in the place of the database, with everything that was set for it, and drops what it replaces. From the
    /// end of the swap on the database is back: what cannot be dropped then is only warned of.
    ///
    /// # Errors
    /// When both are still where they were.
    pub(crate) fn return_to_restore_point(&self, environment: &Name, point: &str) -> Result<()> {
        let database = &self.want(environment)?.database;
        let mut client = self.admin(environment, "postgres")?;
        if !exists(&mut client, point)? {
            return Err(Failure::failed(format!("there is no database {point}")));
        }
        let undone = undone(point);
        let settings = settings(&mut client, (database, database), None)
            .map_err(|e| failed("could not read its settings", &e))?;
        let swap = format!(
            "BEGIN;{}{}{}COMMIT;",
            sql::rename_database(database, &undone),
            sql::rename_database(point, database),
            settings.concat()
        );
        alone(&mut client, &[database, point], &swap)?;
        if let Err(failure) = drop_database(&mut client, &undone) {
            self.ui.warn(&still_there(environment, &undone, &failure));
        }
        Ok(())
    }

    /// Drops copies that nobody needs any more.
    ///
    /// # Errors
    /// When one stays.
    pub(crate) fn forget_restore_points(&self, environment: &Name, points: &[String]) -> Result<()> {
        let mut client = self.admin(environment, "postgres")?;
        for point in points {
            drop_database(&mut client, point)?;
            // Left by a return that was killed before its end.
            drop_database(&mut client, &undone(point))?;
        }
        Ok(())
    }
}

/// Name of the copy of a database that is made by the operation `id`.
pub(crate) fn restore_point(database: &str, id: &str) -> String {
    own_name(database, "before", id)
}

/// Where the database goes that its copy takes the place of; as long as the copy's own name.
fn undone(point: &str) -> String {
    let (database, id) = point.rsplit_once("_before_").unwrap_or((point, "0"));
    own_name(database, "undone", id)
}

fn still_there(environment: &Name, undone: &str, failure: &Failure) -> String {
    format!(
        "the database is back, but what it replaced is still there as {undone}: {}; `odoopack psql {environment} --admin` can drop it",
        failure.chain().join(": ")
    )
}

/// Bytes on disk of the database that the client is in.
///
/// # Errors
/// When the server does not say.
pub(crate) fn database_size(client: &mut Client) -> Result<Bytes> {
    let row = client.query_one("SELECT pg_database_size(current_database())", &[]);
    let size: i64 = row
        .map_err(|e| failed("could not ask for the size of the database", &e))?
        .get(0);
    Ok(Bytes(u64::try_from(size).unwrap_or_default()))
}

fn drop_database(client: &mut Client, database: &str) -> Result<()> {
    client
        .batch_execute(&format!(
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            identifier(database)
        ))
        .map_err(|e| failed(&format!("could not drop database {database}"), &e))
}

/// The statements that say of the database `to` again what a copy of `from` does not bring along: settings and privileges of the database
/// itself, each by itself; without the setting, or the comment, of the name `left_out`.
pub(super) fn settings(
    client: &mut Client,
    (from, to): (&str, &str),
    left_out: Option<&str>,
) -> std::result::Result<Vec<String>, postgres::Error> {
    let mut all = Vec::new();
    let set = "SELECT r.rolname, split_part(c, '=', 1), substr(c, strpos(c, '=') + 1) \
               FROM pg_database d JOIN pg_db_role_setting s ON s.setdatabase = d.oid LEFT JOIN pg_roles r ON r.oid = s.setrole, \
               unnest(s.setconfig) c WHERE d.datname = $1";
    for row in client.query(set, &[&from])? {
        let (role, name, value): (Option<&str>, &str, &str) = (row.get(0), row.get(1), row.get(2));
        if left_out != Some(name) {
            all.push(sql::setting(to, role, name, value));
        }
    }
    let said = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1";
    let said = client.query_one(said, &[&from])?;
    let marks = |text: &str| left_out.is_some_and(|name| text.starts_with(&format!("{name}=")));
    if let Some(text) = said.get::<_, Option<&str>>(0).filter(|text| !marks(text)) {
        all.push(format!(
            "COMMENT ON DATABASE {} IS {};",
            identifier(to),
            sql::literal(text)
        ));
    }
    let granted = "SELECT a.privilege_type, r.rolname, a.is_grantable FROM pg_database d, aclexplode(d.datacl) a \
                   JOIN pg_roles r ON r.oid = a.grantee WHERE d.datname = $1 AND a.grantee <> d.datdba";
    for row in client.query(granted, &[&from])? {
        let (what, role, more): (&str, &str, bool) = (row.get(0), row.get(1), row.get(2));
        let more = if more { " WITH GRANT OPTION" } else { "" };
        let (name, role) = (identifier(to), identifier(role));
        all.push(format!("GRANT {what} ON DATABASE {name} TO {role}{more};"));
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_after_the_swap_is_named_by_the_name_that_it_has() {
        let point = restore_point("demo_production", "6a1b2c3d");
        let said = still_there(
            &"production".parse().unwrap(),
            &undone(&point),
            &Failure::failed("no connection"),
        );
        insta::assert_snapshot!(said, @"the database is back, but what it replaced is still there as demo_production_undone_6a1b2c3d: no connection; `odoopack psql production --admin` can drop it");
    }
}
