//! How old backups are, and whether that is what the file allows.
use std::fmt;

use jiff::Timestamp;
use odoopack_core::spec::Kind;
use odoopack_core::units::Seconds;
use odoopack_repository::{Error, Listing};

use super::record::{self, Event, Line};
use super::retention::is_ours;
use super::{failure, key, place};
use crate::context::Pack;
use crate::failure::Result;

/// One age against its limit.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Age {
    /// When it happened last; `None`: never.
    pub(crate) at: Option<Timestamp>,
    /// Name of the snapshot.
    pub(crate) snapshot: Option<String>,
    /// How old it may be.
    pub(crate) limit: Seconds,
    /// Whether it is younger.
    pub(crate) good: bool,
}

/// One environment.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Row {
    pub(crate) environment: String,
    /// Whether the limits hold for it: production only.
    pub(crate) judged: bool,
    pub(crate) made: Age,
    /// `None`: the file names no second place.
    pub(crate) offsite: Option<Age>,
    pub(crate) proven: Age,
    /// Seconds that the last proof took, which is what bringing it back takes.
    pub(crate) recovery: Option<f64>,
    /// Seconds and added bytes of the last snapshots, newest first.
    pub(crate) trend: Vec<(f64, u64)>,
    /// Why the last backup failed, when nothing was made since.
    pub(crate) failed: Option<String>,
    /// Why the last proof failed, when none went well since.
    pub(crate) unproven: Option<String>,
    /// Attachments that were not what their names say, the last time that every byte of a snapshot was read: so they were stored.
    pub(crate) damaged: u64,
    /// More files were missing at the source the last time than in another snapshot that is still kept.
    pub(crate) more_missing: bool,
}

/// Everything that `backup status` shows.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Status {
    pub(crate) environments: Vec<Row>,
    pub(crate) key_confirmed: bool,
    /// Whether snapshots were made here, and the key that opens them is gone: nothing can be said of them.
    pub(crate) key_lost: bool,
    /// Snapshots that were made here and are not listed any more.
    pub(crate) missing_snapshots: Vec<String>,
    /// Objects below `snapshots/` of the repository here that cannot be read.
    pub(crate) unreadable_snapshots: Vec<String>,
    /// Why the last copy off site failed, when none ended well since.
    pub(crate) not_copied: Option<String>,
}

/// Snapshots whose durations and sizes are shown.
const TREND: usize = 7;

/// Looks at the repository and at what was noted.
pub(crate) fn look(pack: &Pack) -> Result<Status> {
    let lines = record::all(&pack.layout)?;
    let Listing {
        snapshots,
        unreadable,
    } = match key::stored(&pack.layout)? {
        None => Listing::default(),
        Some(key) => match place::with(pack, &key) {
            Err(Error::Absent(_)) => Listing::default(),
            opened => opened.and_then(|r| r.listing()).map_err(|e| failure::of(&e))?,
        },
    };
    let now = Timestamp::now();
    let spec = &pack.loaded.spec;
    let mut environments = Vec::new();
    for (name, settings) in &spec.environments {
        let newest = snapshots
            .iter()
            .rfind(|s| is_ours(pack, s) && s.environment == name.as_str() && s.time <= now);
        let proven = proven(&lines, name.as_str(), now);
        environments.push(Row {
            environment: name.to_string(),
            judged: settings.kind == Kind::Production,
            made: age(newest.map(|s| (s.time, s.id.as_str())), spec.backup.age.made, now),
            proven: age(
                proven.map(|l| (l.at, l.snapshot.as_str())),
                spec.backup.age.proven,
                now,
            ),
            offsite: spec.backup.offsite.as_ref().map(|_| {
                let there = elsewhere(&lines, name.as_str(), now);
                age(
                    there.map(|l| (l.at, l.snapshot.as_str())),
                    spec.backup.age.offsite,
                    now,
                )
            }),
            recovery: proven.map(|l| l.seconds),
            trend: trend(&lines, name.as_str()),
            failed: failed(&lines, name.as_str()),
            unproven: unproven(&lines, name.as_str()),
            damaged: damaged(&lines, name.as_str()),
            more_missing: more_missing(&lines, name.as_str()),
        });
    }
    let mut missing = record::known(&lines);
    let unreadable: Vec<String> = unreadable.into_iter().map(|one| one.object).collect();
    let is_unreadable = |id: &str| unreadable.iter().any(|object| object.contains(&format!("/{id}")));
    missing.retain(|id| !snapshots.iter().any(|s| s.id == *id) && !is_unreadable(id));
    Ok(Status {
        environments,
        key_confirmed: key::is_confirmed(&pack.layout)?,
        key_lost: lines.iter().any(|line| line.event == Event::Made) && key::stored(&pack.layout)?.is_none(),
        missing_snapshots: missing,
        unreadable_snapshots: unreadable,
        // What failed before the second place was taken out of the file is nobody's worry any more.
        not_copied: spec.backup.offsite.as_ref().and_then(|_| not_copied(&lines)),
    })
}

