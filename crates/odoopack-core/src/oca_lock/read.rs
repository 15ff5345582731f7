//! Reads the lock; whatever is not pinned is refused, with the command that pins it.
use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    DEBIAN_LIST, FORMAT, Lock, Locked, Merged, OdooPin, Python, Target, Unpinned, is_debian, is_need, pinned,
};
use crate::spec::{Group, Series};

/// Why a text is no lock that anything may be built from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON of this shape.
    #[error("line {line}: {what}")]
    Shape {
        /// From 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// Another program's lock.
    #[error("it has no `format`: another program wrote it")]
    Foreign,
    /// A newer program's lock.
    #[error("format {0} is newer than this program, which reads format {FORMAT}")]
    Newer(u64),
    /// It names things that can change.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unpinned(Vec<Unpinned>),
    /// Something stands there that cannot be.
    #[error("{0}")]
    Wrong(String),
}

impl Unreadable {
    /// The command that helps.
    pub fn help(&self) -> String {
        match self {
            Self::Foreign => {
                "`odoopack import oca.lock.json` carries it over, then `odoopack lock`".to_owned()
            }
            Self::Newer(_) => "upgrade odoopack on this machine".to_owned(),
            Self::Unpinned(list) => list
                .first()
                .map_or_else(String::new, |first| format!("`{}`", first.command())),
            Self::Shape { .. } | Self::Wrong(_) => {
                "take the file from git again, or remove it and run `odoopack lock`".to_owned()
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "$schema")]
    _schema: Option<String>,
    #[serde(rename = "format")]
    _format: u32,
    series: Series,
    odoo: OdooPin,
    repositories: BTreeMap<String, Entry>,
    #[serde(default)]
    groups: BTreeMap<String, Group>,
    #[serde(default)]
    debian: Vec<String>,
    python: Option<Python>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: String,
    branch: String,
    commit: Option<String>,
    #[serde(default)]
    merges: Vec<MergeEntry>,
    merged: Option<String>,
    tree: Option<String>,
    group: Option<String>,
    modules: BTreeMap<String, String>,
    #[serde(default)]
    python: Vec<String>,
    #[serde(default)]
    debian: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MergeEntry {
    url: Option<String>,
    #[serde(rename = "ref")]
    reference: String,
    commit: Option<String>,
}

/// Reads the text of an `oca.lock.json`.
///
/// # Errors
/// When it is of another shape or program, and when anything in it is not pinned.
pub fn read(text: &str) -> Result<Lock, Unreadable> {
    let (lock, unpinned) = salvage(text)?;
    if unpinned.is_empty() {
        Ok(lock)
    } else {
        Err(Unreadable::Unpinned(unpinned))
    }
}

/// Reads what is pinned, and names what is not: for the commands that pin it.
///
/// # Shape
/// Repositories that are not pinned are left out; Odoo's commit is empty when it is among them.
///
/// # Errors
/// When it is of another shape or program.
pub fn salvage(text: &str) -> Result<(Lock, Vec<Unpinned>), Unreadable> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|e| shape(&e))?;
    match value.get("format").map(serde_json::Value::as_u64) {
        None => return Err(Unreadable::Foreign),
        Some(Some(newer)) if newer > u64::from(FORMAT) => return Err(Unreadable::Newer(newer)),
        Some(_) => {}
    }
    let file: File = serde_json::from_str(text).map_err(|e| shape(&e))?;
    let mut unpinned = Vec::new();
    let odoo = odoo(file.odoo, &mut unpinned);
    let mut repositories = BTreeMap::new();
    check_debian(DEBIAN_LIST, &file.debian)?;
    for (name, entry) in file.repositories {
        check_name(&name)?;
        check_needs(&name, &entry.python)?;
        check_debian(&name, &entry.debian)?;
        let before = unpinned.len();
        let locked = locked(&name, entry, &mut unpinned);
        if unpinned.len() == before {
            repositories.insert(name, locked);
        }
    }
    if let Some(python) = &file.python {
        check_hashes(python)?;
    }
    let lock = Lock {
        format: FORMAT,
        series: file.series,
        odoo,
        repositories,
        groups: file.groups,
        debian: file.debian,
        python: file.python,
    };
    Ok((lock, unpinned))
}

