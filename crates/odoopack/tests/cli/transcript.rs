//! Pages whose console blocks are run: commands with the real binary in a sandbox, output compared, `write` mends the page.
//!
//! In a page, a block that opens with three backticks and `console` holds commands (`$ ...`) and what they print, both
//! streams as a person sees them. `[..]` stands for anything within a line, a line `...` for any lines, and a last line
//! `[exit code 4]` for a command that ends so. A block `toml file=/srv/odoo/x.toml` is written to that file.
//! A block `console real` needs a running demo: it is run by the real tests, and there numbers and spacing may differ.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// With this variable set to `write`, pages get the output that was seen.
const VARIABLE: &str = "ODOOPACK_TRANSCRIPTS";

/// Which blocks are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocks {
    /// Those that need nothing but the binary.
    Hermetic,
    /// Those marked `real`.
    #[allow(
        dead_code,
        clippy::allow_attributes,
        reason = "one of two test binaries has real blocks"
    )]
    Real,
}

/// A directory of its own, cleared environment, and places of the pages that lead into it.
pub(crate) struct Sandbox {
    directory: TempDir,
    /// Names as a page writes them, and as they are here; the first one is a directory.
    names: Vec<(String, String)>,
    /// Added to each `odoopack` command that names no root.
    pub(crate) option: Option<String>,
}

impl Sandbox {
    /// A sandbox in which `place`, an absolute path of the pages, is a directory of its own.
    pub(crate) fn new(place: &str) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("odoopack-page")
            .tempdir()
            .unwrap();
        // Servers that run as other users pass through it.
        std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let here = directory.path().join(place.trim_start_matches('/'));
        for path in [&here, &directory.path().join("home")] {
            std::fs::create_dir_all(path).unwrap();
        }
        let here = here.to_str().expect("temporary paths are text").to_owned();
        Self {
            directory,
            names: vec![(place.to_owned(), here)],
            option: None,
        }
    }

    /// Lets a page speak of `written` where it is `here`.
    #[allow(
        dead_code,
        clippy::allow_attributes,
        reason = "one of two test binaries has other names"
    )]
    pub(crate) fn name(&mut self, written: &str, here: &str) {
        self.names.push((written.to_owned(), here.to_owned()));
    }

    /// Where a path of the pages is here.
    pub(crate) fn path(&self, written: &str) -> PathBuf {
        PathBuf::from(self.inward(written))
    }

    fn inward(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (written, here)| {
            text.replace(written, here)
        })
    }

    fn outward(&self, text: &str) -> String {
        self.names.iter().fold(text.to_owned(), |text, (written, here)| {
            text.replace(here, written)
        })
    }

    /// Runs one line of a page with `sh`; what it printed and how it ended.
    pub(crate) fn run(&self, line: &str) -> (String, i32) {
        let mut line = self.inward(line);
        if let Some(option) = &self.option
            && line.starts_with("odoopack ")
            && !line.contains("--root ")
        {
            // Before `--` and pipes: a global option may stand first.
            line = line.replacen("odoopack ", &format!("odoopack {option} "), 1);
        }
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut child = self
            .shell(&line)
            .stdout(writer.try_clone().unwrap())
            .stderr(writer)
            .spawn()
            .unwrap();
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes).unwrap();
        let code = child.wait().unwrap().code().unwrap_or(-1);
        (self.outward(&String::from_utf8_lossy(&bytes)), code)
    }

    #[expect(clippy::disallowed_methods, reason = "a test starts the binary it tests")]
    fn shell(&self, line: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_odoopack"));
        let own = binary.parent().expect("the binary is in a directory").display();
        let home = self.directory.path().join("home");
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .env_clear()
            .env(
                "PATH",
                format!("{own}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"),
            )
            .env("HOME", &home)
            .env("COLUMNS", "80")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .current_dir(&home)
            .stdin(Stdio::null());
        if self.option.is_some() {
            inherit_downloads(&mut command);
        }
        command
    }

    /// Runs the blocks of a page.
    ///
    /// # Panics
    /// When the output is not what the page says, unless pages are to be written.
    pub(crate) fn check(&self, page: &Path, blocks: Blocks) {
        let text = std::fs::read_to_string(page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
        let seen = self.seen(&text, blocks);
        compare(page, &text, &seen);
    }

    /// The page with the output that was seen wherever it is not what the page says.
    fn seen(&self, text: &str, blocks: Blocks) -> String {
        let mut seen: Vec<String> = Vec::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            seen.push(line.to_owned());
            let Some(kind) = line.strip_prefix("```").filter(|kind| !kind.is_empty()) else {
                continue;
            };
            let mut body = Vec::new();
            while let Some(inner) = lines.next_if(|inner| *inner != "```") {
                body.push(inner);
            }
            let words: Vec<&str> = kind.split(' ').collect();
            let wanted = match blocks {
                Blocks::Hermetic => ["console"].as_slice(),
                Blocks::Real => ["console", "real"].as_slice(),
            };
            let file = words.iter().find_map(|word| word.strip_prefix("file="));
            if let Some(path) = file.filter(|_| blocks == Blocks::Hermetic) {
                self.write(path, &body);
            }
            if words == wanted {
                seen.extend(self.block(&body, blocks == Blocks::Real));
            } else {
                seen.extend(body.into_iter().map(ToOwned::to_owned));
            }
            seen.extend(lines.next().map(ToOwned::to_owned));
        }
        seen.push(String::new());
        seen.join("\n")
    }

    fn block(&self, body: &[&str], is_loose: bool) -> Vec<String> {
        let mut seen = Vec::new();
        let mut rest = body;
        while let Some((line, after)) = rest.split_first() {
            seen.push((*line).to_owned());
            let end = after
                .iter()
                .position(|line| line.starts_with("$ "))
                .unwrap_or(after.len());
            let (expected, next) = after.split_at(end);
            rest = next;
            let Some(command) = line.strip_prefix("$ ") else {
                continue;
            };
            let actual = self.printed(command);
            let actual: Vec<&str> = actual.iter().map(String::as_str).collect();
            let is_same = matches(expected, &actual, is_loose);
            let kept = if is_same { expected } else { &actual };
            seen.extend(kept.iter().map(|line| (*line).to_owned()));
        }
        seen
    }

    fn printed(&self, command: &str) -> Vec<String> {
        let (text, code) = self.run(command);
        let lines = text.lines().map(|line| line.trim_end().to_owned());
        let end = (code != 0).then(|| format!("[exit code {code}]"));
        lines.chain(end).collect()
    }

    /// Writes a file below the first place.
    #[allow(
        dead_code,
        clippy::allow_attributes,
        reason = "one of two test binaries prepares a demo"
    )]
    pub(crate) fn write_file(&self, name: &str, text: &str) {
        let place = &self.names[0].0;
        self.write(&format!("{place}/{name}"), &[text.trim_end()]);
    }

    fn write(&self, path: &str, body: &[&str]) {
        let path = self.path(path);
        assert!(
            path.starts_with(self.directory.path()),
            "{} is outside",
            path.display()
        );
        std::fs::create_dir_all(path.parent().expect("a file is in a directory")).unwrap();
        save(&path, &(body.join("\n") + "\n"));
    }
}

