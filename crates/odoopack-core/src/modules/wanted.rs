//! Patterns that choose modules by name.
use std::collections::{BTreeMap, BTreeSet};

use super::{Module, Origin};
use crate::spec::Repository;

/// Whether `name` is chosen by a pattern in which `*` stands for any letters.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Modules without those that lie in a repository, were not chosen from it, and have the name of one of the pack's own:
/// that one is meant.
pub fn without_unchosen(found: Vec<Module>, repositories: &BTreeMap<String, Repository>) -> Vec<Module> {
    let own: BTreeSet<String> = found
        .iter()
        .filter(|module| matches!(module.origin, Origin::Own { .. }))
        .map(|module| module.name.clone())
        .collect();
    let chosen = |repository: &str, name: &str| {
        repositories.get(repository).is_none_or(|wanted| {
            wanted.modules.is_empty() || wanted.modules.iter().any(|pattern| matches(pattern, name))
        })
    };
    let stays = |module: &Module| match &module.origin {
        Origin::Oca { repository } => !own.contains(&module.name) || chosen(repository, &module.name),
        Origin::Odoo | Origin::Own { .. } | Origin::Python => true,
    };
    found.into_iter().filter(stays).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_of_ones_own_stands_beside_one_of_the_same_name_that_nobody_chose() {
        let module = |name: &str, origin: Origin| Module {
            name: name.to_owned(),
            path: name.into(),
            origin,
            manifest: crate::manifest::parse(b"{}"),
        };
        let directory = "addons".to_owned();
        let repository = "web".to_owned();
        let left = |modules: &[&str]| -> Vec<String> {
            let wanted = Repository {
                url: String::new(),
                branch: String::new(),
                commit: None,
                modules: modules.iter().map(|name| (*name).to_owned()).collect(),
                merges: Vec::new(),
                group: None,
            };
            let found = vec![
                module(
                    "a",
                    Origin::Own {
                        directory: directory.clone(),
                    },
                ),
                module(
                    "a",
                    Origin::Oca {
                        repository: repository.clone(),
                    },
                ),
                module(
                    "b",
                    Origin::Oca {
                        repository: repository.clone(),
                    },
                ),
            ];
            let left = without_unchosen(found, &[(repository.clone(), wanted)].into());
            left.iter()
                .map(|module| format!("{}/{}", module.origin, module.name))
                .collect()
        };
        assert_eq!(left(&["c"]), ["addons/a", "oca/web/b"]);
        for chosen in [&["a"][..], &["*"], &[]] {
            assert_eq!(left(chosen), ["addons/a", "oca/web/a", "oca/web/b"]);
        }
    }

    #[test]
    fn a_star_stands_for_any_letters() {
        let check = |pattern: &str, name: &str, wanted: bool| {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        };
        check("web_*", "web_responsive", true);
        check("web_*", "website", false);
        check("*", "x", true);
        check("sale", "sale", true);
        check("sale", "sale_stock", false);
        check("*_sale", "l10n_it_sale", true);
        check("l10n_*_sale", "l10n_it_edi_sale", true);
        check("l10n_*_sale", "l10n_sale", false);
        check("a*b*c", "abc", true);
        check("a*b*c", "acb", false);
    }
}
