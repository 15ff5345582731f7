//! `backup forget`: remove what the policy no longer keeps, or what is named.
use std::collections::BTreeSet;

use odoopack_core::backup::retention::leap;

use super::size;
use crate::backup::Repository;
use crate::backup::offsite::{self, Right};
use crate::backup::place;
pub(super) use crate::backup::retention::Side;
use crate::backup::retention::{self, Forgotten, Judged, accept_missing, forget, judged, named};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Result};

/// Remove the snapshots that `[backup.keep]` no longer keeps, or those that are named
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Never removes what is pinned, the last snapshot that was proven, or the last one of an environment. Data that no snapshot needs is marked, and removed a day later. Off site this takes `prune_credentials`, which are best given for this command alone.\n\nExamples:\n  odoopack backup forget --dry-run\n  odoopack backup forget 1a2b3c4d\n  ODOOPACK_SECRET_SPACES_PRUNE=ID:SECRET odoopack backup forget --offsite"
)]
pub(crate) struct Args {
    /// Snapshots to remove, whatever the policy says
    snapshots: Vec<String>,
    /// Show what would be removed and stop
    #[arg(long)]
    dry_run: bool,
    /// Snapshots that were made here and are not listed any more were removed on purpose
    #[arg(long)]
    accept_missing: bool,
    /// In the second repository, by `[backup.offsite.keep]`
    #[arg(long)]
    offsite: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let side = if args.offsite { Side::Offsite } else { Side::Here };
    if args.accept_missing && is_absent(&pack, side)? {
        return nothing_there(cx, &pack, args, side);
    }
    let repository = match side {
        Side::Offsite => offsite::open(&pack, Right::Delete)?,
        Side::Here => place::open(&pack)?,
    };
    if args.accept_missing && !args.dry_run {
        accept(cx, &pack, Some(&repository), side)?;
    }
    let judged = judged(&pack, &repository, side)?;
    let which = if args.snapshots.is_empty() {
        retention::by_policy(&judged)
    } else {
        named(&judged, &repository, &args.snapshots)?
    };
    for Judged { snapshot, .. } in &which {
        let time = snapshot.time.strftime("%Y-%m-%d %H:%M:%SZ");
        cx.ui.say(&format!(
            "  - remove {} of {}, {time}",
            snapshot.id, snapshot.environment
        ));
    }
    if args.dry_run {
        let ids: Vec<_> = which.iter().map(|judged| judged.snapshot.id.as_str()).collect();
        cx.ui.json(&serde_json::json!({ "would_remove": ids }));
        return Ok(());
    }
    let asked = which.is_empty()
        || cx
            .ui
            .confirm("remove these?")
            .map_err(|e| Failure::failed("could not ask").because(e))?;
    if !asked {
        return Err(Failure::refused("nothing was changed").hint("`--yes` answers the question"));
    }
    let done = forget(&pack, &repository, side, &which)?;
    cx.ui.json(&serde_json::json!({
        "removed": done.snapshots, "marked": done.pruned.marked, "freed": done.pruned.removed,
    }));
    cx.ui.result(&words(&done));
    Ok(())
}

fn is_absent(pack: &Pack, side: Side) -> Result<bool> {
    match side {
        Side::Offsite => offsite::is_absent(pack),
        Side::Here => place::is_absent(pack),
    }
}

/// A place that is new or was emptied: everything that was there is gone, and the next backup or copy makes a repository again.
fn nothing_there(cx: &Context, pack: &Pack, args: &Args, side: Side) -> Result<()> {
    if !args.snapshots.is_empty() {
        return Err(
            Failure::refused("there is no repository there, so no snapshot can be removed")
                .hint(format!("`{}` without names", side.accepts())),
        );
    }
    if args.dry_run {
        cx.ui.json(&serde_json::json!({ "would_remove": [] }));
        cx.ui
            .say("there is no repository there, so nothing would be removed");
        return Ok(());
    }
    accept(cx, pack, None, side)?;
    cx.ui
        .json(&serde_json::json!({ "removed": [], "marked": 0, "freed": 0 }));
    let makes = match side {
        Side::Offsite => "odoopack backup offsite",
        Side::Here => "odoopack backup create",
    };
    cx.ui
        .result(&format!("there is no repository there; `{makes}` makes one"));
    Ok(())
}

fn accept(cx: &Context, pack: &Pack, repository: Option<&Repository>, side: Side) -> Result<()> {
    for id in accept_missing(pack, repository, side)? {
        cx.ui.say(&format!("{id} is gone, and that was accepted"));
    }
    Ok(())
}

fn words(done: &Forgotten) -> String {
    format!(
        "{} snapshots removed; {} marked to be removed in a day, {} freed",
        done.snapshots.len(),
        size(done.pruned.marked),
        size(done.pruned.removed)
    )
}

/// Nobody looks on while it is done.
fn no_leap(judged: &[Judged], side: Side) -> Result<()> {
    let environments: BTreeSet<&str> = judged.iter().map(|j| j.snapshot.environment.as_str()).collect();
    for environment in environments {
        let group = judged
            .iter()
            .filter(|j| j.ours && j.snapshot.environment == environment)
            .map(|j| (j.snapshot.time, &j.verdict));
        if let Some(days) = leap(group) {
            return Err(Failure::refused(format!(
                "nothing was removed: the newest snapshot of {environment} is {days} days younger than those that would go, which are most of them"
            ))
            .hint("look at the clock, and remove what was made under a wrong one: `odoopack backup list`")
            .hint(format!("`{}` removes them when it is meant", side.forgets())));
        }
    }
    Ok(())
}

/// After a backup: applies the policy and says what it did.
pub(super) fn by_policy(cx: &Context, pack: &Pack, repository: &Repository, side: Side) -> Result<()> {
    let judged = judged(pack, repository, side)?;
    no_leap(&judged, side)?;
    let done = forget(pack, repository, side, &retention::by_policy(&judged))?;
    cx.ui.say(&words(&done));
    Ok(())
}
