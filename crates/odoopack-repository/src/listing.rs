//! What lies below `snapshots/`: one object that cannot be read takes the others not out of reach.
use std::collections::BTreeMap;

use jiff::Timestamp;
use rustic_core::repofile::{SnapshotFile, SnapshotId};
use rustic_core::{FileType, Id};

use crate::backend::name;
use crate::error::{Error, Result, words};
use crate::place::Place;
use crate::repository::{Repository, Snapshot, once};

/// No snapshot file is as big as this: somebody else has put it there.
const BIGGEST: u64 = 64 * 1024 * 1024;

/// Everything that is listed.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// What can be read, oldest first.
    pub snapshots: Vec<Snapshot>,
    /// What cannot, by name.
    pub unreadable: Vec<Unreadable>,
}

/// An object below `snapshots/` that is no snapshot, or none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its name in the repository, such as `snapshots/0f3a…`.
    pub object: String,
    /// Where the repository is.
    pub place: String,
    /// What is wrong with it.
    pub why: String,
    /// The command that takes it out of the way; off site it takes credentials that may delete.
    pub aside: String,
}

impl Repository {
    /// Every snapshot that can be read, and what else lies there: for who reads or adds, never for who removes.
    ///
    /// # Errors
    /// When the listing failed.
    pub fn listing(&self) -> Result<Listing> {
        let mut unreadable = BTreeMap::new();
        let mut ids = Vec::new();
        for object in self.objects.list(FileType::Snapshot.dirname())? {
            // A name that is no id is somebody's temporary file, as in every other directory.
            let Some(id) = Id::parse_some(&object.name, FileType::Snapshot) else {
                continue;
            };
            if object.size > BIGGEST {
                unreadable.insert(id, format!("it has {} bytes", object.size));
            } else {
                ids.push(SnapshotId::from(id));
            }
        }
        let mut files = self.readable(&ids)?;
        for id in ids {
            if files.contains_key(&id) {
                continue;
            }
            // Alone and once more: the library does not say which of them an error is of.
            match self.inner.get_file::<SnapshotFile>(&id) {
                Ok(file) => drop(files.insert(id, file)),
                Err(error) => drop(unreadable.insert(*id, words(&error))),
            }
        }
        let snapshots = files.into_iter().map(|(id, file)| Snapshot::of(named(id, file)));
        let unreadable = unreadable.into_iter().map(|(id, why)| self.unreadable(&id, why));
        Ok(Listing {
            snapshots: once(snapshots.collect()),
            unreadable: unreadable.collect(),
        })
    }

    fn readable(&self, ids: &[SnapshotId]) -> Result<BTreeMap<SnapshotId, SnapshotFile>> {
        let found = self.inner.stream_files_list::<SnapshotFile>(ids.to_vec());
        let found = found.map_err(crate::error::format("could not list snapshots"))?;
        Ok(found.filter_map(std::result::Result::ok).collect())
    }

    fn unreadable(&self, id: &Id, why: String) -> Unreadable {
        let object = name(FileType::Snapshot, id);
        Unreadable {
            aside: aside(&self.place, &object),
            place: self.place.to_string(),
            object,
            why,
        }
    }
}

impl Listing {
    /// The snapshots, when nothing else is there.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when something is.
    pub fn whole(self) -> Result<Vec<Snapshot>> {
        if self.unreadable.is_empty() {
            Ok(self.snapshots)
        } else {
            Err(Error::Unreadable(self.unreadable))
        }
    }

    /// The newest snapshot of one environment of one pack: others may keep theirs in the same repository. It is none from
    /// the future while there is another.
    ///
    /// # Errors
    /// [`Error::NoSnapshot`] when there is none, [`Error::Unreadable`] when it may be one that cannot be read.
    pub fn latest(&self, pack: &str, environment: &str) -> Result<Snapshot> {
        let now = Timestamp::now();
        let of = |s: &&Snapshot| s.pack == pack && s.environment == environment;
        let mut all = self.snapshots.iter().filter(of).rev();
        let newest = all.clone().next();
        all.find(|s| s.time <= now).or(newest).cloned().ok_or_else(|| {
            self.none(|_| true).unwrap_or_else(|| {
                Error::NoSnapshot(format!(
                    "there is no snapshot of {environment} of the pack {pack} yet"
                ))
            })
        })
    }

    /// The snapshot whose id begins with `name`, of any pack.
    ///
    /// # Errors
    /// [`Error::NoSnapshot`] when none or several match, [`Error::Unreadable`] when it cannot be read.
    pub fn snapshot(&self, name: &str, environment: Option<&str>) -> Result<Snapshot> {
        let of = |s: &&Snapshot| environment.is_none_or(|environment| s.environment == environment);
        let full = |s: &Snapshot| s.restic_id().starts_with(name);
        let mut found = self.snapshots.iter().filter(of).filter(|s| {
            name.len() >= 4 && (s.id.starts_with(name) || s.first_id().starts_with(name) || full(s))
        });
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one.clone()),
            (None, _) => Err(self
                .none(|object| object.starts_with(name))
                .unwrap_or_else(|| Error::NoSnapshot(format!("there is no snapshot `{name}`")))),
            (Some(_), Some(_)) => Err(Error::NoSnapshot(format!(
                "several snapshots begin with `{name}`"
            ))),
        }
    }

    /// What to say of one that was not found and may be among those that cannot be read; they are known by the last part of their names.
    fn none(&self, may_be: impl Fn(&str) -> bool) -> Option<Error> {
        let last = |one: &&Unreadable| may_be(one.object.rsplit('/').next().unwrap_or_default());
        let all: Vec<Unreadable> = self.unreadable.iter().filter(last).cloned().collect();
        (!all.is_empty()).then_some(Error::Unreadable(all))
    }
}

/// As the library names what it has read.
fn named(id: SnapshotId, mut file: SnapshotFile) -> SnapshotFile {
    file.id = id;
    file.original.get_or_insert(id);
    file
}

fn aside(place: &Place, object: &str) -> String {
    let name = object.rsplit('/').next().unwrap_or_default();
    match place {
        Place::Directory(directory) => format!("mv {directory}/{object} {directory}/{name}.unreadable"),
        Place::Bucket(bucket) => {
            let parts = [bucket.name.as_str(), bucket.prefix.as_str()];
            let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            let root = format!("s3://{}", parts.join("/"));
            format!(
                "aws --endpoint-url {} s3 mv {root}/{object} {root}/{name}.unreadable",
                bucket.endpoint
            )
        }
    }
}
