//! Whether a lock keeps its promise: it says what the file wants, and its modules are really there.
use std::collections::BTreeMap;
use std::fmt;

use super::{Lock, Locked, OdooPin, is_need};
use crate::foreign::address;
use crate::manifest::{Manifest, NoManifest};
use crate::modules::{Provider, matches};
use crate::spec::{Addons, Repository, Series, Source, Spec};

/// One way in which the promise is not kept.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Break {
    /// Stable word for the kind of break.
    pub kind: &'static str,
    /// Repository, package, `odoo`, `python` or `lock`.
    pub about: String,
    /// What is wrong.
    pub what: String,
    /// What mends it.
    pub help: String,
}

impl Break {
    /// A break of `kind`.
    pub fn new(kind: &'static str, about: &str, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            kind,
            about: about.to_owned(),
            what: what.into(),
            help: help.into(),
        }
    }

    /// What mends it, as a hint: a command in backticks.
    pub fn hint(&self) -> String {
        if self.help.starts_with("odoopack ") {
            format!("`{}`", self.help)
        } else {
            self.help.clone()
        }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.about, self.what, self.help)
    }
}

/// What a repository holds at its locked commit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepositorySeen {
    /// Its modules by name; the reason where a manifest could not be used.
    pub modules: BTreeMap<String, Result<ModuleSeen, String>>,
    /// Paths whose content the commit only points at, with what they are.
    pub outside: BTreeMap<String, Outside>,
}

/// Content that a commit names and does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// A commit of another repository.
    Submodule,
    /// A file that a store of large files keeps.
    LargeFile,
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Submodule => "a submodule",
            Self::LargeFile => "a file in Git LFS",
        })
    }
}

/// What counts of one module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleSeen {
    /// As written.
    pub version: String,
    /// Whether its author lets it be installed.
    pub installable: bool,
    /// Why the series does not take it.
    pub misfit: Option<String>,
    /// Python requirements, as written.
    pub python: Vec<String>,
    /// Modules that it depends on.
    pub depends: Vec<String>,
}

impl ModuleSeen {
    /// What counts of a manifest.
    pub fn of(manifest: &Manifest, series: Series) -> Self {
        Self {
            version: manifest.version.clone(),
            installable: manifest.installable,
            misfit: manifest.fits(series).err().map(|wrong| wrong.to_string()),
            python: manifest.external.python.clone(),
            depends: manifest
                .depends("", series)
                .into_iter()
                .map(str::to_owned)
                .collect(),
        }
    }

    /// The same of what a file holds.
    pub fn read(content: &[u8], series: Series) -> Result<Self, String> {
        let manifest: Result<Manifest, NoManifest> = crate::manifest::parse(content);
        manifest
            .map(|manifest| Self::of(&manifest, series))
            .map_err(|e| e.to_string())
    }

    /// A Python requirement that names no package, or more than that.
    fn odd_need(&self) -> Option<&str> {
        let needs = self.python.iter().map(|need| need.trim());
        needs.into_iter().find(|need| !need.is_empty() && !is_need(need))
    }

    /// Whether Odoo of the series installs it.
    pub fn usable(&self) -> bool {
        self.installable && self.misfit.is_none()
    }
}

/// Where else a module is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Elsewhere {
    /// In another repository of the lock.
    Neighbour(String),
    /// In a Python package of the lock.
    Package(String),
    /// Where our tables know it, or nowhere.
    Known(Provider),
}

impl Elsewhere {
    fn words(&self, module: &str, repository: &str) -> (String, String) {
        let remove = format!("take `{module}` out of `modules` of [addons.repositories.{repository}]");
        match self {
            Self::Neighbour(other) => (
                format!("it is in `{other}`"),
                format!("odoopack oca add {other} --modules {module}"),
            ),
            Self::Package(package) => (format!("the Python package `{package}` has it"), remove),
            Self::Known(Provider::Oca { repository: other }) if other == repository => (
                format!("OCA/{other} has it in other commits"),
                format!("odoopack oca log {repository}"),
            ),
            Self::Known(Provider::Oca { repository: other }) => (
                format!("it is in OCA/{other}"),
                format!("odoopack oca add {other} --modules {module}"),
            ),
            Self::Known(provider) => (format!("it {provider}"), remove),
        }
    }
}

/// Modules of the lock that are not there, of another series, or not installable.
pub fn module_breaks(
    name: &str,
    locked: &Locked,
    seen: &RepositorySeen,
    elsewhere: &dyn Fn(&str) -> Elsewhere,
) -> Vec<Break> {
    let judge = |(module, version): (&String, &String)| -> Option<Break> {
        let about = format!("{name}/{module}");
        let found = match seen.modules.get(module) {
            None => {
                let (where_to, help) = elsewhere(module).words(module, name);
                let what = format!("not in commit {}; {where_to}", short(locked.used()));
                return Some(Break::new("missing-module", &about, what, help));
            }
            Some(Err(reason)) => {
                let what = format!("its manifest cannot be used: {reason}");
                return Some(Break::new(
                    "manifest",
                    &about,
                    what,
                    format!("odoopack oca update {name}"),
                ));
            }
            Some(Ok(found)) => found,
        };
        let (kind, what) = if let Some(misfit) = &found.misfit {
            ("wrong-series", misfit.clone())
        } else if !found.installable {
            (
                "not-installable",
                "its manifest says `installable: False`".to_owned(),
            )
        } else if found.version != *version {
            (
                "version",
                format!("the lock says {version}, the commit has {}", found.version),
            )
        } else if let Some(need) = found.odd_need() {
            (
                "python-need",
                format!("its manifest needs {need:?} of Python, which names no package"),
            )
        } else {
            return None;
        };
        Some(Break::new(
            kind,
            &about,
            what,
            format!("odoopack oca update {name}"),
        ))
    };
    locked.modules.iter().filter_map(judge).collect()
}

