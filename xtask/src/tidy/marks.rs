//! One look at each Rust file: its first line, its length, its leftovers, who spawns and who prints.
use super::Note;
use super::rust::{self, Word};
use super::tree::{File, Tree};

/// Longer files are warned about, then refused.
const LONG: usize = 400;
const TOO_LONG: usize = 600;

/// Leftovers; a planned thing is an issue.
const LEFTOVERS: &[(&[&str], &str)] = &[
    (&["todo", "!"], "`todo!` is not for keeping"),
    (&["unimplemented", "!"], "`unimplemented!` is not for keeping"),
    (&["dbg", "!"], "`dbg!` is not for keeping"),
];

/// Starting a process, in the ways this workspace could.
const SPAWNS: &[&[&str]] = &[
    &["process", "::", "Command"],
    &["Command", "::", "new"],
    &["posix_spawn"],
    &["pre_exec"],
];

const PRINTS: &[&[&str]] = &[
    &["println", "!"],
    &["print", "!"],
    &["eprintln", "!"],
    &["eprint", "!"],
    &["::", "stdout", "("],
    &["::", "stderr", "("],
];

pub(crate) fn check(tree: &Tree) -> Vec<Note> {
    let unreviewed = tree.files.iter().filter(|file| file.path.ends_with(".snap.new"));
    let unreviewed = unreviewed.map(|file| {
        Note::whole(
            &file.path,
            "a snapshot nobody accepted; `cargo insta review` or delete it",
        )
    });
    unreviewed
        .chain(
            tree.files
                .iter()
                .filter(|file| file.is_rust())
                .flat_map(check_file),
        )
        .collect()
}

fn check_file(file: &File) -> Vec<Note> {
    let words = rust::words(&file.text);
    let mut notes: Vec<Note> = first_line(file)
        .into_iter()
        .chain(length(file))
        .chain(promises(file))
        .collect();
    for (call, text) in LEFTOVERS {
        notes.extend(places(&words, call).map(|line| Note::at(file, line, *text)));
    }
    // A chore may do both; the tests of the product start the product.
    let is_product = file.path.starts_with("crates/") && file.path.contains("/src/");
    if is_product && !is_module(file, "exec") {
        notes.extend(
            all_places(&words, SPAWNS).map(|line| Note::at(file, line, "only `exec` starts processes")),
        );
    }
    // The gate stands alone, so its log has its own way to stderr.
    if is_product && !is_module(file, "ui") && file.path != "crates/odoopack/src/gate/log.rs" {
        let product = rust::without_tests(&words);
        notes.extend(all_places(&product, PRINTS).map(|line| Note::at(file, line, "only `ui` prints")));
    }
    notes
}

/// True for `NAME.rs` and everything in `NAME/` of the binary.
fn is_module(file: &File, name: &str) -> bool {
    let inner = file.path.strip_prefix("crates/odoopack/src/").unwrap_or_default();
    inner == format!("{name}.rs") || inner.starts_with(&format!("{name}/"))
}

fn places(words: &[Word], call: &[&str]) -> impl Iterator<Item = usize> {
    (0..words.len())
        .filter(|at| rust::follows(words, *at, call))
        .map(|at| words[at].line)
}

fn all_places(words: &[Word], calls: &[&[&str]]) -> impl Iterator<Item = usize> {
    let mut lines: Vec<usize> = calls.iter().flat_map(|call| places(words, call)).collect();
    lines.sort_unstable();
    lines.dedup();
    lines.into_iter()
}

fn first_line(file: &File) -> Option<Note> {
    let says = file
        .text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("//! "));
    says.is_none_or(|says| says.trim().is_empty())
        .then(|| Note::at(file, 1, "the first line says what the file is for: `//! ...`"))
}

fn length(file: &File) -> Option<Note> {
    let lines = file.text.lines().count();
    let note = Note::at(
        file,
        lines,
        format!("{lines} lines; a file has {LONG}, at most {TOO_LONG}: split it by subject"),
    );
    (lines > LONG).then_some(Note {
        is_warning: lines <= TOO_LONG,
        ..note
    })
}

