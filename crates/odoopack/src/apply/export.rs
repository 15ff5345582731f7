//! An environment written out for others: Odoo's zip, click-odoo's folder, a custom archive, plain SQL.
mod part;

use std::fs::File;
use std::io::{BufWriter, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};
use flate2::Compression;
use flate2::write::GzEncoder;
use odoopack_core::filestore::{Named, is_attachment};
use odoopack_core::name::Name;
use odoopack_core::target::secret_name;
use odoopack_core::units::Bytes;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use self::part::Part;
use super::Apply;
use super::databases::failed;
use super::restore::source::{Source, files as files_of};
use super::restore::{entrance, named, programs as programs_of};
use crate::engines::programs::{self, Programs};
use crate::exec::pipes::broken;
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::dumps::{Call, Entrance};
use crate::ui::Progress;

/// How long we wait for Odoo's clean-up to end before we keep it out; then nothing is said for as long as the dump takes.
const CLEAN_UP: &str = "SET lock_timeout = '5min'";

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Odoo's own zip: `dump.sql`, `filestore/`, `manifest.json`.
    Zip,
    /// click-odoo-backupdb's folder: `db.dump`, `filestore/`, `manifest.json`.
    Folder,
    /// `pg_dump -Fc`, without attachments.
    Custom,
    /// Plain SQL, without attachments.
    Sql,
    /// The same, compressed.
    SqlGz,
}

/// What was written.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub(crate) struct Written {
    pub(crate) dump: u64,
    pub(crate) attachments: usize,
    /// Files that the database names and that are not there.
    pub(crate) missing: Vec<String>,
    /// Attachments that a module keeps in a storage of its own.
    pub(crate) elsewhere: usize,
    pub(crate) size: u64,
}

/// The filestore against what the database names.
#[derive(Debug, Default, PartialEq, Eq)]
struct Matched {
    /// Places and sizes of what is written out.
    files: Vec<(String, u64)>,
    missing: Vec<String>,
}

/// Finds what of a filestore is written out: what the database names, and what Odoo has placed there besides.
///
/// # Errors
/// Kind `Refused` when nothing of what is named is there: its disk is elsewhere, and what would be written looks like a backup.
fn matched(filestore: &Utf8Path, named: &Named) -> Result<Matched> {
    let is_there = super::restore::there(filestore)?;
    let mut all = if is_there {
        files_of(filestore)?
    } else {
        Vec::new()
    };
    all.retain(|(place, _)| is_attachment(place) || named.here.contains(place));
    let present = all.iter().map(|(place, _)| place.clone()).collect();
    let missing = named.missing(&present);
    if !missing.is_empty() && missing.len() == named.here.len() {
        let where_to = if is_there {
            "none of them is in"
        } else {
            "there is no directory"
        };
        return Err(Failure::refused(format!(
            "the database names {} attachments, and {where_to} `{filestore}`",
            missing.len()
        ))
        .hint("where its disk is not mounted: `mount DIRECTORY`; else `odoopack restore latest --only filestore` brings it back")
        .hint("a name that ends in .dump, .sql or .sql.gz writes the database without attachments"));
    }
    Ok(Matched { files: all, missing })
}

/// Writes an environment to `path`, which must not be there yet; it has its name only when it is whole.
pub(crate) fn export(
    apply: &Apply<'_>,
    environment: &Name,
    path: &Utf8Path,
    shape: Shape,
    progress: &Progress,
) -> Result<Written> {
    let settings = apply.spec.environments.get(environment);
    let settings =
        settings.ok_or_else(|| Failure::failed(format!("there is no environment `{environment}`")))?;
    let export = Export {
        apply,
        environment,
        database: &settings.database,
        entrance: entrance(apply, environment, &settings.database)?,
        programs: programs_of(apply, environment, programs::EXPORT)?,
        filestore: apply
            .layout
            .environment(environment)
            .join("filestore")
            .join(&settings.database),
        progress,
    };
    programs::end(apply.layout, environment.as_str(), &[programs::EXPORT])?;
    let part = Part::make(path)?;
    let written = export.write(&part.inside, shape).and_then(|written| {
        Source::open(&part.inside)?;
        files::rename_new(&part.inside, path)?;
        Ok(written)
    });
    part.remove()?;
    written
}

struct Export<'a> {
    apply: &'a Apply<'a>,
    environment: &'a Name,
    database: &'a str,
    entrance: Entrance,
    programs: Programs,
    filestore: Utf8PathBuf,
    progress: &'a Progress,
}

