//! Snapshots in another place, each new object looked at there before the snapshot becomes visible.
use std::collections::HashSet;

use odoopack_core::secret::SecretText;
use rustic_core::repofile::SnapshotFile;
use rustic_core::{Credentials, KeyOptions};

use crate::backend::Backend;
use crate::error::{Error, Result, format};
use crate::guarded::guarded;
use crate::lock::{Holder, Writer};
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
        let made = rustic(backend.clone())?.init_with_config(&credentials, &KeyOptions::default(), config);
        let inner = made.map_err(format("could not make a repository"))?;
        Ok(Self {
            place: place.clone(),
            objects,
            backend,
            inner,
        })
    }

    /// The same by one of several hosts that may begin at the same moment: where another one is about to make it, nothing of that is
    /// taken away.
    ///
    /// # Errors
    /// [`Error::Locked`] when another one is at work there, [`Error::Present`] when it has ended.
    pub fn create_beside_alone(&self, place: &Place, key: &SecretText, holder: &Holder) -> Result<Self> {
        let _writer = Writer::take(place, &Objects::at(place)?, holder)?;
        self.create_beside(place, key)
    }

    /// Copies snapshots that `other` does not have yet.
    ///
    /// What was uploaded before an interruption and stands in an index there is not uploaded again: it was looked at before it stood there.
    ///
    /// # Errors
    /// [`Error::There`] when it is `other` that is damaged: what was lost there stands in no index any more, and the same copy by `other`
    /// opened anew stores it again.
    pub fn copy_to(&self, other: &Self, writer: &Writer, snapshots: &[Snapshot]) -> Result<Copied> {
        let there: HashSet<String> = other.listing()?.snapshots.into_iter().map(|s| s.id).collect();
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
        let uploading = || guarded(|| self.upload(other, &wanted));
        let (done, heard) = warnings::listening(|| other.backend.writing(uploading));
        let checked = done.and_then(|()| {
            if !heard.is_empty() {
                return Err(Error::NotWhole(heard.join("; ")));
            }
            other
                .take_in(writer, &wanted)
                .map_err(|error| self.whose(error, &wanted))
        });
        checked.map_err(|error| {
            other.backend.discard_snapshots();
            let error = other.lost_there(writer, error);
            other.backend.write_no_index();
            error
        })
    }

    fn upload(&self, other: &Self, wanted: &[SnapshotFile]) -> Result<()> {
        let from = self
            .again()?
            .to_indexed()
            .map_err(format("could not read the index"))?;
        let to = other
            .again()?
            .to_indexed_ids()
            .map_err(format("could not read the index there"))?;
        from.copy(&to, wanted).map_err(format("could not copy snapshots"))
    }

    /// Makes what was uploaded visible, when all of it is there.
    fn take_in(&self, writer: &Writer, wanted: &[SnapshotFile]) -> Result<Copied> {
        let (objects, bytes) = self.backend.looked()?;
        // The library leaves out what the index of the other side lacks, and says nothing.
        let indexes = self.look_for_all(wanted)?;
        let published = self.publish(&writer.held(), wanted, indexes)?;
        Ok(Copied {
            snapshots: published.len() as u64,
            objects,
            bytes,
        })
    }

    /// What is not whole there may not be whole here.
    fn whose(&self, error: Error, wanted: &[SnapshotFile]) -> Error {
        if is_damage(&error) && self.look_for_all(wanted).is_ok() {
            Error::There(Box::new(error))
        } else {
            error
        }
    }

    /// As [`Repository::without_lost_packs`], of a copy that was to come here.
    fn lost_there(&self, writer: &Writer, error: Error) -> Error {
        let (known, error) = if let Error::There(error) = error {
            (true, *error)
        } else {
            (self.backend.has_failed(), error)
        };
        let before = error.to_string();
        let error = self.without_lost_packs(writer, error);
        // Lost is what the index of this side named.
        if is_damage(&error) && (known || error.to_string() != before) {
            Error::There(Box::new(error))
        } else {
            error
        }
    }
}

/// Whether something that was stored is not what it should be.
fn is_damage(error: &Error) -> bool {
    matches!(
        error,
        Error::NotWhole(_) | Error::Damaged(_) | Error::Format { .. }
    )
}
