//! What arrived, compared with what should have: read as the environment's role, never as the administrator.
use std::collections::{BTreeMap, BTreeSet};

use ::postgres::{Client, GenericClient};
use camino::Utf8Path;

use super::Restore;
use super::source::{self, Source, Stored};
use odoopack_core::filestore::Named;
use odoopack_core::render::sql::identifier;
use odoopack_core::restore::Staying;

use crate::apply::databases::failed;
use crate::exec::Cmd;
use crate::failure::{Failure, Result};
use crate::observe::containers;
use crate::tools::{docker, postgres};

/// Names that a message shows.
const SHOWN: usize = 3;

impl Restore<'_> {
    pub(super) fn verify(
        &self,
        database: Option<&str>,
        directory: Option<&Utf8Path>,
        staying: &Staying,
    ) -> Result<()> {
        let present = directory.map(names).transpose()?;
        self.found(|found| found.files = present.as_ref().map(BTreeSet::len));
        let Some(database) = database else {
            return self.files_alone(present, staying);
        };
        let mut client = self.inside(database)?;
        self.right_series(&mut client)?;
        Self::whole_indexes(&mut client)?;
        self.fit(&mut client)?;
        self.modules(&mut client)?;
        if let Some(Source::Snapshot(stored)) = self.source {
            self.as_taken(&mut client, stored.as_ref())?;
        }
        if self.drill {
            self.pages(database)?;
        }
        let named = named(&mut client)?;
        self.elsewhere(&named);
        match (present, &staying.filestore) {
            (Some(present), _) => {
                self.all_came(&named, &present)?;
                self.compare(&named, &present)?;
            }
            (None, Some(filestore)) => self.database_alone(&named, &names(filestore)?),
            (None, None) if !named.here.is_empty() => self.warn(format!(
                "{} attachments of the database are not in this backup; the filestore was left out",
                named.here.len()
            )),
            (None, None) => {}
        }
        self.damage();
        Ok(())
    }

    /// A database of another series would be half-updated by whatever starts on it.
    fn right_series(&self, client: &mut Client) -> Result<()> {
        let sql = "SELECT latest_version FROM ir_module_module WHERE name = 'base' AND state = 'installed'";
        let row = client
            .query_opt(sql, &[])
            .map_err(|e| failed("this is no database of Odoo", &e).into_refusal())?;
        let version: Option<String> = row.and_then(|row| row.get(0));
        let Some(version) = version else {
            return Err(Failure::refused(
                "this is no database of Odoo: `base` is not installed in it",
            ));
        };
        let series = self.apply.spec.odoo.series.as_str();
        self.found(|found| found.version.clone_from(&version));
        if version.starts_with(&format!("{series}.")) {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "the database is of Odoo {version}, this pack runs {series}"
        ))
        .hint("restore it into a pack of its own series; an upgrade is a migration"))
    }

    /// A snapshot says what it holds: every table's rows, every index, every attachment.
    fn as_taken(&self, client: &mut Client, stored: &dyn Stored) -> Result<()> {
        let manifest = stored.manifest();
        let mut wrong = Vec::new();
        let names = table_names(client)?;
        for (table, wanted) in &manifest.database.tables {
            let Some(name) = names.get(table) else {
                wrong.push(format!("{table} is missing"));
                continue;
            };
            let count = client.query_one(&format!("SELECT count(*) FROM ONLY {name}"), &[]);
            let rows: i64 = count
                .map_err(|e| failed(&format!("could not count the rows of {table}"), &e))?
                .get(0);
            if u64::try_from(rows) != Ok(wanted.rows) {
                wrong.push(format!("{table} has {rows} rows instead of {}", wanted.rows));
            }
        }
        let sql = "SELECT schemaname || '.' || indexname FROM pg_indexes";
        let rows = client
            .query(sql, &[])
            .map_err(|e| failed("could not look at the indexes", &e))?;
        let indexes: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
        let missing = manifest
            .database
            .indexes
            .iter()
            .filter(|index| !indexes.contains(*index));
        wrong.extend(missing.map(|index| format!("index {index} is missing")));
        self.found(|found| {
            found.tables = manifest.database.tables.len();
            found.rows = manifest.database.tables.values().map(|table| table.rows).sum();
        });
        if wrong.is_empty() {
            return Ok(());
        }
        let shown: Vec<&str> = wrong.iter().take(SHOWN).map(String::as_str).collect();
        Err(Failure::failed(format!(
            "the snapshot did not come back as it was taken: {} differences",
            wrong.len()
        ))
        .because(shown.join("; ")))
    }

    /// Without its database the attachments are compared with what is named by the one that stays; where none stays, with what the
    /// snapshot says of them.
    fn files_alone(&self, present: Option<BTreeSet<String>>, staying: &Staying) -> Result<()> {
        let mut present = present.unwrap_or_default();
        if let Some(database) = &staying.database {
            let named = named(&mut self.inside_own(database)?)?;
            // What came meanwhile is put beside the others before they have the name.
            if let Some(filestore) = &staying.filestore {
                present.extend(names(filestore)?);
            }
            self.compare(&named, &present)?;
        } else if let Some(Source::Snapshot(stored)) = self.source {
            let named = stored.attachments()?.into_iter().map(|(place, ..)| place);
            let named = Named::of(named);
            self.all_came(&named, &present)?;
            self.compare(&named, &present)?;
        }
        self.damage();
        Ok(())
    }

    /// Without its attachments a database uses those that stay, of which some may have been collected since.
    fn database_alone(&self, named: &Named, present: &BTreeSet<String>) {
        let missing = named.missing(present);
        let named = &named.here;
        self.found(|found| {
            found.attachments = named.len();
            found.missing = missing.len();
        });
        if missing.is_empty() {
            return;
        }
        let what = format!(
            "{} of {} attachments that the database names are not in the filestore, which stays: {}",
            missing.len(),
            named.len(),
            first(&missing)
        );
        self.warn(format!("{what}; {}", self.brings_files()));
    }

    /// The command that brings the attachments of the same backup.
    fn brings_files(&self) -> String {
        let environment = &self.environment;
        match self.source {
            Some(Source::Snapshot(stored)) => format!(
                "`odoopack restore {} --to {environment} --only filestore` brings those that the snapshot has, and keeps newer ones",
                stored.id()
            ),
            _ => "the same command with `--only filestore` brings those that the backup has, and keeps newer ones"
                .to_owned(),
        }
    }

    /// Every page of every table and index, where the program and its extension are there.
    fn pages(&self, database: &str) -> Result<()> {
        // Only a superuser may make the extension.
        if self.apply.spec.postgres.is_given() {
            return Ok(());
        }
        let sql = "SELECT FROM pg_available_extensions WHERE name = 'amcheck'";
        let known = self.apply.admin(&self.environment, database)?.query_opt(sql, &[]);
        let known = known.map_err(|e| failed("could not look for amcheck", &e))?;
        let Some(program) = self.amcheck()?.filter(|_| known.is_some()) else {
            return Ok(());
        };
        let server = self.apply.server(&self.environment)?.place();
        postgres::amcheck((program, self.major()?), &server, database)
            .run()
            .map_err(|e| e.during("the restored database is damaged"))?;
        self.found(|found| found.pages = true);
        Ok(())
    }

    /// The administrator's: of this host, or in the server's own container.
    fn amcheck(&self) -> Result<Option<Cmd>> {
        let directory = self.apply.facts.host.postgres.get(&self.major()?);
        let Some(program) = directory.map(|directory| directory.join("pg_amcheck")) else {
            return Ok(None);
        };
        if !self.apply.layout.containers() {
            let there = super::there(&program)?;
            return Ok(there.then(|| Cmd::new(program).bare()));
        }
        let service = self.apply.spec.server_of(&self.environment).to_string();
        let server = containers::one(self.apply.layout, &service)?;
        let server = server.ok_or_else(|| Failure::failed("PostgreSQL does not run"))?;
        let there = docker::inside(&server.id, &["test", "-e", program.as_str()]).outcome()?;
        Ok(there
            .status
            .success()
            .then(|| docker::session(&server.id, &[postgres::OPTIONS], false).arg(program)))
    }

    fn whole_indexes(client: &mut Client) -> Result<()> {
        let sql = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
        let row = client
            .query_one(sql, &[])
            .map_err(|e| failed("could not look at the indexes", &e))?;
        let broken: i64 = row.get(0);
        if broken == 0 {
            return Ok(());
        }
        Err(Failure::failed(format!("{broken} indexes are not valid")))
    }

    /// What is installed and has no code here will be missing when Odoo starts.
    fn modules(&self, client: &mut Client) -> Result<()> {
        let rows = client.query(odoopack_core::restore::harmless::INSTALLED, &[]);
        let rows = rows.map_err(|e| failed("could not look at the modules", &e))?;
        let names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let mut missing = Vec::new();
        for name in &names {
            if self.module(name)?.is_none() {
                missing.push(name.clone());
            }
        }
        if !missing.is_empty() {
            self.warn(format!(
                "these modules are installed in it and have no code in this pack: {}",
                missing.join(", ")
            ));
        }
        self.newer_release();
        self.found(|found| found.modules = names.len());
        Ok(())
    }

    /// Code that is newer than its data is not updated by itself.
    fn newer_release(&self) {
        let Some(Source::Snapshot(stored)) = self.source else {
            return;
        };
        let (Some(then), Ok(now)) = (&stored.manifest().code.identity, self.apply.release()) else {
            return;
        };
        if !self.drill && *then != now.identity {
            let environment = &self.environment;
            self.warn(format!(
                "it was taken with the release {then}, and {} runs here: `odoopack module changed {environment}` says which modules want an update",
                now.identity
            ));
        }
    }

    fn elsewhere(&self, named: &Named) {
        self.found(|found| found.elsewhere = named.elsewhere);
        if named.elsewhere > 0 {
            self.warn(format!(
                "{} attachments are kept by a module in a storage of its own, which the database goes on naming: only what such a module keeps in the filestore itself is in a snapshot",
                named.elsewhere
            ));
        }
    }

    /// What a snapshot lacks must be what was missing when it was taken.
    fn all_came(&self, named: &Named, present: &BTreeSet<String>) -> Result<()> {
        match self.source {
            Some(Source::Snapshot(stored)) => {
                all_that_it_had(&named.missing(present), &stored.manifest().attachments.missing)
            }
            Some(Source::Zip(_) | Source::Folder { .. } | Source::Dump(_)) | None => Ok(()),
        }
    }

    fn compare(&self, named: &Named, present: &BTreeSet<String>) -> Result<()> {
        let missing = named.missing(present);
        let named = &named.here;
        self.found(|found| {
            found.attachments = named.len();
            found.missing = missing.len();
        });
        if !named.is_empty() && missing.len() == named.len() {
            return Err(Failure::refused(format!(
                "the database names {} attachments, and none of them is in this backup",
                named.len()
            ))
            .hint("`--only database` restores a database without its attachments"));
        }
        if !missing.is_empty() {
            self.warn(format!(
                "{} of {} attachments are missing: {}",
                missing.len(),
                named.len(),
                first(&missing)
            ));
        }
        Ok(())
    }

    fn damage(&self) {
        let damaged = self.found(|found| found.damaged.clone());
        if !damaged.is_empty() {
            let shown: Vec<&str> = damaged.iter().take(SHOWN).map(String::as_str).collect();
            self.warn(format!(
                "{} attachments are not what their name says: {}",
                damaged.len(),
                shown.join(", ")
            ));
        }
    }
}

