//! A repository: made, opened, its snapshots listed.
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use odoopack_core::secret::SecretText;
use rustic_core::repofile::{SnapshotFile, SnapshotId};
use rustic_core::{
    ConfigOptions, Credentials, KeyOptions, OpenStatus, RepositoryBackends, RepositoryOptions, WriteBackend,
};

use crate::backend::Backend;
use crate::error::{Error, Result, format};
use crate::lock::{Holder, Writer};
use crate::objects::Objects;
use crate::place::Place;
use crate::read::Reader;
use crate::work::Work;

/// Tag of a snapshot that retention never removes.
pub(crate) const PINNED: &str = "pinned";
/// What marks the form of the directories among the tags.
pub(crate) const TREES: &str = "trees:";
/// Of zstd. A dump in which rows were updated is stored anew, nearly all of it: the usual level 3 takes twice the time for a twentieth
/// less of Odoo's own tables, and attachments hardly compress at all.
const COMPRESSION: i32 = 1;
/// What marks the words of the operator among the tags.
const NOTE: &str = "note:";

/// An open repository.
pub struct Repository {
    pub(crate) place: Place,
    pub(crate) objects: Objects,
    pub(crate) backend: Arc<Backend>,
    pub(crate) inner: rustic_core::Repository<OpenStatus>,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Repository")
            .field(&self.place.to_string())
            .finish()
    }
}

/// One snapshot, as the list shows it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Its name for people: the first eight digits of the id it had first; a pin does not change it.
    pub id: String,
    /// When its data was read.
    pub time: Timestamp,
    /// Pack that it is of.
    pub pack: String,
    /// Environment that it is of.
    pub environment: String,
    /// Words of the operator.
    pub note: Option<String>,
    /// Never removed by retention.
    pub pinned: bool,
    /// Bytes that would be restored.
    pub size: u64,
    /// Bytes that it added to the repository, compressed.
    pub added: u64,
    /// Files in it.
    pub files: u64,
    /// Files that had to be read, the rest was unchanged.
    pub read: u64,
    /// How long it took to store, in seconds.
    pub seconds: f64,
    pub(crate) file: SnapshotFile,
    /// Other files of the same name.
    pub(crate) twins: Vec<SnapshotId>,
}

impl Repository {
    /// Makes an empty repository that `key` opens.
    ///
    /// # Errors
    /// [`Error::Present`] when one is there.
    pub fn create(place: &Place, key: &SecretText) -> Result<Self> {
        let objects = Objects::at(place)?;
        make_way(&objects)?;
        let (backend, inner) = unopened(&objects)?;
        let credentials = Credentials::password(key.expose());
        let mut config = ConfigOptions::default();
        config.set_compression = Some(COMPRESSION);
        let made = inner.init(&credentials, &KeyOptions::default(), &config);
        let inner = made.map_err(format("could not make a repository"))?;
        Ok(Self {
            place: place.clone(),
            objects,
            backend,
            inner,
        })
    }

    /// Opens the repository at `place`.
    ///
    /// # Errors
    /// [`Error::Absent`] when the store says that there is none, [`Error::WrongKey`] when `key` opens none of its keys.
    pub fn open(place: &Place, key: &SecretText) -> Result<Self> {
        if !place.is_there() {
            return Err(Error::Absent(place.to_string()));
        }
        let objects = Objects::at(place)?;
        if objects.size("config")?.is_none() {
            return Err(Error::Absent(place.to_string()));
        }
        let (backend, inner) = unopened(&objects)?;
        let opened = inner.open(&Credentials::password(key.expose()));
        let inner = opened.map_err(|error| {
            if error.is_incorrect_password() {
                Error::WrongKey(place.to_string())
            } else {
                format("could not open the repository")(error)
            }
        })?;
        Ok(Self {
            place: place.clone(),
            objects,
            backend,
            inner,
        })
    }

    /// From now on at most so many bytes are written and read in a second; 0: as fast as it goes.
    pub fn limit(&self, bytes_per_second: u64) {
        self.objects.pace().limit(bytes_per_second);
    }

    /// Where it is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Takes the right to write.
    ///
    /// # Errors
    /// [`Error::Locked`] naming who has it.
    pub fn writer(&self, holder: &Holder) -> Result<Writer> {
        Writer::take(&self.place, &self.objects, holder)
    }

    /// Every snapshot that can be seen, oldest first.
    ///
    /// # Errors
    /// When the listing failed, and [`Error::Unreadable`] when one of them could not be read: who removes something needs all of them.
    pub fn snapshots(&self) -> Result<Vec<Snapshot>> {
        self.listing()?.whole()
    }

    /// As [`Listing::latest`](crate::Listing::latest).
    ///
    /// # Errors
    /// The same, and when the listing failed.
    pub fn latest(&self, pack: &str, environment: &str) -> Result<Snapshot> {
        self.listing()?.latest(pack, environment)
    }

