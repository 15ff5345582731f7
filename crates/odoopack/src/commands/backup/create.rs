//! `backup create`: one consistent snapshot of an environment.
use std::time::{Duration, Instant};

use odoopack_core::name::Name;

use super::{environment, size};
use crate::backup::create::{Made, Wish, create};
use crate::backup::{key, place};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};
use crate::store::marks;

/// How often it is looked whether others have ended who write to the same place, and for how long: a first copy takes a night.
const LOOK: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_hours(6);

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
    let say = |failure: &Failure| cx.ui.say(&format!("waiting: {}", failure.chain().join(": ")));
    let copied = if args.offsite {
        when_free((LOOK, PATIENCE), say, || super::offsite::by_policy(cx, pack))
    } else {
        Ok(())
    };
    let forgotten = if args.forget {
        when_free((LOOK, PATIENCE), say, || {
            place::open(pack)
                .and_then(|here| super::forget::by_policy(cx, pack, &here, super::forget::Side::Here))
        })
    } else {
        Ok(())
    };
    if let (Err(_), Err(second)) = (&copied, &forgotten) {
        cx.ui.warn(&second.sentence());
    }
    copied.and(forgotten)
}

/// Does what comes after a snapshot that is made, once nobody else is at work in the repository.
///
/// # Errors
/// Never of kind `Locked`: whoever finds everything locked is begun again, and would make another snapshot each time.
fn when_free(
    (look, patience): (Duration, Duration),
    say: impl Fn(&Failure),
    mut work: impl FnMut() -> Result<()>,
) -> Result<()> {
    let begun = Instant::now();
    let mut is_said = false;
    loop {
        match work() {
            Err(failure) if failure.kind == Kind::Locked && begun.elapsed() < patience => {
                if !is_said {
                    say(&failure);
                    is_said = true;
                }
                std::thread::sleep(look);
            }
            Err(failure) if failure.kind == Kind::Locked => return Err(failure.into_failed()),
            done => return done,
        }
    }
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Somebody else is at work the first `times`; returns how it ended, how often it was tried, and how often waiting was said.
    fn waiting(times: u32, patience: Duration) -> (Result<()>, u32, u32) {
        let (tried, said) = (Cell::new(0), Cell::new(0));
        let work = || {
            tried.set(tried.get() + 1);
            if tried.get() > times {
                Ok(())
            } else {
                Err(Failure::new(Kind::Locked, "somebody else is writing"))
            }
        };
        let done = when_free((Duration::ZERO, patience), |_| said.set(said.get() + 1), work);
        (done, tried.get(), said.get())
    }

    #[test]
    fn who_finds_the_second_place_busy_waits_and_makes_no_other_snapshot() {
        let hour = Duration::from_hours(1);
        assert!(matches!(waiting(0, hour), (Ok(()), 1, 0)));
        assert!(matches!(waiting(3, hour), (Ok(()), 4, 1)));
        let (given_up, tried, _) = waiting(3, Duration::ZERO);
        let failure = given_up.unwrap_err();
        // What is locked is begun again by the schedule, from the beginning.
        assert!(failure.kind == Kind::Failed && tried == 1, "{failure:?}");
    }
}
