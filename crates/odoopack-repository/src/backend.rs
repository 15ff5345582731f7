//! What rustic reads from and writes to: our objects, with nothing passed over in silence, and snapshot files held back until asked for.
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};

use crate::error::{Error, Result};
use crate::objects::Objects;

/// A snapshot file that was not written yet.
type Held = (Id, Vec<Bytes>);

/// One repository as rustic sees it.
#[derive(Debug)]
pub(crate) struct Backend {
    objects: Objects,
    /// `Some`: snapshot files are kept here instead of being written.
    held: Mutex<Option<Vec<Held>>>,
    /// `Some`: what is written is noted here.
    writes: Mutex<Option<Vec<(FileType, Id)>>>,
}

impl Backend {
    pub(crate) fn new(objects: Objects) -> Self {
        Self {
            objects,
            held: Mutex::new(None),
            writes: Mutex::new(None),
        }
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

    /// From now on every object that is written is noted.
    pub(crate) fn note_writes(&self) {
        *self.writes.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
    }

    /// What was written since; from now on nothing is noted.
    pub(crate) fn written(&self) -> Vec<(FileType, Id)> {
        self.writes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .unwrap_or_default()
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
        let listed = self.objects.list(kind.dirname()).map_err(|e| rustic(&e))?;
        let mut files = Vec::with_capacity(listed.len());
        for object in listed {
            // A name that is no id is somebody's temporary file (`.tmp`, `#1`), as restic has it.
            if let Some(id) = Id::parse_some(&object.name, kind) {
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
        let content = content.into_vec();
        if kind == FileType::Snapshot {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(held) = held.as_mut() {
                held.push((*id, content));
                return Ok(());
            }
        }
        self.objects
            .put(&name(kind, id), &content)
            .map_err(|e| rustic(&e))?;
        let mut writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writes) = writes.as_mut() {
            writes.push((kind, *id));
        }
        Ok(())
    }

    fn remove(&self, kind: FileType, id: &Id, _: bool) -> RusticResult<()> {
        self.objects.remove(&name(kind, id)).map_err(|e| rustic(&e))
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
