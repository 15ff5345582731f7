//! `backup list`: every snapshot of the repository.
use odoopack_core::name::Name;

use super::size;
use crate::backup::failure;
use crate::backup::place;
use crate::context::Context;
use crate::failure::Result;

/// List the snapshots, oldest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack backup list\n  odoopack backup list production --json")]
pub(crate) struct Args {
    /// Only those of this environment
    #[arg(value_name = "ENV")]
    environment: Option<Name>,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let repository = place::open(&pack)?;
    let mut snapshots = repository.snapshots().map_err(|e| failure::of(&e))?;
    snapshots.retain(|s| {
        args.environment
            .as_ref()
            .is_none_or(|name| s.environment == name.as_str())
    });
    let rows: Vec<_> = snapshots
        .iter()
        .map(|s| {
            serde_json::json!({
                "snapshot": s.id, "environment": s.environment, "time": s.time, "size": s.size, "added": s.added,
                "files": s.files, "seconds": s.seconds, "pinned": s.pinned, "note": s.note, "restic": s.restic_id(),
            })
        })
        .collect();
    cx.ui.json(&serde_json::json!(rows));
    if snapshots.is_empty() {
        cx.ui
            .result("no snapshot yet; `odoopack backup create` makes one");
    }
    for s in &snapshots {
        let pin = if s.pinned { " pinned" } else { "" };
        let note = s
            .note
            .as_ref()
            .map_or_else(String::new, |note| format!("  {note}"));
        cx.ui.result(&format!(
            "{}  {}  {:<12} {:>8} {:>8} added{pin}{note}",
            s.id,
            s.time.strftime("%Y-%m-%d %H:%M:%SZ"),
            s.environment,
            size(s.size),
            size(s.added)
        ));
    }
    Ok(())
}
