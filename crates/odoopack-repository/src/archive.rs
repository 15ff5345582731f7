//! Storing a snapshot: everything first, its tree checked, then the one file that makes it visible.
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::PoisonError;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustic_core::repofile::{SnapshotFile, StringList};
use rustic_core::{BackupOptions, FileType, ParentOptions, ReadBackend, SnapshotOptions};

use crate::error::{Error, Result, format};
use crate::guarded::guarded;
use crate::listing::{Listing, Unreadable};
use crate::lock::{self, Held, Writer};
use crate::read::Reader;
use crate::repository::{Repository, Snapshot, TREES};
use crate::source::{Handed, Item, Source};
use crate::warnings;

/// What the library says of a directory of the parent that it cannot read (`rustic_core` 0.13, `archiver/parent.rs`).
const PARENT_TREE: &str = "ignoring error when loading parent tree";
/// What it says of a file whose data no index names any more (the same).
const READ_AGAIN: &str = "missing blobs in index for unchanged file";

/// What a snapshot is stored upon.
struct Base {
    /// Its unchanged files are not read again.
    parent: Option<Snapshot>,
    /// The form of its directories; `None`: the usual one.
    trees: Option<u64>,
    /// Snapshots that are there.
    older: usize,
    /// What is there and cannot be read: none of it is built upon.
    unreadable: Vec<Unreadable>,
}

/// What a snapshot is of.
#[derive(Clone, Debug)]
pub struct Label {
    /// Name of the pack; restic shows it as the host.
    pub pack: String,
    /// Name of the environment; everything lies below a directory of this name.
    pub environment: String,
    /// When the data was read.
    pub time: Timestamp,
    /// Words of the operator.
    pub note: Option<String>,
}

/// A snapshot that is stored and checked, and not visible yet.
#[derive(Debug)]
#[must_use = "it only becomes visible with `publish`"]
pub struct Stored<'a> {
    repository: &'a Repository,
    snapshot: Snapshot,
    reader: Reader,
    /// What it was checked with.
    indexes: HashSet<String>,
    held: Held,
    unreadable: Vec<Unreadable>,
}

