//! `backup pin` and `backup unpin`: snapshots that stay whatever the policy says.
use crate::backup::retention::pin;
use crate::backup::{failure, place};
use crate::context::Context;
use crate::failure::Result;

/// Name of one snapshot
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack backup pin 1a2b3c4d\n  odoopack backup unpin 1a2b3c4d")]
pub(crate) struct Args {
    /// Beginning of a snapshot's name, or `latest`
    snapshot: String,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args, pinned: bool) -> Result<()> {
    let pack = cx.load()?;
    let repository = place::open(&pack)?;
    let snapshot = repository
        .snapshot(&args.snapshot, None)
        .map_err(|e| failure::of(&e))?;
    pin(&repository, &snapshot, pinned)?;
    cx.ui
        .json(&serde_json::json!({ "snapshot": snapshot.id, "pinned": pinned }));
    cx.ui.result(&format!(
        "{} {}",
        if pinned { "pinned" } else { "unpinned" },
        snapshot.id
    ));
    Ok(())
}
