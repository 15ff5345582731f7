//! What Docker Compose reads besides one file: it merges several itself before they are taken over.
use camino::{Utf8Path, Utf8PathBuf};

use super::Project;
use super::project::tidy;
use crate::foreign::compose::Service;
use crate::foreign::yaml::{Node, Value};
use crate::plan::Refusal;
use crate::render::shell::word;

/// Names of files that Docker Compose looks for, in its order.
///
/// # Source
/// compose-go, `cli.DefaultFileNames`.
pub const NAMES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

/// Names of files that it merges into one of [`NAMES`] in the same directory.
///
/// # Source
/// compose-go, `cli.DefaultOverrideFileNames`.
pub const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

impl Project {
    /// Why `file` alone is not what runs: another file may move a volume, and what lies in the old one would pass for the data.
    ///
    /// # Shape
    /// `beside` are the files of the names in [`OVERRIDES`] that lie beside `file`.
    pub fn in_parts(&self, file: &Utf8Path, beside: &[Utf8PathBuf]) -> Option<Refusal> {
        let what = self
            .inside()
            .or_else(|| self.listed(file, beside))
            .or_else(|| self.bare())?;
        let place = word(self.directory.as_str());
        Some(Refusal::new(
            format!("`{file}` is not the whole stack: {what}"),
            format!(
                "let Docker Compose write the whole one: `cd {place} && umask 077 && docker compose config > merged.yml`, with the `-f` and `--profile` options that the stack is started with, then `odoopack adopt --compose {place}/merged.yml` with the other options as before"
            ),
        ))
    }

    /// Files that are named in the file itself.
    fn inside(&self) -> Option<String> {
        let said = |node: &&Node| node.value != Value::Null;
        if let Some(include) = self.compose.root.get("include").filter(said) {
            return Some(format!("line {}: `include` names other files", include.line));
        }
        let extends = |service: &Service| {
            Some((
                service.name.clone(),
                service.node.get("extends").filter(said)?.line,
            ))
        };
        let (name, line) = self.compose.services.iter().find_map(extends)?;
        Some(format!(
            "line {line}: service `{name}` is made from another by `extends`"
        ))
    }

    /// Files that Docker Compose takes without being told on its command line.
    ///
    /// # Source
    /// compose-go: `COMPOSE_FILE`, its paths relative to the working directory and parted by `COMPOSE_PATH_SEPARATOR`, else one of
    /// [`NAMES`] with one of [`OVERRIDES`].
    fn listed(&self, file: &Utf8Path, beside: &[Utf8PathBuf]) -> Option<String> {
        let usual = file.file_name().is_some_and(|name| NAMES.contains(&name));
        let said = |name: &str| self.variables.get(name).filter(|text| !text.is_empty());
        if let Some(text) = said("COMPOSE_FILE") {
            let separator = said("COMPOSE_PATH_SEPARATOR").unwrap_or(":");
            let parts = text.split(separator).filter(|part| !part.is_empty());
            let all: Vec<Utf8PathBuf> = parts.map(|part| tidy(&self.directory.join(part))).collect();
            let among = all.iter().any(|one| one == file);
            let more = if among { all.len() > 1 } else { usual };
            return more.then(|| format!("`.env` says COMPOSE_FILE={text}"));
        }
        let first = beside.first().filter(|_| usual)?;
        Some(format!("Docker Compose merges `{first}` into it"))
    }

    /// A file that Docker Compose itself would not take alone.
    fn bare(&self) -> Option<String> {
        let lacks =
            |service: &&Service| service.node.get("image").is_none() && service.node.get("build").is_none();
        let service = self.compose.services.iter().find(lacks)?;
        Some(format!(
            "line {}: service `{}` has neither an image nor a place to build one from",
            service.line, service.name
        ))
    }
}
