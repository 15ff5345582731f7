//! Storing a snapshot: everything first, its tree checked, then the one file that makes it visible.
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::PoisonError;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustic_core::repofile::{PackId, SnapshotFile};
use rustic_core::{BackupOptions, FileType, LsOptions, ParentOptions, ReadBackend, SnapshotOptions};

use crate::error::{Error, Result, format, words};
use crate::read::Reader;
use crate::repository::{Repository, Snapshot};
use crate::source::{Handed, Item, Source};
use crate::{lock::Writer, warnings};

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
}

impl Repository {
    /// Stores `items` as one snapshot and checks it; nothing is visible until [`Stored::publish`].
    ///
    /// `items` come in the order of their paths. An item that cannot be stored as promised, a warning of the library, or a tree that does
    /// not hold what was handed over is an error; what was stored until then is found again by the next snapshot, or removed by a prune.
    pub fn store(
        &self,
        _writer: &Writer,
        label: &Label,
        items: impl Iterator<Item = Result<Item>> + Send + 'static,
    ) -> Result<Stored<'_>> {
        let parent = self.parent(label)?;
        let (source, handed) = Source::new(&label.environment, items);
        self.backend.hold_snapshots();
        let (stored, heard) = warnings::listening(|| self.archive(label, parent, &source));
        let handed = std::mem::take(&mut *handed.lock().unwrap_or_else(PoisonError::into_inner));
        let checked = judge(stored, &heard, &handed).and_then(|file| {
            let reader = self.reader()?;
            self.check_tree(&reader, &file, &handed)?;
            Ok((file, reader))
        });
        match checked {
            Ok((file, reader)) => Ok(Stored {
                repository: self,
                snapshot: Snapshot::of(file),
                reader,
            }),
            Err(error) => {
                self.backend.discard_snapshots();
                Err(error)
            }
        }
    }

    /// The newest snapshot of the same environment: unchanged files are not read again.
    fn parent(&self, label: &Label) -> Result<Option<String>> {
        let mut all = self.snapshots()?;
        all.retain(|s| s.environment == label.environment && s.pack == label.pack);
        Ok(all.pop().map(|s| s.restic_id()))
    }

    fn archive(&self, label: &Label, parent: Option<String>, source: &Source) -> Result<SnapshotFile> {
        let mut options = SnapshotOptions::default()
            .host(label.pack.clone())
            .time(label.time.to_zoned(TimeZone::UTC))
            .command("odoopack backup create".to_owned());
        options.description.clone_from(&label.note);
        let snapshot = options
            .to_snapshot()
            .map_err(format("could not describe the snapshot"))?;
        // The change time of a hard link moves with every link made of it, so it says nothing about the content.
        let mut parents = ParentOptions::default().ignore_ctime(true).ignore_inode(true);
        match parent {
            Some(id) => parents.parents = vec![id],
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

    /// Walks a stored tree; returns its files, links and bytes.
    ///
    /// # Errors
    /// [`Error::NotWhole`] when not every blob of every file is in a pack that is there.
    pub(crate) fn count_tree(&self, reader: &Reader, file: &SnapshotFile) -> Result<(u64, u64, u64)> {
        let packs = self.backend.list_with_size(FileType::Pack);
        let packs: HashSet<PackId> = packs
            .map_err(format("could not list packs"))?
            .into_iter()
            .map(|(id, _)| PackId::from(id))
            .collect();
        let (mut files, mut links, mut bytes) = (0, 0, 0);
        let mut known = HashMap::new();
        let root = reader.root(file)?;
        for found in reader.walk(&root, &LsOptions::default())? {
            let (path, node) = found.map_err(|e| Error::NotWhole(words(&e)))?;
            links += u64::from(node.is_symlink());
            if !node.is_file() {
                continue;
            }
            let mut size = 0;
            for id in node.content.iter().flatten() {
                let length = if let Some(length) = known.get(id) {
                    *length
                } else {
                    let (pack, length) = reader.blob(id)?;
                    if !packs.contains(&pack) {
                        return Err(Error::NotWhole(format!("the pack {pack} is not there")));
                    }
                    known.insert(*id, length);
                    length
                };
                size += length;
            }
            if size != node.meta.size {
                return Err(Error::NotWhole(format!(
                    "`{}` has {size} of {} bytes",
                    path.display(),
                    node.meta.size
                )));
            }
            files += 1;
            bytes += size;
        }
        Ok((files, links, bytes))
    }
}

fn judge(stored: Result<SnapshotFile>, heard: &[String], handed: &Handed) -> Result<SnapshotFile> {
    if let Some(error) = &handed.error {
        return Err(Error::NotWhole(error.clone()));
    }
    let file = stored?;
    if heard.is_empty() {
        Ok(file)
    } else {
        Err(Error::NotWhole(heard.join("; ")))
    }
}

impl Stored<'_> {
    /// What was stored.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Reads in it before others can see it.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Makes it visible.
    pub fn publish(self) -> Result<Snapshot> {
        self.repository.backend.publish_snapshots()?;
        Ok(self.snapshot.clone())
    }
}

impl Drop for Stored<'_> {
    fn drop(&mut self) {
        self.repository.backend.discard_snapshots();
    }
}
