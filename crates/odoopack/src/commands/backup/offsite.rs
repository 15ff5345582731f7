//! `backup offsite`: the snapshots that the file wants elsewhere are elsewhere.
use super::{forget, size};
use crate::backup::offsite::{self, Done, Right, Wish};
use crate::context::{Context, Pack};
use crate::failure::Result;

/// Copy snapshots to the second place of `[backup.offsite]`, look at every new object there, and read a seventh of it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A snapshot is seen there only after size and hash of everything new were found to be right. What was uploaded before an interruption is not uploaded again. Seven nights read everything there once. A machine that was recovered or cloned is refused where snapshots of its pack are already: it would remove those of the machine that it came from.\n\nExamples:\n  odoopack backup offsite\n  odoopack backup offsite --dry-run\n  odoopack backup offsite --take-over"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "options of a command are independent"
)]
pub(crate) struct Args {
    /// Then remove the snapshots there that `[backup.offsite.keep]` no longer keeps
    #[arg(long)]
    forget: bool,
    /// Read a seventh now, even when one was read today
    #[arg(long)]
    read: bool,
    /// Show what would be copied and stop
    #[arg(long)]
    dry_run: bool,
    /// This machine takes the place of the one that made the snapshots there, which must not run any more
    #[arg(long)]
    take_over: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    offsite::configured(&pack)?;
    let wish = Wish {
        read: args.read,
        take_over: args.take_over,
    };
    if args.dry_run {
        let would = offsite::would_copy(cx, &pack, wish)?;
        for snapshot in &would {
            let time = snapshot.time.strftime("%Y-%m-%d %H:%M:%SZ");
            cx.ui.say(&format!(
                "  + copy {} of {}, {time}",
                snapshot.id, snapshot.environment
            ));
        }
        let ids: Vec<_> = would.iter().map(|s| s.id.as_str()).collect();
        cx.ui.json(&serde_json::json!({ "would_copy": ids }));
        return Ok(());
    }
    let done = offsite::copy(cx, &pack, wish)?;
    cx.ui.json(&serde_json::json!({
        "copied": done.snapshots, "objects": done.objects, "bytes": done.bytes, "read": done.read,
    }));
    cx.ui.result(&words(&done));
    if args.forget {
        forget_there(cx, &pack)?;
    }
    Ok(())
}

fn words(done: &Done) -> String {
    let read = done
        .read
        .map_or_else(String::new, |part| format!("; part {part} of 7 was read"));
    format!(
        "{} snapshots copied: {} new objects with {}, each looked at there{read}",
        done.snapshots.len(),
        done.objects,
        size(done.bytes)
    )
}

/// After a backup by the schedule: copies, then applies the policy there when the credentials that delete are here.
pub(super) fn by_policy(cx: &Context, pack: &Pack) -> Result<()> {
    let done = offsite::copy(cx, pack, Wish::default())?;
    cx.ui.say(&words(&done));
    forget_there(cx, pack)
}

fn forget_there(cx: &Context, pack: &Pack) -> Result<()> {
    if !offsite::can_delete(pack)? {
        cx.ui
            .say("nothing is removed there: the credentials that delete are not here, as they should be");
        return Ok(());
    }
    forget::by_policy(
        cx,
        pack,
        &offsite::open(pack, Right::Delete)?,
        forget::Side::Offsite,
    )
}
