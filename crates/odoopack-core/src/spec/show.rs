//! Every value of a spec, and where it came from.
use std::collections::BTreeMap;
use std::fmt;

use super::check::environments::looks_secret;
use super::flat::{Line, flat};
use super::keys;
use super::load::{LoadContext, Loaded};
use super::reader::Document;
use crate::odoo::options;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The file, as messages call it, and the line.
    File {
        /// Such as `odoopack.toml`.
        file: String,
        /// From 1.
        line: usize,
    },
    /// A flag, such as `--root`.
    Flag(&'static str),
    /// Nobody said; the default holds.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => f.pad(&format!("{file}:{line}")),
            Self::Flag(flag) => f.pad(flag),
            Self::Default => f.pad("default"),
        }
    }
}

impl serde::Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where the values of a spec came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Where the value at `path` (`web.http_port`) came from.
    pub fn of(&self, path: &str) -> Origin {
        self.0.get(path).cloned().unwrap_or(Origin::Default)
    }

    /// The origins of what `document` says, flags on top.
    pub(super) fn of_document(document: &Document, context: &LoadContext) -> Self {
        let origin = |line| Origin::File {
            file: context.file.clone(),
            line,
        };
        let mut all: BTreeMap<_, _> = document
            .values
            .iter()
            .map(|(path, found)| (path.clone(), origin(found.at.0)))
            .collect();
        if context.root.is_some() {
            all.insert("pack.root".to_owned(), Origin::Flag("--root"));
        }
        Self(all)
    }
}

/// One value as `odoopack spec show` prints it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ShownValue {
    /// The key: `environments.production.domain`.
    pub path: String,
    /// The value as TOML; `None`: absent, and `doc` says what that means.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
    /// One sentence about the key, and for an absent value what holds instead.
    pub doc: String,
}

/// Every value of a spec, where it came from, and what it is for.
///
/// # Shape
/// In the order in which files are written. What looks like a secret in plain text is masked.
pub fn show(loaded: &Loaded) -> Vec<ShownValue> {
    flat(&loaded.spec)
        .into_iter()
        .map(|line| shown(&line, &loaded.origins))
        .collect()
}

fn shown(line: &Line, origins: &Origins) -> ShownValue {
    let path = line.path();
    let hidden = line.value.as_deref().is_some_and(|value| hidden(line, value));
    let value = if hidden {
        Some("\"***\"".to_owned())
    } else {
        line.value.clone()
    };
    ShownValue {
        origin: origins.of(&path),
        doc: doc(line),
        value,
        path,
    }
}

/// Whether a value should not be seen over a shoulder or in a log.
fn hidden(line: &Line, value: &str) -> bool {
    let name = line.names.last().map_or("", String::as_str);
    let bare = value.trim_matches('"');
    match line.pattern {
        "environments.*.env.*" => looks_secret(name, bare) && !bare.starts_with("secret:"),
        "odoo.options.*" => options::is_secret(name),
        _ => false,
    }
}

fn doc(line: &Line) -> String {
    let Some(key) = keys::find(line.pattern) else {
        return String::new();
    };
    match key.fallback {
        keys::Fallback::Absent(meaning) if line.value.is_none() => format!("{} Absent: {meaning}.", key.doc),
        keys::Fallback::Absent(_)
        | keys::Fallback::Required
        | keys::Fallback::Literal(_)
        | keys::Fallback::Computed(_) => key.doc.to_owned(),
    }
}