/// Comments that promise work without saying which issue holds it.
fn promises(file: &File) -> Vec<Note> {
    let is_promise = |line: &str| {
        let Some((_, comment)) = line.split_once("//") else {
            return false;
        };
        let words = comment.split(|found: char| !found.is_alphanumeric());
        let promises = words
            .into_iter()
            .any(|word| ["TODO", "FIXME", "XXX"].contains(&word));
        let has_issue = comment
            .split('#')
            .skip(1)
            .any(|rest| rest.starts_with(|found: char| found.is_ascii_digit()));
        promises && !has_issue
    };
    let lines = file.text.lines().enumerate().filter(|(_, line)| is_promise(line));
    lines
        .map(|(index, _)| {
            Note::at(
                file,
                index + 1,
                "a promise needs an issue: write its number as `#12`",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::said;

    fn one(path: &str, text: &str) -> Vec<String> {
        said(check, &[(path, &format!("//! X.\n{text}"))])
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        for text in ["", "fn f() {}\n", "//!\n", "// X.\n", "\n//! X.\n"] {
            assert!(
                said(check, &[("a.rs", text)])[0].contains("a.rs:1: the first line"),
                "{text:?}"
            );
        }
        assert_eq!(one("a.rs", "fn f() {}\n"), [""; 0]);
    }

    #[test]
    fn leftovers_are_refused() {
        let source = ["to", "do!(); unimpl", "emented!(); d", "bg!(1);"].concat();
        assert_eq!(one("a.rs", &source).len(), 3);
        assert_eq!(one("a.rs", &["// T", "ODO later"].concat()).len(), 1);
        assert_eq!(one("a.rs", &["// FIX", "ME(#): x"].concat()).len(), 1);
        assert_eq!(one("a.rs", &["// T", "ODO(#12): x"].concat()), [""; 0]);
    }

    #[test]
    fn only_exec_starts_processes() {
        for text in [
            "use std::process::{self, Command};",
            "std::process::Command::new(\"x\")",
            "Command::new(\"x\")",
        ] {
            let expected = usize::from(text != "use std::process::{self, Command};");
            assert_eq!(
                one("crates/odoopack/src/tools/git.rs", text).len(),
                expected,
                "{text}"
            );
        }
        assert_eq!(one("crates/odoopack/src/exec.rs", "Command::new(\"x\")"), [""; 0]);
        assert_eq!(
            one("crates/odoopack/tests/cli.rs", "Command::new(\"x\")"),
            [""; 0]
        );
        assert_eq!(
            one("crates/odoopack-core/src/exec.rs", "Command::new(\"x\")").len(),
            1
        );
    }

    #[test]
    fn only_ui_prints() {
        for text in [
            "println!(\"x\")",
            "eprint!(\"x\")",
            "std::io::stdout().write()",
            "writeln!(io::stderr(), \"x\")",
        ] {
            let said = one("crates/odoopack/src/apply/mod.rs", text);
            assert_eq!(
                said,
                ["error: crates/odoopack/src/apply/mod.rs:2: only `ui` prints"],
                "{text}"
            );
            assert_eq!(one("crates/odoopack/src/ui/human.rs", text), [""; 0]);
        }
        assert_eq!(
            one(
                "crates/odoopack/src/apply.rs",
                "x.stdout(); \"println!()\"; // print!"
            ),
            [""; 0]
        );
        assert_eq!(
            one(
                "crates/odoopack/src/apply.rs",
                "#[cfg(test)]\nmod tests { fn f() { println!() } }"
            ),
            [""; 0]
        );
    }

    #[test]
    fn long_files_are_warned_about_then_refused() {
        assert_eq!(one("a.rs", &"\n".repeat(399)), [""; 0]);
        assert!(one("a.rs", &"\n".repeat(400))[0].starts_with("warning: a.rs:401: 401 lines"));
        assert!(one("a.rs", &"\n".repeat(600))[0].starts_with("error: a.rs:601: 601 lines"));
    }

    #[test]
    fn a_snapshot_is_accepted_or_gone() {
        assert!(said(check, &[("a/b.snap.new", "")])[0].contains("nobody accepted"));
    }
}
