//! Who may write: one at a time, and without being able to destroy what is there.
use futures_util::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::{ObjectStore, ObjectStoreExt};

use super::*;

/// Who takes the machine has a key that reads and writes: it destroys nothing.
#[test]
fn the_key_that_writes_cannot_delete() {
    let rig = Rig::new();
    let one = rig.store(300_000, 1);
    let two = rig.store(300_000, 2);
    rig.copy(&one).unwrap();
    rig.copy(&two).unwrap();
    let known = [one.id.clone(), two.id.clone()];
    let there = rig.there();
    let writer = there.writer(&holder()).unwrap();
    let listed = there.snapshots().unwrap();
    let refused = there
        .forget(&writer, &listed[..1], &known)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("may not delete"), "{refused}");
    drop(writer);
    rig.whole(&[(&one, 300_000, 1), (&two, 300_000, 2)]);
    // What it writes among the snapshots stays, and takes none of them out of reach.
    let rubbish = rig
        .service
        .root
        .join(BUCKET)
        .join("erp/snapshots")
        .join("f".repeat(64));
    std::fs::write(&rubbish, "rubbish").unwrap();
    let three = rig.store(300_000, 3);
    rig.copy(&three).unwrap();
    let listing = there.listing().unwrap();
    assert_eq!(listing.snapshots.len(), 3);
    let [found] = listing.unreadable.as_slice() else {
        panic!("{listing:?}")
    };
    let from_to = ["snapshots/", ""].map(|below| format!("s3://{BUCKET}/erp/{below}{}", "f".repeat(64)));
    assert!(
        found
            .aside
            .ends_with(&format!("s3 mv {} {}.unreadable", from_to[0], from_to[1])),
        "{found:?}"
    );
    let owner = Repository::open(&rig.service.place("erp", OWNER), &key()).unwrap();
    // A host that has just copied with it keeps no other one waiting.
    let elsewhere = Holder {
        host: "elsewhere".to_owned(),
        ..holder()
    };
    let writer = owner.writer(&elsewhere).unwrap();
    let refused = owner.prune(&writer, &known).unwrap_err();
    assert!(matches!(refused, Error::Unreadable(_)), "{refused}");
    std::fs::remove_file(&rubbish).unwrap();
    owner.forget(&writer, &listed[..1], &known).unwrap();
    let pruned = owner.prune(&writer, std::slice::from_ref(&two.id)).unwrap();
    assert!(pruned.marked > 200_000 && pruned.removed == 0, "{pruned:?}");
    drop(writer);
    rig.whole(&[(&two, 300_000, 2), (&three, 300_000, 3)]);
}

/// With it every object can be written over: a bucket with versions has what was there, and everything comes back.
#[test]
fn what_the_key_that_writes_has_written_over_comes_back_out_of_older_versions() {
    let rig = Rig::new();
    let one = rig.store(300_000, 1);
    let two = rig.store(300_000, 2);
    rig.copy(&one).unwrap();
    rig.copy(&two).unwrap();
    rig.service.keep_versions();
    let store = AmazonS3Builder::new()
        .with_endpoint(rig.service.endpoint())
        .with_allow_http(true)
        .with_bucket_name(BUCKET)
        .with_region("us-east-1")
        .with_access_key_id(WRITER.0)
        .with_secret_access_key(WRITER.1)
        .build()
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let count = runtime.block_on(async {
        let all = store
            .list(Some(&"erp".into()))
            .try_collect::<Vec<_>>()
            .await
            .unwrap();
        for object in &all {
            store.put(&object.location, "garbage".into()).await.unwrap();
            store.delete(&object.location).await.unwrap_err();
        }
        all.len()
    });
    // Two snapshots, two indexes, packs, a key, the config, and what is our own.
    assert!(count >= 10, "{count}");
    Repository::open(&rig.service.place("erp", WRITER), &key()).unwrap_err();
    assert_eq!(rig.service.bring_back(), count);
    rig.whole(&[(&one, 300_000, 1), (&two, 300_000, 2)]);
    assert_eq!(rig.there().check(Reading::Everything).unwrap(), [""; 0]);
    let three = rig.store(300_000, 3);
    rig.copy(&three).unwrap();
    rig.whole(&[(&one, 300_000, 1), (&two, 300_000, 2), (&three, 300_000, 3)]);
}

