//! The second place: what cannot be copied keeps nothing else from going there, and one machine alone writes there.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use odoopack_core::secret::SecretText;
use odoopack_repository::{Holder, Place, Repository};
use serde_json::{Value, json};

use crate::rig::{KEY, Pack};

/// A pack with a directory as its second place, where everything is wanted.
fn with_a_second_place() -> Pack {
    let pack = Pack::new();
    pack.configure(&format!(
        "[environments.core]\nkind = \"staging\"\ndomain = \"core.localhost\"\n\
         [backup.offsite]\ndirectory = \"{}\"\nkeep = {{ last = 9 }}\n",
        elsewhere(&pack, "").display()
    ));
    pack
}

/// A place beside the pack.
fn elsewhere(pack: &Pack, below: &str) -> PathBuf {
    pack.root.with_file_name("elsewhere").join(below)
}

fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let mut all = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path);
        }
    }
    all
}

/// Stores a snapshot; returns the files with its data too.
fn store(pack: &Pack, hours: i64) -> (String, Vec<PathBuf>) {
    let data = pack.root.join("backups/data");
    let before = files(&data);
    let id = pack.store_old("production", hours);
    (id, files(&data).difference(&before).cloned().collect())
}

fn damage(all: &[PathBuf]) {
    for file in all {
        let mut bytes = std::fs::read(file).unwrap();
        // After what makes each encryption different.
        bytes[20] ^= 1;
        std::fs::write(file, bytes).unwrap();
    }
}

fn events(pack: &Pack, event: &str) -> Vec<Value> {
    let mut all = pack.record();
    all.retain(|line| line["event"] == event);
    all
}

#[test]
fn a_snapshot_that_cannot_be_copied_keeps_no_other_from_it() {
    let pack = with_a_second_place();
    let oldest = pack.store_old("production", 72);
    let (damaged, data) = store(&pack, 48);
    let newest = pack.store_old("production", 24);
    let of_core = pack.store_old("core", 1);
    damage(&data);
    pack.note("proven", &oldest, &Value::Null);
    let would = pack.json(&["backup", "offsite", "--dry-run"]);
    // What people work with goes first.
    assert_eq!(would["would_copy"], json!([newest, damaged, oldest, of_core]));
    let said = pack.run(&["backup", "offsite"], "", 1);
    assert!(
        said.contains(&format!("could not copy snapshot {damaged}"))
            && said.contains(&format!("`odoopack backup forget {damaged} --root ")),
        "{said}"
    );
    let others = [oldest, newest, of_core];
    assert_eq!(pack.listed(&["--offsite"]), others);
    // Everything that follows was done all the same.
    assert_eq!(files(&elsewhere(&pack, "odoopack/notes")).len(), 1);
    assert_eq!(events(&pack, "read").len(), 1);
    assert_eq!(events(&pack, "not-copied").len(), 1);
    let complaints = pack.complaints(8).to_string();
    assert!(
        complaints.contains("the last copy off site failed"),
        "{complaints}"
    );
    // Whoever has read all of it is not told to do that.
    let said = pack.run(&["backup", "drill", &damaged, "--level", "read"], "", 1);
    assert!(
        said.contains("hint: `odoopack backup forget ") && !said.contains("--level read"),
        "{said}"
    );
    // Until somebody gives it up.
    pack.run(&["backup", "offsite"], "", 1);
    pack.run(&["backup", "forget", &damaged, "--yes"], "", 0);
    pack.run(&["backup", "offsite"], "", 0);
    assert_eq!(pack.listed(&["--offsite"]), others);
}

/// What is whole here is copied there again in the same run, and nobody is told to give it up.
#[test]
fn what_was_lost_there_is_copied_again_and_no_snapshot_is_given_up_for_it() {
    let pack = with_a_second_place();
    pack.store_old("production", 72);
    pack.run(&["backup", "offsite"], "", 0);
    for file in files(&elsewhere(&pack, "data")) {
        std::fs::remove_file(file).unwrap();
    }
    let second = pack.store_old("production", 24);
    let said = pack.run(&["backup", "offsite"], "", 0);
    assert!(
        said.contains("is not there") && !said.contains("forget") && !said.contains("drill"),
        "{said}"
    );
    assert!(events(&pack, "not-copied").is_empty());
    pack.run(&["backup", "cat", "--offsite", &second, "manifest.json"], "", 0);
    // Somebody else at work there is no copy that failed.
    let place = Place::Directory(elsewhere(&pack, "").to_str().unwrap().to_owned());
    let there = Repository::open(&place, &SecretText::new(KEY)).unwrap();
    let holder = Holder {
        host: "there".to_owned(),
        boot: "1".to_owned(),
        pid: 1,
        why: "a test".to_owned(),
    };
    let writer = there.writer(&holder).unwrap();
    pack.run(&["backup", "offsite"], "", 5);
    drop(writer);
    assert!(events(&pack, "not-copied").is_empty());
}

