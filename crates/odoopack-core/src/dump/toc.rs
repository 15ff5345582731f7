//! The table of contents of a custom or directory dump, as `pg_restore --list` prints it.
use std::collections::BTreeSet;

/// What to restore, and what an administrator must have done before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The list for `pg_restore --use-list`.
    pub list: String,
    /// Extensions that the dump wants.
    pub extensions: Vec<String>,
    /// Entries that only a superuser could restore, left out.
    pub skipped: Vec<String>,
    /// Extensions that no data needs, left out.
    pub needless: Vec<String>,
    /// Names of tables with rows (`schema.table`).
    pub tables: Vec<String>,
    /// Names of indexes and constraints.
    pub indexes: usize,
    /// Major of the server that the dump is from.
    pub server: Option<u16>,
}

/// Kinds of entries that say who owned things, or that an administrator has done before.
const LEFT_OUT: &[&str] = &[
    "COMMENT - EXTENSION ",
    "COMMENT - SCHEMA public",
    "SCHEMA - public",
    "ACL ",
    "DEFAULT ACL ",
    "DATABASE ",
];

/// Kinds of entries that only a superuser can restore.
const SUPERUSERS: &[&str] = &[
    "PUBLICATION",
    "SUBSCRIPTION",
    "EVENT TRIGGER",
    "SECURITY LABEL",
    "FOREIGN DATA WRAPPER",
    "SERVER ",
    "USER MAPPING",
    "FOREIGN TABLE",
    "PROCEDURAL LANGUAGE",
    "ACCESS METHOD",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    // What is said of those that are left out.
    "COMMENT - PUBLICATION",
    "COMMENT - SUBSCRIPTION",
    "COMMENT - EVENT TRIGGER",
    "COMMENT - FOREIGN DATA WRAPPER",
    "COMMENT - SERVER ",
    "COMMENT public FOREIGN TABLE",
];

/// What a role can make that may use the wrapper; whom it is to be at the other server (`USER MAPPING`) is of the old machine.
const SERVERS: &[&str] = &[
    "SERVER ",
    "FOREIGN TABLE",
    "COMMENT - SERVER ",
    "COMMENT public FOREIGN TABLE",
];

/// Reads the list; the schemas `made` are there already, and `servers` says whether the role may name other servers.
///
/// # Source
/// PostgreSQL 15, `pg_backup_archiver.c` `PrintTOCSummary`: `id; tableoid oid KIND schema name owner`.
pub fn parse(list: &str, made: &BTreeSet<String>, servers: bool) -> Contents {
    let mut contents = Contents::default();
    for line in list.lines() {
        let line = line.trim_end();
        if let Some(comment) = line.strip_prefix(';') {
            if let Some((_, version)) = comment.split_once("Dumped from database version: ") {
                contents.server = version
                    .split(['.', ' '])
                    .next()
                    .and_then(|major| major.parse().ok());
            }
            continue;
        }
        let Some(entry) = entry(line) else { continue };
        if let Some(name) = entry.strip_prefix("EXTENSION - ") {
            let name = name.split_whitespace().next().unwrap_or_default();
            if super::NEEDLESS.contains(&name) {
                contents.needless.push(name.to_owned());
                continue;
            }
            contents.extensions.push(name.to_owned());
            if super::MADE_BEFORE.contains(&name) {
                continue;
            }
        }
        let is_made = |schema: &String| is(entry, &format!("SCHEMA - {schema}"));
        if LEFT_OUT.iter().any(|kind| is(entry, kind)) || made.iter().any(is_made) {
            continue;
        }
        let begins = |kinds: &[&str]| kinds.iter().any(|kind| entry.starts_with(kind));
        if begins(SUPERUSERS) && !(servers && begins(SERVERS)) {
            contents.skipped.push(entry.to_owned());
            continue;
        }
        if let Some(name) = entry.strip_prefix("TABLE DATA ") {
            let mut words = name.split_whitespace();
            let table = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            contents.tables.push(format!("{}.{}", table.0, table.1));
        }
        if entry.starts_with("INDEX ") || entry.starts_with("CONSTRAINT ") {
            contents.indexes += 1;
        }
        contents.list.push_str(line);
        contents.list.push('\n');
    }
    contents
}

/// Whether it begins with these words, the last one whole: `public` is not `publications`.
fn is(entry: &str, words: &str) -> bool {
    entry
        .strip_prefix(words)
        .is_some_and(|rest| words.ends_with(' ') || rest.is_empty() || rest.starts_with(' '))
}

/// Kind, schema, name and owner of a line.
fn entry(line: &str) -> Option<&str> {
    let (id, rest) = line.split_once("; ")?;
    id.parse::<u64>().ok()?;
    let mut parts = rest.splitn(3, ' ');
    parts.next()?.parse::<u64>().ok()?;
    parts.next()?.parse::<u64>().ok()?;
    parts.next()
}
