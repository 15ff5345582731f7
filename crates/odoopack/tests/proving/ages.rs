//! How old snapshots, their copies and their proofs may be.
use serde_json::{Value, json};

use crate::rig::{KEY, Pack};

/// A snapshot that is so many hours old, was copied with the age of itself, and was proven so many hours ago.
fn backed_up(pack: &Pack, hours: i64, proven: i64) {
    let id = pack.store_old("production", hours);
    pack.note_old("made", &id, hours, &json!({ "missing": 0, "added": 3_400_000 }));
    pack.note_old("offsite", &id, hours, &Value::Null);
    pack.note_old("proven", &id, proven, &json!({ "missing": 0, "damaged": 0 }));
}

#[test]
fn each_age_counts_against_what_the_file_allows() {
    let pack = Pack::new();
    pack.run(&["backup", "key", "confirm"], KEY, 0);
    pack.configure("[backup.offsite]\ndirectory = \"/nowhere\"\n");
    backed_up(&pack, 27, 8 * 24 + 1);
    let made = "production: made older than 26h";
    let copied = "production: off site older than 26h";
    let proven = "production: proven older than 8d";
    assert_eq!(pack.complaints(8), json!([made, copied, proven]));
    let said = pack.run(&["backup", "status"], "", 8);
    assert_eq!(said.matches(" (too old)").count(), 3, "{said}");
    assert!(said.contains("newest first: 1 s 3.4 MB"), "{said}");
    for (ages, expected) in [
        ("made = \"28h\"", vec![copied, proven]),
        ("made = \"28h\"\noffsite = \"28h\"", vec![proven]),
        ("made = \"28h\"\noffsite = \"28h\"\nproven = \"9d\"", vec![]),
    ] {
        pack.configure(&format!(
            "[backup.offsite]\ndirectory = \"/nowhere\"\n[backup.age]\n{ages}\n"
        ));
        let code = if expected.is_empty() { 0 } else { 8 };
        assert_eq!(pack.complaints(code), json!(expected));
    }
    pack.configure("[backup.offsite]\ndirectory = \"/nowhere\"\n");
    backed_up(&pack, 25, 8 * 24 - 1);
    assert_eq!(pack.complaints(0), json!([]));
    // Without a second place nothing is to be there.
    pack.configure("");
    assert_eq!(pack.complaints(0), json!([]));
}

/// What cannot be opened is not gone: nobody is told to make the program forget it.
#[test]
fn a_key_that_is_gone_is_the_only_complaint() {
    let pack = Pack::new();
    pack.run(&["backup", "key", "confirm"], KEY, 0);
    backed_up(&pack, 1, 1);
    let key = pack.root.join("data/secrets/BACKUP_KEY");
    let aside = pack.root.join("key-aside");
    std::fs::rename(&key, &aside).unwrap();
    let gone = "the backup key is gone from here: no snapshot can be made, read or judged";
    assert_eq!(pack.complaints(8), json!([gone]));
    let said = pack.run(&["backup", "status"], "", 8);
    assert!(
        said.contains("`odoopack secret set BACKUP_KEY --root ") && !said.contains("accept-missing"),
        "{said}"
    );
    let said = pack.run(&["backup", "key", "export"], "", 4);
    assert!(!said.contains("odoopack backup create"), "{said}");
    std::fs::rename(&aside, &key).unwrap();
    assert_eq!(pack.complaints(0), json!([]));
}
