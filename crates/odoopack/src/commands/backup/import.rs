//! `backup import`: a backup that somebody else made comes into an environment.
use camino::Utf8PathBuf;

use crate::apply::restore::source::Source;
use crate::commands::bringing::{self, Options, Part, Place};
use crate::context::Context;
use crate::failure::{Failure, Result};

/// Bring a backup of somebody in: a zip of Odoo, a folder, or a dump
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What comes is loaded under a hidden name, compared, and only then put in the place of what was there, which is kept. Into anything but production it is a copy: neutralized, with an identity of its own, and checked, before any Odoo sees it. In production scheduled jobs and outgoing mail are held until `odoopack env resume`.\n\nExamples:\n  odoopack backup import production.zip --to staging\n  odoopack backup import db.sql.gz --as look --only database\n  odoopack backup import production.zip --to production --yes-replace production"
)]
pub(crate) struct Args {
    /// A zip of Odoo or Odoo.sh, a folder of click-odoo-backupdb, a `pg_dump -Fc`, .sql or .sql.gz
    file: Utf8PathBuf,
    #[command(flatten)]
    place: Place,
    /// Bring only a part
    #[arg(long, value_enum, value_name = "PART")]
    only: Option<Part>,
    #[command(flatten)]
    options: Options,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let path = camino::absolute_utf8(&args.file)
        .map_err(|e| Failure::refused(format!("`{}` is no path", args.file)).because(e))?;
    let source = Source::open(&path)?;
    cx.ui.say(&format!("{path}: {}", source.describe()));
    bringing::bring(
        cx,
        &pack,
        (&source, path.as_str()),
        &args.place,
        (args.only, &args.options),
    )
}
