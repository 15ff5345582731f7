//! `backup cat`: one file of a snapshot.
use std::io::Write;

use crate::backup::{failure, place};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::ui;

/// Write one file of a snapshot to standard output, or a directory of parts put together
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  odoopack backup cat latest manifest.json\n  odoopack backup cat latest filestore/ab/ab12cd > file\n  odoopack backup cat latest database/dump | pg_restore --list"
)]
pub(crate) struct Args {
    /// Beginning of a snapshot's name, or `latest`
    snapshot: String,
    /// File in it; `database/dump` and `pack/history` are put together from their parts
    path: String,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let failed = |e: odoopack_repository::Error| failure::of(&e);
    let repository = place::open(&pack)?;
    let snapshot = repository.snapshot(&args.snapshot, None).map_err(failed)?;
    let reader = repository.reader().map_err(failed)?;
    let mut out = ui::raw();
    if odoopack_core::backup::paths::IN_PARTS.contains(&args.path.as_str()) {
        reader
            .stream_parts(&snapshot, &args.path, &mut out)
            .map_err(failed)?;
    } else {
        reader.stream(&snapshot, &args.path, &mut out).map_err(failed)?;
    }
    out.flush()
        .map_err(|e| Failure::failed("could not write to standard output").because(e))
}
