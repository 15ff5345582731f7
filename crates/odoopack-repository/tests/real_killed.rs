//! Killed with `kill -9` before every request that changes something: what was there is whole, and the next run goes well.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on shall panic, in its helpers too; what is killed is a process of its own"
)]

#[expect(dead_code, reason = "the faults are for the tests of the bucket")]
mod bucket;
#[expect(dead_code, reason = "these tests store lines, and never start restic")]
mod support;

use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use bucket::{Fault, OWNER, Service, place};
use hyper::Method;
use odoopack_repository::{Bucket, Item, Parts, Place, Reading, Repository, Snapshot};
use support::{holder, key, label};

/// Tells the child where the service is, which repository of it, and what to do there.
const ENDPOINT: &str = "ODOOPACK_TEST_ENDPOINT";
const PREFIX: &str = "ODOOPACK_TEST_PREFIX";
const ACT: &str = "ODOOPACK_TEST_ACT";
/// Gives a process another clock.
const CLOCK: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

fn dump(number: i64) -> Vec<u8> {
    format!("line of dump {number}\n").repeat(2000).into_bytes()
}

fn back_up(repository: &Repository, number: i64) -> Snapshot {
    let label = label(number);
    let writer = repository.writer(&holder()).unwrap();
    let parts = Parts::new(Cursor::new(dump(number)), "database", label.time);
    let items = parts.chain([Ok(Item::small("manifest.json", "{}", label.time))]);
    let stored = repository.store(&writer, &label, items);
    stored.unwrap().publish().unwrap()
}

/// Takes the oldest snapshot away and marks what it alone needed.
fn forget(repository: &Repository) {
    let writer = repository.writer(&holder()).unwrap();
    let all = repository.snapshots().unwrap();
    let known: Vec<String> = all.iter().map(|s| s.id.clone()).collect();
    repository.forget(&writer, &all[..1], &known).unwrap();
    repository.prune(&writer, &known[1..]).unwrap();
}

/// Pins the oldest snapshot: a new form of it is written, and the older one removed.
fn pin(repository: &Repository) {
    let writer = repository.writer(&holder()).unwrap();
    let all = repository.snapshots().unwrap();
    repository.pin(&writer, &all[0], true).unwrap();
}

/// Copies the third snapshot of the source, which is the only one that the copy lacks.
fn copy_third(place: &Place, to: &Repository) {
    let Place::Bucket(bucket) = place.clone() else {
        panic!("{place} is no bucket")
    };
    let source = Place::Bucket(Bucket {
        prefix: "source".to_owned(),
        ..bucket
    });
    let source = Repository::open(&source, &key()).unwrap();
    let writer = to.writer(&holder()).unwrap();
    let third = source.snapshots().unwrap().remove(2);
    source.copy_to(to, &writer, std::slice::from_ref(&third)).unwrap();
}

fn prune(repository: &Repository) -> u64 {
    let writer = repository.writer(&holder()).unwrap();
    repository.prune(&writer, &[]).unwrap().removed
}

/// What a child does; without a parent it has nothing to do.
#[test]
fn one_act_to_its_end_or_until_it_is_killed() {
    let Ok(endpoint) = std::env::var(ENDPOINT) else {
        return;
    };
    let place = place(&endpoint, &std::env::var(PREFIX).unwrap(), OWNER);
    let repository = Repository::open(&place, &key()).unwrap();
    match std::env::var(ACT).unwrap().as_str() {
        "back up" => drop(back_up(&repository, 3)),
        "forget" => forget(&repository),
        "pin" => pin(&repository),
        "copy" => copy_third(&place, &repository),
        _ => assert!(prune(&repository) > 0, "nothing was marked"),
    }
}

/// A repository with two snapshots, the way `act` wants to find it, which copies are made of.
fn prepare(service: &Service, act: &str) -> Vec<Snapshot> {
    let repository = Repository::create(&service.place("original", OWNER), &key()).unwrap();
    let all: Vec<_> = (1..=if act == "prune" { 3 } else { 2 })
        .map(|number| back_up(&repository, number))
        .collect();
    if act == "prune" {
        forget(&repository);
        return all[1..].to_vec();
    }
    if act == "copy" {
        let bucket = service.root.join(bucket::BUCKET);
        copy(&bucket.join("original"), &bucket.join("source"));
        let source = Repository::open(&service.place("source", OWNER), &key()).unwrap();
        back_up(&source, 3);
    }
    all
}

