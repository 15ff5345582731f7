//! Merges without a working tree, the same on every machine: author, date and strategy are fixed.
use camino::Utf8Path;

use super::{Way, of, of_by};
use crate::exec::Cmd;

/// What git's defaults could change from one machine to the next.
const FIXED: [&str; 8] = [
    "-c",
    "merge.renames=true",
    "-c",
    "merge.renameLimit=7000",
    "-c",
    "merge.directoryRenames=conflict",
    "-c",
    "merge.conflictStyle=merge",
];

/// Fetches a commit with so much of its history.
pub(crate) fn fetch(place: &Utf8Path, url: &str, commit: &str, depth: Option<u32>, way: &Way) -> Cmd {
    let depth = depth.unwrap_or(i32::MAX.unsigned_abs());
    of_by(place, way)
        .args([
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--recurse-submodules=no",
        ])
        .arg(format!("--depth={depth}"))
        .args(["--", url])
        .arg(format!("+{commit}:refs/odoopack/{commit}"))
}

/// Succeeds when two commits have a common ancestor here; 1 when they have none.
pub(crate) fn base(place: &Utf8Path, one: &str, other: &str) -> Cmd {
    of(place).args(["merge-base", one, other])
}

/// Succeeds when `commit` is in the history of `head`.
pub(crate) fn holds(place: &Utf8Path, commit: &str, head: &str) -> Cmd {
    of(place).args(["merge-base", "--is-ancestor", commit, head])
}

/// Merges: prints the tree, or with exit code 1 the tree and the files in conflict.
pub(crate) fn tree(place: &Utf8Path, ours: &str, theirs: &str) -> Cmd {
    of(place).args(FIXED).args([
        "merge-tree",
        "--write-tree",
        "--name-only",
        "--no-messages",
        ours,
        theirs,
    ])
}

/// Prints the time of a commit in seconds since 1970.
pub(crate) fn time(place: &Utf8Path, commit: &str) -> Cmd {
    of(place).args(["show", "--no-patch", "--format=%ct", commit])
}

/// Writes the commit of a merge: always the same for the same tree, parents, words and time.
pub(crate) fn commit(place: &Utf8Path, tree: &str, parents: [&str; 2], words: &str, time: i64) -> Cmd {
    let mut cmd = of(place).args(["commit-tree", "--no-gpg-sign", tree]);
    for parent in parents {
        cmd = cmd.args(["-p", parent]);
    }
    for who in ["AUTHOR", "COMMITTER"] {
        cmd = cmd
            .env(format!("GIT_{who}_NAME"), "odoopack")
            .env(format!("GIT_{who}_EMAIL"), "odoopack@invalid")
            .env(format!("GIT_{who}_DATE"), format!("{time} +0000"));
    }
    cmd.args(["-m", words])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_exact() {
        let tail = |cmd: &Cmd| cmd.to_string().split_once("gc.auto=0 ").unwrap().1.to_owned();
        assert_eq!(
            tail(&fetch("/m".into(), "/u", "abc", Some(32), &Way::default())),
            "--git-dir=/m fetch --quiet --no-tags --no-write-fetch-head --recurse-submodules=no --depth=32 -- /u +abc:refs/odoopack/abc"
        );
        assert_eq!(
            tail(&tree("/m".into(), "a", "b")),
            "--git-dir=/m -c merge.renames=true -c merge.renameLimit=7000 -c merge.directoryRenames=conflict -c merge.conflictStyle=merge merge-tree --write-tree --name-only --no-messages a b"
        );
        assert_eq!(
            tail(&commit("/m".into(), "t", ["a", "b"], "Merge x", 5)),
            "--git-dir=/m commit-tree --no-gpg-sign t -p a -p b -m 'Merge x'"
        );
    }
}
