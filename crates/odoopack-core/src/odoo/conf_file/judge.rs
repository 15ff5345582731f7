//! Findings about a foreign odoo.conf, rule by rule.
use super::reader::DEFAULT;
use super::{ConfMistake, Entry, Note, Severity, capacity, values, whole};
use crate::odoo::Series;

/// Says what is wrong with the entries of an odoo.conf that a server of `series` reads.
///
/// # Shape
/// In file order; what is missing comes last. No value of an option that holds a secret is repeated.
pub fn judge(series: Series, entries: &[Entry]) -> Vec<Note> {
    let file = View { series, entries };
    let mut notes: Vec<Note> = file
        .options()
        .flat_map(|entry| values::judge(series, entry))
        .collect();
    notes.extend(
        whole::RULES
            .iter()
            .chain(capacity::RULES)
            .filter_map(|rule| rule(&file)),
    );
    notes.sort_by_key(|note| note.line.unwrap_or(usize::MAX));
    notes
}

/// One rule about the whole file.
pub(super) type Rule = fn(&View<'_>) -> Option<Note>;

/// The entries as the rules ask for them.
pub(super) struct View<'a> {
    pub(super) series: Series,
    pub(super) entries: &'a [Entry],
}

impl<'a> View<'a> {
    /// The entries that Odoo takes for its options.
    pub(super) fn options(&self) -> impl Iterator<Item = &'a Entry> + use<'a> {
        self.entries
            .iter()
            .filter(|entry| entry.section == "options" || entry.section == DEFAULT)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'a Entry> {
        self.options()
            .filter(|entry| entry.key == key)
            .min_by_key(|entry| entry.section == DEFAULT)
    }

    pub(super) fn line(&self, key: &str) -> Option<usize> {
        self.get(key).map(|entry| entry.line)
    }

    /// Whether the option is there and says something.
    pub(super) fn says(&self, key: &str) -> bool {
        self.get(key)
            .is_some_and(|entry| !matches!(entry.value.as_str(), "" | "False" | "false" | "None"))
    }

    pub(super) fn is_on(&self, key: &str, default: bool) -> bool {
        self.get(key).map_or(default, |entry| {
            values::is_true(self.series, values::bare(&entry.value))
        })
    }

    /// A count, even when a comment behind it hides it from Odoo.
    pub(super) fn number(&self, key: &str, default: u64) -> u64 {
        self.get(key)
            .and_then(|entry| values::bare(&entry.value).parse().ok())
            .unwrap_or(default)
    }
}

impl ConfMistake {
    /// The mistake as a finding.
    pub fn note(&self) -> Note {
        let (id, line, fix) = match self {
            Self::NoSection { line } => ("no-section", line, "write `[options]` on the first line"),
            Self::SectionAgain { line, .. } => ("section-again", line, "merge the two sections"),
            Self::KeyAgain { line, .. } => ("key-again", line, "keep one of the two lines"),
            Self::NoOption { line } => ("no-option", line, "write `name = value`, or `;` before a comment"),
        };
        let what = self
            .to_string()
            .split_once(": ")
            .map_or_else(String::new, |(_, what)| what.to_owned());
        let why = "Odoo ends with a traceback of `configparser`".to_owned();
        Note {
            id,
            severity: Severity::Error,
            line: Some(*line),
            what,
            why,
            fix: fix.to_owned(),
        }
    }
}
