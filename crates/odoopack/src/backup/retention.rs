//! Retention: which snapshots of the repository stay, and the removal of the others.
use std::collections::HashSet;

use jiff::Timestamp;
use odoopack_core::backup::retention::{Candidate, Keep, Verdict, judge};
use odoopack_repository::{Pruned, Repository, Snapshot};

use super::record::{self, Event, Line};
use super::{failure, offsite, place};
use crate::context::Pack;
use crate::failure::{Failure, Result};

/// A snapshot with its verdict.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) snapshot: Snapshot,
    pub(crate) verdict: Verdict,
    /// Whether it is of this pack.
    pub(crate) ours: bool,
}

/// Which of the two repositories is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one of this host.
    Here,
    /// The second one.
    Offsite,
}

impl Side {
    /// The policy for it.
    fn keep(self, pack: &Pack) -> Result<&Keep> {
        match self {
            Self::Here => Ok(&pack.loaded.spec.backup.keep),
            Self::Offsite => Ok(&offsite::configured(pack)?.keep),
        }
    }

    /// Snapshots that should be listed there.
    fn known(self, pack: &Pack) -> Result<Vec<String>> {
        let lines = record::all(&pack.layout)?;
        Ok(match self {
            Self::Here => record::known(&lines),
            Self::Offsite => record::known_offsite(&lines),
        })
    }

    /// The command that takes what is missing there for removed.
    pub(crate) fn accepts(self) -> &'static str {
        match self {
            Self::Here => "odoopack backup forget --accept-missing",
            Self::Offsite => "odoopack backup forget --offsite --accept-missing",
        }
    }

    /// The command that shows what goes by the policy, and asks.
    pub(crate) fn forgets(self) -> &'static str {
        match self {
            Self::Here => "odoopack backup forget",
            Self::Offsite => "odoopack backup forget --offsite",
        }
    }

    fn gone(self) -> Event {
        match self {
            Self::Here => Event::Forgotten,
            Self::Offsite => Event::OffsiteForgotten,
        }
    }
}

/// What was removed.
#[derive(Debug)]
pub(crate) struct Forgotten {
    pub(crate) snapshots: Vec<String>,
    pub(crate) pruned: Pruned,
}

/// Judges every snapshot of a repository by the file, to remove some.
///
/// # Errors
/// When one of them cannot be read: what it is and keeps nobody knows.
pub(crate) fn judged(pack: &Pack, repository: &Repository, side: Side) -> Result<Vec<Judged>> {
    let snapshots = repository.snapshots().map_err(|e| failure::of(&e))?;
    judged_of(pack, snapshots, side)
}

/// Judges these snapshots of a repository by the file.
pub(crate) fn judged_of(pack: &Pack, snapshots: Vec<Snapshot>, side: Side) -> Result<Vec<Judged>> {
    let mut judged = judge_all(pack, snapshots.clone(), side.keep(pack)?)?;
    if let (Side::Here, Some(offsite)) = (side, &pack.loaded.spec.backup.offsite) {
        let copied = Side::Offsite.known(pack)?;
        let there = judge_all(pack, snapshots, &offsite.keep)?.into_iter();
        let wanted = there
            .filter(|judged| judged.verdict.keep)
            .map(|judged| judged.snapshot.id);
        let waiting: HashSet<String> = wanted.filter(|id| !copied.contains(id)).collect();
        judged
            .iter_mut()
            .for_each(|judged| hold(&mut judged.verdict, &waiting));
    }
    Ok(judged)
}

/// What waits to be copied to the second place stays here until it was, also when the copy failed.
fn hold(verdict: &mut Verdict, waiting: &HashSet<String>) {
    if !verdict.keep && waiting.contains(&verdict.id) {
        verdict.keep = true;
        verdict.reasons.push("not copied off site yet".to_owned());
    }
}

