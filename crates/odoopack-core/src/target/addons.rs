//! The farm of each edition: links to its modules in one directory, so that `addons_path` stays short.
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use super::{File, Known};
use crate::layout::Layout;
use crate::modules::{self, Module, Origin};
use crate::name::Name;
use crate::spec::Environment;

/// Links of one edition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Farm {
    /// Directory that holds them.
    pub directory: Utf8PathBuf,
    /// Module to the directory that its link leads to.
    pub links: BTreeMap<String, Utf8PathBuf>,
    /// File that says where each link comes from; services start again when it changes.
    pub record: Utf8PathBuf,
}

/// The farms of all editions that an environment runs; none when the file names no directories of modules.
pub(super) fn farms(known: &Known<'_>) -> BTreeMap<Name, Farm> {
    if !wanted(known) {
        return BTreeMap::new();
    }
    let used = known
        .spec
        .environments
        .values()
        .map(|environment| &environment.edition);
    let one = |name: &Name| {
        let links = selected(known, name).into_iter();
        let links = links
            .map(|(module, found)| (module.to_owned(), found.path.clone()))
            .collect();
        let farm = Farm {
            directory: known.layout.farm(name),
            links,
            record: record(known.layout, name),
        };
        (name.clone(), farm)
    };
    used.map(one).collect()
}

fn selected<'a>(known: &Known<'a>, edition: &Name) -> BTreeMap<&'a str, &'a Module> {
    let edition = known.spec.edition_with_sessions(edition);
    edition.map_or_else(BTreeMap::new, |edition| {
        modules::farm(&known.facts.modules, &edition)
    })
}

/// Whether there are farms at all.
pub(super) fn wanted(known: &Known<'_>) -> bool {
    !known.spec.addons.own.is_empty() || known.spec.addons.oca.is_some()
}

/// Directories that hold what the farm of an edition links to. A container has to see them where the links say that they
/// are.
pub(super) fn linked_from(known: &Known<'_>, edition: &Name) -> BTreeSet<Utf8PathBuf> {
    if !linked(known, edition) {
        return BTreeSet::new();
    }
    let modules = selected(known, edition).into_values();
    modules
        .filter_map(|module| Some(module.path.parent()?.to_owned()))
        .collect()
}

/// What Odoo and nginx look through before Odoo's own directories: the farm, when it holds anything.
pub(super) fn paths(known: &Known<'_>, edition: &Name) -> Vec<Utf8PathBuf> {
    Vec::from_iter(linked(known, edition).then(|| known.layout.farm(edition)))
}

/// What Odoo looks through besides, where it shall take changed code in: it watches the directories of its path, and
/// follows no link in them.
///
/// # Source
/// `odoo/service/server.py`, `FSWatcherWatchdog`; watchdog 6, `inotify_c.py`, `_add_dir_watch`.
pub(super) fn watched(known: &Known<'_>, environment: &Environment) -> BTreeSet<Utf8PathBuf> {
    if environment.reload {
        linked_from(known, &environment.edition)
    } else {
        BTreeSet::new()
    }
}

/// The record of an edition's farm, when it holds anything.
pub(super) fn read_at_start(known: &Known<'_>, edition: &Name) -> Option<Utf8PathBuf> {
    linked(known, edition).then(|| record(known.layout, edition))
}

/// Whether the farm of an edition holds anything.
fn linked(known: &Known<'_>, edition: &Name) -> bool {
    wanted(known) && !selected(known, edition).is_empty()
}

/// Directories in which nginx looks for static files before Odoo's own, and those that Python packages bring: Odoo finds
/// these by itself, nginx has to be told.
pub(super) fn static_roots(known: &Known<'_>, edition: &Name, odoo: Vec<Utf8PathBuf>) -> Vec<Utf8PathBuf> {
    // What lies in an image was copied out of it.
    let here = !known.layout.containers();
    let modules = known.facts.modules.iter();
    let brought = modules.filter(|module| here && module.origin == Origin::Python);
    let python: BTreeSet<Utf8PathBuf> = brought
        .filter_map(|module| Some(module.path.parent()?.to_owned()))
        .collect();
    let first = paths(known, edition).into_iter();
    first.chain(odoo).chain(python).collect()
}

/// File that says where each link comes from: `data/addons/<edition>.json`.
fn record(layout: &Layout, edition: &Name) -> Utf8PathBuf {
    layout.addons().join(format!("{edition}.json"))
}

/// The records of all farms.
pub(super) fn records(known: &Known<'_>) -> Vec<File> {
    let one = |(edition, _): (Name, Farm)| {
        let row = |(name, module): (&str, &Module)| {
            let row = serde_json::json!({ "origin": module.origin.to_string(), "path": module.path });
            (name.to_owned(), row)
        };
        let modules: serde_json::Map<_, _> = selected(known, &edition).into_iter().map(row).collect();
        let content = serde_json::json!({ "pack": super::files::made_from(known), "edition": edition, "modules": modules });
        let access = super::directories::ours(known, 0o644);
        super::files::text(record(known.layout, &edition), access, format!("{content:#}\n"))
    };
    farms(known).into_iter().map(one).collect()
}
