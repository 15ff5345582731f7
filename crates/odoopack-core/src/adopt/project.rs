//! The parts of a compose project that matter to whoever takes it over.
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::Variables;
use super::command::split;
use crate::foreign::compose::{Compose, Role, Service};
use crate::foreign::yaml::{Node, Value};

/// Where the official image of Odoo keeps its data, its configuration and modules of others.
pub(super) const ODOO_DATA: &str = "/var/lib/odoo";
pub(super) const ODOO_CONF: &str = "/etc/odoo/odoo.conf";

/// A file and the place that its relative paths begin at.
#[derive(Clone, Debug)]
pub struct Project {
    pub(super) compose: Compose,
    pub(super) variables: Variables,
    /// What the files that services name in `env_file` say.
    beside: BTreeMap<Utf8PathBuf, Variables>,
    /// Directory that relative paths begin at.
    pub directory: Utf8PathBuf,
    /// Its name, part of the names of its volumes.
    pub name: String,
}

/// A place of the host that a container sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A volume by its full name, and what lies below it.
    Volume(String, Utf8PathBuf),
    /// A directory or a file.
    Host(Utf8PathBuf),
}

impl Project {
    /// Reads a compose file.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(
        text: &str,
        variables: Variables,
        directory: &Utf8Path,
        name: Option<&str>,
    ) -> Result<Self, String> {
        let compose = Compose::read(text).map_err(|mistake| mistake.to_string())?;
        let said = compose
            .root
            .get("name")
            .and_then(Node::text)
            .map(|name| variables.fill(name));
        let given = name.map(str::to_owned).or_else(|| {
            let from_variables = variables.get("COMPOSE_PROJECT_NAME").map(str::to_owned);
            from_variables.or(said)
        });
        let name = given.unwrap_or_else(|| normal(directory.file_name().unwrap_or_default()));
        Ok(Self {
            compose,
            variables,
            beside: BTreeMap::new(),
            directory: directory.to_owned(),
            name,
        })
    }

    /// Files that services name in `env_file`, each once.
    pub fn env_files(&self) -> BTreeSet<Utf8PathBuf> {
        let all = self.compose.services.iter();
        all.flat_map(|service| self.env_files_of(service)).collect()
    }

    /// The same project, with the texts of those that are there.
    #[must_use]
    pub fn with_env_files(mut self, texts: &BTreeMap<Utf8PathBuf, String>) -> Self {
        let read = |(path, text): (&Utf8PathBuf, &String)| (path.clone(), self.variables.beside(text));
        self.beside = texts.iter().map(read).collect();
        self
    }

    /// Those of one service, in its order.
    ///
    /// # Source
    /// Compose specification, `env_file`: a path, or a list of paths or of maps with `path`.
    fn env_files_of(&self, service: &Service) -> Vec<Utf8PathBuf> {
        let Some(node) = service.node.get("env_file") else {
            return Vec::new();
        };
        let path = |node: &Node| {
            node.text()
                .or_else(|| node.get("path")?.text())
                .map(str::to_owned)
        };
        let listed = node.members().iter().filter_map(path);
        let named = path(node).into_iter().chain(listed);
        named
            .map(|text| tidy(&self.directory.join(self.variables.fill(&text))))
            .collect()
    }

    /// Those of one service that were not there.
    pub(super) fn missing_env_files(&self, service: &Service) -> Vec<Utf8PathBuf> {
        let all = self.env_files_of(service).into_iter();
        all.filter(|path| !self.beside.contains_key(path)).collect()
    }

    /// Variables that only a file of `env_file` gives a service.
    pub(super) fn named_in_files(&self, service: &Service) -> BTreeSet<String> {
        let files = self.env_files_of(service).into_iter();
        let files = files.filter_map(|path| self.beside.get(&path));
        let names = files.flat_map(Variables::names).map(str::to_owned);
        names.filter(|name| service.variable(name).is_none()).collect()
    }

    /// Services of one kind; PostgreSQL's is narrowed to the one that Odoo names.
    pub(super) fn services(&self, role: Role) -> Vec<&Service> {
        self.compose.of(role).collect()
    }

    /// A text of a service with its variables filled in.
    pub(super) fn text(&self, service: &Service, key: &str) -> Option<String> {
        service.text(key).map(|text| self.variables.fill(text))
    }

    /// A variable of a service; the last of its files that names it counts, and `environment` before all files.
    ///
    /// # Source
    /// Compose specification: one that `environment` names without a value has that of `.env`, where Compose has one itself.
    pub(super) fn variable(&self, service: &Service, name: &str) -> Option<String> {
        let from_file = || {
            let files = self.env_files_of(service).into_iter().rev();
            let mut said = files.filter_map(|path| self.beside.get(&path)?.get(name).map(str::to_owned));
            said.next()
        };
        let said = if service.passes_through(name) {
            self.variables.get(name).map(str::to_owned)
        } else {
            service.variable(name).map(|text| self.variables.fill(&text))
        };
        said.or_else(from_file)
    }

    /// The image that a service runs; Compose names one that it builds by project and service.
    pub(super) fn image(&self, service: &Service) -> String {
        let named = self.text(service, "image").filter(|image| !image.is_empty());
        named.unwrap_or_else(|| format!("{}-{}", self.name, service.name))
    }

    /// Words of a service's command.
    pub(super) fn command(&self, service: &Service) -> Vec<String> {
        let Some(node) = service.node.get("command") else {
            return Vec::new();
        };
        match &node.value {
            Value::Text(text) => split(&self.variables.fill(text)),
            Value::List(all) => all
                .iter()
                .filter_map(Node::text)
                .map(|text| self.variables.fill(text))
                .collect(),
            Value::Null | Value::Map(_) => Vec::new(),
        }
    }

    /// Where a path of a container lies: the mount that is nearest to it decides.
    pub(super) fn place(&self, service: &Service, inside: &Utf8Path) -> Option<Place> {
        let mounts = service.mounts().into_iter();
        let filled = mounts.map(|mount| {
            (
                self.variables.fill(&mount.source),
                self.variables.fill(&mount.target),
            )
        });
        let mut best: Option<(usize, String, Utf8PathBuf)> = None;
        for (source, target) in filled.filter(|(source, _)| !source.is_empty()) {
            let Ok(rest) = inside.strip_prefix(target.trim_end_matches('/')) else {
                continue;
            };
            if best.as_ref().is_none_or(|(length, ..)| target.len() > *length) {
                best = Some((target.len(), source, rest.to_owned()));
            }
        }
        let (_, source, rest) = best?;
        Some(self.source(&source, &rest))
    }

    fn source(&self, source: &str, rest: &Utf8Path) -> Place {
        let below = |place: Utf8PathBuf| {
            if rest.as_str().is_empty() {
                place
            } else {
                place.join(rest)
            }
        };
        if source.starts_with(['/', '.', '~']) {
            let whole = tidy(&self.directory.join(source));
            return Place::Host(below(whole));
        }
        Place::Volume(self.volume(source), rest.to_owned())
    }

    /// Full name of a volume.
    fn volume(&self, short: &str) -> String {
        let said = self.compose.root.get("volumes").and_then(|node| node.get(short));
        let name = said.and_then(|node| node.get("name")).and_then(Node::text);
        let external = said.and_then(|node| node.get("external"));
        let outside = external.is_some_and(|node| node.text() == Some("true") || !node.entries().is_empty());
        match name {
            Some(name) => self.variables.fill(name),
            None if outside => short.to_owned(),
            None => format!("{}_{short}", self.name),
        }
    }

    /// Whether a volume of the file is more than a directory of Docker's own.
    pub(super) fn has_driver(&self, full: &str) -> bool {
        let all = self.compose.root.get("volumes").map_or(&[][..], Node::entries);
        all.iter().any(|(short, node)| {
            let local = |node: &Node| matches!(node.text(), Some("local") | None);
            let driver = node.get("driver").is_some_and(|driver| !local(driver));
            self.volume(short) == full && (driver || node.get("driver_opts").is_some())
        })
    }
}

/// Without `.` and `..`, which a path of a compose file often begins with.
pub(super) fn tidy(path: &Utf8Path) -> Utf8PathBuf {
    let mut out = Utf8PathBuf::new();
    for part in path.components() {
        match part.as_str() {
            ".." => {
                out.pop();
            }
            "." => {}
            name => out.push(name),
        }
    }
    out
}

/// As Compose makes a project's name from a directory's (`compose-go`, `NormalizeProjectName`).
fn normal(text: &str) -> String {
    let kept = text.to_lowercase();
    let kept: String = kept
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ['-', '_'].contains(c))
        .collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}
