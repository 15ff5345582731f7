//! A snapshot of the repository as a restore wants to see it.
use std::io::Write;

use camino::Utf8Path;
use odoopack_core::backup::{Manifest, paths};
use odoopack_core::name::Name;
use odoopack_repository::{Listing, Snapshot};

use crate::apply::restore::source::Stored;
use crate::backup::offsite::{self, Right};
use crate::backup::stored::Opened;
use crate::backup::{Repository, failure, place, unreadable};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Result};

#[derive(Debug)]
struct Shown(Opened);

/// Whose snapshot.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Whose {
    /// Whose `latest`; without it production's, or the only environment's
    #[arg(long, value_name = "ENV")]
    of: Option<Name>,
}

/// Which snapshot.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Which {
    #[command(flatten)]
    whose: Whose,
    /// Out of the second repository of `[backup.offsite]`
    #[arg(long)]
    offsite: bool,
}

impl Which {
    /// Whose it is, where that was said.
    pub(crate) fn of(&self) -> Option<&Name> {
        self.whose.of.as_ref()
    }

    /// The same, for what has no second repository to look into.
    pub(crate) fn whose(&self) -> &Whose {
        &self.whose
    }

    /// Whether it is one of the second repository.
    pub(crate) fn is_offsite(&self) -> bool {
        self.offsite
    }
}

/// The repository that it is in.
pub(crate) fn repository(pack: &Pack, which: &Which) -> Result<Repository> {
    if which.offsite {
        offsite::open(pack, Right::Write)
    } else {
        place::open(pack)
    }
}

/// A snapshot by the beginning of its name; `latest` is one environment's, of this pack.
pub(crate) fn find(pack: &Pack, listing: &Listing, name: &str, whose: &Whose) -> Result<Snapshot> {
    let found = if name == "latest" {
        let of = super::backup::environment(pack, whose.of.as_ref())?;
        listing.latest(pack.layout.pack().as_str(), of.as_str())
    } else {
        listing.snapshot(name, whose.of.as_ref().map(Name::as_str))
    };
    found.map_err(|e| failure::of(&e))
}

/// Opens a snapshot by the beginning of its name; `latest` is one environment's, of this pack.
pub(crate) fn open(cx: &Context, pack: &Pack, name: &str, which: &Which) -> Result<Opened> {
    let repository = repository(pack, which)?;
    let listing = unreadable::listing(cx, &repository)?;
    Opened::read(&repository, find(pack, &listing, name, &which.whose)?)
}

/// What another pack has stored goes nowhere by itself: its environments are called as ours are.
pub(crate) fn is_ours(pack: &Pack, opened: &Opened) -> Result<()> {
    let (theirs, ours) = (&opened.manifest().pack, pack.layout.pack());
    if theirs == ours.as_str() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "the snapshot {} is of another pack, {theirs}",
        opened.id()
    ))
    .hint("say where to put it: `--to ENVIRONMENT`, or beside, `--as NAME`"))
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
