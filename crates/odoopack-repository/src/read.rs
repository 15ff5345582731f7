//! Reading: entries, whole files, streams, directories brought back.
use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustic_core::repofile::{Node, PackId, SnapshotFile};
use rustic_core::{DataId, IndexedFullStatus, LocalDestination, LsOptions, RestoreOptions, RusticResult};

use crate::error::{Error, Result, format};
use crate::guarded::guarded;
use crate::repository::Snapshot;
use crate::warnings;

/// A repository with its index read.
pub struct Reader {
    inner: rustic_core::Repository<IndexedFullStatus>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reader").field(&self.inner.name).finish()
    }
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file.
    File,
    /// A directory.
    Directory,
    /// Anything else; snapshots of ours hold none.
    Other,
}

/// A file or directory of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path below the directory that was asked for.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Bytes.
    pub size: u64,
    /// Modification time.
    pub modified: Option<Timestamp>,
    /// Equal for equal contents; empty for a directory.
    pub content: String,
}

impl Reader {
    pub(crate) fn new(inner: rustic_core::Repository<IndexedFullStatus>) -> Self {
        Self { inner }
    }

    /// Everything below `directory` of a snapshot (`""` for all of it), at any depth, in order.
    pub fn list(&self, snapshot: &Snapshot, directory: &str) -> Result<Vec<Entry>> {
        self.entries(snapshot, directory, true)
    }

    /// What lies directly in `directory`.
    pub fn list_flat(&self, snapshot: &Snapshot, directory: &str) -> Result<Vec<Entry>> {
        self.entries(snapshot, directory, false)
    }

    fn entries(&self, snapshot: &Snapshot, directory: &str, recursive: bool) -> Result<Vec<Entry>> {
        let node = self.node(snapshot, directory)?;
        let options = LsOptions::default().recursive(recursive);
        let mut entries = Vec::new();
        for found in self.walk(&node, &options)? {
            let (path, node) = found.map_err(format("could not read a directory of the snapshot"))?;
            entries.push(entry(&path, &node));
        }
        Ok(entries)
    }

