//! Snapshots in another place, each new object looked at there before the snapshot becomes visible.
use std::collections::HashSet;

use odoopack_core::secret::SecretText;
use rustic_core::repofile::SnapshotFile;
use rustic_core::{Credentials, KeyOptions};

use crate::backend::Backend;
use crate::error::{Error, Result, format};
use crate::guarded::guarded;
use crate::lock::Writer;
use crate::objects::Objects;
use crate::place::Place;
use crate::repository::{Repository, Snapshot, make_way, rustic};
use crate::warnings;

/// What a copy did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Snapshots that were not there before.
    pub snapshots: u64,
    /// Objects that were written, read again there, and found to be right.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Repository {
    /// Makes an empty repository that cuts data as this one does, so that a copy finds again what is there.
    ///
    /// # Errors
    /// [`Error::Present`] when one is there.
    pub fn create_beside(&self, place: &Place, key: &SecretText) -> Result<Self> {
        let objects = Objects::at(place)?;
        make_way(&objects)?;
        let mut config = self.inner.config().clone();
        config.id = rustic_core::Id::random().into();
        let backend = std::sync::Arc::new(Backend::new(objects.clone()));
        let credentials = Credentials::password(key.expose());
        let made = rustic(&backend)?.init_with_config(&credentials, &KeyOptions::default(), config);
        let inner = made.map_err(format("could not make a repository"))?;
        Ok(Self {
            place: place.clone(),
            objects,
            backend,
            inner,
        })
    }

    /// Copies snapshots that `other` does not have yet.
    ///
    /// What was uploaded before an interruption and stands in an index there is not uploaded again: it was looked at before it stood there.
    pub fn copy_to(&self, other: &Self, writer: &Writer, snapshots: &[Snapshot]) -> Result<Copied> {
        let there: HashSet<String> = other.snapshots()?.into_iter().map(|s| s.id).collect();
        let wanted: Vec<_> = snapshots
            .iter()
            .filter(|s| !there.contains(&s.id))
            .map(|s| {
                let mut file = s.file.clone();
                // The name for people stays that of the first.
                file.original.get_or_insert(s.file.id);
                file
            })
            .collect();
        if wanted.is_empty() {
            return Ok(Copied::default());
        }
        other.backend.hold_snapshots();
        other.backend.look_at_writes();
        let copying = || guarded(|| self.copy_files(other, &wanted));
        let (done, heard) = warnings::listening(|| other.backend.writing(copying));
        let checked = done.and_then(|()| {
            if !heard.is_empty() {
                return Err(Error::NotWhole(heard.join("; ")));
            }
            let (objects, bytes) = other.backend.looked()?;
            // The library leaves out what the index of here lacks, and says nothing.
            let indexes = other.look_for_all(&wanted)?;
            let published = other.publish(&writer.held(), &wanted, indexes)?;
            Ok(Copied {
                snapshots: published.len() as u64,
                objects,
                bytes,
            })
        });
        checked.map_err(|error| {
            other.backend.discard_snapshots();
            let error = other.without_lost_packs(writer, error);
            other.backend.write_no_index();
            error
        })
    }
    fn copy_files(&self, other: &Self, wanted: &[SnapshotFile]) -> Result<()> {
        let from = self.again()?.to_indexed();
        let from = from.map_err(format("could not read the index"))?;
        let to = other.again()?.to_indexed_ids();
        let to = to.map_err(format("could not read the index there"))?;
        from.copy(&to, wanted).map_err(format("could not copy snapshots"))
    }
}
