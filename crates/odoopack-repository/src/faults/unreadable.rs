//! Objects below `snapshots/` that are no snapshots, or none any more: the others stay within reach, and nothing is removed.
use std::fs;
use std::path::PathBuf;

use super::*;

/// Spoils a snapshot file, or puts another one beside it; returns which object cannot be read.
type Spoil = fn(&Path) -> PathBuf;

const ALL: [Spoil; 5] = [
    |file| {
        flip(file, 50);
        file.to_owned()
    },
    |file| {
        fs::File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_len(100)
            .unwrap();
        file.to_owned()
    },
    |file| {
        put(file, b"");
        file.to_owned()
    },
    |file| {
        let beside = file.with_file_name("f".repeat(64));
        put(&beside, &[b'x'; 300]);
        beside
    },
    |file| {
        let beside = file.with_file_name("0".repeat(64));
        // More than any pack has, and next to nothing on the disk.
        put(&beside, b"");
        fs::File::options()
            .write(true)
            .open(&beside)
            .unwrap()
            .set_len(5 << 30)
            .unwrap();
        beside
    },
];

#[test]
fn one_object_that_cannot_be_read_takes_no_snapshot_out_of_reach() {
    for (number, spoil) in ALL.iter().enumerate() {
        let keep = tempfile::tempdir().unwrap();
        let repository = made(keep.path());
        let all = [0, 1, 2].map(|second| {
            let dump = format!("dump {second}").into_bytes();
            let snapshot = store(&repository, &dump, second).unwrap();
            (snapshot, dump)
        });
        let file = keep.path().join("snapshots").join(all[1].0.restic_id());
        let spoilt = spoil(&file);
        let name = spoilt.file_name().unwrap().to_str().unwrap().to_owned();
        let listing = repository.listing().unwrap();
        let objects: Vec<_> = listing.unreadable.iter().map(|one| one.object.clone()).collect();
        assert_eq!(objects, [format!("snapshots/{name}")], "{number}");
        let is_left = |id: &str| !name.starts_with(id);
        let left: Vec<_> = all.iter().filter(|(snapshot, _)| is_left(&snapshot.id)).collect();
        assert_eq!(listing.snapshots.len(), left.len(), "{number}");
        for (snapshot, dump) in left {
            let found = repository.snapshot(&snapshot.id, None).unwrap();
            whole(&repository, &found, dump);
        }
        assert_eq!(repository.latest("demo", "production").unwrap().id, all[2].0.id);
        let next = store(&repository, b"next", 9).unwrap();
        whole(&repository, &next, b"next");
        assert_eq!(repository.check(Reading::Everything).unwrap(), [""; 0]);
        // It is not said of a snapshot that was damaged that there was none.
        let refused = repository.snapshot(&name[..8], None).unwrap_err();
        assert!(matches!(refused, Error::Unreadable(_)), "{number}: {refused}");
        let refused = repository.latest("demo", "another").unwrap_err();
        assert!(matches!(refused, Error::Unreadable(_)), "{number}: {refused}");
        nothing_is_removed_until_it_is_aside(&repository, &all[0].0, &listing.unreadable[0].aside);
    }
}

fn nothing_is_removed_until_it_is_aside(repository: &Repository, older: &Snapshot, aside: &str) {
    let writer = repository.writer(&holder()).unwrap();
    let forget = || repository.forget(&writer, std::slice::from_ref(older), &[]);
    for refused in [
        repository.expect(&[]),
        forget(),
        repository.prune(&writer, &[]).map(drop),
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, Error::Unreadable(_)), "{refused}");
    }
    let words: Vec<&str> = aside.split(' ').collect();
    let ["mv", from, to] = words.as_slice() else {
        panic!("{aside}")
    };
    fs::rename(from, to).unwrap();
    forget().unwrap();
    repository.prune(&writer, &[]).unwrap();
    assert_eq!(repository.check(Reading::Everything).unwrap(), [""; 0]);
}

/// What the store fails to give once is asked for again.
#[test]
fn one_answer_that_failed_makes_no_snapshot_unreadable() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    store(&repository, b"one", 0).unwrap();
    store(&repository, b"two", 1).unwrap();
    let faults = repository.objects.faults.clone();
    faults.set(Fault::Error, |number, _| number == 1);
    let listing = repository.listing().unwrap();
    let asked = faults.clear();
    assert!(asked.len() == 4 && asked[0] == "list snapshots", "{asked:?}");
    assert!(listing.snapshots.len() == 2 && listing.unreadable.is_empty());
}
