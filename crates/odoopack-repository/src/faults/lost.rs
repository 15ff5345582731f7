//! Packs that an index names and that are gone or cut short: nothing relies on them.
use std::fs;
use std::path::PathBuf;

use super::*;

/// Bytes that neither compress nor repeat.
pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
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
pub(super) fn pack(directory: &Path) -> PathBuf {
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

/// A dump that did not change, and a manifest that is written every time.
fn label_and_items(dump: &[u8], second: i64) -> (Label, Vec<Result<Item>>) {
    let time = Timestamp::from_second(1_700_000_000 + second).unwrap();
    let label = Label {
        pack: "demo".to_owned(),
        environment: "production".to_owned(),
        time,
        note: None,
    };
    let parts = Parts::new(Cursor::new(dump.to_vec()), "database", Timestamp::UNIX_EPOCH);
    let manifest = Item::small("manifest.json", "{}", time);
    (label, parts.chain([Ok(manifest)]).collect())
}

#[test]
fn what_was_lost_is_stored_again_in_the_same_run_and_older_snapshots_are_whole_by_it() {
    for left in LEFT {
        let keep = tempfile::tempdir().unwrap();
        let repository = made(keep.path());
        let dump = noise(300_000, 1);
        let writer = repository.writer(&holder()).unwrap();
        let (label, items) = label_and_items(&dump, 0);
        let first = repository.store(&writer, &label, items.into_iter()).unwrap();
        let first = first.publish().unwrap();
        let indexes = files(&keep.path().join("index")).len();
        let pack = pack(keep.path());
        let name = lose(&pack, left);
        let (label, items) = label_and_items(&dump, 1);
        let refused = repository.store(&writer, &label, items.into_iter()).unwrap_err();
        assert!(
            matches!(&refused, Error::Damaged(why) if why.contains(&name)),
            "{refused}"
        );
        let aside = files(&keep.path().join("odoopack/index"));
        assert_eq!((aside.len(), pack.exists()), (1, left.is_some()), "{indexes}");
        let (label, items) = label_and_items(&dump, 2);
        let afresh = repository
            .store_afresh(&writer, &label, items.into_iter())
            .unwrap();
        let afresh = afresh.publish().unwrap();
        let (label, items) = label_and_items(&dump, 3);
        let next = repository.store(&writer, &label, items.into_iter()).unwrap();
        let next = next.publish().unwrap();
        assert_eq!((afresh.read, next.read), (2, 1));
        for snapshot in [&first, &afresh, &next] {
            whole(&repository, snapshot, &dump);
        }
        assert_eq!(repository.check(Reading::Everything).unwrap(), [""; 0]);
        repository.prune(&writer, &[]).unwrap();
        assert_eq!(repository.check(Reading::Everything).unwrap(), [""; 0]);
    }
}

/// What is nowhere any more: nothing is removed while a snapshot needs it.
#[test]
fn what_is_lost_for_good_stops_every_prune_until_its_snapshot_is_forgotten() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let older = store(&repository, &noise(300_000, 1), 0).unwrap();
    // Wherever in it the small file lies that both snapshots need.
    lose(&pack(keep.path()), Some(1));
    let dump = noise(200_000, 2);
    let newer = store(&repository, &dump, 1).unwrap_err();
    assert!(matches!(newer, Error::Damaged(_)), "{newer}");
    let newer = store(&repository, &dump, 2).unwrap();
    let writer = repository.writer(&holder()).unwrap();
    let before = files(&keep.path().join("data"));
    let refused = repository.prune(&writer, &[]).unwrap_err().to_string();
    assert!(refused.contains("is missing in index"), "{refused}");
    assert_eq!(files(&keep.path().join("data")), before);
    repository
        .forget(&writer, std::slice::from_ref(&older), &[])
        .unwrap();
    repository.prune(&writer, &[]).unwrap();
    whole(&repository, &newer, &dump);
    assert_eq!(repository.check(Reading::Everything).unwrap(), [""; 0]);
}

