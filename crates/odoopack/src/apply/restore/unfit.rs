//! What arrived as it should and is yet nothing to put in the place of anything: a harmless copy for production, tables without their keys.
use odoopack_core::name::Name;
use odoopack_core::spec::Kind;
use postgres::GenericClient;

use super::Restore;
use super::harmless::{NEUTRALIZED, is_neutralized};
use crate::apply::databases::failed;
use crate::failure::{Failure, Result};

/// Tables of models of Odoo's core that have no primary key, although Odoo gives each of them one: a plain dump has the keys at its end.
///
/// # Source
/// Odoo 17.0 to 19.0: `odoo/tools/sql.py` `create_model_table`, `base/data/base_data.sql`.
const WITHOUT_KEY: &str = "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' \
    AND c.relname ~ '^(ir|res)_' AND c.relname::text IN (SELECT replace(model, '.', '_') FROM ir_model) \
    AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'id' AND NOT a.attisdropped) \
    AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) ORDER BY 1";

/// Whether production may become a database that was made harmless.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Neutralized {
    /// Nobody has said so.
    #[default]
    Refused,
    /// Somebody has.
    Accepted,
}

impl Restore<'_> {
    /// Refuses what nobody means to work in.
    pub(super) fn fit(&self, client: &mut impl GenericClient) -> Result<()> {
        // Of a snapshot every index is known.
        if self.foreign() {
            with_keys(&without_key(client)?)?;
        }
        let name = &self.environment;
        let environment = self.apply.spec.environments.get(name);
        let production = environment.is_some_and(|one| one.kind == Kind::Production);
        if self.served && production && !self.drill && is_neutralized(client)? {
            self.warn(as_production(name, self.neutralized)?);
        }
        Ok(())
    }
}

/// What is said of a neutralized database that becomes production `name`, where somebody accepted it.
fn as_production(name: &Name, neutralized: Neutralized) -> Result<String> {
    if neutralized == Neutralized::Accepted {
        return Ok(format!("{name} is a neutralized database now: {NEUTRALIZED}"));
    }
    Err(Failure::refused(format!(
        "the backup is of a neutralized database, and {name} is production"
    ))
    .because(NEUTRALIZED)
    .hint("bring a backup of production itself: `odoopack backup list` shows which there are")
    .hint("`--neutralized` brings this one all the same; then switch on in Odoo what production needs"))
}

fn without_key(client: &mut impl GenericClient) -> Result<Vec<String>> {
    let rows = client.query(WITHOUT_KEY, &[]);
    let rows = rows.map_err(|e| failed("could not look at the keys of the tables", &e))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

fn with_keys(lacking: &[String]) -> Result<()> {
    let Some(first) = lacking.first() else {
        return Ok(());
    };
    Err(Failure::refused(format!(
        "{} tables of Odoo have no primary key, among them `{first}`: the end of the dump is missing",
        lacking.len()
    ))
    .hint(format!(
        "bring the whole dump; where the database itself has no such key, put one for each table at the end of the dump: `ALTER TABLE ONLY public.{first} ADD PRIMARY KEY (id);`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neutralized_database_becomes_production_only_where_somebody_says_so() {
        let name = "production".parse().unwrap();
        let failure = as_production(&name, Neutralized::Refused).unwrap_err();
        assert_eq!(failure.kind, crate::failure::Kind::Refused);
        assert!(failure.json()["hints"].to_string().contains("`--neutralized`"));
        let said = as_production(&name, Neutralized::Accepted).unwrap();
        assert!(
            said.contains("mail servers") && said.contains("nothing brings them back"),
            "{said}"
        );
    }

    #[test]
    fn tables_without_their_keys_are_named_with_what_gives_them_one() {
        with_keys(&[]).unwrap();
        let failure = with_keys(&["ir_cron".to_owned(), "res_users".to_owned()]).unwrap_err();
        assert!(failure.to_string().contains("2 tables"), "{failure}");
        let hints = failure.json()["hints"].to_string();
        assert!(hints.contains("public.ir_cron ADD PRIMARY KEY"), "{hints}");
    }
}
