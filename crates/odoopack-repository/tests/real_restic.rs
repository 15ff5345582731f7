//! Stock restic as an independent reader: it checks, restores and finds every byte.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on shall panic, in its helpers too; it starts restic and writes files"
)]

mod support;

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use odoopack_core::backup::retention::{Candidate, Keep, Verdict, judge};
use odoopack_core::secret::SecretText;
use odoopack_repository::{Content, Error, Holder, Item, Label, Parts, Place, Reading, Repository, Snapshot};
use support::{KEY, holder, key, label, noise};

struct Rig {
    keep: tempfile::TempDir,
    repository: Repository,
}

impl Rig {
    fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let place = Place::Directory(keep.path().join("repo").to_str().unwrap().to_owned());
        let repository = Repository::create(&place, &key()).unwrap();
        Self { keep, repository }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.keep.path().join(name)
    }

    /// A dump in parts, two files below `filestore` and a manifest after them.
    fn store(&self, dump: &[u8], time: i64) -> Snapshot {
        let time = Timestamp::from_second(time).unwrap();
        let label = Label {
            time,
            note: Some("before the fair".to_owned()),
            ..label(0)
        };
        let writer = self.repository.writer(&holder()).unwrap();
        let files = self.filestore();
        let parts = Parts::new(Cursor::new(dump.to_vec()), "database", time);
        let manifest = Item::small("manifest.json", "{}", time);
        let items = parts.chain(files.into_iter().map(Ok)).chain([Ok(manifest)]);
        let stored = self.repository.store(&writer, &label, items).unwrap();
        stored.publish().unwrap()
    }

    /// One small file.
    fn store_small(&self, time: i64) -> Snapshot {
        let time = Timestamp::from_second(time).unwrap();
        let label = Label { time, ..label(0) };
        let writer = self.repository.writer(&holder()).unwrap();
        let item = Item::small("manifest.json", time.to_string(), time);
        self.repository
            .store(&writer, &label, std::iter::once(Ok(item)))
            .unwrap()
            .publish()
            .unwrap()
    }

    fn filestore(&self) -> Vec<Item> {
        let directory = self.path("filestore");
        std::fs::create_dir_all(&directory).unwrap();
        let file = |name: &str, size: usize| {
            let path = directory.join(name);
            if !path.exists() {
                std::fs::write(&path, noise(size, 7)).unwrap();
            }
            let metadata = path.metadata().unwrap();
            Item {
                path: format!("filestore/{name}"),
                size: metadata.len(),
                content: Content::File(path),
                modified: metadata.modified().unwrap().try_into().unwrap(),
                mode: 0o640,
            }
        };
        vec![file("aa", 300_000), file("bb", 0)]
    }

    fn restic(&self, arguments: &[&str]) -> String {
        restic(&self.path("repo"), &self.path("cache"), arguments)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the independent reader is an outside program"
)]
fn restic(repository: &Path, cache: &Path, arguments: &[&str]) -> String {
    let outcome = Command::new("restic")
        .args(arguments)
        .env("RESTIC_REPOSITORY", repository)
        .env("RESTIC_PASSWORD", KEY)
        .env("RESTIC_CACHE_DIR", cache)
        .output()
        .unwrap();
    let text =
        String::from_utf8_lossy(&outcome.stdout).into_owned() + &String::from_utf8_lossy(&outcome.stderr);
    assert!(outcome.status.success(), "restic {arguments:?}: {text}");
    text
}

fn whole(directory: &Path) -> Vec<u8> {
    let mut names: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    names.sort();
    names
        .iter()
        .flat_map(|path| std::fs::read(path).unwrap())
        .collect()
}

