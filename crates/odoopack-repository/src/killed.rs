//! Killed with `kill -9` before every request that changes something: what was there is whole, and the next run goes well.
use std::io::Cursor;
use std::path::Path;
use std::process::{Command, ExitStatus};

use jiff::{SignedDuration, Timestamp};

use crate::faults::{holder, ids, key, whole};
use crate::{Item, Label, Parts, Place, Reading, Repository};

/// Tells the child which repository, what to do there, and before which change to die.
const DIRECTORY: &str = "ODOOPACK_TEST_REPOSITORY";
const ACT: &str = "ODOOPACK_TEST_ACT";
const CHANGE: &str = "ODOOPACK_TEST_CHANGE";

fn place(directory: &Path) -> Place {
    Place::Directory(directory.to_str().unwrap().to_owned())
}

fn back_up(repository: &Repository, number: i64) {
    let time = Timestamp::from_second(1_700_000_000 + number).unwrap();
    let label = Label {
        pack: "demo".to_owned(),
        environment: "production".to_owned(),
        time,
        note: None,
    };
    let writer = repository.writer(&holder()).unwrap();
    let parts = Parts::new(Cursor::new(dump(number)), "database", time);
    let items = parts.chain([Ok(Item::small("manifest.json", "{}", time))]);
    drop(
        repository
            .store(&writer, &label, items)
            .unwrap()
            .publish()
            .unwrap(),
    );
}

/// Forgets the oldest snapshot, marks what it alone needed, and removes it as a prune a day later would.
fn take_away(repository: &Repository) {
    let writer = repository.writer(&holder()).unwrap();
    let all = repository.snapshots().unwrap();
    let known: Vec<String> = all.iter().map(|s| s.id.clone()).collect();
    repository.forget(&writer, &all[..1], &known).unwrap();
    for _ in 0..2 {
        repository
            .prune_marked(&writer, &known[1..], SignedDuration::ZERO)
            .unwrap();
    }
}

fn dump(number: i64) -> Vec<u8> {
    let line = format!("line of dump {number}\n");
    line.repeat(2000).into_bytes()
}

/// What the child does; without a parent it does both, in a directory of its own, to the end.
#[test]
fn one_act_to_its_end_or_until_it_is_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        let keep = tempfile::tempdir().unwrap();
        let repository = Repository::create(&place(keep.path()), &key()).unwrap();
        back_up(&repository, 1);
        back_up(&repository, 2);
        take_away(&repository);
        assert_eq!(ids(&repository).len(), 1);
        assert_eq!(repository.check(Reading::Everything).unwrap(), [""; 0]);
        return;
    };
    let repository = Repository::open(&place(directory.as_ref()), &key()).unwrap();
    let change = std::env::var(CHANGE).unwrap().parse().unwrap();
    repository.objects.faults.die_before_change(change);
    if std::env::var(ACT).unwrap() == "back up" {
        back_up(&repository, 3);
    } else {
        take_away(&repository);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a process that is killed has to be one of its own"
)]
fn act_and_die(directory: &Path, act: &str, change: usize) -> ExitStatus {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::one_act_to_its_end_or_until_it_is_killed"])
        .env(DIRECTORY, directory)
        .env(ACT, act)
        .env(CHANGE, change.to_string())
        .output()
        .unwrap()
        .status
}

#[expect(clippy::disallowed_methods, reason = "a test copies its own files")]
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// Kills `act` before each of its changes, on a copy of the same repository; returns how many there were.
fn killed_before_every_change(act: &str) -> usize {
    let keep = tempfile::tempdir().unwrap();
    let original = keep.path().join("original");
    let repository = Repository::create(&place(&original), &key()).unwrap();
    back_up(&repository, 1);
    back_up(&repository, 2);
    let before = ids(&repository);
    let mut change = 0;
    loop {
        let directory = keep.path().join(format!("{act} {change}"));
        copy(&original, &directory);
        let status = act_and_die(&directory, act, change);
        let repository = Repository::open(&place(&directory), &key()).unwrap();
        // What was visible is whole, but for the one that was to go.
        let left = repository.snapshots().unwrap();
        assert!(
            left.iter().any(|s| s.id == before[1]),
            "{act}, change {change}: the newer one is gone"
        );
        for snapshot in &left {
            let number = snapshot.time.as_second() - 1_700_000_000;
            whole(&repository, snapshot, &dump(number));
        }
        if act == "back up" {
            assert!(left.iter().any(|s| s.id == before[0]));
        }
        // And work goes on.
        back_up(&repository, 9);
        assert_eq!(
            repository.check(Reading::Everything).unwrap(),
            [""; 0],
            "{act}, change {change}"
        );
        if status.success() {
            return change;
        }
        change += 1;
    }
}

#[test]
fn real_kills_of_a_backup_leave_nothing_half_done() {
    // The lock, at least two packs, an index, the snapshot, and the lock again.
    assert!(killed_before_every_change("back up") >= 6);
}

#[test]
fn real_kills_of_a_prune_leave_nothing_half_done() {
    // The lock, the snapshot, a new index with the marks, the old ones, then the packs, and the lock again.
    assert!(killed_before_every_change("take away") >= 8);
}
