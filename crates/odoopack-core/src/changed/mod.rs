//! What of a module changed since a database last loaded it, and what that asks for.
mod contents;
mod pattern;

pub use contents::{Contents, DEFAULT_PATTERNS, Hasher, Part, Selection, advisory_lock, order};
pub use pattern::Pattern;
