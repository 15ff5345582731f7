//! Which snapshots are kept: restic's meaning of `keep`, in the pack's time zone, and what no policy may remove.
mod policy;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

pub use policy::{BadWithin, Keep, Within};

/// One snapshot of a group, as retention sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name.
    pub id: String,
    /// When its data was read.
    pub time: Timestamp,
    /// Somebody said that it stays.
    pub pinned: bool,
    /// It was restored and found to be right.
    pub proven: bool,
}

/// What happens to one snapshot, and why.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    /// Its name.
    pub id: String,
    /// Whether it stays.
    pub keep: bool,
    /// Every reason to keep it; empty for one that goes.
    pub reasons: Vec<String>,
}

/// Judges the snapshots of one group (a pack's environment), newest first.
///
/// # Shape
/// The meaning is restic's: for the last *n* hours, days, weeks, months and years *which have* a snapshot the newest one is kept, each
/// rule for itself; while a rule has not found enough, it keeps the oldest as well; `within` counts back from the newest snapshot.
/// Beyond that, whatever the policy says: what is pinned stays, the newest that was proven stays, what lies in the future is neither removed
/// nor counted, and a group never becomes empty.
pub fn judge(group: &[Candidate], keep: &Keep, zone: &TimeZone, now: Timestamp) -> Vec<Verdict> {
    let mut sorted: Vec<&Candidate> = group.iter().collect();
    sorted.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.id.cmp(&b.id)));
    let (future, past): (Vec<&Candidate>, Vec<&Candidate>) = sorted.iter().partition(|s| s.time > now);
    let mut verdicts: Vec<Verdict> = future
        .iter()
        .map(|s| kept(s, "from the future, not judged"))
        .collect();
    let judged = rules(&past, keep, zone);
    let last_proven = past.iter().find(|s| s.proven).map(|s| s.id.as_str());
    for (snapshot, mut reasons) in past.iter().zip(judged) {
        if snapshot.pinned {
            reasons.push("pinned".to_owned());
        }
        if last_proven == Some(snapshot.id.as_str()) {
            reasons.push("last proven".to_owned());
        }
        verdicts.push(Verdict {
            id: snapshot.id.clone(),
            keep: !reasons.is_empty(),
            reasons,
        });
    }
    let none_of_the_past = !verdicts[future.len()..].iter().any(|verdict| verdict.keep);
    if none_of_the_past && let Some(newest) = past.first() {
        verdicts[future.len()] = kept(newest, "the last one");
    }
    verdicts
}

/// Days between the newest of a group and the newest that would go, where most of the group would go over such a distance.
///
/// `within` counts back from the newest snapshot: one that was made under a clock far ahead, or after a machine stood still for months,
/// takes all of those before it. That is a person's to decide, and no job's at night.
pub fn leap<'a>(group: impl Iterator<Item = (Timestamp, &'a Verdict)>) -> Option<i64> {
    let all: Vec<(Timestamp, &Verdict)> = group.collect();
    let newest = all.iter().map(|(time, _)| *time).max()?;
    let goes: Vec<Timestamp> = all
        .iter()
        .filter(|(_, verdict)| !verdict.keep)
        .map(|(time, _)| *time)
        .collect();
    let days = newest.duration_since(*goes.iter().max()?).as_hours() / 24;
    (goes.len() > FEW && goes.len() * 2 > all.len() && days > LONG).then_some(days)
}

/// So many may always go.
const FEW: usize = 5;
/// Days after which whatever goes is no day's work any more.
const LONG: i64 = 30;

fn kept(snapshot: &Candidate, why: &str) -> Verdict {
    Verdict {
        id: snapshot.id.clone(),
        keep: true,
        reasons: vec![why.to_owned()],
    }
}

/// The reasons of restic's rules for each snapshot, newest first.
fn rules(past: &[&Candidate], keep: &Keep, zone: &TimeZone) -> Vec<Vec<String>> {
    let times: Vec<Zoned> = past.iter().map(|s| s.time.to_zoned(zone.clone())).collect();
    let mut reasons = vec![Vec::new(); past.len()];
    if keep.is_empty() {
        reasons
            .iter_mut()
            .for_each(|these| these.push("no policy".to_owned()));
        return reasons;
    }
    for rule in keep.rules() {
        let mut left = rule.count;
        let mut seen = BTreeSet::new();
        for (at, time) in times.iter().enumerate() {
            if left == 0 {
                break;
            }
            // The newest of each bucket; and the oldest of all, while not enough were found.
            let fresh = seen.insert((rule.bucket)(time, at));
            if fresh || at + 1 == times.len() {
                reasons[at].push(if fresh {
                    rule.name.to_owned()
                } else {
                    format!("oldest of {}", rule.name)
                });
                left -= 1;
            }
        }
    }
    if let (Some(within), Some(newest)) = (keep.within, times.first()) {
        let limit = within.before(newest);
        for (at, time) in times.iter().enumerate() {
            if time.timestamp() > limit {
                reasons[at].push(format!("within {within}"));
            }
        }
    }
    reasons
}
