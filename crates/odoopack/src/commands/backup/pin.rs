//! `backup pin` and `backup unpin`: snapshots that stay whatever the policy says.
use odoopack_repository::Error;

use crate::backup::offsite::{self, Right};
use crate::backup::retention::pin;
use crate::backup::{failure, place, unreadable};
use crate::commands::stored::{Whose, find};
use crate::context::{Context, Pack};
use crate::failure::Result;

/// Name of one snapshot
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  odoopack backup pin 1a2b3c4d\n  odoopack backup unpin 1a2b3c4d")]
pub(crate) struct Args {
    /// Beginning of a snapshot's name, or `latest`
    snapshot: String,
    #[command(flatten)]
    whose: Whose,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args, pinned: bool) -> Result<()> {
    let pack = cx.load()?;
    let repository = place::open(&pack)?;
    let snapshot = find(
        &pack,
        &unreadable::listing(cx, &repository)?,
        &args.snapshot,
        &args.whose,
    )?;
    pin(&repository, &snapshot, pinned)?;
    let there = if pack.loaded.spec.backup.offsite.is_some() {
        pin_there(&pack, &snapshot.id, pinned)
    } else {
        Ok(false)
    };
    let id = &snapshot.id;
    let (pins, done) = if pinned {
        ("pin", "pinned")
    } else {
        ("unpin", "unpinned")
    };
    cx.ui.json(
        &serde_json::json!({ "snapshot": id, "pinned": pinned, "offsite": there.as_ref().is_ok_and(|there| *there) }),
    );
    match there {
        Ok(true) => cx.ui.result(&format!("{done} {id}, here and off site")),
        Ok(false) => cx.ui.result(&format!("{done} {id}")),
        Err(failure) => {
            cx.ui.result(&format!("{done} {id}"));
            cx.ui.warn(&format!(
                "could not {pins} its copy off site, where another policy holds: {}; `odoopack backup {pins} {id}` tries again",
                failure.sentence()
            ));
        }
    }
    Ok(())
}

/// The copy in the second place, where there is one; says whether there is. What is copied later takes its pin along.
fn pin_there(pack: &Pack, id: &str, pinned: bool) -> Result<bool> {
    let right = if offsite::can_delete(pack)? {
        Right::Delete
    } else {
        Right::Write
    };
    let there = offsite::open(pack, right)?;
    offsite::of_this_machine(pack, &there)?;
    match there.snapshot(id, None) {
        Ok(snapshot) => pin(&there, &snapshot, pinned).map(|()| true),
        Err(Error::NoSnapshot(_)) => Ok(false),
        Err(e) => Err(failure::of(&e)),
    }
}