/// Judges snapshots, group by group, newest first. Those of other packs, or that somebody made with stock restic, are not ours to remove.
pub(crate) fn judge_all(pack: &Pack, snapshots: Vec<Snapshot>, keep: &Keep) -> Result<Vec<Judged>> {
    let lines = record::all(&pack.layout)?;
    let spec = &pack.loaded.spec;
    let (ours, others): (Vec<Snapshot>, Vec<Snapshot>) = snapshots
        .into_iter()
        .partition(|snapshot| is_ours(pack, snapshot));
    let mut environments: Vec<String> = ours.iter().map(|s| s.environment.clone()).collect();
    environments.sort();
    environments.dedup();
    let mut all = Vec::new();
    for environment in environments {
        let group: Vec<&Snapshot> = ours.iter().filter(|s| s.environment == environment).collect();
        let candidates: Vec<Candidate> = group.iter().map(|s| candidate(s, &lines)).collect();
        let verdicts = judge(&candidates, keep, &spec.pack.timezone.rules(), Timestamp::now());
        all.extend(verdicts.into_iter().filter_map(|verdict| {
            let snapshot = group.iter().find(|s| s.id == verdict.id)?;
            Some(Judged {
                snapshot: (*snapshot).clone(),
                verdict,
                ours: true,
            })
        }));
    }
    all.extend(others.into_iter().rev().map(|snapshot| Judged {
        verdict: Verdict {
            id: snapshot.id.clone(),
            keep: true,
            reasons: vec!["not of this pack".to_owned()],
        },
        snapshot,
        ours: false,
    }));
    Ok(all)
}

/// Whether a snapshot is of this pack, and was made by this program.
pub(crate) fn is_ours(pack: &Pack, snapshot: &Snapshot) -> bool {
    snapshot.pack == pack.layout.pack().as_str() && !snapshot.environment.contains('/')
}

fn candidate(snapshot: &Snapshot, lines: &[Line]) -> Candidate {
    Candidate {
        id: snapshot.id.clone(),
        time: snapshot.time,
        pinned: snapshot.pinned,
        proven: record::is_proven(lines, &snapshot.id),
    }
}

/// Removes snapshots and then the data that was marked a day ago.
///
/// # Errors
/// Kind `Refused` when a snapshot that was made here is not listed: a listing that lacks some is no ground to remove others. And when one
/// that shall go has become one that stays since it was chosen.
pub(crate) fn forget(
    pack: &Pack,
    repository: &Repository,
    side: Side,
    which: &[Judged],
) -> Result<Forgotten> {
    let failed = |e: odoopack_repository::Error| {
        let failure = failure::of(&e);
        if matches!(e, odoopack_repository::Error::Fewer { .. }) {
            failure.hint(format!(
                "`{}` when somebody removed them on purpose",
                side.accepts()
            ))
        } else {
            failure
        }
    };
    let writer = repository
        .writer(&place::holder("odoopack backup forget")?)
        .map_err(|e| failure::of(&e))?;
    if side == Side::Offsite {
        offsite::of_this_machine(pack, repository)?;
    }
    let known = side.known(pack)?;
    repository.expect(&known).map_err(failed)?;
    // Whoever was asked may have thought for an hour, and nobody else can write from here on.
    let which = still_go(&judged(pack, repository, side)?, which)?;
    // Noted first: one that is gone and still expected would stop every later removal, one that stays is judged again.
    for snapshot in &which {
        gone(pack, side, &snapshot.environment, &snapshot.id)?;
    }
    let known = side.known(pack)?;
    repository.forget(&writer, &which, &known).map_err(failed)?;
    let pruned = repository.prune(&writer, &known).map_err(failed)?;
    Ok(Forgotten {
        snapshots: which.iter().map(|s| s.id.clone()).collect(),
        pruned,
    })
}

/// Notes that snapshots which are known and not listed are gone for good, all of them where there is no repository; returns their names.
pub(crate) fn accept_missing(
    pack: &Pack,
    repository: Option<&Repository>,
    side: Side,
) -> Result<Vec<String>> {
    let listed = repository.map_or_else(|| Ok(Vec::new()), Repository::snapshots);
    let listed = listed.map_err(|e| failure::of(&e))?;
    let mut known = side.known(pack)?;
    known.retain(|id| !listed.iter().any(|s| s.id == *id));
    for id in &known {
        gone(pack, side, "", id)?;
    }
    Ok(known)
}

fn gone(pack: &Pack, side: Side, environment: &str, snapshot: &str) -> Result<()> {
    let line = Line {
        at: Timestamp::now(),
        event: side.gone(),
        environment: environment.to_owned(),
        snapshot: snapshot.to_owned(),
        seconds: 0.0,
        detail: serde_json::Value::Null,
    };
    record::add(&pack.layout, &line)
}

