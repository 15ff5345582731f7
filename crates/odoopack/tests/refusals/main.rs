//! Every refusal of the real binary: the exit code, the words that help, and that nothing was touched.
#![allow(
    clippy::allow_attributes,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test starts programs, writes files and panics"
)]
mod of_a_recovery;
mod of_a_snapshot;
mod of_the_file;
mod of_the_machine;
mod place;
