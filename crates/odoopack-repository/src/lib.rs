//! The backup repository: restic's format, on a directory or in an S3 bucket, behind types of our own.
//!
//! Nothing outside of this crate names `rustic_core` or `object_store`. What they would pass over in silence is an error here: a listing
//! that failed, a file that was not stored, a warning while storing. A snapshot becomes visible last, after its tree was checked, and one
//! repository has one writer.
mod archive;
mod backend;
mod copy;
mod error;
#[cfg(test)]
mod faults;
mod guarded;
mod leftovers;
mod listing;
mod lock;
mod lost;
mod notes;
mod objects;
mod pace;
mod parts;
mod place;
mod prune;
mod publish;
mod read;
mod remembered;
mod repository;
mod source;
mod turn;
mod warnings;
mod whole;
mod work;

pub use archive::{Label, Stored};
pub use copy::Copied;
pub use error::{Error, Result};
pub use listing::{Listing, Unreadable};
pub use lock::{Holder, Writer};
pub use pace::Pace;
pub use parts::{PART, Parts, part_name};
pub use place::{Access, Bucket, Place};
pub use prune::{Pruned, Reading};
pub use read::{Differences, Entry, Kind, Reader};
pub use repository::{Repository, Snapshot};
pub use source::{Content, Item};
