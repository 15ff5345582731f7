//! A snapshot of the repository as a restore wants to see it.
use std::io::Write;

use camino::Utf8Path;
use odoopack_core::backup::{Manifest, paths};

use crate::apply::restore::source::Stored;
use crate::backup::stored::Opened;
use crate::failure::{Failure, Result};

#[derive(Debug)]
struct Shown(Opened);

/// The snapshot for a restore.
pub(crate) fn boxed(opened: Opened) -> Box<dyn Stored> {
    Box::new(Shown(opened))
}

impl Stored for Shown {
    fn name(&self) -> String {
        format!("snapshot {}", self.0.id())
    }

    fn manifest(&self) -> &Manifest {
        self.0.manifest()
    }

    fn attachments(&self) -> Result<Vec<(String, i64, String)>> {
        self.0.attachments()
    }

    fn dump(&self, out: &mut dyn Write) -> Result<()> {
        let read = self.0.dump(out)?;
        let wanted = self.manifest().database.dump.size;
        if read == wanted {
            return Ok(());
        }
        Err(Failure::failed(format!(
            "the dump of the snapshot has {read} bytes instead of {wanted}"
        )))
    }

    fn filestore(&self, directory: &Utf8Path) -> Result<()> {
        self.0.directory(paths::FILESTORE, directory).map(drop)
    }
}
