//! What was proven, noted beside the snapshot itself: a machine that is lost takes its record with it, and retention keeps the last one
//! that was proven only while it knows of it.
use jiff::Timestamp;
use odoopack_core::backup::Proof;
use odoopack_core::layout::Layout;
use odoopack_core::secret::SecretText;
use odoopack_repository::{Place, Repository, Snapshot};
use ring::hmac;

use super::offsite::{self, Right};
use super::record::{self, Event, Line};
use super::{failure, key, place, unreadable};
use crate::context::Pack;
use crate::failure::{Failure, Result};

/// Notes a proof beside its snapshot, in the repository that it was read from; a drill that failed is noted where a proof was.
///
/// # Errors
/// When that repository does not take it.
pub(crate) fn keep(pack: &Pack, line: &Line, offsite: bool) -> Result<()> {
    let repository = if offsite {
        offsite::open(pack, Right::Write)?
    } else {
        place::open(pack)?
    };
    let snapshot = repository.snapshot(&line.snapshot, None);
    let snapshot = snapshot.map_err(|e| failure::of(&e))?;
    settle(&repository, &key::of(&pack.layout)?, &snapshot, line)
}

/// What was never said to be proven needs no note that it is not.
fn settle(repository: &Repository, key: &SecretText, snapshot: &Snapshot, line: &Line) -> Result<()> {
    let is_noted = || -> Result<bool> {
        let (noted, _) = read(repository, key, std::slice::from_ref(snapshot))?;
        Ok(!noted.is_empty())
    };
    if line.event == Event::Proven || is_noted()? {
        note(repository, key, snapshot, line)?;
    }
    Ok(())
}

/// Notes the last word of this host on each snapshot at the other place, where the same snapshot is and says nothing of it, or of an older
/// drill.
pub(super) fn carry(key: &SecretText, there: &Repository, lines: &[Line]) -> Result<()> {
    let snapshots = unreadable::passed_over(there).map_err(|e| failure::of(&e))?;
    let (noted, _) = read(there, key, &snapshots)?;
    for snapshot in &snapshots {
        let Some(line) = record::last_drill(lines, &snapshot.id) else {
            continue;
        };
        let is_due = match record::last_drill(&noted, &snapshot.id) {
            None => line.event == Event::Proven,
            // Of two drills of this host the record knows which was the last, also when the clock was wrong.
            Some(known) => known != line && (known.at < line.at || lines.contains(known)),
        };
        if is_due {
            note(there, key, snapshot, line)?;
        }
    }
    Ok(())
}

/// The proofs that a repository elsewhere knows of one pack, and how many notes in it are of somebody who has not its key. Environments of
/// another one are called alike.
pub(crate) fn elsewhere(place: &Place, key: &SecretText, pack: &str) -> Result<(Vec<Line>, usize)> {
    let repository = Repository::open(place, key).map_err(|e| failure::of(&e))?;
    let mut snapshots = unreadable::passed_over(&repository).map_err(|e| failure::of(&e))?;
    snapshots.retain(|snapshot| snapshot.pack == pack);
    read(&repository, key, &snapshots)
}

/// Takes proofs over into the record of this host, each once.
pub(crate) fn take_over(layout: &Layout, proofs: &[Line]) -> Result<()> {
    let known = record::all(layout)?;
    // A drill of this machine has the last word.
    let new = |line: &&Line| record::last_drill(&known, &line.snapshot).is_none();
    proofs
        .iter()
        .filter(new)
        .try_for_each(|line| record::add(layout, line))
}

fn note(repository: &Repository, key: &SecretText, snapshot: &Snapshot, line: &Line) -> Result<()> {
    let proof = Proof {
        at: line.at.to_string(),
        seconds: line.seconds,
        detail: line.detail.clone(),
        taken_back: line.event == Event::Unproven,
    };
    let text = proof.seal(&snapshot.id, |text| seal(key, text));
    let text = text.map_err(|e| Failure::failed("could not write the proof").because(e))?;
    repository.note(snapshot, &text).map_err(|e| failure::of(&e))
}

fn read(repository: &Repository, key: &SecretText, snapshots: &[Snapshot]) -> Result<(Vec<Line>, usize)> {
    let notes = repository.notes(snapshots).map_err(|e| failure::of(&e))?;
    let all = notes.len();
    let lines: Vec<Line> = notes
        .iter()
        .filter_map(|(snapshot, text)| line(key, snapshot, text))
        .collect();
    let strange = all - lines.len();
    Ok((lines, strange))
}

/// `None` for what nobody with the key has written of this snapshot.
fn line(key: &SecretText, snapshot: &Snapshot, text: &str) -> Option<Line> {
    let proof = Proof::open(text, &snapshot.id, |text| seal(key, text))?;
    Some(Line {
        at: proof.at.parse::<Timestamp>().ok()?,
        event: if proof.taken_back {
            Event::Unproven
        } else {
            Event::Proven
        },
        environment: snapshot.environment.clone(),
        snapshot: snapshot.id.clone(),
        seconds: proof.seconds,
        detail: proof.detail,
    })
}

/// HMAC with SHA-256 by the key of the backups.
fn seal(key: &SecretText, text: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let tag = hmac::sign(&key, text.as_bytes());
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "proof/tests.rs"]
mod tests;
