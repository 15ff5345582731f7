//! What a drill writes down of a snapshot, what `backup status` makes of it, and what is removed and copied by it: on a repository with
//! snapshots of a few bytes.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts programs, writes files, and shall panic when it cannot go on"
)]

mod ages;
mod elsewhere;
mod removing;
mod rig;
mod unreadable;

use odoopack_core::backup::Manifest;
use odoopack_repository::Item;
use rig::{KEY, Pack, attachment, manifest};
use serde_json::json;

#[test]
fn the_key_that_nobody_confirmed_is_all_there_is_to_complain_of() {
    let pack = Pack::new();
    let id = pack.store(vec![attachment(b"one", b"one")], Some(&manifest()));
    pack.note("proven", &id, &json!({ "missing": 0, "damaged": 0 }));
    assert_eq!(
        pack.complaints(8),
        json!(["nobody has confirmed to have the backup key elsewhere"])
    );
    pack.run(&["backup", "key", "confirm"], KEY, 0);
    assert_eq!(pack.complaints(0), json!([]));
}

#[test]
fn a_snapshot_that_is_worth_nothing_is_a_drill_that_failed() {
    let pack = Pack::new();
    pack.run(&["backup", "key", "confirm"], KEY, 0);
    let worthless = pack.store(Vec::new(), None);
    pack.note("proven", &worthless, &json!({ "missing": 0, "damaged": 0 }));
    assert_eq!(pack.complaints(0), json!([]));
    let said = pack.drill("index", 4);
    assert!(said.contains("has no `manifest.json`"), "{said}");
    let last = pack.record().pop().unwrap();
    assert_eq!(
        (&last["event"], &last["snapshot"]),
        (&json!("unproven"), &json!(worthless)),
        "{last}"
    );
    assert!(
        last["detail"]["why"].to_string().contains("manifest.json"),
        "{last}"
    );
    // What it had proven holds no more.
    assert_eq!(
        pack.complaints(8),
        json!(["production: proven never", "production: the last drill failed"])
    );
    // The name was mistyped: that says nothing of any snapshot. Nor is one of another pack in the same repository ours to prove.
    let theirs = Manifest {
        pack: "another".to_owned(),
        ..manifest()
    };
    let theirs = pack.store(vec![attachment(b"one", b"one")], Some(&theirs));
    let before = pack.record();
    pack.run(&["backup", "drill", "0000000000"], "", 4);
    let said = pack.run(&["backup", "drill", &theirs, "--level", "read"], "", 4);
    assert!(said.contains("is of another pack, another"), "{said}");
    assert_eq!(pack.record(), before);
}

#[test]
fn a_file_that_is_not_there_fails_a_drill_unless_it_was_missing_then() {
    let pack = Pack::new();
    let one = || vec![attachment(b"one", b"one")];
    let two = attachment(b"two", b"two").path["filestore/".len()..].to_owned();
    let mut knows = manifest();
    knows.attachments.missing = vec![two.clone()];
    pack.store_naming(&[&two], one(), Some(&knows));
    pack.drill("index", 0);
    let before = pack.record().len();
    let lacks = pack.store_naming(&[&two], one(), Some(&manifest()));
    let said = pack.drill("index", 1);
    assert!(said.contains(&format!("{two} is missing")), "{said}");
    let record = pack.record();
    let last = record.last().unwrap();
    assert_eq!(record.len(), before + 2);
    assert_eq!(
        (&last["event"], &last["snapshot"]),
        (&json!("unproven"), &json!(lacks)),
        "{last}"
    );
}

#[test]
fn a_row_with_another_size_and_a_modules_own_file_say_nothing_against_a_snapshot() {
    let pack = Pack::new();
    pack.run(&["backup", "key", "confirm"], KEY, 0);
    let file = attachment(b"longer", b"longer");
    let place = file.path["filestore/".len()..].to_owned();
    let of_a_module = format!("filestore/storage/{}", &place[3..]);
    let of_a_module = Item::small(of_a_module, "other content", jiff::Timestamp::UNIX_EPOCH);
    // The row says 3 bytes, as those of an old series do that were written by hand.
    let id = pack.store_naming(&[&place], vec![file, of_a_module], Some(&manifest()));
    pack.note("proven", &id, &json!({ "missing": 0, "damaged": 0 }));
    let said = pack.drill("index", 0);
    assert!(
        said.contains("attachments of another size than the database says: 1")
            && said.contains(&format!("`odoopack backup drill {id} --level read")),
        "{said}"
    );
    let said = pack.drill("read", 0);
    assert!(
        !said.contains("damaged") && !said.contains("another size"),
        "{said}"
    );
    assert_eq!(pack.complaints(0), json!([]));
}

#[test]
fn attachments_that_are_damaged_are_noted_and_more_of_them_than_before_fail_a_drill() {
    let pack = Pack::new();
    pack.run(&["backup", "key", "confirm"], KEY, 0);
    let id = pack.store(
        vec![attachment(b"one", b"one"), attachment(b"two", b"tw0")],
        Some(&manifest()),
    );
    pack.note("proven", &id, &json!({ "missing": 0 }));
    let said = pack.drill("read", 0);
    assert!(
        said.contains("1 attachments were already damaged") && said.contains("backed up: filestore/"),
        "{said}"
    );
    let last = pack.record().pop().unwrap();
    assert_eq!(
        (&last["event"], &last["detail"]["damaged"]),
        (&json!("read"), &json!(1)),
        "{last}"
    );
    let damaged = "production: 1 attachments are damaged in the filestore";
    assert_eq!(pack.complaints(8), json!([damaged]));
    // Once one was proven that was whole, this one is worse.
    pack.note("proven", &id, &json!({ "missing": 0, "damaged": 0 }));
    assert_eq!(pack.complaints(0), json!([]));
    let said = pack.drill("read", 1);
    assert!(said.contains("1 attachments are damaged in it"), "{said}");
    let last = pack.record().pop().unwrap();
    assert_eq!(
        (&last["event"], &last["detail"]["damaged"]),
        (&json!("unproven"), &json!(1)),
        "{last}"
    );
    assert_eq!(
        pack.complaints(8),
        json!([
            "production: proven never",
            "production: the last drill failed",
            damaged
        ])
    );
}
