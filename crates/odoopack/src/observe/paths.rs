//! Paths: kind, owner, mode and content hash, without following links.
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::{PathFact, PathKind, Seen};
use odoopack_core::hash;

use crate::tools::accounts::Accounts;

/// Looks at one path.
pub(crate) fn look(path: &Utf8Path, accounts: &Accounts) -> Seen<PathFact> {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Seen::Absent,
        Err(e) if e.kind() == std::io::ErrorKind::NotADirectory => return Seen::Absent,
        Err(e) => return Seen::Unknown(e.to_string()),
    };
    match kind(path, &metadata) {
        Ok(kind) => Seen::Present(PathFact {
            kind,
            mode: metadata.mode() & 0o7777,
            user: accounts.user_name(metadata.uid()),
            group: accounts.group_name(metadata.gid()),
        }),
        Err(e) => Seen::Unknown(e.to_string()),
    }
}

/// The first directory above `root`, from the top, that other users may not enter.
pub(crate) fn closed_above(root: &Utf8Path) -> Option<Utf8PathBuf> {
    let closed = |place: &&Utf8Path| {
        std::fs::metadata(place).is_ok_and(|data| data.is_dir() && data.mode() & 0o001 == 0)
    };
    let mut above: Vec<&Utf8Path> = root.ancestors().skip(1).collect();
    above.reverse();
    above.into_iter().find(closed).map(Utf8Path::to_owned)
}

fn kind(path: &Utf8Path, metadata: &std::fs::Metadata) -> std::io::Result<PathKind> {
    let file_type = metadata.file_type();
    Ok(if file_type.is_dir() {
        PathKind::Directory
    } else if file_type.is_symlink() {
        let target = std::fs::read_link(path)?;
        PathKind::Link(Utf8PathBuf::from(target.to_string_lossy().into_owned()))
    } else if file_type.is_file() {
        PathKind::File(hash::hex(&std::fs::read(path)?))
    } else {
        PathKind::Other
    })
}

/// Whether `copy` is a copy of the running program: placed copies carry its length and time.
pub(crate) fn same_file_times(copy: &Utf8Path) -> bool {
    let this = std::env::current_exe().and_then(std::fs::metadata);
    let (Ok(this), Ok(copy)) = (this, std::fs::metadata(copy)) else {
        return false;
    };
    this.len() == copy.len() && this.mtime() == copy.mtime()
}
