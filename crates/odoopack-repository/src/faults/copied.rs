//! Copies that go wrong on the way, or begin from something that is not whole.
use super::*;

#[test]
fn a_copy_is_looked_at_before_it_is_seen() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(&keep.path().join("here"));
    let snapshot = store(&repository, b"a dump", 0).unwrap();
    let there = Place::Directory(keep.path().join("there").to_str().unwrap().to_owned());
    let other = repository.create_beside(&there, &key()).unwrap();
    let writer = other.writer(&holder()).unwrap();
    other
        .objects
        .faults
        .set(Fault::Other, |_, request| request.starts_with("put data/"));
    let failed = repository
        .copy_to(&other, &writer, std::slice::from_ref(&snapshot))
        .unwrap_err();
    other.objects.faults.clear();
    // Nothing is wrong with what is here.
    assert!(
        matches!(&failed, Error::There(why) if why.to_string().contains("is not what was written")),
        "{failed:?}"
    );
    assert!(ids(&other).is_empty() && other.objects.list("index").unwrap().is_empty());
    let copied = repository
        .copy_to(&other, &writer, std::slice::from_ref(&snapshot))
        .unwrap();
    assert!(copied.snapshots == 1 && copied.objects >= 3, "{copied:?}");
    whole(&other, &other.snapshots().unwrap()[0], b"a dump");
    assert_eq!(other.check(Reading::Everything).unwrap(), Vec::<String>::new());
}

/// With credentials that may not delete a bad pack stays; no index names it, so the next copy does not rely on it.
#[test]
fn a_copy_that_was_wrong_is_made_again_at_the_same_place() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(&keep.path().join("here"));
    let snapshot = store(&repository, b"a dump", 0).unwrap();
    for wrong in ["put data/", "put index/"] {
        let there = keep.path().join(wrong.replace(['/', ' '], "-"));
        let there = Place::Directory(there.to_str().unwrap().to_owned());
        let other = repository.create_beside(&there, &key()).unwrap();
        let writer = other.writer(&holder()).unwrap();
        other.objects.faults.set(Fault::Other, move |_, request| {
            request.starts_with(wrong) || request.starts_with("remove data/")
        });
        repository
            .copy_to(&other, &writer, std::slice::from_ref(&snapshot))
            .unwrap_err();
        other.objects.faults.clear();
        drop(writer);
        // The next run is another process.
        let other = Repository::open(&there, &key()).unwrap();
        assert!(ids(&other).is_empty() && other.objects.list("index").unwrap().is_empty());
        let writer = other.writer(&holder()).unwrap();
        let copied = repository
            .copy_to(&other, &writer, std::slice::from_ref(&snapshot))
            .unwrap();
        assert!(
            copied.snapshots == 1 && copied.objects >= 3,
            "{wrong}: {copied:?}"
        );
        whole(&other, &other.snapshots().unwrap()[0], b"a dump");
        assert_eq!(other.check(Reading::Everything).unwrap(), Vec::<String>::new());
    }
}

/// The library copies what the index of here knows, and leaves out the rest without a word.
#[test]
fn a_snapshot_that_lacks_data_here_is_not_copied_as_if_it_were_whole() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(&keep.path().join("here"));
    store(&repository, b"a dump", 0).unwrap();
    let first = repository.objects.list("index").unwrap();
    let second = store(&repository, b"a dump", 1).unwrap();
    // Its directories are in an index of their own; its data are those of the first snapshot.
    for index in first {
        repository
            .objects
            .remove(&format!("index/{}", index.name))
            .unwrap();
    }
    let there = Place::Directory(keep.path().join("there").to_str().unwrap().to_owned());
    let other = repository.create_beside(&there, &key()).unwrap();
    let writer = other.writer(&holder()).unwrap();
    let refused = repository
        .copy_to(&other, &writer, std::slice::from_ref(&second))
        .unwrap_err();
    assert!(!matches!(refused, Error::There(_)), "{refused:?}");
    assert!(ids(&other).is_empty());
}

#[test]
fn what_is_there_is_not_copied_again() {
    let keep = tempfile::tempdir().unwrap();
    let repository = made(&keep.path().join("here"));
    let snapshot = store(&repository, b"a dump", 0).unwrap();
    let fresh = Place::Directory(keep.path().join("fresh").to_str().unwrap().to_owned());
    let fresh = repository.create_beside(&fresh, &key()).unwrap();
    let writer = fresh.writer(&holder()).unwrap();
    let copied = repository
        .copy_to(&fresh, &writer, std::slice::from_ref(&snapshot))
        .unwrap();
    assert!(copied.snapshots == 1 && copied.objects >= 3, "{copied:?}");
    assert_eq!(ids(&fresh), std::slice::from_ref(&snapshot.id));
    whole(&fresh, &fresh.snapshots().unwrap()[0], b"a dump");
    let again = repository
        .copy_to(&fresh, &writer, std::slice::from_ref(&snapshot))
        .unwrap();
    assert_eq!(again.snapshots, 0);
}