/// What is lost where this key may not delete is stored again all the same; who may delete takes the index away that named it.
#[test]
fn what_was_lost_is_stored_again_by_the_key_that_cannot_delete() {
    let rig = Rig::new();
    let one = rig.store(300_000, 1);
    rig.copy(&one).unwrap();
    let there = rig.service.root.join(BUCKET).join("erp");
    let packs = walk(&there.join("data"));
    let biggest = packs.iter().max_by_key(|pack| pack.metadata().unwrap().len());
    let before = walk(&there.join("index"));
    std::fs::remove_file(biggest.unwrap()).unwrap();
    let two = rig.store_at(2, 300_000, 1);
    let refused = rig.copy(&two).unwrap_err();
    assert!(
        matches!(&refused, Error::There(why) if matches!(**why, Error::Damaged(_))),
        "{refused}"
    );
    rig.copy(&two).unwrap();
    let indexes = walk(&there.join("index"));
    assert!(before.iter().all(|index| indexes.contains(index)), "{indexes:?}");
    assert_eq!(rig.there().check(Reading::Everything).unwrap(), [""; 0]);
    let three = rig.store_at(3, 300_000, 1);
    rig.copy(&three).unwrap();
    let all = [(&one, 300_000, 1), (&two, 300_000, 1), (&three, 300_000, 1)];
    rig.whole(&all);
    let owner = Repository::open(&rig.service.place("erp", OWNER), &key()).unwrap();
    let writer = owner.writer(&holder()).unwrap();
    owner
        .prune(&writer, &all.map(|(snapshot, ..)| snapshot.id.clone()))
        .unwrap();
    drop(writer);
    assert!(before.iter().any(|index| !index.exists()), "{before:?}");
    assert!(walk(&there.join("odoopack/replaced")).is_empty());
    rig.whole(&all);
    assert_eq!(owner.check(Reading::Everything).unwrap(), [""; 0]);
    rig.restic(&["check", "--read-data"]);
}

/// The files below a directory, at any depth.
fn walk(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] })
        .collect()
}

/// Between the look at the lock and the request that takes it another host takes it, a lock that was there being stale or not: only
/// that one has it.
#[test]
fn of_two_hosts_that_begin_at_the_same_moment_one_writes() {
    for stale in [false, true] {
        let rig = Rig::new();
        let there = rig.there();
        let lock = rig.service.root.join(BUCKET).join("erp/odoopack/writer");
        let write = |path: &std::path::Path, host: &str| {
            let holder = Holder {
                host: host.to_owned(),
                ..holder()
            };
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, serde_json::to_vec(&holder).unwrap()).unwrap();
        };
        if stale {
            write(&lock, "long ago");
            let file = std::fs::File::options().write(true).open(&lock).unwrap();
            let hour = std::time::Duration::from_hours(1);
            file.set_modified(std::time::SystemTime::now() - hour).unwrap();
        }
        let place = lock.clone();
        let taken = move |m: &Method, t: &str| {
            let takes = *m == Method::PUT && t.contains("/odoopack/writer");
            if takes {
                write(&place, "elsewhere");
            }
            false
        };
        rig.service.fail(Fault::Error, 1, taken);
        let refused = there.writer(&holder()).unwrap_err().to_string();
        rig.service.heal();
        assert!(refused.contains("on elsewhere"), "{refused}");
        assert!(std::fs::read_to_string(&lock).unwrap().contains("elsewhere"));
        std::fs::remove_file(&lock).unwrap();
        assert!(there.writer(&holder()).unwrap().is_surely_alone());
    }
}

/// A machine that stood still for an hour goes on while another one writes: it changes nothing.
#[test]
fn a_writer_that_stood_still_while_another_took_the_lock_changes_nothing() {
    let rig = Rig::new();
    let first = rig.store(1000, 1);
    let second = rig.store(1000, 2);
    rig.copy(&first).unwrap();
    let place = rig.service.place("erp", OWNER);
    let there = Repository::open(&place, &key()).unwrap();
    let stood_still = there.writer(&holder()).unwrap();
    let label = label(9);
    let item = Item::small("manifest.json", "{}", label.time);
    let stored = there
        .store(&stood_still, &label, std::iter::once(Ok(item)))
        .unwrap();
    let lock = rig.service.root.join(BUCKET).join("erp/odoopack/writer");
    let file = std::fs::File::options().write(true).open(&lock).unwrap();
    let hour = std::time::Duration::from_hours(1);
    file.set_modified(std::time::SystemTime::now() - hour).unwrap();
    let elsewhere = Holder {
        host: "elsewhere".to_owned(),
        ..holder()
    };
    let other = Repository::open(&place, &key()).unwrap();
    let writer = other.writer(&elsewhere).unwrap();
    let listed = there.snapshots().unwrap();
    let refusals = [
        stored.publish().map(drop),
        there.forget(&stood_still, &listed, &[]),
        there.prune(&stood_still, &[]).map(drop),
        there.pin(&stood_still, &listed[0], true),
        rig.here
            .copy_to(&there, &stood_still, std::slice::from_ref(&second))
            .map(drop),
    ];
    for refused in refusals {
        let refused = refused.unwrap_err();
        assert!(
            matches!(&refused, Error::Locked(who) if who.contains("on elsewhere")),
            "{refused}"
        );
    }
    drop(stood_still);
    assert!(std::fs::read_to_string(&lock).unwrap().contains("elsewhere"));
    rig.here
        .copy_to(&other, &writer, std::slice::from_ref(&second))
        .unwrap();
    drop(writer);
    assert!(!lock.exists());
    rig.whole(&[(&first, 1000, 1), (&second, 1000, 2)]);
    assert_eq!(other.check(Reading::Everything).unwrap(), [""; 0]);
}

