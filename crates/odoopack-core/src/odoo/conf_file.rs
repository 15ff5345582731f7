//! A foreign odoo.conf: what it says, and what is wrong with that.
mod capacity;
mod judge;
mod reader;
#[cfg(test)]
mod tests;
mod values;
mod whole;

pub use judge::judge;
pub use reader::read;

/// One `name = value` of an odoo.conf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The section it stands in, `options` for Odoo's own.
    pub section: String,
    /// The name, in lower case as Odoo sees it.
    pub key: String,
    /// The value, blanks at both ends removed; lines of a value that goes on are joined by line breaks.
    pub value: String,
    /// Line of the name, from 1.
    pub line: usize,
}

/// What an odoo.conf says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfFile {
    /// In file order; a name that comes twice in a section is there once, as first written.
    pub entries: Vec<Entry>,
    /// In file order; with any of them Odoo does not start.
    pub mistakes: Vec<ConfMistake>,
}

/// Why Odoo cannot read an odoo.conf.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfMistake {
    /// Something stands before the first `[section]`.
    #[error("line {line}: stands before any section; `[options]` is missing above it")]
    NoSection {
        /// From 1.
        line: usize,
    },
    /// The same section again.
    #[error("line {line}: section `[{section}]` is there a second time")]
    SectionAgain {
        /// From 1.
        line: usize,
        /// Its name.
        section: String,
    },
    /// The same name again.
    #[error("line {line}: `{key}` is set a second time, first on line {first}")]
    KeyAgain {
        /// From 1.
        line: usize,
        /// The name.
        key: String,
        /// Where it was set first.
        first: usize,
    },
    /// Neither `name = value` nor a section.
    #[error("line {line}: is neither `name = value`, a section nor a comment")]
    NoOption {
        /// From 1.
        line: usize,
    },
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Works, but not as intended or not safely.
    Warning,
    /// Does not work, or leaves a door open.
    Error,
}

/// One finding about an odoo.conf.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Note {
    /// Stable name of the rule.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// From 1; `None` when something is missing.
    pub line: Option<usize>,
    /// What was found.
    pub what: String,
    /// What happens because of it.
    pub why: String,
    /// What to write instead.
    pub fix: String,
}