impl Repository {
    /// Stores `items` as one snapshot and checks it; nothing is visible until [`Stored::publish`].
    ///
    /// `items` come in the order of their paths. An item that cannot be stored as promised, a warning of the library, or a tree that does
    /// not hold what was handed over is an error; what was stored until then is found again by the next snapshot, or removed by a prune.
    pub fn store(
        &self,
        writer: &Writer,
        label: &Label,
        items: impl Iterator<Item = Result<Item>> + Send + 'static,
    ) -> Result<Stored<'_>> {
        let Listing {
            snapshots: mut all,
            unreadable,
        } = self.listing()?;
        let older = all.len() + unreadable.len();
        all.retain(|s| s.environment == label.environment && s.pack == label.pack);
        // The newest of the same environment: unchanged files are not read again.
        let newest = all.pop();
        let trees = newest.as_ref().and_then(Snapshot::trees);
        // What was made at this very moment, under a clock that stands still or was set back, gave its dump and its lists the same times:
        // nothing tells what has changed since.
        let parent = newest.filter(|newest| newest.time != label.time);
        let base = Base {
            parent,
            trees,
            older,
            unreadable,
        };
        self.store_upon(base, writer, label, items)
    }

    /// The same, for when [`Error::Damaged`] says that something of an older snapshot cannot be read: every file is read, and every
    /// directory is stored in a form of its own, so that none is taken for one that is there already and damaged. Older snapshots stay as
    /// they are, or become whole by it.
    pub fn store_afresh(
        &self,
        writer: &Writer,
        label: &Label,
        items: impl Iterator<Item = Result<Item>> + Send + 'static,
    ) -> Result<Stored<'_>> {
        let Listing {
            snapshots: all,
            unreadable,
        } = self.listing()?;
        let used = all.iter().filter_map(Snapshot::trees).max();
        let now = u64::try_from(label.time.as_second()).unwrap_or_default();
        let base = Base {
            parent: None,
            trees: Some(now.max(used.map_or(1, |used| used + 1))),
            older: all.len() + unreadable.len(),
            unreadable,
        };
        self.store_upon(base, writer, label, items)
    }

    fn store_upon(
        &self,
        base: Base,
        writer: &Writer,
        label: &Label,
        items: impl Iterator<Item = Result<Item>> + Send + 'static,
    ) -> Result<Stored<'_>> {
        self.refuse_without_data(base.older)?;
        let unreadable = base.unreadable.clone();
        let (source, handed) = Source::new(&self.backend, &label.environment, base.trees, items);
        self.backend.hold_snapshots();
        let archive = || guarded(|| self.archive(label, base, &source));
        let (stored, heard) = warnings::listening(|| self.backend.writing(archive));
        let handed = std::mem::take(&mut *handed.lock().unwrap_or_else(PoisonError::into_inner));
        let checked = judge(stored, &heard, &handed).and_then(|file| {
            lock::wait_for_restic(&self.objects)?;
            let indexes = self.indexes()?;
            let reader = self.reader()?;
            self.check_tree(&reader, &file, &handed)?;
            Ok((file, reader, indexes))
        });
        match checked {
            Ok((file, reader, indexes)) => Ok(Stored {
                repository: self,
                snapshot: Snapshot::of(file),
                reader,
                indexes,
                held: writer.held(),
                unreadable,
            }),
            Err(error) => {
                self.backend.discard_snapshots();
                Err(if handed.error.is_some() {
                    error
                } else {
                    self.without_lost_packs(writer, error)
                })
            }
        }
    }

    /// Where a disk is not mounted the index may still be there: everything stored anew would lie under it.
    fn refuse_without_data(&self, snapshots: usize) -> Result<()> {
        let packs = self.backend.list_with_size(FileType::Pack);
        if snapshots > 0 && packs.map_err(format("could not list packs"))?.is_empty() {
            return Err(Error::NotWhole(format!(
                "{snapshots} snapshots are listed, and there is no data at all below `data` at {}",
                self.objects.place()
            )));
        }
        Ok(())
    }

    fn archive(&self, label: &Label, base: Base, source: &Source) -> Result<SnapshotFile> {
        let mut options = SnapshotOptions::default()
            .host(label.pack.clone())
            .time(label.time.to_zoned(TimeZone::UTC))
            .command("odoopack backup create".to_owned());
        options.description.clone_from(&label.note);
        let mut snapshot = options
            .to_snapshot()
            .map_err(format("could not describe the snapshot"))?;
        if let Some(trees) = base.trees {
            snapshot.add_tags(vec![trees_tag(trees)?]);
        }
        // The change time of a hard link moves with every link made of it, so it says nothing about the content.
        let mut parents = ParentOptions::default().ignore_ctime(true).ignore_inode(true);
        match base.parent {
            Some(parent) => parents.parents = vec![parent.restic_id()],
            None => parents.force = true,
        }
        let backup = BackupOptions::default().parent_opts(parents).no_scan(true);
        let indexed = self.again()?.to_indexed_ids();
        let indexed = indexed.map_err(format("could not read the index"))?;
        let path = PathBuf::from(format!("/{}", label.environment));
        let stored = indexed.archive(&backup, source, snapshot, &[path]);
        stored.map_err(format("could not store the snapshot"))
    }

    /// Whether the stored tree holds as many files and bytes as were handed over.
    fn check_tree(&self, reader: &Reader, file: &SnapshotFile, handed: &Handed) -> Result<()> {
        let (files, links, bytes) = self.count_tree(reader, file)?;
        if (files, links, bytes) == (handed.files, handed.links, handed.bytes) {
            return Ok(());
        }
        Err(Error::NotWhole(format!(
            "{files} files with {bytes} bytes are in it, {} files with {} bytes were handed over",
            handed.files, handed.bytes
        )))
    }
}

fn judge(stored: Result<SnapshotFile>, heard: &[String], handed: &Handed) -> Result<SnapshotFile> {
    if let Some(error) = &handed.error {
        let kind = if handed.changed {
            Error::Changed
        } else {
            Error::NotWhole
        };
        return Err(kind(error.clone()));
    }
    let file = stored?;
    // A file that is read again is stored as well as a new one, and what was stored is checked.
    let heard: Vec<&str> = heard
        .iter()
        .map(String::as_str)
        .filter(|text| !text.starts_with(READ_AGAIN))
        .collect();
    if heard.iter().any(|text| text.starts_with(PARENT_TREE)) {
        return Err(Error::Damaged(heard.join("; ")));
    }
    if heard.is_empty() {
        Ok(file)
    } else {
        Err(Error::NotWhole(heard.join("; ")))
    }
}

