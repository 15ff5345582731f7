//! Files in which others say which modules they use, read into what this pack's file can say; nothing is lost silently.
mod addons_yaml;
mod aggregate;
mod carry;
mod git_modules;
mod lists;
mod lock;
mod requirements;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use carry::{Carried, carry, with_requirements};
pub use lock::{LockError, read_lock};

use crate::foreign::address;
use crate::spec::{Group, MergeSource, Series};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A lock of repositories: JSON, YAML or lines of `name url commit`.
    Lock,
    /// `.gitmodules`.
    GitModules,
    /// `repos.yaml`, `gitaggregate.yaml`: git-aggregator's.
    Aggregate,
    /// `addons.yaml`: doodba's.
    AddonsYaml,
    /// `oca_dependencies.txt`.
    OcaDependencies,
    /// `odoo_requirements.txt`: odoo-helper's.
    OdooRequirements,
    /// `requirements.txt`.
    Requirements,
    /// `apt.txt`, `apt_packages.txt`.
    Apt,
}

/// One repository as another file knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Clone URL; `None`: OCA's.
    pub url: Option<String>,
    /// Branch that is not the series' own.
    pub branch: Option<String>,
    /// Full commit id.
    pub commit: Option<String>,
    /// Modules; empty: all.
    pub modules: Vec<String>,
    /// Merged on top.
    pub merges: Vec<MergeSource>,
    /// Group.
    pub group: Option<String>,
}

/// Everything that one or several files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Series, when a file names one.
    pub series: Option<String>,
    /// Odoo's own repository and its commit, when a file names them.
    pub odoo: Option<Found>,
    /// Repositories by name.
    pub repositories: BTreeMap<String, Found>,
    /// Groups by name.
    pub groups: BTreeMap<String, Group>,
    /// Directory below which repositories stand.
    pub directory: Option<String>,
    /// Directories of own modules.
    pub own: Vec<String>,
    /// Modules that are wanted, whoever has them.
    pub modules: Vec<String>,
    /// Lines for a requirement file.
    pub requirements: Vec<String>,
    /// Commits at which the index beside a `.gitmodules` holds its submodules, by their path; to be known before it is read.
    pub recorded: BTreeMap<String, String>,
    /// What could not be carried over, with the reason.
    pub left: Vec<String>,
}

impl Imported {
    fn leave(&mut self, file: &str, what: impl std::fmt::Display) {
        self.left.push(address::blanked(&format!("{file}: {what}")));
    }

    /// Takes Odoo's own repository.
    fn take_odoo(&mut self, file: &str, mut found: Found) {
        self.without_secrets(file, "odoo", &mut found);
        self.odoo = Some(found);
    }

    /// A password or token has no place in a file that everybody reads, nor in the arguments of git.
    fn without_secrets(&mut self, file: &str, name: &str, found: &mut Found) {
        let urls = found.merges.iter_mut().map(|merge| &mut merge.url);
        let mut any = false;
        for url in std::iter::once(&mut found.url).chain(urls) {
            if let Some(bare) = url.as_deref().and_then(address::without_secret) {
                *url = Some(bare);
                any = true;
            }
        }
        if any {
            found.url = found.url.take().and_then(|url| foreign(&url, name));
            self.leave(
                file,
                format!("the password or token in the URL of `{name}`: use an ssh URL with a deploy key"),
            );
        }
    }

    /// Adds a repository; what another file said of it is completed, and a contradiction is named.
    fn add(&mut self, file: &str, name: &str, mut found: Found) {
        self.without_secrets(file, name, &mut found);
        let Some(known) = self.repositories.get_mut(name) else {
            self.repositories.insert(name.to_owned(), found);
            return;
        };
        let mut clashes = Vec::new();
        let mut complete =
            |what: &str, known: &mut Option<String>, new: Option<String>| match (known.as_ref(), new) {
                (Some(old), Some(new)) if *old != new && !(what == "url" && address::same(old, &new)) => {
                    clashes.push(format!(
                        "{what} `{new}` of `{name}`, which another file gives as `{old}`"
                    ));
                }
                (None, Some(new)) => *known = Some(new),
                _ => {}
            };
        complete("url", &mut known.url, found.url);
        complete("branch", &mut known.branch, found.branch);
        complete("commit", &mut known.commit, found.commit);
        complete("group", &mut known.group, found.group);
        for module in found.modules {
            if !known.modules.contains(&module) {
                known.modules.push(module);
            }
        }
        for merge in found.merges {
            if !known.merges.contains(&merge) {
                known.merges.push(merge);
            }
        }
        for clash in clashes {
            self.leave(file, clash);
        }
    }
}

