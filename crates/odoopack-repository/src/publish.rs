//! The last step: what was stored and checked becomes visible, unless somebody took data away meanwhile.
use std::collections::HashSet;

use rustic_core::repofile::SnapshotFile;
use rustic_core::{FileType, Id};

use crate::backend::name;
use crate::error::{Error, Result};
use crate::lock::{self, Held};
use crate::repository::Repository;

impl Repository {
    /// The indexes that are there. Whoever takes away a pack takes away, before that, the index that names it.
    pub(crate) fn indexes(&self) -> Result<HashSet<String>> {
        let listed = self.objects.list(FileType::Index.dirname())?;
        Ok(listed.into_iter().map(|object| object.name).collect())
    }

    /// Looks for everything that snapshots need; returns the indexes that say where it is.
    pub(crate) fn look_for_all(&self, files: &[SnapshotFile]) -> Result<HashSet<String>> {
        let indexes = self.indexes()?;
        let reader = self.reader()?;
        files
            .iter()
            .try_for_each(|file| self.count_tree(&reader, file).map(drop))?;
        Ok(indexes)
    }

    /// Makes the snapshots visible that were kept back; `indexes` said where everything is that they need.
    ///
    /// # Errors
    /// When not all of it is there any more, stock restic is at work for long, or somebody took over the lock.
    pub(crate) fn publish(
        &self,
        held: &Held,
        files: &[SnapshotFile],
        mut indexes: HashSet<String>,
    ) -> Result<Vec<Id>> {
        while self.was_pruned(&indexes)? {
            indexes = self.look_for_all(files)?;
        }
        held.check()?;
        let published = self.backend.publish_snapshots()?;
        // One that listed the snapshots just before may be at work still, or be over when a request took long.
        let stays = self.was_pruned(&indexes).and_then(|was_pruned| {
            if was_pruned {
                self.look_for_all(files)?;
            }
            Ok(())
        });
        match stays {
            Ok(()) => Ok(published),
            Err(error) => Err(self.withdraw(&published, error)),
        }
    }

    /// Waits until stock restic is not at work; says whether a prune of it may have taken something away, which knows nothing of what was
    /// not visible.
    fn was_pruned(&self, indexes: &HashSet<String>) -> Result<bool> {
        Ok(lock::wait_for_restic(&self.objects)? || !indexes.is_subset(&self.indexes()?))
    }

    fn withdraw(&self, published: &[Id], error: Error) -> Error {
        let removed = published
            .iter()
            .try_for_each(|id| self.objects.remove(&name(FileType::Snapshot, id)));
        match removed {
            Ok(()) => error,
            Err(still) => Error::NotWhole(format!("{error}; and it is listed: {still}")),
        }
    }
}
