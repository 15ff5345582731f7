//! What can go wrong with a repository.
use rustic_core::RusticError;

use crate::listing::Unreadable;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A repository that could not be used, or would not have been whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is there.
    #[error("there is no repository at {0}")]
    Absent(String),
    /// Something is there already.
    #[error("there is already a repository at {0}")]
    Present(String),
    /// No key of the repository is opened by ours.
    #[error("the backup key does not open the repository at {0}")]
    WrongKey(String),
    /// Somebody else writes.
    #[error("somebody else is writing to the repository: {0}")]
    Locked(String),
    /// The store did not do what was asked.
    #[error("could not {act} at {place}: {why}")]
    Store {
        /// What was asked, such as `list snapshots`.
        act: String,
        /// Where.
        place: String,
        /// The store's own words.
        why: String,
    },
    /// What was stored is not what was handed over.
    #[error("the snapshot would not be whole: {0}")]
    NotWhole(String),
    /// A file that somebody may change became shorter, or went away, before it was read: another attempt may store it.
    #[error("the snapshot would not be whole, because somebody changed a file meanwhile: {0}")]
    Changed(String),
    /// A directory or data that an older snapshot has stored cannot be read.
    #[error("what an older snapshot has stored cannot be read: {0}")]
    Damaged(String),
    /// Objects below `snapshots/` are no snapshots, or none any more; at least one.
    #[error("{}", unreadable(.0))]
    Unreadable(Vec<Unreadable>),
    /// What a copy found wrong at the place that it was to go to, and not with what was to be copied.
    #[error("{0}")]
    There(Box<Self>),
    /// Fewer snapshots are listed than are known to be there.
    #[error("{listed} snapshots are listed, but {known} are known to be there: nothing is removed")]
    Fewer {
        /// How many the store listed.
        listed: usize,
        /// How many should be there at least.
        known: usize,
    },
    /// No snapshot has this name, or several have.
    #[error("{0}")]
    NoSnapshot(String),
    /// A snapshot has no such file.
    #[error("snapshot {snapshot} has no `{path}`")]
    NoFile {
        /// Short id.
        snapshot: String,
        /// Path inside of it.
        path: String,
    },
    /// The repository's format could not be read or written.
    #[error("{what}: {why}")]
    Format {
        /// What was being done.
        what: String,
        /// The library's own words.
        why: String,
    },
}

/// The library's message on one line, with its causes.
pub(crate) fn words(error: &RusticError) -> String {
    let text = error.display_log();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        // Where in the library it happened helps nobody who reads the message.
        .take_while(|line| !line.starts_with("Backtrace:"))
        .filter(|line| !line.is_empty())
        .collect();
    lines.join(" ")
}

fn unreadable(all: &[Unreadable]) -> String {
    let one = |one: &Unreadable| format!("`{}` at {} cannot be read: {}", one.object, one.place, one.why);
    let others = all.len().saturating_sub(1);
    let first = all.first().map_or_else(String::new, one);
    if others == 0 {
        first
    } else {
        format!("{first}; and {others} more")
    }
}

/// Wraps an error of the library.
pub(crate) fn format(what: &str) -> impl Fn(Box<RusticError>) -> Error + '_ {
    move |error| Error::Format {
        what: what.to_owned(),
        why: words(&error),
    }
}
