//! What differs between two locks, for people.
use std::collections::BTreeMap;
use std::fmt;

use super::{DEBIAN_LIST, Distribution, Lock, Locked, OdooPin};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Repository, `odoo` or `python`.
    pub about: String,
    /// What is different there.
    pub what: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.what)
    }
}

/// Everything that differs, Odoo first, then repositories, then Python packages; without an old lock everything is new.
pub fn changes(old: Option<&Lock>, new: &Lock) -> Vec<Change> {
    let mut all = Changes::default();
    if old.map(|old| &old.odoo) != Some(&new.odoo) {
        all.add("odoo", moved(old.map(|old| odoo(&old.odoo)), odoo(&new.odoo)));
    }
    if let Some(old) = old
        && old.series != new.series
    {
        all.add("odoo", format!("series {} -> {}", old.series, new.series));
    }
    let empty = BTreeMap::new();
    let before = old.map_or(&empty, |old| &old.repositories);
    for (name, locked) in &new.repositories {
        match before.get(name) {
            Some(old) => all.repository(name, old, locked),
            None => all.add(
                name,
                format!(
                    "new, {} with {}",
                    short(&locked.commit),
                    modules(locked.modules.len())
                ),
            ),
        }
    }
    for name in before.keys().filter(|name| !new.repositories.contains_key(*name)) {
        all.add(name, "gone");
    }
    all.debian(
        DEBIAN_LIST,
        old.map_or(&[], |old| old.debian.as_slice()),
        &new.debian,
    );
    all.python(old, new);
    all.0
}

#[derive(Default)]
struct Changes(Vec<Change>);

impl Changes {
    fn add(&mut self, about: &str, what: impl Into<String>) {
        self.0.push(Change {
            about: about.to_owned(),
            what: what.into(),
        });
    }

    fn repository(&mut self, name: &str, old: &Locked, new: &Locked) {
        if old.url != new.url {
            self.add(name, format!("{} -> {}", old.url, new.url));
        }
        if old.branch != new.branch {
            self.add(name, format!("branch {} -> {}", old.branch, new.branch));
        }
        if old.commit != new.commit {
            self.add(name, moved(Some(short(&old.commit)), short(&new.commit)));
        }
        if old.merges != new.merges {
            let list: Vec<String> = new
                .merges
                .iter()
                .map(|m| format!("{} at {}", m.reference, short(&m.commit)))
                .collect();
            let list = if list.is_empty() {
                "nothing".to_owned()
            } else {
                list.join(", ")
            };
            self.add(name, format!("merges {list}"));
        }
        if old.commit == new.commit && old.merges == new.merges && old.tree != new.tree {
            self.add(name, "another tree from the same commits");
        }
        self.debian(name, &old.debian, &new.debian);
        for line in listed(&old.modules, &new.modules) {
            self.add(name, line);
        }
    }

    fn debian(&mut self, about: &str, old: &[String], new: &[String]) {
        if old != new {
            let all = new.join(", ");
            let all = if all.is_empty() { "nothing" } else { &all };
            self.add(about, format!("needs of Debian {all}"));
        }
    }

    fn python(&mut self, old: Option<&Lock>, new: &Lock) {
        let Some(python) = &new.python else { return };
        let before = old.and_then(|old| old.python.as_ref());
        let lost = before.into_iter().flat_map(|before| before.targets.keys());
        for target in lost.filter(|target| !python.targets.contains_key(*target)) {
            self.add(
                "python",
                format!("no packages for {target} any more; `odoopack lock --target '{target}'` chooses them again"),
            );
        }
        for (target, list) in &python.targets {
            match before.and_then(|before| before.targets.get(target)) {
                None => self.add("python", format!("{} packages for {target}", list.len())),
                Some(old) => {
                    for line in listed(&versions(old), &versions(list)) {
                        self.add("python", line);
                    }
                    let rehashed = list.iter().filter(|new| {
                        old.iter()
                            .any(|old| old.name == new.name && old.version == new.version && old != *new)
                    });
                    for package in rehashed {
                        self.add(
                            "python",
                            format!("{} {} has other hashes", package.name, package.version),
                        );
                    }
                }
            }
        }
    }
}

fn versions(list: &[Distribution]) -> BTreeMap<String, String> {
    list.iter().map(|p| (p.name.clone(), p.version.clone())).collect()
}

fn listed(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let changed = new.iter().filter_map(|(name, version)| match old.get(name) {
        None => Some(format!("+ {name} {version}")),
        Some(before) if before != version => Some(format!("{name} {before} -> {version}")),
        Some(_) => None,
    });
    let gone = old
        .keys()
        .filter(|name| !new.contains_key(*name))
        .map(|name| format!("- {name}"));
    changed.chain(gone).collect()
}

fn moved(old: Option<String>, new: String) -> String {
    match old {
        Some(old) => format!("{old} -> {new}"),
        None => new,
    }
}

fn odoo(pin: &OdooPin) -> String {
    match pin {
        OdooPin::Git { commit, .. } => short(commit),
        OdooPin::Debian { packages, .. } => packages.first().map_or_else(String::new, |p| p.version.clone()),
        OdooPin::Deb { sha256, .. } => format!("package {}", &sha256[..12.min(sha256.len())]),
        OdooPin::Image { name, id, .. } => format!("{name} {}", short(id.trim_start_matches("sha256:"))),
        OdooPin::Path { directory } => format!("{directory}, which nobody pins"),
    }
}

fn short(commit: &str) -> String {
    commit[..12.min(commit.len())].to_owned()
}

fn modules(count: usize) -> String {
    if count == 1 {
        "1 module".to_owned()
    } else {
        format!("{count} modules")
    }
}
