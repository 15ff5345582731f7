//! Backups: one consistent snapshot of an environment into the repository, and what the repository says.
//!
//! The story of a backup is in [`create`]; everything that names `odoopack_repository` is below this module.
pub(crate) mod addons;
pub(crate) mod create;
mod database;
pub(crate) mod elsewhere;
pub(crate) mod failure;
mod filestore;
mod gentle;
pub(crate) mod history;
mod items;
pub(crate) mod key;
pub(crate) mod offsite;
pub(crate) mod piece;
pub(crate) mod place;
pub(crate) mod proof;
pub(crate) mod record;
pub(crate) mod retention;
pub(crate) mod status;
pub(crate) mod stored;
mod tree;
pub(crate) mod unreadable;

pub(crate) use odoopack_repository::{Place, Repository};
