//! What arrived, compared with what should have: read as the environment's role, never as the administrator.
use std::collections::BTreeSet;

use ::postgres::Client;
use camino::Utf8Path;

use super::Restore;
use super::source::{self, Source, Stored};
use odoopack_core::render::sql::identifier;

use crate::apply::databases::failed;
use crate::exec::Cmd;
use crate::failure::{Failure, Result};
use crate::observe::containers;
use crate::tools::{docker, postgres};

/// Names that a message shows.
const SHOWN: usize = 3;

impl Restore<'_> {
    pub(super) fn verify(&self, database: Option<&str>, directory: Option<&Utf8Path>) -> Result<()> {
        let arrived = match directory {
            Some(directory) => Some(Arrived::look(directory)?),
            None => None,
        };
        self.found(|found| found.files = arrived.as_ref().map(|arrived| arrived.names.len()));
        let Some(database) = database else {
            return self.files_alone(arrived.as_ref());
        };
        let mut client = self.inside(database)?;
        self.right_series(&mut client)?;
        Self::whole_indexes(&mut client)?;
        self.modules(&mut client)?;
        if let Some(Source::Snapshot(stored)) = self.source {
            self.as_taken(&mut client, stored.as_ref())?;
        }
        if self.drill {
            self.pages(database)?;
        }
        let named = named(&mut client)?;
        match arrived {
            Some(arrived) => self.compare(&named, &arrived)?,
            None if !named.is_empty() => self.warn(format!(
                "{} attachments of the database are not in this backup; the filestore was left out",
                named.len()
            )),
            None => {}
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
        for (table, wanted) in &manifest.database.tables {
            let name: Vec<String> = table.splitn(2, '.').map(identifier).collect();
            let count = client.query_one(&format!("SELECT count(*) FROM ONLY {}", name.join(".")), &[]);
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

    /// Without its database the attachments are compared with what the snapshot says of them.
    fn files_alone(&self, arrived: Option<&Arrived<'_>>) -> Result<()> {
        if let (Some(Source::Snapshot(stored)), Some(arrived)) = (self.source, arrived) {
            let named = stored.attachments()?.into_iter().map(|(place, ..)| place);
            self.compare(&named.collect(), arrived)?;
        }
        self.damage();
        Ok(())
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
        postgres::amcheck(program, &self.apply.server(&self.environment)?.place(), database)
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
            .then(|| docker::session(&server.id, &[], false).arg(program)))
    }

    fn whole_indexes(client: &mut Client) -> Result<()> {
        let sql = "SELECT count(*) FILTER (WHERE NOT indisvalid), count(*) FROM pg_index";
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
        self.found(|found| found.modules = names.len());
        Ok(())
    }

    fn compare(&self, named: &BTreeSet<String>, arrived: &Arrived<'_>) -> Result<()> {
        let missing = arrived.lacks(named)?;
        self.found(|found| {
            found.attachments = named.len();
            found.missing = missing.len();
        });
        if let Some(Source::Snapshot(stored)) = self.source {
            all_that_it_had(&missing, &stored.manifest().attachments.missing)?;
        }
        if !named.is_empty() && missing.len() == named.len() {
            return Err(Failure::refused(format!(
                "the database names {} attachments, and none of them is in this backup",
                named.len()
            ))
            .hint("`--only database` restores it without its attachments"));
        }
        if !missing.is_empty() {
            let shown: Vec<&str> = missing.iter().take(SHOWN).map(|name| name.as_str()).collect();
            self.warn(format!(
                "{} of {} attachments are missing: {}",
                missing.len(),
                named.len(),
                shown.join(", ")
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

/// The attachments that arrived.
struct Arrived<'a> {
    directory: &'a Utf8Path,
    names: BTreeSet<String>,
}

impl<'a> Arrived<'a> {
    fn look(directory: &'a Utf8Path) -> Result<Self> {
        let all = source::attachments(directory)?;
        Ok(Self {
            directory,
            names: all.into_iter().map(|(name, _)| name).collect(),
        })
    }

    /// Those of `named` that are not there. Odoo has named files in other ways before, and keeps such names.
    fn lacks<'b>(&self, named: &'b BTreeSet<String>) -> Result<Vec<&'b String>> {
        let mut missing = Vec::new();
        for name in named.iter().filter(|name| !self.names.contains(*name)) {
            let is_below = !name.starts_with('/') && !name.split('/').any(|part| part == "..");
            if !is_below || !super::there(&self.directory.join(name))? {
                missing.push(name);
            }
        }
        Ok(missing)
    }
}

/// What is not in a snapshot must be what it says was missing when it was taken.
fn all_that_it_had(missing: &[&String], known: &[String]) -> Result<()> {
    let known: BTreeSet<&String> = known.iter().collect();
    let lost: Vec<&str> = missing
        .iter()
        .filter(|place| !known.contains(*place))
        .map(|place| place.as_str())
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    let shown: Vec<&str> = lost.iter().take(SHOWN).copied().collect();
    Err(Failure::failed(format!(
        "{} attachments did not come back that were there when the snapshot was taken",
        lost.len()
    ))
    .because(shown.join(", "))
    .hint("`odoopack backup list` shows other snapshots; `--only database` restores this one without its attachments"))
}

/// Places of the attachments that the database names.
pub(crate) fn named(client: &mut Client) -> Result<BTreeSet<String>> {
    let sql = "SELECT DISTINCT store_fname FROM ir_attachment WHERE store_fname IS NOT NULL";
    let rows = client
        .query(sql, &[])
        .map_err(|e| failed("could not look at the attachments", &e))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_name_of_old_is_there_too() {
        let keep = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(keep.path()).unwrap();
        let good = format!("aa/{}", "a".repeat(40));
        let old = format!("abc/abc{}", "0".repeat(37));
        for place in [&good, &old] {
            let path = directory.join(place);
            crate::files::directory_all(path.parent().unwrap()).unwrap();
            crate::files::replace(&path, b"x", 0o640, None).unwrap();
        }
        let gone = format!("bb/{}", "b".repeat(40));
        let named = [
            good,
            old,
            gone.clone(),
            "../aa".to_owned(),
            "/etc/passwd".to_owned(),
        ];
        let named = BTreeSet::from(named);
        let missing = Arrived::look(directory).unwrap().lacks(&named).unwrap();
        assert_eq!(missing, ["../aa", "/etc/passwd", gone.as_str()]);
    }

    #[test]
    fn what_was_there_must_come_back_and_what_was_missing_need_not() {
        let names: Vec<String> = ["aa/aa1", "bb/bb2", "cc/cc3"].map(str::to_owned).to_vec();
        let missing: Vec<&String> = names.iter().take(2).collect();
        all_that_it_had(&[], &[]).unwrap();
        all_that_it_had(&missing, &names).unwrap();
        let lost = all_that_it_had(&missing, &names[1..]).unwrap_err();
        assert_eq!(lost.kind, crate::failure::Kind::Failed);
        let said = lost.chain().join(": ");
        assert!(
            said.contains("1 attachments did not come back") && said.ends_with("aa/aa1"),
            "{said}"
        );
    }
}
