//! Where the repositories of a pack are, opened with its key.
use odoopack_repository::{Error, Holder, Place, Repository};

use super::{failure, key};
use crate::context::Pack;
use crate::failure::{Failure, Result};
use crate::files;

/// The repository of this host: `<root>/backups`.
pub(crate) fn local(pack: &Pack) -> Place {
    Place::Directory(pack.layout.backups().to_string())
}

/// Opens the repository of this host for reading.
///
/// # Errors
/// Kind `Refused` when there is none yet, or the key is another's.
pub(crate) fn open(pack: &Pack) -> Result<Repository> {
    Repository::open(&local(pack), &key::of(&pack.layout)?).map_err(|e| failure::of(&e))
}

/// Opens the repository of this host, or makes it, with a key when there is none; says whether a key was made.
pub(crate) fn open_or_make(pack: &Pack) -> Result<(Repository, bool)> {
    let place = local(pack);
    let kept = key::stored(&pack.layout)?;
    if let Some(key) = &kept {
        match Repository::open(&place, key) {
            Ok(repository) => return Ok((repository, false)),
            Err(Error::Absent(_)) => {}
            Err(e) => return Err(failure::of(&e)),
        }
    }
    if pack.layout.backups().join("config").exists() {
        return Err(Failure::refused(format!(
            "there is a repository at {place}, and no key for it here"
        ))
        .hint(format!("`odoopack secret set {} < FILE`", key::NAME)));
    }
    let made = kept.is_none();
    let key = match kept {
        Some(key) => key,
        None => key::make(&pack.layout)?,
    };
    files::directory_all(&pack.layout.backups())?;
    let repository = Repository::create(&place, &key).map_err(|e| failure::of(&e))?;
    Ok((repository, made))
}

/// Who writes: this process, for what it says.
pub(crate) fn holder(why: &str) -> Result<Holder> {
    let boot = files::read_text("/proc/sys/kernel/random/boot_id".into())?.unwrap_or_default();
    let names = rustix::system::uname();
    Ok(Holder {
        host: names.nodename().to_string_lossy().into_owned(),
        boot: boot.trim().to_owned(),
        pid: std::process::id(),
        why: why.to_owned(),
    })
}
