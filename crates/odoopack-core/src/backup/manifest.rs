//! `manifest.json`: everything that a restore must know or compare, taken under the same database snapshot as the data.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sorting::{Provider, Sorting};

/// Version of the manifest's shape.
pub const FORMAT: u32 = 1;

/// Where things are in a snapshot.
pub mod paths {
    /// Rendered configuration, as it was below `data/config`.
    pub const CONFIG: &str = "config";
    /// `pg_dump -Fc`, uncompressed, in parts: `cat part-* | pg_restore`.
    pub const DUMP: &str = "database/dump";
    /// One line per attachment that the database names: file, size, SHA-1, between tabs.
    pub const ATTACHMENTS: &str = "database/attachments.tsv";
    /// Odoo's filestore of the database.
    pub const FILESTORE: &str = "filestore";
    /// The manifest.
    pub const MANIFEST: &str = "manifest.json";
    /// The repositories of the lock as releases are built from them, a directory each; older snapshots have none.
    pub const ADDONS: &str = "pack/addons";
    /// The pack's directory as it was, without its history.
    pub const PACK: &str = "pack/tree";
    /// The pack's history as a git bundle, in parts like the dump; only where it is a git repository.
    pub const HISTORY: &str = "pack/history";
    /// Directories whose files, one after the other, are one stream.
    pub const IN_PARTS: &[&str] = &[DUMP, HISTORY];
    /// Secret values, one file each; the backup key itself is not among them.
    pub const SECRETS: &str = "secrets";
    /// Certificates and the pack's own authority.
    pub const TLS: &str = "tls";
}

/// What a snapshot says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this shape.
    pub format: u32,
    /// Version of odoopack that wrote it.
    pub odoopack: String,
    /// Name of the pack.
    pub pack: String,
    /// Name of the environment.
    pub environment: String,
    /// `production`, `staging` or `development`.
    pub kind: String,
    /// When the database was read, RFC 3339.
    pub taken: String,
    /// Code that ran.
    pub code: Code,
    /// The database.
    pub database: Database,
    /// Installed modules with their versions.
    pub modules: BTreeMap<String, String>,
    /// The filestore against what the database names.
    pub attachments: Attachments,
    /// Files of the pack's directory that could not be taken, each with its reason; older snapshots do not say.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// How long each part took.
    pub seconds: Seconds,
}

/// Code that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// Odoo's series.
    pub series: String,
    /// Id of the release; absent when none was built here.
    pub release: Option<String>,
    /// Exactly which Odoo that was: package version and hash, or commit.
    pub identity: Option<String>,
    /// Commit of the pack; absent where it is no git repository.
    pub commit: Option<String>,
}

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The role that owned it.
    pub owner: String,
    /// `server_version` of the server.
    pub server: String,
    /// Its major version.
    pub major: u16,
    /// Encoding, collation and character type.
    pub locale: [String; 3],
    /// Who sorts its texts where that is not the C library; older snapshots do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// Bytes on disk (`pg_database_size`).
    pub size: u64,
    /// Odoo's own identity of the database (`database.uuid`).
    pub uuid: Option<String>,
    /// Extensions with their versions.
    pub extensions: BTreeMap<String, String>,
    /// Schemas of those that are in no schema of the server's own; older snapshots do not say.
    #[serde(default)]
    pub extension_schemas: BTreeMap<String, String>,
    /// Whether `unaccent(text)` was marked immutable, or an index needs it to be.
    pub unaccent_immutable: bool,
    /// Tables with their rows, by `schema.table`.
    pub tables: BTreeMap<String, Table>,
    /// Indexes, `schema.index`.
    pub indexes: Vec<String>,
    /// The dump.
    pub dump: Dump,
}

impl Database {
    /// How it sorts its texts.
    pub fn sorting(&self) -> Sorting {
        let [_, collate, ctype] = self.locale.clone();
        let provider = self.provider.clone();
        Sorting {
            collate,
            ctype,
            provider,
        }
    }
}

/// One table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Table {
    /// Rows that the snapshot sees.
    pub rows: u64,
}

/// The dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dump {
    /// Archive format of `pg_dump`: `custom`.
    pub format: String,
    /// Bytes, uncompressed.
    pub size: u64,
    /// Files it was cut into.
    pub parts: u64,
}

/// The filestore against what the database names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachments {
    /// Files that the database names in its filestore.
    pub named: u64,
    /// Files that were stored.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that the database names and that were not there when the backup began.
    pub missing: Vec<String>,
    /// How many it names besides that a module keeps in a storage of its own; older snapshots count them as missing.
    #[serde(default)]
    pub elsewhere: u64,
}

/// How long each part took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Reading the database, stored at the same time.
    pub database: f64,
    /// The filestore.
    pub filestore: f64,
}

/// A manifest that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadManifest {
    /// It is no JSON of this shape.
    #[error("the manifest cannot be read: {0}")]
    Shape(String),
    /// A newer program wrote it.
    #[error("the manifest has format {0}, this program reads up to {FORMAT}: use a newer odoopack")]
    Newer(u32),
}

