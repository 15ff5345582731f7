//! Parts of the story of `real_backup`.
pub(crate) mod faults;
pub(crate) mod offsite;