#[test]
fn stock_restic_brings_back_two_different_dumps_byte_for_byte() {
    let rig = Rig::new();
    let first = noise(70 * 1024 * 1024, 1);
    let mut second = first.clone();
    second[40_000_000..40_001_000].copy_from_slice(&noise(1000, 9));
    let one = rig.store(&first, 1_700_000_000);
    let two = rig.store(&second, 1_700_086_400);
    rig.restic(&["check", "--read-data"]);
    for (snapshot, dump, name) in [(&one, &first, "one"), (&two, &second, "two")] {
        let target = rig.path(name);
        rig.restic(&[
            "restore",
            &snapshot.restic_id(),
            "--verify",
            "--target",
            target.to_str().unwrap(),
        ]);
        assert!(whole(&target.join("production/database")) == *dump, "{name}");
        let file = std::fs::read(target.join("production/filestore/aa")).unwrap();
        assert!(file == noise(300_000, 7));
        assert_eq!(
            std::fs::metadata(target.join("production/filestore/bb"))
                .unwrap()
                .len(),
            0
        );
    }
    assert!(
        two.added < 20_000_000,
        "{} bytes for a changed kilobyte",
        two.added
    );
    assert_eq!(
        (one.files, two.read),
        (5, 3),
        "the filestore and nothing else was unchanged"
    );
}

#[test]
fn reads_what_it_wrote() {
    let rig = Rig::new();
    let dump = noise(70 * 1024 * 1024, 3);
    let made = rig.store(&dump, 1_700_000_000);
    let again = Repository::open(rig.repository.place(), &key()).unwrap();
    let found = again.latest("demo", "production").unwrap();
    assert_eq!(
        (found.id.as_str(), found.note.as_deref()),
        (made.id.as_str(), Some("before the fair"))
    );
    assert_eq!(found.size, dump.len() as u64 + 300_002);
    let reader = again.reader().unwrap();
    let mut back = Vec::new();
    assert_eq!(
        reader.stream_parts(&found, "database", &mut back).unwrap(),
        dump.len() as u64
    );
    assert!(back == dump);
    assert_eq!(reader.read(&found, "manifest.json").unwrap(), b"{}");
    let target = rig.path("back");
    std::fs::create_dir(&target).unwrap();
    reader.restore(&found, "filestore", &target).unwrap();
    assert!(std::fs::read(target.join("aa")).unwrap() == noise(300_000, 7));
    assert!(matches!(
        reader.read(&found, "nothing"),
        Err(Error::NoFile { .. })
    ));
    assert!(matches!(again.snapshot("ffff", None), Err(Error::NoSnapshot(_))));
}

#[test]
fn a_stream_that_breaks_off_leaves_no_snapshot() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the server is gone"))
        }
    }
    let rig = Rig::new();
    let kept = rig.store(b"a dump", 1_700_000_000);
    let label = label(86_400);
    let writer = rig.repository.writer(&holder()).unwrap();
    let stream = Cursor::new(noise(1000, 5)).chain(Broken);
    let failed = rig
        .repository
        .store(&writer, &label, Parts::new(stream, "database", label.time));
    assert!(failed.unwrap_err().to_string().contains("the server is gone"));
    let listed: Vec<_> = rig
        .repository
        .snapshots()
        .unwrap()
        .into_iter()
        .map(|s| s.id)
        .collect();
    assert_eq!(listed, [kept.id]);
    rig.restic(&["check", "--read-data"]);
}

#[test]
fn a_file_that_is_gone_when_it_is_read_fails_the_snapshot() {
    let rig = Rig::new();
    let mut files = rig.filestore();
    files[0].content = Content::File(rig.path("gone"));
    let label = label(0);
    let writer = rig.repository.writer(&holder()).unwrap();
    let failed = rig.repository.store(&writer, &label, files.into_iter().map(Ok));
    assert!(failed.unwrap_err().to_string().contains("gone"));
    assert!(rig.repository.snapshots().unwrap().is_empty());
}

#[test]
fn one_writes_at_a_time_and_the_second_is_told_who() {
    let rig = Rig::new();
    let writer = rig.repository.writer(&holder()).unwrap();
    let again = Repository::open(rig.repository.place(), &key()).unwrap();
    assert!(matches!(again.writer(&holder()), Err(Error::Locked(_))));
    drop(writer);
    drop(again.writer(&holder()).unwrap());
    // A lock object of another host, as a repository that is shared by hosts would have.
    let other = Holder {
        host: "elsewhere".to_owned(),
        ..holder()
    };
    std::fs::create_dir_all(rig.path("repo/odoopack")).unwrap();
    std::fs::write(
        rig.path("repo/odoopack/writer"),
        serde_json::to_vec(&other).unwrap(),
    )
    .unwrap();
    let refused = again.writer(&holder()).unwrap_err().to_string();
    assert!(refused.contains("elsewhere"), "{refused}");
}