/// The tables that are there as SQL names them, by the names that a manifest gives them.
fn table_names(client: &mut Client) -> Result<BTreeMap<String, String>> {
    let sql = "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                WHERE c.relkind = 'r' ORDER BY n.nspname, c.relname";
    let rows = client.query(sql, &[]);
    let rows = rows.map_err(|e| failed("could not look at the tables", &e))?;
    Ok(named_by_manifest(rows.iter().map(|row| (row.get(0), row.get(1)))))
}

/// Schemas and tables may have points in their names; of two that a manifest calls alike it counts the last, in this order.
fn named_by_manifest(tables: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
    tables
        .map(|(schema, table)| {
            let name = format!("{}.{}", identifier(&schema), identifier(&table));
            (format!("{schema}.{table}"), name)
        })
        .collect()
}

/// What is not in a snapshot must be what it says was missing when it was taken.
fn all_that_it_had(missing: &[String], known: &[String]) -> Result<()> {
    let known: BTreeSet<&String> = known.iter().collect();
    let lost: Vec<String> = missing
        .iter()
        .filter(|place| !known.contains(*place))
        .cloned()
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{} attachments did not come back that were there when the snapshot was taken",
        lost.len()
    ))
    .because(first(&lost))
    .hint("`odoopack backup list` shows other snapshots; `--only database` restores this one without its attachments"))
}

