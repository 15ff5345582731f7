//! The databases and roles that should exist.
use std::collections::BTreeMap;

use super::Known;
use crate::name::Name;
use crate::spec::Kind;

/// One environment's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseWant {
    /// The environment.
    pub environment: Name,
    /// Its database.
    pub database: String,
    /// Data directory of its Odoo.
    pub home: camino::Utf8PathBuf,
    /// The role that owns it.
    pub role: String,
    /// Modules to install when it is empty; starts with `base` and `web`.
    pub modules: Vec<String>,
    /// Value of `odoopack.kind` when it is complete.
    pub kind: &'static str,
    /// System parameters of Odoo that follow from the file.
    pub parameters: BTreeMap<&'static str, String>,
}

impl DatabaseWant {
    /// Where the files of its attachments are.
    pub fn filestore(&self) -> camino::Utf8PathBuf {
        self.home.join("filestore").join(&self.database)
    }
}

pub(super) fn of(known: &Known<'_>) -> Vec<DatabaseWant> {
    let (spec, layout) = (known.spec, known.layout);
    let one = |(name, environment): (&Name, &crate::spec::Environment)| {
        let mut modules = vec!["base".to_owned(), "web".to_owned()];
        let edition = spec.editions.get(&environment.edition);
        modules.extend(edition.into_iter().flat_map(|edition| edition.modules.clone()));
        DatabaseWant {
            environment: name.clone(),
            database: environment.database.clone(),
            home: layout.environment(name),
            role: layout.role(name),
            modules,
            kind: kind(environment.kind),
            parameters: parameters(known, name),
        }
    };
    spec.environments.iter().map(one).collect()
}

/// The address that mails name, and the one that wkhtmltopdf asks: without TLS, and from no other machine.
fn parameters(known: &Known<'_>, name: &Name) -> BTreeMap<&'static str, String> {
    let mut all = BTreeMap::from([("web.base.url.freeze", "True".to_owned())]);
    all.extend(super::address(known.spec, name).map(|address| ("web.base.url", address)));
    let host = if known.layout.containers() {
        "nginx"
    } else {
        "127.0.0.1"
    };
    let inner = known.ports.get(name).map(|ports| ports.inner());
    all.extend(inner.map(|port| ("report.url", format!("http://{host}:{port}"))));
    all
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
