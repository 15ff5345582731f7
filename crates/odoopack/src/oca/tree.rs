//! The trees that releases are built from: one directory per tree of a repository, file times from content.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::layout::Layout;
use odoopack_core::oca_lock::{Locked, time_of};

use super::mirror::Mirror;
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::git;

/// Written into a tree when everything else is there.
const MARKER: &str = ".odoopack-tree";

/// Where the tree of a repository is.
pub(crate) fn place(layout: &Layout, name: &str, locked: &Locked) -> Utf8PathBuf {
    let short = &locked.tree[..12.min(locked.tree.len())];
    layout.releases().join("addons").join(format!("{name}-{short}"))
}

/// Whether a tree was finished.
pub(crate) fn is_whole(place: &Utf8Path) -> bool {
    place.join(MARKER).is_file()
}

/// Builds the tree of a repository unless it is there.
pub(crate) fn build(place: &Utf8Path, mirror: &Mirror, locked: &Locked) -> Result<()> {
    if is_whole(place) {
        return Ok(());
    }
    let parent = place.parent().unwrap_or(place);
    let new = parent.join(format!(".{}.new", place.file_name().unwrap_or("tree")));
    files::directory_all(parent)?;
    files::remove_tree(&new)?;
    files::directory(&new, 0o755, None)?;
    let tree = mirror.tree(locked.used())?;
    if tree != locked.tree {
        return Err(Failure::refused(format!(
            "commit {} of `{}` has another tree than the lock says",
            locked.used(),
            mirror.url
        ))
        .because(format!("tree {tree} instead of {}", locked.tree))
        .hint("`odoopack lock verify`"));
    }
    check_out(&mirror.place, locked.used(), &new)?;
    files::sync_file_system(&new)?;
    let marker = new.join(MARKER);
    files::replace(&marker, format!("{}\n", locked.tree).as_bytes(), 0o644, None)?;
    files::set_modified(&marker, time_of(&locked.tree))?;
    files::set_modified(&new, time_of(&locked.tree))?;
    files::remove_tree(place)?;
    files::rename(&new, place)
}

/// Writes a commit's files; each has a time made from its content, so that equal files have equal times in every tree.
///
/// # Source
/// Odoo makes the addresses of its bundles from file times (tried on 19.0, E18).
pub(crate) fn check_out(mirror: &Utf8Path, commit: &str, new: &Utf8Path) -> Result<()> {
    let index = Utf8PathBuf::from(format!("{new}.index"));
    files::remove(&index)?;
    let written = git::read_tree(mirror, &index, commit)
        .run()
        .and_then(|()| git::checkout(mirror, &index, new).run())
        .and_then(|()| git::staged(mirror, &index).read());
    files::remove(&index)?;
    let listed = written?;
    let mut directories = std::collections::BTreeSet::new();
    for (id, path) in git::parse_staged(&listed) {
        let file = new.join(path);
        // A submodule of the repository is an empty directory here.
        if file.symlink_metadata().is_ok() {
            files::set_modified(&file, time_of(id))?;
        }
        let above = Utf8Path::new(path).ancestors().skip(1);
        directories.extend(above.map(|directory| new.join(directory)));
    }
    // What holds others comes after what it holds, so nothing changes it again.
    for directory in directories.iter().rev() {
        files::set_modified(directory, time_of(""))?;
    }
    Ok(())
}

/// Files of a tree that are not as the commit has them.
pub(crate) fn differences(place: &Utf8Path, mirror: &Mirror, locked: &Locked) -> Result<Vec<String>> {
    let keep = tempfile::tempdir().map_err(|e| Failure::failed("could not make a directory").because(e))?;
    let index = Utf8Path::from_path(keep.path())
        .ok_or_else(|| Failure::failed("the directory for temporary files is not UTF-8"))?
        .join("index");
    git::read_tree(&mirror.place, &index, locked.used()).run()?;
    let compared = git::checkout::compare_tree(&mirror.place, &index, place).outcome()?;
    let mut all = git::checkout::parse_changed(&compared.stdout);
    let unknown = git::checkout::unknown_in_tree(&mirror.place, &index, place).read()?;
    let more = unknown
        .split('\0')
        .map(str::trim)
        .filter(|path| !path.is_empty() && *path != MARKER);
    // Odoo writes no bytecode there, but somebody who tries something may.
    all.extend(
        more.filter(|path| !path.contains("__pycache__/"))
            .map(str::to_owned),
    );
    Ok(all)
}
