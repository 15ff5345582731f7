//! From the text of the file to a checked spec.
use camino::{Utf8Path, Utf8PathBuf};

use super::mistake::{Mistake, Mistakes, Severity};
use super::reader::{Document, Reader};
use super::written::Position;
use super::{Origins, Spec, check, resolve};

/// The name of the file.
pub const FILE: &str = "odoopack.toml";

/// What a spec depends on besides the text of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadContext {
    /// The file as messages call it, such as `odoopack.toml`.
    pub file: String,
    /// Absolute directory that holds the file.
    pub directory: Utf8PathBuf,
    /// `--root`: wins over `pack.root`.
    pub root: Option<Utf8PathBuf>,
}

impl LoadContext {
    /// A file called `odoopack.toml` in `directory` (absolute).
    pub fn new(directory: impl AsRef<Utf8Path>) -> Self {
        Self {
            file: FILE.to_owned(),
            directory: directory.as_ref().to_owned(),
            root: None,
        }
    }

    /// The same with `--root`.
    #[must_use]
    pub fn with_root(mut self, root: impl AsRef<Utf8Path>) -> Self {
        self.root = Some(root.as_ref().to_owned());
        self
    }
}

/// A spec, and where its values came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Every value.
    pub spec: Spec,
    /// Where the values came from.
    pub origins: Origins,
    /// What a person should look at; never fatal.
    pub warnings: Mistakes,
}

/// Reads, resolves and checks the text of an `odoopack.toml`.
///
/// # Errors
/// All mistakes of the file (warnings among them) in file order, when one of them is fatal. A syntax error of
/// TOML or a newer `format` is reported alone: nothing after it means anything.
pub fn load(text: &str, context: &LoadContext) -> Result<Loaded, Mistakes> {
    let mut reader = Reader::new(text, &context.file);
    let readable = reader.read();
    let mut report = Report {
        context,
        document: reader.document,
        mistakes: reader.mistakes,
    };
    if !readable || !check::format(&mut report) {
        return Err(Mistakes::sorted(report.mistakes));
    }
    let spec = resolve::resolve(&report.document, context);
    check::spec(&spec, &mut report);
    let origins = Origins::of_document(&report.document, context);
    let found = Mistakes::sorted(report.mistakes);
    if found.fatal() {
        Err(found)
    } else {
        Ok(Loaded {
            spec,
            origins,
            warnings: found,
        })
    }
}

/// What the checks know and find.
#[derive(Debug)]
pub(super) struct Report<'a> {
    /// What the spec depends on besides the file.
    pub(super) context: &'a LoadContext,
    /// What the file says.
    pub(super) document: Document,
    /// What was wrong so far.
    pub(super) mistakes: Vec<Mistake>,
}

impl Report<'_> {
    /// Whether the value at `path` is what the operator meant: given and right, or not given at all.
    pub(super) fn sound(&self, path: &str) -> bool {
        !self.document.bad.contains(path)
    }

    /// Whether the file gives a value at `path`, right or wrong.
    pub(super) fn given(&self, path: &str) -> bool {
        self.document.values.contains_key(path) || self.document.bad.contains(path)
    }

    /// Adds a mistake at `path`, or at the nearest table around it.
    pub(super) fn refuse(&mut self, path: &str, what: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Error, path, (what.into(), hint.into()));
    }

    /// Adds something to look at.
    pub(super) fn warn(&mut self, path: &str, what: impl Into<String>, hint: impl Into<String>) {
        self.add(Severity::Warning, path, (what.into(), hint.into()));
    }

    fn add(&mut self, severity: Severity, path: &str, (what, hint): (String, String)) {
        let flag = path == "pack.root" && self.context.root.is_some();
        let at = if flag { None } else { self.position(path) };
        self.mistakes.push(Mistake {
            severity,
            file: if flag {
                "--root".to_owned()
            } else {
                self.context.file.clone()
            },
            line: at.map(|a| a.0),
            column: at.map(|a| a.1),
            path: path.to_owned(),
            what,
            hint,
        });
    }

    /// Where `path` stands, or the nearest table around it.
    pub(super) fn position(&self, path: &str) -> Option<Position> {
        let own = self.document.values.get(path).map(|f| f.at);
        let around = || std::iter::successors(Some(path), |p| p.rsplit_once('.').map(|(up, _)| up));
        own.or_else(|| around().find_map(|p| self.document.tables.get(p).copied()))
    }

    /// The names that the operator chose below `table`, as paths.
    pub(super) fn below(&self, table: &str) -> Vec<String> {
        let inside = |p: &&String| {
            p.strip_prefix(table)
                .and_then(|r| r.strip_prefix('.'))
                .is_some_and(|r| !r.contains('.'))
        };
        self.document.tables.keys().filter(inside).cloned().collect()
    }
}