/// Real blocks share the download cache and the proxy of the person who runs them.
fn inherit_downloads(command: &mut Command) {
    if let Some(home) = std::env::var_os("HOME") {
        command.env("XDG_CACHE_HOME", Path::new(&home).join(".cache"));
    }
    for name in [
        "XDG_CACHE_HOME",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    ] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}

/// True when the lines are those of the page, with its placeholders.
fn matches(expected: &[&str], actual: &[&str], is_loose: bool) -> bool {
    match expected.split_first() {
        None => actual.is_empty(),
        Some((&"...", rest)) => (0..=actual.len()).any(|skip| matches(rest, &actual[skip..], is_loose)),
        Some((line, rest)) => actual.split_first().is_some_and(|(found, others)| {
            let same = if is_loose {
                line_matches(&loose(line), &loose(found))
            } else {
                line_matches(line, found)
            };
            same && matches(rest, others, is_loose)
        }),
    }
}

fn line_matches(expected: &str, actual: &str) -> bool {
    let mut parts = expected.split("[..]");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = actual.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// Without what differs from run to run: numbers with their unit and hashes are `0`, each gap is one space.
fn loose(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        let end = rest
            .find(|found: char| found.is_ascii_alphanumeric() != first.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        if !first.is_ascii_alphanumeric() {
            text += &word.split_whitespace().collect::<Vec<_>>().join(" ");
            text += if word.ends_with(' ') { " " } else { "" };
        } else if differs(word) {
            text.push('0');
        } else {
            text += word;
        }
    }
    text
}

/// True for a number, a number with a unit of time, and a hash.
fn differs(word: &str) -> bool {
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_hash = word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_number(word) || is_number(word.trim_end_matches(['s', 'm', 'h', 'd'])) || is_hash
}

/// Compares a generated text with the committed one, or writes it.
///
/// # Panics
/// When they differ, unless files are to be written.
pub(crate) fn compare(file: &Path, committed: &str, seen: &str) {
    if committed == seen {
        return;
    }
    if std::env::var(VARIABLE).is_ok_and(|value| value == "write") {
        std::fs::create_dir_all(file.parent().expect("a file is in a directory")).unwrap();
        save(file, seen);
        return;
    }
    let diff = similar::TextDiff::from_lines(committed, seen);
    panic!(
        "{} is not what was seen; `cargo xtask gen` writes it\n{}",
        file.display(),
        diff.unified_diff().header("committed", "seen")
    );
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test writes its own pages and fixtures"
)]
fn save(path: &Path, text: &str) {
    std::fs::File::create(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .unwrap();
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn placeholders_stand_for_what_differs() {
    let check = |expected: &str, actual: &str, is_loose| {
        let [expected, actual] = [expected, actual].map(|text| text.lines().collect::<Vec<_>>());
        matches(&expected, &actual, is_loose)
    };
    for (expected, actual, exact, with_numbers) in [
        ("a", "a", true, true),
        ("a", "b", false, false),
        ("a", "a\nb", false, false),
        ("a\n...", "a\nb\nc", true, true),
        ("...\nc", "a\nb\nc", true, true),
        ("...\nd", "a\nb\nc", false, false),
        ("x [..] y", "x 1 2 y", true, true),
        ("x [..]", "y 1", false, false),
        ("done 1.2s  a (12)", "done  10.25s a (7)", false, true),
        (
            "up 17m, 19.0-0123456789ab",
            "up 3s, 19.0-ba9876543210",
            false,
            true,
        ),
        ("", "", true, true),
    ] {
        assert_eq!(check(expected, actual, false), exact, "{expected:?} {actual:?}");
        assert_eq!(
            check(expected, actual, true),
            with_numbers,
            "{expected:?} {actual:?}"
        );
    }
}
