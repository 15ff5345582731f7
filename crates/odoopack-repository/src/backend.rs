//! What rustic reads from and writes to: our objects, with nothing passed over in silence, and snapshot files held back until asked for.
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::objects::Objects;

/// Where indexes are marked that another took the place of and that its writer could not remove; stock restic looks at nothing there.
const REPLACED: &str = "odoopack/replaced";

/// A snapshot file that was not written yet.
type Held = (Id, Vec<Bytes>);

/// One repository as rustic sees it.
#[derive(Debug)]
pub(crate) struct Backend {
    objects: Objects,
    /// `Some`: snapshot files are kept here instead of being written.
    held: Mutex<Option<Vec<Held>>>,
    /// `Some`: what is written is looked at, a pack before an index names it.
    looks: Mutex<Option<Looks>>,
    /// `Some`: these packs and no others are listed, and an index that is to be removed and may not be is marked as replaced.
    shown: Mutex<Option<Vec<(Id, u32)>>>,
    /// What the store said when it first did not take something.
    refused: Mutex<Option<String>>,
    /// Counts the pieces of work that write; whoever belongs to an earlier one writes no more.
    number: AtomicU64,
}

/// What was looked at, and what was not yet.
#[derive(Debug, Default)]
struct Looks {
    /// Packs that were written and that no index names yet.
    fresh: Vec<Id>,
    /// Objects that were found to be right.
    objects: u64,
    /// Their bytes.
    bytes: u64,
    /// Something was not right: no index is written any more.
    failed: bool,
}

impl Backend {
    pub(crate) fn new(objects: Objects) -> Self {
        Self {
            objects,
            held: Mutex::new(None),
            looks: Mutex::new(None),
            shown: Mutex::new(None),
            refused: Mutex::new(None),
            number: AtomicU64::new(0),
        }
    }

    /// Of the piece of work that writes now.
    pub(crate) fn number(&self) -> u64 {
        self.number.load(Ordering::SeqCst)
    }