/// Modules that run and that lie partly outside of the commit: no hash of the lock says what would be there.
pub fn outside_breaks(name: &str, running: &BTreeMap<String, String>, seen: &RepositorySeen) -> Vec<Break> {
    let judge = |(path, what): (&String, &Outside)| {
        let module = path.split('/').next().unwrap_or_default();
        running.contains_key(module).then(|| {
            Break::new(
                "outside",
                &format!("{name}/{module}"),
                format!("`{path}` is {what}: its content is not in the commit, so no release would have it"),
                format!("take `{module}` out of [addons.repositories.{name}], or commit the content itself"),
            )
        })
    };
    seen.outside.iter().filter_map(judge).collect()
}

/// Where the lock says something else than the file.
pub fn wish_breaks(spec: &Spec, lock: &Lock) -> Vec<Break> {
    let mut all = Vec::new();
    let relock = "odoopack lock";
    if spec.odoo.series != lock.series {
        let what = format!(
            "the file wants {}, the lock has {}",
            spec.odoo.series, lock.series
        );
        all.push(Break::new("series", "odoo", what, relock));
    }
    all.extend(odoo_break(&spec.odoo.source, &lock.odoo));
    for (name, wanted) in &spec.addons.repositories {
        match lock.repositories.get(name) {
            None => all.push(Break::new(
                "not-locked",
                name,
                "in the file, not in the lock",
                relock,
            )),
            Some(locked) => all.extend(repository_breaks(name, wanted, locked)),
        }
    }
    all.extend(unwanted(&spec.addons, lock));
    all
}

fn unwanted(addons: &Addons, lock: &Lock) -> Vec<Break> {
    let names = lock.repositories.keys();
    names
        .filter(|name| !addons.repositories.contains_key(*name))
        .map(|name| {
            Break::new(
                "not-wanted",
                name,
                "in the lock, not in the file",
                "odoopack lock",
            )
        })
        .collect()
}

/// Where the lock has another source of Odoo than the file.
pub fn odoo_break(source: &Source, pin: &OdooPin) -> Option<Break> {
    let same = match (source, pin) {
        (
            Source::Git { url, commit },
            OdooPin::Git {
                url: locked,
                commit: at,
            },
        ) => address::same(url, locked) && commit.as_ref().is_none_or(|commit| commit == at),
        (Source::Debian { suite }, OdooPin::Debian { suite: locked, .. }) => suite == locked,
        (
            Source::Deb { location, sha256 },
            OdooPin::Deb {
                location: at,
                sha256: locked,
            },
        ) => location == at && sha256.as_ref().is_none_or(|sha256| sha256 == locked),
        (Source::Image { name }, OdooPin::Image { name: locked, .. }) => name == locked,
        (Source::Path { directory }, OdooPin::Path { directory: at }) => directory == at,
        _ => false,
    };
    (!same).then(|| {
        let what = format!("the file wants {source}, the lock has another source");
        Break::new("source", "odoo", what, "odoopack lock")
    })
}

fn repository_breaks(name: &str, wanted: &Repository, locked: &Locked) -> Vec<Break> {
    let mut all = Vec::new();
    let mut differs = |what: String| all.push(Break::new("differs", name, what, "odoopack lock"));
    if !address::same(&wanted.url, &locked.url) {
        differs(format!("the file says {}, the lock {}", wanted.url, locked.url));
    }
    if wanted.branch != locked.branch {
        differs(format!(
            "the file says branch {}, the lock {}",
            wanted.branch, locked.branch
        ));
    }
    if let Some(commit) = wanted.commit.as_ref().filter(|commit| **commit != locked.commit) {
        differs(format!(
            "the file says commit {}, the lock {}",
            short(commit),
            short(&locked.commit)
        ));
    }
    let asked: Vec<(&Option<String>, &String)> =
        wanted.merges.iter().map(|m| (&m.url, &m.reference)).collect();
    let done: Vec<(&Option<String>, &String)> =
        locked.merges.iter().map(|m| (&m.url, &m.reference)).collect();
    if asked != done {
        differs("the file merges something else than the lock".to_owned());
    }
    if !wanted.modules.is_empty() {
        let has = |pattern: &str| locked.modules.keys().any(|module| matches(pattern, module));
        let missing = wanted.modules.iter().filter(|m| !has(m));
        missing.for_each(|m| differs(format!("the file wants `{m}`, the lock has no version of it")));
        let asked = |module: &str| wanted.modules.iter().any(|pattern| matches(pattern, module));
        let more = locked.modules.keys().filter(|m| !asked(m));
        more.for_each(|m| differs(format!("the lock has `{m}`, the file does not want it")));
    }
    all
}

fn short(commit: &str) -> &str {
    &commit[..12.min(commit.len())]
}