#[test]
fn the_wrong_key_and_no_repository_are_told_apart() {
    let rig = Rig::new();
    let wrong = Repository::open(rig.repository.place(), &SecretText::new("other"));
    assert!(matches!(wrong, Err(Error::WrongKey(_))));
    let nowhere = Place::Directory(rig.path("nowhere").to_str().unwrap().to_owned());
    assert!(matches!(
        Repository::open(&nowhere, &key()),
        Err(Error::Absent(_))
    ));
    assert!(matches!(
        Repository::create(rig.repository.place(), &key()),
        Err(Error::Present(_))
    ));
    assert!(!rig.path("nowhere").exists(), "looking makes nothing");
}

/// Whether this restic keeps the oldest snapshot while a rule has not found enough: since 0.16.
fn keeps_the_oldest(rig: &Rig) -> bool {
    let version = rig.restic(&["version"]);
    let number = version.split(['.', ' ']).nth(2).unwrap();
    number.parse::<u32>().unwrap() >= 16 || !version.starts_with("restic 0.")
}

/// Policies, and how restic says them.
fn policies() -> Vec<(Keep, &'static str)> {
    let within = |text: &str| Some(text.parse().unwrap());
    let zero = Keep::default();
    vec![
        (
            Keep {
                daily: 7,
                weekly: 4,
                monthly: 12,
                ..zero
            },
            "--keep-daily 7 --keep-weekly 4 --keep-monthly 12",
        ),
        (
            Keep {
                last: 5,
                hourly: 3,
                yearly: 3,
                ..zero
            },
            "--keep-last 5 --keep-hourly 3 --keep-yearly 3",
        ),
        (
            Keep {
                within: within("2m10d"),
                ..zero
            },
            "--keep-within 2m10d",
        ),
        (
            Keep {
                weekly: 9,
                within: within("40d"),
                ..zero
            },
            "--keep-weekly 9 --keep-within 40d",
        ),
        (Keep { monthly: 40, ..zero }, "--keep-monthly 40"),
        (Keep { daily: 200, ..zero }, "--keep-daily 200"),
    ]
}

/// A year of nights with gaps and days with several, judged by restic and by us.
#[test]
fn retention_keeps_what_restic_forget_keeps() {
    let rig = Rig::new();
    let oldest = keeps_the_oldest(&rig);
    let start = 1_735_700_000;
    let mut candidates = Vec::new();
    for number in 0_i64..70 {
        // Every third week is missing, some nights have two.
        let day = number * 5 + if number % 7 == 3 { 12 } else { 0 };
        let time = start + day * 86_400 + if number % 9 == 4 { -80_000 } else { 3_000 };
        let snapshot = rig.store_small(time);
        candidates.push(Candidate {
            id: snapshot.restic_id(),
            time: snapshot.time,
            pinned: false,
            proven: false,
        });
    }
    for (keep, arguments) in policies() {
        let mut all = vec!["forget", "--dry-run", "--json"];
        all.extend(arguments.split(' '));
        let text = rig.restic(&all);
        let json = text
            .lines()
            .find(|line| line.starts_with('['))
            .unwrap_or_else(|| panic!("{text}"));
        let groups: serde_json::Value = serde_json::from_str(json).unwrap();
        let mut theirs: Vec<String> = groups[0]["keep"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["id"].as_str().unwrap().to_owned())
            .collect();
        let verdicts = judge(&candidates, &keep, &TimeZone::UTC, Timestamp::now());
        let kept = |v: &Verdict| {
            v.reasons
                .iter()
                .any(|reason| oldest || !reason.starts_with("oldest of"))
        };
        let mut ours: Vec<String> = verdicts.into_iter().filter(kept).map(|v| v.id).collect();
        theirs.sort();
        ours.sort();
        assert_eq!(ours, theirs, "{arguments}");
    }
}

