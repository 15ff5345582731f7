//! Which modules Odoo installs into a new database: those asked for, what they need, and what installs itself.
use std::collections::{BTreeMap, BTreeSet};

use super::Tree;

/// What a new database is wanted to hold.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Modules asked for; `base` need not be.
    pub modules: Vec<String>,
    /// Countries of its companies, as ISO codes: they bring country modules.
    pub countries: BTreeSet<String>,
    /// Leave out what would install itself (option `skip_auto_install` of 19.0).
    pub skip_auto_install: bool,
}

/// Why a module is installed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "because", content = "of", rename_all = "kebab-case")]
pub enum Reason {
    /// It was asked for, or it is `base`.
    Asked,
    /// This module depends on it.
    NeededBy(String),
    /// It installs itself once these are there.
    Auto(Vec<String>),
}

/// What Odoo would install.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installation {
    /// Every module with the first reason for it.
    pub modules: BTreeMap<String, Reason>,
}

impl Installation {
    /// Whether the module is part of it.
    pub fn contains(&self, name: &str) -> bool {
        self.modules.contains_key(name)
    }

    /// Names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().map(String::as_str)
    }
}

/// Works out what Odoo installs.
///
/// # Shape
/// Modules that are not there, or cannot be installed, are left out; [`super::check`] says so.
///
/// # Source
/// `odoo/modules/db.py` `initialize`: what installs itself beside `base`, whatever its country. Then `button_install` of
/// `ir.module.module`: what was asked for, with what it needs; then what installs itself, again until nothing does, when all its triggers
/// are there, at least one of them is new, and a company is in one of its countries. The same in 17.0, 18.0 and 19.0.
pub fn install(tree: &Tree, wish: &Wish) -> Installation {
    let mut marked = Marked {
        tree,
        modules: BTreeMap::new(),
    };
    marked.mark("base", &Reason::Asked);
    if !wish.skip_auto_install {
        while marked.first_round() {}
    }
    for name in &wish.modules {
        marked.mark(name, &Reason::Asked);
    }
    if !wish.skip_auto_install {
        while marked.next_round(wish) {}
    }
    Installation {
        modules: marked.modules,
    }
}

struct Marked<'a> {
    tree: &'a Tree,
    modules: BTreeMap<String, Reason>,
}

impl Marked<'_> {
    /// Marks a module and what it needs.
    fn mark(&mut self, name: &str, reason: &Reason) {
        let mut todo = vec![(name.to_owned(), reason.clone())];
        while let Some((name, reason)) = todo.pop() {
            if self.modules.contains_key(&name) || self.tree.installable(&name).is_none() {
                continue;
            }
            let needs = self.tree.depends(&name).into_iter().rev();
            let needs = needs.filter(|need| !self.modules.contains_key(*need));
            todo.extend(needs.map(|need| (need.to_owned(), Reason::NeededBy(name.clone()))));
            self.modules.insert(name, reason);
        }
    }

    /// One round beside `base`: triggers that are nowhere do not count. Whether anything was new.
    fn first_round(&mut self) -> bool {
        let ready = |triggers: &[&str]| {
            let there = |name: &&&str| self.tree.get(name).is_some();
            triggers
                .iter()
                .filter(there)
                .all(|name| self.modules.contains_key(*name))
        };
        let found = self.candidates(|_, triggers| ready(triggers));
        self.take(found)
    }

    /// One round after modules were asked for. `base` was installed before, so it alone wakes nothing.
    fn next_round(&mut self, wish: &Wish) -> bool {
        let ready = |name: &str, triggers: &[&str]| {
            let here = |country: &String| wish.countries.contains(country);
            let countries = self.tree.installable(name).map(|manifest| &manifest.countries);
            let at_home = countries.is_some_and(|all| all.is_empty() || all.iter().any(here));
            let all = triggers.iter().all(|name| self.modules.contains_key(*name));
            at_home && all && triggers.iter().any(|name| *name != "base")
        };
        let found = self.candidates(ready);
        self.take(found)
    }

    fn candidates(&self, ready: impl Fn(&str, &[&str]) -> bool) -> Vec<(String, Vec<String>)> {
        let one = |module: &super::Module| {
            let name = module.name.as_str();
            // Most modules never install themselves: they are done with first.
            let manifest = module.manifest.as_ref().ok()?;
            let triggers = manifest.triggers(name, self.tree.series())?;
            if self.modules.contains_key(name) || !module.installable(self.tree.series()) {
                return None;
            }
            let owned = || triggers.iter().map(|trigger| (*trigger).to_owned()).collect();
            ready(name, &triggers).then(|| (name.to_owned(), owned()))
        };
        self.tree.iter().filter_map(one).collect()
    }

    fn take(&mut self, found: Vec<(String, Vec<String>)>) -> bool {
        let any = !found.is_empty();
        for (name, triggers) in found {
            self.mark(&name, &Reason::Auto(triggers));
        }
        any
    }
}
