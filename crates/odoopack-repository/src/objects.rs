//! Objects of a store by name, synchronously; a listing is whole or an error.
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{
    ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion, WriteMultipart,
};
use tokio::runtime::{Handle, Runtime};

use crate::error::{Error, Result};
use crate::pace::Pace;
use crate::place::Place;

/// Objects bigger than this are uploaded in pieces, so that a lost connection costs one piece.
const PIECE: usize = 8 * 1024 * 1024;

/// The objects of one repository.
#[derive(Clone)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    root: Path,
    place: Arc<str>,
    pace: Pace,
    #[cfg(test)]
    pub(crate) faults: crate::faults::Faults,
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Last part of its name.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: u64,
    /// When it was written, in seconds since 1970.
    pub(crate) written: i64,
}

/// An object as it was read, told apart from what others write in its place.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) content: Bytes,
    mark: Option<String>,
}

/// What became of an object that was only to be written if nobody else wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It is ours.
    Made,
    /// Somebody was faster.
    Taken,
    /// The service cannot tell.
    Unsupported,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Objects").field(&self.place).finish()
    }
}

impl Objects {
    /// The objects at `place`.
    pub(crate) fn at(place: &Place) -> Result<Self> {
        let (store, root) = place.open()?;
        Ok(Self {
            store,
            root,
            place: place.to_string().into(),
            pace: Pace::default(),
            #[cfg(test)]
            faults: crate::faults::Faults::default(),
        })
    }

    /// How fast they may be written and read.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Where they are, in words.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Every object below `directory`, at any depth.
    ///
    /// # Errors
    /// When any part of the listing failed: what could not be listed is not absent.
    pub(crate) fn list(&self, directory: &str) -> Result<Vec<Listed>> {
        #[cfg(test)]
        self.faults.fail(&format!("list {directory}"))?;
        let prefix = self.path(directory);
        let all = wait(self.store.list(Some(&prefix)).try_collect::<Vec<_>>());
        let all = all.map_err(|e| self.failed(&format!("list {directory}"), &e))?;
        let listed = |meta: object_store::ObjectMeta| Listed {
            name: meta.location.filename().unwrap_or_default().to_owned(),
            size: meta.size,
            written: meta.last_modified.timestamp(),
        };
        Ok(all.into_iter().map(listed).collect())
    }

