//! The filestore of one database: what is there, in order, without Odoo's list of what to collect.
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::vec;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::backup::{Attachments, paths};
use odoopack_core::filestore::{CHECKLIST, Named, is_attachment};
use odoopack_repository::{Content, Item};

use crate::failure::{Failure, Result};

/// Directories that are listed ahead of whoever stores them; Odoo makes 256, and among millions of files each holds thousands.
const AHEAD: usize = 32;

/// A filestore that is being listed, a directory after the other, beside whatever else is done.
#[derive(Debug)]
pub(crate) struct Finding {
    filestore: Utf8PathBuf,
    directories: Receiver<Vec<Item>>,
    /// Says whether there is a filestore at all; `None`: it was asked.
    listing: Option<JoinHandle<Result<bool>>>,
}

impl Finding {
    /// Begins.
    pub(crate) fn start(filestore: &Utf8Path) -> Self {
        let filestore = filestore.to_owned();
        let (sender, directories) = sync_channel(AHEAD);
        let place = filestore.clone();
        Self {
            filestore,
            directories,
            listing: Some(std::thread::spawn(move || find(&place, &sender))),
        }
    }

    /// The files of the next directory; `None` after the last one.
    fn next(&mut self) -> Option<Vec<Item>> {
        self.directories.recv().ok()
    }

    /// Whether there was a filestore; call it after the last directory.
    ///
    /// # Errors
    /// When not all of it was listed.
    fn end(&mut self) -> Result<bool> {
        let ended = self.listing.take().map(JoinHandle::join);
        ended
            .and_then(std::result::Result::ok)
            .unwrap_or_else(|| Err(Failure::failed("the filestore could not be listed")))
    }
}

/// The files of a filestore, in the order of their paths, each compared with what the database names.
#[derive(Debug)]
pub(crate) struct Files {
    finding: Finding,
    directory: vec::IntoIter<Item>,
    /// What was named and did not come yet.
    named: Named,
    found: Attachments,
    /// Where the comparison is put after the last file.
    told: Arc<Mutex<Attachments>>,
}

impl Files {
    /// Those that are being listed; `told` gets what came of it after the last one.
    pub(crate) fn new(finding: Finding, named: Named, told: Arc<Mutex<Attachments>>) -> Self {
        let found = Attachments {
            named: named.here.len() as u64,
            elsewhere: named.elsewhere as u64,
            ..Attachments::default()
        };
        Self {
            finding,
            directory: Vec::new().into_iter(),
            named,
            found,
            told,
        }
    }

    fn came(&mut self, item: &Item) {
        self.found.files += 1;
        self.found.bytes += item.size;
        self.named.here.remove(below(item));
    }

    /// Refuses to have come to the end of a filestore that is not there, when something should be in it.
    fn end(&mut self) -> Result<()> {
        if !self.finding.end()? && self.found.named > 0 {
            return Err(Failure::failed(format!(
                "the database names {} attachments, and there is no directory `{}`",
                self.found.named, self.finding.filestore
            ))
            .hint("where its disk is not mounted: `mount DIRECTORY`; else `odoopack restore latest --only filestore` brings it back"));
        }
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        *told = Attachments {
            missing: std::mem::take(&mut self.named.here).into_iter().collect(),
            ..self.found.clone()
        };
        Ok(())
    }
}

impl Iterator for Files {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Result<Item>> {
        loop {
            if let Some(item) = self.directory.next() {
                self.came(&item);
                return Some(Ok(item));
            }
            match self.finding.next() {
                Some(files) => self.directory = files.into_iter(),
                None => return self.end().err().map(Err),
            }
        }
    }
}

/// The name of an item's file as a database gives it.
fn below(item: &Item) -> &str {
    let path = item.path.strip_prefix(paths::FILESTORE);
    path.and_then(|path| path.strip_prefix('/')).unwrap_or(&item.path)
}

/// Lists `filestore` and says whether it is there; one that is not is empty, as that of a database without attachments is. It ends early
/// when nobody wants more.
fn find(filestore: &Utf8Path, sender: &SyncSender<Vec<Item>>) -> Result<bool> {
    let is_there = filestore
        .try_exists()
        .map_err(|e| Failure::failed(format!("could not look at `{filestore}`")).because(e))?;
    for directory in sorted(filestore)? {
        if directory.file_name() == Some(CHECKLIST) {
            continue;
        }
        let mut paths = Vec::new();
        files_below(directory, &mut paths)?;
        let files = paths.iter().map(|path| item(filestore, path));
        if sender.send(files.collect::<Result<_>>()?).is_err() {
            break;
        }
    }
    Ok(is_there)
}

