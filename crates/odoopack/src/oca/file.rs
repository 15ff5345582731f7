//! `oca.lock.json` beside the file.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::oca_lock::{self, Lock, Unpinned, Unreadable};

use crate::failure::{Failure, Kind, Result};
use crate::files;

/// Where the lock of a pack is.
pub(crate) fn path(repo: &Utf8Path) -> Utf8PathBuf {
    repo.join(oca_lock::FILE)
}

/// Reads the lock; `None` when there is none.
///
/// # Errors
/// Kind `Spec`: when it is another program's, and when it holds anything that is not pinned.
pub(crate) fn read(repo: &Utf8Path) -> Result<Option<Lock>> {
    let path = path(repo);
    let Some(text) = files::read_text(&path)? else {
        return Ok(None);
    };
    oca_lock::read(&text).map(Some).map_err(|e| not_a_lock(&path, e))
}

/// Writes the lock.
pub(crate) fn write(repo: &Utf8Path, lock: &Lock) -> Result<()> {
    files::replace(&path(repo), lock.text().as_bytes(), 0o644, None)
}

/// What of the lock is pinned, for commands that pin the rest; `None` when there is no lock.
pub(crate) fn salvage(repo: &Utf8Path) -> Result<Option<(Lock, Vec<Unpinned>)>> {
    let path = path(repo);
    let Some(text) = files::read_text(&path)? else {
        return Ok(None);
    };
    oca_lock::salvage(&text)
        .map(Some)
        .map_err(|e| not_a_lock(&path, e))
}

fn not_a_lock(path: &Utf8Path, e: Unreadable) -> Failure {
    let help = e.help();
    Failure::new(Kind::Spec, format!("`{path}` is no lock to build from"))
        .because(e)
        .hint(help)
}