/// Tells what a file is, by its name first.
pub fn kind(path: &str, text: &str) -> Option<Kind> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let by_name = match name {
        ".gitmodules" => Some(Kind::GitModules),
        "repos.yaml" | "repos.yml" | "gitaggregate.yaml" | "gitaggregate.yml" | "oca-aggregate.yml" => {
            Some(Kind::Aggregate)
        }
        "addons.yaml" | "addons.yml" => Some(Kind::AddonsYaml),
        "oca_dependencies.txt" => Some(Kind::OcaDependencies),
        "odoo_requirements.txt" => Some(Kind::OdooRequirements),
        "apt.txt" | "apt_packages.txt" | "apt-requirements.txt" => Some(Kind::Apt),
        _ => None,
    };
    let looks = || {
        // Others call a list of `name url branch` their requirements too.
        if lock::is_list(text) {
            Some(Kind::Lock)
        } else if name.contains("requirements") && name.ends_with(".txt") {
            Some(Kind::Requirements)
        } else if name.contains("lock") || text.trim_start().starts_with('{') || has_repositories(text) {
            Some(Kind::Lock)
        } else {
            None
        }
    };
    by_name.or_else(looks)
}

/// Whether a YAML text lists repositories.
fn has_repositories(text: &str) -> bool {
    text.lines()
        .any(|line| line.starts_with("repos:") || line.starts_with("repositories:"))
}

/// Reads one file into `all`.
///
/// # Errors
/// When the file is not of its kind: then nothing of it was taken.
pub fn read(path: &str, kind: Kind, text: &str, series: Series, all: &mut Imported) -> Result<(), String> {
    match kind {
        Kind::Lock => read_lock(path, text, all).map_err(|e| e.to_string()),
        Kind::GitModules => {
            git_modules::read(path, text, series, all);
            Ok(())
        }
        Kind::Aggregate => aggregate::read(path, text, series, all),
        Kind::AddonsYaml => addons_yaml::read(path, text, series, all),
        Kind::OcaDependencies => {
            lists::oca_dependencies(path, text, series, all);
            Ok(())
        }
        Kind::OdooRequirements => {
            lists::odoo_requirements(path, text, series, all);
            Ok(())
        }
        Kind::Requirements => {
            requirements::read(path, text, all);
            Ok(())
        }
        Kind::Apt => {
            lists::apt(path, text, all);
            Ok(())
        }
    }
}

/// A name that can be a directory of the pack, made of any text.
fn plain_name(text: &str) -> Option<String> {
    let name = text.rsplit('/').next().unwrap_or_default();
    let name: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let name = name.trim_matches('-');
    (!name.is_empty() && name.len() <= 64).then(|| name.to_owned())
}

/// The branch, unless it is the one that the series has anyway.
fn unusual(branch: &str, series: Series) -> Option<String> {
    (!branch.is_empty() && branch != series.as_str()).then(|| branch.to_owned())
}

/// The URL, unless it is OCA's repository of that name.
fn foreign(url: &str, name: &str) -> Option<String> {
    let usual = address::same(url, &format!("https://github.com/OCA/{name}"));
    (!usual && !url.is_empty()).then(|| url.to_owned())
}

/// Whether a text may choose modules by name: `*` stands for any letters.
fn is_pattern(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '*')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_*".contains(&b))
}

/// Whether a text may be the technical name of a module.
fn is_module(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
