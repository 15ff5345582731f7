//! The pack's own `apt.txt`: Debian packages that its modules need, beside those that repositories name.
use camino::Utf8Path;
use odoopack_core::oca_lock::{Break, DEBIAN_LIST, Lock, debian_of};

use crate::failure::{Failure, Result};
use crate::files;

/// What it names; nothing where there is no such file.
///
/// # Errors
/// Kind `Refused` when a word in it is no name of a package.
pub(crate) fn read(repo: &Utf8Path) -> Result<Vec<String>> {
    let path = repo.join(DEBIAN_LIST);
    let text = files::read_text(&path)?.unwrap_or_default();
    debian_of(&text).map_err(|word| {
        Failure::refused(format!(
            "`{path}` names {word:?}, which is no name of a Debian package"
        ))
        .hint("write one name a line; `#` begins a comment")
    })
}

/// Refuses to bring up what the list was not locked for: nobody would install what it names.
///
/// # Errors
/// Kind `Refused` when list and lock differ.
pub(crate) fn demand(repo: &Utf8Path, lock: Option<&Lock>) -> Result<()> {
    let own = read(repo)?;
    let what = match lock {
        Some(lock) if lock.debian == own => return Ok(()),
        None if own.is_empty() => return Ok(()),
        Some(_) => "`apt.txt` has changed since `oca.lock.json` was made",
        None => "the Debian packages of `apt.txt` are not locked",
    };
    Err(Failure::refused(what).hint("`odoopack lock`"))
}

/// The same as something that a lock does not keep.
pub(crate) fn broken(repo: &Utf8Path, lock: &Lock) -> Result<Option<Break>> {
    let own = read(repo)?;
    let what = || format!("it names {own:?}, the lock says {:?}", lock.debian);
    Ok((own != lock.debian).then(|| Break::new("debian-needs", DEBIAN_LIST, what(), "odoopack lock")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use odoopack_core::oca_lock::{FORMAT, OdooPin};
    use odoopack_core::odoo::Series;

    use super::*;

    fn lock(debian: &[&str]) -> Lock {
        Lock {
            format: FORMAT,
            series: Series::V18,
            odoo: OdooPin::Path {
                directory: "/opt/odoo".to_owned(),
            },
            repositories: BTreeMap::new(),
            groups: BTreeMap::new(),
            debian: debian.iter().map(ToString::to_string).collect(),
            python: None,
        }
    }

    #[test]
    fn a_list_that_the_lock_does_not_have_is_refused() {
        let keep = tempfile::tempdir().unwrap();
        let repo = Utf8Path::from_path(keep.path()).unwrap();
        let said = |locked: Option<&[&str]>| {
            let lock = locked.map(lock);
            demand(repo, lock.as_ref())
                .err()
                .map(|failure| failure.sentence())
        };
        assert_eq!(said(None), None, "most packs have no such list");
        assert_eq!(said(Some(&[])), None);
        files::replace(&repo.join(DEBIAN_LIST), b"libcups2 # labels\n", 0o644, None).unwrap();
        assert_eq!(read(repo).unwrap(), ["libcups2"]);
        assert!(said(None).unwrap().contains("are not locked"));
        assert!(said(Some(&[])).unwrap().contains("has changed"));
        assert_eq!(said(Some(&["libcups2"])), None);
        assert_eq!(broken(repo, &lock(&["libcups2"])).unwrap(), None);
        let told = broken(repo, &lock(&["ffmpeg"])).unwrap().unwrap().to_string();
        assert!(told.contains("libcups2") && told.contains("ffmpeg"), "{told}");
        files::replace(&repo.join(DEBIAN_LIST), b"cups\n-y\n", 0o644, None).unwrap();
        assert!(said(Some(&["cups"])).unwrap().contains("\"-y\""));
    }
}
