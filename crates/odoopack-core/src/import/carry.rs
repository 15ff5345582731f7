//! What was imported, written into this pack's file; its comments and order stay.
use toml_edit::{Array, DocumentMut, Item, Table, TableLike, value};

use super::{Found, Imported};
use crate::spec::{Group, Series};

/// The changed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The file.
    pub text: String,
    /// What was written, one sentence each.
    pub done: Vec<String>,
    /// What the file said already, differently.
    pub kept: Vec<String>,
}

/// Writes `imported` into `file`; what the file says already wins and is named.
///
/// # Errors
/// When `file` is not TOML.
pub fn carry(file: &str, imported: &Imported, series: Series) -> Result<Carried, toml_edit::TomlError> {
    let mut carrier = Carrier {
        document: file.parse()?,
        done: Vec::new(),
        kept: Vec::new(),
    };
    carrier.head(imported);
    for (name, group) in &imported.groups {
        carrier.group(name, group);
    }
    for (name, found) in &imported.repositories {
        carrier.repository(name, found, series);
    }
    Ok(Carried {
        text: carrier.document.to_string(),
        done: carrier.done,
        kept: carrier.kept,
    })
}

/// Adds a requirement file to `[addons] requirements`.
///
/// # Errors
/// When `file` is not TOML.
pub fn with_requirements(file: &str, path: &str) -> Result<String, toml_edit::TomlError> {
    let mut carrier = Carrier {
        document: file.parse()?,
        done: Vec::new(),
        kept: Vec::new(),
    };
    if let Some(addons) = carrier.table(&["addons"]) {
        match addons.get_mut("requirements").and_then(Item::as_array_mut) {
            Some(list) if list.iter().any(|known| known.as_str() == Some(path)) => {}
            Some(list) => list.push(path),
            None => {
                addons.insert("requirements", value([path].into_iter().collect::<Array>()));
            }
        }
    }
    Ok(carrier.document.to_string())
}

struct Carrier {
    document: DocumentMut,
    done: Vec<String>,
    kept: Vec<String>,
}

impl Carrier {
    fn head(&mut self, imported: &Imported) {
        if let Some(odoo) = &imported.odoo {
            self.odoo(odoo);
        }
        if !imported.repositories.is_empty() {
            let directory = imported.directory.as_deref().unwrap_or("addons/external/oca");
            self.set(&["addons"], "oca", value(directory.trim_matches('/')));
        }
        if !imported.own.is_empty() {
            self.set(&["addons"], "own", value(imported.own.iter().collect::<Array>()));
        }
    }

    fn odoo(&mut self, odoo: &Found) {
        let mut source = toml_edit::InlineTable::new();
        source.insert("git", odoo.url.clone().unwrap_or_default().into());
        if let Some(commit) = &odoo.commit {
            source.insert("commit", commit.clone().into());
        }
        self.set(&["odoo"], "source", value(source));
    }

    fn group(&mut self, name: &str, group: &Group) {
        let tables = ["addons", "groups", name];
        self.set(&tables, "order", value(i64::from(group.order)));
        if let Some(description) = &group.description {
            self.set(&tables, "description", value(description));
        }
    }

    fn repository(&mut self, name: &str, found: &Found, series: Series) {
        let tables = ["addons", "repositories", name];
        let known = self
            .document
            .get("addons")
            .and_then(|addons| addons.get("repositories"));
        let is_new = known.is_none_or(|known| known.get(name).is_none());
        let before = self.done.len();
        self.table(&tables);
        let list = |texts: Vec<String>| value(texts.iter().collect::<Array>());
        let branch = found.branch.as_ref().filter(|branch| *branch != series.as_str());
        let texts = [
            ("url", &found.url),
            ("branch", &branch.cloned()),
            ("commit", &found.commit),
            ("group", &found.group),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                self.set(&tables, key, value(text));
            }
        }
        if !found.modules.is_empty() {
            self.set(&tables, "modules", list(found.modules.clone()));
        }
        if !found.merges.is_empty() {
            let texts = found.merges.iter().map(ToString::to_string).collect();
            self.set(&tables, "merges", list(texts));
        }
        // OCA's own repository, whole, at the branch of the series: there is no more to say.
        if is_new && self.done.len() == before {
            self.done.push(tables.join("."));
        }
    }

    /// The table at `path`; made when it is not there.
    fn table(&mut self, path: &[&str]) -> Option<&mut dyn TableLike> {
        let mut table: &mut dyn TableLike = self.document.as_table_mut();
        for (at, name) in path.iter().enumerate() {
            let last = at + 1 == path.len();
            if table.get(name).is_none() {
                let mut new = Table::new();
                new.set_implicit(!last);
                table.insert(name, Item::Table(new));
            }
            table = table.get_mut(name)?.as_table_like_mut()?;
        }
        Some(table)
    }

    fn set(&mut self, tables: &[&str], key: &str, item: Item) {
        let place = format!("{}.{key}", tables.join("."));
        let new = bare(&item);
        let Some(table) = self.table(tables) else {
            self.kept.push(format!("{place}: there is no table for it"));
            return;
        };
        match table.get(key).map(bare) {
            Some(old) if old == new => {}
            Some(old) => self
                .kept
                .push(format!("{place} = {old} stays; the import has {new}")),
            None => {
                table.insert(key, item);
                self.done.push(format!("{place} = {new}"));
            }
        }
    }
}

/// A value without the comment behind it.
fn bare(item: &Item) -> String {
    let mut item = item.clone();
    if let Some(value) = item.as_value_mut() {
        value.decor_mut().clear();
    }
    item.to_string().trim().to_owned()
}
