//! The filestore of one database: what is there, in order, without Odoo's list of what to collect.
use std::collections::BTreeSet;
use std::thread::JoinHandle;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::backup::{Attachments, paths};
use odoopack_core::filestore::{CHECKLIST, Named};
use odoopack_repository::{Content, Item};

use crate::failure::{Failure, Result};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Whether there is a filestore at all.
    pub(crate) is_there: bool,
    /// Paths below the filestore.
    pub(crate) names: BTreeSet<String>,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// The same as items, in the order of their paths.
    pub(crate) items: Vec<Item>,
}

/// A filestore that is being listed, beside whatever else is done.
#[derive(Debug)]
pub(crate) struct Finding(JoinHandle<Result<Found>>);

impl Finding {
    /// Begins.
    pub(crate) fn start(filestore: &Utf8Path) -> Self {
        let filestore = filestore.to_owned();
        Self(std::thread::spawn(move || find(&filestore)))
    }

    /// Waits for the list.
    pub(crate) fn result(self) -> Result<Found> {
        let found = self.0.join();
        found.unwrap_or_else(|_| Err(Failure::failed("the filestore could not be listed")))
    }
}

impl Found {
    /// What is there against what the database names.
    ///
    /// # Errors
    /// When there is no filestore, and something should be in it.
    pub(crate) fn against(&self, filestore: &Utf8Path, named: &Named) -> Result<Attachments> {
        if !self.is_there && !named.here.is_empty() {
            return Err(Failure::failed(format!(
                "the database names {} attachments, and there is no directory `{filestore}`",
                named.here.len()
            ))
            .hint("where its disk is not mounted: `mount DIRECTORY`; else `odoopack restore latest --only filestore` brings it back"));
        }
        Ok(Attachments {
            named: named.here.len() as u64,
            files: self.items.len() as u64,
            bytes: self.bytes,
            missing: named.missing(&self.names),
            elsewhere: named.elsewhere as u64,
        })
    }
}

/// Lists `filestore`; one that is not there is empty, as that of a database without attachments is.
pub(crate) fn find(filestore: &Utf8Path) -> Result<Found> {
    let mut found = Found {
        is_there: filestore
            .try_exists()
            .map_err(|e| Failure::failed(format!("could not look at `{filestore}`")).because(e))?,
        ..Found::default()
    };
    for directory in sorted(filestore)? {
        if directory.file_name() == Some(CHECKLIST) {
            continue;
        }
        below(&mut found, filestore, &directory)?;
    }
    Ok(found)
}

/// A file, or all of a directory: a module may keep a storage of its own in the filestore, as deep as it likes (OCA/storage's `odoofs`).
fn below(found: &mut Found, filestore: &Utf8Path, path: &Utf8Path) -> Result<()> {
    if !is_directory(path)? {
        return add(found, filestore, path);
    }
    for path in sorted(path)? {
        below(found, filestore, &path)?;
    }
    Ok(())
}

fn add(found: &mut Found, filestore: &Utf8Path, path: &Utf8Path) -> Result<()> {
    let failed = |e: std::io::Error| Failure::failed(format!("could not look at `{path}`")).because(e);
    let metadata = path.symlink_metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(Failure::failed(format!(
            "`{path}` is neither a file of Odoo's nor a directory of them"
        ))
        .hint("move it out of the filestore"));
    }
    let below = path.strip_prefix(filestore).unwrap_or(path);
    let modified = metadata.modified().map_err(failed)?;
    found.names.insert(below.to_string());
    found.bytes += metadata.len();
    found.items.push(Item {
        path: format!("{}/{below}", paths::FILESTORE),
        content: Content::File(path.as_std_path().to_owned()),
        size: metadata.len(),
        modified: modified
            .try_into()
            .map_err(|e: jiff::Error| Failure::failed(format!("`{path}` has an odd time")).because(e))?,
        mode: std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777,
    });
    Ok(())
}

fn is_directory(path: &Utf8Path) -> Result<bool> {
    let metadata = path.symlink_metadata();
    let metadata = metadata.map_err(|e| Failure::failed(format!("could not look at `{path}`")).because(e))?;
    Ok(metadata.is_dir())
}

/// What lies in a directory, sorted by bytes; nothing when there is no such directory.
fn sorted(directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let failed = |e: std::io::Error| Failure::failed(format!("could not list `{directory}`")).because(e);
    let entries = match directory.read_dir_utf8() {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
    };
    let mut paths = entries
        .map(|entry| entry.map(camino::Utf8DirEntry::into_path))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(failed)?;
    paths.sort_unstable();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    #[test]
    fn finds_files_in_order_and_leaves_out_what_is_to_be_collected() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        for name in [
            "ab/abff",
            "ab/ab00",
            "00/00aa",
            "checklist/ab/ab00",
            "storage/a/b/c",
        ] {
            let path = root.join(name);
            files::directory_all(path.parent().unwrap()).unwrap();
            files::replace(&path, b"x", 0o640, None).unwrap();
        }
        let found = find(root).unwrap();
        let paths: Vec<_> = found.items.iter().map(|item| item.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "filestore/00/00aa",
                "filestore/ab/ab00",
                "filestore/ab/abff",
                "filestore/storage/a/b/c"
            ]
        );
        assert_eq!((found.bytes, found.names.len()), (4, 4));
        assert!(found.is_there);
        let nothing = find(&root.join("nothing")).unwrap();
        assert!(nothing.items.is_empty() && !nothing.is_there);
    }

    #[test]
    fn what_a_module_keeps_elsewhere_is_counted_apart() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let named = |names: &[&str]| Named::of(names.iter().map(|name| (*name).to_owned()));
        let found = find(root).unwrap();
        let all = found
            .against(root, &named(&["ab/gone", "s3://b/one", "s3://b/two"]))
            .unwrap();
        assert_eq!((all.named, all.elsewhere), (1, 2));
        assert_eq!(all.missing, ["ab/gone"]);
        // A database whose attachments are all elsewhere needs no filestore.
        let nowhere = root.join("nowhere");
        let found = find(&nowhere).unwrap();
        let all = found.against(&nowhere, &named(&["s3://b/one"])).unwrap();
        assert_eq!((all.named, all.elsewhere, all.missing.len()), (0, 1, 0));
        assert!(found.against(&nowhere, &named(&["ab/gone"])).is_err());
    }

    #[test]
    fn what_cannot_be_listed_is_an_error() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        std::os::unix::fs::symlink("/nowhere", root.join("ab")).unwrap();
        assert!(find(root).unwrap_err().to_string().contains("ab"));
    }
}
