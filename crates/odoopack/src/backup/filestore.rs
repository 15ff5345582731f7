//! The filestore of one database: what is there, in order, without Odoo's list of what to collect.
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::vec;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};
use odoopack_core::backup::{Attachments, paths};
use odoopack_core::filestore::{CHECKLIST, Named, is_attachment};
use odoopack_repository::{Content, Item};

use crate::failure::{Failure, Result};

/// Directories that are listed ahead of whoever stores them; Odoo makes 256, and among millions of files each holds thousands.
const AHEAD: usize = 32;

/// What was written so shortly before the database was held still may be half there: a transaction writes the file first, under the name
/// that it will have, and is seen when it ends.
///
/// # Source
/// Odoo 17.0 to 19.0, `ir_attachment.py` `_file_write`: it opens the place itself and writes.
const FRESH: SignedDuration = SignedDuration::from_mins(1);

/// What was seen at a path.
#[derive(Debug)]
enum Seen {
    File(Item),
    /// It was gone before it was looked at: the name of its place below the filestore.
    Gone(String),
}

/// A filestore that is being listed, a directory after the other, beside whatever else is done.
#[derive(Debug)]
pub(crate) struct Finding {
    filestore: Utf8PathBuf,
    directories: Receiver<Vec<Seen>>,
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
    fn next(&mut self) -> Option<Vec<Seen>> {
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
    directory: vec::IntoIter<Seen>,
    /// When the database was held still.
    taken: Timestamp,
    /// What was named and did not come yet.
    named: Named,
    found: Attachments,
    /// Where the comparison is put after the last file.
    told: Arc<Mutex<Attachments>>,
}

impl Files {
    /// Those that are being listed, of what a database `named` that was held still when it was `taken`; `told` gets what came of it
    /// after the last one.
    pub(crate) fn new(
        finding: Finding,
        (named, taken): (Named, Timestamp),
        told: Arc<Mutex<Attachments>>,
    ) -> Self {
        let found = Attachments {
            named: named.here.len() as u64,
            elsewhere: named.elsewhere as u64,
            ..Attachments::default()
        };
        Self {
            finding,
            directory: Vec::new().into_iter(),
            taken,
            named,
            found,
            told,
        }
    }

    /// The file, where the snapshot takes it. What the database names is whole and holds still; what it does not name is not its own, and
    /// somebody may be writing it.
    fn take(&mut self, mut item: Item) -> Option<Item> {
        let is_attachment = is_attachment(below(&item));
        let is_named = self.named.here.remove(below(&item));
        if is_attachment && !is_named && item.modified.duration_since(self.taken) > -FRESH {
            return None;
        }
        if is_attachment
            && is_named
            && let Content::Loose(path) = &mut item.content
        {
            item.content = Content::File(std::mem::take(path));
        }
        self.found.files += 1;
        self.found.bytes += item.size;
        Some(item)
    }

