//! Where something is written until it is whole: a place beside it that is nobody else's.
use std::fs::File;

use camino::{Utf8Path, Utf8PathBuf};

use crate::failure::{Failure, Result};
use crate::files;

/// How the name of such a place ends.
const END: &str = ".part";

/// A directory of one run of this program, beside what it becomes. Who is killed leaves it, and the lock on it is free then.
#[derive(Debug)]
pub(super) struct Part {
    directory: Utf8PathBuf,
    /// What is written.
    pub(super) inside: Utf8PathBuf,
    _lock: File,
}

impl Part {
    /// Makes the place, and removes those that runs for the same `path` have left which were killed.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn make(path: &Utf8Path) -> Result<Self> {
        let name = path.file_name().unwrap_or("export");
        let beside = path.parent().unwrap_or(Utf8Path::new("/"));
        sweep(beside, &format!(".{name}."))?;
        let id: String = crate::password::generate().chars().take(8).collect();
        let directory = beside.join(format!(".{name}.{}-{id}{END}", std::process::id()));
        files::new_directory(&directory, 0o700)?;
        let lock = open(&directory)?;
        lock.try_lock().map_err(|e| {
            Failure::failed(format!("could not lock `{directory}`")).because(std::io::Error::from(e))
        })?;
        Ok(Self {
            inside: directory.join(name),
            directory,
            _lock: lock,
        })
    }

    /// Removes it with what is still in it.
    pub(super) fn remove(self) -> Result<()> {
        files::remove_tree(&self.directory)
    }
}

/// Nobody writes any more into what nobody holds.
fn sweep(beside: &Utf8Path, begin: &str) -> Result<()> {
    let failed = |e| Failure::failed(format!("could not list `{beside}`")).because(e);
    for entry in beside.read_dir_utf8().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let middle = entry.file_name().strip_prefix(begin);
        let Some((number, id)) = middle
            .and_then(|rest| rest.strip_suffix(END))
            .and_then(|rest| rest.split_once('-'))
        else {
            continue;
        };
        let ours = number.parse::<u32>().is_ok() && id.chars().all(|c| c.is_ascii_alphanumeric());
        if !ours || !entry.file_type().map_err(failed)?.is_dir() {
            continue;
        }
        // Another one may have removed it, or may be about to remove it.
        let Ok(lock) = open(entry.path()) else { continue };
        if lock.try_lock().is_ok() {
            files::remove_tree(entry.path())?;
        }
    }
    Ok(())
}

fn open(directory: &Utf8Path) -> Result<File> {
    File::open(directory).map_err(|e| Failure::failed(format!("could not open `{directory}`")).because(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Utf8Path) -> Vec<String> {
        let all = directory.read_dir_utf8().unwrap().flatten();
        let mut names: Vec<String> = all.map(|entry| entry.file_name().to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn two_that_write_the_same_never_write_into_one_another() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let path = root.join("out.zip");
        let one = Part::make(&path).unwrap();
        files::replace(&one.inside, b"one", 0o600, None).unwrap();
        let other = Part::make(&path).unwrap();
        files::replace(&other.inside, b"other", 0o600, None).unwrap();
        assert_eq!(std::fs::read(&one.inside).unwrap(), b"one");
        files::rename_new(&other.inside, &path).unwrap();
        other.remove().unwrap();
        files::rename_new(&one.inside, &path).unwrap_err();
        one.remove().unwrap();
        assert_eq!(names(root), ["out.zip"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"other");
    }

    #[test]
    fn what_a_killed_one_has_left_is_removed_and_nothing_else() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let path = root.join("out.zip");
        // Without its owner the lock is free.
        let Part { inside, .. } = Part::make(&path).unwrap();
        files::replace(&inside, b"half", 0o600, None).unwrap();
        let others = [".out.zip.part", ".out.zip.mine.part", ".other.zip.1-a.part"];
        for name in others {
            files::directory_all(&root.join(name)).unwrap();
        }
        let part = Part::make(&path).unwrap();
        assert!(!inside.exists());
        part.remove().unwrap();
        assert_eq!(
            names(root),
            [".other.zip.1-a.part", ".out.zip.mine.part", ".out.zip.part"]
        );
    }
}
