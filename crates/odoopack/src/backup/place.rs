//! Where the repositories of a pack are, opened with its key.
use camino::Utf8PathBuf;
use odoopack_core::secret::SecretText;
use odoopack_repository::{Error, Holder, Place, Repository};

use super::{failure, key, record};
use crate::context::{Context, Pack};
use crate::failure::{Failure, Result};
use crate::files;
use crate::store::{lock, secrets};

/// The repository of this host: `<root>/backups`.
pub(crate) fn local(pack: &Pack) -> Place {
    Place::Directory(pack.layout.backups().to_string())
}

/// Opens the repository of this host for reading.
///
/// # Errors
/// Kind `Refused` when there is none yet, or the key is another's.
pub(crate) fn open(pack: &Pack) -> Result<Repository> {
    with(pack, &key::of(&pack.layout)?).map_err(|e| failure::of(&e))
}

/// The same with a key, for who wants to know why it cannot be opened.
pub(crate) fn with(pack: &Pack, key: &SecretText) -> std::result::Result<Repository, Error> {
    again(pack, Which::Here, &local(pack), key)
}

/// Whether there is no repository here, or none any more.
///
/// # Errors
/// When that cannot be seen: it is no absence.
pub(crate) fn is_absent(pack: &Pack) -> Result<bool> {
    let config = pack.layout.backups().join("config");
    let there = config.try_exists();
    there
        .map(|there| !there)
        .map_err(|e| Failure::failed(format!("could not look at `{config}`")).because(e))
}

/// Which of a pack's repositories.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    Here,
    Offsite,
}

/// Opens a repository with what it was opened with before, while that opens what the key would.
pub(super) fn again(
    pack: &Pack,
    which: Which,
    place: &Place,
    key: &SecretText,
) -> std::result::Result<Repository, Error> {
    // Never in a snapshot, as the key itself.
    // It only saves time: one that cannot be read is as good as none.
    let remembered = files::read_text(&opened_with(pack, which)).ok().flatten();
    let remembered = remembered.map(SecretText::new);
    Repository::open_again(place, key, remembered.as_ref())
}

fn opened_with(pack: &Pack, which: Which) -> Utf8PathBuf {
    pack.layout.state().join(match which {
        Which::Here => "backup-opened",
        Which::Offsite => "backup-opened-offsite",
    })
}

/// Notes what the repository was opened with, where that was the key itself. It only saves time: no backup fails for it.
pub(super) fn remember(cx: &Context, pack: &Pack, which: Which, repository: &Repository, key: &SecretText) {
    let Some(text) = repository.remembered(key) else {
        return;
    };
    let noted = files::replace(&opened_with(pack, which), text.expose().as_bytes(), 0o600, None);
    if let Err(failure) = noted {
        cx.ui.warn(&format!(
            "the next backup opens the repository slowly: {}",
            failure.chain().join(": ")
        ));
    }
}

/// Opens the repository of this host, or makes it, with a key when there is none; says whether a key was made.
pub(crate) fn open_or_make(cx: &Context, pack: &Pack) -> Result<(Repository, bool)> {
    if let Some(repository) = there(cx, pack)? {
        return Ok((repository, false));
    }
    // The first backups of two environments begin in the same second of the night.
    let _alone = lock::wait_for_repository(&pack.layout.state())?;
    match there(cx, pack)? {
        Some(repository) => Ok((repository, false)),
        None => make(cx, pack),
    }
}

/// The repository of this host; `None` where there is none, or no key.
fn there(cx: &Context, pack: &Pack) -> Result<Option<Repository>> {
    let Some(key) = key::stored(&pack.layout)? else {
        return Ok(None);
    };
    match with(pack, &key) {
        Ok(repository) => {
            remember(cx, pack, Which::Here, &repository, &key);
            Ok(Some(repository))
        }
        Err(Error::Absent(_)) => Ok(None),
        Err(e) => Err(failure::of(&e)),
    }
}

fn make(cx: &Context, pack: &Pack) -> Result<(Repository, bool)> {
    let place = local(pack);
    let kept = key::stored(&pack.layout)?;
    if pack.layout.backups().join("config").exists() {
        return Err(Failure::refused(format!(
            "there is a repository at {place}, and no key for it here"
        ))
        .hint(format!("`odoopack secret set {} < FILE`", key::NAME)));
    }
    let known = record::known(&record::all(&pack.layout)?);
    if !known.is_empty() {
        return Err(Failure::refused(format!(
            "there is no repository at {place}, and {} snapshots were made in it",
            known.len()
        ))
        .hint(format!("where its disk is not mounted: `mount {}`", pack.layout.backups()))
        .hint("`odoopack backup forget --accept-missing` when they are gone for good; the next backup makes a new repository"));
    }
    let made = kept.is_none();
    let key = match kept {
        Some(key) => key,
        None => key::make(&pack.layout)?,
    };
    files::directory_all(&pack.layout.backups())?;
    let repository = Repository::create(&place, &key).map_err(|e| failure::of(&e))?;
    remember(cx, pack, Which::Here, &repository, &key);
    Ok((repository, made))
}

/// Whether a new key may take the place of the one that is kept here, which may be the only copy.
///
/// # Errors
/// Kind `Refused` when it does not open the repository, or nothing can be seen of one that there was.
pub(crate) fn opens(pack: &Pack, key: &SecretText) -> Result<()> {
    let kept = key::stored(&pack.layout)?;
    if kept.as_ref() == Some(key) {
        return Ok(());
    }
    match Repository::open(&local(pack), key) {
        Err(Error::WrongKey(place)) => Err(Failure::refused(format!(
            "this key does not open the repository at {place}; the one that is here was not touched"
        ))
        .hint("`odoopack backup list` says whether the one that is here opens it")),
        Err(Error::Absent(place)) if kept.is_some() && !record::all(&pack.layout)?.is_empty() => {
            let file = secrets::path(&pack.layout.secrets(), key::NAME);
            Err(Failure::refused(format!(
                "there is no repository at {place} that could show whether this key opens it; the one that is here was not touched"
            ))
            .hint(format!("where its disk is not mounted, `mount` it; or keep the old key: `mv {file} {file}.old`, then the same command again")))
        }
        Ok(_) | Err(Error::Absent(_)) => Ok(()),
        Err(e) => Err(failure::of(&e)),
    }
}

/// Who writes: this process, for what it says.
pub(crate) fn holder(why: &str) -> Result<Holder> {
    let boot = files::read_text("/proc/sys/kernel/random/boot_id".into())?.unwrap_or_default();
    let names = rustix::system::uname();
    // Machines that were set up alike are often called alike.
    let machine = files::read_text("/etc/machine-id".into())?.unwrap_or_default();
    let machine = odoopack_core::hash::hex(format!("odoopack {}", machine.trim()).as_bytes());
    Ok(Holder {
        host: format!("{} ({})", names.nodename().to_string_lossy(), &machine[..8]),
        boot: boot.trim().to_owned(),
        pid: std::process::id(),
        why: why.to_owned(),
    })
}
