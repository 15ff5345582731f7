//! `backup export`: an environment as others can read it.
use camino::{Utf8Path, Utf8PathBuf};

use crate::apply::export::{Shape, export};
use crate::backup::create::of_one_piece;
use crate::commands::{bringing, environment};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::store::lock;

/// Write an environment out: a zip of Odoo, a folder, or a dump
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The environment goes on running. A zip is what Odoo's own database manager reads and writes; a folder is click-odoo-backupdb's; the others hold no attachments.\n\nExamples:\n  odoopack backup export production production.zip\n  odoopack backup export production /srv/export --shape folder\n  odoopack backup export production production.sql.gz"
)]
pub(crate) struct Args {
    /// Environment
    environment: String,
    /// File or directory to write; must not be there yet
    file: Utf8PathBuf,
    /// What to write; without it the name's end tells
    #[arg(long, value_enum)]
    shape: Option<Wanted>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Wanted {
    /// Odoo's own zip (`.zip`)
    Zip,
    /// A directory with `db.dump`, `filestore` and `manifest.json`
    Folder,
    /// A custom archive of `pg_dump` (`.dump`)
    Custom,
    /// Plain SQL (`.sql`)
    Sql,
    /// Plain SQL, compressed (`.sql.gz`)
    SqlGz,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let shape = shape(args)?;
    let pack = cx.load()?;
    let (name, _) = environment(&pack, &args.environment)?;
    let path = camino::absolute_utf8(&args.file)
        .map_err(|e| Failure::refused(format!("`{}` is no path", args.file)).because(e))?;
    if path.exists() {
        return Err(Failure::refused(format!("`{path}` is there already")).hint("choose another name"));
    }
    if !path.parent().is_some_and(Utf8Path::is_dir) {
        return Err(Failure::refused(format!("there is no directory for `{path}`")));
    }
    let view = bringing::look(&pack, name)?;
    let state = pack.layout.state();
    let _environment = lock::take_environment(&state, name, "odoopack backup export")?;
    of_one_piece(&state, name)?;
    let apply = super::super::up::applier(cx, &pack, &view);
    let progress = cx.ui.step(&format!("write {name} to {path}"));
    let written = match export(&apply, name, &path, shape, &progress) {
        Ok(written) => written,
        Err(failure) => {
            progress.failed();
            return Err(failure.during(format!("could not write `{path}`")));
        }
    };
    progress.done();
    let missing = &written.missing;
    if let Some(first) = missing.first() {
        cx.ui.warn(&format!(
            "{} attachments that the database names are missing in the filestore, among them `{first}`",
            missing.len()
        ));
    }
    if written.elsewhere > 0 {
        cx.ui.warn(&format!(
            "{} attachments are kept by a module in a storage of its own, and are not in this export, also where that storage lies in the filestore: `odoopack backup create {name}` makes a snapshot, which has what lies there",
            written.elsewhere
        ));
    }
    cx.ui.json(&serde_json::json!({ "file": path, "environment": name, "written": written, "seconds": cx.ui.elapsed().as_secs_f64() }));
    let attachments = match shape {
        Shape::Zip | Shape::Folder => format!(" and {} attachments", written.attachments),
        Shape::Custom | Shape::Sql | Shape::SqlGz => ", without attachments".to_owned(),
    };
    cx.ui.result(&format!(
        "{path}: {} with the database{attachments}",
        odoopack_core::units::Bytes(written.size)
    ));
    Ok(())
}

fn shape(args: &Args) -> Result<Shape> {
    if let Some(wanted) = args.shape {
        return Ok(match wanted {
            Wanted::Zip => Shape::Zip,
            Wanted::Folder => Shape::Folder,
            Wanted::Custom => Shape::Custom,
            Wanted::Sql => Shape::Sql,
            Wanted::SqlGz => Shape::SqlGz,
        });
    }
    let name = args.file.file_name().unwrap_or_default();
    let known = [
        (".zip", Shape::Zip),
        (".dump", Shape::Custom),
        (".sql", Shape::Sql),
        (".sql.gz", Shape::SqlGz),
    ];
    let found = known.iter().find(|(end, _)| name.ends_with(end));
    found.map(|(_, shape)| *shape).ok_or_else(|| {
        Failure::new(
            crate::failure::Kind::Usage,
            format!("the name `{name}` does not tell what to write"),
        )
        .hint("end it in .zip, .dump, .sql or .sql.gz, or say `--shape folder`")
    })
}
