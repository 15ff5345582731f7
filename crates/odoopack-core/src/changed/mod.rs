//! What of a module changed since a database last loaded it, what that asks for, and how it is done.
mod changes;
mod contents;
mod pattern;
mod record;
mod work;

pub use changes::{Change, Changes, Gone, Installed, Now, OnDisk, Reaction, Reason, changes};
pub use contents::{Contents, DEFAULT_PATTERNS, Hasher, Part, Selection, advisory_lock, order};
pub use pattern::Pattern;
pub use record::{CHECKSUMS_KEY, Checksums, DETAILS_KEY, Details, Loaded, PATTERNS_KEY, Record};
pub use work::{Act, Ground, Work, install, uninstall, update, update_changed};
