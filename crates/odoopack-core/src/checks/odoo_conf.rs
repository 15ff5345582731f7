//! Checks of an odoo.conf: the rules of `odoo::conf_file` under their names in the list.
use super::rule::Fixed;
use super::{Check, Finding, Severity};
use crate::odoo::Series;
use crate::odoo::conf_file::{ConfMistake, Note, judge as judge_entries, read};

const SUBJECT: &str = "odoo.conf";

/// Rule of `conf_file`, name in the list, worst severity, what should be so.
#[rustfmt::skip]
const NAMES: &[(&str, &str, Severity, &str)] = &[
    ("no-section", "conf-section-missing", Severity::Error, "the file begins with `[options]`"),
    ("section-again", "conf-section-again", Severity::Error, "each section is there once"),
    ("key-again", "conf-key-again", Severity::Error, "each option is set once"),
    ("no-option", "conf-not-an-option", Severity::Error, "every line is an option, a section or a comment"),
    ("unknown-option", "conf-unknown-option", Severity::Warning, "every option exists in the series"),
    ("removed-option", "conf-removed-option", Severity::Error, "no option was removed or renamed"),
    ("old-name", "conf-old-name", Severity::Warning, "options have their current names"),
    ("command-line-only", "conf-command-line-only", Severity::Warning, "options of the command line stay there"),
    ("session-store", "conf-session-store", Severity::Error, "sessions are kept where Odoo can keep them"),
    ("bad-value", "conf-bad-value", Severity::Error, "every value has the type of its option"),
    ("false-for-nothing", "conf-false-for-nothing", Severity::Warning, "`False` is used for truth values only"),
    ("inline-comment", "conf-inline-comment", Severity::Error, "comments stand on lines of their own"),
    ("not-interpolated", "conf-not-interpolated", Severity::Error, "no value counts on `${...}`"),
    ("quoted-value", "conf-quoted-value", Severity::Error, "no value stands in quotes"),
    ("connections", "conf-connections", Severity::Warning, "PostgreSQL has as many connections as may be opened"),
    ("memory-plan", "conf-memory-plan", Severity::Info, "workers fit the memory"),
    ("virtual-memory", "conf-virtual-memory", Severity::Warning, "memory limits leave room for virtual memory"),
    ("hard-below-soft", "conf-hard-below-soft", Severity::Error, "the hard memory limit is above the soft one"),
    ("one-worker", "conf-one-worker", Severity::Warning, "PDFs can be printed: not exactly one worker"),
    ("threaded", "conf-threaded", Severity::Info, "production uses workers"),
    ("repositories-in-addons-path", "conf-addons-path", Severity::Warning, "`addons_path` names folders of modules"),
    ("database-list-open", "conf-database-list-open", Severity::Error, "`list_db = False`"),
    ("no-database-name", "conf-no-database-name", Severity::Error, "`db_name` goes with `list_db = False`"),
    ("master-password-default", "conf-master-password-default", Severity::Error, "the master password was changed"),
    ("master-password-plain", "conf-master-password-plain", Severity::Warning, "the master password is stored hashed"),
    ("logfile", "conf-logfile", Severity::Warning, "logs go to standard error"),
    ("superuser", "conf-superuser", Severity::Error, "Odoo's database role is no superuser"),
    ("proxy-mode", "conf-proxy-mode", Severity::Warning, "`proxy_mode` behind a proxy"),
    ("demo-data", "conf-demo-data", Severity::Info, "new databases get no demo data"),
    ("http-interface", "conf-http-interface", Severity::Info, "Odoo listens on loopback only"),
    ("data-dir", "conf-data-dir", Severity::Info, "`data_dir` is set"),
    ("foreign-section", "conf-foreign-section", Severity::Warning, "sections of modules are read in the series"),
];

/// A rule that has no name here yet; a test keeps this from happening for the rules that are known.
const OTHER: Fixed = Fixed {
    id: "conf-other",
    severity: Severity::Error,
    subject: SUBJECT,
    title: "everything else that is known about odoo.conf",
    saw: "",
    why: "",
    fix: "",
};

pub(super) fn checks() -> impl Iterator<Item = Check> {
    let check = |(_, id, severity, title): &(&str, &'static str, Severity, &'static str)| Check {
        id,
        severity: *severity,
        subject: SUBJECT,
        title,
    };
    NAMES.iter().map(check).chain([OTHER.check()])
}

pub(super) fn judge(path: &str, text: &str, series: Series) -> Vec<Finding> {
    let file = read(text);
    let mut notes: Vec<Note> = file.mistakes.iter().map(ConfMistake::note).collect();
    notes.extend(judge_entries(series, &file.entries));
    notes.sort_by_key(|note| note.line.unwrap_or(usize::MAX));
    notes.into_iter().map(|note| finding(path, note)).collect()
}

fn finding(path: &str, note: Note) -> Finding {
    let id = NAMES
        .iter()
        .find(|(rule, ..)| *rule == note.id)
        .map_or(OTHER.id, |(_, id, ..)| *id);
    let place = note
        .line
        .map_or_else(|| path.to_owned(), |line| format!("{path}:{line}"));
    Finding {
        id,
        severity: note.severity,
        place,
        saw: note.what,
        why: note.why,
        fix: note.fix,
    }
}