/// Pins a snapshot, or takes the pin away.
pub(crate) fn pin(repository: &Repository, snapshot: &Snapshot, pinned: bool) -> Result<()> {
    let writer = repository
        .writer(&place::holder("odoopack backup pin")?)
        .map_err(|e| failure::of(&e))?;
    repository
        .pin(&writer, snapshot, pinned)
        .map_err(|e| failure::of(&e))
}

/// Those that the policy no longer keeps.
pub(crate) fn by_policy(judged: &[Judged]) -> Vec<Judged> {
    let goes = judged.iter().filter(|judged| !judged.verdict.keep);
    goes.cloned().collect()
}

/// The snapshots that are named, when none of them is one that no policy would remove either.
pub(crate) fn named(judged: &[Judged], repository: &Repository, names: &[String]) -> Result<Vec<Judged>> {
    let mut ids = Vec::new();
    for name in names {
        let snapshot = repository.snapshot(name, None).map_err(|e| failure::of(&e))?;
        ids.push(snapshot.id);
    }
    free(judged, &ids)
}

/// What was chosen, as it is listed now; what somebody else has removed meanwhile is removed.
fn still_go(now: &[Judged], chosen: &[Judged]) -> Result<Vec<Snapshot>> {
    let ids: Vec<String> = chosen.iter().map(|judged| judged.snapshot.id.clone()).collect();
    let went = |judged: &Judged| {
        let of = |before: &&Judged| before.snapshot.id == judged.snapshot.id;
        chosen.iter().find(of).is_some_and(|before| !before.verdict.keep)
    };
    // What somebody named went whatever the policy says; the others went because of it.
    if let Some(kept) = now.iter().find(|judged| judged.verdict.keep && went(judged)) {
        return Err(stays(kept).hint("nothing was removed; the same command again chooses anew"));
    }
    let free = free(now, &ids)?;
    Ok(free.into_iter().map(|judged| judged.snapshot).collect())
}

/// Those of these names, when none of them is one that nothing removes, and each environment keeps another one.
fn free(judged: &[Judged], ids: &[String]) -> Result<Vec<Judged>> {
    let (which, others): (Vec<&Judged>, Vec<&Judged>) = judged
        .iter()
        .partition(|judged| ids.contains(&judged.snapshot.id));
    if let Some(held) = which.iter().find(|judged| is_held(judged)) {
        return Err(stays(held).hint("`odoopack backup unpin SNAPSHOT` takes a pin away"));
    }
    let is_left = |environment: &str| {
        let mut ours = others.iter().filter(|judged| judged.ours);
        ours.any(|judged| judged.snapshot.environment == environment)
    };
    match which.iter().find(|judged| !is_left(&judged.snapshot.environment)) {
        None => Ok(which.into_iter().cloned().collect()),
        Some(last) => Err(Failure::refused(format!(
            "no snapshot of {} would be left",
            last.snapshot.environment
        ))
        .hint("`odoopack backup create` first")),
    }
}

fn is_held(judged: &Judged) -> bool {
    let held = ["pinned", "last proven", "the last one", "not of this pack"];
    let reasons = &judged.verdict.reasons;
    reasons.iter().any(|reason| held.contains(&reason.as_str()))
}

fn stays(judged: &Judged) -> Failure {
    let reasons = judged.verdict.reasons.join(", ");
    Failure::refused(format!("snapshot {} stays: {reasons}", judged.snapshot.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_to_be_copied_stays() {
        let waiting = HashSet::from(["a".to_owned(), "b".to_owned()]);
        let held = [("a", false), ("b", true), ("c", false)].map(|(id, keep)| {
            let reasons = if keep { vec!["last".to_owned()] } else { Vec::new() };
            let id = id.to_owned();
            let mut verdict = Verdict { id, keep, reasons };
            hold(&mut verdict, &waiting);
            (verdict.keep, verdict.reasons.join(" "))
        });
        let words = ["not copied off site yet", "last", ""].map(str::to_owned);
        assert_eq!(held.clone().map(|(_, reasons)| reasons), words);
        assert_eq!(held.map(|(keep, _)| keep), [true, true, false]);
    }
}