impl Export<'_> {
    /// The database first: attachments are written once, so the files that follow are all that it names (E6 keeps the
    /// clean-up out until they are read).
    fn write(&self, part: &Utf8Path, shape: Shape) -> Result<Written> {
        let server = self.apply.server(self.environment)?;
        let password = self.apply.secret(&secret_name(self.environment, "DATABASE"))?;
        let mut side =
            crate::observe::databases::connect_as(&server, &self.entrance.role, password, self.database)
                .map_err(|e| failed(&format!("could not enter `{}`", self.database), &e))?;
        let trouble = |e: postgres::Error| failed("could not keep Odoo's clean-up out", &e);
        let mut quiet = side.transaction().map_err(trouble)?;
        quiet.batch_execute(CLEAN_UP).map_err(trouble)?;
        let hold = "SELECT id FROM ir_cron WHERE id IN (SELECT res_id FROM ir_model_data WHERE module = 'base' \
                    AND name = 'autovacuum_job' AND model = 'ir.cron') FOR NO KEY UPDATE";
        quiet.query(hold, &[]).map_err(trouble)?;
        // Nobody waits for a dump that is then worth nothing.
        if matches!(shape, Shape::Zip | Shape::Folder) {
            matched(&self.filestore, &named(&mut quiet)?)?;
        }
        let mut written = match shape {
            Shape::Zip => self.zip(part, &mut quiet)?,
            Shape::Folder => self.folder(part, &mut quiet)?,
            Shape::Custom => self.dump(&self.entrance.pg_dump_custom(), file(part)?)?,
            Shape::Sql => self.dump(&self.entrance.pg_dump_plain(), file(part)?)?,
            Shape::SqlGz => {
                let mut encoder = GzEncoder::new(file(part)?, Compression::default());
                let written = self.dump(&self.entrance.pg_dump_plain(), &mut encoder)?;
                finish(encoder.finish().map_err(broken)?)?;
                written
            }
        };
        quiet.rollback().map_err(trouble)?;
        files::sync_file_system(part.parent().unwrap_or(Utf8Path::new("/")))?;
        written.size = size(part)?;
        Ok(written)
    }

    fn dump(&self, call: &Call, mut to: impl Write) -> Result<Written> {
        let dump = self
            .programs
            .command(call)
            .drain(|pipe| self.pass(pipe, &mut to, "dump"))?;
        to.flush().map_err(broken)?;
        Ok(Written {
            dump,
            ..Written::default()
        })
    }

    fn zip(&self, part: &Utf8Path, client: &mut postgres::Transaction<'_>) -> Result<Written> {
        let mut zip = ZipWriter::new(file(part)?);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .unix_permissions(0o640);
        let trouble = |e: zip::result::ZipError| {
            Failure::failed(format!("could not write `{part}`")).because(e.to_string())
        };
        zip.start_file("dump.sql", options.large_file(true))
            .map_err(trouble)?;
        let mut written = self.dump(&self.entrance.pg_dump_plain(), &mut zip)?;
        zip.start_file("manifest.json", options).map_err(trouble)?;
        zip.write_all(&self.manifest(client)?).map_err(broken)?;
        let attachments = self.attachments(client, &mut written)?;
        for (name, size) in attachments {
            let large = options.large_file(size >= u64::from(u32::MAX) / 2);
            zip.start_file(format!("filestore/{name}"), large)
                .map_err(trouble)?;
            self.pass(&mut open(&self.filestore.join(&name))?, &mut zip, &name)?;
            written.attachments += 1;
        }
        finish(zip.finish().map_err(trouble)?)?;
        Ok(written)
    }

    fn folder(&self, part: &Utf8Path, client: &mut postgres::Transaction<'_>) -> Result<Written> {
        files::directory(part, 0o750, None)?;
        let mut written = self.dump(&self.entrance.pg_dump_custom(), file(&part.join("db.dump"))?)?;
        files::replace(&part.join("manifest.json"), &self.manifest(client)?, 0o640, None)?;
        let filestore = part.join("filestore");
        files::directory(&filestore, 0o750, None)?;
        let attachments = self.attachments(client, &mut written)?;
        for (name, _) in attachments {
            let to = filestore.join(&name);
            files::directory_all(to.parent().unwrap_or(&filestore))?;
            let mut from = open(&self.filestore.join(&name))?;
            if !files::share(&from, &to, 0o640, None)? {
                self.pass(&mut from, &mut files::create(&to, 0o640, None)?, &name)?;
            }
            written.attachments += 1;
        }
        Ok(written)
    }

    /// What is written out; what is missing of it is noted.
    fn attachments(
        &self,
        client: &mut postgres::Transaction<'_>,
        written: &mut Written,
    ) -> Result<Vec<(String, u64)>> {
        let named = named(client)?;
        let Matched { files, missing } = matched(&self.filestore, &named)?;
        written.missing = missing;
        written.elsewhere = named.elsewhere;
        Ok(files)
    }

    fn pass(&self, from: &mut dyn Read, to: &mut dyn Write, what: &str) -> Result<u64> {
        let mut portion = vec![0; 1 << 18];
        let mut sum = 0;
        loop {
            let count = from.read(&mut portion).map_err(broken)?;
            if count == 0 {
                return Ok(sum);
            }
            to.write_all(&portion[..count]).map_err(broken)?;
            sum += count as u64;
            self.progress.detail(&format!("{what}: {}", Bytes(sum)));
        }
    }

    /// Odoo's description of a backup.
    ///
    /// # Source
    /// Odoo 17.0 to 19.0, `service/db.py` `dump_db_manifest`.
    fn manifest(&self, client: &mut postgres::Transaction<'_>) -> Result<Vec<u8>> {
        let trouble = |e: postgres::Error| failed("could not describe the database", &e);
        let rows = client
            .query(
                "SELECT name, latest_version FROM ir_module_module WHERE state = 'installed' ORDER BY name",
                &[],
            )
            .map_err(trouble)?;
        let modules: serde_json::Map<String, serde_json::Value> = rows
            .iter()
            .map(|row| (row.get(0), row.get::<_, Option<String>>(1).into()))
            .collect();
        let server = client
            .query_one("SHOW server_version_num", &[])
            .map_err(trouble)?;
        let number: u32 = server.get::<_, String>(0).parse().unwrap_or(0);
        let series = self.apply.spec.odoo.series.as_str();
        let major: u32 = series
            .split('.')
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let manifest = serde_json::json!({
            "odoo_dump": "1",
            "db_name": self.database,
            "version": series,
            "version_info": [major, 0, 0, "final", 0, ""],
            "major_version": series,
            "pg_version": format!("{}.{}", number / 10_000, number % 10_000),
            "modules": modules,
        });
        let text = serde_json::to_string_pretty(&manifest);
        text.map(String::into_bytes)
            .map_err(|e| Failure::failed("could not describe the database").because(e))
    }
}

