//! Files of modules that lie in an image, copied out for as long as somebody reads them.
use std::fs::{self, File, TryLockError};
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::layout::Layout;

use super::contents::Wanted;
use crate::failure::{Failure, Result};
use crate::tools::docker;

/// How their names begin.
const PREFIX: &str = "modules-";

/// What hashing reads of each directory: files, and what links to files lead to; links to directories are not followed.
const COPY: &str = "import os, shutil, sys
for path in sys.argv[1:]:
    to = os.path.join('/modules', os.path.basename(path))
    for place, _, names in os.walk(path):
        below = to + place[len(path):]
        os.makedirs(below)
        for name in names:
            shutil.copyfile(os.path.join(place, name), os.path.join(below, name))";

/// Copies of modules' directories; gone with the value.
#[derive(Debug, Default)]
pub(super) struct Copies {
    _place: Option<(tempfile::TempDir, File)>,
    /// The modules, where they are now.
    pub(super) modules: Vec<Wanted>,
}

/// Copies modules out of an image.
///
/// # Errors
/// When Docker cannot run it, or the disk is full.
pub(super) fn copies(layout: &Layout, image: &str, wanted: &[Wanted]) -> Result<Copies> {
    let state = layout.state();
    let failed = |e| Failure::failed(format!("could not make a directory in `{state}`")).because(e);
    let (place, held) = make(&state).map_err(failed)?;
    let path = Utf8Path::from_path(place.path())
        .ok_or_else(|| Failure::failed(format!("`{}` is not UTF-8", place.path().display())))?;
    let mut argv = vec!["python3".to_owned(), "-c".to_owned(), COPY.to_owned()];
    argv.extend(wanted.iter().map(|one| one.path.to_string()));
    let user = format!("{}:{}", rustix::process::geteuid(), rustix::process::getegid());
    let out = (path.to_owned(), Utf8PathBuf::from("/modules"));
    docker::once_with(image, &user, &[out], &argv)
        .run()
        .map_err(|e| e.during("could not read modules in the image"))?;
    let modules = wanted.iter().map(|one| Wanted {
        module: one.module.clone(),
        path: path.join(one.path.file_name().unwrap_or(&one.module)),
    });
    Ok(Copies {
        modules: modules.collect(),
        _place: Some((place, held)),
    })
}

/// A directory that is held as long as its second half lives; what nobody holds was left by somebody who was killed, and goes.
fn make(state: &Utf8Path) -> io::Result<(tempfile::TempDir, File)> {
    for entry in state.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_name().starts_with(PREFIX) && entry.file_type()?.is_dir() {
            collect(entry.path())?;
        }
    }
    loop {
        let place = tempfile::Builder::new().prefix(PREFIX).tempdir_in(state)?;
        let held = File::open(place.path())?;
        held.lock()?;
        // Somebody may have collected it before it was held.
        if place.path().is_dir() {
            return Ok((place, held));
        }
    }
}

/// Removes a directory that nobody holds.
fn collect(place: &Utf8Path) -> io::Result<()> {
    let gone = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
    let seen = match File::open(place) {
        Err(e) if gone(&e) => return Ok(()),
        opened => opened?,
    };
    match seen.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(e)) => return Err(e),
    }
    match fs::remove_dir_all(place) {
        Err(e) if gone(&e) => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_collected_and_nothing_else() {
        let keep = tempfile::tempdir().unwrap();
        let state = Utf8Path::from_path(keep.path()).unwrap();
        let left = state.join("modules-left");
        for place in [left.join("sale/models"), state.join("operations")] {
            crate::files::directory_all(&place).unwrap();
        }
        let (held, _held) = make(state).unwrap();
        assert!(!left.exists() && held.path().exists());
        // It is at work, whoever comes meanwhile.
        let (second, _second) = make(state).unwrap();
        assert!(held.path().exists() && second.path().exists());
        assert!(state.join("operations").is_dir());
    }
}
