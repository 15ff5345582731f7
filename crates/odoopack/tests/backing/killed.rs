//! Killed with `kill -9` after several of the changes it makes in the repository: older snapshots are whole, the next run works and
//! clears up.
use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use camino::Utf8Path;
use serde_json::Value;

use crate::restic;
use crate::support::Pack;

/// After so many changes; with `ODOOPACK_SOAK` after every number of them until the command comes to its end.
const STORING: [usize; 3] = [1, 4, 7];
const FORGETTING: [usize; 2] = [2, 5];
const PRUNING: [usize; 1] = [3];
/// More than any of them makes.
const END: usize = 60;

pub(crate) fn anywhere(pack: &Pack) {
    let before = ids(pack);
    let manifest = content(pack, &before[0]);
    pack.now("backup create, killed");
    let killed = at_each(&STORING, |changes| {
        let ended = kill_after(pack, pack.start(&["backup", "create"]), changes);
        stays(pack, &before, "backup create", changes);
        next_run(pack);
        ended
    });
    assert!(killed > 1, "a backup was killed {killed} times");
    pack.now("backup forget, killed");
    let killed = at_each(&FORGETTING, |changes| {
        let mut left = ids(pack);
        // Neither pinned nor the last one.
        let goes = left.remove(left.len() - 2);
        let forget = ["backup", "forget", goes.as_str(), "--yes"];
        let ended = kill_after(pack, pack.start(&forget), changes);
        stays(pack, &left, "backup forget", changes);
        if ids(pack).contains(&goes) {
            pack.run(&forget).exits(0);
        }
        next_run(pack);
        ended
    });
    assert!(killed > 0, "no removal was killed");
    pack.now("backup forget two days later, killed while it prunes");
    let killed = at_each(&PRUNING, |changes| {
        let left = kept(pack);
        let ended = kill_after(pack, two_days_later(pack), changes);
        stays(pack, &left, "backup forget two days later", changes);
        next_run(pack);
        ended
    });
    assert!(killed > 0, "no prune was killed");
    restic(pack, &["check", "--read-data"]);
    assert_eq!(content(pack, &before[0]), manifest, "the pinned one");
    pack.run(&["backup", "drill", &before[0], "--level", "read"])
        .exits(0);
}

/// Runs `kill` for each number of changes; returns how often it did not come to its end before.
fn at_each(changes: &[usize], mut kill: impl FnMut(usize) -> bool) -> usize {
    if std::env::var("ODOOPACK_SOAK").is_ok() {
        return (1..END).take_while(|changes| !kill(*changes)).count();
    }
    changes.iter().filter(|changes| !kill(**changes)).count()
}

fn ids(pack: &Pack) -> Vec<String> {
    let list = pack.json(&["backup", "list"]);
    let id = |one: &Value| one["snapshot"].as_str().unwrap().to_owned();
    list.as_array().unwrap().iter().map(id).collect()
}

/// What the policy keeps.
fn kept(pack: &Pack) -> Vec<String> {
    let would = pack.json(&["backup", "forget", "--dry-run"]);
    let goes = would["would_remove"].as_array().unwrap().clone();
    let mut ids = ids(pack);
    ids.retain(|id| !goes.iter().any(|gone| gone == id));
    assert!(!ids.is_empty() && !goes.is_empty(), "{would}");
    ids
}

fn content(pack: &Pack, snapshot: &str) -> Value {
    pack.run(&["backup", "cat", snapshot, "manifest.json"])
        .exits(0)
        .json()
}

/// Kills the program as soon as it made so many changes in the repository; returns whether it ended before.
fn kill_after(pack: &Pack, mut child: Child, changes: usize) -> bool {
    let mut last = names(pack);
    let mut seen = 0;
    while seen < changes {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        let now = names(pack);
        if now != last {
            seen += 1;
            last = now;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap().code().is_some()
}

/// Every file of the repository.
fn names(pack: &Pack) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    below(&pack.path("backups"), &mut names);
    names
}

/// Files come and go while they are listed.
fn below(directory: &Utf8Path, names: &mut BTreeSet<String>) {
    for entry in directory.read_dir_utf8().into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            below(entry.path(), names);
        } else {
            names.insert(entry.path().to_string());
        }
    }
}

fn stays(pack: &Pack, before: &[String], command: &str, changes: usize) {
    let now = ids(pack);
    for id in before {
        assert!(
            now.contains(id),
            "{command}, killed after {changes} changes: {id} is gone"
        );
    }
    restic(pack, &["--no-lock", "check"]);
}

/// The next backup ends well, and nothing is left of the one that was killed.
fn next_run(pack: &Pack) {
    pack.run(&["backup", "create"]).exits(0);
    let left: Vec<_> = names(pack)
        .into_iter()
        .filter(|name| name.contains('#'))
        .collect();
    assert_eq!(left, [""; 0]);
}

/// What was marked for removal a day ago goes.
fn two_days_later(pack: &Pack) -> Child {
    Command::new(env!("CARGO_BIN_EXE_odoopack"))
        .args(["--root", pack.root.as_str(), "backup", "forget", "--yes"])
        .env("LD_PRELOAD", super::CLOCK)
        .env("FAKETIME", "+2d")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
