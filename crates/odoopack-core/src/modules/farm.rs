//! Which modules an edition sees besides Odoo's own, and where their links in its farm lead.
use std::collections::BTreeMap;

use super::{Module, Origin, Tree, matches};
use crate::spec::Edition;

/// The modules that are linked into the farm of an edition, by name.
///
/// # Shape
/// Own modules and those of OCA repositories only: Odoo finds the others by itself. Without `only` all own modules, and of the OCA's
/// those that the edition asks for; with `only` those that a pattern chooses or the edition asks for. Then what these depend on. A
/// module of the OCA that merely lies in a repository, and would install itself, stays out.
pub fn farm<'a>(tree: &'a Tree, edition: &Edition) -> BTreeMap<&'a str, &'a Module> {
    let asked = edition.modules.iter().chain(&edition.server_wide);
    let mut todo: Vec<&str> = asked
        .filter_map(|name| Some(tree.get(name)?.name.as_str()))
        .collect();
    let chosen = |module: &&Module| match (&module.origin, edition.only.as_slice()) {
        (Origin::Own { .. }, []) => true,
        (Origin::Own { .. } | Origin::Oca { .. }, only) => {
            only.iter().any(|pattern| matches(pattern, &module.name))
        }
        (Origin::Odoo | Origin::Python, _) => false,
    };
    todo.extend(tree.iter().filter(chosen).map(|module| module.name.as_str()));
    let mut seen: BTreeMap<&str, &Module> = BTreeMap::new();
    while let Some(name) = todo.pop() {
        if let Some(module) = tree.get(name)
            && seen.insert(&module.name, module).is_none()
        {
            todo.extend(tree.depends(name));
        }
    }
    seen.retain(|_, module| matches!(module.origin, Origin::Own { .. } | Origin::Oca { .. }));
    seen
}
