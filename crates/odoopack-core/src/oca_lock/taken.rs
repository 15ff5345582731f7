//! Which modules of a repository are taken: those that the file names, by name or by pattern, or all that can be installed.
use std::collections::{BTreeMap, BTreeSet};

use super::{Break, Locked, RepositorySeen};
use crate::modules::matches;
use crate::spec::Repository;

/// The modules that are taken, with their versions.
///
/// # Shape
/// Of a module that is not there, and of a pattern that chooses nothing, the version is empty, so that the judgement names it.
pub fn taken(wanted: &Repository, seen: &RepositorySeen) -> BTreeMap<String, String> {
    if wanted.modules.is_empty() {
        return usable(seen).map(owned).collect();
    }
    let mut all = BTreeMap::new();
    for pattern in &wanted.modules {
        let mut chosen = usable(seen).filter(|(name, _)| matches(pattern, name)).peekable();
        if !pattern.contains('*') {
            let version = match seen.modules.get(pattern) {
                Some(Ok(module)) => module.version.clone(),
                Some(Err(_)) | None => String::new(),
            };
            all.insert(pattern.clone(), version);
        } else if chosen.peek().is_none() {
            all.insert(pattern.clone(), String::new());
        } else {
            all.extend(chosen.map(owned));
        }
    }
    all
}

/// What is taken of one repository, and what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Share<'a> {
    /// Modules that are taken.
    pub modules: &'a BTreeMap<String, String>,
    /// All of its modules.
    pub seen: &'a RepositorySeen,
}

impl Share<'_> {
    fn has(&self, name: &str) -> bool {
        matches!(self.seen.modules.get(name), Some(Ok(module)) if module.usable())
    }
}

/// For each repository its modules that run: those that are taken, those that editions and the pack's own modules ask for
/// (`asked`, patterns), and those that these depend on over any number of others, in whichever repository they lie.
pub fn running(shares: &[Share<'_>], asked: &BTreeSet<String>) -> Vec<BTreeMap<String, String>> {
    let mut all: Vec<BTreeMap<String, String>> = shares.iter().map(|share| share.modules.clone()).collect();
    let mut reached: BTreeSet<&str> = BTreeSet::new();
    let mut todo: Vec<&str> = shares
        .iter()
        .flat_map(|share| share.modules.keys().map(String::as_str))
        .collect();
    let is_asked = |name: &&String| asked.iter().any(|pattern| matches(pattern, name));
    let seen = shares.iter().flat_map(|share| share.seen.modules.keys());
    todo.extend(seen.filter(is_asked).map(String::as_str));
    let find = |name: &str| {
        let first = |has: &dyn Fn(&Share<'_>) -> bool| shares.iter().position(has);
        let taken = first(&|share| share.modules.contains_key(name));
        let owner = taken.or_else(|| first(&|share| share.has(name)))?;
        match shares[owner].seen.modules.get(name)? {
            Ok(module) => Some((owner, module)),
            Err(_) => None,
        }
    };
    while let Some(name) = todo.pop() {
        if !reached.insert(name) {
            continue;
        }
        if let Some((owner, module)) = find(name) {
            all[owner]
                .entry(name.to_owned())
                .or_insert_with(|| module.version.clone());
            todo.extend(module.depends.iter().map(String::as_str));
        }
    }
    all
}

/// What the file wants without naming it, by a pattern or by naming nothing, and the lock does not have.
pub fn not_taken(name: &str, wanted: &Repository, locked: &Locked, seen: &RepositorySeen) -> Vec<Break> {
    let named: BTreeSet<&String> = wanted.modules.iter().collect();
    let missing = taken(wanted, seen).into_keys();
    missing
        .filter(|module| !named.contains(module) && !locked.modules.contains_key(module))
        .map(|module| {
            let what = format!("the file wants `{module}`, the lock has no version of it");
            Break::new("differs", name, what, "odoopack lock")
        })
        .collect()
}

fn usable(seen: &RepositorySeen) -> impl Iterator<Item = (&String, &String)> {
    seen.modules.iter().filter_map(|(name, module)| match module {
        Ok(module) if module.usable() => Some((name, &module.version)),
        Ok(_) | Err(_) => None,
    })
}

fn owned((name, version): (&String, &String)) -> (String, String) {
    (name.clone(), version.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oca_lock::ModuleSeen;
    use crate::spec::Series;

    fn seen() -> RepositorySeen {
        let module = |text: &str| ModuleSeen::read(text.as_bytes(), Series::V18);
        let good = "{'version': '18.0.1.0.0'}";
        let modules = [
            ("web_a", module(good)),
            ("web_b", module(good)),
            ("web_old", module("{'version': '17.0.1.0.0'}")),
            ("sale_a", module(good)),
        ];
        RepositorySeen {
            modules: modules.map(|(name, module)| (name.to_owned(), module)).into(),
            ..RepositorySeen::default()
        }
    }

    #[test]
    fn what_taken_modules_depend_on_runs_too_wherever_it_lies() {
        let repository = |modules: &[(&str, &str)]| RepositorySeen {
            modules: modules
                .iter()
                .map(|(name, depends)| {
                    let text = format!("{{'version': '18.0.1.0.0', 'depends': [{depends}]}}");
                    ((*name).to_owned(), ModuleSeen::read(text.as_bytes(), Series::V18))
                })
                .collect(),
            ..RepositorySeen::default()
        };
        let web = repository(&[("web_a", "'base', 'tool_a'"), ("web_b", "")]);
        let tools = repository(&[("tool_a", "'tool_b'"), ("tool_b", "'web_a'"), ("tool_c", "")]);
        let taken = [("web_a".to_owned(), "18.0.1.0.0".to_owned())].into();
        let none = BTreeMap::new();
        let shares = [
            Share {
                modules: &none,
                seen: &tools,
            },
            Share {
                modules: &taken,
                seen: &web,
            },
        ];
        let names = |asked: &[&str]| -> Vec<Vec<String>> {
            let asked = asked.iter().map(|name| (*name).to_owned()).collect();
            let all = running(&shares, &asked).into_iter();
            all.map(|all| all.into_keys().collect()).collect()
        };
        assert_eq!(names(&[]), [vec!["tool_a", "tool_b"], vec!["web_a"]]);
        // An edition or a module of one's own can ask for what nobody took.
        let more = [vec!["tool_a", "tool_b", "tool_c"], vec!["web_a"]];
        assert_eq!(names(&["tool_c", "base"]), more);
        assert_eq!(names(&["tool_*"]), more);
    }

    #[test]
    fn patterns_take_what_can_be_installed_and_names_what_they_name() {
        let check = |modules: &[&str], wanted: &[&str]| {
            let wish = Repository {
                url: String::new(),
                branch: String::new(),
                commit: None,
                modules: modules.iter().map(|name| (*name).to_owned()).collect(),
                merges: Vec::new(),
                group: None,
            };
            let all = taken(&wish, &seen());
            let said: Vec<String> = all
                .into_iter()
                .map(|(name, version)| format!("{name} {version}"))
                .collect();
            assert_eq!(said, wanted, "{modules:?}");
        };
        check(
            &[],
            &["sale_a 18.0.1.0.0", "web_a 18.0.1.0.0", "web_b 18.0.1.0.0"],
        );
        check(&["web_*"], &["web_a 18.0.1.0.0", "web_b 18.0.1.0.0"]);
        check(
            &["web_old", "hr_*", "nix"],
            &["hr_* ", "nix ", "web_old 17.0.1.0.0"],
        );
    }
}