#[test]
fn a_second_place_that_takes_nothing_is_asked_once() {
    let pack = with_a_second_place();
    pack.store_old("production", 72);
    pack.run(&["backup", "offsite"], "", 0);
    pack.store_old("production", 48);
    pack.store_old("production", 24);
    let data = elsewhere(&pack, "data");
    std::fs::rename(&data, pack.root.join("aside")).unwrap();
    std::fs::create_dir(&data).unwrap();
    // Where a directory of packs would be is a file.
    for first in 0..=u8::MAX {
        std::fs::write(data.join(format!("{first:02x}")), "no directory").unwrap();
    }
    let said = pack.run(&["backup", "offsite"], "", 1);
    assert_eq!(said.matches("FAILED").count(), 1, "{said}");
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(pack.root.join("aside"), &data).unwrap();
    pack.run(&["backup", "offsite"], "", 0);
    assert_eq!(pack.listed(&["--offsite"]).len(), 3);
}

/// Neither a copy nor a removal is begun, and the way is said.
fn refuses_to_write_there(pack: &Pack, why: &str) {
    for refused in [
        &["backup", "offsite"][..],
        &["backup", "offsite", "--dry-run"],
        &["backup", "forget", "--offsite", "--yes"],
    ] {
        let said = pack.run(refused, "", 4);
        assert!(
            said.contains(why) && said.contains("`odoopack backup offsite --take-over --root "),
            "{said}"
        );
    }
}

#[test]
fn a_second_machine_does_not_write_among_the_snapshots_of_the_first() {
    let pack = with_a_second_place();
    let id = pack.store_old("production", 72);
    pack.run(&["backup", "offsite"], "", 0);
    let there = files(&elsewhere(&pack, "snapshots"));
    // A machine that was recovered, or lost its record: it cannot know of what is there.
    let record = pack.root.join("data/odoopack/backups.jsonl");
    std::fs::remove_file(&record).unwrap();
    pack.store_old("production", 24);
    refuses_to_write_there(&pack, "holds 1 snapshots of this pack already");
    let said = pack.run(&["backup", "pin", &id], "", 0);
    assert!(said.contains("could not pin its copy off site"), "{said}");
    assert_eq!(files(&elsewhere(&pack, "snapshots")), there);
    let complaints = pack.complaints(8).to_string();
    assert!(
        complaints.contains("the last copy off site failed"),
        "{complaints}"
    );
    let said = pack.run(&["backup", "offsite", "--take-over"], "", 0);
    assert!(said.contains("must not run any more"), "{said}");
    assert_eq!(pack.listed(&["--offsite"]).len(), 2);
    // From now on it knows of both.
    assert_eq!(events(&pack, "offsite").len(), 2);
    pack.run(&["backup", "offsite"], "", 0);
    pack.run(&["backup", "forget", "--offsite", &id, "--yes"], "", 0);
    assert_eq!(pack.listed(&["--offsite"]).len(), 1);
}

/// What it knows, and what it has stored, is the same up to the day of the clone.
#[test]
fn of_a_machine_and_its_clone_one_goes_on() {
    let pack = with_a_second_place();
    pack.store_old("production", 72);
    pack.run(&["backup", "offsite"], "", 0);
    let [state, original, clone] = ["data/odoopack", "original", "clone"].map(|name| pack.root.join(name));
    let copy = |from: &Path, to: &Path| {
        drop(std::fs::remove_dir_all(to));
        let copied = Command::new("cp").arg("-a").args([from, to]).status();
        assert!(copied.unwrap().success());
    };
    copy(&state, &clone);
    pack.store_old("production", 48);
    pack.run(&["backup", "offsite"], "", 0);
    copy(&state, &original);
    let there = files(&elsewhere(&pack, "snapshots"));
    copy(&clone, &state);
    pack.store_old("production", 24);
    refuses_to_write_there(&pack, "was made by another machine");
    assert_eq!(files(&elsewhere(&pack, "snapshots")), there);
    // The one that is told to goes on, and then the other does not.
    pack.run(&["backup", "offsite", "--take-over"], "", 0);
    pack.run(&["backup", "offsite"], "", 0);
    copy(&original, &state);
    let said = pack.run(&["backup", "offsite"], "", 4);
    assert!(said.contains("was made by another machine"), "{said}");
}

#[test]
fn a_machine_that_lost_its_own_snapshots_is_no_second_one() {
    let pack = with_a_second_place();
    pack.store_old("production", 72);
    pack.run(&["backup", "offsite"], "", 0);
    let backups = pack.root.join("backups");
    std::fs::remove_dir_all(&backups).unwrap();
    let place = Place::Directory(backups.to_str().unwrap().to_owned());
    Repository::create(&place, &SecretText::new(KEY)).unwrap();
    pack.run(&["backup", "offsite"], "", 0);
    assert_eq!(pack.listed(&["--offsite"]).len(), 1);
}