/// A file, or all of a directory: a module may keep a storage of its own in the filestore, as deep as it likes (OCA/storage's `odoofs`).
fn files_below(path: Utf8PathBuf, paths: &mut Vec<Utf8PathBuf>) -> Result<()> {
    if !is_directory(&path)? {
        paths.push(path);
        return Ok(());
    }
    for path in sorted(&path)? {
        files_below(path, paths)?;
    }
    Ok(())
}

fn item(filestore: &Utf8Path, path: &Utf8Path) -> Result<Item> {
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
    Ok(Item {
        path: format!("{}/{below}", paths::FILESTORE),
        content: if is_attachment(below.as_str()) {
            Content::File(path.as_std_path().to_owned())
        } else {
            // What a module keeps there is written and removed as it likes.
            Content::Loose(path.as_std_path().to_owned())
        },
        size: metadata.len(),
        modified: modified
            .try_into()
            .map_err(|e: jiff::Error| Failure::failed(format!("`{path}` has an odd time")).because(e))?,
        mode: std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777,
    })
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

    fn named(names: &[&str]) -> Named {
        Named::of(names.iter().map(|name| (*name).to_owned()))
    }

    fn find(filestore: &Utf8Path, names: &[&str]) -> Result<(Vec<String>, Attachments)> {
        let told = Arc::default();
        let files = Files::new(Finding::start(filestore), named(names), Arc::clone(&told));
        let items: Vec<Item> = files.collect::<Result<_>>()?;
        let told = told.lock().unwrap().clone();
        Ok((items.into_iter().map(|item| item.path).collect(), told))
    }

    #[test]
    fn finds_files_in_order_and_leaves_out_what_is_to_be_collected() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        for name in [
            "ab/abff",
            "ab/ab00",
            "00/00aa",
            "checklist/ab/ab00",
            "alone",
            "storage/a/b/c",
        ] {
            let path = root.join(name);
            files::directory_all(path.parent().unwrap()).unwrap();
            files::replace(&path, b"x", 0o640, None).unwrap();
        }
        let (paths, found) = find(root, &["ab/abff", "ab/gone", "alone", "checklist/ab/ab00"]).unwrap();
        let all = ["00/00aa", "ab/ab00", "ab/abff", "alone", "storage/a/b/c"];
        assert_eq!(paths, all.map(|name| format!("filestore/{name}")));
        assert_eq!((found.named, found.files, found.bytes), (4, 5, 5));
        assert_eq!(found.missing, ["ab/gone", "checklist/ab/ab00"]);
        let (paths, found) = find(&root.join("nothing"), &[]).unwrap();
        assert!(paths.is_empty() && found == Attachments::default());
    }

    #[test]
    fn more_directories_than_are_listed_ahead_all_come() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let names: Vec<String> = (0..3 * AHEAD).map(|n| format!("{n:02x}/{n:02x}aa")).collect();
        for name in &names {
            files::directory_all(root.join(name).parent().unwrap()).unwrap();
            files::replace(&root.join(name), b"x", 0o640, None).unwrap();
        }
        let (paths, found) = find(root, &[]).unwrap();
        assert_eq!(paths.len(), names.len());
        assert_eq!(found.files, names.len() as u64);
        // Who wants no more of them is not waited for.
        drop(Finding::start(root));
        // A list that broke off is no whole one.
        std::os::unix::fs::symlink("/nowhere", root.join("zz")).unwrap();
        assert!(find(root, &[]).unwrap_err().to_string().contains("zz"));
    }

    #[test]
    fn what_a_module_keeps_elsewhere_is_counted_apart() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let (_, all) = find(root, &["ab/gone", "s3://b/one", "s3://b/two"]).unwrap();
        assert_eq!((all.named, all.elsewhere), (1, 2));
        assert_eq!(all.missing, ["ab/gone"]);
        // A database whose attachments are all elsewhere needs no filestore.
        let nowhere = root.join("nowhere");
        let (_, all) = find(&nowhere, &["s3://b/one"]).unwrap();
        assert_eq!((all.named, all.elsewhere, all.missing.len()), (0, 1, 0));
        assert!(find(&nowhere, &["ab/gone"]).is_err());
    }

    #[test]
    fn what_cannot_be_listed_is_an_error() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        std::os::unix::fs::symlink("/nowhere", root.join("ab")).unwrap();
        assert!(find(root, &[]).unwrap_err().to_string().contains("ab"));
    }
}