fn shape(error: &serde_json::Error) -> Unreadable {
    let text = error.to_string();
    let end = text.find(" at line ").unwrap_or(text.len());
    Unreadable::Shape {
        line: error.line(),
        what: text[..end].to_owned(),
    }
}

/// A name becomes a directory: never one above or beside.
fn check_name(name: &str) -> Result<(), Unreadable> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    let good =
        name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(plain) && name.len() <= 64;
    if good {
        Ok(())
    } else {
        Err(Unreadable::Wrong(format!("`{name}` is no name of a repository")))
    }
}

fn odoo(pin: OdooPin, unpinned: &mut Vec<Unpinned>) -> OdooPin {
    if let OdooPin::Git { url, commit } = pin {
        let commit = keep(pinned("odoo", "commit", Some(&commit)), unpinned);
        return OdooPin::Git { url, commit };
    }
    if let OdooPin::Image { id, .. } = &pin
        && !is_digest(id)
    {
        unpinned.push(Unpinned {
            name: "odoo".to_owned(),
            what: "the image",
            found: format!("`{id}`"),
        });
    }
    pin
}

fn keep(found: Result<String, Unpinned>, unpinned: &mut Vec<Unpinned>) -> String {
    found.unwrap_or_else(|problem| {
        unpinned.push(problem);
        String::new()
    })
}

fn locked(name: &str, entry: Entry, unpinned: &mut Vec<Unpinned>) -> Locked {
    let commit = keep(pinned(name, "commit", entry.commit.as_deref()), unpinned);
    let tree = keep(pinned(name, "tree", entry.tree.as_deref()), unpinned);
    let merged_of = |merge: MergeEntry, unpinned: &mut Vec<Unpinned>| Merged {
        commit: keep(pinned(name, "a merged commit", merge.commit.as_deref()), unpinned),
        url: merge.url,
        reference: merge.reference,
    };
    let merges: Vec<Merged> = entry
        .merges
        .into_iter()
        .map(|merge| merged_of(merge, unpinned))
        .collect();
    let result = (!merges.is_empty() || entry.merged.is_some()).then(|| {
        keep(
            pinned(name, "the merged commit", entry.merged.as_deref()),
            unpinned,
        )
    });
    Locked {
        url: entry.url,
        branch: entry.branch,
        commit,
        merges,
        merged: result,
        tree,
        group: entry.group,
        modules: entry.modules,
        python: entry.python,
        debian: entry.debian,
    }
}

/// They become words of a command.
fn check_debian(name: &str, packages: &[String]) -> Result<(), Unreadable> {
    match packages.iter().find(|package| !is_debian(package)) {
        Some(package) => Err(Unreadable::Wrong(format!(
            "`{name}` needs {package:?} of Debian, which names no package"
        ))),
        None => Ok(()),
    }
}

/// What modules need becomes lines of a requirement file: never an option of the installer.
fn check_needs(name: &str, needs: &[String]) -> Result<(), Unreadable> {
    match needs.iter().find(|need| !is_need(need)) {
        Some(need) => Err(Unreadable::Wrong(format!(
            "`{name}` needs {need:?} of Python, which names no package"
        ))),
        None => Ok(()),
    }
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A package without a hash could be any package.
fn check_hashes(python: &Python) -> Result<(), Unreadable> {
    for (target, list) in &python.targets {
        if let Err(wrong) = target.parse::<Target>() {
            return Err(Unreadable::Wrong(wrong.to_string()));
        }
        let mut names = std::collections::BTreeSet::new();
        for package in list {
            if !names.insert(&package.name) {
                return Err(Unreadable::Wrong(format!(
                    "`{}` stands twice in {target}",
                    package.name
                )));
            }
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+!*".contains(c);
            if !is_need(&package.name) || !package.name.chars().chain(package.version.chars()).all(plain) {
                return Err(Unreadable::Wrong(format!(
                    "{:?} {:?} of {target} is no package with its version",
                    package.name, package.version
                )));
            }
            if package.hashes.is_empty() || !package.hashes.iter().all(|hash| is_digest(hash)) {
                return Err(Unreadable::Wrong(format!(
                    "`{}` of {target} has no SHA-256 that could be checked",
                    package.name
                )));
            }
        }
    }
    Ok(())
}
