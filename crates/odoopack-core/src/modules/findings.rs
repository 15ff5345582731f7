//! What is wrong with a set of modules, each with what mends it.
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;

use super::{Module, Origin, Provider, Tree, conflict, load_order, provider};

/// Kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// A directory that the file names is not there, with whatever modules it should hold.
    NoDirectory,
    /// The name stands in more than one place.
    Duplicate,
    /// It is nowhere.
    Missing,
    /// Its manifest cannot be read.
    Unreadable,
    /// It is made for another series, or its version is none.
    WrongSeries,
    /// Its author says that it cannot be installed.
    NotInstallable,
    /// It depends on itself.
    Cycle,
    /// It builds on a module whose licence does not allow that.
    Licence,
    /// It cannot stand beside another one.
    Excludes,
    /// A Python package that it needs is not there.
    Python,
    /// A program that it needs is not there.
    Program,
    /// Something could not be looked at.
    Unknown,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// What kind of trouble it is.
    pub trouble: Trouble,
    /// The module.
    pub module: String,
    /// One sentence with names and paths.
    pub what: String,
    /// What mends it.
    pub hint: String,
}

/// What the machine said about things besides modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Requirements that the release's Python does not meet, with its words; `Err`: it could not be asked, and why.
    pub python: Result<BTreeMap<String, String>, String>,
    /// Programs that are not on PATH.
    pub absent_programs: BTreeSet<String>,
}

impl Default for Installed {
    /// Nothing is known to be absent.
    fn default() -> Self {
        Self {
            python: Ok(BTreeMap::new()),
            absent_programs: BTreeSet::new(),
        }
    }
}

/// Everything that is wrong with `wanted` and all that these depend on.
///
/// # Shape
/// Sorted by trouble, then module; the way that leads to a module that is wrong is in the sentence.
pub fn check<'a>(
    tree: &'a Tree,
    wanted: impl IntoIterator<Item = &'a str>,
    installed: &Installed,
) -> Vec<Finding> {
    let reached = reach(tree, wanted);
    let mut all = Vec::new();
    let mut externals = false;
    for (name, by) in &reached {
        all.extend(duplicate(tree, name));
        let Some(module) = tree.get(name) else {
            all.extend(missing(tree, name, &way(&reached, *by)));
            continue;
        };
        all.extend(broken(tree, module, &way(&reached, *by)));
        all.extend(licences(tree, module));
        all.extend(excluded(module, &reached));
        all.extend(programs(module, installed));
        let external = module
            .manifest
            .as_ref()
            .is_ok_and(|manifest| !manifest.external.python.is_empty());
        externals |= external && module.origin != Origin::Odoo;
        all.extend(python(module, installed));
    }
    all.extend(cycles(tree, &reached));
    if let (true, Err(why)) = (externals, &installed.python) {
        all.push(Finding {
            trouble: Trouble::Unknown,
            module: String::new(),
            what: format!("could not look for Python packages: {why}"),
            hint: "`odoopack up`".to_owned(),
        });
    }
    all.sort_by(|a, b| (a.trouble, &a.module).cmp(&(b.trouble, &b.module)));
    all
}

/// A directory of modules that a key of `[addons]` names and that is not there.
pub fn absent_directory(key: &str, path: &Utf8Path) -> Finding {
    finding(
        Trouble::NoDirectory,
        "",
        format!("there is no directory {path}, which `{key}` of [addons] names"),
        format!("correct `{key}` in [addons]; where it shall be empty: `mkdir -p {path}`"),
    )
}

/// Every name that is wanted or needed, with the one that needs it.
type Reached<'a> = BTreeMap<&'a str, Option<&'a str>>;

fn reach<'a>(tree: &'a Tree, wanted: impl IntoIterator<Item = &'a str>) -> Reached<'a> {
    let mut reached: Reached<'a> = BTreeMap::new();
    let mut todo: Vec<&str> = Vec::new();
    for name in wanted.into_iter().chain(["base"]) {
        if reached.insert(name, None).is_none() {
            todo.push(name);
        }
    }
    while let Some(name) = todo.pop() {
        for need in tree.depends(name) {
            if !reached.contains_key(need) {
                reached.insert(need, Some(name));
                todo.push(need);
            }
        }
    }
    reached
}

/// ` (needed by a, needed by b)`; empty for what is wanted itself.
fn way(reached: &Reached<'_>, by: Option<&str>) -> String {
    let mut names = Vec::new();
    let mut here = by;
    while let Some(name) = here {
        names.push(format!("needed by {name}"));
        here = reached.get(name).copied().flatten();
    }
    if names.is_empty() {
        return String::new();
    }
    format!(" ({})", names.join(", "))
}

fn finding(trouble: Trouble, module: &str, what: String, hint: impl Into<String>) -> Finding {
    Finding {
        trouble,
        module: module.to_owned(),
        what,
        hint: hint.into(),
    }
}

/// A name in several places: only one of them runs, and which one is easily not the one that was meant.
pub fn duplicate(tree: &Tree, name: &str) -> Option<Finding> {
    let [first, others @ ..] = tree.all(name) else {
        return None;
    };
    if others.is_empty() {
        return None;
    }
    let others: Vec<&str> = others.iter().map(|module| module.path.as_str()).collect();
    let what = format!(
        "`{name}` is in {} and in {}; Odoo takes the first",
        first.path,
        others.join(" and in ")
    );
    Some(finding(
        Trouble::Duplicate,
        name,
        what,
        "remove all but one of them",
    ))
}

