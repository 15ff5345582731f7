//! Whether everything of a snapshot is there: its directories are read, and its data is looked for where the index says that it is.
use std::collections::HashMap;
use std::path::Path;

use rustic_core::repofile::{PackId, SnapshotFile};
use rustic_core::{FileType, LsOptions, ReadBackend};

use crate::error::{Error, Result, format, words};
use crate::read::Reader;
use crate::repository::Repository;

impl Repository {
    /// Walks a stored tree; returns its files, links and bytes.
    ///
    /// # Errors
    /// [`Error::NotWhole`] when not every blob of every file is in a pack that is there, [`Error::Damaged`] when a directory cannot be read.
    pub(crate) fn count_tree(&self, reader: &Reader, file: &SnapshotFile) -> Result<(u64, u64, u64)> {
        let packs = self.backend.list_with_size(FileType::Pack);
        let packs: HashMap<PackId, u32> = packs
            .map_err(format("could not list packs"))?
            .into_iter()
            .map(|(id, size)| (PackId::from(id), size))
            .collect();
        let (mut files, mut links, mut bytes) = (0, 0, 0);
        let root = reader.root(file).map_err(damaged)?;
        for found in reader.walk(&root, &LsOptions::default()).map_err(damaged)? {
            let (path, node) = found.map_err(|e| Error::Damaged(words(&e)))?;
            links += u64::from(node.is_symlink());
            if !node.is_file() {
                continue;
            }
            let mut size = 0;
            for id in node.content.iter().flatten() {
                // The index is looked into again for what is there twice: to remember every blob takes more memory than the index.
                let (pack, end, length) = reader.blob(id)?;
                holds(packs.get(&pack), &pack, end, &path)?;
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

/// A directory that cannot be read, in the words of the library.
fn damaged(error: Error) -> Error {
    if let Error::Format { why, .. } = error {
        return Error::Damaged(why);
    }
    error
}

/// Whether a pack is there as far as a file needs it.
fn holds(size: Option<&u32>, pack: &PackId, end: u64, path: &Path) -> Result<()> {
    let name = pack.to_hex();
    let name = name.as_str();
    match size {
        Some(size) if u64::from(*size) >= end => Ok(()),
        Some(size) => Err(Error::NotWhole(format!(
            "the pack {name} is cut short: {size} bytes of it are there, `{}` needs {end}",
            path.display()
        ))),
        None => Err(Error::NotWhole(format!("the pack {name} is not there"))),
    }
}
