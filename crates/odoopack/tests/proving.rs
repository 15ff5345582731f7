//! What a drill writes down of a snapshot, and what `backup status` makes of it: on a repository with a snapshot of a few bytes.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts programs, writes files, and shall panic when it cannot go on"
)]

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use jiff::Timestamp;
use odoopack_core::backup::{
    Attachments, Code, Database, Dump, FORMAT, Manifest, Seconds, paths, write_attachments,
};
use odoopack_core::secret::SecretText;
use odoopack_repository::{Holder, Item, Label, Parts, Place, Repository};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

const KEY: &str = "ABCD-EFGH-JKLM";
const FILE: &str = "format = 1\n[pack]\nname = \"proving\"\n[web]\nhttp_port = 18380\nhttps_port = 18343\n\
                    [environments.production]\ndomain = \"erp.localhost\"\n";
const DUMP: &[u8] = b"a dump";

struct Pack {
    _keep: tempfile::TempDir,
    root: PathBuf,
    repository: Repository,
}

impl Pack {
    fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let root = keep.path().canonicalize().unwrap();
        for directory in ["repo", "data/odoopack", "backups"] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        std::fs::write(root.join("repo/odoopack.toml"), FILE).unwrap();
        let place = Place::Directory(root.join("backups").to_str().unwrap().to_owned());
        let repository = Repository::create(&place, &SecretText::new(KEY)).unwrap();
        let pack = Self {
            _keep: keep,
            root,
            repository,
        };
        pack.run(&["secret", "set", "BACKUP_KEY"], KEY, 0);
        pack
    }

    #[track_caller]
    fn run(&self, args: &[&str], input: &str, code: i32) -> String {
        let mut child = Command::new(env!("CARGO_BIN_EXE_odoopack"))
            .arg("--root")
            .arg(&self.root)
            .args(args)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let Output {
            status,
            stdout,
            stderr,
        } = child.wait_with_output().unwrap();
        let (said, wrong) = (
            String::from_utf8(stdout).unwrap(),
            String::from_utf8_lossy(&stderr).into_owned(),
        );
        assert_eq!(status.code(), Some(code), "{args:?}\n{said}{wrong}");
        said + &wrong
    }

    /// Stores these files and notes that it was made here; returns its name.
    fn store(&self, files: Vec<Item>, manifest: Option<&Manifest>) -> String {
        self.store_naming(&[], files, manifest)
    }

    /// The same of a database that names more than is stored.
    fn store_naming(&self, more: &[&str], mut files: Vec<Item>, manifest: Option<&Manifest>) -> String {
        let time = Timestamp::now();
        let label = Label {
            pack: "proving".to_owned(),
            environment: "production".to_owned(),
            time,
            note: None,
        };
        let holder = Holder {
            host: "here".to_owned(),
            boot: "1".to_owned(),
            pid: std::process::id(),
            why: "a test".to_owned(),
        };
        let writer = self.repository.writer(&holder).unwrap();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let mut places: Vec<(String, i64)> = files
            .iter()
            .map(|item| {
                (
                    item.path["filestore/".len()..].to_owned(),
                    i64::try_from(item.size).unwrap(),
                )
            })
            .collect();
        places.extend(more.iter().map(|place| ((*place).to_owned(), 3)));
        let list = write_attachments(places.iter().map(|(place, size)| (place.as_str(), *size, "")));
        let items = std::iter::once(Ok(Item::small(paths::ATTACHMENTS, list, time)))
            .chain(Parts::new(Cursor::new(DUMP.to_vec()), paths::DUMP, time))
            .chain(files.into_iter().map(Ok))
            .chain(manifest.map(|manifest| Ok(Item::small(paths::MANIFEST, manifest.to_json(), time))));
        let stored = self.repository.store(&writer, &label, items).unwrap();
        let snapshot = stored.publish().unwrap();
        self.note("made", &snapshot.id, &json!({ "missing": 0 }));
        snapshot.id
    }

    fn note(&self, event: &str, snapshot: &str, detail: &Value) {
        let line = json!({ "at": Timestamp::now(), "event": event, "environment": "production", "snapshot": snapshot,
                           "seconds": 1.0, "detail": detail });
        let path = self.root.join("data/odoopack/backups.jsonl");
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, "{line}").unwrap();
    }

    fn record(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.root.join("data/odoopack/backups.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    fn complaints(&self, code: i32) -> Value {
        let said = self.run(&["backup", "status", "--json"], "", code);
        let document: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        document["complaints"].clone()
    }

    fn drill(&self, level: &str, code: i32) -> String {
        self.run(&["backup", "drill", "--level", level], "", code)
    }
}

fn manifest() -> Manifest {
    Manifest {
        format: FORMAT,
        odoopack: "0.1.0".to_owned(),
        pack: "proving".to_owned(),
        environment: "production".to_owned(),
        kind: "production".to_owned(),
        taken: Timestamp::now().to_string(),
        code: Code {
            series: "19.0".to_owned(),
            release: None,
            identity: None,
            commit: None,
        },
        database: Database {
            name: "proving".to_owned(),
            owner: "proving_production".to_owned(),
            server: "15.14".to_owned(),
            major: 15,
            locale: ["UTF8".to_owned(), "C".to_owned(), "C.UTF-8".to_owned()],
            provider: None,
            size: 1,
            uuid: None,
            extensions: BTreeMap::new(),
            extension_schemas: BTreeMap::new(),
            unaccent_immutable: true,
            tables: BTreeMap::new(),
            indexes: Vec::new(),
            dump: Dump {
                format: "custom".to_owned(),
                size: DUMP.len() as u64,
                parts: 1,
            },
        },
        modules: BTreeMap::new(),
        attachments: Attachments::default(),
        seconds: Seconds::default(),
        left_out: Vec::new(),
    }
}

/// An attachment with `content`, under the name that `named` gives it.
fn attachment(named: &[u8], content: &[u8]) -> Item {
    let name = format!("{:x}", Sha1::digest(named));
    Item::small(
        format!("filestore/{}/{name}", &name[..2]),
        content.to_vec(),
        Timestamp::UNIX_EPOCH,
    )
}

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
    assert_eq!(pack.complaints(8), json!(["production: the last drill failed"]));
    // The name was mistyped: that says nothing of any snapshot.
    let before = pack.record();
    pack.run(&["backup", "drill", "0000000000"], "", 4);
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
fn attachments_that_are_damaged_are_noted_and_more_of_them_than_before_fail_a_drill() {
    let pack = Pack::new();
    pack.run(&["backup", "key", "confirm"], KEY, 0);
    let id = pack.store(
        vec![attachment(b"one", b"one"), attachment(b"two", b"tw0")],
        Some(&manifest()),
    );
    pack.note("proven", &id, &json!({ "missing": 0 }));
    let said = pack.drill("read", 0);
    assert!(said.contains("1 attachments were already damaged"), "{said}");
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
        json!(["production: the last drill failed", damaged])
    );
}
