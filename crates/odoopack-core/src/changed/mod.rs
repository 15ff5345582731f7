//! What of a module changed since a database last loaded it, and what that asks for.
mod changes;
mod contents;
mod pattern;
mod record;

pub use changes::{Change, Changes, Gone, Installed, Now, OnDisk, Reaction, Reason, changes};
pub use contents::{Contents, DEFAULT_PATTERNS, Hasher, Part, Selection, advisory_lock, order};
pub use pattern::Pattern;
pub use record::{CHECKSUMS_KEY, Checksums, DETAILS_KEY, Details, PATTERNS_KEY, Record};
