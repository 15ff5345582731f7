//! Filling a database from a dump that somebody else may have made: as the environment's user and role, never as ours.
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::dump::MADE_BEFORE;
use odoopack_core::dump::sql::{Filter, Refused};
use odoopack_core::dump::toc::{self, Contents};
use odoopack_core::layout::Layout;
use odoopack_core::name::Name;
use odoopack_core::units::Bytes;

use super::Restore;
use super::source::{Dump, Format, Source, Stored};
use crate::apply::databases::failed;
use crate::engines::programs;
use crate::exec::pipes::broken;
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe::databases;
use crate::tools::dumps::{self, Entrance};
use crate::ui::Progress;

/// What lies in the environment's directory while a database is loaded.
const DUMP: &str = ".restore-dump";
const LIST: &str = ".restore-list";

/// Removes what a load that was killed has left of an environment, and ends its containers; only under the lock that a restore
/// holds.
pub(super) fn sweep(layout: &Layout, environment: &Name) -> Result<()> {
    programs::end(
        layout,
        environment.as_str(),
        &[programs::LOAD, programs::LOOK, programs::BOOT],
    )?;
    remove_left(&layout.environment(environment))
}

fn remove_left(environment: &Utf8Path) -> Result<()> {
    [DUMP, LIST]
        .iter()
        .try_for_each(|name| files::remove(&environment.join(name)))
}

