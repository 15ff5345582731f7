//! The order in which Odoo loads modules.
use std::collections::{BTreeMap, BTreeSet};

use super::Tree;
use crate::spec::Series;

/// A module in the order of loading.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Loaded {
    /// Its name.
    pub name: String,
    /// Longest way to `base`; a test module of 19.0 has that of its last dependency.
    pub depth: usize,
}

/// A module's place: depth, then the text that it is sorted by.
type Place = (usize, String);

/// Puts modules in the order in which Odoo loads them.
///
/// # Shape
/// Of `names` those that can be loaded: each is installable, and so is all that it depends on, and nothing depends on
/// itself. `base` is always first.
///
/// # Source
/// `odoo/modules/graph.py` of 17.0 and 18.0: by depth, then name. `odoo/modules/module_graph.py` of 19.0: the same, but a
/// module `test_...` comes right after the last of its dependencies.
pub fn load_order<'a>(tree: &Tree, names: impl IntoIterator<Item = &'a str>) -> Vec<Loaded> {
    let names: BTreeSet<&str> = names
        .into_iter()
        .filter(|name| tree.installable(name).is_some())
        .collect();
    let places = places(tree, &names);
    let mut sorted: Vec<(&Place, &str)> = places.iter().map(|(name, place)| (place, *name)).collect();
    sorted.sort_by_key(|(place, name)| (*name != "base", *place));
    let loaded = |(place, name): (&Place, &str)| Loaded {
        name: name.to_owned(),
        depth: place.0,
    };
    sorted.into_iter().map(loaded).collect()
}

/// Places of all that can be loaded, worked out from `base` upwards: what waits for something missing is never reached.
fn places<'a>(tree: &'a Tree, names: &BTreeSet<&'a str>) -> BTreeMap<&'a str, Place> {
    let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
    let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut ready: Vec<&str> = Vec::new();
    for name in names {
        let depends: BTreeSet<&str> = tree.depends(name).into_iter().collect();
        waits.insert(name, depends.len());
        if depends.is_empty() {
            ready.push(name);
        }
        for depend in depends {
            dependents.entry(depend).or_default().push(name);
        }
    }
    let mut places = BTreeMap::new();
    while let Some(name) = ready.pop() {
        let place = place(tree, name, &places);
        places.insert(name, place);
        for dependent in dependents.get(name).into_iter().flatten() {
            if let Some(left) = waits.get_mut(dependent) {
                *left -= 1;
                if *left == 0 {
                    ready.push(dependent);
                }
            }
        }
    }
    places
}

fn place(tree: &Tree, name: &str, places: &BTreeMap<&str, Place>) -> Place {
    let depends = tree.depends(name);
    let last = depends.iter().filter_map(|depend| places.get(depend)).max();
    match last {
        None => (0, name.to_owned()),
        Some((depth, order)) if tree.series() == Series::V19 && name.starts_with("test_") => {
            (*depth, format!("{order} {name}"))
        }
        Some((depth, _)) => (depth + 1, name.to_owned()),
    }
}