/// Before Odoo's code is there, its modules are known by name only.
fn missing(tree: &Tree, name: &str, way: &str) -> Option<Finding> {
    let provider = provider(name, tree.series());
    if provider == Provider::Odoo && tree.get("base").is_none() {
        return None;
    }
    let what = format!("`{name}`{way} is not there; it {provider}");
    Some(finding(Trouble::Missing, name, what, provider.hint(name)))
}

fn broken(tree: &Tree, module: &Module, way: &str) -> Option<Finding> {
    let (name, path) = (&module.name, &module.path);
    let manifest = match &module.manifest {
        Ok(manifest) => manifest,
        Err(why) => {
            let what = format!("the manifest of {path}{way} cannot be read: {why}");
            return Some(finding(
                Trouble::Unreadable,
                name,
                what,
                "correct the file; Odoo does not see the module either",
            ));
        }
    };
    if let Err(why) = manifest.fits(tree.series()) {
        let series = tree.series();
        let hint = format!("take the {series} branch of `{name}`, or leave it out");
        return Some(finding(
            Trouble::WrongSeries,
            name,
            format!("{path}{way} cannot be used: {why}"),
            hint,
        ));
    }
    if manifest.installable {
        return None;
    }
    let what = format!("{path}{way} says `installable: False`: its author has not brought it to this series");
    Some(finding(Trouble::NotInstallable, name, what, "leave it out"))
}

fn licences(tree: &Tree, module: &Module) -> Vec<Finding> {
    let Ok(manifest) = &module.manifest else {
        return Vec::new();
    };
    if module.origin == Origin::Odoo {
        return Vec::new();
    }
    let wrong = |need: &&str| {
        let other = tree.get(need)?;
        // Odoo's own modules are under one licence, whatever a manifest forgot to say.
        let ground = match (&other.origin, &other.manifest) {
            (Origin::Odoo, _) | (_, Err(_)) => crate::manifest::DEFAULT_LICENSE,
            (_, Ok(other)) => other.license(),
        };
        conflict(manifest.license(), ground).then(|| {
            let what = format!(
                "`{}` is {} and depends on `{need}`, which is {ground}",
                module.name,
                manifest.license()
            );
            finding(
                Trouble::Licence,
                &module.name,
                what,
                format!("put `{}` under {ground}, or do without `{need}`", module.name),
            )
        })
    };
    tree.depends(&module.name).iter().filter_map(wrong).collect()
}

fn excluded(module: &Module, reached: &Reached<'_>) -> Vec<Finding> {
    let excludes = module
        .manifest
        .as_ref()
        .map_or(&[][..], |manifest| &manifest.excludes);
    let both = excludes
        .iter()
        .filter(|other| reached.contains_key(other.as_str()));
    both.map(|other| {
        let what = format!("`{}` and `{other}` cannot be installed together", module.name);
        finding(Trouble::Excludes, &module.name, what, "leave one of them out")
    })
    .collect()
}

fn programs(module: &Module, installed: &Installed) -> Vec<Finding> {
    let needs = module
        .manifest
        .as_ref()
        .map_or(&[][..], |manifest| &manifest.external.bin);
    let absent = needs
        .iter()
        .filter(|program| installed.absent_programs.contains(*program));
    absent
        .map(|program| {
            let what = format!(
                "`{}` needs the program `{program}`, which is not on PATH",
                module.name
            );
            finding(
                Trouble::Program,
                &module.name,
                what,
                format!("install the package that has `{program}`"),
            )
        })
        .collect()
}

fn python(module: &Module, installed: &Installed) -> Vec<Finding> {
    let needs = module
        .manifest
        .as_ref()
        .map_or(&[][..], |manifest| &manifest.external.python);
    let Ok(unmet) = &installed.python else {
        return Vec::new();
    };
    let wrong = |need: &String| {
        let why = unmet.get(need)?;
        let what = format!("`{}` needs the Python package `{need}`: {why}", module.name);
        let hint = "write it into a file of [addons] requirements, then run `odoopack up`";
        Some(finding(Trouble::Python, &module.name, what, hint))
    };
    needs.iter().filter_map(wrong).collect()
}

/// Modules that could all be loaded but wait for each other.
fn cycles(tree: &Tree, reached: &Reached<'_>) -> Vec<Finding> {
    let loaded = load_order(tree, reached.keys().copied());
    let loaded: BTreeSet<&str> = loaded.iter().map(|module| module.name.as_str()).collect();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let mut all = Vec::new();
    for start in reached.keys().filter(|name| !loaded.contains(*name)) {
        let Some(cycle) = cycle(tree, start) else {
            continue;
        };
        if told.contains(cycle[0]) {
            continue;
        }
        told.extend(&cycle);
        let first = cycle[0];
        let what = format!("`{first}` depends on itself: {} -> {first}", cycle.join(" -> "));
        all.push(finding(
            Trouble::Cycle,
            first,
            what,
            "take one of these out of `depends` of the one before it",
        ));
    }
    all
}

/// The first circle that dependencies of `start` lead into.
fn cycle<'a>(tree: &'a Tree, start: &'a str) -> Option<Vec<&'a str>> {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut way: Vec<(&str, Vec<&str>)> = vec![(start, tree.depends(start))];
    while let Some((_, left)) = way.last_mut() {
        let Some(next) = left.pop() else {
            done.extend(way.pop().map(|(name, _)| name));
            continue;
        };
        if let Some(at) = way.iter().position(|(name, _)| *name == next) {
            return Some(way[at..].iter().map(|(name, _)| *name).collect());
        }
        if !done.contains(next) {
            way.push((next, tree.depends(next)));
        }
    }
    None
}
