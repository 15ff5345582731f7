//! A repository in a bucket of a real S3 service that fails in every way it can: nothing changed, or finished, and older snapshots whole.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on shall panic, in its helpers too; it starts restic and writes files"
)]

mod bucket;
mod support;
#[path = "bucket/writers.rs"]
mod writers;

use std::io::Cursor;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bucket::{BUCKET, Fault, OWNER, Service, WRITER};
use hyper::Method;
use odoopack_repository::{Copied, Error, Holder, Item, Parts, Place, Reading, Repository, Snapshot};
use support::{KEY, holder, key, label, noise};

/// A repository of this host and one in a bucket beside it.
struct Rig {
    keep: tempfile::TempDir,
    service: Service,
    here: Repository,
}

impl Rig {
    fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let place = Place::Directory(keep.path().join("here").to_str().unwrap().to_owned());
        Self {
            here: Repository::create(&place, &key()).unwrap(),
            service: Service::start(),
            keep,
        }
    }

    fn open(&self) -> Result<Repository, Error> {
        let place = self.service.place("erp", WRITER);
        match Repository::open(&place, &key()) {
            Err(Error::Absent(_)) => self.here.create_beside(&place, &key()),
            opened => opened,
        }
    }

    fn there(&self) -> Repository {
        self.open().unwrap()
    }

    /// Stores a dump on this host.
    fn store(&self, size: usize, seed: u64) -> Snapshot {
        self.store_at(i64::try_from(seed).unwrap(), size, seed)
    }

    fn store_at(&self, second: i64, size: usize, seed: u64) -> Snapshot {
        let label = label(second);
        let time = label.time;
        let writer = self.here.writer(&holder()).unwrap();
        let parts = Parts::new(Cursor::new(noise(size, seed)), "database", time);
        let manifest = Item::small("manifest.json", "{}", time);
        let stored = self.here.store(&writer, &label, parts.chain([Ok(manifest)]));
        stored.unwrap().publish().unwrap()
    }

    fn copy(&self, snapshot: &Snapshot) -> Result<Copied, Error> {
        let there = self.open()?;
        let writer = there.writer(&holder())?;
        self.here.copy_to(&there, &writer, std::slice::from_ref(snapshot))
    }

    /// Stock restic on what is there: the service keeps objects as files, so it can read them as a directory.
    fn restic(&self, arguments: &[&str]) {
        let mut command = Command::new("restic");
        command
            .args(arguments)
            .env("RESTIC_REPOSITORY", self.service.root.join(BUCKET).join("erp"))
            .env("RESTIC_PASSWORD", KEY)
            .env("RESTIC_CACHE_DIR", self.keep.path().join("cache"));
        let outcome = command.output().unwrap();
        assert!(
            outcome.status.success(),
            "{}",
            String::from_utf8_lossy(&outcome.stderr)
        );
    }

    /// The names there, and each of them whole.
    fn whole(&self, dumps: &[(&Snapshot, usize, u64)]) {
        let there = self.there();
        let ids: Vec<String> = there.snapshots().unwrap().into_iter().map(|s| s.id).collect();
        let wanted: Vec<String> = dumps.iter().map(|(s, _, _)| s.id.clone()).collect();
        assert_eq!(ids, wanted);
        let reader = there.reader().unwrap();
        for (snapshot, size, seed) in dumps {
            let found = there.snapshot(&snapshot.id, None).unwrap();
            let mut back = Vec::new();
            reader.stream_parts(&found, "database", &mut back).unwrap();
            assert!(
                back == noise(*size, *seed),
                "snapshot {} is not whole",
                snapshot.id
            );
        }
    }
}

/// Picks the requests that go wrong.
type Hit = fn(&Method, &str) -> bool;

const BIG: usize = 20 * 1024 * 1024;

#[test]
fn a_copy_is_whole_and_stock_restic_reads_it() {
    let rig = Rig::new();
    let one = rig.store(BIG, 1);
    let two = rig.store(300_000, 2);
    let copied = rig.copy(&one).unwrap();
    assert!(
        copied.snapshots == 1 && copied.bytes > BIG as u64 && copied.objects >= 3,
        "{copied:?}"
    );
    assert_eq!(rig.copy(&one).unwrap(), Copied::default());
    assert!(rig.copy(&two).unwrap().bytes < 1_000_000);
    rig.whole(&[(&one, BIG, 1), (&two, 300_000, 2)]);
    let there = rig.there();
    for part in 1..=7 {
        assert_eq!(there.check(Reading::Seventh(part)).unwrap(), [""; 0]);
    }
    one_of_seven_looks_finds(&rig, &there);
    let back = rig.keep.path().join("back");
    let back = back.to_str().unwrap();
    for arguments in [
        &["check", "--read-data"][..],
        &["restore", "latest", "--verify", "--target", back],
    ] {
        rig.restic(arguments);
    }
    let parts = std::fs::read_dir(rig.keep.path().join("back/production/database"));
    let parts: Vec<_> = parts.unwrap().map(|part| part.unwrap().path()).collect();
    assert_eq!(parts.len(), 1);
    assert!(std::fs::read(&parts[0]).unwrap() == noise(300_000, 2));
}