/// Runs `act` on a copy and kills it before its change of this number; returns whether it came to its end.
fn killed(service: &Service, act: &str, prefix: &str, change: usize) -> bool {
    let (pid, count) = (Arc::new(AtomicU32::new(0)), AtomicUsize::new(0));
    let child = Arc::clone(&pid);
    service.fail(Fault::Error, usize::MAX, move |method: &Method, _: &str| {
        let changes = *method == Method::PUT || *method == Method::POST || *method == Method::DELETE;
        if !changes || count.fetch_add(1, Ordering::SeqCst) < change {
            return false;
        }
        while child.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let pid = child.load(Ordering::SeqCst).to_string();
        drop(Command::new("kill").args(["-KILL", &pid]).status());
        true
    });
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "one_act_to_its_end_or_until_it_is_killed"])
        .env(ENDPOINT, service.endpoint())
        .env(PREFIX, prefix)
        .env(ACT, act)
        .stdout(Stdio::null());
    if act == "prune" {
        command.env("LD_PRELOAD", CLOCK).env("FAKETIME", "+2d");
    }
    let mut running = command.spawn().unwrap();
    pid.store(running.id(), Ordering::SeqCst);
    let status = running.wait().unwrap();
    service.heal();
    assert!(
        status.success() || status.code().is_none(),
        "{act} failed before change {change}"
    );
    status.success()
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

/// Everything that is listed comes back byte for byte, and what `stays` is listed.
fn whole(place: &Place, stays: &[Snapshot], when: &str) -> Repository {
    let repository = Repository::open(place, &key()).unwrap();
    let left = repository.snapshots().unwrap();
    for snapshot in stays {
        assert!(
            left.iter().any(|s| s.id == snapshot.id),
            "{when}: {} is gone",
            snapshot.id
        );
    }
    let reader = repository.reader().unwrap();
    for snapshot in &left {
        let mut back = Vec::new();
        reader.stream_parts(snapshot, "database", &mut back).unwrap();
        let number = snapshot.time.as_second() - 1_700_000_000;
        assert!(back == dump(number), "{when}: {} is not whole", snapshot.id);
    }
    repository
}

/// Kills `act` before each of its changes; returns how many there were.
fn killed_before_every_change(act: &str) -> usize {
    let service = Service::start();
    let all = prepare(&service, act);
    let stays = if act == "forget" { &all[1..] } else { &all[..] };
    let bucket = service.root.join(bucket::BUCKET);
    for change in 0..100 {
        let prefix = format!("copy{change}");
        copy(&bucket.join("original"), &bucket.join(&prefix));
        let ended = killed(&service, act, &prefix, change);
        let when = format!("{act}, killed before change {change}");
        let place = service.place(&prefix, OWNER);
        let repository = whole(&place, stays, &when);
        // And work goes on.
        match act {
            "pin" => pin(&repository),
            "copy" => copy_third(&place, &repository),
            _ => {}
        }
        back_up(&repository, 9);
        let repository = whole(&place, stays, &when);
        if act == "pin" {
            let forms = std::fs::read_dir(bucket.join(&prefix).join("snapshots"));
            assert_eq!(forms.unwrap().count(), 3, "{when}");
            assert!(repository.snapshots().unwrap()[0].pinned, "{when}");
        }
        assert_eq!(repository.check(Reading::Everything).unwrap(), [""; 0], "{when}");
        if ended {
            return change;
        }
    }
    panic!("{act} has no end");
}

#[test]
fn a_backup_leaves_nothing_half_done() {
    // The lock, packs, an index, the snapshot, and the lock again.
    let changes = killed_before_every_change("back up");
    assert!(changes >= 5, "{changes}");
}

#[test]
fn forgetting_leaves_nothing_half_done() {
    // The lock, the snapshot, an index with the marks, the older ones, and the lock again.
    let changes = killed_before_every_change("forget");
    assert!(changes >= 5, "{changes}");
}

#[test]
fn a_prune_of_what_was_marked_leaves_nothing_half_done() {
    // The lock, an index without the marked packs, the older one, the packs, and the lock again.
    let changes = killed_before_every_change("prune");
    assert!(changes >= 4, "{changes}");
}

#[test]
fn a_pin_leaves_nothing_half_done() {
    // The lock, the new form, the older one, and the lock again.
    let changes = killed_before_every_change("pin");
    assert!(changes >= 4, "{changes}");
}

#[test]
fn a_copy_leaves_nothing_half_done() {
    // The lock, packs, an index, the snapshot, and the lock again.
    let changes = killed_before_every_change("copy");
    assert!(changes >= 5, "{changes}");
}
