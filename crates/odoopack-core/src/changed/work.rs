//! A module operation: what is asked of Odoo, what goes with it, and what stands in the way.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Changes, Reaction};
use crate::modules::{Tree, Wish, install as installation, provider};
use crate::name::Name;
use crate::plan::Refusal;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// `-i`
    Install,
    /// `-u`
    Update,
    /// What the button does.
    Uninstall,
}

impl Act {
    /// The word of the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Update => "update",
            Self::Uninstall => "uninstall",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the planner is told.
#[derive(Clone, Debug)]
pub struct Ground<'a> {
    /// The environment.
    pub environment: &'a Name,
    /// Modules on the addons path.
    pub tree: &'a Tree,
    /// Names of the installed ones.
    pub installed: BTreeSet<&'a str>,
    /// What installed modules need as the database has it, a module and one that it needs: Odoo takes away by this.
    pub needs: &'a [(String, String)],
    /// Modules that somebody left in a state `to ...`, with it.
    pub underway: &'a [(String, String)],
    /// Whether those are put back first.
    pub reset: bool,
    /// Modules of the environment's edition in the file.
    pub in_file: &'a [String],
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Work {
    /// What is done.
    pub act: Act,
    /// To these modules; empty when only bundles are made again or hashes remembered.
    pub modules: Vec<String>,
    /// And to these: needed by them (install), or needing them (update, uninstall).
    pub others: Vec<String>,
    /// Whether bundles are made again without an update.
    pub assets: bool,
    /// Modules whose hashes are remembered anew because nothing else is to be done for them.
    pub remember: Vec<String>,
    /// States `to ...` that are put back first.
    pub reset: BTreeMap<String, String>,
    /// Reasons not to begin.
    #[serde(skip_deserializing, default)]
    pub refusals: Vec<Refusal>,
    /// Things worth saying.
    pub notes: Vec<String>,
}

impl Work {
    fn new(act: Act, ground: &Ground<'_>) -> Self {
        let mut work = Self {
            act,
            modules: Vec::new(),
            others: Vec::new(),
            assets: false,
            remember: Vec::new(),
            reset: BTreeMap::new(),
            refusals: Vec::new(),
            notes: Vec::new(),
        };
        if ground.reset {
            work.reset = ground.underway.iter().cloned().collect();
        } else if !ground.underway.is_empty() {
            let list: Vec<String> = ground
                .underway
                .iter()
                .map(|(name, state)| format!("{name} ({state})"))
                .collect();
            work.refuse(
                format!("another module operation has not ended: {}", list.join(", ")),
                format!(
                    "when nobody is at it: `odoopack module {act} {} ... --reset-states`",
                    ground.environment
                ),
            );
        }
        work
    }

    fn refuse(&mut self, what: impl Into<String>, hint: impl Into<String>) {
        self.refusals.push(Refusal::new(what, hint));
    }

    /// Whether the plan is empty.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty() && !self.assets && self.remember.is_empty() && self.reset.is_empty()
    }

    /// Whether tables change, so that nobody may work meanwhile.
    pub fn changes_tables(&self) -> bool {
        !self.modules.is_empty()
    }

    /// Every module that is worked on.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.modules.iter().chain(&self.others).map(String::as_str)
    }
}

/// Plans an installation.
pub fn install(ground: &Ground<'_>, wanted: &[String]) -> Work {
    let mut work = Work::new(Act::Install, ground);
    for name in unique(wanted) {
        if ground.installed.contains(name) {
            work.notes.push(format!("{name} is already installed"));
        } else if is_there(ground, name, &mut work) {
            work.modules.push(name.to_owned());
        }
    }
    let below = below(ground, &work.modules);
    for (module, missing) in below.missing {
        let hint = provider(&missing, ground.tree.series()).hint(&missing);
        work.refuse(
            format!("`{module}` depends on `{missing}`, which cannot be installed here"),
            hint,
        );
    }
    let with = |more: &[String]| {
        let installed = ground.installed.iter().map(|name| (*name).to_owned());
        let wish = Wish {
            modules: installed.chain(more.iter().cloned()).collect(),
            ..Wish::default()
        };
        let all = installation(ground.tree, &wish);
        all.names().map(str::to_owned).collect::<BTreeSet<String>>()
    };
    // What installs itself and was taken away by somebody does not come back.
    let before = with(&[]);
    let comes = |name: &String| !ground.installed.contains(name.as_str()) && !work.modules.contains(name);
    let after = with(&work.modules);
    let others: BTreeSet<String> = after
        .difference(&before)
        .chain(&below.needed)
        .filter(|name| comes(name))
        .cloned()
        .collect();
    work.others = others.into_iter().collect();
    work
}

/// Plans an update of named modules.
pub fn update(ground: &Ground<'_>, wanted: &[String], changes: &Changes) -> Work {
    let mut work = Work::new(Act::Update, ground);
    refuse_gone(ground, changes, &mut work);
    for name in unique(wanted) {
        if ground.installed.contains(name) {
            if is_there(ground, name, &mut work) {
                work.modules.push(name.to_owned());
            }
        } else {
            let hint = format!("`odoopack module install {} {name}`", ground.environment);
            work.refuse(format!("`{name}` is not installed"), hint);
        }
    }
    work.others = dependents(ground, &work.modules);
    work
}