/// One thing that is not as the file allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Complaint {
    /// Nobody has confirmed to have the key.
    KeyNotConfirmed,
    /// The key is not here any more, and snapshots are.
    KeyLost,
    /// So many snapshots that were made are not listed.
    Disappeared(usize),
    /// So many objects among the snapshots cannot be read.
    Unreadable(usize),
    /// The last copy off site failed.
    NotCopied,
    /// Of an environment, an age beyond its limit; `None`: it never happened.
    Old(String, Act, Option<Seconds>),
    /// The last backup of an environment failed.
    BackupFailed(String),
    /// Its last drill failed.
    DrillFailed(String),
    /// So many of its attachments are not what their names say.
    Damaged(String, u64),
    /// More of its attachments are missing than before.
    MoreMissing(String),
}

/// What has an age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    Made,
    Offsite,
    Proven,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyLost => {
                f.write_str("the backup key is gone from here: no snapshot can be made, read or judged")
            }
            Self::KeyNotConfirmed => f.write_str("nobody has confirmed to have the backup key elsewhere"),
            Self::Disappeared(count) => {
                write!(f, "{count} snapshots that were made are not listed any more")
            }
            Self::Unreadable(count) => {
                write!(f, "{count} objects among the snapshots cannot be read")
            }
            Self::NotCopied => f.write_str("the last copy off site failed"),
            Self::Old(name, act, limit) => {
                let act = match act {
                    Act::Made => "made",
                    Act::Offsite => "off site",
                    Act::Proven => "proven",
                };
                match limit {
                    Some(limit) => write!(f, "{name}: {act} older than {limit}"),
                    None => write!(f, "{name}: {act} never"),
                }
            }
            Self::BackupFailed(name) => write!(f, "{name}: the last backup failed"),
            Self::DrillFailed(name) => write!(f, "{name}: the last drill failed"),
            Self::Damaged(name, count) => {
                write!(f, "{name}: {count} attachments are damaged in the filestore")
            }
            Self::MoreMissing(name) => {
                write!(
                    f,
                    "{name}: more attachments are missing in the filestore than before"
                )
            }
        }
    }
}

impl Status {
    /// Everything that is not as the file allows; what helps against the first helps first.
    pub(crate) fn complaints(&self) -> Vec<Complaint> {
        if self.key_lost {
            return vec![Complaint::KeyLost];
        }
        let mut all = Vec::new();
        if !self.key_confirmed {
            all.push(Complaint::KeyNotConfirmed);
        }
        if !self.missing_snapshots.is_empty() {
            all.push(Complaint::Disappeared(self.missing_snapshots.len()));
        }
        if !self.unreadable_snapshots.is_empty() {
            all.push(Complaint::Unreadable(self.unreadable_snapshots.len()));
        }
        if self.not_copied.is_some() {
            all.push(Complaint::NotCopied);
        }
        for row in self.environments.iter().filter(|row| row.judged) {
            row.complain(&mut all);
        }
        all
    }
}

