//! Mistakes in the file: where, what, and what to do.
use std::fmt;

/// Whether a mistake stops everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used; a person should look.
    Warning,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mistake {
    /// Whether it stops everything.
    pub severity: Severity,
    /// The file as shown to people, or the flag that brought the value (`--root`).
    pub file: String,
    /// Line, from 1; `None`: the file as a whole, or a flag.
    pub line: Option<usize>,
    /// Column in characters, from 1.
    pub column: Option<usize>,
    /// The key (`environments.staging.domain`); empty for a mistake of TOML itself.
    pub path: String,
    /// What is wrong: lower case, no full stop.
    pub what: String,
    /// What to do.
    pub hint: String,
}

/// All mistakes of one file.
///
/// # Shape
/// In file order; those without a line come first.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Puts the mistakes into file order and drops repeated ones.
    pub(super) fn sorted(mut list: Vec<Mistake>) -> Self {
        list.sort_by(|a, b| (a.line, a.column, &a.path).cmp(&(b.line, b.column, &b.path)));
        list.dedup();
        Self(list)
    }

    /// Whether one of them stops everything.
    pub fn fatal(&self) -> bool {
        self.0.iter().any(|m| m.severity == Severity::Error)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The mistakes in file order.
    pub fn iter(&self) -> std::slice::Iter<'_, Mistake> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Mistakes {
    type Item = &'a Mistake;
    type IntoIter = std::slice::Iter<'a, Mistake>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::error::Error for Mistakes {}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}{mistake}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        let warning = if self.severity == Severity::Warning {
            "warning: "
        } else {
            ""
        };
        let colon = if self.path.is_empty() { "" } else { ": " };
        write!(
            f,
            ": {warning}{}{colon}{}\n  hint: {}",
            self.path, self.what, self.hint
        )
    }
}
