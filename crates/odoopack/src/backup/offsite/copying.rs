//! One copy to the second place: what the policy wants there, what was proven, a seventh read again, and whether anything vanished.
use std::collections::HashSet;
use std::time::Instant;

use jiff::Timestamp;
use odoopack_core::spec;
use odoopack_repository::{Copied, Error, Place, Reading, Repository, Snapshot, Writer};

use super::{Right, configured, elsewhere, of_this_machine, open, open_or_make, opened, there, turn};
use crate::backup::record::{self, Event, Line};
use crate::backup::retention::{Judged, Side, is_ours, judge_all};
use crate::backup::{failure, key, place, proof, unreadable};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Kind, Result};

/// What was copied and read.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) snapshots: Vec<String>,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
    /// Which seventh was read, when one was.
    pub(crate) read: Option<u8>,
}

/// How a copy is made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    /// Whether a seventh is read even when one was read a moment ago.
    pub(crate) read: bool,
    /// Whether this machine takes the place of another one that has copied there.
    pub(crate) take_over: bool,
}

/// Hours that lie between two readings at least: seven nights read everything once.
const BETWEEN_READINGS: i64 = 20;

/// Snapshots of here that the policy wants there and that are not there: of production first, newest first.
pub(crate) fn wanted(pack: &Pack, here: Vec<Snapshot>, there: &[Snapshot]) -> Result<Vec<Snapshot>> {
    let offsite = configured(pack)?;
    let known: HashSet<&str> = there.iter().map(|s| s.id.as_str()).collect();
    let mut all = here;
    let here: HashSet<String> = all.iter().map(|s| s.id.clone()).collect();
    all.extend(there.iter().filter(|s| !here.contains(&s.id)).cloned());
    let judged = judge_all(pack, all, &offsite.keep)?;
    let is_wanted =
        |judged: &Judged| judged.ours && judged.verdict.keep && !known.contains(judged.snapshot.id.as_str());
    let mut wanted: Vec<Snapshot> = judged
        .into_iter()
        .filter(is_wanted)
        .map(|judged| judged.snapshot)
        .collect();
    wanted.sort_by_key(|snapshot| !is_of_production(pack, snapshot));
    Ok(wanted)
}

fn is_of_production(pack: &Pack, snapshot: &Snapshot) -> bool {
    let mut environments = pack.loaded.spec.environments.iter();
    environments.any(|(name, settings)| {
        name.as_str() == snapshot.environment && settings.kind == spec::Kind::Production
    })
}

/// What a copy would copy.
pub(crate) fn would_copy(cx: &Context, pack: &Pack, wish: Wish) -> Result<Vec<Snapshot>> {
    let here = unreadable::listing(cx, &place::open(pack)?)?.snapshots;
    let place = elsewhere(pack, configured(pack)?, Right::Write)?;
    let there = match opened(pack, &place, &key::of(&pack.layout)?) {
        Err(Error::Absent(_)) => return wanted(pack, here, &[]),
        opened => opened.map_err(|e| failure::of(&e))?,
    };
    if !wish.take_over {
        of_this_machine(pack, &there)?;
    }
    let listed = unreadable::listing(cx, &there)?.snapshots;
    wanted(pack, here, &listed)
}

/// Copies what the policy wants there, looks at every object that was written, and reads a seventh of what is there.
///
/// # Errors
/// After every error what was there is as it was; a snapshot becomes visible there only when all of its new objects were found to be right.
/// One that cannot be copied keeps no other from being copied, and is complained of at the end.
pub(crate) fn copy(cx: &Context, pack: &Pack, wish: Wish) -> Result<Done> {
    let begun = Instant::now();
    let done = try_copy(cx, pack, wish);
    match &done {
        Ok(_) => note(pack, Event::Copied, None, begun, serde_json::Value::Null)?,
        // Somebody else was at work there: that is no copy that failed.
        Err(failure) if failure.kind == Kind::Locked => {}
        Err(failure) => {
            let why = serde_json::json!({ "why": failure.chain() });
            // What went wrong first is what helps.
            if let Err(not_noted) = note(pack, Event::NotCopied, None, begun, why) {
                cx.ui.warn(&not_noted.sentence());
            }
        }
    }
    done
}