/// Plans what the changes ask for.
pub fn update_changed(ground: &Ground<'_>, changes: &Changes) -> Work {
    let mut work = Work::new(Act::Update, ground);
    refuse_gone(ground, changes, &mut work);
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>();
    work.modules = owned(changes.asking(Reaction::Update));
    work.others = dependents(ground, &work.modules);
    let bundled = changes.asking(Reaction::Assets);
    // After an update everything starts anew, and bundles with it.
    work.assets = !bundled.is_empty() && work.modules.is_empty();
    work.remember = owned(bundled);
    work.remember.extend(owned(changes.asking(Reaction::Nothing)));
    work.remember.sort();
    work
}

/// Plans the removal of modules and of what needs them.
pub fn uninstall(ground: &Ground<'_>, wanted: &[String]) -> Work {
    let mut work = Work::new(Act::Uninstall, ground);
    let fixed = ground.tree.series().server_wide_modules();
    for name in unique(wanted) {
        if fixed.contains(&name) {
            work.refuse(format!("`{name}` is part of every Odoo"), "leave it out");
        } else if ground.installed.contains(name) {
            work.modules.push(name.to_owned());
        } else {
            work.notes.push(format!("{name} is not installed"));
        }
    }
    work.others = taken_along(ground, &work.modules);
    if let Some(name) = work.others.iter().find(|name| fixed.contains(&name.as_str())) {
        work.refuse(
            format!("`{name}` is part of every Odoo and would go with it"),
            "leave it out",
        );
    }
    let named: Vec<&str> = work
        .all()
        .filter(|name| ground.in_file.iter().any(|one| one == name))
        .collect();
    if !named.is_empty() {
        let note = format!(
            "odoopack.toml still names {}: a new database would have it again",
            named.join(", ")
        );
        work.notes.push(note);
    }
    work
}

fn unique(wanted: &[String]) -> BTreeSet<&str> {
    wanted.iter().map(String::as_str).collect()
}

/// Whether Odoo could load it; otherwise that is refused, with who has it.
fn is_there(ground: &Ground<'_>, name: &str, work: &mut Work) -> bool {
    if ground.tree.installable(name).is_some() {
        return true;
    }
    let Some(module) = ground.tree.get(name) else {
        let hint = provider(name, ground.tree.series()).hint(name);
        work.refuse(format!("there is no module `{name}` on the addons path"), hint);
        return false;
    };
    let why = match &module.manifest {
        Err(why) => format!("its manifest cannot be read: {why}"),
        Ok(manifest) => match manifest.fits(ground.tree.series()) {
            Err(why) => why.to_string(),
            Ok(()) => "its manifest says that it is not installable".to_owned(),
        },
    };
    work.refuse(
        format!("`{name}` cannot be installed: {why}"),
        format!("see {}", module.path),
    );
    false
}

fn refuse_gone(ground: &Ground<'_>, changes: &Changes, work: &mut Work) {
    for gone in &changes.gone {
        let hint = format!(
            "put it back, or take it out of the database: `odoopack module uninstall {} {}`",
            ground.environment, gone.module
        );
        work.refuse(gone.to_string(), hint);
    }
}

/// What modules need that is not installed.
struct Below {
    /// It can be.
    needed: BTreeSet<String>,
    /// A module, and one that it needs but that cannot be installed.
    missing: Vec<(String, String)>,
}

fn below(ground: &Ground<'_>, modules: &[String]) -> Below {
    let mut below = Below {
        needed: BTreeSet::new(),
        missing: Vec::new(),
    };
    let mut open = modules.to_vec();
    while let Some(module) = open.pop() {
        for needed in ground.tree.depends(&module) {
            if ground.installed.contains(needed) || below.needed.contains(needed) {
                continue;
            }
            if ground.tree.installable(needed).is_some() {
                below.needed.insert(needed.to_owned());
                open.push(needed.to_owned());
            } else {
                below.missing.push((module.clone(), needed.to_owned()));
            }
        }
    }
    below
}

/// Installed modules that need one of these by their manifests, over any number of others.
fn dependents(ground: &Ground<'_>, modules: &[String]) -> Vec<String> {
    reached(ground, modules, &|name, reached| {
        ground.tree.depends(name).iter().any(|one| reached.contains(one))
    })
}

/// The same by what the database says, too: a manifest may have changed since it was loaded.
///
/// # Source
/// `downstream_dependencies` of `ir.module.module` reads `ir_module_module_dependency` (Odoo 17.0 to 19.0).
fn taken_along(ground: &Ground<'_>, modules: &[String]) -> Vec<String> {
    reached(ground, modules, &|name, reached| {
        let by_manifest = ground.tree.depends(name).iter().any(|one| reached.contains(one));
        let mut needs = ground.needs.iter().filter(|(module, _)| module == name);
        by_manifest || needs.any(|(_, needed)| reached.contains(needed.as_str()))
    })
}

/// Installed modules that are reached from these, without them.
fn reached(
    ground: &Ground<'_>,
    modules: &[String],
    needs_one: &dyn Fn(&str, &BTreeSet<&str>) -> bool,
) -> Vec<String> {
    let mut reached: BTreeSet<&str> = modules.iter().map(String::as_str).collect();
    loop {
        let more: Vec<&str> = ground
            .installed
            .iter()
            .filter(|name| !reached.contains(*name))
            .filter(|name| needs_one(name, &reached))
            .copied()
            .collect();
        if more.is_empty() {
            break;
        }
        reached.extend(more);
    }
    reached
        .into_iter()
        .filter(|name| !modules.iter().any(|one| one == name))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
#[path = "work/tests.rs"]
mod tests;
