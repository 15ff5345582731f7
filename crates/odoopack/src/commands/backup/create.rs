//! `backup create`: one consistent snapshot of an environment.
use odoopack_core::name::Name;

use super::{environment, size};
use crate::backup::create::{Made, Wish, create};
use crate::backup::{key, place};
use crate::context::{Context, Pack};
use crate::failure::Result;
use crate::store::marks;

/// Make a snapshot of an environment: database and filestore of one moment, configuration, code and secrets
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Odoo goes on working. The snapshot becomes visible when it is stored and checked; after a failure older ones are as they were.\n\nExamples:\n  odoopack backup create\n  odoopack backup create staging --note 'before the import'"
)]
pub(crate) struct Args {
    /// Environment; `production`, or the only one, when it is left out
    #[arg(value_name = "ENV")]
    environment: Option<Name>,
    /// Words to find it by
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Take as long as it needs to disturb nobody, as `[backup] gentle` asks of every backup
    #[arg(long)]
    gentle: bool,
    /// Then remove the snapshots that `[backup.keep]` no longer keeps
    #[arg(long)]
    forget: bool,
    /// Then copy to the second place of `[backup.offsite]`, as `backup offsite --forget` does
    #[arg(long)]
    offsite: bool,
}

/// Runs the command.
pub(crate) fn run(cx: &Context, args: &Args) -> Result<()> {
    let pack = cx.load()?;
    let environment = environment(&pack, args.environment.as_ref())?;
    let made = create(
        cx,
        &pack,
        &environment,
        Wish {
            note: args.note.as_deref(),
            gentle: args.gentle || pack.loaded.spec.backup.gentle,
        },
    )?;
    tell_missing(cx, &made);
    let left = marks::module_work(&pack.layout.state(), &environment)?;
    if let Some(what) = left.and_then(|left| left.half_way(&environment)) {
        cx.ui.warn(&format!("{what}, and so it is in this snapshot"));
    }
    let (snapshot, manifest) = (&made.snapshot, &made.manifest);
    cx.ui.json(&serde_json::json!({
        "snapshot": snapshot.id,
        "environment": environment,
        "time": snapshot.time,
        "size": snapshot.size,
        "added": snapshot.added,
        "files": snapshot.files,
        "read": snapshot.read,
        "missing": manifest.attachments.missing,
        "elsewhere": manifest.attachments.elsewhere,
        "left_out": manifest.left_out,
        "seconds": made.seconds,
    }));
    cx.ui.result(&format!(
        "snapshot {} of {environment}: {} in {:.1} s, {} added",
        snapshot.id,
        size(snapshot.size),
        made.seconds,
        size(snapshot.added)
    ));
    let afterwards = afterwards(cx, &pack, args);
    if !key::is_confirmed(&pack.layout)? {
        if made.new_key {
            cx.ui
                .say("a key was made for the backups; without it nobody can ever read them");
        }
        cx.ui.say(
            "keep the key somewhere else: `odoopack backup key export`, then `odoopack backup key confirm`",
        );
    }
    afterwards
}

/// The copy off site, and then the policy of here: one that fails does not keep the other from being done.
fn afterwards(cx: &Context, pack: &Pack, args: &Args) -> Result<()> {
    let copied = if args.offsite {
        super::offsite::by_policy(cx, pack)
    } else {
        Ok(())
    };
    let forgotten = if args.forget {
        place::open(pack)
            .and_then(|here| super::forget::by_policy(cx, pack, &here, super::forget::Side::Here))
    } else {
        Ok(())
    };
    if let (Err(_), Err(second)) = (&copied, &forgotten) {
        cx.ui.warn(&second.sentence());
    }
    copied.and(forgotten)
}

/// Says what of the attachments is not in the snapshot.
pub(crate) fn tell_missing(cx: &Context, made: &Made) {
    alarm(cx, made);
    super::elsewhere(cx, made.manifest.attachments.elsewhere);
}

/// Files that the database names and that are gone: always said, and more of them than the last time is an alarm.
fn alarm(cx: &Context, made: &Made) {
    let missing = &made.manifest.attachments.missing;
    let Some(first) = missing.first() else { return };
    let count = missing.len() as u64;
    let more = made.missing_before.is_some_and(|before| before < count);
    let than = made
        .missing_before
        .map_or_else(String::new, |before| format!(", {before} the last time"));
    let word = if more { "ALARM: " } else { "" };
    cx.ui.warn(&format!(
        "{word}{count} attachments were already missing in the filestore{than}, among them `{first}`"
    ));
}