    /// The whole object; `None` when the store says that there is none.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Bytes>> {
        #[cfg(test)]
        self.faults.fail(&format!("get {name}"))?;
        let read = wait(async { self.store.get(&self.path(name)).await?.bytes().await });
        match read {
            Ok(bytes) => {
                self.pace.wait(bytes.len());
                Ok(Some(bytes))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed(&format!("read {name}"), &e)),
        }
    }

    /// The same with what tells it from every other form.
    pub(crate) fn get_form(&self, name: &str) -> Result<Option<Form>> {
        #[cfg(test)]
        self.faults.fail(&format!("get {name}"))?;
        let read = wait(async {
            let found = self.store.get(&self.path(name)).await?;
            let mark = found.meta.e_tag.clone();
            let content = found.bytes().await?;
            Ok(Form { content, mark })
        });
        match read {
            Ok(form) => Ok(Some(form)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed(&format!("read {name}"), &e)),
        }
    }

    /// Writes an object in place of `form`, or where there is none, and only if that is what is there at that moment: of all who do
    /// this at the same time one succeeds.
    pub(crate) fn claim(
        &self,
        place: &Place,
        name: &str,
        form: Option<&Form>,
        content: &Bytes,
    ) -> Result<Claim> {
        let mode = match form.map(|form| form.mark.clone()) {
            None => PutMode::Create,
            Some(None) => return Ok(Claim::Unsupported),
            Some(e_tag) => PutMode::Update(UpdateVersion { e_tag, version: None }),
        };
        let put = |store: &Arc<dyn ObjectStore>| {
            let options = PutOptions::from(mode.clone());
            let payload = PutPayload::from_bytes(content.clone());
            claimed(wait(store.put_opts(&self.path(name), payload, options)))
        };
        // What a service does not know it answers at once, and would answer to every repetition.
        let claimed = put(&place.open_once()?).or_else(|_| put(&self.store));
        claimed.map_err(|e| self.failed(&format!("write {name}"), &e))
    }

    /// A range of an object; exactly that many bytes or an error.
    pub(crate) fn get_range(&self, name: &str, range: Range<u64>) -> Result<Bytes> {
        let wanted = range.end - range.start;
        self.pace.wait(usize::try_from(wanted).unwrap_or(usize::MAX));
        let bytes = wait(self.store.get_range(&self.path(name), range));
        let bytes = bytes.map_err(|e| self.failed(&format!("read {name}"), &e))?;
        if u64::try_from(bytes.len()).is_ok_and(|got| got == wanted) {
            return Ok(bytes);
        }
        Err(Error::Store {
            act: format!("read {name}"),
            place: self.place.to_string(),
            why: format!("{} bytes came instead of {wanted}", bytes.len()),
        })
    }

    /// Size of an object; `None` when there is none.
    pub(crate) fn size(&self, name: &str) -> Result<Option<u64>> {
        Ok(self.look_at(name)?.map(|meta| meta.size))
    }

    /// When an object was written, in seconds since 1970; `None` when there is none.
    pub(crate) fn written(&self, name: &str) -> Result<Option<i64>> {
        Ok(self.look_at(name)?.map(|meta| meta.last_modified.timestamp()))
    }

    fn look_at(&self, name: &str) -> Result<Option<object_store::ObjectMeta>> {
        match wait(self.store.head(&self.path(name))) {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(self.failed(&format!("look at {name}"), &e)),
        }
    }

    /// Writes an object and asks for its size afterwards: a store that lost a piece is found out here, and gets it once more.
    ///
    /// # Errors
    /// When the store refused it, or has again something else than was written; that is removed, as half an index makes a repository
    /// unreadable.
    pub(crate) fn put(&self, name: &str, content: &[Bytes]) -> Result<()> {
        let size: u64 = content.iter().map(|bytes| bytes.len() as u64).sum();
        let mut there = self.put_once(name, content)?;
        if there != Some(size) {
            there = self.put_once(name, content)?;
        }
        if there == Some(size) {
            return Ok(());
        }
        let removed = match there {
            Some(_) => self
                .remove(name)
                .map_or("and could not be removed", |()| "and were removed"),
            None => "",
        };
        let there = there.map_or_else(|| "nothing is".to_owned(), |there| format!("{there} bytes are"));
        Err(Error::Store {
            act: format!("write {name}"),
            place: self.place.to_string(),
            why: format!("{size} bytes were written, {there} there {removed}")
                .trim_end()
                .to_owned(),
        })
    }

    /// Writes an object; returns how many bytes of it are there.
    fn put_once(&self, name: &str, content: &[Bytes]) -> Result<Option<u64>> {
        let content = content.to_vec();
        #[cfg(test)]
        let content = self.faults.spoil(&format!("put {name}"), content)?;
        let size: usize = content.iter().map(Bytes::len).sum();
        let path = self.path(name);
        let written = if size > PIECE {
            wait(self.put_in_pieces(&path, content))
        } else {
            self.pace.wait(size);
            wait(self.store.put(&path, PutPayload::from_iter(content))).map(drop)
        };
        written.map_err(|e| self.failed(&format!("write {name}"), &e))?;
        self.size(name)
    }

    async fn put_in_pieces(&self, path: &Path, content: Vec<Bytes>) -> object_store::Result<()> {
        let upload = self.store.put_multipart(path).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE);
        if let Err(error) = self.send(&mut upload, content).await {
            // Pieces that were sent are nowhere in a listing, and are paid for until somebody takes them back. If not even that can be
            // asked for, what went wrong first is what helps.
            upload.abort().await.unwrap_or_default();
            return Err(error);
        }
        // This takes them back itself.
        upload.finish().await.map(drop)
    }

    async fn send(&self, upload: &mut WriteMultipart, content: Vec<Bytes>) -> object_store::Result<()> {
        for mut bytes in content {
            while !bytes.is_empty() {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                // A timer takes a millisecond at least, and a pack comes in hundreds of slices.
                if let Some(pause) = self.pace.claim(Instant::now(), piece.len()) {
                    tokio::time::sleep(pause).await;
                }
                // In pieces already: what waits here was not sent yet.
                upload.wait_for_capacity(2).await?;
                upload.put(piece);
            }
        }
        Ok(())
    }

    /// Removes an object; one that is gone is fine.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        #[cfg(test)]
        self.faults.fail(&format!("remove {name}"))?;
        match wait(self.store.delete(&self.path(name))) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.failed(&format!("remove {name}"), &e)),
        }
    }

    fn path(&self, name: &str) -> Path {
        name.split('/')
            .filter(|part| !part.is_empty())
            .fold(self.root.clone(), Path::join)
    }

    fn failed(&self, act: &str, error: &object_store::Error) -> Error {
        Error::Store {
            act: act.to_owned(),
            place: self.place.to_string(),
            why: error.to_string(),
        }
    }
}

fn claimed(put: object_store::Result<object_store::PutResult>) -> object_store::Result<Claim> {
    match put {
        Ok(_) => Ok(Claim::Made),
        Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
            Ok(Claim::Taken)
        }
        Err(object_store::Error::NotImplemented { .. }) => Ok(Claim::Unsupported),
        // The library has no word of its own for the answer 501 (`object_store` 0.14, `client/retry.rs`).
        Err(e) if e.to_string().contains("501 Not Implemented") => Ok(Claim::Unsupported),
        Err(e) => Err(e),
    }
}

/// Runs one request to its end on a runtime of this crate.
fn wait<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

fn runtime() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("repository")
                .enable_all()
                .build()
                .expect("the system has threads and epoll")
        })
        .handle()
}
