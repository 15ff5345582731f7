//! The databases and roles that should exist.
use crate::layout::Layout;
use crate::name::Name;
use crate::spec::{Kind, Spec};

/// One environment's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseWant {
    /// The environment.
    pub environment: Name,
    /// Its database.
    pub database: String,
    /// The role that owns it.
    pub role: String,
    /// Modules to install when it is empty; starts with `base` and `web`.
    pub modules: Vec<String>,
    /// Value of `odoopack.kind` when it is complete.
    pub kind: &'static str,
}

pub(super) fn of(spec: &Spec, layout: &Layout) -> Vec<DatabaseWant> {
    let one = |(name, environment): (&Name, &crate::spec::Environment)| {
        let mut modules = vec!["base".to_owned(), "web".to_owned()];
        let edition = spec.editions.get(&environment.edition);
        modules.extend(edition.into_iter().flat_map(|edition| edition.modules.clone()));
        DatabaseWant {
            environment: name.clone(),
            database: environment.database.clone(),
            role: layout.role(name),
            modules,
            kind: kind(environment.kind),
        }
    };
    spec.environments.iter().map(one).collect()
}

/// Name of the database in which the tests of modules run, beside this one.
///
/// # Shape
/// At most 63 bytes, the most that PostgreSQL keeps of a name.
pub fn tests_database(database: &str) -> String {
    const ENDING: &str = "_tests";
    let mut short = database;
    while short.len() + ENDING.len() > 63 {
        short = &short[..short.len() - short.chars().next_back().map_or(1, char::len_utf8)];
    }
    format!("{short}{ENDING}")
}

/// Value of `odoopack.kind` in the database of an environment of this kind.
pub fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Production => "production",
        Kind::Staging => "staging",
        Kind::Development => "development",
    }
}
