//! Extensions of a snapshot, made by the administrator while nothing of anybody is in the database yet.
use std::collections::{BTreeMap, BTreeSet};

use odoopack_core::render::sql::{identifier, literal};
use postgres::Client;

use super::Restore;
use super::source::Source;
use crate::apply::databases::failed;
use crate::failure::Result;

impl Restore<'_> {
    /// Those of a snapshot are known to be of this pack, so that the administrator may make what the role may not.
    pub(super) fn extensions(&self, database: &str, role: &str) -> Result<()> {
        let Some(Source::Snapshot(stored)) = self.source else {
            return Ok(());
        };
        let mut inside = self.apply.admin(&self.environment, database)?;
        let database = &stored.manifest().database;
        let needs = needs(&mut inside)?;
        let mut left: Vec<&String> = database.extensions.keys().collect();
        while !left.is_empty() {
            let name = left.remove(next(&left, &needs));
            let schema = database.extension_schemas.get(name);
            let sql = make_extension(name, schema.map(String::as_str), role) + &open_extension(name, role);
            inside.batch_execute(&sql).map_err(|e| {
                failed(
                    &format!("could not make the extension `{name}`, which the snapshot has"),
                    &e,
                )
                .hint("install the Debian package that brings it for this server's major")
            })?;
        }
        Ok(())
    }

    /// What the snapshot holds is there now: the role fills no table of an extension any more, and names no other server.
    pub(super) fn close_extensions(&self, database: &str, role: &str) -> Result<()> {
        let sql = tables("true", "REVOKE", "FROM", role)
            + &wrappers("SELECT oid FROM pg_foreign_data_wrapper", "REVOKE", "FROM", role);
        self.apply
            .admin(&self.environment, database)?
            .batch_execute(&sql)
            .map_err(|e| failed("could not take back what the role needed to load", &e))
    }
}

/// The extensions that each one needs, in the version that would be made.
fn needs(inside: &mut Client) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let sql = "SELECT v.name::text, r::text FROM pg_available_extension_versions v \
               JOIN pg_available_extensions e ON e.name = v.name AND e.default_version = v.version, unnest(v.requires) r";
    let rows = inside
        .query(sql, &[])
        .map_err(|e| failed("could not look which extensions need others", &e))?;
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in rows {
        needs.entry(row.get(0)).or_default().insert(row.get(1));
    }
    Ok(needs)
}

/// The first that needs none of the others; of a circle, which the server refuses, the first.
fn next(left: &[&String], needs: &BTreeMap<String, BTreeSet<String>>) -> usize {
    let waits = |name: &&String| {
        let needs = needs.get(*name);
        needs.is_some_and(|needs| left.iter().any(|other| needs.contains(*other)))
    };
    left.iter().position(|name| !waits(name)).unwrap_or(0)
}

/// What the role fills when it loads: the rows that people put into tables of the extension (`pg_extension_config_dump`), and servers of
/// its wrapper. The administrator owns both.
fn open_extension(name: &str, role: &str) -> String {
    let name = literal(name);
    let own = format!(
        "SELECT d.objid FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass \
         WHERE d.classid = 'pg_foreign_data_wrapper'::regclass AND d.deptype = 'e' AND e.extname = {name}"
    );
    let tables = tables(&format!("extname = {name}"), "GRANT", "TO", role);
    format!("; {tables} {}", wrappers(&own, "GRANT", "TO", role))
}

fn tables(of: &str, verb: &str, preposition: &str, role: &str) -> String {
    let role = literal(&identifier(role));
    format!(
        "DO $$ DECLARE one regclass; BEGIN \
         FOR one IN SELECT unnest(extconfig) FROM pg_extension WHERE {of} AND pg_has_role(extowner, 'USAGE') LOOP \
         EXECUTE format('{verb} ALL ON %s {preposition} %s', one, {role}); END LOOP; END $$;"
    )
}

fn wrappers(which: &str, verb: &str, preposition: &str, role: &str) -> String {
    let role = literal(&identifier(role));
    format!(
        "DO $$ DECLARE one name; BEGIN FOR one IN SELECT fdwname FROM pg_foreign_data_wrapper WHERE oid IN ({which}) AND pg_has_role(fdwowner, 'USAGE') LOOP \
         EXECUTE format('{verb} USAGE ON FOREIGN DATA WRAPPER %I {preposition} %s', one, {role}); END LOOP; END $$;"
    )
}

/// Those that `up` makes are in `public`, and move.
fn make_extension(name: &str, schema: Option<&str>, role: &str) -> String {
    let name = identifier(name);
    let Some(schema) = schema.map(identifier) else {
        return format!("CREATE EXTENSION IF NOT EXISTS {name}");
    };
    let role = identifier(role);
    format!(
        "CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {role}; CREATE EXTENSION IF NOT EXISTS {name} WITH SCHEMA {schema}; \
         ALTER EXTENSION {name} SET SCHEMA {schema}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_one_needs_is_made_before_it() {
        let names = ["h3_postgis", "pg_trgm", "pgrouting", "postgis"].map(str::to_owned);
        let needs = BTreeMap::from([
            (
                names[0].clone(),
                BTreeSet::from(["h3".to_owned(), names[3].clone()]),
            ),
            (names[2].clone(), BTreeSet::from([names[3].clone()])),
        ]);
        let mut left: Vec<&String> = names.iter().collect();
        let mut order = Vec::new();
        while !left.is_empty() {
            order.push(left.remove(next(&left, &needs)).as_str());
        }
        assert_eq!(order, ["pg_trgm", "postgis", "h3_postgis", "pgrouting"]);
    }
}
