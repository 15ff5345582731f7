//! Packs that an index names and that are gone or cut short: nothing relies on them.
use std::fs;
use std::path::PathBuf;

use super::*;

/// Bytes that neither compress nor repeat.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let next = |state: &mut u64| {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        Some((*state >> 56) as u8)
    };
    std::iter::repeat_n((), length)
        .scan(seed, |state, ()| next(state))
        .collect()
}

/// The pack with the dump: the biggest.
fn pack(directory: &Path) -> PathBuf {
    let all = files(&directory.join("data")).into_iter();
    all.max_by_key(|file| file.metadata().unwrap().len()).unwrap()
}

/// Cuts a pack to so many bytes, or takes it away; returns its name.
fn lose(pack: &Path, left: Option<u64>) -> String {
    match left {
        Some(left) => fs::File::options()
            .write(true)
            .open(pack)
            .and_then(|file| file.set_len(left))
            .unwrap(),
        None => fs::remove_file(pack).unwrap(),
    }
    pack.file_name().unwrap().to_str().unwrap().to_owned()
}

const LEFT: [Option<u64>; 4] = [Some(0), Some(1), Some(150_000), None];

#[test]
fn a_backup_that_needs_a_pack_which_is_cut_short_or_gone_is_none() {
    for left in LEFT {
        let keep = tempfile::tempdir().unwrap();
        let repository = made(keep.path());
        let dump = noise(300_000, 1);
        let first = store(&repository, &dump, 0).unwrap();
        let name = lose(&pack(keep.path()), left);
        let refused = store(&repository, &dump, 1).unwrap_err().to_string();
        let size = left.map_or("not there".to_owned(), |left| format!(": {left} bytes"));
        assert!(refused.contains(&name) && refused.contains(&size), "{refused}");
        assert_eq!(ids(&repository), [first.id]);
    }
}

#[test]
fn a_copy_that_needs_a_pack_which_is_cut_short_or_gone_there_is_none() {
    for left in LEFT {
        let keep = tempfile::tempdir().unwrap();
        let repository = made(&keep.path().join("here"));
        let there = keep.path().join("there");
        let place = Place::Directory(there.to_str().unwrap().to_owned());
        let other = repository.create_beside(&place, &key()).unwrap();
        let writer = other.writer(&holder()).unwrap();
        let copy = |snapshot: &Snapshot| repository.copy_to(&other, &writer, std::slice::from_ref(snapshot));
        let dump = noise(300_000, 1);
        let first = store(&repository, &dump, 0).unwrap();
        copy(&first).unwrap();
        let name = lose(&pack(&there), left);
        let second = store(&repository, &dump, 1).unwrap();
        let refused = copy(&second).unwrap_err().to_string();
        let size = left.map_or("not there".to_owned(), |left| format!(": {left} bytes"));
        assert!(refused.contains(&name) && refused.contains(&size), "{refused}");
        assert_eq!(ids(&other), [first.id]);
    }
}