    /// Runs `work`, which writes; what the store did not take is its error, in the words of the store.
    ///
    /// # Source
    /// `rustic_core` 0.13, `blob/packer.rs`: packs are written by threads, and whoever finds one of them gone says only that.
    pub(crate) fn writing<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.leave_behind();
        let done = work();
        let refused = self.leave_behind();
        match (done, refused) {
            (done, None) => done,
            (Err(error), Some(refused)) if error.to_string().contains(&refused) => Err(error),
            (Err(Error::Format { what, .. }), Some(refused)) => Err(Error::Format { what, why: refused }),
            (Ok(_) | Err(_), Some(refused)) => Err(Error::NotWhole(refused)),
        }
    }

    /// Ends whatever still writes in the background; returns what the store refused until now.
    fn leave_behind(&self) -> Option<String> {
        let mut refusal = self.refusal();
        self.number.fetch_add(1, Ordering::SeqCst);
        refusal.take()
    }

    /// Writes for the piece of work of that number.
    ///
    /// # Errors
    /// As the store's, and when that work has ended: what it leaves behind is nobody's, and what happens to it no failure of the next.
    pub(crate) fn write_for(
        &self,
        number: u64,
        kind: FileType,
        id: &Id,
        content: BytesList,
    ) -> RusticResult<()> {
        let ended = || rustic(&Error::NotWhole("it was given up".to_owned()));
        if number != self.number() {
            return Err(ended());
        }
        self.write(kind, id, content.into_vec()).map_err(|error| {
            let mut refusal = self.refusal();
            if number != self.number() {
                return ended();
            }
            refusal.get_or_insert_with(|| error.to_string());
            rustic(&error)
        })
    }

    /// Whether the store has refused something of what is being written.
    pub(crate) fn has_refused(&self) -> bool {
        self.refusal().is_some()
    }

    fn refusal(&self) -> MutexGuard<'_, Option<String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, while the index is written anew, these packs and no others are listed; `None` lists what is there.
    pub(crate) fn show_packs(&self, packs: Option<Vec<(Id, u32)>>) {
        *self.shown() = packs;
    }

    fn shown(&self) -> MutexGuard<'_, Option<Vec<(Id, u32)>>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Indexes that are there and count no more: others took their place, written by a key that may not delete.
    pub(crate) fn replaced(&self) -> Result<BTreeSet<Id>> {
        let marks = self.objects.list(REPLACED)?;
        let ids = marks.iter().filter_map(|mark| mark.name.parse().ok());
        Ok(ids.collect())
    }

    /// Removes them with their marks, by a key that may.
    pub(crate) fn remove_replaced(&self) -> Result<()> {
        for id in self.replaced()? {
            self.objects.remove(&name(FileType::Index, &id))?;
            self.objects.remove(&mark(&id))?;
        }
        Ok(())
    }

    /// From now on snapshot files are kept back.
    pub(crate) fn hold_snapshots(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// Writes the snapshot files that were kept back; from now on they are written at once.
    pub(crate) fn publish_snapshots(&self) -> Result<Vec<Id>> {
        let held = self.take_held();
        for (id, content) in &held {
            self.objects.put(&name(FileType::Snapshot, id), content)?;
        }
        Ok(held.into_iter().map(|(id, _)| id).collect())
    }

    /// From now on what is written is read again, and no index names a pack that was not found to be right: whatever happens later,
    /// what an index names can be relied on, and what it does not name is only in the way until it is pruned.
    pub(crate) fn look_at_writes(&self) {
        *self.looks() = Some(Looks::default());
    }

    /// Ends that after everything was written; returns how many objects and bytes were looked at.
    pub(crate) fn looked(&self) -> Result<(u64, u64)> {
        self.look_at_packs()?;
        let looks = self.looks().take().unwrap_or_default();
        Ok((looks.objects, looks.bytes))
    }

    /// Whether something that was written was found not to be right.
    pub(crate) fn has_failed(&self) -> bool {
        self.looks().as_ref().is_some_and(|looks| looks.failed)
    }

    /// Lets no index be written any more, also by what still runs in the background.
    pub(crate) fn write_no_index(&self) {
        self.looks().get_or_insert_default().failed = true;
    }

    fn looks(&self) -> MutexGuard<'_, Option<Looks>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, kind: FileType, id: &Id, content: Vec<Bytes>) -> Result<()> {
        if kind == FileType::Snapshot {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(held) = held.as_mut() {
                held.push((*id, content));
                return Ok(());
            }
        }
        if kind == FileType::Index {
            self.look_at_packs()?;
        }
        self.objects.put(&name(kind, id), &content)?;
        if self.looks().is_none() {
            return Ok(());
        }
        if kind != FileType::Pack {
            return self.look(kind, id);
        }
        if let Some(looks) = self.looks().as_mut() {
            looks.fresh.push(*id);
        }
        Ok(())
    }

    fn look_at_packs(&self) -> Result<()> {
        let fresh = match self.looks().as_mut() {
            None => return Ok(()),
            Some(looks) if looks.failed => {
                return Err(Error::NotWhole(
                    "something that was written is not right".to_owned(),
                ));
            }
            Some(looks) => std::mem::take(&mut looks.fresh),
        };
        fresh.iter().try_for_each(|id| self.look(FileType::Pack, id))
    }

    /// Reads an object again and compares its hash, which is its name in restic's format. What is not right is removed; a pack that may
    /// not be removed is named by no index.
    fn look(&self, kind: FileType, id: &Id) -> Result<()> {
        let looked = self.hash_is_right(kind, id);
        let mut looks = self.looks();
        let looks = looks.get_or_insert_default();
        match looked {
            Ok(bytes) => {
                looks.objects += 1;
                looks.bytes += bytes;
                Ok(())
            }
            Err(error) => {
                looks.failed = true;
                let removed = self.objects.remove(&name(kind, id));
                match (removed, kind) {
                    (Err(refused), FileType::Index) => Err(Error::NotWhole(format!(
                        "{error}, and it is still there: {refused}; while it is wrong nothing there can be read"
                    ))),
                    (Ok(()) | Err(_), _) => Err(error),
                }
            }
        }
    }

    fn hash_is_right(&self, kind: FileType, id: &Id) -> Result<u64> {
        let name = name(kind, id);
        let content = self.objects.get(&name)?;
        let content =
            content.ok_or_else(|| Error::NotWhole(format!("{name} is not there after it was written")))?;
        let hash: String = Sha256::digest(&content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if hash == id.to_hex().as_str() {
            return Ok(content.len() as u64);
        }
        Err(Error::NotWhole(format!("{name} is not what was written")))
    }

    /// Forgets the snapshot files that were kept back.
    pub(crate) fn discard_snapshots(&self) {
        self.take_held();
    }

    fn take_held(&self) -> Vec<Held> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.take().unwrap_or_default()
    }
}