    /// One file, whole; for small ones.
    pub fn read(&self, snapshot: &Snapshot, path: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream(snapshot, path, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes one file to `out`.
    pub fn stream(&self, snapshot: &Snapshot, path: &str, out: &mut impl Write) -> Result<()> {
        let node = self.node(snapshot, path)?;
        if !node.is_file() {
            return Err(missing(snapshot, path));
        }
        let dumped = self.inner.dump(&node, out);
        dumped.map_err(format(&format!("could not read `{path}` of the snapshot")))
    }

    /// Writes every file of a snapshot, in order, each to what `begin` gives for it; `end` gets that back. The directories are read
    /// once, not again for each of their files.
    pub fn stream_each<W: Write>(
        &self,
        snapshot: &Snapshot,
        mut begin: impl FnMut(&Entry) -> W,
        mut end: impl FnMut(&Entry, W),
    ) -> Result<()> {
        let node = self.node(snapshot, "")?;
        for found in self.walk(&node, &LsOptions::default())? {
            let (path, node) = found.map_err(format("could not read a directory of the snapshot"))?;
            if !node.is_file() {
                continue;
            }
            let entry = entry(&path, &node);
            let mut out = begin(&entry);
            let dumped = self.inner.dump(&node, &mut out);
            dumped.map_err(format(&format!(
                "could not read `{}` of the snapshot",
                entry.path
            )))?;
            end(&entry, out);
        }
        Ok(())
    }

    /// Writes the parts of a stream that was cut, in order; returns how many bytes that were.
    pub fn stream_parts(&self, snapshot: &Snapshot, directory: &str, out: &mut impl Write) -> Result<u64> {
        let parts = self.list_flat(snapshot, directory)?;
        for part in parts.iter().filter(|part| part.kind == Kind::File) {
            self.stream(snapshot, &format!("{directory}/{}", part.path), out)?;
        }
        Ok(parts.iter().map(|part| part.size).sum())
    }

    /// Brings back everything below `directory` into `destination`, which must exist; owners are the caller's.
    ///
    /// # Errors
    /// Also when the library only warned: then something is not as it was.
    pub fn restore(&self, snapshot: &Snapshot, directory: &str, destination: &Path) -> Result<u64> {
        let node = self.node(snapshot, directory)?;
        let options = RestoreOptions::default().no_ownership(true);
        let place = destination.to_str().ok_or_else(|| Error::Store {
            act: "restore".to_owned(),
            place: destination.display().to_string(),
            why: "the path is not UTF-8".to_owned(),
        })?;
        let failed = format("could not restore");
        let (restored, heard) = warnings::listening(|| -> Result<u64> {
            let destination = LocalDestination::new(place, false, !node.is_dir()).map_err(&failed)?;
            let list = LsOptions::default();
            let plan = self
                .inner
                .prepare_restore(&options, self.walk(&node, &list)?, &destination, false);
            let plan = plan.map_err(&failed)?;
            let size = plan.restore_size;
            let walk = self.walk(&node, &list)?;
            guarded(|| {
                let restored = self.inner.restore(plan, &options, walk, &destination);
                restored.map_err(&failed)
            })?;
            Ok(size)
        });
        let size = restored?;
        if heard.is_empty() {
            Ok(size)
        } else {
            Err(Error::NotWhole(heard.join("; ")))
        }
    }

    /// The paths below `directory` that differ: in `a` only, in `b` only, in both with other contents.
    pub fn differences(&self, a: &Snapshot, b: &Snapshot, directory: &str) -> Result<Differences> {
        let of = |snapshot: &Snapshot| -> Result<BTreeMap<String, Entry>> {
            let entries = match self.list(snapshot, directory) {
                Err(Error::NoFile { .. }) => Vec::new(),
                other => other?,
            };
            let files = entries.into_iter().filter(|e| e.kind == Kind::File);
            Ok(files.map(|e| (e.path.clone(), e)).collect())
        };
        let (before, after) = (of(a)?, of(b)?);
        let only = |these: &BTreeMap<String, Entry>, those: &BTreeMap<String, Entry>| {
            let missing = these.values().filter(|e| !those.contains_key(&e.path));
            missing.cloned().collect::<Vec<_>>()
        };
        let changed = after
            .values()
            .filter(|e| before.get(&e.path).is_some_and(|old| old.content != e.content));
        Ok(Differences {
            removed: only(&before, &after),
            added: only(&after, &before),
            changed: changed.cloned().collect(),
        })
    }

    pub(crate) fn walk(
        &self,
        node: &Node,
        options: &LsOptions,
    ) -> Result<impl Iterator<Item = RusticResult<(PathBuf, Node)>> + Clone> {
        let walk = self.inner.ls(node, options);
        walk.map_err(format("could not read a directory of the snapshot"))
    }

    pub(crate) fn root(&self, file: &SnapshotFile) -> Result<Node> {
        let node = self.inner.node_from_path(file.tree, Path::new(""));
        node.map_err(format("could not read the root of the snapshot"))
    }

    /// The pack that a blob is in, where it ends in it, and how many bytes it restores to.
    pub(crate) fn blob(&self, id: &DataId) -> Result<(PackId, u64, u64)> {
        let entry = self
            .inner
            .get_index_entry(id)
            .map_err(format("could not find a blob"))?;
        let end = u64::from(entry.location.offset) + u64::from(entry.location.length);
        Ok((entry.pack, end, u64::from(entry.data_length())))
    }

    fn node(&self, snapshot: &Snapshot, path: &str) -> Result<Node> {
        let mut node = self.root(&snapshot.file)?;
        let whole = format!("{}/{path}", snapshot.environment);
        for part in whole.split('/').filter(|part| !part.is_empty()) {
            let tree = node.subtree.ok_or_else(|| missing(snapshot, path))?;
            let tree = self.inner.get_tree(&tree);
            let tree = tree.map_err(format("could not read a directory of the snapshot"))?;
            let found = tree
                .nodes
                .into_iter()
                .find(|node| node.name().to_str() == Some(part));
            node = found.ok_or_else(|| missing(snapshot, path))?;
        }
        Ok(node)
    }
}

/// What lies between two snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Files of the first only.
    pub removed: Vec<Entry>,
    /// Files of the second only.
    pub added: Vec<Entry>,
    /// Files of both with other contents, as they are in the second.
    pub changed: Vec<Entry>,
}

fn missing(snapshot: &Snapshot, path: &str) -> Error {
    Error::NoFile {
        snapshot: snapshot.id.clone(),
        path: path.to_owned(),
    }
}

fn entry(path: &Path, node: &Node) -> Entry {
    let content = node
        .content
        .iter()
        .flatten()
        .map(|id| id.to_hex().as_str().to_owned());
    Entry {
        path: path.to_string_lossy().into_owned(),
        kind: if node.is_file() {
            Kind::File
        } else if node.is_dir() {
            Kind::Directory
        } else {
            Kind::Other
        },
        size: node.meta.size,
        modified: node.meta.mtime,
        content: content.collect::<Vec<_>>().join(","),
    }
}
