//! The commented file that `odoopack init` writes.
use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::flat::{filled, list, of_source, text};
use super::keys::{self, FORMAT, Fallback, Key, SECTIONS, Section};
use super::lookup::default_of;
use super::{Kind, Series, Source};
use crate::name::Name;

/// What `init` knows; everything else is written as a comment with its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Starter {
    /// `pack.name`.
    pub name: Name,
    /// `pack.root`; `None`: from the place of the file.
    pub root: Option<Utf8PathBuf>,
    /// `odoo.series`.
    pub series: Series,
    /// `odoo.source`; `None`: Odoo's own repository.
    pub source: Option<Source>,
    /// `addons.own`: directories of own modules that were found.
    pub own: Vec<String>,
    /// `addons.oca`: directory of OCA repositories that was found.
    pub oca: Option<String>,
    /// `addons.requirements`: requirement files that were found.
    pub requirements: Vec<String>,
    /// `editions.core.modules`.
    pub modules: Vec<String>,
    /// Name of the first environment.
    pub environment: Name,
    /// Its kind; `None`: by its name.
    pub kind: Option<Kind>,
    /// Its host name.
    pub domain: String,
}

impl Starter {
    /// A starter for one environment, everything else at its default.
    pub fn new(name: Name, environment: Name, domain: impl Into<String>, series: Series) -> Self {
        Self {
            name,
            root: None,
            series,
            source: None,
            own: Vec::new(),
            oca: None,
            requirements: Vec::new(),
            modules: Vec::new(),
            environment,
            kind: None,
            domain: domain.into(),
        }
    }
}

/// The file that `init` writes: what is known as lines, every other key as a comment with its default.
///
/// # Shape
/// It loads, when the values of `starter` are right (`init` loads what it wrote).
pub fn starter(starter: &Starter) -> String {
    let known = known(starter);
    let first = format!(
        "# Everything about this Odoo platform. `odoopack spec show` prints every value and where it came from.\n\
         format = {FORMAT}\n"
    );
    [first]
        .into_iter()
        .chain(SECTIONS.iter().map(|s| chapter(s, starter, &known)))
        .collect()
}

/// One table with its keys; nothing for tables that are not written as such.
fn chapter(section: &Section, starter: &Starter, known: &BTreeMap<&'static str, String>) -> String {
    let inside = keys::all().filter(|k| keys::split(k.path).0 == section.path);
    // A repository is there as soon as its table is; `odoopack oca add` writes it.
    if section.path.starts_with("addons.") {
        return String::new();
    }
    let blocks: String = inside.map(|key| block(key, section, known)).collect();
    if blocks.is_empty() {
        return blocks;
    }
    let header = filled(section.path, &names(section, starter));
    format!("\n# {}\n[{header}]\n{blocks}", section.doc)
}

/// What the starter says, by pattern.
fn known(starter: &Starter) -> BTreeMap<&'static str, String> {
    let lists = |values: &[String]| if values.is_empty() { None } else { list(values) };
    let mut all = vec![
        ("pack.name", text(&starter.name)),
        ("pack.root", starter.root.as_ref().and_then(text)),
        ("odoo.series", text(starter.series)),
        ("addons.own", lists(&starter.own)),
        ("addons.oca", starter.oca.as_ref().and_then(text)),
        ("addons.requirements", lists(&starter.requirements)),
        ("editions.*.modules", lists(&starter.modules)),
        ("environments.*.kind", starter.kind.and_then(text)),
        ("environments.*.domain", text(&starter.domain)),
    ];
    let source = starter.source.as_ref().map(of_source).unwrap_or_default();
    let usual = default_of("odoo.source.git").filter(|_| source.is_empty());
    all.push(("odoo.source.git", usual.map(str::to_owned)));
    all.extend(source.into_iter().map(|line| (line.pattern, line.value)));
    all.into_iter()
        .filter_map(|(pattern, value)| Some((pattern, value?)))
        .collect()
}

/// What stands for the `*` of a section.
fn names(section: &Section, starter: &Starter) -> Vec<String> {
    let edition = section.path.starts_with("editions");
    vec![if edition {
        "core".to_owned()
    } else {
        starter.environment.to_string()
    }]
}

fn block(key: &Key, section: &Section, known: &BTreeMap<&'static str, String>) -> String {
    let name = match (keys::split(key.path).1, section.names) {
        ("*", Some((_, sample))) => sample,
        (name, _) => name,
    };
    let line = match known.get(key.path) {
        Some(value) => format!("{name} = {value}"),
        None => format!("# {name} = {}", sample(key)),
    };
    format!("# {} {}\n{line}\n", key.doc, default(key))
}

/// The default where it is a value worth a line, else the example.
fn sample(key: &Key) -> &'static str {
    match key.fallback {
        Fallback::Literal(value) if value != "[]" => value,
        Fallback::Literal(_) | Fallback::Required | Fallback::Computed(_) | Fallback::Absent(_) => {
            key.example
        }
    }
}

/// What holds without the key, as a sentence.
pub(super) fn default(key: &Key) -> String {
    match key.fallback {
        Fallback::Required => "Required.".to_owned(),
        Fallback::Literal("[]") => "Default: none.".to_owned(),
        Fallback::Literal(value) => format!("Default: {value}."),
        Fallback::Computed(words) => format!("Default: {words}."),
        Fallback::Absent(words) => format!("Without it: {words}."),
    }
}