impl Row {
    fn complain(&self, all: &mut Vec<Complaint>) {
        let name = || self.environment.clone();
        let ages = [
            (Act::Made, Some(&self.made)),
            (Act::Offsite, self.offsite.as_ref()),
            (Act::Proven, Some(&self.proven)),
        ];
        for (act, age) in ages.into_iter().filter_map(|(act, age)| Some((act, age?))) {
            if !age.good {
                all.push(Complaint::Old(name(), act, age.at.map(|_| age.limit)));
            }
        }
        if self.failed.is_some() {
            all.push(Complaint::BackupFailed(name()));
        }
        if self.unproven.is_some() {
            all.push(Complaint::DrillFailed(name()));
        }
        if self.damaged > 0 {
            all.push(Complaint::Damaged(name(), self.damaged));
        }
        if self.more_missing {
            all.push(Complaint::MoreMissing(name()));
        }
    }
}

fn unproven(lines: &[Line], environment: &str) -> Option<String> {
    let drill = |line: &&Line| {
        line.environment == environment && matches!(line.event, Event::Proven | Event::Unproven)
    };
    let last = lines.iter().rev().find(drill)?;
    (last.event == Event::Unproven).then(|| last.detail["why"].to_string())
}

fn age(last: Option<(Timestamp, &str)>, limit: Seconds, now: Timestamp) -> Age {
    let seconds = last.map(|(at, _)| now.as_second() - at.as_second());
    Age {
        at: last.map(|(at, _)| at),
        snapshot: last.map(|(_, id)| id.to_owned()),
        limit,
        // What is from the future says nothing about now.
        good: seconds.is_some_and(|seconds| u64::try_from(seconds).is_ok_and(|seconds| seconds <= limit.0)),
    }
}

fn of<'a>(lines: &'a [Line], environment: &'a str) -> impl DoubleEndedIterator<Item = &'a Line> {
    lines.iter().filter(move |line| line.environment == environment)
}

/// The last proof that holds; one that was noted while the clock was ahead says nothing about now.
fn proven<'a>(lines: &'a [Line], environment: &'a str, now: Timestamp) -> Option<&'a Line> {
    of(lines, environment).rfind(|line| {
        line.event == Event::Proven && line.at <= now && record::is_proven(lines, &line.snapshot)
    })
}

/// The newest that was copied off site and not forgotten there.
fn elsewhere<'a>(lines: &'a [Line], environment: &'a str, now: Timestamp) -> Option<&'a Line> {
    let known = record::known_offsite(lines);
    of(lines, environment)
        .filter(|line| line.event == Event::Offsite && line.at <= now && known.contains(&line.snapshot))
        .max_by_key(|line| line.at)
}

fn not_copied(lines: &[Line]) -> Option<String> {
    let about = |line: &&Line| matches!(line.event, Event::Copied | Event::NotCopied);
    let last = lines.iter().rfind(about)?;
    (last.event == Event::NotCopied).then(|| last.detail["why"].to_string())
}

fn trend(lines: &[Line], environment: &str) -> Vec<(f64, u64)> {
    let made = of(lines, environment)
        .rev()
        .filter(|line| line.event == Event::Made);
    let one = |line: &Line| (line.seconds, line.detail["added"].as_u64().unwrap_or_default());
    made.take(TREND).map(one).collect()
}

fn failed(lines: &[Line], environment: &str) -> Option<String> {
    let last = of(lines, environment).rfind(|line| matches!(line.event, Event::Made | Event::Failed))?;
    (last.event == Event::Failed).then(|| last.detail["why"].to_string())
}

/// What the last look at every byte has noted, whether it was a proof or not.
fn damaged(lines: &[Line], environment: &str) -> u64 {
    let noted = |line: &Line| {
        let looked = matches!(line.event, Event::Proven | Event::Read | Event::Unproven);
        line.detail["damaged"].as_u64().filter(|_| looked)
    };
    of(lines, environment).rev().find_map(noted).unwrap_or_default()
}

