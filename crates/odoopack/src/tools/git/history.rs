//! Commits without their files: what happened on a branch.
use camino::Utf8Path;

use super::{Way, of, of_by};
use crate::exec::Cmd;

/// Between the fields of [`log`]; no commit message holds it.
const FIELD: char = '\u{1f}';

/// One commit.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Commit {
    /// Full id.
    pub(crate) id: String,
    /// Date of the commit, `YYYY-MM-DD`.
    pub(crate) date: String,
    /// Who wrote it.
    pub(crate) author: String,
    /// First line of its message.
    pub(crate) subject: String,
}

/// Our name of a branch in a history.
pub(crate) fn reference(branch: &str) -> String {
    format!("refs/odoopack/heads/{branch}")
}

/// Remembers the address, so that what was left out can be asked for by name.
pub(crate) fn remember(place: &Utf8Path, url: &str) -> Cmd {
    of(place).args(["config", "remote.origin.url", url])
}

/// Fetches the commits of a branch, without trees and files.
pub(crate) fn fetch(place: &Utf8Path, branch: &str, way: &Way) -> Cmd {
    of_by(place, way)
        .args([
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--filter=tree:0",
            "--refmap=",
        ])
        .args(["--recurse-submodules=no", "--no-auto-maintenance", "origin"])
        .arg(format!("+refs/heads/{branch}:{}", reference(branch)))
}

/// Succeeds when `commit` is on the branch; 1 when it is not, 128 when nobody knows it.
pub(crate) fn holds(place: &Utf8Path, commit: &str, branch: &str) -> Cmd {
    of(place)
        .args(["merge-base", "--is-ancestor", commit])
        .arg(reference(branch))
}

/// Whether what [`holds`] complained of is that neither we nor the server have the commit.
///
/// # Source
/// git 2.39 to 2.47: without the commit, and what `upload-pack` says when asked for it.
pub(crate) fn is_unknown(stderr: &str) -> bool {
    stderr.contains("Not a valid commit name") || stderr.contains("not our ref")
}

/// Prints the number of commits from one to the branch.
pub(crate) fn count(place: &Utf8Path, commit: &str, branch: &str) -> Cmd {
    of(place)
        .args(["rev-list", "--count"])
        .arg(format!("{commit}..{}", reference(branch)))
}

/// Prints the last commit of the branch itself before a date.
pub(crate) fn before(place: &Utf8Path, branch: &str, date: &str) -> Cmd {
    of(place)
        .args(["rev-list", "--max-count=1", "--first-parent"])
        .arg(format!("--before={date}"))
        .arg(reference(branch))
}

/// Prints commits, newest first.
pub(crate) fn log(place: &Utf8Path, from: &str, to: &str, most: usize) -> Cmd {
    of(place)
        .args(["log", "--no-color", "--date=short"])
        .arg(format!("--format=%H{FIELD}%cd{FIELD}%an{FIELD}%s"))
        .arg(format!("--max-count={most}"))
        .arg(format!("{from}..{to}"))
}

/// The commits in what [`log`] printed.
pub(crate) fn parse_log(text: &str) -> Vec<Commit> {
    let one = |line: &str| {
        let mut parts = line.split(FIELD).map(str::to_owned);
        Some(Commit {
            id: parts.next()?,
            date: parts.next()?,
            author: parts.next()?,
            subject: parts.next()?,
        })
    };
    text.lines().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_exact() {
        let tail = |cmd: &Cmd| cmd.to_string().split_once("gc.auto=0 ").unwrap().1.to_owned();
        assert_eq!(
            tail(&fetch("/h".into(), "18.0", &Way::default())),
            "--git-dir=/h fetch --quiet --no-tags --no-write-fetch-head --filter=tree:0 --refmap= --recurse-submodules=no --no-auto-maintenance origin +refs/heads/18.0:refs/odoopack/heads/18.0"
        );
        assert_eq!(
            tail(&before("/h".into(), "18.0", "2026-01-01")),
            "--git-dir=/h rev-list --max-count=1 --first-parent --before=2026-01-01 refs/odoopack/heads/18.0"
        );
        assert_eq!(
            tail(&count("/h".into(), "abc", "18.0")),
            "--git-dir=/h rev-list --count abc..refs/odoopack/heads/18.0"
        );
    }

    #[test]
    fn reads_commits() {
        let text = "abc\u{1f}2026-01-02\u{1f}A B\u{1f}[FIX] x: y\n";
        assert_eq!(
            parse_log(text),
            [Commit {
                id: "abc".to_owned(),
                date: "2026-01-02".to_owned(),
                author: "A B".to_owned(),
                subject: "[FIX] x: y".to_owned()
            }]
        );
    }
}