fn mark(id: &Id) -> String {
    format!("{REPLACED}/{}", id.to_hex().as_str())
}

/// The object's name in restic's layout.
pub(crate) fn name(kind: FileType, id: &Id) -> String {
    let hex = id.to_hex();
    match kind {
        FileType::Config => "config".to_owned(),
        FileType::Pack => format!("data/{}/{}", &hex.as_str()[..2], hex.as_str()),
        FileType::Index | FileType::Key | FileType::Snapshot => {
            format!("{}/{}", kind.dirname(), hex.as_str())
        }
    }
}

impl ReadBackend for Backend {
    fn location(&self) -> String {
        self.objects.place().to_owned()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if kind == FileType::Config {
            let size = self.objects.size("config").map_err(|e| rustic(&e))?;
            return size
                .map(|size| Ok((Id::default(), narrow(size)?)))
                .into_iter()
                .collect();
        }
        let shown = self.shown();
        if let (FileType::Pack, Some(packs)) = (kind, shown.as_ref()) {
            return Ok(packs.clone());
        }
        drop(shown);
        let listed = self.objects.list(kind.dirname()).map_err(|e| rustic(&e))?;
        let replaced = match kind {
            FileType::Index => self.replaced().map_err(|e| rustic(&e))?,
            FileType::Config | FileType::Key | FileType::Pack | FileType::Snapshot => BTreeSet::new(),
        };
        let mut files = Vec::with_capacity(listed.len());
        for object in listed {
            // A name that is no id is somebody's temporary file (`.tmp`, `#1`), as restic has it.
            if let Some(id) = Id::parse_some(&object.name, kind).filter(|id| !replaced.contains(id)) {
                files.push((id, narrow(object.size)?));
            }
        }
        Ok(files)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        let name = name(kind, id);
        let bytes = self.objects.get(&name).map_err(|e| rustic(&e))?;
        bytes.ok_or_else(|| {
            rustic(&Error::Store {
                act: format!("read {name}"),
                place: self.objects.place().to_owned(),
                why: "it is not there".to_owned(),
            })
        })
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        let range = u64::from(offset)..u64::from(offset) + u64::from(length);
        self.objects
            .get_range(&name(kind, id), range)
            .map_err(|e| rustic(&e))
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        name(kind, id)
    }
}

impl WriteBackend for Backend {
    fn write_bytes(&self, kind: FileType, id: &Id, _: bool, content: BytesList) -> RusticResult<()> {
        self.write_for(self.number(), kind, id, content)
    }

    fn remove(&self, kind: FileType, id: &Id, _: bool) -> RusticResult<()> {
        let mut removed = self.objects.remove(&name(kind, id));
        let is_replaced = kind == FileType::Index && self.shown().is_some();
        if is_replaced && removed.is_err() {
            removed = self.objects.put(&mark(id), &[Bytes::from_static(b"replaced")]);
        }
        removed.map_err(|e| rustic(&e))
    }
}

fn narrow(size: u64) -> RusticResult<u32> {
    u32::try_from(size).map_err(|_| {
        rustic(&Error::Format {
            what: "could not list the repository".to_owned(),
            why: format!("an object of {size} bytes is none of restic's format"),
        })
    })
}

fn rustic(error: &Error) -> Box<RusticError> {
    RusticError::new(ErrorKind::Backend, error.to_string())
}
