//! Looks at the machine and changes nothing; one file per subject.
pub(crate) mod databases;
pub(crate) mod host;
pub(crate) mod listeners;
pub(crate) mod paths;
pub(crate) mod services;
