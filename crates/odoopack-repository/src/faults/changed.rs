//! A file of the pack that somebody rewrites all the time, while it is stored.
use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::*;
use crate::Content;

/// What is stored is as long as it was when it was listed; else it is said that somebody changed it, and nothing else.
#[test]
fn a_file_that_is_rewritten_all_the_time_is_stored_or_said_to_have_changed() {
    const LONG: u64 = 3_000_000;
    let keep = tempfile::tempdir().unwrap();
    let repository = made(&keep.path().join("here"));
    let path = keep.path().join("file");
    lengthen(&path, LONG);
    let over = Arc::new(AtomicBool::new(false));
    let rewriting = std::thread::spawn({
        let (path, over) = (path.clone(), Arc::clone(&over));
        move || {
            while !over.load(Ordering::SeqCst) {
                rewritten(&path, LONG);
            }
        }
    });
    let writer = repository.writer(&holder()).unwrap();
    let store = |second| {
        let metadata = path.metadata();
        let item = Item {
            path: "pack/file".to_owned(),
            content: Content::Loose(path.clone()),
            size: metadata.map_or(LONG, |metadata| metadata.len()),
            modified: Timestamp::from_second(second).unwrap(),
            mode: 0o600,
        };
        let label = Label {
            pack: "demo".to_owned(),
            environment: "production".to_owned(),
            time: Timestamp::from_second(second).unwrap(),
            note: None,
        };
        let (size, stored) = (
            item.size,
            repository.store(&writer, &label, [Ok(item)].into_iter()),
        );
        stored?.publish().map(|snapshot| (snapshot, size))
    };
    let (mut stored, mut changed) = (0, 0);
    for second in 0..1000 {
        match store(second) {
            Ok((snapshot, size)) => {
                assert_eq!(snapshot.size, size);
                stored += 1;
            }
            Err(Error::Changed(_)) => changed += 1,
            Err(error) => panic!("{error}"),
        }
        if stored > 2 && changed > 2 {
            break;
        }
    }
    over.store(true, Ordering::SeqCst);
    rewriting.join().unwrap();
    assert!(stored > 2 && changed > 2, "{stored} stored, {changed} changed");
    let (snapshot, _) = store(1000).unwrap();
    assert_eq!((snapshot.size, ids(&repository).len()), (LONG, stored + 1));
    assert_eq!(repository.check(Reading::Everything).unwrap(), [""; 0]);
}

/// Shorter for a moment, gone for a moment, a directory for a moment, and as it was for a while.
fn rewritten(path: &Path, long: u64) {
    let pause = || std::thread::sleep(Duration::from_millis(3));
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(10).unwrap();
    pause();
    std::fs::remove_file(path).unwrap();
    std::fs::create_dir(path).unwrap();
    pause();
    std::fs::remove_dir(path).unwrap();
    pause();
    lengthen(path, long);
    std::thread::sleep(Duration::from_millis(20));
}

fn lengthen(path: &Path, length: u64) {
    let file = File::options().write(true).create(true).truncate(true).open(path);
    file.unwrap().set_len(length).unwrap();
}
