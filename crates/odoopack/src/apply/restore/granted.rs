//! What an operator has set and granted in the database that is replaced holds for the new one: no backup brings it.
use std::collections::{BTreeMap, BTreeSet};

use odoopack_core::render::sql::identifier;
use postgres::Client;

use super::Restore;
use crate::apply::databases::failed;
use crate::apply::restore_point::settings;
use crate::failure::Result;
use crate::observe::databases::words;

/// The setting, or comment, by which a database is known as an environment's; only the swap gives it.
const MARK: &str = "odoopack.kind";

/// How many privileges other roles than `$2` have on what is in the database `$1`, by role; privileges on the database itself are shared.
const PRIVILEGES: &str = "SELECT pg_get_userbyid(s.refobjid)::text, count(*) FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid \
    WHERE d.datname = $1 AND s.deptype = 'a' AND s.refclassid = 'pg_authid'::regclass AND pg_get_userbyid(s.refobjid) <> $2 GROUP BY 1";

/// Privileges on tables that other roles than the owner have. What a view does, whoever reads it does.
const ON_TABLES: &str = "SELECT n.nspname::text, c.relname::text, a.privilege_type, r.rolname::text, a.is_grantable \
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee \
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND a.grantee <> c.relowner";

const TABLES: &str = "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind IN ('r', 'p') AND pg_get_userbyid(c.relowner) = current_user";

impl Restore<'_> {
    /// Sets and grants again in `to`, which nobody uses yet, what holds in `from`; repeatable. What cannot be said again is warned of.
    ///
    /// # Errors
    /// When it cannot be seen what holds.
    pub(super) fn take_over(&self, client: &mut Client, from: &str, to: &str) -> Result<()> {
        let trouble = |e: postgres::Error| failed(&format!("could not see what is set for {from}"), &e);
        for statement in settings(client, (from, to), Some(MARK)).map_err(trouble)? {
            if let Err(e) = client.batch_execute(&statement) {
                let statement = statement.replace(&identifier(to), &identifier(from));
                self.warn(format!(
                    "could not be said again of the new database: `{statement}`: {}",
                    words(&e)
                ));
            }
        }
        let role = self.role();
        let privileges = |client: &mut Client, database: &str| -> Result<BTreeMap<String, i64>> {
            let rows = client.query(PRIVILEGES, &[&database, &role]).map_err(trouble)?;
            Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
        };
        let before = privileges(client, from)?;
        if before.is_empty() {
            return Ok(());
        }
        self.grant(from, to)?;
        if let Some(lost) = lost(&before, &privileges(client, to)?) {
            self.warn(format!(
                "{lost} in the old database and not in the new one: only those on tables that both have are taken over; `odoopack psql {}` grants the others again",
                self.environment
            ));
        }
        Ok(())
    }

    /// As the owner of the tables, never as the administrator.
    fn grant(&self, from: &str, to: &str) -> Result<()> {
        let trouble = |e: postgres::Error| failed("could not see who may read which table", &e);
        let mut new = self.inside_own(to)?;
        let tables = new.query(TABLES, &[]).map_err(trouble)?;
        let tables: BTreeSet<(String, String)> = tables.iter().map(|row| (row.get(0), row.get(1))).collect();
        let mut statements = String::new();
        for row in self.inside_own(from)?.query(ON_TABLES, &[]).map_err(trouble)? {
            let table: (String, String) = (row.get(0), row.get(1));
            if tables.contains(&table) {
                let (what, role, more) = (row.get(2), row.get(3), row.get(4));
                statements += &on_table(&table, what, (role, more));
            }
        }
        if let Err(e) = new.batch_execute(&statements) {
            self.warn(format!(
                "privileges on tables could not be granted again: {}",
                words(&e)
            ));
        }
        Ok(())
    }
}

fn on_table((schema, table): &(String, String), what: &str, (role, more): (&str, bool)) -> String {
    let more = if more { " WITH GRANT OPTION" } else { "" };
    format!(
        "GRANT {what} ON TABLE {}.{} TO {}{more};",
        identifier(schema),
        identifier(table),
        identifier(role)
    )
}

/// Whose privileges are fewer now, and how many.
fn lost(before: &BTreeMap<String, i64>, now: &BTreeMap<String, i64>) -> Option<String> {
    let fewer = before.iter().filter_map(|(role, count)| {
        let lost = count - now.get(role).copied().unwrap_or_default();
        (lost > 0).then_some((role.as_str(), lost))
    });
    let fewer: Vec<(&str, i64)> = fewer.collect();
    let roles: Vec<&str> = fewer.iter().map(|(role, _)| *role).collect();
    let count: i64 = fewer.iter().map(|(_, lost)| lost).sum();
    (count > 0).then(|| format!("{count} things were granted to {}", roles.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_granted_is_granted_again_by_name() {
        let table = ("public".to_owned(), "odd\"name".to_owned());
        assert_eq!(
            on_table(&table, "SELECT", ("reports", true)),
            "GRANT SELECT ON TABLE \"public\".\"odd\"\"name\" TO \"reports\" WITH GRANT OPTION;"
        );
    }

    #[test]
    fn whoever_may_less_than_before_is_named() {
        let of = |all: &[(&str, i64)]| {
            all.iter()
                .map(|(role, count)| ((*role).to_owned(), *count))
                .collect()
        };
        let before = of(&[("reports", 3), ("shop", 2)]);
        assert_eq!(lost(&before, &before), None);
        let now = of(&[("reports", 4), ("other", 9)]);
        assert_eq!(lost(&before, &now).unwrap(), "2 things were granted to shop");
        assert_eq!(
            lost(&before, &of(&[])).unwrap(),
            "5 things were granted to reports, shop"
        );
    }
}