#[test]
fn a_prune_of_stock_restic_leaves_nothing_to_complain_of() {
    let rig = Rig::new();
    let one = rig.store(&noise(5_000_000, 1), 1_700_000_000);
    let two = rig.store(&noise(5_000_000, 2), 1_700_086_400);
    let writer = rig.repository.writer(&holder()).unwrap();
    rig.repository
        .forget(
            &writer,
            std::slice::from_ref(&one),
            &[one.id.clone(), two.id.clone()],
        )
        .unwrap();
    let pruned = rig
        .repository
        .prune(&writer, std::slice::from_ref(&two.id))
        .unwrap();
    assert!(pruned.marked > 4_000_000 && pruned.removed == 0, "{pruned:?}");
    drop(writer);
    rig.restic(&["prune"]);
    assert_eq!(rig.repository.check(Reading::Everything).unwrap(), [""; 0]);
    rig.restic(&["check", "--read-data"]);
    let three = rig.store(&noise(5_000_000, 3), 1_700_172_800);
    let reader = rig.repository.reader().unwrap();
    for (snapshot, seed) in [(&two, 2), (&three, 3)] {
        let mut back = Vec::new();
        reader.stream_parts(snapshot, "database", &mut back).unwrap();
        assert!(back == noise(5_000_000, seed));
    }
}

#[test]
fn a_damaged_index_is_made_anew_by_stock_restic() {
    let rig = Rig::new();
    let one = rig.store(&noise(3_000_000, 1), 1_700_000_000);
    for entry in std::fs::read_dir(rig.path("repo/index")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
    let why = rig.repository.check(Reading::Everything).unwrap_err().to_string();
    assert!(why.contains("Index:"), "{why}");
    // What newer versions call `repair index`.
    rig.restic(&["rebuild-index", "--read-all-packs"]);
    assert_eq!(rig.repository.check(Reading::Everything).unwrap(), [""; 0]);
    let two = rig.store(&noise(3_000_000, 2), 1_700_086_400);
    let reader = rig.repository.reader().unwrap();
    for (snapshot, seed) in [(&one, 1), (&two, 2)] {
        let mut back = Vec::new();
        reader.stream_parts(snapshot, "database", &mut back).unwrap();
        assert!(back == noise(3_000_000, seed));
    }
}

/// One byte of one index: what the error names brings back what each snapshot has, the older one too.
#[test]
fn one_byte_of_one_index_is_put_right_by_stock_restic_and_every_snapshot_is_whole() {
    let rig = Rig::new();
    let one = rig.store(&noise(3_000_000, 1), 1_700_000_000);
    let two = rig.store(&noise(3_000_000, 2), 1_700_086_400);
    let entries = std::fs::read_dir(rig.path("repo/index")).unwrap();
    let indexes: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    assert!(indexes.len() >= 2, "{indexes:?}");
    let mut bytes = std::fs::read(&indexes[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&indexes[0], bytes).unwrap();
    let why = rig.repository.check(Reading::Everything).unwrap_err().to_string();
    assert!(why.contains("Index:"), "{why}");
    // What newer versions call `repair index`.
    rig.restic(&["rebuild-index", "--read-all-packs"]);
    assert_eq!(rig.repository.check(Reading::Everything).unwrap(), [""; 0]);
    let reader = rig.repository.reader().unwrap();
    for (snapshot, seed) in [(&one, 1), (&two, 2)] {
        let mut back = Vec::new();
        reader.stream_parts(snapshot, "database", &mut back).unwrap();
        assert!(back == noise(3_000_000, seed));
    }
}

#[test]
fn a_writer_waits_for_nobody_and_respects_the_lock_of_restic() {
    let rig = Rig::new();
    rig.store(b"a dump", 1_700_000_000);
    std::fs::create_dir_all(rig.path("repo/locks")).unwrap();
    let lock = rig.path("repo/locks").join("a".repeat(64));
    std::fs::write(&lock, "a lock of restic").unwrap();
    let refused = rig.repository.writer(&holder()).unwrap_err().to_string();
    assert!(refused.contains("restic, lock aaaaaaaa"), "{refused}");
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(2);
    std::fs::File::options()
        .write(true)
        .open(&lock)
        .unwrap()
        .set_modified(old)
        .unwrap();
    drop(rig.repository.writer(&holder()).unwrap());
}