fn file(path: &Utf8Path) -> Result<BufWriter<File>> {
    Ok(BufWriter::with_capacity(
        1 << 18,
        files::create(path, 0o600, None)?,
    ))
}

fn finish(file: BufWriter<File>) -> Result<()> {
    let file = file.into_inner().map_err(|e| broken(e.into_error()))?;
    file.sync_all().map_err(broken)
}

fn open(path: &Utf8Path) -> Result<File> {
    File::open(path).map_err(|e| Failure::failed(format!("could not read `{path}`")).because(e))
}

fn size(path: &Utf8Path) -> Result<u64> {
    if !path.is_dir() {
        let metadata = std::fs::metadata(path);
        return metadata
            .map(|metadata| metadata.len())
            .map_err(|e| Failure::failed(format!("could not look at `{path}`")).because(e));
    }
    let dump = std::fs::metadata(path.join("db.dump")).map(|metadata| metadata.len());
    let dump = dump.map_err(|e| Failure::failed(format!("could not look at `{path}`")).because(e))?;
    let files = files_of(&path.join("filestore"))?;
    Ok(dump + files.iter().map(|(_, size)| size).sum::<u64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

    fn named_by(names: &[&str]) -> Named {
        Named::of(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn a_filestore_that_is_not_there_is_no_empty_one() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let (named, nowhere) = (named_by(&["ab/abc", "s3://b/c"]), root.join("demo"));
        for place in [nowhere.as_path(), root] {
            let failure = matched(place, &named).unwrap_err();
            assert_eq!(failure.kind, crate::failure::Kind::Refused);
            let said = format!("{failure} {}", failure.json());
            assert!(
                said.contains("names 1 attachments") && said.contains("`mount DIRECTORY`"),
                "{said}"
            );
        }
        for none in [named_by(&[]), named_by(&["s3://b/c"])] {
            assert_eq!(matched(&nowhere, &none).unwrap(), Matched::default());
        }
    }

    #[test]
    fn what_the_database_names_is_written_out_wherever_it_lies_and_what_is_missing_is_told() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let (new, old) = (format!("da/{SHA}"), format!("da3/{SHA}"));
        for name in [new.as_str(), &old, "odd/name", "odd/other", "checklist/da"] {
            let path = root.join(name);
            files::directory_all(path.parent().unwrap()).unwrap();
            files::replace(&path, b"x", 0o600, None).unwrap();
        }
        let found = matched(root, &named_by(&[&old, "odd/name", "ab/gone", "s3://b/c"])).unwrap();
        assert_eq!(
            found.files,
            [new, old, "odd/name".to_owned()].map(|name| (name, 1))
        );
        assert_eq!(found.missing, ["ab/gone"]);
    }
}
