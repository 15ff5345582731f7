//! `__manifest__.py`: a Python literal, read as Odoo reads it, without Python.
mod expression;
mod fields;
mod keys;
mod number;
mod reader;
#[cfg(test)]
mod tests;
mod text;
mod unreadable;
mod value;
mod version;

use std::borrow::Cow;
use std::collections::BTreeSet;

pub use unreadable::{Fault, Unreadable};
pub use value::Value;
pub use version::{WrongVersion, adapted};

use crate::spec::Series;

/// Name of the file.
pub const FILE: &str = "__manifest__.py";
/// What Odoo takes for a module's licence that its manifest does not name (`odoo/modules/module.py`).
pub const DEFAULT_LICENSE: &str = "LGPL-3";

/// What a module says of itself, as far as anything here asks.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// `name`: the title for people.
    pub title: Option<String>,
    /// `version` as written; Odoo's default is `1.0`.
    pub version: String,
    /// `license` as written.
    pub license: Option<String>,
    /// Whether the author says that it can be installed. Default: true.
    pub installable: bool,
    /// Whether it is an application of its own. Default: false.
    pub application: bool,
    /// `depends` as written, in its order; see [`Manifest::depends`].
    pub depends_written: Vec<String>,
    /// When Odoo installs it by itself.
    pub auto_install: AutoInstall,
    /// `countries`: ISO codes, upper case; empty: everywhere.
    pub countries: BTreeSet<String>,
    /// `excludes`: modules that it cannot stand beside.
    pub excludes: Vec<String>,
    /// `external_dependencies`.
    pub external: External,
}

/// The files that a manifest names; nothing here asks for them of every module, so they are read apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Files {
    /// `data`: files in the order in which they are loaded.
    pub data: Vec<String>,
    /// `demo`: files in the order in which they are loaded.
    pub demo: Vec<String>,
    /// `assets`: bundle and its entries.
    pub assets: Vec<(String, Vec<Value>)>,
}

/// When Odoo installs a module by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AutoInstall {
    /// Never.
    No,
    /// As soon as all its dependencies are installed.
    WithAll,
    /// As soon as these of its dependencies are installed; none: always.
    With(BTreeSet<String>),
}

/// What a module needs besides modules.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct External {
    /// Python requirements as written.
    pub python: Vec<String>,
    /// Programs on PATH.
    pub bin: Vec<String>,
}

/// Why a file is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoManifest {
    /// It is no Python literal.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It is no text.
    #[error("line {line}: not UTF-8, which Odoo expects")]
    NotUtf8 {
        /// Counted from 1.
        line: usize,
    },
    /// It holds something else.
    #[error("a {kind} instead of a dict")]
    NoDict {
        /// What Python calls the type of the value.
        kind: &'static str,
    },
    /// A key has a value that Odoo cannot use.
    #[error("`{key}` is {seen}, not {wanted}")]
    Field {
        /// The key.
        key: String,
        /// What stands there.
        seen: String,
        /// What should.
        wanted: &'static str,
    },
    /// `auto_install` names a module that is no dependency.
    #[error("`auto_install` names `{module}`, which is not in `depends`")]
    Trigger {
        /// The module.
        module: String,
    },
}

/// Reads a Python literal as `ast.literal_eval` of a file opened as text does.
///
/// # Errors
/// When it is no literal, and when it holds what no manifest needs: complex numbers, `\N{...}`, whole numbers beyond
/// 128 bits, half surrogates, floats as keys, more than 90 nested brackets.
pub fn literal(text: &str) -> Result<Value, Unreadable> {
    reader::read(&unix_lines(text))
}

/// Reads the content of a `__manifest__.py`.
///
/// # Errors
/// When Odoo could not use it either.
pub fn parse(content: &[u8]) -> Result<Manifest, NoManifest> {
    whole(content).map(|(manifest, _)| manifest)
}

/// Reads the files that a `__manifest__.py` names.
///
/// # Errors
/// When Odoo could not use it either.
pub fn files(content: &[u8]) -> Result<Files, NoManifest> {
    whole(content).map(|(_, files)| files)
}

fn whole(content: &[u8]) -> Result<(Manifest, Files), NoManifest> {
    let text = str::from_utf8(content).map_err(|error| NoManifest::NotUtf8 {
        line: lines_before(content, error.valid_up_to()) + 1,
    })?;
    fields::manifest(literal(text)?)
}

fn lines_before(content: &[u8], end: usize) -> usize {
    content[..end].split(|byte| *byte == b'\n').count() - 1
}

/// Python's text mode: every line end becomes `\n`.
fn unix_lines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    }
}

impl Manifest {
    /// What the module called `name` depends on.
    ///
    /// # Source
    /// `odoo/modules/module.py` of 19.0, `_load_manifest`: every module but `base` depends on `base` at least. 17.0 and 18.0
    /// leave an empty list empty.
    pub fn depends(&self, name: &str, series: Series) -> Vec<&str> {
        match series {
            Series::V19 if name == "base" => Vec::new(),
            Series::V19 if self.depends_written.is_empty() => vec!["base"],
            Series::V17 | Series::V18 | Series::V19 => {
                self.depends_written.iter().map(String::as_str).collect()
            }
        }
    }

    /// The dependencies that must be there before Odoo installs the module called `name` by itself; `None`: it never does.
    pub fn triggers(&self, name: &str, series: Series) -> Option<Vec<&str>> {
        match &self.auto_install {
            AutoInstall::No => None,
            AutoInstall::WithAll => Some(self.depends(name, series)),
            AutoInstall::With(names) => Some(names.iter().map(String::as_str).collect()),
        }
    }

    /// The licence that counts.
    pub fn license(&self) -> &str {
        self.license.as_deref().unwrap_or(DEFAULT_LICENSE)
    }

    /// Whether Odoo of `series` can install it.
    pub fn fits(&self, series: Series) -> Result<(), WrongVersion> {
        version::fits(&self.version, series)
    }
}
