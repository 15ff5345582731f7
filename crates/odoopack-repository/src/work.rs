//! One piece of work of the library: when it was given up, the threads that it leaves behind write no more.
use std::sync::Arc;

use bytes::Bytes;
use rustic_core::{BytesList, FileType, Id, ReadBackend, RusticResult, WriteBackend};

use crate::backend::Backend;

/// The backend for one opening of a repository.
///
/// # Source
/// `rustic_core` 0.13, `blob/packer.rs`: when one of the threads that write packs fails, the others end their packs while the caller has
/// the error already, and may have begun again.
#[derive(Debug)]
pub(crate) struct Work {
    backend: Arc<Backend>,
    number: u64,
}

impl Work {
    /// What is begun now, on `backend`.
    pub(crate) fn on(backend: &Arc<Backend>) -> Self {
        Self {
            number: backend.number(),
            backend: Arc::clone(backend),
        }
    }
}

impl ReadBackend for Work {
    fn location(&self) -> String {
        self.backend.location()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.backend.list_with_size(kind)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        self.backend.read_full(kind, id)
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        self.backend.read_partial(kind, id, cacheable, offset, length)
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.backend.warmup_path(kind, id)
    }
}

impl WriteBackend for Work {
    fn write_bytes(&self, kind: FileType, id: &Id, _: bool, content: BytesList) -> RusticResult<()> {
        self.backend.write_for(self.number, kind, id, content)
    }

    fn remove(&self, kind: FileType, id: &Id, cacheable: bool) -> RusticResult<()> {
        self.backend.remove(kind, id, cacheable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Objects;
    use crate::place::Place;

    #[test]
    fn what_an_ended_one_left_behind_neither_writes_nor_fails_the_next() {
        let keep = tempfile::tempdir().unwrap();
        let place = Place::Directory(keep.path().to_str().unwrap().to_owned());
        let backend = Arc::new(Backend::new(Objects::at(&place).unwrap()));
        let write = |work: &Work| {
            let bytes = BytesList::from(Bytes::from_static(b"a pack"));
            work.write_bytes(FileType::Pack, &Id::default(), false, bytes)
        };
        let count = || backend.list_with_size(FileType::Pack).unwrap().len();
        let left = Work::on(&backend);
        let next = backend.writing(|| {
            let refused = write(&left).unwrap_err().to_string();
            assert!(refused.contains("given up"), "{refused}");
            Ok(Work::on(&backend))
        });
        let next = next.unwrap();
        assert_eq!(count(), 0);
        assert!(write(&next).is_err(), "it has ended as well");
        write(&Work::on(&backend)).unwrap();
        assert_eq!(count(), 1);
    }
}
