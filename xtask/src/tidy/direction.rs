//! Which module of the binary may name which: `commands` never reaches past the layer below it.
use super::Note;
use super::rust::{self, Named};
use super::tree::{File, Tree};

const SOURCES: &str = "crates/odoopack/src/";

/// A row per module in `crates/odoopack/src`: what it may name besides itself. What is not in the row is refused.
#[rustfmt::skip]
const MAY_USE: &[(&str, &[&str])] = &[
    ("main",     &["cli", "commands", "context", "exec", "failure", "interrupt", "store", "ui"]),
    ("cli",      &["commands", "context", "failure", "hint", "ui"]),
    ("commands", &["apply", "backup", "cli", "context", "engines", "failure", "files", "gate", "hint", "jobs", "lockfile", "observe", "oca",
                   "password", "probe", "session", "store", "ui"]),
    // Each a child of this program, so that it needs nothing of what they do.
    ("jobs",     &["exec", "failure", "files", "interrupt", "store", "ui"]),
    ("context",  &["exec", "failure", "files", "hint", "observe", "release", "store", "ui"]),
    // Looks, and changes nothing: never `apply`, and of `files` only what reads.
    ("observe",  &["context", "exec", "failure", "files", "gate", "probe", "release", "store", "tls", "tools"]),
    ("apply",    &["context", "engines", "exec", "failure", "files", "gate", "interrupt", "observe", "oca", "oneshot", "password", "probe",
                   "release", "store", "tls", "tools", "ui"]),
    // Snapshots of environments in the repository.
    ("backup",   &["context", "engines", "exec", "failure", "files", "observe", "oca", "store", "tools", "ui"]),
    // Starts and stops, then looks whether it did.
    ("engines",  &["context", "exec", "failure", "files", "observe", "probe", "store", "tools", "ui"]),
    // Odoo run once: its log judged.
    ("oneshot",  &["exec", "failure", "files", "observe", "tools", "ui"]),
    // Interactive programs as an environment sees the world.
    ("session",  &["context", "exec", "failure", "observe", "oneshot", "store", "tools"]),
    // From the source that the file names to code that runs.
    ("release",  &["exec", "failure", "files", "observe", "oca", "tools", "ui"]),
    // `oca.lock.json` as a whole: made, compared, verified.
    ("lockfile", &["context", "failure", "files", "oca", "release", "ui"]),
    // Repositories of modules and the lock that pins them.
    ("oca",      &["exec", "failure", "files", "store", "tools", "ui"]),
    ("tools",    &["exec", "failure"]),
    ("store",    &["exec", "failure", "files", "interrupt"]),
    ("tls",      &["failure", "files"]),
    ("password", &[]),
    ("probe",    &["failure"]),
    // Traces what it runs.
    ("exec",     &["failure", "hint", "interrupt", "ui"]),
    // The one signal handler: ends what exec runs.
    ("interrupt", &["files", "ui"]),
    ("files",    &["failure"]),
    ("ui",       &["failure", "hint"]),
    ("failure",  &["hint"]),
    // Which root the commands that are printed name.
    ("hint",     &[]),
    // Runs for months as a process of its own.
    ("gate",     &[]),
];

/// `(module, other, prefix)`: of `other` the module names only what begins so.
const ONLY: &[(&str, &str, &str)] = &[("observe", "files", "read_"), ("interrupt", "files", "read_")];

/// Parts of the core that a module may not name: `(module, part of odoopack_core)`.
const NOT_OF_CORE: &[(&str, &str)] = &[
    ("tools", "spec"),
    ("gate", "spec"),
    ("exec", "spec"),
    ("files", "spec"),
];

/// Modules whose files do not know each other, only what stands directly in the module.
const STRANGERS: &[&str] = &["tools"];

pub(crate) fn check(tree: &Tree) -> Vec<Note> {
    tree.files
        .iter()
        .filter(|file| file.is_rust())
        .flat_map(check_file)
        .collect()
}

fn check_file(file: &File) -> Vec<Note> {
    let Some(inner) = file
        .path
        .strip_prefix(SOURCES)
        .and_then(|path| path.strip_suffix(".rs"))
    else {
        return Vec::new();
    };
    let module: Vec<&str> = match inner.split('/').collect::<Vec<_>>() {
        segments if segments.last() == Some(&"mod") => segments[..segments.len() - 1].to_vec(),
        segments => segments,
    };
    if module.last() == Some(&"tests") {
        return Vec::new();
    }
    let Some((_, row)) = MAY_USE.iter().find(|(name, _)| *name == module[0]) else {
        let text = format!(
            "`{}` has no row in the table of xtask/src/tidy/direction.rs",
            module[0]
        );
        return vec![Note::at(file, 1, text)];
    };
    // `super` in main.rs would be outside the crate; its own module is the root.
    let here = if module == ["main"] {
        &[]
    } else {
        module.as_slice()
    };
    let words = rust::without_tests(&rust::words(&file.text));
    let roots: Vec<&str> = ["crate", "odoopack_core"]
        .into_iter()
        .chain(ONLY.iter().map(|(_, other, _)| *other))
        .collect();
    let named = rust::paths(&words, &roots, here);
    let mut notes: Vec<Note> = named
        .iter()
        .filter_map(|path| refusal(&module, row, path).map(|text| Note::at(file, path.line, text)))
        .collect();
    notes.dedup();
    notes
}

