//! Why a text is no literal, with the place.

/// A text that is no Python literal, or one that is not read here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct Unreadable {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub what: String,
    /// Whose limit it is.
    pub fault: Fault,
}

/// Whose limit makes a text unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Python refuses it too.
    Text,
    /// Python can read it; here it is refused rather than guessed.
    Unsupported,
}
