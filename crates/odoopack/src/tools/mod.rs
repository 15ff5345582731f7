//! One file per outside program: argument builders and output parsers.
pub(crate) mod accounts;
pub(crate) mod nginx;
pub(crate) mod postgres;
pub(crate) mod runit;