/// The data and the directories of the newest snapshot, as after a loss of power.
#[test]
fn of_a_snapshot_of_which_nothing_is_left_the_next_one_takes_nothing() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let older = store(&repository, &noise(200_000, 1), 0).unwrap();
    let before = files(&keep.path().join("data"));
    let dump = noise(300_000, 2);
    store(&repository, &dump, 1).unwrap();
    for pack in files(&keep.path().join("data")) {
        if !before.contains(&pack) {
            lose(&pack, Some(0));
        }
    }
    let writer = repository.writer(&holder()).unwrap();
    let (label, items) = label_and_items(&dump, 2);
    let refused = repository.store(&writer, &label, items.into_iter()).unwrap_err();
    assert!(matches!(refused, Error::Damaged(_)), "{refused}");
    let (label, items) = label_and_items(&dump, 3);
    let afresh = repository
        .store_afresh(&writer, &label, items.into_iter())
        .unwrap();
    whole(&repository, &afresh.publish().unwrap(), &dump);
    whole(&repository, &older, &noise(200_000, 1));
}

#[test]
fn a_copy_that_lost_data_there_gets_it_again() {
    for left in LEFT {
        let keep = tempfile::tempdir().unwrap();
        let repository = made(&keep.path().join("here"));
        let there = keep.path().join("there");
        let place = Place::Directory(there.to_str().unwrap().to_owned());
        let other = repository.create_beside(&place, &key()).unwrap();
        let writer = other.writer(&holder()).unwrap();
        let copy = |snapshot: &Snapshot| repository.copy_to(&other, &writer, std::slice::from_ref(snapshot));
        let dump = noise(300_000, 1);
        copy(&store(&repository, &dump, 0).unwrap()).unwrap();
        lose(&pack(&there), left);
        let second = store(&repository, &dump, 1).unwrap();
        let refused = copy(&second).unwrap_err();
        assert!(matches!(refused, Error::There(_)), "{refused:?}");
        // The next night is another process.
        let other = Repository::open(&place, &key()).unwrap();
        repository
            .copy_to(&other, &writer, std::slice::from_ref(&second))
            .unwrap();
        for snapshot in other.snapshots().unwrap() {
            whole(&other, &snapshot, &dump);
        }
        assert_eq!(other.check(Reading::Everything).unwrap(), [""; 0]);
    }
}

/// The size is as it was, so only who reads it finds it out.
#[test]
fn a_directory_that_is_damaged_there_is_told_apart_from_one_that_is_damaged_here() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(&keep.path().join("here"));
    let place = Place::Directory(keep.path().join("there").to_str().unwrap().to_owned());
    let other = repository.create_beside(&place, &key()).unwrap();
    let stored = |second| {
        let writer = repository.writer(&holder()).unwrap();
        let (label, items) = label_and_items(b"a dump", second);
        let stored = repository.store(&writer, &label, items.into_iter());
        stored.unwrap().publish().unwrap()
    };
    let writer = other.writer(&holder()).unwrap();
    let copy = |snapshot: Snapshot| repository.copy_to(&other, &writer, &[snapshot]);
    copy(stored(0)).unwrap();
    let second = stored(1);
    for (side, is_there) in [("there", true), ("here", false)] {
        for file in files(&keep.path().join(side).join("data")) {
            put(&file, &vec![0; fs::read(&file).unwrap().len()]);
        }
        let refused = copy(second.clone()).unwrap_err();
        assert_eq!(
            matches!(refused, Error::There(_)),
            is_there,
            "{side}: {refused:?}"
        );
    }
}

#[test]
fn where_there_is_no_data_at_all_nothing_is_stored_and_the_index_stays() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let first = store(&repository, b"a dump", 0).unwrap();
    let (data, aside) = (keep.path().join("data"), keep.path().join("aside"));
    fs::rename(&data, &aside).unwrap();
    let refused = store(&repository, b"a dump", 1).unwrap_err().to_string();
    assert!(refused.contains("no data at all"), "{refused}");
    fs::remove_dir_all(&data).unwrap_or_default();
    fs::rename(&aside, &data).unwrap();
    whole(&repository, &first, b"a dump");
    store(&repository, b"a dump", 2).unwrap();
}

