//! `backup list`: every snapshot of the repository.
use odoopack_core::columns::beside;
use odoopack_core::name::Name;

use super::size;
use crate::backup::offsite::{self, Right};
use crate::backup::retention::{Judged, Side, judged_of};
use crate::backup::{place, unreadable};
use crate::context::Context;
use crate::failure::Result;

/// List the snapshots, oldest first, with what `[backup.keep]` makes of each
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack backup list\n  odoopack backup list production --json")]
pub(crate) struct Args {
    /// Only those of this environment
    #[arg(value_name = "ENV")]
    environment: Option<Name>,
    /// Those of the second repository
    #[arg(long)]
    offsite: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let (side, repository) = if args.offsite {
        (Side::Offsite, offsite::open(&pack, Right::Write)?)
    } else {
        (Side::Here, place::open(&pack)?)
    };
    let mut judged = judged_of(&pack, unreadable::listing(cx, &repository)?.snapshots, side)?;
    judged.retain(|j| {
        args.environment
            .as_ref()
            .is_none_or(|name| j.snapshot.environment == name.as_str())
    });
    judged.sort_by_key(|j| j.snapshot.time);
    let rows: Vec<_> = judged
        .iter()
        .map(|j| {
            let s = &j.snapshot;
            serde_json::json!({
                "snapshot": s.id, "environment": s.environment, "time": s.time, "size": s.size, "added": s.added,
                "files": s.files, "seconds": s.seconds, "pinned": s.pinned, "note": s.note, "restic": s.restic_id(),
                "keep": j.verdict.keep, "reasons": j.verdict.reasons,
            })
        })
        .collect();
    cx.ui.json(&serde_json::json!(rows));
    if judged.is_empty() {
        cx.ui
            .result("no snapshot yet; `odoopack backup create` makes one");
        return Ok(());
    }
    cx.ui.result(&format!(
        "{:<8}  {:<17}  {:<12} {:>7} {:>7}  kept as",
        "snapshot", "time", "environment", "size", "added"
    ));
    judged.iter().for_each(|j| cx.ui.result(&line(j)));
    Ok(())
}

/// One snapshot; what somebody wrote about it stands below.
fn line(judged: &Judged) -> String {
    let s = &judged.snapshot;
    let head = format!(
        "{:<8}  {}  {:<12} {:>7} {:>7}  ",
        s.id,
        s.time.strftime("%Y-%m-%d %H:%MZ"),
        s.environment,
        size(s.size),
        size(s.added)
    );
    let verdict = if judged.verdict.keep {
        judged.verdict.reasons.join(", ")
    } else {
        "goes".to_owned()
    };
    let note = s.note.as_ref().map(|note| beside("          ", note));
    let lines: Vec<String> = [beside(&head, &verdict)].into_iter().chain(note).collect();
    lines.join("\n")
}
