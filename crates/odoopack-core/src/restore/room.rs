//! Whether there is room for a second database and a second filestore beside the first, on whichever disks they are.
use camino::Utf8PathBuf;

use crate::units::Bytes;

/// A database on disk is about this much bigger than its rows as text, indexes included; in tenths.
const DATABASE_TENTHS: u64 = 18;
/// What must stay free for everybody else.
const RESERVE: Bytes = Bytes::mib(256);

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// A directory on it, by which people know it.
    pub place: Utf8PathBuf,
    /// The same for every directory on it.
    pub device: u64,
    /// Free.
    pub free: Bytes,
}

/// There is not enough room.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this needs about {need} of free space on the disk of {place}, and {free} are free")]
pub struct NoRoom {
    /// A directory on the disk.
    pub place: Utf8PathBuf,
    /// Needed.
    pub need: Bytes,
    /// Free.
    pub free: Bytes,
}

/// About how much a database takes whose plain dump has so many `rows`.
pub fn database_of(rows: Bytes) -> Bytes {
    Bytes(rows.0.saturating_mul(DATABASE_TENTHS) / 10)
}

/// Says whether everything fits, each on its disk; what goes to the same one is added up.
///
/// # Errors
/// [`NoRoom`] for the first disk that is too small, with the reserve counted.
pub fn room(all: &[(Disk, Bytes)]) -> Result<(), NoRoom> {
    for (disk, _) in all {
        let here = all.iter().filter(|(other, _)| other.device == disk.device);
        let need = here.fold(RESERVE.0, |sum, (_, bytes)| sum.saturating_add(bytes.0));
        if need > disk.free.0 {
            return Err(NoRoom {
                place: disk.place.clone(),
                need: Bytes(need),
                free: disk.free,
            });
        }
    }
    Ok(())
}

/// Says whether a second database of `size` bytes on disk fits.
///
/// # Errors
/// [`NoRoom`] when it does not, with the reserve counted.
pub fn room_for_copy(size: Bytes, disk: &Disk) -> Result<(), NoRoom> {
    room(&[(disk.clone(), size)])
}