fn trees_tag(trees: u64) -> Result<StringList> {
    let tag = format!("{TREES}{trees}").parse();
    tag.map_err(|_| Error::NotWhole("the tag cannot be written".to_owned()))
}

impl Stored<'_> {
    /// What was stored.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// What lies among the older snapshots and cannot be read.
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// Reads in it before others can see it.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Makes it visible.
    ///
    /// # Errors
    /// [`Error::Locked`] while stock restic is at work: its prune, begun before this, knows nothing of the snapshot and may take its data.
    /// The same when another host took the lock over while this process stood still.
    pub fn publish(self) -> Result<Snapshot> {
        let files = std::slice::from_ref(&self.snapshot.file);
        self.repository.publish(&self.held, files, self.indexes.clone())?;
        Ok(self.snapshot.clone())
    }
}

impl Drop for Stored<'_> {
    fn drop(&mut self) {
        self.repository.backend.discard_snapshots();
    }
}

#[cfg(test)]
mod tests {
    use odoopack_core::secret::SecretText;
    use rustic_core::TreeId;

    use super::*;
    use crate::{Content, Holder, Place};

    const KEPT: &str = "filestore/ab/abcd";

    fn label(second: i64) -> Label {
        Label {
            pack: "demo".to_owned(),
            environment: "production".to_owned(),
            time: Timestamp::from_second(1_700_000_000 + second).unwrap(),
            note: None,
        }
    }

    fn holder() -> Holder {
        Holder {
            host: "here".to_owned(),
            boot: "1".to_owned(),
            pid: std::process::id(),
            why: "a test".to_owned(),
        }
    }

