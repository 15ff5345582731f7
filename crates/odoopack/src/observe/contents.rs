//! Hashes of modules' directories: read in parallel, one file at a time in memory.
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use camino::{Utf8Path, Utf8PathBuf};
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
                        top: &one.path,
                        parts,
                        selection,
                        hasher: Hasher::default(),
                        buffer: &mut buffer,
                    };
                    let walked = walk.directory("");
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
    top: &'a Utf8Path,
    /// Whether files count that are only in a part.
    parts: bool,
    selection: &'a Selection,
    hasher: Hasher,
    buffer: &'a mut Vec<u8>,
}

impl Walk<'_> {
    /// Files first, then directories, both by name; links to directories are left out and links to files followed, as
    /// `os.walk` does.
    fn directory(&mut self, below: &str) -> Result<()> {
        let path = if below.is_empty() {
            self.top.to_owned()
        } else {
            self.top.join(below)
        };
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(&path).map_err(|e| unreadable(&path, e))? {
            let entry = entry.map_err(|e| unreadable(&path, e))?;
            let name = entry.file_name().into_string().map_err(|name| {
                Failure::failed(format!(
                    "`{path}` holds a file whose name is not UTF-8: {}",
                    name.display()
                ))
            })?;
            let kind = entry.file_type().map_err(|e| unreadable(&path, e))?;
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
            self.file(&joined(below, &name))?;
        }
        directories
            .iter()
            .try_for_each(|name| self.directory(&joined(below, name)))
    }

    fn file(&mut self, below: &str) -> Result<()> {
        let in_part = self.parts && self.selection.part(below).is_some();
        if !in_part && !self.selection.counts(below) {
            return Ok(());
        }
        let path = self.top.join(below);
        self.buffer.clear();
        let mut file = std::fs::File::open(&path).map_err(|e| unreadable(&path, e))?;
        file.read_to_end(self.buffer).map_err(|e| unreadable(&path, e))?;
        if self.parts {
            self.hasher.take(self.selection, below, self.buffer);
        } else {
            self.hasher.take_counted(below, self.buffer);
        }
        Ok(())
    }
}

fn joined(below: &str, name: &str) -> String {
    if below.is_empty() {
        name.to_owned()
    } else {
        format!("{below}/{name}")
    }
}

fn unreadable(path: &Utf8Path, error: std::io::Error) -> Failure {
    let failure = Failure::failed(format!("could not read `{path}`"));
    if error.kind() == ErrorKind::NotFound {
        return failure
            .because(error)
            .hint("it was removed meanwhile, or is a link that leads nowhere");
    }
    failure.because(error)
}
