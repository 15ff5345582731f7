//! Every entry below a directory, links not followed.
use std::fs::FileType;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::failure::{Failure, Result};

/// Calls `each` with every entry below `root`, directories after what they hold.
pub(super) fn walk(root: &Utf8Path, each: &mut dyn FnMut(&Utf8Path, FileType) -> Result<()>) -> Result<()> {
    let unreadable =
        |e: std::io::Error| Failure::failed(format!("could not read directory `{root}`")).because(e);
    for entry in root.read_dir_utf8().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() {
            walk(entry.path(), each)?;
        }
        each(entry.path(), kind)?;
    }
    Ok(())
}

/// Every symbolic link below `root` with what it says.
pub(super) fn links(root: &Utf8Path) -> Result<Vec<(Utf8PathBuf, Utf8PathBuf)>> {
    let mut found = Vec::new();
    walk(root, &mut |path, kind| {
        if kind.is_symlink() {
            let target = path.read_link_utf8();
            let target =
                target.map_err(|e| Failure::failed(format!("could not read link `{path}`")).because(e))?;
            found.push((path.to_owned(), target));
        }
        Ok(())
    })?;
    found.sort();
    Ok(found)
}

/// A path with `.` and `..` worked out by name alone.
pub(super) fn normalised(path: &Utf8Path) -> Utf8PathBuf {
    let mut result = Utf8PathBuf::new();
    for part in path.components() {
        match part {
            Utf8Component::ParentDir => drop(result.pop()),
            Utf8Component::CurDir => {}
            Utf8Component::Prefix(_) | Utf8Component::RootDir | Utf8Component::Normal(_) => result.push(part),
        }
    }
    result
}
