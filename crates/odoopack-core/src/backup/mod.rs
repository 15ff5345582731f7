//! What a snapshot says of itself, and which snapshots are kept.
mod manifest;
mod proof;
pub mod retention;

pub use manifest::{
    Attachments, BadManifest, Code, Database, Dump, FORMAT, Manifest, Seconds, Table, paths,
    read_attachments, write_attachment,
};
pub use proof::Proof;
