//! Hashes of modules' directories: read in parallel, one file at a time in memory.
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use camino::Utf8PathBuf;
use odoopack_core::changed::{Contents, Hasher, Selection};

use crate::failure::{Failure, Result};

/// One directory to hash.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) module: String,
    pub(crate) path: Utf8PathBuf,
}

/// Hashes all of them on every core, with a hash per part.
///
/// # Errors
/// The first directory or file that cannot be read; half a hash is none.
pub(crate) fn all(wanted: &[Wanted], selection: &Selection) -> Result<BTreeMap<String, Contents>> {
    hash(wanted, selection, true)
}

/// Only the checksums that click-odoo-update keeps: `static` and `tests` are not read.
///
/// # Errors
/// As for [`all`].
pub(crate) fn checksums(wanted: &[Wanted], selection: &Selection) -> Result<BTreeMap<String, String>> {
    let all = hash(wanted, selection, false)?;
    Ok(all
        .into_iter()
        .map(|(module, contents)| (module, contents.checksum))
        .collect())
}

fn hash(wanted: &[Wanted], selection: &Selection, parts: bool) -> Result<BTreeMap<String, Contents>> {
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(wanted.len().max(1));
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(wanted.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut buffer = Vec::new();
                while let Some(one) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut walk = Walk {
                        parts,
                        selection,
                        hasher: Hasher::default(),
                        buffer: &mut buffer,
                    };
                    let walked = walk.directory(one.path.as_std_path(), "");
                    let contents = walked.map(|()| walk.hasher.finish());
                    if contents.is_err() {
                        next.store(wanted.len(), Ordering::Relaxed);
                    }
                    lock(&done).push((one.module.clone(), contents));
                }
            });
        }
    });
    let done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    done.into_iter()
        .map(|(module, contents)| Ok((module, contents?)))
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

struct Walk<'a> {
    /// Whether files count that are only in a part.
    parts: bool,
    selection: &'a Selection,
    hasher: Hasher,
    buffer: &'a mut Vec<u8>,
}

impl Walk<'_> {
    /// Files first, then directories, both by name; links to directories are left out and links to files followed, as
    /// `os.walk` does. `below` is the name below the module, for a person where it is not UTF-8.
    fn directory(&mut self, path: &Path, below: &str) -> Result<()> {
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(path).map_err(|e| unreadable(path, e))? {
            let entry = entry.map_err(|e| unreadable(path, e))?;
            let name = entry.file_name();
            let kind = entry.file_type().map_err(|e| unreadable(path, e))?;
            let link_to_directory = kind.is_symlink() && path.join(&name).is_dir();
            if kind.is_dir() {
                directories.push(name);
            } else if !link_to_directory {
                files.push(name);
            }
        }
        files.sort_unstable();
        directories.sort_unstable();
        for name in files {
            self.file(&path.join(&name), &joined(below, &name))?;
        }
        directories
            .iter()
            .try_for_each(|name| self.directory(&path.join(name), &joined(below, name)))
    }

    fn file(&mut self, path: &Path, below: &str) -> Result<()> {
        let in_part = self.parts && self.selection.part(below).is_some();
        let counts = self.selection.counts(below);
        if !in_part && !counts {
            return Ok(());
        }
        if counts && path.to_str().is_none() {
            return Err(Failure::failed(format!(
                "the name of `{}` is not UTF-8",
                path.display()
            )));
        }
        // What a device or a pipe says has no end.
        if !path.metadata().map_err(|e| unreadable(path, e))?.is_file() {
            return Err(Failure::failed(format!("`{}` is no file", path.display()))
                .because("it is a device, a pipe or a socket, or a link to one"));
        }
        self.buffer.clear();
        let mut file = std::fs::File::open(path).map_err(|e| unreadable(path, e))?;
        file.read_to_end(self.buffer).map_err(|e| unreadable(path, e))?;
        if self.parts {
            self.hasher.take(self.selection, below, self.buffer);
        } else {
            self.hasher.take_counted(below, self.buffer);
        }
        Ok(())
    }
}

fn joined(below: &str, name: &OsStr) -> String {
    let name = name.to_string_lossy();
    if below.is_empty() {
        name.into_owned()
    } else {
        format!("{below}/{name}")
    }
}

fn unreadable(path: &Path, error: std::io::Error) -> Failure {
    let failure = Failure::failed(format!("could not read `{}`", path.display()));
    if error.kind() == ErrorKind::NotFound {
        return failure
            .because(error)
            .hint("it was removed meanwhile, or is a link that leads nowhere");
    }
    failure.because(error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use odoopack_core::changed::DEFAULT_PATTERNS;

    use super::*;

    fn sums(top: &Path) -> Result<BTreeMap<String, String>> {
        let wanted = Wanted {
            module: "m".to_owned(),
            path: Utf8PathBuf::from_path_buf(top.to_owned()).unwrap(),
        };
        checksums(&[wanted], &Selection::new(DEFAULT_PATTERNS, ["de_DE"]))
    }

    /// Seen of click-odoo-update 1.7: what it leaves out may be called anything.
    #[test]
    fn a_name_that_is_no_text_counts_only_where_its_file_does() {
        let keep = tempfile::tempdir().unwrap();
        let top = keep.path();
        std::fs::create_dir(top.join("static")).unwrap();
        crate::files::replace(
            &Utf8PathBuf::from_path_buf(top.join("a.py")).unwrap(),
            b"1",
            0o644,
            None,
        )
        .unwrap();
        let before = sums(top).unwrap();
        let odd = OsStr::from_bytes(b"\xff.png");
        std::os::unix::fs::symlink("../a.py", top.join("static").join(odd)).unwrap();
        assert_eq!(sums(top).unwrap(), before);
        std::os::unix::fs::symlink("a.py", top.join(odd)).unwrap();
        let said = sums(top).unwrap_err().to_string();
        assert!(said.contains("is not UTF-8"), "{said}");
    }

    #[test]
    fn a_link_to_a_device_is_no_file() {
        let keep = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/zero", keep.path().join("a.py")).unwrap();
        let said = sums(keep.path()).unwrap_err().to_string();
        assert!(said.contains("is no file"), "{said}");
    }
}
