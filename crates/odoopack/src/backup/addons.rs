//! The repositories of the lock in a snapshot: what releases are built from is there when those that it came from are not.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::backup::paths;
use odoopack_core::layout::Layout;

use super::stored::Opened;
use crate::context::{Context, Pack};
use crate::failure::Result;
use crate::oca::{file, tree};

/// Trees of the lock that are built here, in the order of their names; repositories of which there is none are only warned of, as is
/// a lock that cannot be read: the snapshot holds everything else.
pub(super) fn built(cx: &Context, pack: &Pack) -> Vec<Utf8PathBuf> {
    let lock = match file::read(&pack.directory) {
        Ok(lock) => lock,
        Err(failure) => {
            let why = failure.chain().join(": ");
            cx.ui
                .warn(&format!("no repository of the lock is in the snapshot: {why}"));
            None
        }
    };
    let (mut trees, mut lacking) = (Vec::new(), Vec::new());
    for (name, locked) in lock.iter().flat_map(|lock| &lock.repositories) {
        let place = tree::place(&pack.layout, name, locked);
        if tree::is_whole(&place) {
            trees.push(place);
        } else {
            lacking.push(name.clone());
        }
    }
    if !lacking.is_empty() {
        cx.ui.warn(&format!(
            "not in the snapshot, because no release was built from them yet: {}; `odoopack up` builds it",
            lacking.join(", ")
        ));
    }
    // The items of a snapshot come in the order of their paths.
    trees.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    trees
}

/// Puts the trees of the lock beside the pack `repo` where releases look for them, each only when it is the one that the lock names; returns the
/// repositories whose tree the snapshot does not hold.
pub(crate) fn bring(opened: &Opened, layout: &Layout, repo: &Utf8Path) -> Result<Vec<String>> {
    let lock = file::read(repo)?;
    let mut lacking = Vec::new();
    for (name, locked) in lock.iter().flat_map(|lock| &lock.repositories) {
        let place = tree::place(layout, name, locked);
        let stored = format!("{}/{}", paths::ADDONS, place.file_name().unwrap_or_default());
        if !tree::take(&place, locked, |new| opened.directory(&stored, new))? {
            lacking.push(name.clone());
        }
    }
    Ok(lacking)
}