#[test]
fn a_bucket_with_object_lock_takes_a_copy() {
    let rig = Rig::new();
    let one = rig.store(BIG, 1);
    let place = rig.service.place(bucket::LOCKED, WRITER);
    let there = rig.here.create_beside(&place, &key()).unwrap();
    let writer = there.writer(&holder()).unwrap();
    let copied = rig
        .here
        .copy_to(&there, &writer, std::slice::from_ref(&one))
        .unwrap();
    assert_eq!(copied.snapshots, 1);
    assert_eq!(there.check(Reading::Everything).unwrap(), [""; 0]);
}

/// A flipped bit in one pack is seen by the look at its seventh, and by no other.
fn one_of_seven_looks_finds(rig: &Rig, there: &Repository) {
    let data = rig.service.root.join(BUCKET).join("erp/data");
    let packs = std::fs::read_dir(data).unwrap();
    let packs = packs.flat_map(|directory| std::fs::read_dir(directory.unwrap().path()).unwrap());
    // The biggest holds data: the one of the directories is read at every look.
    let packs = packs.map(|file| file.unwrap().path());
    let pack = packs.max_by_key(|pack| pack.metadata().unwrap().len()).unwrap();
    let whole = std::fs::read(&pack).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    std::fs::write(&pack, flipped).unwrap();
    let finds = |part: &u8| {
        let found = there.check(Reading::Seventh(*part));
        found.map_or(true, |wrong| !wrong.is_empty())
    };
    assert_eq!((1..=7).filter(finds).count(), 1);
    std::fs::write(&pack, whole).unwrap();
}

/// One request that goes wrong is asked again: the copy ends well.
#[test]
fn what_goes_wrong_once_is_tried_again() {
    let rig = Rig::new();
    let first = rig.store(1000, 1);
    rig.copy(&first).unwrap();
    let mut dumps = vec![(first, 1000, 1)];
    let put = |m: &Method, t: &str| *m == Method::PUT && t.contains("/data/");
    let get = |m: &Method, t: &str| *m == Method::GET && t.contains("/data/");
    let ended = |m: &Method, t: &str| *m == Method::POST && t.contains("uploadId=");
    let piece = |m: &Method, t: &str| *m == Method::PUT && t.contains("partNumber=2");
    let hits: [(Fault, Hit); 7] = [
        (Fault::Error, put),
        (Fault::Busy, put),
        (Fault::Reset, piece),
        (Fault::Silence, put),
        (Fault::Error, get),
        (Fault::HalfBody, get),
        (Fault::LostPiece, ended),
    ];
    for (number, (fault, hit)) in hits.into_iter().enumerate() {
        let seed = 10 + number as u64;
        let in_pieces = matches!(fault, Fault::LostPiece | Fault::Reset);
        let size = if in_pieces { BIG } else { 400_000 };
        let snapshot = rig.store(size, seed);
        rig.service.fail(fault, 1, hit);
        let copied = rig.copy(&snapshot);
        let (asked, left) = rig.service.heal();
        assert_eq!(left, 0, "{fault:?} never happened: {asked:#?}");
        assert_eq!(copied.unwrap_or_else(|e| panic!("{fault:?}: {e}")).snapshots, 1);
        dumps.push((snapshot, size, seed));
    }
    let dumps: Vec<_> = dumps.iter().map(|(s, size, seed)| (s, *size, *seed)).collect();
    rig.whole(&dumps);
    assert_eq!(rig.there().check(Reading::Everything).unwrap(), [""; 0]);
}

