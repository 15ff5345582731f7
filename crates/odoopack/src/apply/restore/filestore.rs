//! Attachments: into a directory that nobody uses, compared with their names, and into the place of the old ones.
use std::collections::BTreeSet;
use std::io::{Read, Write};

use camino::Utf8Path;
use odoopack_core::filestore::is_attachment;
use sha1::{Digest, Sha1};

use super::Restore;
use super::source::{self, Source};
use crate::failure::{Failure, Result};
use crate::files::{self, Owner};
use crate::ui::Progress;

/// Modes of what Odoo makes under our mask of 027.
const DIRECTORY: u32 = 0o750;
const FILE: u32 = 0o640;

impl Restore<'_> {
    pub(super) fn place_filestore(
        &self,
        directory: &Utf8Path,
        own: &Utf8Path,
        progress: &Progress,
    ) -> Result<()> {
        let owner = self.owner()?;
        files::remove_tree(own)?;
        let below = directory.strip_prefix(own).unwrap_or(Utf8Path::new(""));
        let mut place = own.to_owned();
        files::directory(&place, DIRECTORY, owner)?;
        for part in below {
            place.push(part);
            files::directory(&place, DIRECTORY, owner)?;
        }
        let mut place = Place {
            directory,
            owner,
            made: BTreeSet::new(),
            count: 0,
            damaged: Vec::new(),
        };
        match self.source()? {
            Source::Snapshot(stored) => {
                progress.detail("reading the snapshot");
                stored.filestore(directory)?;
                place.adopt_all(|count| progress.detail(&format!("{count} attachments")))?;
            }
            Source::Zip(archive) => {
                let all = archive.attachments.len();
                archive.for_each_attachment(|name, content| {
                    place.put(name, content)?;
                    progress.detail(&format!("{} of {all} attachments", place.count));
                    Ok(())
                })?;
            }
            Source::Folder {
                filestore: Some(from),
                ..
            } => {
                let all = source::attachments(from)?;
                for (name, _) in &all {
                    place.copy(&from.join(name), name)?;
                    progress.detail(&format!("{} of {} attachments", place.count, all.len()));
                }
            }
            Source::Folder { .. } | Source::Dump(_) => {}
        }
        let damaged = place.damaged;
        self.found(|found| found.damaged = damaged);
        Ok(())
    }

    /// Waits until the attachments are on disk, before they take the place of others. Not sooner: while the database is loaded, its dump
    /// lies on the same disk, and would be written down only to be removed.
    pub(super) fn keep_filestore(&self, directory: &Utf8Path) -> Result<()> {
        if self.drill {
            return Ok(());
        }
        files::sync_file_system(directory)
    }

    /// Two renames with a state between them that says which one is missing.
    pub(super) fn swap_filestore(from: &Utf8Path, to: &Utf8Path, kept: Option<&Utf8Path>) -> Result<()> {
        if let Some(kept) = kept
            && !there(kept)?
            && there(to)?
        {
            files::rename(to, kept)?;
        }
        if there(from)? {
            return files::rename(from, to);
        }
        if there(to)? {
            return Ok(());
        }
        Err(Failure::failed(format!("neither `{from}` nor `{to}` is there")))
    }

    pub(super) fn swap_filestore_back(from: &Utf8Path, to: &Utf8Path, kept: Option<&Utf8Path>) -> Result<()> {
        let Some(kept) = kept else {
            return if there(to)? && !there(from)? {
                files::rename(to, from)
            } else {
                Ok(())
            };
        };
        if !there(kept)? {
            return Ok(());
        }
        if there(to)? {
            files::rename(to, from)?;
        }
        files::rename(kept, to)
    }

    pub(super) fn keep_directory(directory: &Utf8Path, kept: &str) -> Result<()> {
        if !there(directory)? {
            return Ok(());
        }
        files::rename(directory, &directory.with_file_name(kept))
    }
}

/// Whether something is there; could-not-look is an error.
pub(crate) fn there(path: &Utf8Path) -> Result<bool> {
    path.try_exists()
        .map_err(|e| Failure::failed(format!("could not look at `{path}`")).because(e))
}

/// A filestore that is being made.
struct Place<'a> {
    directory: &'a Utf8Path,
    owner: Option<Owner>,
    made: BTreeSet<String>,
    count: usize,
    damaged: Vec<String>,
}