fn try_copy(cx: &Context, pack: &Pack, wish: Wish) -> Result<Done> {
    let here = place::open(pack)?;
    let mut there = open_or_make(cx, pack, &here)?;
    // Before the lock: a clone would take that of its original, which has its name, for one of its own.
    if !wish.take_over {
        of_this_machine(pack, &there)?;
    }
    let holder = place::holder("odoopack backup offsite")?;
    let writer = there.writer(&holder).map_err(|e| failure::of(&e))?;
    if !writer.is_surely_alone() {
        cx.ui.warn(&format!(
            "the service of {} does not know conditional writes: see to it that no other machine begins to write there at the same moment",
            there.place()
        ));
    }
    if !wish.take_over {
        of_this_machine(pack, &there)?;
    }
    let listed = unreadable::listing(cx, &there)?.snapshots;
    if wish.take_over {
        take_over(cx, pack, there.place(), &listed)?;
    }
    turn::take(pack, &there)?;
    let mut done = Done::default();
    let mut failed = None;
    let ours = unreadable::listing(cx, &here)?.snapshots;
    for snapshot in wanted(pack, ours, &listed)? {
        let mut copied = copy_one(cx, pack, (&here, &there, &writer), &snapshot);
        if let Err(NotCopied::Lost(failure)) = &copied {
            cx.ui.warn(&failure.chain().join(": "));
            // What was lost there stands in no index any more, for who opens it anew.
            there = open(pack, Right::Write)?;
            copied = copy_one(cx, pack, (&here, &there, &writer), &snapshot);
        }
        match copied {
            Ok(Copied { objects, bytes, .. }) => {
                done.objects += objects;
                done.bytes += bytes;
                done.snapshots.push(snapshot.id);
            }
            Err(NotCopied::There(failure)) => return Err(failure),
            Err(NotCopied::Lost(failure) | NotCopied::It(failure)) => {
                // What the one that failed may still write in the background does so where nothing is let through any more.
                there = open(pack, Right::Write)?;
                remember(cx, &mut failed, failure);
            }
        }
    }
    match rest(cx, pack, &there, wish.read) {
        Ok(read) => done.read = read,
        Err(failure) => remember(cx, &mut failed, failure),
    }
    failed.map_or(Ok(done), Err)
}

/// The first failure is that of the command, the others are said.
fn remember(cx: &Context, first: &mut Option<Failure>, failure: Failure) {
    if first.is_none() {
        *first = Some(failure);
    } else {
        cx.ui.warn(&failure.sentence());
    }
}

/// What is there already counts as copied by this machine from now on.
fn take_over(cx: &Context, pack: &Pack, place: &Place, listed: &[Snapshot]) -> Result<()> {
    // What a recovery has found there was not copied from here so far.
    let mut lines = record::all(&pack.layout)?;
    lines.retain(|line| line.event != Event::Offsite || there::was_copied_from_here(line));
    let known = record::known_offsite(&lines);
    let new = |snapshot: &&Snapshot| is_ours(pack, snapshot) && !known.contains(&snapshot.id);
    let new: Vec<&Snapshot> = listed.iter().filter(new).collect();
    for snapshot in &new {
        let detail = serde_json::json!({ "taken_over": true });
        note(pack, Event::Offsite, Some(snapshot), Instant::now(), detail)?;
    }
    if !new.is_empty() {
        cx.ui.say(&format!(
            "taken over: from now on this machine copies to {place} and removes there, by its own policy, among {} snapshots that it has not made; the machine that has made them must not run any more",
            new.len()
        ));
    }
    Ok(())
}

/// Why a snapshot was not copied.
enum NotCopied {
    /// The second place does not do what it should: no other one would be copied either.
    There(Failure),
    /// What lies there and was to be relied on is damaged.
    Lost(Failure),
    /// Something is wrong with this snapshot.
    It(Failure),
}

fn copy_one(
    cx: &Context,
    pack: &Pack,
    (here, there, writer): (&Repository, &Repository, &Writer),
    snapshot: &Snapshot,
) -> std::result::Result<Copied, NotCopied> {
    let begun = Instant::now();
    let id = &snapshot.id;
    let progress = cx.ui.step(&format!("copy {id} to {}", there.place()));
    let copied = match here.copy_to(there, writer, std::slice::from_ref(snapshot)) {
        Ok(copied) => copied,
        Err(e) => {
            progress.failed();
            let failure = failure::of(&e).during(format!(
                "could not copy snapshot {id} to {}; no snapshot there was touched",
                there.place()
            ));
            return Err(if matches!(e, Error::There(_)) {
                NotCopied::Lost(failure)
            } else if is_of(&e, there.place()) {
                NotCopied::There(failure)
            } else {
                NotCopied::It(failure.hint(format!(
                    "`odoopack backup drill {id} --level read` says what can be read of it; `odoopack backup forget {id}` gives it up"
                )))
            });
        }
    };
    progress.done();
    let detail = serde_json::json!({ "objects": copied.objects, "bytes": copied.bytes });
    note(pack, Event::Offsite, Some(snapshot), begun, detail).map_err(NotCopied::There)?;
    Ok(copied)
}

/// Whether it is the second place that fails.
fn is_of(error: &Error, there: &Place) -> bool {
    // The library puts the words of a store among its own.
    let is_named = |text: &str| text.contains(&format!(" at {there}: "));
    match error {
        Error::Locked(_) | Error::Absent(_) | Error::Present(_) | Error::WrongKey(_) | Error::There(_) => {
            true
        }
        Error::Store { place, .. } => *place == there.to_string(),
        Error::Format { what, why } => what.ends_with(" there") || is_named(why),
        Error::NotWhole(why) | Error::Damaged(why) | Error::NoSnapshot(why) => is_named(why),
        Error::NoFile { .. } | Error::Fewer { .. } | Error::Changed(_) | Error::Unreadable(_) => false,
    }
}

