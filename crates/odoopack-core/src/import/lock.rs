//! Locks of other programs, in every shape that was found in the wild.
use super::{Found, Imported, foreign, is_module, plain_name};
use crate::foreign::address;
use crate::foreign::yaml::{self, Node, Value};
use crate::oca_lock::is_pinned;
use crate::spec::Group;

/// Why a lock is not carried over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// It says itself that it is no longer used.
    #[error("it is deprecated{}", .0.as_deref().map(|see| format!(": see {see}")).unwrap_or_default())]
    Deprecated(Option<String>),
    /// It is neither JSON, YAML nor lines.
    #[error("line {line}: {what}")]
    Syntax {
        /// From 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// It names no repository.
    #[error("it names no repository")]
    Empty,
}

/// Reads a lock: `repositories` or `repos` as map or list, a map of modules, or lines of `name url commit`.
///
/// # Shape
/// A commit that is none (`null`, `HEAD`, a branch) is left behind and named; so is every key that has no place.
pub fn read_lock(file: &str, text: &str, all: &mut Imported) -> Result<(), LockError> {
    if let Some(rows) = rows(text) {
        for row in rows {
            one_line(file, &row, all);
        }
        return Ok(());
    }
    let root = yaml::read(text).map_err(|e| LockError::Syntax {
        line: e.line,
        what: e.what,
    })?;
    let root = root.ok_or(LockError::Empty)?;
    if root.get("deprecated").and_then(Node::text) == Some("true") {
        let see = ["see", "replaced_by", "note"]
            .iter()
            .find_map(|key| root.get(key)?.text());
        return Err(LockError::Deprecated(see.map(str::to_owned)));
    }
    let reader = Reader { file, root: &root };
    let before = all.repositories.len();
    reader.head(all);
    reader.groups(all);
    if let Some(list) = root.get("repositories").or_else(|| root.get("repos")) {
        reader.repositories(list, all);
    } else {
        reader.modules(all);
    }
    if all.repositories.len() == before && all.left.is_empty() {
        return Err(LockError::Empty);
    }
    Ok(())
}

/// Whether every line is `name url commit`.
pub(super) fn is_list(text: &str) -> bool {
    rows(text).is_some()
}

fn rows(text: &str) -> Option<Vec<Vec<&str>>> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows: Option<Vec<Vec<&str>>> = lines.map(as_line).collect();
    rows.filter(|rows| !rows.is_empty())
}

/// `name url commit`.
fn as_line(line: &str) -> Option<Vec<&str>> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_url = |word: &str| word.contains("://") || word.starts_with("git@");
    (words.len() == 3 && is_url(words[1]) && !words[0].ends_with(':')).then_some(words)
}

fn one_line(file: &str, row: &[&str], all: &mut Imported) {
    let name = plain_name(row[0]).unwrap_or_else(|| address::name(row[1]).to_owned());
    let (commit, branch) = pin(file, &name, Some(row[2]), None, all);
    let found = Found {
        url: foreign(row[1], &name),
        branch,
        commit,
        ..Found::default()
    };
    all.add(file, &name, found);
}

/// Keys of a repository that have a place here, or need none.
const KNOWN: &[&str] = &[
    "name",
    "url",
    "source",
    "branch",
    "ref",
    "commit",
    "modules",
    "tier",
    "description",
    "shallow",
    "target_path",
];
/// Keys of the whole that have a place here, or need none.
const HEAD: &[&str] = &[
    "version",
    "updated",
    "generated_at",
    "$schema",
    "schema",
    "odoo_version",
    "target_dir",
    "repositories",
    "repos",
    "install_tiers",
    "description",
];

struct Reader<'a> {
    file: &'a str,
    root: &'a Node,
}

