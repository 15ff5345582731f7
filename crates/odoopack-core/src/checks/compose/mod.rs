//! Checks of a foreign file for Docker Compose that runs Odoo.
mod data;
mod doors;
mod running;

use super::rule::{Rule, Spot, apply};
use super::{Finding, Severity};
use crate::foreign::compose::{Compose, Service};
use crate::foreign::yaml::Mistake;

pub(super) const SUBJECT: &str = "compose";

/// A file as the rules ask for it.
pub(in crate::checks) struct View {
    mistake: Option<Mistake>,
    services: Vec<Service>,
    /// Name of the directory that the file is in, empty when unknown.
    directory: String,
    has_version: Option<usize>,
}

pub(super) fn rules() -> impl Iterator<Item = &'static Rule<View>> {
    [&READABLE]
        .into_iter()
        .chain(doors::RULES)
        .chain(data::RULES)
        .chain(running::RULES)
}

pub(super) fn judge(path: &str, text: &str) -> Vec<Finding> {
    let directory = path.rsplit('/').nth(1).unwrap_or_default().to_owned();
    let view = match Compose::read(text) {
        Ok(file) => View {
            mistake: None,
            has_version: file.root.get("version").map(|node| node.line),
            services: file.services,
            directory,
        },
        Err(mistake) => View {
            mistake: Some(mistake),
            services: Vec::new(),
            directory,
            has_version: None,
        },
    };
    apply(&view, path, rules())
}

const READABLE: Rule<View> = Rule {
    id: "compose-unreadable",
    severity: Severity::Error,
    title: "Compose can read the file",
    why: "nothing starts",
    fix: "`docker compose config` names the place too",
    look: |view| {
        view.mistake
            .iter()
            .map(|mistake| Spot::at(mistake.line, mistake.what.clone()))
            .collect()
    },
};

/// Names of services in one sentence; the place is the first one's.
fn together(services: &[&Service], what: &str) -> Vec<Spot> {
    let names: Vec<String> = services
        .iter()
        .map(|service| format!("`{}`", service.name))
        .collect();
    services
        .first()
        .map(|first| Spot::at(first.line, format!("{}: {what}", names.join(", "))))
        .into_iter()
        .collect()
}
