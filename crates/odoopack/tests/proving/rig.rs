//! A pack with a repository and no Odoo: its snapshots are stored by the test.
use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use jiff::{SignedDuration, Timestamp};
use odoopack_core::backup::{
    Attachments, Code, Database, Dump, FORMAT, Manifest, Seconds, paths, write_attachment,
};
use odoopack_core::secret::SecretText;
use odoopack_repository::{Holder, Item, Label, Parts, Place, Repository};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

pub(crate) const KEY: &str = "ABCD-EFGH-JKLM";
const FILE: &str = "format = 1\n[pack]\nname = \"proving\"\n[web]\nhttp_port = 18380\nhttps_port = 18343\n\
                    [environments.production]\ndomain = \"erp.localhost\"\n";
const DUMP: &[u8] = b"a dump";

pub(crate) struct Pack {
    _keep: tempfile::TempDir,
    pub(crate) root: PathBuf,
    repository: Repository,
}

impl Pack {
    pub(crate) fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let root = keep.path().canonicalize().unwrap().join("pack");
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
    pub(crate) fn run(&self, args: &[&str], input: &str, code: i32) -> String {
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
    pub(crate) fn store(&self, files: Vec<Item>, manifest: Option<&Manifest>) -> String {
        self.store_naming(&[], files, manifest)
    }

    /// The same of a database that names more than is stored.
    pub(crate) fn store_naming(
        &self,
        more: &[&str],
        files: Vec<Item>,
        manifest: Option<&Manifest>,
    ) -> String {
        let id = self.store_of("production", Timestamp::now(), (more, files), manifest);
        self.note("made", &id, &json!({ "missing": 0 }));
        id
    }

    /// A snapshot of an environment with one attachment, as old as that, of which nothing is noted.
    pub(crate) fn store_old(&self, environment: &str, hours: i64) -> String {
        let time = Timestamp::now() - SignedDuration::from_hours(hours);
        let content = format!("{environment} {hours}");
        let files = vec![attachment(content.as_bytes(), content.as_bytes())];
        self.store_of(environment, time, (&[], files), Some(&manifest()))
    }

    fn store_of(
        &self,
        environment: &str,
        time: Timestamp,
        (more, mut files): (&[&str], Vec<Item>),
        manifest: Option<&Manifest>,
    ) -> String {
        let label = Label {
            pack: "proving".to_owned(),
            environment: environment.to_owned(),
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
        let list: String = places
            .iter()
            .map(|(place, size)| write_attachment(place, *size, ""))
            .collect();
        let items = std::iter::once(Ok(Item::small(paths::ATTACHMENTS, list, time)))
            .chain(Parts::new(Cursor::new(DUMP.to_vec()), paths::DUMP, time))
            .chain(files.into_iter().map(Ok))
            .chain(manifest.map(|manifest| Ok(Item::small(paths::MANIFEST, manifest.to_json(), time))));
        let stored = self.repository.store(&writer, &label, items).unwrap();
        stored.publish().unwrap().id
    }

    pub(crate) fn note(&self, event: &str, snapshot: &str, detail: &Value) {
        self.note_old(event, snapshot, 0, detail);
    }

    /// The same of some hours ago.
    pub(crate) fn note_old(&self, event: &str, snapshot: &str, hours: i64, detail: &Value) {
        let at = Timestamp::now() - SignedDuration::from_hours(hours);
        let line = json!({ "at": at, "event": event, "environment": "production", "snapshot": snapshot,
                           "seconds": 1.0, "detail": detail });
        let path = self.root.join("data/odoopack/backups.jsonl");
        let mut file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        writeln!(file, "{line}").unwrap();
    }

    pub(crate) fn record(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.root.join("data/odoopack/backups.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Writes more into the file of the pack.
    pub(crate) fn configure(&self, more: &str) {
        std::fs::write(self.root.join("repo/odoopack.toml"), format!("{FILE}{more}")).unwrap();
    }

    /// A document that a command prints.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let said = self.run(&[args, &["--json"]].concat(), "", 0);
        serde_json::from_str(said.lines().next().unwrap()).unwrap()
    }

    /// Names of the snapshots that are listed, oldest first.
    pub(crate) fn listed(&self, more: &[&str]) -> Vec<String> {
        let list = self.json(&[&["backup", "list"], more].concat());
        let id = |one: &Value| one["snapshot"].as_str().unwrap().to_owned();
        list.as_array().unwrap().iter().map(id).collect()
    }

    pub(crate) fn complaints(&self, code: i32) -> Value {
        let said = self.run(&["backup", "status", "--json"], "", code);
        let document: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        document["complaints"].clone()
    }

    pub(crate) fn drill(&self, level: &str, code: i32) -> String {
        self.run(&["backup", "drill", "--level", level], "", code)
    }
}

pub(crate) fn manifest() -> Manifest {
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
pub(crate) fn attachment(named: &[u8], content: &[u8]) -> Item {
    let name = format!("{:x}", Sha1::digest(named));
    Item::small(
        format!("filestore/{}/{name}", &name[..2]),
        content.to_vec(),
        Timestamp::UNIX_EPOCH,
    )
}