impl Restore<'_> {
    pub(super) fn load(&self, database: &str, progress: &Progress) -> Result<()> {
        let entrance = self.entrance(database)?;
        let source = self.source()?;
        self.while_it_fits(database, || match source {
            Source::Snapshot(stored) => self.snapshot(&entrance, stored.as_ref(), progress),
            Source::Zip(archive) => archive.with_dump(|dump| self.plain(&entrance, dump, progress)),
            Source::Folder { dump, .. } | Source::Dump(dump) => match dump.format {
                Format::Custom => self.archive(&entrance, dump, progress),
                Format::Plain | Format::Gzip => self.plain(&entrance, &mut dump.plain()?, progress),
            },
        })
    }

    /// Streams plain SQL through the filter into a psql that takes no commands (E11).
    fn plain(&self, entrance: &Entrance, dump: &mut dyn Read, progress: &Progress) -> Result<()> {
        let programs = self.programs()?;
        let version = programs.command(&dumps::psql_version()).read()?;
        if !dumps::parse_has_restrict(&version) {
            return Err(Failure::refused(format!(
                "{} cannot be kept from running programs that a dump names (CVE-2025-8714)",
                version.trim()
            ))
            .hint(self.newer_programs()?));
        }
        let key = crate::password::generate();
        let extensions = self.extensions_there(&entrance.database)?;
        let usable = extensions.iter().filter(|(_, usable)| **usable);
        let mut filter = Filter::new(self.major()?, usable.map(|(name, _)| name.clone()).collect());
        let hostile = |refused| self.hostile(refused, &extensions);
        let mut summary = None;
        let filled = programs.command(&entrance.psql()).fill(|pipe| {
            // The dump of an older server does not know every limit of this one.
            writeln!(pipe, "\\restrict {key}\n{}", databases::PATIENT).map_err(broken)?;
            let mut read = 0_u64;
            let mut portion = vec![0; 1 << 18];
            let mut out = Vec::with_capacity(1 << 19);
            loop {
                let count = dump
                    .read(&mut portion)
                    .map_err(|e| Failure::failed("could not read the dump").because(e))?;
                if count == 0 {
                    break;
                }
                filter.feed(&portion[..count], &mut out).map_err(hostile)?;
                pipe.write_all(&out).map_err(broken)?;
                out.clear();
                read += count as u64;
                progress.detail(&Bytes(read).to_string());
            }
            summary = Some(filter.finish(&mut out).map_err(hostile)?);
            pipe.write_all(&out).map_err(broken)
        });
        filled.map_err(names_taken)?;
        for skipped in summary.into_iter().flat_map(|summary| summary.skipped) {
            self.warn(format!("left out, because only a superuser may do it: {skipped}"));
        }
        Ok(())
    }

    /// Restores a custom archive; in parallel where the environment's user may open it.
    fn archive(&self, entrance: &Entrance, dump: &Dump, progress: &Progress) -> Result<()> {
        let programs = self.programs()?;
        let readable = programs.can_be_given(&dump.path) && may_read(&dump.path, programs.user())?;
        let path = readable.then_some(dump.path.as_path());
        let list = programs.command(&dumps::pg_restore_list(path));
        let list = match path {
            Some(_) => list.read(),
            None => list.read_with(dump.file()?),
        }
        .map_err(|e| too_new(e, &dump.path))?;
        let contents = toc::parse(&list, &self.schemas(), !self.foreign());
        if contents.tables.is_empty() {
            return Err(Failure::refused(format!(
                "`{}` holds no table with rows",
                dump.path
            )));
        }
        for skipped in &contents.skipped {
            self.warn(format!("left out, because only a superuser may do it: {skipped}"));
        }
        if self.foreign() {
            self.extensions_of_others(&entrance.database, &contents)?;
        }
        progress.detail(&format!("{} tables", contents.tables.len()));
        let place = self.list_file(&contents.list)?;
        let jobs = self.apply.facts.host.cores.clamp(1, 8);
        let cmd = programs.command(&entrance.pg_restore(path, &place, jobs));
        let restored = match path {
            Some(_) => cmd.run(),
            None => cmd.read_with(dump.file()?).map(drop),
        };
        files::remove(&place)?;
        restored.map_err(names_taken)
    }

    /// The dump of a snapshot is put down first: only a file can be restored in parallel.
    fn snapshot(&self, entrance: &Entrance, stored: &dyn Stored, progress: &Progress) -> Result<()> {
        let place = self.apply.layout.environment(&self.environment).join(DUMP);
        files::remove(&place)?;
        let put = || -> Result<Dump> {
            let mut file =
                std::io::BufWriter::with_capacity(1 << 20, files::create(&place, 0o640, self.owner()?)?);
            progress.detail("reading the snapshot");
            stored.dump(&mut file)?;
            file.into_inner().map_err(|e| broken(e.into_error()))?;
            Dump::of(&place, Format::Custom)
        };
        let loaded = put().and_then(|dump| self.archive(entrance, &dump, progress));
        files::remove(&place)?;
        loaded?;
        self.close_extensions(&entrance.database, &entrance.role)
    }

    /// Schemas that were made with the extensions in them.
    fn schemas(&self) -> BTreeSet<String> {
        match self.source {
            Some(Source::Snapshot(stored)) => {
                let schemas = &stored.manifest().database.extension_schemas;
                schemas.values().cloned().collect()
            }
            Some(Source::Zip(_) | Source::Folder { .. } | Source::Dump(_)) | None => BTreeSet::new(),
        }
    }

    /// Those of a snapshot were made by the administrator before.
    fn extensions_of_others(&self, database: &str, contents: &Contents) -> Result<()> {
        let there = self.extensions_there(database)?;
        let made = |name: &str| MADE_BEFORE.contains(&name) || there.get(name) == Some(&true);
        if let Some(name) = contents.extensions.iter().find(|name| !made(name)) {
            return Err(self.unmakeable(name, &there));
        }
        for name in &contents.needless {
            self.warn(format!(
                "left out, because only a superuser may do it: extension {name}"
            ));
        }
        Ok(())
    }

    /// Extensions that the server has, and whether whoever owns this database may make them.
    fn extensions_there(&self, database: &str) -> Result<BTreeMap<String, bool>> {
        // `trusted` is not known before 13.
        let sql = "SELECT name::text, bool_or(NOT superuser OR coalesce((to_jsonb(v) ->> 'trusted')::boolean, false)) \
                     FROM pg_available_extension_versions v GROUP BY name";
        let rows = self.inside(database)?.query(sql, &[]);
        let rows = rows.map_err(|e| failed("could not look at the extensions", &e))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    fn hostile(&self, refused: Refused, extensions: &BTreeMap<String, bool>) -> Failure {
        if let Refused::Extension { name, .. } = &refused {
            return self.unmakeable(name, extensions);
        }
        Failure::refused("the dump is not loaded").because(refused)
    }

    fn unmakeable(&self, name: &str, there: &BTreeMap<String, bool>) -> Failure {
        let on_host = !self.apply.layout.containers() && !self.apply.spec.postgres.is_given();
        let major = self.major().unwrap_or_default();
        unmakeable(name, there.contains_key(name), (major, on_host))
    }

    fn newer_programs(&self) -> Result<String> {
        if self.apply.layout.containers() && !self.apply.spec.postgres.is_given() {
            return Ok(
                "name a newer image as `postgres` of `[images]` in odoopack.toml, then `odoopack up`"
                    .to_owned(),
            );
        }
        let major = self.major()?;
        Ok(format!(
            "`apt-get install --only-upgrade postgresql-client-{major}`"
        ))
    }

    /// A file with the list, which the environment's user may read and nobody else may change.
    fn list_file(&self, text: &str) -> Result<Utf8PathBuf> {
        let place = self.apply.layout.environment(&self.environment).join(LIST);
        files::replace(&place, text.as_bytes(), 0o640, self.owner()?)?;
        Ok(place)
    }
}