/// What goes wrong every time fails the copy, nothing new is seen, and the next copy ends well.
#[test]
fn what_goes_on_going_wrong_changes_nothing() {
    let rig = Rig::new();
    let first = rig.store(1000, 1);
    rig.copy(&first).unwrap();
    let data = |m: &Method, t: &str| *m == Method::PUT && t.contains("/data/");
    let index = |m: &Method, t: &str| *m == Method::PUT && t.contains("/index/");
    let snapshots = |m: &Method, t: &str| *m == Method::PUT && t.contains("/snapshots/");
    let get = |m: &Method, t: &str| *m == Method::GET && t.contains("/data/");
    let lists = |m: &Method, t: &str| *m == Method::GET && t.contains("list-type=2");
    let ended = |m: &Method, t: &str| *m == Method::POST && t.contains("uploadId=");
    let hits: [(Fault, Hit); 7] = [
        (Fault::Error, data),
        (Fault::Error, index),
        (Fault::Error, snapshots),
        (Fault::Error, lists),
        (Fault::Silence, index),
        (Fault::HalfBody, get),
        (Fault::LostPiece, ended),
    ];
    for (number, (fault, hit)) in hits.into_iter().enumerate() {
        let size = if fault == Fault::LostPiece { BIG } else { 400_000 };
        let next = rig.store(size, 10 + number as u64);
        rig.service.fail(fault, usize::MAX, hit);
        let failed = rig.copy(&next);
        let (asked, left) = rig.service.heal();
        assert!(left < usize::MAX, "{fault:?} never happened: {asked:#?}");
        assert!(failed.is_err(), "{fault:?}: {failed:?}");
        rig.whole(&[(&first, 1000, 1)]);
    }
    let last = rig.store(BIG, 99);
    rig.copy(&last).unwrap();
    rig.whole(&[(&first, 1000, 1), (&last, BIG, 99)]);
    assert_eq!(rig.there().check(Reading::Everything).unwrap(), [""; 0]);
}

/// Everything but the last object was sent when the line broke: only that is sent again.
#[test]
fn what_was_sent_before_is_not_sent_again() {
    let rig = Rig::new();
    let snapshot = rig.store(BIG, 1);
    let last = |m: &Method, t: &str| *m == Method::PUT && t.contains("/snapshots/");
    rig.service.fail(Fault::Error, usize::MAX, last);
    rig.copy(&snapshot).unwrap_err();
    rig.service.heal();
    let again = rig.copy(&snapshot).unwrap();
    assert_eq!((again.snapshots, again.bytes), (1, 0), "{again:?}");
    rig.whole(&[(&snapshot, BIG, 1)]);
}

/// The line breaks within an upload in pieces, and between one pack and the next: what was sent of it is taken back, and the next copy is
/// whole. Packs that no index names yet are sent again; an index is written every five minutes, and at the end.
#[test]
fn an_upload_that_breaks_in_the_middle_leaves_no_pieces_behind() {
    let rig = Rig::new();
    let first = rig.store(1000, 1);
    rig.copy(&first).unwrap();
    let snapshot = rig.store(BIG, 2);
    // While later pieces wait for their turn, and when there is nothing else to wait for.
    let every = |m: &Method, t: &str| *m == Method::PUT && t.contains("partNumber=");
    let third = |m: &Method, t: &str| *m == Method::PUT && t.contains("partNumber=3");
    let ended = |m: &Method, t: &str| *m == Method::POST && t.contains("uploadId=");
    let hits: [Hit; 3] = [every, third, ended];
    for (number, hit) in hits.into_iter().enumerate() {
        rig.service.fail(Fault::Error, usize::MAX, hit);
        rig.copy(&snapshot).unwrap_err();
        let (asked, _) = rig.service.heal();
        let begun = asked.iter().filter(|asked| asked.contains("uploads")).count();
        let taken_back = |asked: &&String| asked.starts_with("DELETE") && asked.contains("uploadId=");
        let taken_back = asked.iter().filter(taken_back).count();
        assert!(begun > 0 && begun == taken_back, "{number}: {asked:#?}");
        let left = std::fs::read_dir(&rig.service.root).unwrap();
        let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let left: Vec<_> = left.filter(|name| name.starts_with(".upload_id")).collect();
        assert_eq!(left, [""; 0], "{number}");
        rig.whole(&[(&first, 1000, 1)]);
    }
    let packs = rig.store(3 * BIG, 3);
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    // From the second pack on the credentials have expired, also for whoever takes something back.
    rig.service
        .fail(Fault::Expired, usize::MAX, move |m: &Method, t: &str| {
            let ends = *m == Method::POST && t.contains("/data/") && t.contains("uploadId=");
            let before = counted.fetch_add(usize::from(ends), Ordering::SeqCst);
            before > 1 || ends && before > 0
        });
    let refused = rig.copy(&packs).unwrap_err().to_string();
    rig.service.heal();
    assert!(sent.load(Ordering::SeqCst) > 1, "there was one pack only");
    let named = format!(" at {}: ", rig.service.place("erp", WRITER));
    assert!(
        refused.contains("ExpiredToken") && refused.contains(&named),
        "{refused}"
    );
    rig.whole(&[(&first, 1000, 1)]);
    rig.copy(&packs).unwrap();
    rig.whole(&[(&first, 1000, 1), (&packs, 3 * BIG, 3)]);
    assert_eq!(rig.there().check(Reading::Everything).unwrap(), [""; 0]);
}

