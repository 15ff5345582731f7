//! Whether there is room for a second database and a second filestore beside the first.
use crate::units::Bytes;

/// A database on disk is about this much bigger than its rows as text, indexes included; in tenths.
const DATABASE_TENTHS: u64 = 18;
/// What must stay free for everybody else.
const RESERVE: Bytes = Bytes::mib(256);

/// There is not enough room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this needs about {need} of free space, and {free} are free")]
pub struct NoRoom {
    /// Needed.
    pub need: Bytes,
    /// Free.
    pub free: Bytes,
}

/// Says whether `rows` of plain dump and `files` of attachments fit.
///
/// # Errors
/// [`NoRoom`] when they do not, with the reserve counted.
pub fn room(rows: Bytes, files: Bytes, free: Bytes) -> Result<(), NoRoom> {
    let database = rows.0.saturating_mul(DATABASE_TENTHS) / 10;
    fits(database.saturating_add(files.0), free)
}

/// Says whether a second database of `size` bytes on disk fits.
///
/// # Errors
/// [`NoRoom`] when it does not, with the reserve counted.
pub fn room_for_copy(size: Bytes, free: Bytes) -> Result<(), NoRoom> {
    fits(size.0, free)
}

fn fits(bytes: u64, free: Bytes) -> Result<(), NoRoom> {
    let need = Bytes(bytes.saturating_add(RESERVE.0));
    if need <= free {
        Ok(())
    } else {
        Err(NoRoom { need, free })
    }
}
