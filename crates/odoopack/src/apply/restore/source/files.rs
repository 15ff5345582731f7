//! What lies in a filestore, and which directory of a folder is one.
use camino::{Utf8DirEntry, Utf8Path, Utf8PathBuf};
use odoopack_core::filestore::{CHECKLIST, is_attachment, is_directory};

use crate::failure::{Failure, Result};

/// Places of the attachments below a filestore, with their sizes; links and whatever is none are passed over.
pub(crate) fn attachments(directory: &Utf8Path) -> Result<Vec<(String, u64)>> {
    let mut all = files(directory)?;
    all.retain(|(place, _)| is_attachment(place));
    Ok(all)
}

/// Places of all files below a filestore, with their sizes, in order: a row may name others than Odoo gives. Links are passed over.
pub(crate) fn files(directory: &Utf8Path) -> Result<Vec<(String, u64)>> {
    let mut all = Vec::new();
    for entry in entries(directory)? {
        if entry.file_name() != CHECKLIST {
            below(&entry, entry.file_name(), &mut all)?;
        }
    }
    all.sort();
    Ok(all)
}

/// A module may keep a storage of its own in the filestore, as deep as it likes.
fn below(entry: &Utf8DirEntry, place: &str, all: &mut Vec<(String, u64)>) -> Result<()> {
    if is_kind(entry, std::fs::FileType::is_file)? {
        all.push((place.to_owned(), size(entry)?));
    }
    if is_kind(entry, std::fs::FileType::is_dir)? {
        for entry in entries(entry.path())? {
            below(&entry, &format!("{place}/{}", entry.file_name()), all)?;
        }
    }
    Ok(())
}

/// The filestore in a folder: the directory of that name, or, as in Odoo's own data directory, the one of the database in it.
///
/// # Errors
/// Kind `Refused` when there are those of several databases.
pub(super) fn filestore_of(folder: &Utf8Path) -> Result<Option<Utf8PathBuf>> {
    let directory = folder.join("filestore");
    if !directory.is_dir() {
        return Ok(None);
    }
    if !attachments(&directory)?.is_empty() {
        return Ok(Some(directory));
    }
    let mut inner = Vec::new();
    for entry in entries(&directory)? {
        let is_one = is_kind(&entry, std::fs::FileType::is_dir)? && holds_directories(entry.path())?;
        if is_one && entry.file_name() != CHECKLIST {
            inner.push(entry.into_path());
        }
    }
    inner.sort();
    match inner.as_slice() {
        [] => Ok(Some(directory)),
        [one] => Ok(Some(one.clone())),
        several => {
            let names: Vec<&str> = several.iter().filter_map(|path| path.file_name()).collect();
            Err(Failure::refused(format!(
                "`{directory}` holds the attachments of several databases: {}",
                names.join(", ")
            ))
            .hint(format!(
                "leave only that of the dump's own database in it: `mv {directory}/OTHER {folder}/`"
            )))
        }
    }
}

/// Whether it has a directory that Odoo gives to attachments.
fn holds_directories(path: &Utf8Path) -> Result<bool> {
    for entry in entries(path)? {
        if is_directory(entry.file_name()) && is_kind(&entry, std::fs::FileType::is_dir)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn entries(directory: &Utf8Path) -> Result<Vec<Utf8DirEntry>> {
    let all = directory.read_dir_utf8().and_then(Iterator::collect);
    all.map_err(|e| Failure::failed(format!("could not list `{directory}`")).because(e))
}

fn is_kind(entry: &Utf8DirEntry, is: fn(&std::fs::FileType) -> bool) -> Result<bool> {
    let kind = entry.file_type();
    kind.map(|kind| is(&kind))
        .map_err(|e| Failure::failed(format!("could not look at `{}`", entry.path())).because(e))
}

fn size(entry: &Utf8DirEntry) -> Result<u64> {
    let metadata = entry.metadata();
    metadata
        .map(|metadata| metadata.len())
        .map_err(|e| Failure::failed(format!("could not look at `{}`", entry.path())).because(e))
}
