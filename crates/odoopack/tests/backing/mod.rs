//! Parts of the story of `real_backup`.
pub(crate) mod faults;
pub(crate) mod killed;
pub(crate) mod locked;
pub(crate) mod offsite;

/// Gives a program another clock.
const CLOCK: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
