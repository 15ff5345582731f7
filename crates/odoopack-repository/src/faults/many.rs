//! A store that refuses something while many packs are on their way: what it said is told, and nobody goes on for nothing.
use std::sync::atomic::{AtomicUsize, Ordering};

use rustic_core::ConfigOptions;

use super::lost::noise;
use super::*;

/// Packs of a megabyte, so that a small dump needs many.
fn in_small_packs(directory: &Path) -> Repository {
    let mut repository = made(directory);
    let mut options = ConfigOptions::default();
    options.set_datapack_size = "1MiB".parse().ok();
    options.set_datapack_growfactor = Some(0);
    assert!(repository.inner.apply_config(&options).unwrap());
    repository
}

/// No pack is taken after so many.
fn refuse(repository: &Repository, after: usize) {
    let taken = AtomicUsize::new(0);
    repository.objects.faults.set(Fault::Error, move |_, request| {
        request.starts_with("put data/") && taken.fetch_add(1, Ordering::SeqCst) >= after
    });
}

const SAID: &str = "at the faulty store: 500 Internal Server Error";

#[test]
fn what_the_store_said_is_told_however_many_packs_it_has_taken() {
    let keep = tempfile::tempdir().unwrap();
    let repository = in_small_packs(&keep.path().join("here"));
    let there = Place::Directory(keep.path().join("there").to_str().unwrap().to_owned());
    let dump = noise(12_000_000, 1);
    let first = store(&repository, b"the first dump", 0).unwrap();
    for after in [0, 1, 4] {
        refuse(&repository, after);
        let refused = store(&repository, &dump, 1).unwrap_err().to_string();
        repository.objects.faults.clear();
        assert!(refused.contains(SAID), "after {after}: {refused}");
        assert_eq!(ids(&repository), std::slice::from_ref(&first.id));
    }
    let second = store(&repository, &dump, 2).unwrap();
    let other = repository.create_beside(&there, &key()).unwrap();
    for after in [0, 1, 2] {
        let other = Repository::open(&there, &key()).unwrap();
        let writer = other.writer(&holder()).unwrap();
        refuse(&other, after);
        let copied = repository.copy_to(&other, &writer, std::slice::from_ref(&second));
        other.objects.faults.clear();
        let refused = copied.unwrap_err().to_string();
        assert!(refused.contains(SAID), "after {after}: {refused}");
        assert!(ids(&other).is_empty());
    }
    let writer = other.writer(&holder()).unwrap();
    repository
        .copy_to(&other, &writer, std::slice::from_ref(&second))
        .unwrap();
    whole(&other, &other.snapshots().unwrap()[0], &dump);
}

#[test]
fn what_is_left_is_not_read_when_the_store_takes_no_more() {
    const FILES: usize = 100;
    let keep = tempfile::tempdir().unwrap();
    let repository = in_small_packs(keep.path());
    let read = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&read);
    let time = Timestamp::UNIX_EPOCH;
    let items = (0..FILES).map(move |number| {
        counted.fetch_add(1, Ordering::SeqCst);
        // As a disk takes its time.
        std::thread::sleep(std::time::Duration::from_millis(5));
        let content = noise(300_000, 7 + number as u64);
        Ok(Item::small(format!("database/{number:03}"), content, time))
    });
    let label = Label {
        pack: "demo".to_owned(),
        environment: "production".to_owned(),
        time,
        note: None,
    };
    let writer = repository.writer(&holder()).unwrap();
    refuse(&repository, 1);
    let refused = repository.store(&writer, &label, items).unwrap_err().to_string();
    repository.objects.faults.clear();
    assert!(refused.contains(SAID), "{refused}");
    let read = read.load(Ordering::SeqCst);
    assert!(read < FILES / 2, "{read} of {FILES} files were read");
}