impl Place<'_> {
    fn room_for(&mut self, name: &str) -> Result<()> {
        let two = name.split('/').next().unwrap_or_default();
        if self.made.insert(two.to_owned()) {
            files::directory(&self.directory.join(two), DIRECTORY, self.owner)?;
        }
        Ok(())
    }

    /// Writes one attachment and compares it with its name, which is its SHA-1.
    fn put(&mut self, name: &str, content: &mut dyn Read) -> Result<()> {
        self.room_for(name)?;
        let path = self.directory.join(name);
        let failed = |e| Failure::failed(format!("could not write `{path}`")).because(e);
        let mut file = files::create(&path, FILE, self.owner)?;
        let mut hash = Sha1::new();
        let mut portion = vec![0; 1 << 16];
        loop {
            let count = content.read(&mut portion).map_err(failed)?;
            if count == 0 {
                break;
            }
            hash.update(&portion[..count]);
            file.write_all(&portion[..count]).map_err(failed)?;
        }
        self.judge(name, hash);
        Ok(())
    }

    /// Shares the bytes where the file system can (E5: never by a hard link, whose owner is the original's).
    fn copy(&mut self, from: &Utf8Path, name: &str) -> Result<()> {
        self.room_for(name)?;
        let path = self.directory.join(name);
        let failed = |e| Failure::failed(format!("could not read `{from}`")).because(e);
        let mut source = std::fs::File::open(from).map_err(failed)?;
        if !files::share(&source, &path, FILE, self.owner)? {
            return self.put(name, &mut source);
        }
        let mut hash = Sha1::new();
        std::io::copy(&mut source, &mut hash).map_err(failed)?;
        self.judge(name, hash);
        Ok(())
    }

    /// Takes over everything that is in its place already: a row may name any file of it.
    fn adopt_all(&mut self, shown: impl Fn(usize)) -> Result<()> {
        for (name, _) in &source::files(self.directory)? {
            self.adopt(name)?;
            shown(self.count);
        }
        self.directories()
    }

    /// Takes over a file that is in its place already: it was made by us, so nothing else shares it.
    fn adopt(&mut self, name: &str) -> Result<()> {
        let path = self.directory.join(name);
        let failed = |e| Failure::failed(format!("could not read `{path}`")).because(e);
        let mut file = std::fs::File::open(&path).map_err(failed)?;
        files::own(&file, &path, FILE, self.owner)?;
        let mut hash = Sha1::new();
        std::io::copy(&mut file, &mut hash).map_err(failed)?;
        self.judge(name, hash);
        Ok(())
    }

    /// Takes over the directories of files that are in their place already.
    fn directories(&self) -> Result<()> {
        self.directories_from(self.directory)
    }

    fn directories_from(&self, directory: &Utf8Path) -> Result<()> {
        let failed = |e| Failure::failed(format!("could not list `{directory}`")).because(e);
        files::directory(directory, DIRECTORY, self.owner)?;
        for entry in directory.read_dir_utf8().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_dir() {
                self.directories_from(entry.path())?;
            }
        }
        Ok(())
    }

    fn judge(&mut self, name: &str, hash: Sha1) {
        self.count += 1;
        if is_attachment(name) && !name.ends_with(&format!("/{:x}", hash.finalize())) {
            self.damaged.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const SHA: &str = "da39a3ee5e6b4b0d3255bfef95601890afd80709";

    /// Odoo runs as another user than whoever reads the snapshot.
    #[test]
    fn every_file_of_a_snapshot_is_taken_over_whatever_its_name() {
        let keep = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(keep.path()).unwrap();
        let (new, old) = (format!("da/{SHA}"), format!("da3/{SHA}"));
        let names = [new.as_str(), &old, "odd/name", "flat", "storage/a/deep"];
        let damaged = format!("da0/da0{}", &SHA[3..]);
        for name in names.into_iter().chain([damaged.as_str()]) {
            let path = directory.join(name);
            files::directory_all(path.parent().unwrap()).unwrap();
            files::replace(&path, b"", 0o600, None).unwrap();
        }
        let mut place = Place {
            directory,
            owner: None,
            made: BTreeSet::new(),
            count: 0,
            damaged: Vec::new(),
        };
        place.adopt_all(|_| ()).unwrap();
        for name in names {
            let mode = directory.join(name).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, FILE, "{name}");
        }
        assert_eq!((place.count, place.damaged), (6, vec![damaged]));
        let mode = directory.join("da3").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, DIRECTORY);
    }
}
