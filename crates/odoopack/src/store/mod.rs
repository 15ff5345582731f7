//! The state directory: locks, journals, stamps of running services, hashes of written files, marks.
pub(crate) mod journal;
pub(crate) mod left;
pub(crate) mod lock;
pub(crate) mod marks;
pub(crate) mod operation;
pub(crate) mod recovering;
pub(crate) mod schedule;
pub(crate) mod secrets;
