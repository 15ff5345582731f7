//! `backup ls`: what a snapshot holds.
use odoopack_repository::Kind;

use super::size;
use crate::backup::{failure, unreadable};
use crate::commands::stored::{self, Which};
use crate::context::Context;
use crate::failure::Result;

/// List what lies in a directory of a snapshot
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack backup ls latest\n  odoopack backup ls 1a2b3c4d filestore/ab")]
pub(crate) struct Args {
    /// Beginning of a snapshot's name, or `latest`
    snapshot: String,
    /// Directory in it
    #[arg(default_value = "")]
    directory: String,
    #[command(flatten)]
    which: Which,
    /// Everything below it
    #[arg(short = 'R', long)]
    recursive: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let failed = |e: odoopack_repository::Error| failure::of(&e);
    let repository = stored::repository(&pack, &args.which)?;
    let snapshot = stored::find(
        &pack,
        &unreadable::listing(cx, &repository)?,
        &args.snapshot,
        args.which.whose(),
    )?;
    let reader = repository.reader().map_err(failed)?;
    let entries = if args.recursive {
        reader.list(&snapshot, &args.directory)
    } else {
        reader.list_flat(&snapshot, &args.directory)
    };
    let entries = entries.map_err(failed)?;
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            serde_json::json!({
                "path": entry.path, "directory": entry.kind == Kind::Directory, "size": entry.size, "modified": entry.modified,
            })
        })
        .collect();
    cx.ui.json(&serde_json::json!(rows));
    for entry in &entries {
        let (size, slash) = match entry.kind {
            Kind::Directory => (String::new(), "/"),
            Kind::File | Kind::Other => (size(entry.size), ""),
        };
        cx.ui.result(&format!("{size:>8}  {}{slash}", entry.path));
    }
    Ok(())
}
