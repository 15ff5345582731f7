//! A snapshot of the repository as a restore wants to see it.
use std::io::Write;

use camino::Utf8Path;
use odoopack_core::backup::{Manifest, paths};
use odoopack_core::name::Name;

use crate::apply::restore::source::Stored;
use crate::backup::offsite::{self, Right};
use crate::backup::stored::Opened;
use crate::context::Pack;
use crate::failure::{Failure, Result};

#[derive(Debug)]
struct Shown(Opened);

/// Which snapshot.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Which {
    /// Whose `latest`; without it production's, or the only environment's
    #[arg(long, value_name = "ENV")]
    of: Option<Name>,
    /// Out of the second repository of `[backup.offsite]`
    #[arg(long)]
    offsite: bool,
}

impl Which {
    /// Whose it is, where that was said.
    pub(crate) fn of(&self) -> Option<&Name> {
        self.of.as_ref()
    }

    /// Whether it is one of the second repository.
    pub(crate) fn is_offsite(&self) -> bool {
        self.offsite
    }
}

/// Opens a snapshot by the beginning of its name; `latest` is one environment's.
pub(crate) fn open(pack: &Pack, name: &str, which: &Which) -> Result<Opened> {
    let of = if name == "latest" {
        Some(super::backup::environment(pack, which.of.as_ref())?)
    } else {
        which.of.clone()
    };
    let of = of.as_ref().map(Name::as_str);
    if which.offsite {
        return Opened::of(&offsite::open(pack, Right::Write)?, name, of);
    }
    Opened::open(pack, name, of)
}

/// The snapshot for a restore.
pub(crate) fn boxed(opened: Opened) -> Box<dyn Stored> {
    Box::new(Shown(opened))
}

impl Stored for Shown {
    fn id(&self) -> &str {
        self.0.id()
    }

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