/// As long as a snapshot is there that can bring back what is missing now.
fn more_missing(lines: &[Line], environment: &str) -> bool {
    let known = record::known(lines);
    let made = of(lines, environment)
        .rev()
        .filter(|line| line.event == Event::Made && known.contains(&line.snapshot));
    let mut counts = made.filter_map(|line| line.detail["missing"].as_u64());
    let last = counts.next();
    last.zip(counts.min()).is_some_and(|(last, fewest)| last > fewest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: i64, event: Event, detail: serde_json::Value) -> Line {
        Line {
            at: Timestamp::from_second(at).unwrap(),
            event,
            environment: "production".to_owned(),
            snapshot: format!("{at:08}"),
            seconds: 1.0,
            detail,
        }
    }

    #[test]
    fn an_age_is_good_up_to_its_limit_and_never_is_not() {
        let now = Timestamp::from_second(1000).unwrap();
        let good = |at: i64| {
            age(
                Some((Timestamp::from_second(at).unwrap(), "x")),
                Seconds(100),
                now,
            )
            .good
        };
        assert!(good(900) && !good(899) && !good(1001));
        assert!(!age(None, Seconds(100), now).good);
    }

    #[test]
    fn a_proof_from_the_future_is_none() {
        let lines = [10, 30, 20, 2000].map(|at| line(at, Event::Proven, serde_json::Value::Null));
        let of = |now| {
            let now = Timestamp::from_second(now).unwrap();
            proven(&lines, "production", now).map(|line| line.snapshot.as_str())
        };
        assert_eq!(of(1000), Some("00000020"));
        assert_eq!(of(9), None);
    }

    #[test]
    fn a_proof_that_was_taken_back_has_no_age() {
        let mut lines = [10, 20]
            .map(|at| line(at, Event::Proven, serde_json::Value::Null))
            .to_vec();
        lines.push(Line {
            snapshot: lines[1].snapshot.clone(),
            ..line(30, Event::Unproven, serde_json::json!({ "why": ["x"] }))
        });
        let now = Timestamp::from_second(1000).unwrap();
        let last = proven(&lines, "production", now).map(|line| line.snapshot.as_str());
        assert_eq!(last, Some("00000010"));
    }

    #[test]
    fn a_drill_that_failed_counts_until_one_goes_well() {
        let mut lines = vec![
            line(1, Event::Proven, serde_json::json!({})),
            line(2, Event::Unproven, serde_json::json!({ "why": ["x"] })),
            line(3, Event::Made, serde_json::json!({})),
        ];
        assert!(unproven(&lines, "production").is_some() && unproven(&lines, "staging").is_none());
        lines.push(line(4, Event::Proven, serde_json::json!({})));
        assert!(unproven(&lines, "production").is_none());
    }

    #[test]
    fn damage_counts_until_a_look_finds_none() {
        let seen = |at, event, count: u64| line(at, event, serde_json::json!({ "damaged": count }));
        let mut lines = vec![seen(1, Event::Proven, 0), seen(2, Event::Unproven, 2)];
        lines.push(line(3, Event::Unproven, serde_json::json!({ "why": ["x"] })));
        assert_eq!(
            (damaged(&lines, "production"), damaged(&lines, "staging")),
            (2, 0)
        );
        lines.push(seen(4, Event::Read, 0));
        assert_eq!(damaged(&lines, "production"), 0);
    }

    #[test]
    fn a_failure_counts_until_something_is_made() {
        let missing = |n: u64| serde_json::json!({ "missing": n, "added": n });
        let mut lines = vec![
            line(1, Event::Made, missing(0)),
            line(2, Event::Failed, serde_json::json!({ "why": ["x"] })),
        ];
        assert!(failed(&lines, "production").is_some() && failed(&lines, "staging").is_none());
        lines.push(line(3, Event::Made, missing(2)));
        assert!(failed(&lines, "production").is_none() && more_missing(&lines, "production"));
        lines.push(line(4, Event::Made, missing(2)));
        assert!(more_missing(&lines, "production"), "the good one is still there");
        let mut without = lines.clone();
        without.push(line(1, Event::Forgotten, serde_json::Value::Null));
        assert!(!more_missing(&without, "production"));
        assert_eq!(trend(&lines, "production"), [(1.0, 2), (1.0, 2), (1.0, 0)]);
        assert_eq!(record::known(&lines).len(), 3);
        lines.push(line(3, Event::Forgotten, serde_json::Value::Null));
        assert_eq!(record::known(&lines), ["00000001", "00000004"]);
    }
}
