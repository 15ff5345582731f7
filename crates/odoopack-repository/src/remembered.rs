//! What a repository was opened with, so that the same key opens it again without being stretched anew.
use std::sync::Arc;

use odoopack_core::secret::SecretText;
use rustic_core::repofile::MasterKey;
use rustic_core::{Credentials, OpenStatus};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::backend::Backend;
use crate::error::{Result, format};
use crate::objects::Objects;
use crate::place::Place;
use crate::repository::{Repository, rustic};

#[derive(Serialize, Deserialize)]
struct Remembered {
    /// Hash of the key that opened it.
    by: String,
    /// Name of the object that the key opened, which is the hash of its content.
    object: String,
    master: MasterKey,
}

impl Repository {
    /// Opens the repository with what [`Repository::remembered`] gave, as long as `key` is the same and the object that it opened is
    /// there and whole; in every other case with `key`, as [`Repository::open`] does, so that whatever is wrong is said.
    ///
    /// Stretching a key takes a third of a second, so that nobody can try many. It protects nothing where the key itself is kept.
    pub fn open_again(place: &Place, key: &SecretText, remembered: Option<&SecretText>) -> Result<Self> {
        let remembered = remembered.and_then(|text| serde_json::from_str::<Remembered>(text.expose()).ok());
        let is_same = |remembered: &Remembered| remembered.by == hash(key.expose().as_bytes());
        let Some(remembered) = remembered.filter(|remembered| is_same(remembered) && place.is_there()) else {
            return Self::open(place, key);
        };
        let objects = Objects::at(place)?;
        let object = objects.get(&format!("keys/{}", remembered.object))?;
        if object.is_none_or(|object| hash(&object) != remembered.object) || objects.size("config")?.is_none()
        {
            return Self::open(place, key);
        }
        let backend = Arc::new(Backend::new(objects.clone()));
        let opened = open(&backend, &remembered.master);
        opened.map_or_else(
            |_| Self::open(place, key),
            |inner| {
                Ok(Self {
                    place: place.clone(),
                    objects,
                    backend,
                    inner,
                })
            },
        )
    }

    /// What opens this repository again; as secret as `key`, which opened it.
    pub fn remembered(&self, key: &SecretText) -> Option<SecretText> {
        let object = (*self.inner.key_id())?;
        let remembered = Remembered {
            by: hash(key.expose().as_bytes()),
            object: object.to_hex().as_str().to_owned(),
            master: self.inner.key(),
        };
        serde_json::to_string(&remembered).ok().map(SecretText::new)
    }
}

fn open(backend: &Arc<Backend>, master: &MasterKey) -> Result<rustic_core::Repository<OpenStatus>> {
    let opened = rustic(backend.clone())?.open(&Credentials::Masterkey(master.clone()));
    opened.map_err(format("could not open the repository"))
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test spoils its own files")]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn what_was_remembered_opens_only_what_the_key_would_open() {
        let keep = tempfile::tempdir().unwrap();
        let at = |name: &str| Place::Directory(keep.path().join(name).to_str().unwrap().to_owned());
        let key = SecretText::new("key");
        let made = Repository::create(&at("one"), &key).unwrap();
        let remembered = made.remembered(&key).unwrap();
        let opened = |name: &str, key: &str| {
            Repository::open_again(&at(name), &SecretText::new(key), Some(&remembered))
        };
        // Without being stretched: nobody knows the object that the key opened.
        assert!(opened("one", "key").unwrap().inner.key_id().is_none());
        assert!(matches!(opened("one", "other").unwrap_err(), Error::WrongKey(_)));
        assert!(matches!(opened("none", "key").unwrap_err(), Error::Absent(_)));
        assert!(!keep.path().join("none").exists(), "looking made a directory");
        let nonsense = SecretText::new("nonsense");
        let again = Repository::open_again(&at("one"), &key, Some(&nonsense)).unwrap();
        assert!(again.inner.key_id().is_some());
        Repository::create(&at("two"), &key).unwrap();
        assert!(opened("two", "key").unwrap().inner.key_id().is_some());
        let keys = keep.path().join("one/keys");
        let object = std::fs::read_dir(&keys).unwrap().next().unwrap().unwrap().path();
        let whole = std::fs::read(&object).unwrap();
        std::fs::write(&object, &whole[1..]).unwrap();
        assert!(opened("one", "key").is_err(), "a damaged key is not hidden");
        std::fs::remove_file(&object).unwrap();
        assert!(opened("one", "key").is_err(), "a key that is gone is not hidden");
    }
}
