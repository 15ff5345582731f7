//! How one module leads to another.
use std::collections::{BTreeMap, VecDeque};

use super::{Installation, Reason, Tree};

/// The shortest way from a module that was asked for to `name`, each with the reason that leads to the next.
///
/// # Shape
/// Ends with `name`; empty when the installation does not hold it. Begins with a module that was asked for, or with one
/// that installs itself beside `base`.
pub fn why(tree: &Tree, installation: &Installation, name: &str) -> Vec<(String, Reason)> {
    if !installation.contains(name) {
        return Vec::new();
    }
    let mut came: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let mut todo: VecDeque<&str> = VecDeque::new();
    for (module, reason) in &installation.modules {
        if !matches!(reason, Reason::NeededBy(_)) {
            came.insert(module, None);
            todo.push_back(module);
        }
    }
    // What was asked for leads before what came by itself.
    todo.make_contiguous()
        .sort_by_key(|module| !matches!(installation.modules.get(*module), Some(Reason::Asked)));
    while let Some(module) = todo.pop_front() {
        if module == name {
            break;
        }
        for need in tree.depends(module) {
            if installation.contains(need) && !came.contains_key(need) {
                came.insert(need, Some(module));
                todo.push_back(need);
            }
        }
    }
    let mut chain = Vec::new();
    let mut here = Some(name);
    while let Some(module) = here {
        let before = came.get(module).copied().flatten();
        let reason = match (before, installation.modules.get(module)) {
            (Some(before), _) => Reason::NeededBy(before.to_owned()),
            (None, Some(reason)) => reason.clone(),
            (None, None) => break,
        };
        chain.push((module.to_owned(), reason));
        here = before;
    }
    chain.reverse();
    chain
}