impl Manifest {
    /// The manifest as JSON with line ends, so that equal parts of two days are found again.
    ///
    /// # Panics
    /// Never: plain data always serializes.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data always serializes") + "\n"
    }

    /// Reads a manifest; keys that this program does not know are passed over.
    ///
    /// # Errors
    /// When it is none, or of a newer format.
    pub fn from_json(text: &str) -> Result<Self, BadManifest> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let shape = |e: serde_json::Error| BadManifest::Shape(e.to_string());
        let Format { format } = serde_json::from_str(text).map_err(shape)?;
        if format > FORMAT {
            return Err(BadManifest::Newer(format));
        }
        serde_json::from_str(text).map_err(shape)
    }
}

/// The line of `attachments.tsv` for one file.
pub fn write_attachment(file: &str, size: i64, sha1: &str) -> String {
    format!("{file}\t{size}\t{sha1}\n")
}

/// The rows of `attachments.tsv`: file, size, SHA-1.
///
/// # Errors
/// The first line that is none.
pub fn read_attachments(text: &str) -> Result<Vec<(String, i64, String)>, BadManifest> {
    let row = |line: &str| {
        let mut fields = line.split('\t');
        let (file, size, sha1) = (fields.next()?, fields.next()?.parse().ok()?, fields.next()?);
        fields
            .next()
            .is_none()
            .then(|| (file.to_owned(), size, sha1.to_owned()))
    };
    text.lines()
        .map(|line| row(line).ok_or_else(|| BadManifest::Shape(format!("no attachment: `{line}`"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Manifest {
        Manifest {
            format: FORMAT,
            odoopack: "0.1.0".to_owned(),
            pack: "demo".to_owned(),
            environment: "production".to_owned(),
            kind: "production".to_owned(),
            taken: "2026-11-26T12:00:00Z".to_owned(),
            code: Code {
                series: "19.0".to_owned(),
                release: Some("19.0-abc".to_owned()),
                identity: None,
                commit: None,
            },
            database: Database {
                name: "demo".to_owned(),
                owner: "demo_production".to_owned(),
                server: "15.14".to_owned(),
                major: 15,
                locale: ["UTF8".to_owned(), "C".to_owned(), "C.UTF-8".to_owned()],
                provider: None,
                size: 1,
                uuid: None,
                extensions: BTreeMap::new(),
                extension_schemas: BTreeMap::new(),
                unaccent_immutable: true,
                tables: BTreeMap::from([("public.res_users".to_owned(), Table { rows: 5 })]),
                indexes: vec![],
                dump: Dump {
                    format: "custom".to_owned(),
                    size: 9,
                    parts: 1,
                },
            },
            modules: BTreeMap::new(),
            attachments: Attachments::default(),
            left_out: vec!["x: its name is no UTF-8".to_owned()],
            seconds: Seconds::default(),
        }
    }

    #[test]
    fn comes_back_as_it_was_written() {
        assert_eq!(Manifest::from_json(&some().to_json()), Ok(some()));
        assert!(some().to_json().contains("\"public.res_users\": 5"));
    }

    #[test]
    fn who_sorts_comes_back_and_older_snapshots_say_nothing_of_it() {
        let mut manifest = some();
        assert!(!manifest.to_json().contains("provider"));
        assert_eq!(manifest.database.sorting(), Sorting::of_odoo());
        manifest.database.provider = Some(Provider {
            name: "icu".to_owned(),
            locale: "de-DE".to_owned(),
            rules: None,
        });
        let back = Manifest::from_json(&manifest.to_json()).unwrap();
        assert_eq!(back, manifest);
        assert_eq!(back.database.sorting().to_string(), "de-DE of icu");
    }

    #[test]
    fn a_newer_one_is_refused_and_an_unknown_key_is_not() {
        let newer = some().to_json().replacen("\"format\": 1", "\"format\": 2", 1);
        assert_eq!(Manifest::from_json(&newer), Err(BadManifest::Newer(2)));
        let more = some()
            .to_json()
            .replacen("\"pack\"", "\"later\": [1],\n \"pack\"", 1);
        assert_eq!(Manifest::from_json(&more), Ok(some()));
        let older = some().to_json().replacen("\"left_out\"", "\"other\"", 1);
        assert_eq!(
            Manifest::from_json(&older).unwrap().left_out,
            Vec::<String>::new()
        );
        assert!(matches!(Manifest::from_json("{}"), Err(BadManifest::Shape(_))));
    }

    #[test]
    fn attachments_come_back_and_a_broken_line_is_told() {
        let rows = [("ab/abcd", 12, "abcd"), ("cd/cdef", 0, "")];
        let text = rows
            .map(|(file, size, sha1)| write_attachment(file, size, sha1))
            .concat();
        let back = read_attachments(&text).unwrap();
        assert_eq!(back, rows.map(|(f, s, h)| (f.to_owned(), s, h.to_owned())));
        assert!(read_attachments("ab/abcd\tx\tabcd\n").is_err() && read_attachments("ab\n").is_err());
    }
}
