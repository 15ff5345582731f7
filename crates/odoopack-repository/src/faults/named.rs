//! Which snapshot a name means after something was cut off, and what is there under none.
use super::*;

#[test]
fn a_pin_keeps_the_name_and_can_be_taken_away() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let snapshot = store(&repository, b"a dump", 0).unwrap();
    let writer = repository.writer(&holder()).unwrap();
    repository.pin(&writer, &snapshot, true).unwrap();
    let pinned = repository.snapshot(&snapshot.id, None).unwrap();
    assert!(pinned.pinned && pinned.id == snapshot.id && pinned.restic_id() != snapshot.restic_id());
    whole(&repository, &pinned, b"a dump");
    repository.pin(&writer, &pinned, false).unwrap();
    let all = repository.snapshots().unwrap();
    assert_eq!(
        (all.len(), all[0].pinned, all[0].id.as_str()),
        (1, false, snapshot.id.as_str())
    );
}

/// Killed after the new form was written and before the old one was removed, in both directions.
#[test]
fn a_pin_that_was_cut_off_leaves_one_snapshot_of_the_name() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let mut snapshot = store(&repository, b"a dump", 0).unwrap();
    let writer = repository.writer(&holder()).unwrap();
    let files = || std::fs::read_dir(keep.path().join("snapshots")).unwrap().count();
    for pinned in [true, false] {
        repository
            .objects
            .faults
            .set(Fault::Error, |_, request| request.starts_with("remove snapshots"));
        repository.pin(&writer, &snapshot, pinned).unwrap_err();
        repository.objects.faults.clear();
        assert_eq!((files(), ids(&repository)), (2, vec![snapshot.id.clone()]));
        let seen = repository.snapshot(&snapshot.id, None).unwrap();
        assert!(seen.pinned);
        whole(&repository, &seen, b"a dump");
        repository.pin(&writer, &seen, pinned).unwrap();
        snapshot = repository.snapshot(&snapshot.id, None).unwrap();
        assert_eq!((files(), snapshot.pinned), (1, pinned));
    }
    repository
        .objects
        .faults
        .set(Fault::Error, |_, request| request.starts_with("remove snapshots"));
    repository.pin(&writer, &snapshot, true).unwrap_err();
    repository.objects.faults.clear();
    let both = repository.snapshots().unwrap();
    repository.forget(&writer, &both, &[]).unwrap();
    assert_eq!(files(), 0, "the other form is gone too");
}

#[test]
fn the_latest_is_none_from_the_future() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let latest = || repository.latest("demo", "production").unwrap().id;
    let ahead = store(&repository, b"a dump", 3_000_000_000).unwrap();
    assert_eq!(latest(), ahead.id, "there is no other");
    store(&repository, b"a dump", 0).unwrap();
    let today = store(&repository, b"a dump", 1).unwrap();
    assert_eq!(latest(), today.id);
}

/// As under a clock that stands still, or was set back to the same moment: the sizes are the same too.
#[test]
fn nothing_of_a_snapshot_of_the_same_moment_is_taken_for_unchanged() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let first = store(&repository, b"the one dump", 5).unwrap();
    let second = store(&repository, b"another dump", 5).unwrap();
    whole(&repository, &first, b"the one dump");
    whole(&repository, &second, b"another dump");
}

#[test]
fn the_latest_is_never_another_packs() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(keep.path());
    let theirs = store_of("other", &repository, b"theirs", 2).unwrap();
    let none = repository.latest("demo", "production");
    assert!(matches!(none, Err(Error::NoSnapshot(_))), "{none:?}");
    let ours = store(&repository, b"ours", 1).unwrap();
    let latest = |pack: &str| repository.latest(pack, "production").unwrap().id;
    assert_eq!((latest("demo"), latest("other")), (ours.id, theirs.id));
}

/// The key was written, and the file that says that a repository is there was not.
#[test]
fn a_repository_that_was_half_made_is_made_anew_with_one_key() {
    let keep = tempfile::tempdir().unwrap();
    let place = Place::Directory(keep.path().to_str().unwrap().to_owned());
    let repository = made(keep.path());
    let keys = || std::fs::read_dir(keep.path().join("keys")).unwrap().count();
    let config = keep.path().join("config");
    std::fs::remove_file(&config).unwrap();
    let again = Repository::create(&place, &key()).unwrap();
    assert_eq!(keys(), 1);
    let snapshot = store(&again, b"a dump", 0).unwrap();
    whole(&Repository::open(&place, &key()).unwrap(), &snapshot, b"a dump");
    std::fs::remove_file(&config).unwrap();
    for made in [
        Repository::create(&place, &key()),
        repository.create_beside(&place, &key()),
    ] {
        let error = made.unwrap_err().to_string();
        assert!(error.contains("without its `config`"), "{error}");
    }
    assert!(!config.exists() && keys() == 1, "what is there is as it was");
}
