//! One snapshot, opened for a restore: everything of it can be read, nothing of it can be changed.
use std::io::Write;

use camino::Utf8Path;
use odoopack_core::backup::{Manifest, paths, read_attachments};
use odoopack_core::filestore::is_elsewhere;
use odoopack_repository::{Entry, Error, Kind, Reader, Repository, Snapshot};

use super::failure;
use crate::failure::{Failure, Result};

/// The snapshot.
#[derive(Debug)]
pub(crate) struct Opened {
    reader: Reader,
    snapshot: Snapshot,
    manifest: Manifest,
}

impl Opened {
    /// Opens a snapshot of a repository by the beginning of its name.
    pub(crate) fn of(repository: &Repository, name: &str, environment: Option<&str>) -> Result<Self> {
        let snapshot = repository.snapshot(name, environment);
        Self::read(repository, snapshot.map_err(|e| failure::of(&e))?)
    }

    /// Opens a snapshot that was found.
    pub(crate) fn read(repository: &Repository, snapshot: Snapshot) -> Result<Self> {
        let failed = |e: Error| failure::of(&e);
        let reader = repository.reader().map_err(failed)?;
        let bytes = reader.read(&snapshot, paths::MANIFEST).map_err(failed)?;
        let manifest = Manifest::from_json(&String::from_utf8_lossy(&bytes)).map_err(|e| {
            Failure::refused(format!("the snapshot `{}` cannot be restored", snapshot.id)).because(e)
        })?;
        Ok(Self {
            reader,
            snapshot,
            manifest,
        })
    }

    /// Its name.
    pub(crate) fn id(&self) -> &str {
        &self.snapshot.id
    }

    /// When its data was read.
    pub(crate) fn time(&self) -> jiff::Timestamp {
        self.snapshot.time
    }

    /// What it says of itself.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Place, size and SHA-1 of each attachment that its database names in the filestore.
    pub(crate) fn attachments(&self) -> Result<Vec<(String, i64, String)>> {
        let bytes = self
            .reader
            .read(&self.snapshot, paths::ATTACHMENTS)
            .map_err(|e| failure::of(&e))?;
        let all = read_attachments(&String::from_utf8_lossy(&bytes));
        let mut all =
            all.map_err(|e| Failure::failed("the list of attachments cannot be read").because(e))?;
        all.retain(|(place, ..)| !is_elsewhere(place));
        Ok(all)
    }

    /// Writes the dump.
    pub(crate) fn dump(&self, out: &mut dyn Write) -> Result<u64> {
        self.parts(paths::DUMP, out)
    }

    /// Writes what lies in parts.
    pub(crate) fn parts(&self, directory: &str, mut out: &mut dyn Write) -> Result<u64> {
        self.reader
            .stream_parts(&self.snapshot, directory, &mut out)
            .map_err(|e| failure::of(&e))
    }

    /// Writes one file.
    pub(crate) fn file(&self, path: &str, mut out: &mut dyn Write) -> Result<()> {
        self.reader
            .stream(&self.snapshot, path, &mut out)
            .map_err(|e| failure::of(&e))
    }

    /// Writes each file to what `begin` gives for its path; `end` gets that back with the path.
    pub(crate) fn each_file<W: Write>(
        &self,
        mut begin: impl FnMut(&str) -> W,
        mut end: impl FnMut(&str, W),
    ) -> Result<()> {
        let (begin, end) = (
            |entry: &Entry| begin(&entry.path),
            |entry: &Entry, out| end(&entry.path, out),
        );
        self.reader
            .stream_each(&self.snapshot, begin, end)
            .map_err(|e| failure::of(&e))
    }

    /// Puts a directory of it into an empty one; says `false` when the snapshot has none of that name.
    pub(crate) fn directory(&self, directory: &str, to: &Utf8Path) -> Result<bool> {
        match self.reader.restore(&self.snapshot, directory, to.as_std_path()) {
            Ok(_) => Ok(true),
            Err(Error::NoFile { .. }) => Ok(false),
            Err(e) => Err(failure::of(&e)),
        }
    }

    /// Every file of it with its size, by path.
    pub(crate) fn files(&self) -> Result<Vec<(String, u64)>> {
        let all = self
            .reader
            .list(&self.snapshot, "")
            .map_err(|e| failure::of(&e))?;
        let file = |entry: &Entry| entry.kind == Kind::File;
        Ok(all
            .into_iter()
            .filter(file)
            .map(|entry| (entry.path, entry.size))
            .collect())
    }
}