/// Both were about to make it, and nothing of what the other one has written so far says that it is a repository.
#[test]
fn a_repository_that_another_host_is_making_is_not_made_a_second_time() {
    let rig = Rig::new();
    let place = rig.service.place("erp", WRITER);
    let there = rig.service.root.join(BUCKET).join("erp");
    let lock = there.join("odoopack/writer");
    let theirs = there.join("keys").join("a".repeat(64));
    for path in [&lock, &theirs] {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
    let elsewhere = Holder {
        host: "elsewhere".to_owned(),
        ..holder()
    };
    std::fs::write(&lock, serde_json::to_vec(&elsewhere).unwrap()).unwrap();
    std::fs::write(&theirs, "their key").unwrap();
    let refused = rig
        .here
        .create_beside_alone(&place, &key(), &holder())
        .unwrap_err();
    assert!(matches!(refused, Error::Locked(_)), "{refused}");
    assert!(theirs.exists() && !there.join("config").exists());
    // It has ended, and not begun.
    for path in [&lock, &theirs] {
        std::fs::remove_file(path).unwrap();
    }
    rig.here.create_beside_alone(&place, &key(), &holder()).unwrap();
    let refused = rig
        .here
        .create_beside_alone(&place, &key(), &elsewhere)
        .unwrap_err();
    assert!(matches!(refused, Error::Present(_)), "{refused}");
}

/// What is kept of packs lies below the same directory, under their names.
#[test]
fn a_pack_that_is_called_as_the_lock_takes_nobodys_lock_away() {
    let rig = Rig::new();
    let there = rig.there();
    let elsewhere = Holder {
        host: "elsewhere".to_owned(),
        ..holder()
    };
    there.take_turn("writer", "a word").unwrap();
    let kept = rig.service.root.join(BUCKET).join("erp/odoopack/turns/writer");
    let file = std::fs::File::options().write(true).open(kept).unwrap();
    let hour = std::time::Duration::from_hours(1);
    file.set_modified(std::time::SystemTime::now() - hour).unwrap();
    let writer = there.writer(&elsewhere).unwrap();
    let refused = there.writer(&holder()).unwrap_err().to_string();
    assert!(refused.contains("on elsewhere"), "{refused}");
    drop(writer);
    drop(there.writer(&holder()).unwrap());
}

#[test]
fn a_service_that_knows_no_conditions_is_written_to_and_that_is_known() {
    let rig = Rig::new();
    let snapshot = rig.store(1000, 1);
    let there = rig.there();
    rig.service
        .fail(Fault::Unconditional, usize::MAX, |m, _| *m == Method::PUT);
    let writer = there.writer(&holder()).unwrap();
    assert!(!writer.is_surely_alone());
    rig.here
        .copy_to(&there, &writer, std::slice::from_ref(&snapshot))
        .unwrap();
    let (asked, _) = rig.service.heal();
    let takes = |asked: &&String| asked.starts_with("PUT") && asked.contains("/odoopack/writer");
    assert!(asked.iter().filter(takes).count() < 4, "{asked:#?}");
    rig.whole(&[(&snapshot, 1000, 1)]);
}

#[test]
fn a_service_that_does_not_heed_conditions_is_found_out() {
    let rig = Rig::new();
    rig.service
        .fail(Fault::Heedless, usize::MAX, |m, _| *m == Method::PUT);
    let writer = rig.there().writer(&holder()).unwrap();
    assert!(!writer.is_surely_alone());
}
