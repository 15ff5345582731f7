//! What a writer that was killed left half-written in a directory: taken away by the next one, which has the lock.
use std::io;
use std::path::Path;

use crate::error::{Error, Result};

/// Where objects lie, from the top of a repository: at most so many directories deep.
const DIRECTORIES: [(&str, usize); 5] = [
    ("data", 1),
    ("index", 0),
    ("keys", 0),
    ("odoopack", 1),
    ("snapshots", 0),
];

/// Removes files that were being written. They are named as their object with `#` and a number behind it (`object_store` 0.14,
/// `local.rs`); nothing else is looked at, and nobody reads them.
///
/// Only for who has the lock: the files of a writer that lives look the same.
///
/// # Errors
/// When a directory cannot be listed, or a file not removed.
pub(crate) fn collect(repository: &str) -> Result<()> {
    let failed = |e: io::Error| Error::Store {
        act: "remove what was left half-written".to_owned(),
        place: repository.to_owned(),
        why: e.to_string(),
    };
    let top = Path::new(repository);
    for (name, depth) in DIRECTORIES {
        below(&top.join(name), depth).map_err(failed)?;
    }
    Ok(())
}

fn below(directory: &Path, depth: usize) -> io::Result<()> {
    let entries = match directory.read_dir() {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            below(&entry.path(), depth - 1)?;
        } else if kind.is_file() && entry.file_name().to_str().is_some_and(is_half_written) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn is_half_written(name: &str) -> bool {
    let Some((object, number)) = name.rsplit_once('#') else {
        return false;
    };
    let id = object.len() == 64 && object.bytes().all(|byte| byte.is_ascii_hexdigit());
    let ours = id || ["writer", "clock"].contains(&object);
    ours && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test makes its own files")]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_store_was_writing_goes() {
        let keep = tempfile::tempdir().unwrap();
        let id = "0123456789abcdef".repeat(4);
        let half = [
            format!("data/01/{id}#1"),
            format!("index/{id}#12"),
            format!("snapshots/{id}#1"),
            "odoopack/writer#1".to_owned(),
            format!("odoopack/notes/{id}#1"),
        ];
        let stays = [
            format!("data/01/{id}"),
            format!("data/01/{id}#"),
            format!("data/01/{id}#a"),
            format!("data/01/more/{id}#1"),
            format!("index/{id}.tmp"),
            "index/notes#1".to_owned(),
            format!("{id}#1"),
            "odoopack/writer".to_owned(),
        ];
        for name in half.iter().chain(&stays) {
            let path = keep.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        collect(keep.path().to_str().unwrap()).unwrap();
        let left = |names: &[String]| {
            names
                .iter()
                .filter(|name| keep.path().join(name).exists())
                .count()
        };
        assert_eq!((left(&half), left(&stays)), (0, stays.len()));
    }
}