/// A few of them.
fn first(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(SHOWN).map(String::as_str).collect();
    shown.join(", ")
}

/// Places of the attachments in a filestore.
fn names(directory: &Utf8Path) -> Result<BTreeSet<String>> {
    let all = source::files(directory)?.into_iter();
    Ok(all.map(|(name, _)| name).collect())
}

/// The attachments that the database names.
pub(crate) fn named(client: &mut impl GenericClient) -> Result<Named> {
    let sql = "SELECT DISTINCT store_fname FROM ir_attachment WHERE store_fname IS NOT NULL";
    let rows = client
        .query(sql, &[])
        .map_err(|e| failed("could not look at the attachments", &e))?;
    Ok(Named::of(rows.iter().map(|row| row.get(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_the_names_of_schemas_and_tables_are_theirs() {
        let all = [("public", "res_users"), ("old.shop", "sale"), ("public", "a.b")];
        let names = named_by_manifest(all.into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())));
        assert_eq!(names["public.res_users"], "\"public\".\"res_users\"");
        assert_eq!(names["old.shop.sale"], "\"old.shop\".\"sale\"");
        assert_eq!(names["public.a.b"], "\"public\".\"a.b\"");
    }

    #[test]
    fn what_was_there_must_come_back_and_what_was_missing_need_not() {
        let names: Vec<String> = ["aa/aa1", "bb/bb2", "cc/cc3"].map(str::to_owned).to_vec();
        let missing = &names[..2];
        all_that_it_had(&[], &[]).unwrap();
        all_that_it_had(missing, &names).unwrap();
        let lost = all_that_it_had(missing, &names[1..]).unwrap_err();
        assert_eq!(lost.kind, crate::failure::Kind::Failed);
        let said = lost.chain().join(": ");
        assert!(
            said.contains("1 attachments did not come back") && said.ends_with("aa/aa1"),
            "{said}"
        );
    }
}