    /// The collector is held, so only a hand, or another program, has taken away what is named.
    fn gone(&self, place: &str) -> Result<()> {
        if !self.named.here.contains(place) {
            return Ok(());
        }
        let filestore = &self.finding.filestore;
        Err(Failure::failed(format!(
            "`{filestore}/{place}` was removed while the filestore was listed"
        )))
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
            let next = match self.directory.next() {
                Some(Seen::File(item)) => self.take(item).map(Ok),
                Some(Seen::Gone(place)) => self.gone(&place).err().map(Err),
                None => match self.finding.next() {
                    Some(files) => {
                        self.directory = files.into_iter();
                        None
                    }
                    None => return self.end().err().map(Err),
                },
            };
            if next.is_some() {
                return next;
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
fn find(filestore: &Utf8Path, sender: &SyncSender<Vec<Seen>>) -> Result<bool> {
    let is_there = filestore
        .try_exists()
        .map_err(|e| Failure::failed(format!("could not look at `{filestore}`")).because(e))?;
    for directory in sorted(filestore)? {
        if directory.file_name() == Some(CHECKLIST) {
            continue;
        }
        let mut paths = Vec::new();
        files_below(directory, &mut paths)?;
        let files = paths.iter().map(|path| look(filestore, path));
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

fn look(filestore: &Utf8Path, path: &Utf8Path) -> Result<Seen> {
    let failed = |e: std::io::Error| Failure::failed(format!("could not look at `{path}`")).because(e);
    let below = path.strip_prefix(filestore).unwrap_or(path);
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Seen::Gone(below.to_string())),
        Err(e) => return Err(failed(e)),
    };
    if !metadata.is_file() {
        return Err(Failure::failed(format!(
            "`{path}` is neither a file of Odoo's nor a directory of them"
        ))
        .hint("move it out of the filestore"));
    }
    let modified = metadata.modified().map_err(failed)?;
    Ok(Seen::File(Item {
        path: format!("{}/{below}", paths::FILESTORE),
        // What a module keeps there is written and removed as it likes.
        content: Content::Loose(path.as_std_path().to_owned()),
        size: metadata.len(),
        modified: modified
            .try_into()
            .map_err(|e: jiff::Error| Failure::failed(format!("`{path}` has an odd time")).because(e))?,
        mode: std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777,
    }))
}

fn is_directory(path: &Utf8Path) -> Result<bool> {
    match path.symlink_metadata() {
        Ok(metadata) => Ok(metadata.is_dir()),
        // Whoever looks at it as a file says so.
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Failure::failed(format!("could not look at `{path}`")).because(e)),
    }
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

    const SHA: [&str; 3] = [
        "0123456789abcdef0123456789abcdef01234567",
        "01fedcba9876543210fedcba9876543210fedcba",
        "01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];

    fn find(filestore: &Utf8Path, names: &[&str]) -> Result<(Vec<String>, Attachments)> {
        let told = Arc::default();
        let of = (named(names), Timestamp::now());
        let files = Files::new(Finding::start(filestore), of, Arc::clone(&told));
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
    fn what_is_written_meanwhile_and_named_by_nobody_yet_is_left_to_the_next_snapshot() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        files::directory_all(&root.join("01")).unwrap();
        let [named, old, written] = SHA.map(|name| format!("01/{name}"));
        for name in [&named, &old, &written] {
            files::replace(&root.join(name), b"x", 0o640, None).unwrap();
        }
        let two_hours_ago = std::time::SystemTime::now() - std::time::Duration::from_hours(2);
        let file = std::fs::File::open(root.join(&old)).unwrap();
        file.set_modified(two_hours_ago).unwrap();
        let of = (self::named(&[&named]), Timestamp::now());
        let files = Files::new(Finding::start(root), of, Arc::default());
        let all: Vec<(String, bool)> = files
            .map(|item| item.unwrap())
            .map(|item| (item.path, matches!(item.content, Content::File(_))))
            .collect();
        // Only what the database names must hold still while it is read.
        let path = |place: &str| format!("filestore/{place}");
        assert_eq!(all, [(path(&named), true), (path(&old), false)]);
    }

    #[test]
    fn what_goes_while_it_is_listed_is_missed_only_when_it_is_named() {
        let gone = format!("01/{}", SHA[0]);
        let root = Utf8Path::new("/nowhere");
        let found = |names: &[&str]| {
            let (sender, directories) = sync_channel(AHEAD);
            sender.send(vec![look(root, &root.join(&gone)).unwrap()]).unwrap();
            drop(sender);
            let finding = Finding {
                filestore: root.to_owned(),
                directories,
                listing: Some(std::thread::spawn(|| Ok(true))),
            };
            let of = (named(names), Timestamp::now());
            let files = Files::new(finding, of, Arc::default());
            files
                .map(|item| item.map(|item| item.path))
                .collect::<Result<Vec<_>>>()
        };
        assert!(found(&[]).unwrap().is_empty());
        assert!(found(&[&gone]).unwrap_err().to_string().contains("was removed"));
        let mut paths = Vec::new();
        files_below(root.join(&gone), &mut paths).unwrap();
        assert_eq!(paths, [root.join(&gone)]);
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
