//! `doctor`: a list of checks, one file per subject; what each saw, why it matters, and what fixes it.
mod compose;
pub mod environment;
pub mod host;
mod nginx;
mod odoo_conf;
mod rule;
mod table;
#[cfg(test)]
mod tests;
mod together;

use crate::foreign::{Kind, kind};
use crate::odoo::Series;
pub use crate::odoo::conf_file::Severity;
pub use rule::{Check, Finding};
pub use table::table;

/// A file that somebody has, with its name.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// As people will read it in a finding; its directories matter for relative paths.
    pub path: &'a str,
    /// Its content.
    pub text: &'a str,
}

/// Every check there is, by subject, each id once.
pub fn all() -> Vec<Check> {
    let mut all = vec![UNKNOWN.check()];
    all.extend(odoo_conf::checks());
    all.extend(rule::checks(nginx::SUBJECT, nginx::rules()));
    all.extend(rule::checks(compose::SUBJECT, compose::rules()));
    all.extend(together::checks());
    all.extend(host::checks());
    all.extend(environment::checks());
    all
}

/// Judges one file; its kind is told from its content.
///
/// # Shape
/// In file order, what is missing last. No secret value is repeated.
pub fn judge_text(path: &str, text: &str, series: Series) -> Vec<Finding> {
    match kind(path, text) {
        Some(Kind::OdooConf) => odoo_conf::judge(path, text, series),
        Some(Kind::Nginx) => nginx::judge(path, text),
        Some(Kind::Compose) => compose::judge(path, text),
        None => vec![UNKNOWN.finding(path)],
    }
}

/// Judges the files of one stack: each by itself, then what only shows when they are read together.
pub fn judge_files(files: &[File<'_>], series: Series) -> Vec<Finding> {
    let alone = files
        .iter()
        .flat_map(|file| judge_text(file.path, file.text, series));
    alone.chain(together::judge(files)).collect()
}

/// Whether a file of ours says enough by itself to be judged: those of a stack are parts of one another.
pub fn is_judged(containers: bool, path: &str, text: &str) -> bool {
    match kind(path, text) {
        Some(Kind::OdooConf) => true,
        Some(Kind::Nginx | Kind::Compose) => !containers,
        None => false,
    }
}

/// Judges files that we rendered, as they lie on disk: a hand edit may have opened what was closed.
///
/// # Shape
/// Without what is only worth knowing about a file of somebody else, and without guesses at what the plan knows: how many connections
/// the server allows, and which environments run without workers, whose one process also answers websockets.
pub fn judge_rendered(files: &[File<'_>], series: Series) -> Vec<Finding> {
    let mut all = judge_files(files, series);
    all.retain(|finding| {
        let guess = ["conf-connections", "nginx-websocket-upstream", UNKNOWN.id].contains(&finding.id);
        finding.severity != Severity::Info && !guess
    });
    all
}

const UNKNOWN: rule::Fixed = rule::Fixed {
    id: "file-unknown",
    severity: Severity::Warning,
    subject: "files",
    title: "the kind of a file is known",
    saw: "neither an odoo.conf, nor nginx's configuration, nor a compose file",
    why: "there is nothing to compare it with",
    fix: "name a file with `[options]`, a `server { }` block, or `services:`",
};