    /// One file that stays, and one that is another every time.
    fn items(label: &Label) -> impl Iterator<Item = Result<Item>> + Send + 'static {
        let kept = Item::small(KEPT, "kept", Timestamp::UNIX_EPOCH);
        let time = label.time.to_string();
        [kept, Item::small("manifest.json", time, label.time)]
            .into_iter()
            .map(Ok)
    }

    /// Flips a bit in the middle of a stored directory.
    #[expect(clippy::disallowed_methods, reason = "a test spoils its own files")]
    fn damage(place: &std::path::Path, repository: &Repository, tree: TreeId) {
        let indexed = repository.again().unwrap().to_indexed().unwrap();
        let entry = indexed.get_index_entry(&tree).unwrap();
        let pack = entry.pack.to_hex();
        let path = place.join("data").join(&pack.as_str()[..2]).join(pack.as_str());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[(entry.location.offset + entry.location.length / 2) as usize] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }

    fn tree(repository: &Repository, snapshot: &Snapshot, path: &str) -> TreeId {
        let indexed = repository.again().unwrap().to_indexed().unwrap();
        let node = indexed.node_from_path(snapshot.file.tree, std::path::Path::new(path));
        node.unwrap().subtree.unwrap()
    }

    #[test]
    fn a_directory_that_cannot_be_read_any_more_does_not_keep_the_next_snapshots_from_being_whole() {
        for directory in ["production", "production/filestore", "production/filestore/ab"] {
            let keep = tempfile::tempdir().unwrap();
            let place = Place::Directory(keep.path().to_str().unwrap().to_owned());
            let repository = Repository::create(&place, &SecretText::new("key")).unwrap();
            let writer = repository.writer(&holder()).unwrap();
            let store = |second| repository.store(&writer, &label(second), items(&label(second)));
            let first = store(0).unwrap().publish().unwrap();
            damage(keep.path(), &repository, tree(&repository, &first, directory));
            let refused = store(1).err();
            assert!(
                matches!(refused, Some(Error::Damaged(_))),
                "{directory}: {refused:?}"
            );
            let afresh = repository.store_afresh(&writer, &label(2), items(&label(2)));
            let afresh = afresh.unwrap().publish().unwrap();
            let next = store(3).unwrap().publish().unwrap();
            assert_eq!((afresh.read, next.read), (2, 1), "{directory}");
            let reader = repository.reader().unwrap();
            for snapshot in [afresh, next] {
                assert_eq!(reader.read(&snapshot, KEPT).unwrap(), b"kept");
            }
        }
    }

    #[test]
    fn every_file_of_a_snapshot_is_streamed_once_under_its_path() {
        let keep = tempfile::tempdir().unwrap();
        let place = Place::Directory(keep.path().to_str().unwrap().to_owned());
        let repository = Repository::create(&place, &SecretText::new("key")).unwrap();
        let writer = repository.writer(&holder()).unwrap();
        let stored = repository.store(&writer, &label(0), items(&label(0)));
        let snapshot = stored.unwrap().publish().unwrap();
        let reader = repository.reader().unwrap();
        let mut seen = Vec::new();
        let each = reader.stream_each(
            &snapshot,
            |_| Vec::new(),
            |entry, bytes: Vec<u8>| seen.push((entry.path.clone(), bytes)),
        );
        each.unwrap();
        let one = |path: &str| (path.to_owned(), reader.read(&snapshot, path).unwrap());
        assert_eq!(seen, [one(KEPT), one("manifest.json")]);
    }

    /// A restore that links attachments, or a copy of an environment, moves the change time of all of them.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    fn a_file_of_which_a_hard_link_was_made_is_not_read_again() {
        use std::os::unix::fs::MetadataExt;
        let keep = tempfile::tempdir().unwrap();
        let place = Place::Directory(keep.path().join("repository").to_str().unwrap().to_owned());
        let repository = Repository::create(&place, &SecretText::new("key")).unwrap();
        let writer = repository.writer(&holder()).unwrap();
        let file = keep.path().join("file");
        std::fs::write(&file, "kept").unwrap();
        let store = |second| {
            let metadata = file.metadata().unwrap();
            let item = Item {
                path: KEPT.to_owned(),
                content: Content::File(file.clone()),
                size: metadata.len(),
                modified: metadata.modified().unwrap().try_into().unwrap(),
                mode: 0o600,
            };
            let stored = repository.store(&writer, &label(second), std::iter::once(Ok(item)));
            let snapshot = stored.unwrap().publish().unwrap();
            (snapshot.read, metadata.ctime_nsec())
        };
        let (read, changed) = store(0);
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::hard_link(&file, keep.path().join("link")).unwrap();
        let (again, changed_again) = store(1);
        assert_ne!(changed, changed_again, "the link moved nothing");
        assert_eq!((read, again), (1, 0));
    }

    /// A prune that is under way saw neither the snapshot nor that its data is wanted.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
    fn nothing_becomes_visible_while_restic_is_at_work() {
        let keep = tempfile::tempdir().unwrap();
        let place = Place::Directory(keep.path().to_str().unwrap().to_owned());
        let repository = Repository::create(&place, &SecretText::new("word")).unwrap();
        let writer = repository.writer(&holder()).unwrap();
        let label = label(0);
        let stored = repository.store(&writer, &label, items(&label)).unwrap();
        std::fs::create_dir_all(keep.path().join("locks")).unwrap();
        let lock = keep.path().join("locks").join("b".repeat(64));
        std::fs::write(&lock, "a lock of restic").unwrap();
        let refused = stored.publish().unwrap_err().to_string();
        assert!(refused.contains("restic, lock bbbbbbbb"), "{refused}");
        let refused = repository.store(&writer, &label, items(&label)).unwrap_err();
        assert!(matches!(refused, Error::Locked(_)), "{refused}");
        std::fs::remove_file(&lock).unwrap();
        let stored = repository.store(&writer, &label, items(&label)).unwrap();
        // A prune that is over before anybody loses patience took the data along.
        std::fs::write(&lock, "a lock of restic").unwrap();
        let prune = std::thread::spawn({
            let data = keep.path().join("data");
            move || {
                std::thread::sleep(std::time::Duration::from_millis(100));
                std::fs::remove_dir_all(data).unwrap();
                std::fs::remove_file(lock).unwrap();
            }
        });
        let refused = stored.publish().unwrap_err();
        prune.join().unwrap();
        assert!(
            matches!(&refused, Error::Damaged(why) if why.contains("not found")),
            "{refused:?}"
        );
        assert_eq!(repository.snapshots().unwrap().len(), 0);
    }
}
