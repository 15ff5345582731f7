//! Values of the file by path, with the defaults of the table of keys behind them.
use std::collections::BTreeMap;
use std::str::FromStr;

use toml::de::DeValue;

use super::keys;
use super::reader::Document;
use super::shape::Item;
use super::written::quoted;
use crate::name::Name;

/// The values of the file with the literal defaults of the table behind them.
#[derive(Debug)]
pub(super) struct Values<'a>(pub(super) &'a Document);

impl Values<'_> {
    /// What the file says at `path`.
    pub(super) fn given<T: FromStr>(&self, path: &str) -> Option<T> {
        match &self.0.values.get(path)?.item {
            Item::One(text) => text.parse().ok(),
            Item::Many(_) => None,
        }
    }

    /// What the file says at `path`, else the default of its key at `pattern`.
    pub(super) fn value<T: FromStr>(&self, path: &str, pattern: &str) -> T {
        let default = || match default_item(pattern)? {
            Item::One(text) => text.parse().ok(),
            Item::Many(_) => None,
        };
        self.given(path)
            .or_else(default)
            .expect("a test reads every default with the shape of its key")
    }

    /// The same for keys without chosen names.
    pub(super) fn plain<T: FromStr>(&self, path: &str) -> T {
        self.value(path, path)
    }

    /// The list at `path`, empty when the file does not say.
    pub(super) fn list(&self, path: &str) -> Vec<String> {
        match self.0.values.get(path).map(|f| &f.item) {
            Some(Item::Many(list)) => list.clone(),
            Some(Item::One(_)) | None => Vec::new(),
        }
    }

    /// The values directly below `table`, by name.
    pub(super) fn map<T: FromStr>(&self, table: &str) -> BTreeMap<String, T> {
        let inside = |path: &str, name: &str| path == keys::join(table, &quoted(name));
        let found = self
            .0
            .values
            .iter()
            .filter(|(path, found)| inside(path, &found.name));
        found
            .filter_map(|(path, found)| Some((found.name.clone(), self.given(path)?)))
            .collect()
    }

    /// The names chosen below `table`, of any form, unquoted.
    pub(super) fn words(&self, table: &str) -> Vec<String> {
        let below = |p: &String| {
            let name = p.strip_prefix(table)?.strip_prefix('.')?;
            match name.strip_prefix('"') {
                Some(inner) => inner.strip_suffix('"').filter(|text| !text.contains('"')),
                None => Some(name).filter(|text| !text.contains('.')),
            }
            .map(str::to_owned)
        };
        self.0.tables.keys().filter_map(below).collect()
    }

    /// The names chosen below `table`.
    pub(super) fn names(&self, table: &str) -> Vec<Name> {
        let below = |p: &String| p.strip_prefix(table)?.strip_prefix('.')?.parse().ok();
        self.0.tables.keys().filter_map(below).collect()
    }
}

fn default_item(pattern: &str) -> Option<Item> {
    let value = DeValue::parse(default_of(pattern)?).ok()?;
    keys::find(pattern)?.shape.read(value.get_ref()).ok()
}

/// The literal default of the key at `pattern`, as TOML.
pub(super) fn default_of(pattern: &str) -> Option<&'static str> {
    match keys::find(pattern)?.fallback {
        keys::Fallback::Literal(text) => Some(text),
        keys::Fallback::Required | keys::Fallback::Computed(_) | keys::Fallback::Absent(_) => None,
    }
}