impl Reader<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        self.root.get(key).and_then(Node::text)
    }

    fn head(&self, all: &mut Imported) {
        if let Some(series) = self.text("odoo_version") {
            all.series = Some(series.to_owned());
        }
        if let Some(directory) = self.text("target_dir") {
            all.directory = Some(directory.to_owned());
        }
        let looks_like_modules = self
            .root
            .get("repositories")
            .or_else(|| self.root.get("repos"))
            .is_none();
        let strange = self
            .root
            .entries()
            .iter()
            .filter(|(key, _)| !HEAD.contains(&key.as_str()));
        for (key, _) in strange.filter(|_| !looks_like_modules) {
            all.leave(self.file, format!("`{key}` has no place in a pack"));
        }
    }

    /// `install_tiers` become groups that keep their order.
    fn groups(&self, all: &mut Imported) {
        let Some(tiers) = self.root.get("install_tiers") else {
            return;
        };
        for (number, tier) in tiers.entries() {
            let word = |key: &str| tier.get(key).and_then(Node::text);
            let written = |key: &str| word(key).filter(|text| !text.trim().is_empty());
            let order = word("install_order")
                .or(Some(number))
                .and_then(|text| text.parse().ok());
            let group = Group {
                order: order.unwrap_or_default(),
                description: written("description")
                    .or_else(|| written("name"))
                    .map(str::to_owned),
            };
            all.groups.insert(self.group_name(number), group);
        }
    }

    /// `tier: 0` belongs to the group that `install_tiers` calls `Foundation`.
    fn group_name(&self, number: &str) -> String {
        let tier = self.root.get("install_tiers").and_then(|tiers| tiers.get(number));
        let name = tier.and_then(|tier| tier.get("name")).and_then(Node::text);
        let plain = name.and_then(|name| plain_name(&name.to_ascii_lowercase()));
        plain.unwrap_or_else(|| format!("tier-{number}"))
    }

    fn repositories(&self, list: &Node, all: &mut Imported) {
        for (name, node) in list.entries() {
            self.repository(name, node, all);
        }
        for node in list.members() {
            let name = node
                .get("name")
                .or_else(|| node.get("url"))
                .or_else(|| node.get("source"));
            match name.and_then(Node::text) {
                Some(name) => self.repository(name, node, all),
                None => all.leave(
                    self.file,
                    format!("line {}: a repository without a name", node.line),
                ),
            }
        }
    }

    fn repository(&self, called: &str, node: &Node, all: &mut Imported) {
        let text = |key: &str| node.get(key).and_then(Node::text);
        let url = text("url").or_else(|| text("source")).unwrap_or_default();
        let name = if called.contains("://") {
            address::name(called)
        } else {
            called
        };
        let Some(name) = plain_name(name) else {
            all.leave(self.file, format!("line {}: `{called}` is no name", node.line));
            return;
        };
        let reference = text("ref").filter(|_| text("branch").is_some());
        let branch = text("branch").or_else(|| text("ref"));
        let commit = match node.get("commit").map(|node| &node.value) {
            Some(Value::Text(text)) => Some(text.as_str()),
            Some(_) => None,
            None => reference,
        };
        let asked = node.get("commit").is_some() || reference.is_some();
        let (commit, _) = if asked {
            pin(self.file, &name, commit, branch, all)
        } else {
            (None, None)
        };
        let group = text("tier").map(|tier| self.group_name(tier));
        if let Some(group) = &group {
            all.groups.entry(group.clone()).or_default();
        }
        let found = Found {
            url: foreign(url, &name),
            branch: branch.map(str::to_owned),
            commit,
            modules: self.listed(&name, node, all),
            merges: Vec::new(),
            group,
        };
        for (key, _) in node
            .entries()
            .iter()
            .filter(|(key, _)| !KNOWN.contains(&key.as_str()))
        {
            all.leave(self.file, format!("`{key}` of `{name}` has no place in a pack"));
        }
        all.add(self.file, &name, found);
    }

    fn listed(&self, name: &str, node: &Node, all: &mut Imported) -> Vec<String> {
        let Some(modules) = node.get("modules") else {
            return Vec::new();
        };
        if modules.members().is_empty() {
            all.leave(
                self.file,
                format!("`{name}` lists no module; here that means every installable one"),
            );
        }
        let texts = modules.members().iter().filter_map(Node::text);
        let (good, bad): (Vec<&str>, Vec<&str>) = texts.partition(|text| is_module(text));
        for module in bad {
            all.leave(
                self.file,
                format!("`{module}` of `{name}` is no name of a module"),
            );
        }
        let mut good: Vec<String> = good.into_iter().map(str::to_owned).collect();
        good.sort();
        good.dedup();
        good
    }

    /// `{ module: { repo, branch, commit } }`.
    fn modules(&self, all: &mut Imported) {
        for (module, node) in self.root.entries() {
            let text = |key: &str| node.get(key).and_then(Node::text);
            let Some(repository) = text("repo").and_then(plain_name) else {
                all.leave(self.file, format!("`{module}` names no repository"));
                continue;
            };
            let (commit, _) = pin(self.file, &repository, text("commit"), text("branch"), all);
            let found = Found {
                url: text("url").and_then(|url| foreign(url, &repository)),
                branch: text("branch").map(str::to_owned),
                commit,
                modules: vec![module.clone()],
                ..Found::default()
            };
            all.add(self.file, &repository, found);
        }
    }
}

/// A commit when it is one; else what it is stays behind, and a branch in its place is taken as one.
fn pin(
    file: &str,
    name: &str,
    found: Option<&str>,
    branch: Option<&str>,
    all: &mut Imported,
) -> (Option<String>, Option<String>) {
    let lower = found.map(str::to_ascii_lowercase);
    match lower {
        Some(commit) if is_pinned(&commit) => (Some(commit), None),
        None => {
            all.leave(file, format!("`{name}` has no commit; `odoopack lock` pins it"));
            (None, None)
        }
        Some(_) => {
            let text = found.unwrap_or_default();
            all.leave(
                file,
                format!("`{text}` of `{name}` is no commit; `odoopack lock` pins it"),
            );
            let is_branch =
                branch.is_none() && text != "HEAD" && !text.bytes().all(|b| b.is_ascii_hexdigit());
            (None, is_branch.then(|| text.to_owned()))
        }
    }
}