/// A prune that was cut off leaves the older index beside the new one: which of the two is right is not for us to guess.
#[test]
fn an_index_with_two_words_on_a_pack_is_left_as_it_is() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let dump = noise(300_000, 2);
    let goes = store(&repository, &noise(200_000, 1), 0).unwrap();
    store(&repository, &dump, 1).unwrap();
    let lost = pack(keep.path());
    let index = keep.path().join("index");
    let older: Vec<_> = files(&index)
        .into_iter()
        .map(|file| (fs::read(&file).unwrap(), file))
        .collect();
    let writer = repository.writer(&holder()).unwrap();
    repository
        .forget(&writer, std::slice::from_ref(&goes), &[])
        .unwrap();
    repository.prune(&writer, &[]).unwrap();
    drop(writer);
    older.iter().for_each(|(bytes, file)| put(file, bytes));
    lose(&lost, None);
    let before = files(&index).len();
    let refused = store(&repository, &dump, 2).unwrap_err().to_string();
    assert!(refused.contains("a prune was cut off"), "{refused}");
    assert!(files(&index).len() >= before);
    assert!(older.iter().all(|(_, file)| file.exists()));
}

/// Whoever prunes between the look at everything and the moment it becomes visible knows nothing of it.
#[test]
fn what_somebody_took_away_before_it_became_visible_never_does() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    store(&repository, b"older", 0).unwrap();
    let (data, index) = (keep.path().join("data"), keep.path().join("index"));
    let before = [files(&data), files(&index)].concat();
    let writer = repository.writer(&holder()).unwrap();
    let new_files = move || {
        let now = [files(&data), files(&index)].concat();
        let new = now.into_iter().filter(|file| !before.contains(file));
        new.collect::<Vec<_>>()
    };
    let (label, items) = label_and_items(b"newer", 1);
    let stored = repository.store(&writer, &label, items.into_iter()).unwrap();
    new_files().iter().for_each(|file| fs::remove_file(file).unwrap());
    stored.publish().unwrap_err();
    assert_eq!(ids(&repository).len(), 1);
    // The same by one whose lock comes after the look at the locks, and goes after the snapshot is there.
    let (label, items) = label_and_items(b"newer", 2);
    let stored = repository.store(&writer, &label, items.into_iter()).unwrap();
    let locks = keep.path().join("locks");
    fs::create_dir_all(&locks).unwrap();
    repository.objects.faults.set(Fault::Error, move |_, request| {
        if request.starts_with("put snapshots/") {
            let lock = locks.join("c".repeat(64));
            put(&lock, b"a lock of restic");
            let new = new_files();
            std::thread::spawn(move || {
                std::thread::sleep(std::time::Duration::from_millis(150));
                new.iter().for_each(|file| fs::remove_file(file).unwrap());
                fs::remove_file(lock).unwrap();
            });
        }
        false
    });
    let refused = stored.publish();
    let asked = repository.objects.faults.clear();
    assert!(refused.is_err(), "{asked:?}");
    assert_eq!(ids(&repository).len(), 1);
}

/// As the hint says: whoever reads is told which pack it is, and when that is moved away the next backup stores it again.
#[test]
fn a_pack_with_a_flipped_bit_is_named_by_who_reads_it_and_moved_away_it_is_stored_again() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let dump = noise(300_000, 1);
    let first = store(&repository, &dump, 0).unwrap();
    let pack = pack(keep.path());
    let name = pack.file_name().unwrap().to_str().unwrap()[..8].to_owned();
    flip(&pack, 50);
    let reader = repository.reader().unwrap();
    let streamed = reader.stream_parts(&first, "database", &mut Vec::new());
    let streamed = streamed.unwrap_err();
    assert!(
        matches!(&streamed, Error::Format { what, .. } if what.starts_with("could not read")),
        "{streamed:?}"
    );
    let back = keep.path().join("back");
    fs::create_dir(&back).unwrap();
    let restored = reader.restore(&first, "database", &back).unwrap_err();
    assert!(matches!(&restored, Error::NotWhole(_)), "{restored:?}");
    assert!(streamed.to_string().contains(&name), "{streamed}");
    fs::rename(&pack, keep.path().join("away")).unwrap();
    store(&repository, &dump, 1).unwrap_err();
    let next = store(&repository, &dump, 2).unwrap();
    for snapshot in [&first, &next] {
        whole(&repository, snapshot, &dump);
    }
}
