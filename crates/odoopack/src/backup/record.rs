//! What happened to backups, one JSON line each: made, failed, copied, read, proven. Ages and trends come from here.
use std::io::{Read, Seek, SeekFrom, Write};

use camino::Utf8PathBuf;
use jiff::Timestamp;
use odoopack_core::layout::Layout;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::files;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Event {
    /// A snapshot became visible.
    Made,
    /// A backup was begun and did not become a snapshot.
    Failed,
    /// A snapshot was copied off site, and every new object looked at there; as old as the snapshot.
    Offsite,
    /// A copy off site ended well, whether something was new or not.
    Copied,
    /// A copy off site was begun and did not end well.
    NotCopied,
    /// A snapshot was removed off site, or was found to have been removed there by somebody else.
    OffsiteForgotten,
    /// A part of a repository was read and was right.
    Read,
    /// A snapshot was restored and found to be right.
    Proven,
    /// A snapshot was removed, or was found to have been removed by somebody else.
    Forgotten,
    /// A proof was tried and failed.
    Unproven,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// When.
    pub(crate) at: Timestamp,
    /// What.
    pub(crate) event: Event,
    /// Of which environment; empty for a whole repository.
    pub(crate) environment: String,
    /// Name of the snapshot; empty where there is none.
    pub(crate) snapshot: String,
    /// How long it took.
    pub(crate) seconds: f64,
    /// Numbers and words that belong to it.
    #[serde(default)]
    pub(crate) detail: serde_json::Value,
}

fn path(layout: &Layout) -> Utf8PathBuf {
    layout.state().join("backups.jsonl")
}

/// Adds a line, synced.
pub(crate) fn add(layout: &Layout, line: &Line) -> Result<()> {
    let path = path(layout);
    let failed = |e: std::io::Error| Failure::failed(format!("could not write `{path}`")).because(e);
    let text = serde_json::to_string(line).map_err(|e| failed(e.into()))? + "\n";
    let mut file = files::append(&path)?;
    // A half line, which a crash or a full disk has left, would swallow this one.
    let text = if ends_whole(&path).map_err(failed)? {
        text
    } else {
        format!("\n{text}")
    };
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_data())
        .map_err(failed)
}

fn ends_whole(path: &camino::Utf8Path) -> std::io::Result<bool> {
    let mut file = std::fs::File::open(path)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok(last == [b'\n'])
}

/// Every line, oldest first; a line that was cut off by a crash is passed over.
pub(crate) fn all(layout: &Layout) -> Result<Vec<Line>> {
    let text = files::read_text(&path(layout))?.unwrap_or_default();
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}

/// Names of the snapshots that were made here and not forgotten.
pub(crate) fn known(lines: &[Line]) -> Vec<String> {
    left(lines, Event::Made, Event::Forgotten)
}

/// Names of the snapshots that were copied off site and not forgotten there.
pub(crate) fn known_offsite(lines: &[Line]) -> Vec<String> {
    left(lines, Event::Offsite, Event::OffsiteForgotten)
}

/// The last drill of a snapshot: its proof, or the failure that took it back. The order of the record counts, whatever a clock said.
pub(crate) fn last_drill<'a>(lines: &'a [Line], snapshot: &str) -> Option<&'a Line> {
    let drill =
        |line: &&Line| line.snapshot == snapshot && matches!(line.event, Event::Proven | Event::Unproven);
    lines.iter().rfind(drill)
}

/// Whether a snapshot was proven, and no drill of it has failed since.
pub(crate) fn is_proven(lines: &[Line], snapshot: &str) -> bool {
    last_drill(lines, snapshot).is_some_and(|line| line.event == Event::Proven)
}

/// How many attachments were `missing`, or `damaged`, in the snapshot of an environment that was proven last; `None` where that was not noted.
pub(crate) fn when_proven(lines: &[Line], environment: &str, what: &str) -> Option<u64> {
    let proven = |line: &&Line| line.event == Event::Proven && line.environment == environment;
    let last = lines.iter().rfind(proven)?;
    let made = || {
        let made = |line: &&Line| line.event == Event::Made && line.snapshot == last.snapshot;
        lines.iter().rfind(made)
    };
    let noted = |line: &Line| line.detail[what].as_u64();
    noted(last).or_else(|| made().and_then(noted))
}

fn left(lines: &[Line], came: Event, went: Event) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in lines {
        let of_it = line.event == came || line.event == went;
        if of_it {
            names.retain(|name| *name != line.snapshot);
        }
        // What went may come again.
        if line.event == came {
            names.push(line.snapshot.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drill_that_fails_takes_the_proof_back_until_one_goes_well() {
        let line = |event, snapshot: &str| Line {
            at: Timestamp::UNIX_EPOCH,
            event,
            environment: "production".to_owned(),
            snapshot: snapshot.to_owned(),
            seconds: 1.0,
            detail: serde_json::Value::Null,
        };
        let mut lines = vec![line(Event::Made, "a"), line(Event::Made, "b")];
        let of = |lines: &[Line]| ["a", "b"].map(|snapshot| is_proven(lines, snapshot));
        assert_eq!(of(&lines), [false, false]);
        lines.extend(["a", "b"].map(|snapshot| line(Event::Proven, snapshot)));
        lines.push(line(Event::Unproven, "b"));
        // A file that can be read proves nothing.
        lines.push(line(Event::Read, "b"));
        assert_eq!(of(&lines), [true, false]);
        // Noted under a clock that was behind: it is the later one all the same.
        lines.push(Line {
            at: Timestamp::from_second(-5).unwrap(),
            ..line(Event::Proven, "b")
        });
        assert_eq!(of(&lines), [true, true]);
    }

    #[test]
    fn lines_come_back_and_a_torn_one_is_passed_over_and_swallows_none() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        let layout = Layout::new(&root, &"demo".parse().unwrap(), false);
        files::directory_all(&layout.state()).unwrap();
        assert!(all(&layout).unwrap().is_empty());
        let line = Line {
            at: Timestamp::UNIX_EPOCH,
            event: Event::Made,
            environment: "production".to_owned(),
            snapshot: "abcd".to_owned(),
            seconds: 1.5,
            detail: serde_json::json!({ "added": 3 }),
        };
        let proven = Line {
            event: Event::Proven,
            detail: serde_json::Value::Null,
            ..line.clone()
        };
        let missing = |lines: &[Line]| when_proven(lines, "production", "missing");
        let made = Line {
            detail: serde_json::json!({ "missing": 3 }),
            ..line.clone()
        };
        assert_eq!(missing(&[line.clone(), proven.clone()]), None);
        assert_eq!(missing(&[made.clone(), proven.clone()]), Some(3));
        let noted = Line {
            detail: serde_json::json!({ "missing": 4 }),
            ..proven.clone()
        };
        assert_eq!(missing(&[made.clone(), proven.clone(), noted.clone()]), Some(4));
        let damaged = Line {
            detail: serde_json::json!({ "missing": 4, "damaged": 1 }),
            ..proven.clone()
        };
        assert_eq!(when_proven(&[made.clone(), noted], "production", "damaged"), None);
        assert_eq!(when_proven(&[made, damaged], "production", "damaged"), Some(1));
        add(&layout, &line).unwrap();
        files::append(&path(&layout))
            .unwrap()
            .write_all(b"{\"at\":")
            .unwrap();
        assert_eq!(all(&layout).unwrap(), std::slice::from_ref(&line));
        add(&layout, &line).unwrap();
        assert_eq!(all(&layout).unwrap(), [line.clone(), line]);
    }
}