    /// As [`Listing::snapshot`](crate::Listing::snapshot).
    ///
    /// # Errors
    /// The same, and when the listing failed.
    pub fn snapshot(&self, name: &str, environment: Option<&str>) -> Result<Snapshot> {
        self.listing()?.snapshot(name, environment)
    }

    /// The same repository opened once more, with the key that is known already.
    pub(crate) fn again(&self) -> Result<rustic_core::Repository<OpenStatus>> {
        let inner = rustic(Arc::new(Work::on(&self.backend)))?;
        let opened = inner.open(&Credentials::Masterkey(self.inner.key()));
        opened.map_err(format("could not open the repository"))
    }

    /// Opens everything that was stored for reading.
    pub fn reader(&self) -> Result<Reader> {
        let indexed = self.again()?.to_indexed();
        Ok(Reader::new(indexed.map_err(format("could not read the index"))?))
    }
}

/// Refuses a place where a repository is, or was, and removes keys that one left which never got its `config`: a second
/// key would open the new one as often as not, and nothing that was written with the other.
pub(crate) fn make_way(objects: &Objects) -> Result<()> {
    if objects.size("config")?.is_some() {
        return Err(Error::Present(objects.place().to_owned()));
    }
    for directory in ["snapshots", "index", "data"] {
        let count = objects.list(directory)?.len();
        if count > 0 {
            return Err(Error::Format {
                what: format!(
                    "there is a repository without its `config` at {}",
                    objects.place()
                ),
                why: format!(
                    "`{directory}` holds {count} objects, and a new one in its place would hide them for good"
                ),
            });
        }
    }
    for key in objects.list("keys")? {
        objects.remove(&format!("keys/{}", key.name))?;
    }
    Ok(())
}

/// Oldest first; of two files with one name, which a pin that was cut off has left, the pinned one.
pub(crate) fn once(mut all: Vec<Snapshot>) -> Vec<Snapshot> {
    all.sort_by(|a, b| (a.time, &a.id, b.pinned).cmp(&(b.time, &b.id, a.pinned)));
    let mut one_each: Vec<Snapshot> = Vec::new();
    for snapshot in all {
        match one_each
            .iter_mut()
            .find(|one| one.first_id() == snapshot.first_id())
        {
            Some(one) => one.twins.push(snapshot.file.id),
            None => one_each.push(snapshot),
        }
    }
    one_each
}

fn unopened(objects: &Objects) -> Result<(Arc<Backend>, rustic_core::Repository<()>)> {
    let backend = Arc::new(Backend::new(objects.clone()));
    let inner = rustic(backend.clone())?;
    Ok((backend, inner))
}

pub(crate) fn rustic(store: Arc<dyn WriteBackend>) -> Result<rustic_core::Repository<()>> {
    let options = RepositoryOptions::default().no_cache(true);
    let inner = rustic_core::Repository::new(&options, &RepositoryBackends::new(store, None));
    inner.map_err(format("could not open the repository"))
}

impl Snapshot {
    pub(crate) fn of(file: SnapshotFile) -> Self {
        let summary = file.summary.clone().unwrap_or_default();
        let first = file.original.unwrap_or(file.id);
        let tags: Vec<&String> = file.tags.iter().collect();
        let path = file.paths.iter().next().map(String::as_str).unwrap_or_default();
        Self {
            id: first.to_hex().as_str()[..8].to_owned(),
            time: file.time.timestamp(),
            pack: file.hostname.clone(),
            environment: path.trim_start_matches('/').to_owned(),
            note: tags
                .iter()
                .find_map(|tag| tag.strip_prefix(NOTE))
                .map(str::to_owned)
                .or_else(|| file.description.clone()),
            pinned: tags.iter().any(|tag| *tag == PINNED),
            size: summary.total_bytes_processed,
            added: summary.data_added_packed,
            files: summary.total_files_processed,
            read: summary.files_new + summary.files_changed,
            seconds: summary.total_duration,
            file,
            twins: Vec::new(),
        }
    }

    /// Every file of its name.
    pub(crate) fn ids(&self) -> Vec<SnapshotId> {
        [&[self.file.id], self.twins.as_slice()].concat()
    }

    /// The form in which its directories are stored; `None`: the usual one.
    pub(crate) fn trees(&self) -> Option<u64> {
        self.file
            .tags
            .iter()
            .find_map(|tag| tag.strip_prefix(TREES)?.parse().ok())
    }

    /// Digits of the id that it had first.
    pub(crate) fn first_id(&self) -> String {
        let id = self.file.original.unwrap_or(self.file.id);
        id.to_hex().as_str().to_owned()
    }

    /// Id by which stock restic knows it now.
    pub fn restic_id(&self) -> String {
        self.file.id.to_hex().as_str().to_owned()
    }
}