/// Somebody removes the whole bucket while a copy is under way: it is said, and once the bucket is back the copy ends well.
#[test]
fn a_bucket_that_is_gone_is_no_empty_one() {
    let rig = Rig::new();
    let first = rig.store(300_000, 1);
    rig.copy(&first).unwrap();
    let second = rig.store(300_000, 2);
    let there = rig.there();
    let writer = there.writer(&holder()).unwrap();
    let known = [first.id.clone()];
    let (bucket, aside) = (rig.service.root.join(BUCKET), rig.keep.path().join("aside"));
    std::fs::rename(&bucket, &aside).unwrap();
    let refused = rig.here.copy_to(&there, &writer, std::slice::from_ref(&second));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("NoSuchBucket"), "{refused}");
    there.snapshots().unwrap_err();
    there.prune(&writer, &known).unwrap_err();
    there.expect(&[]).unwrap_err();
    drop(writer);
    assert!(!bucket.exists(), "nobody makes it anew");
    std::fs::rename(&aside, &bucket).unwrap();
    rig.copy(&second).unwrap();
    rig.whole(&[(&first, 300_000, 1), (&second, 300_000, 2)]);
    assert_eq!(rig.there().check(Reading::Everything).unwrap(), [""; 0]);
}

/// A list from the past lacks snapshots and packs: nothing is taken away by it, and a copy over it leaves everything whole.
#[test]
fn a_list_from_the_past_takes_nothing_away() {
    let rig = Rig::new();
    let first = rig.store(100_000, 1);
    rig.copy(&first).unwrap();
    // Every listing is asked for once now, and is what will be answered again.
    rig.service.remember_from_here();
    rig.there().check(Reading::Nothing).unwrap();
    let second = rig.store(100_000, 2);
    rig.copy(&second).unwrap();
    let known = [first.id.clone(), second.id.clone()];
    let stale = |m: &Method, t: &str| *m == Method::GET && t.contains("list-type=2");
    rig.service.fail(Fault::StaleList, usize::MAX, stale);
    let owner = Repository::open(&rig.service.place("erp", OWNER), &key()).unwrap();
    let writer = owner.writer(&holder()).unwrap();
    let refused = owner.prune(&writer, &known);
    assert!(matches!(refused, Err(Error::Fewer { .. })), "{refused:?}");
    let refused = owner.forget(&writer, std::slice::from_ref(&first), &known);
    assert!(matches!(refused, Err(Error::Fewer { .. })), "{refused:?}");
    drop(writer);
    let third = rig.store(100_000, 3);
    let outcome = rig.copy(&third);
    rig.service.heal();
    drop(outcome);
    rig.copy(&third).unwrap();
    rig.whole(&[(&first, 100_000, 1), (&second, 100_000, 2), (&third, 100_000, 3)]);
}

/// Only the packs' list is from the past: what the index names and the list lacks stops a prune.
#[test]
fn a_prune_with_packs_that_are_not_listed_removes_nothing() {
    let rig = Rig::new();
    let first = rig.store(100_000, 1);
    rig.copy(&first).unwrap();
    rig.service.remember_from_here();
    rig.there().check(Reading::Nothing).unwrap();
    let second = rig.store(100_000, 2);
    rig.copy(&second).unwrap();
    let known = [first.id.clone(), second.id.clone()];
    let stale = |m: &Method, t: &str| *m == Method::GET && t.contains("list-type=2") && t.contains("data");
    rig.service.fail(Fault::StaleList, usize::MAX, stale);
    let owner = Repository::open(&rig.service.place("erp", OWNER), &key()).unwrap();
    let writer = owner.writer(&holder()).unwrap();
    let refused = owner.prune(&writer, &known).unwrap_err().to_string();
    assert!(refused.contains("does not exist"), "{refused}");
    let (asked, left) = rig.service.heal();
    assert!(left < usize::MAX);
    let changes = |asked: &&String| {
        asked.starts_with("DELETE")
            || asked.contains("?delete")
            || asked.contains("/index/") && asked.starts_with("PUT")
    };
    assert_eq!(asked.iter().filter(changes).collect::<Vec<_>>(), [""; 0]);
    drop(writer);
    rig.whole(&[(&first, 100_000, 1), (&second, 100_000, 2)]);
    assert_eq!(rig.there().check(Reading::Everything).unwrap(), [""; 0]);
}

#[test]
fn a_limit_holds() {
    let rig = Rig::new();
    let snapshot = rig.store(3_000_000, 1);
    let there = rig.there();
    there.limit(2_000_000);
    let writer = there.writer(&holder()).unwrap();
    let begun = Instant::now();
    rig.here
        .copy_to(&there, &writer, std::slice::from_ref(&snapshot))
        .unwrap();
    // Sent and read once: six megabytes, of which the last request need not be waited for.
    let least = 1.4;
    let seconds = begun.elapsed().as_secs_f64();
    assert!(seconds >= least, "{seconds} s");
}
