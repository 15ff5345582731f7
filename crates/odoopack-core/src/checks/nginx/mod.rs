//! Checks of a foreign nginx configuration in front of Odoo.
mod doors;
mod passing;
mod view;

use super::rule::{Rule, Spot, apply};
use super::{Finding, Severity};
use crate::foreign::nginx::read;
use view::View;

pub(super) const SUBJECT: &str = "nginx";

pub(super) fn rules() -> impl Iterator<Item = &'static Rule<View>> {
    [&READABLE].into_iter().chain(passing::RULES).chain(doors::RULES)
}

pub(super) fn judge(path: &str, text: &str) -> Vec<Finding> {
    let view = match read(text) {
        Ok(directives) => View::new(text, &directives),
        Err(mistake) => View {
            mistake: Some(mistake),
            ..View::default()
        },
    };
    apply(&view, path, rules())
}

const READABLE: Rule<View> = Rule {
    id: "nginx-unreadable",
    severity: Severity::Error,
    title: "nginx can read the file",
    why: "nginx refuses to start, or keeps running with the configuration before",
    fix: "`nginx -t` names the place too",
    look: |view| {
        view.mistake
            .iter()
            .map(|mistake| Spot::at(mistake.line, mistake.what.clone()))
            .collect()
    },
};