/// What follows the copies, whether all of them went well or not.
fn rest(cx: &Context, pack: &Pack, there: &Repository, read_now: bool) -> Result<Option<u8>> {
    if let Err(failure) = proof::carry(&key::of(&pack.layout)?, there, &record::all(&pack.layout)?) {
        let why = failure.chain().join(": ");
        cx.ui.warn(&format!(
            "what was proven is not noted at {}: {why}",
            there.place()
        ));
    }
    let read = read_a_seventh(cx, pack, there, read_now)?;
    // Last, because none of that is to wait for somebody to look there.
    let known = record::known_offsite(&record::all(&pack.layout)?);
    there.expect(&known).map_err(|e| {
        let failure = failure::of(&e).during("what is new was copied");
        if !matches!(e, Error::Fewer { .. }) {
            return failure;
        }
        failure.hint(format!(
            "look there; `{}` when somebody removed them on purpose",
            Side::Offsite.accepts()
        ))
    })?;
    Ok(read)
}

/// Reads the seventh after the one that was read last, unless that was a moment ago.
fn read_a_seventh(cx: &Context, pack: &Pack, there: &Repository, now: bool) -> Result<Option<u8>> {
    let lines = record::all(&pack.layout)?;
    let last = last_part(&lines);
    let hours = last.map(|(at, _)| (Timestamp::now().as_second() - at.as_second()) / 3600);
    if !now && hours.is_some_and(|hours| (0..BETWEEN_READINGS).contains(&hours)) {
        return Ok(None);
    }
    let part = last.map_or(1, |(_, part)| part % 7 + 1);
    let begun = Instant::now();
    let progress = cx.ui.step(&format!("read part {part} of 7 at {}", there.place()));
    let wrong = match there.check(Reading::Seventh(part)) {
        Ok(wrong) => wrong,
        Err(e) => {
            progress.failed();
            return Err(failure::of(&e));
        }
    };
    if wrong.is_empty() {
        progress.done();
        note(
            pack,
            Event::Read,
            None,
            begun,
            serde_json::json!({ "part": part }),
        )?;
        return Ok(Some(part));
    }
    progress.failed();
    Err(Failure::new(
        Kind::Drift,
        format!("the repository at {} is damaged: {}", there.place(), wrong.join("; ")),
    )
    .hint("`restic check --read-data` there; what is needed again is copied by `odoopack backup offsite` into an empty place"))
}

/// When which seventh was read last; a drill that read a snapshot is none.
fn last_part(lines: &[Line]) -> Option<(Timestamp, u8)> {
    let mut read = lines.iter().rev().filter(|line| line.event == Event::Read);
    read.find_map(|line| Some((line.at, u8::try_from(line.detail["part"].as_u64()?).ok()?)))
}

fn note(
    pack: &Pack,
    event: Event,
    of: Option<&Snapshot>,
    begun: Instant,
    detail: serde_json::Value,
) -> Result<()> {
    let line = Line {
        // A copy is as old as what it is a copy of.
        at: of.map_or_else(Timestamp::now, |s| s.time),
        event,
        environment: of.map_or_else(String::new, |s| s.environment.clone()),
        snapshot: of.map_or_else(String::new, |s| s.id.clone()),
        seconds: begun.elapsed().as_secs_f64(),
        detail,
    };
    record::add(&pack.layout, &line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: i64, event: Event, detail: serde_json::Value) -> Line {
        Line {
            at: Timestamp::from_second(at).unwrap(),
            event,
            environment: String::new(),
            snapshot: String::new(),
            seconds: 1.0,
            detail,
        }
    }

    #[test]
    fn only_what_fails_there_ends_the_copy() {
        let there = Place::Directory("/mnt/backups".to_owned());
        let store = |place: &str| Error::Store {
            act: "read data/1".to_owned(),
            place: place.to_owned(),
            why: "no".to_owned(),
        };
        let wrapped = |error: &Error| Error::Format {
            what: "could not copy snapshots".to_owned(),
            why: format!("Message: {error} (some more)"),
        };
        let (theirs, ours) = (store("/mnt/backups"), store("/srv/odoo/mnt/backups"));
        for (error, expected) in [
            (wrapped(&theirs), true),
            (theirs, true),
            (wrapped(&ours), false),
            (ours, false),
            (Error::Locked("x".to_owned()), true),
            (Error::NotWhole("x".to_owned()), false),
        ] {
            assert_eq!(is_of(&error, &there), expected, "{error}");
        }
    }

    #[test]
    fn a_drill_that_read_a_snapshot_is_no_seventh() {
        let mut lines = vec![line(1, Event::Read, serde_json::json!({ "level": "read" }))];
        assert_eq!(last_part(&lines), None);
        lines.insert(0, line(0, Event::Read, serde_json::json!({ "part": 3 })));
        assert_eq!(last_part(&lines), Some((Timestamp::UNIX_EPOCH, 3)));
    }
}
