//! `backup cat`: one piece of a snapshot.
use std::io::Write;

use odoopack_core::backup::paths;

use crate::backup::piece;
use crate::commands::stored::{self, Which};
use crate::context::Context;
use crate::failure::{Failure, Kind, Result};
use crate::ui;

/// Write one piece of a snapshot to standard output: a file, a directory of parts put together, a table, an attachment
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A table comes as SQL that makes and fills it; `psql` loads it beside the one that is there under another schema or in another database.\n\nExamples:\n  odoopack backup cat latest manifest.json\n  odoopack backup cat latest --table res_partner > partners.sql\n  odoopack backup cat latest --attachment contract.pdf > contract.pdf\n  odoopack backup cat latest database/dump | pg_restore --list"
)]
pub(crate) struct Args {
    /// Beginning of a snapshot's name, or `latest`
    snapshot: String,
    /// File in it; `database/dump` and `pack/history` are put together from their parts
    #[arg(required_unless_present_any = ["table", "attachment"])]
    path: Option<String>,
    /// A table of its database, `res_partner` or `schema.table`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["path", "attachment"])]
    table: Option<String>,
    /// An attachment, by its number or its name
    #[arg(long, value_name = "ID|NAME", conflicts_with = "path")]
    attachment: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let opened = stored::open(cx, &pack, &args.snapshot, &args.which)?;
    let mut out = ui::raw();
    match (&args.path, &args.table, &args.attachment) {
        (_, Some(table), _) => piece::table(&pack, &opened, table, &mut out)?,
        (_, _, Some(attachment)) => piece::attachment(&pack, &opened, attachment, &mut out)?,
        (Some(path), ..) if paths::IN_PARTS.contains(&path.as_str()) => {
            opened.parts(path, &mut out)?;
        }
        (Some(path), ..) => opened.file(path, &mut out)?,
        (None, None, None) => return Err(Failure::new(Kind::Usage, "which piece of the snapshot?")),
    }
    out.flush()
        .map_err(|e| Failure::failed("could not write to standard output").because(e))
}
