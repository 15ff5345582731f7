//! Somebody runs stock restic's prune on the same repository, to its end, before each request of ours that changes something: a snapshot
//! that is seen is whole, older ones stay, and the next run ends well.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on shall panic, in its helpers too; it starts restic and copies files"
)]

#[expect(dead_code, reason = "the faults are for the tests of the bucket")]
mod bucket;
mod support;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bucket::{BUCKET, Fault, OWNER, Service};
use hyper::Method;
use odoopack_repository::{Error, Item, Parts, Place, Reading, Repository, Snapshot};
use support::{KEY, holder, key, label, noise};

fn dump(number: i64) -> Vec<u8> {
    noise(100_000, u64::try_from(number).unwrap())
}

/// Stores a snapshot; `afresh` as the command does it after it was told of damage.
fn back_up(repository: &Repository, number: i64, afresh: bool) -> Result<Snapshot, Error> {
    let label = label(number);
    let time = label.time;
    let writer = repository.writer(&holder())?;
    let parts = Parts::new(Cursor::new(dump(number)), "database", time);
    let items = parts.chain([Ok(Item::small("manifest.json", "{}", time))]);
    let stored = if afresh {
        repository.store_afresh(&writer, &label, items)?
    } else {
        repository.store(&writer, &label, items)?
    };
    stored.publish()
}

fn restic(repository: &Path, arguments: &[&str]) -> Result<(), String> {
    let outcome = Command::new("restic")
        .args(["--no-cache", "--quiet"])
        .args(arguments)
        .env("RESTIC_REPOSITORY", repository)
        .env("RESTIC_PASSWORD", KEY)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&outcome.stderr).into_owned();
    outcome.status.success().then_some(()).ok_or(said)
}

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

/// Everything that is listed comes back byte for byte; returns the numbers of what is listed.
fn whole(repository: &Repository, when: &str) -> Vec<i64> {
    let reader = repository.reader().unwrap();
    let all = repository.snapshots().unwrap();
    let numbers = all.iter().map(|snapshot| {
        let number = snapshot.time.as_second() - 1_700_000_000;
        let mut back = Vec::new();
        reader.stream_parts(snapshot, "database", &mut back).unwrap();
        assert!(back == dump(number), "{when}: {number} is not whole");
        number
    });
    numbers.collect()
}

/// Runs `act`, which makes snapshot 3 of a repository that has snapshot 1 and the data of a forgotten one, with a prune before its change
/// of this number; returns whether there was one, and how it ended.
fn pruned<T>(
    service: &Service,
    directory: &Path,
    change: usize,
    act: impl FnOnce() -> Result<T, Error>,
) -> (bool, Result<T, Error>) {
    let count = Arc::new(AtomicUsize::new(0));
    let (counted, directory) = (Arc::clone(&count), directory.to_owned());
    service.fail(Fault::Error, usize::MAX, move |method: &Method, _: &str| {
        let changes = *method == Method::PUT || *method == Method::POST || *method == Method::DELETE;
        if changes && counted.fetch_add(1, Ordering::SeqCst) == change {
            restic(&directory, &["prune", "--max-unused", "0"]).unwrap();
        }
        false
    });
    let ended = act();
    service.heal();
    (count.load(Ordering::SeqCst) > change, ended)
}

struct Rig {
    service: Service,
    keep: tempfile::TempDir,
}

impl Rig {
    /// Snapshot 1, and what is left of a forgotten one.
    fn new() -> Self {
        let service = Service::start();
        let original = Repository::create(&service.place("original", OWNER), &key()).unwrap();
        back_up(&original, 1, false).unwrap();
        let goes = back_up(&original, 2, false).unwrap();
        let writer = original.writer(&holder()).unwrap();
        original
            .forget(&writer, std::slice::from_ref(&goes), &[])
            .unwrap();
        Self {
            service,
            keep: tempfile::tempdir().unwrap(),
        }
    }

    /// A copy of it for one try.
    fn fresh(&self, change: usize) -> (PathBuf, Repository) {
        let bucket = self.service.root.join(BUCKET);
        let prefix = format!("try{change}");
        copy(&bucket.join("original"), &bucket.join(&prefix));
        let repository = Repository::open(&self.service.place(&prefix, OWNER), &key()).unwrap();
        (bucket.join(prefix), repository)
    }
}

/// Runs `act` with a prune before each of its changes, and then again as it is repeated by its command or the next night.
fn before_every_change(act: impl Fn(&Rig, &Repository, bool) -> Result<(), Error>) {
    let rig = Rig::new();
    let mut outcomes = (0, 0);
    for change in 0..30 {
        let (directory, repository) = rig.fresh(change);
        let (was_there, ended) = pruned(&rig.service, &directory, change, || act(&rig, &repository, false));
        let when = format!("a prune before change {change}: {ended:?}");
        let seen = whole(&repository, &when);
        if ended.is_ok() {
            assert_eq!(seen, [1, 3], "{when}");
            outcomes.0 += 1;
        } else {
            assert_eq!(seen, [1], "{when}");
            outcomes.1 += 1;
            let again = act(&rig, &repository, matches!(ended, Err(Error::Damaged(_))));
            again.unwrap_or_else(|e| panic!("{when}, and again: {e}"));
            assert_eq!(whole(&repository, &when), [1, 3], "{when}");
        }
        restic(&directory, &["check", "--read-data"]).unwrap_or_else(|e| panic!("{when}: {e}"));
        assert_eq!(repository.check(Reading::Everything).unwrap(), [""; 0], "{when}");
        if !was_there {
            assert!(
                outcomes.0 > 1 && outcomes.1 > 0,
                "nothing was pruned: {outcomes:?}"
            );
            return;
        }
    }
    panic!("it has no end");
}

#[test]
fn a_backup_is_whole_or_none() {
    before_every_change(|_, repository, afresh| back_up(repository, 3, afresh).map(drop));
}

#[test]
fn a_copy_is_whole_or_none() {
    before_every_change(|rig, repository, _| {
        let here = rig.keep.path().join("here");
        let place = Place::Directory(here.to_str().unwrap().to_owned());
        let here = match Repository::open(&place, &key()) {
            Err(Error::Absent(_)) => {
                let here = repository.create_beside(&place, &key())?;
                back_up(&here, 3, false)?;
                here
            }
            opened => opened?,
        };
        let writer = repository.writer(&holder())?;
        here.copy_to(repository, &writer, &here.snapshots()?).map(drop)
    });
}