/// Why an extension is not made for a dump of somebody, and what helps; `there`: whether this server has it.
///
/// # Source
/// PostgreSQL 17, reference page of `pg_dump`: `--exclude-extension`. PostgreSQL 13, 38.17.1: `trusted`.
fn unmakeable(name: &str, there: bool, (major, on_host): (u16, bool)) -> Failure {
    let why = if there {
        format!("it makes the extension `{name}`, which only a superuser may make")
    } else {
        format!("it makes the extension `{name}`, which this server does not have")
    };
    let failure = Failure::refused("the dump is not loaded").because(why).hint(format!(
        "where no data needs it, write the dump without it: `pg_dump --exclude-extension={name}` (a client of 17 or newer), or `DROP EXTENSION {name}` in a copy of the database first"
    ));
    match (there, on_host) {
        (true, true) => failure.hint(format!(
            "where data needs it, let every owner of a database on this server make it: `trusted = true` in `/usr/share/postgresql/{major}/extension/{name}.control`"
        )),
        (false, true) => failure.hint(format!(
            "where data needs it, install the Debian package that brings it: `apt-cache search postgresql-{major}`"
        )),
        (_, false) => failure,
    }
}

fn may_read(path: &Utf8Path, user: Option<&str>) -> Result<bool> {
    let outcome = crate::exec::Cmd::new("test")
        .args(["-r", path.as_str()])
        .user(user)
        .outcome()?;
    Ok(outcome.status.success())
}

/// Databases that were made below PostgreSQL 18 hold checks by names that 18 gives to its own NOT NULL constraints.
///
/// # Source
/// odoo/odoo#229274, `discuss_channel_channel_type_not_null`.
fn names_taken(failure: Failure) -> Failure {
    if !failure
        .chain()
        .join(" ")
        .contains("pg_constraint_conrelid_contypid_conname_index")
    {
        return failure;
    }
    failure.hint(
        "PostgreSQL 18 takes such a name for itself: load it into 17 or older (`[postgres] version`), or drop the checks called `..._not_null` where the dump comes from",
    )
}

/// An archive of a newer client says so in words of its own.
fn too_new(failure: Failure, path: &Utf8Path) -> Failure {
    let text = failure.chain().join("\n");
    if text.contains("unsupported version") {
        return Failure::refused(format!("`{path}` was written by a newer pg_dump than this server has"))
            .because(text)
            .hint("write it with the client of this server's major, or as plain SQL: `pg_restore -f dump.sql FILE` on a machine with the newer client");
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_load_has_left_is_swept_away() {
        let keep = tempfile::tempdir().unwrap();
        let place = Utf8Path::from_path(keep.path()).unwrap();
        remove_left(place).unwrap();
        for name in [DUMP, LIST, "odoo.conf"] {
            files::replace(&place.join(name), b"x", 0o600, None).unwrap();
        }
        remove_left(place).unwrap();
        let left: Vec<String> = place
            .read_dir_utf8()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_owned())
            .collect();
        assert_eq!(left, ["odoo.conf"]);
        remove_left(&place.join("nowhere")).unwrap();
    }

    #[test]
    fn an_extension_that_is_not_made_is_named_with_the_way_out() {
        let of = |there, on_host| {
            let failure = unmakeable("postgis", there, (15, on_host));
            (failure.chain().join(": "), failure.json()["hints"].to_string())
        };
        let (said, helps) = of(true, true);
        assert!(
            said.contains("`postgis`, which only a superuser may make"),
            "{said}"
        );
        assert!(
            helps.contains("--exclude-extension=postgis`")
                && helps.contains("/15/extension/postgis.control`"),
            "{helps}"
        );
        let (said, helps) = of(false, true);
        assert!(said.contains("this server does not have"), "{said}");
        assert!(helps.contains("`apt-cache search postgresql-15`"), "{helps}");
        assert!(!of(true, false).1.contains(".control"));
    }

    #[test]
    fn a_name_that_18_takes_is_explained() {
        let of = |why: &str| names_taken(Failure::failed("pg_restore ended badly").because(why)).json();
        let taken = "ERROR: duplicate key value violates unique constraint \"pg_constraint_conrelid_contypid_conname_index\"";
        assert!(of(taken)["hints"][0].as_str().unwrap().contains("17 or older"));
        assert_eq!(of("ERROR: disk full")["hints"], serde_json::json!([]));
    }
}