/// Why `module` may not name this path.
fn refusal(module: &[&str], row: &[&str], path: &Named) -> Option<String> {
    let own = module[0];
    let from_root: Vec<&str> = path
        .segments
        .iter()
        .map(String::as_str)
        .skip_while(|name| *name == "crate")
        .collect();
    if let Some((_, other, prefix)) = ONLY
        .iter()
        .find(|(name, other, _)| *name == own && *other == from_root[0])
        && let Some(item) = from_root.get(1)
        && !item.starts_with(prefix)
    {
        return Some(format!(
            "`{own}` may use of `{other}` only `{prefix}...`, not `{item}`"
        ));
    }
    let [root, target, rest @ ..] = path.segments.as_slice() else {
        return None;
    };
    if root == "odoopack_core" {
        let refused = NOT_OF_CORE
            .iter()
            .any(|(name, part)| *name == own && part == target);
        return refused.then(|| format!("`{own}` may not use `odoopack_core::{target}`"));
    }
    if root != "crate" {
        return None;
    }
    if target == own {
        let other = rest.first()?;
        let is_stranger = STRANGERS.contains(&own)
            && module.len() > 1
            && other != module[1]
            && rest.len() > 1
            && other.starts_with(char::is_lowercase);
        return is_stranger.then(|| {
            format!(
                "`{own}::{}` may not use `{own}::{other}`: each knows one program",
                module[1]
            )
        });
    }
    // A path to something that is no module of the table (a macro, `crate::VERSION`) is nobody's layer.
    let is_module = MAY_USE.iter().any(|(name, _)| name == target);
    (is_module && !row.contains(&target.as_str())).then(|| format!("`{own}` may not use `{target}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    fn one(path: &str, text: &str) -> Vec<String> {
        said(check, &[(&format!("{SOURCES}{path}"), text)])
    }

    #[test]
    fn a_command_may_not_reach_a_tool() {
        let text = "//! X.\nuse crate::observe;\nuse crate::tools::git;\n";
        let said = one("commands/deploy.rs", text);
        assert_eq!(
            said,
            ["error: crates/odoopack/src/commands/deploy.rs:3: `commands` may not use `tools`"]
        );
    }

    #[test]
    fn whatever_way_it_is_written() {
        for text in [
            "use crate::{ui, exec};",
            "fn f() { crate::exec::run() }",
            "use super::exec;",
            "use crate::{ui::{self, Ui}, exec::{Cmd, Runner}};",
            "pub(crate) use crate::exec as other;",
        ] {
            let said = one("commands/mod.rs", text);
            assert!(!said.is_empty(), "{text}");
            assert!(
                said.iter()
                    .all(|said| said.ends_with("`commands` may not use `exec`")),
                "{text}: {said:?}"
            );
        }
        assert!(
            one("commands/up.rs", "mod deep { use super::super::super::exec; }")[0].ends_with("use `exec`")
        );
    }

    #[test]
    fn looking_may_not_change() {
        assert!(one("observe/disk.rs", "use crate::apply;")[0].ends_with("`observe` may not use `apply`"));
        for text in [
            "use crate::files; fn f() { files::replace() }",
            "use crate::files::{read_text, replace};",
        ] {
            let said = one("observe/disk.rs", text);
            assert_eq!(said.len(), 1, "{text}: {said:?}");
            assert!(
                said[0].ends_with("`observe` may use of `files` only `read_...`, not `replace`"),
                "{said:?}"
            );
        }
        assert_eq!(
            one(
                "observe/disk.rs",
                "use crate::files; fn f() { files::read_text() }"
            ),
            [""; 0]
        );
        assert_eq!(
            one("apply/disk.rs", "use crate::files; fn f() { files::replace() }"),
            [""; 0]
        );
    }

    #[test]
    fn tools_know_neither_each_other_nor_the_file() {
        assert!(
            one("tools/git.rs", "use super::nginx::test;")[0]
                .contains("`tools::git` may not use `tools::nginx`")
        );
        assert!(
            one("tools/git.rs", "use odoopack_core::{name::Name, spec::Spec};")[0]
                .ends_with("`odoopack_core::spec`")
        );
        assert_eq!(
            one(
                "tools/git.rs",
                "use super::Version; use super::minimum; use crate::exec::Cmd;"
            ),
            [""; 0]
        );
    }

    #[test]
    fn the_gate_stands_alone_and_a_new_module_needs_a_row() {
        assert!(one("gate/mod.rs", "use crate::ui;")[0].ends_with("`gate` may not use `ui`"));
        assert!(one("daemon.rs", "//! X.")[0].contains("`daemon` has no row"));
    }

    #[test]
    fn tests_comments_and_macros_are_free() {
        let text = "// crate::exec\n#[cfg(test)]\nmod tests { use crate::exec; }\nfn f() { crate::sentence!(); \"crate::exec\" }";
        assert_eq!(one("commands/up.rs", text), [""; 0]);
        assert_eq!(one("commands/tests.rs", "use crate::exec;"), [""; 0]);
    }

    #[test]
    fn every_row_names_modules() {
        for (module, row) in MAY_USE {
            for name in *row {
                assert!(
                    MAY_USE.iter().any(|(known, _)| known == name) && name != module,
                    "{module}: {name}"
                );
            }
        }
    }
}
