//! What a filestore has and another one lacks: what people have added since a backup was made, when its attachments come back without its
//! database; and what only the old database names, when the database comes back without attachments.
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;

use camino::Utf8Path;
use sha1::{Digest, Sha1};

use super::there;
use crate::failure::{Failure, Result};
use crate::files::{self, Owner};
use crate::ui::Progress;

/// Puts every file of the filestore `from` that the new one `to` lacks into it; repeatable.
pub(super) fn keep(from: &Utf8Path, to: &Utf8Path, progress: &Progress) -> Result<()> {
    let mut count = 0;
    add(from, to, &mut || {
        count += 1;
        progress.detail(&format!("{count} files"));
    })?;
    files::sync_file_system(to)
}

/// Makes of `to` a filestore with every file of `from`; repeatable.
pub(super) fn keep_whole(from: &Utf8Path, to: &Utf8Path, progress: &Progress) -> Result<()> {
    directory(from, to)?;
    keep(from, to, progress)
}

/// Takes that back: whatever was collected in `filestore` meanwhile comes back out of `own`. Where people can have been in what replaced
/// the old database, that gets attachments of its own too, under the name `kept`.
pub(super) fn give_back(own: &Utf8Path, filestore: &Utf8Path, kept: Option<&str>) -> Result<()> {
    if there(own)? {
        directory(own, filestore)?;
        add(own, filestore, &mut || {})?;
        files::sync_file_system(filestore)?;
    }
    let Some(kept) = kept.map(|kept| own.with_file_name(kept)) else {
        return Ok(());
    };
    if there(own)? {
        files::rename(own, &kept)?;
    }
    if there(&kept)? {
        add(filestore, &kept, &mut || {})?;
        files::sync_file_system(&kept)?;
    }
    Ok(())
}

fn add(from: &Utf8Path, to: &Utf8Path, added: &mut dyn FnMut()) -> Result<()> {
    let failed = |e| Failure::failed(format!("could not list `{from}`")).because(e);
    for entry in from.read_dir_utf8().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            directory(path, &place)?;
            add(path, &place, added)?;
        } else if !kind.is_file() {
            return Err(Failure::refused(format!(
                "`{path}` is neither a file of Odoo's nor a directory of them"
            ))
            .hint("move it out of the filestore"));
        } else if is_lacking(path, &place)? && share(path, &place)? {
            added();
        }
    }
    Ok(())
}

fn directory(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    if there(to)? {
        return Ok(());
    }
    let metadata = from.symlink_metadata().map_err(|e| unreadable(from, e))?;
    files::directory(to, metadata.mode() & 0o7777, Some(owner(&metadata)))
}

/// Whether `to` is not there, or is not what its name says while `from` is: damaged in the backup, or written to while it was copied.
fn is_lacking(from: &Utf8Path, to: &Utf8Path) -> Result<bool> {
    if !there(to)? {
        return Ok(true);
    }
    // Of what has two names since the first time nothing is read.
    if number(from)? == number(to)? {
        return Ok(false);
    }
    let better = !is_whole(to)? && is_whole(from)?;
    if better {
        files::remove(to)?;
    }
    Ok(better)
}

/// What names of one file have in common; `None` where it was collected meanwhile.
fn number(path: &Utf8Path) -> Result<Option<(u64, u64)>> {
    match path.symlink_metadata() {
        Ok(metadata) => Ok(Some((metadata.dev(), metadata.ino()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(unreadable(path, e)),
    }
}

/// Whether a file's name is its SHA-1, as Odoo names them; one that was collected meanwhile is not.
fn is_whole(path: &Utf8Path) -> Result<bool> {
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(unreadable(path, e)),
    };
    let mut hash = Sha1::new();
    std::io::copy(&mut file, &mut hash).map_err(|e| unreadable(path, e))?;
    Ok(path.file_name() == Some(format!("{:x}", hash.finalize()).as_str()))
}

/// Gives the file a second name, which costs nothing, else copies it; says `false` when it was collected meanwhile. Both directories are
/// of the environment's user, and Odoo never writes into a file that is there.
fn share(from: &Utf8Path, to: &Utf8Path) -> Result<bool> {
    Ok(files::second_name(from, to)? || copy(from, to)?)
}

fn copy(from: &Utf8Path, to: &Utf8Path) -> Result<bool> {
    let mut source = match std::fs::File::open(from) {
        Ok(source) => source,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(unreadable(from, e)),
    };
    let metadata = source.metadata().map_err(|e| unreadable(from, e))?;
    let (mode, owner) = (metadata.mode() & 0o7777, Some(owner(&metadata)));
    if files::share(&source, to, mode, owner)? {
        return Ok(true);
    }
    let mut file = files::create(to, mode, owner)?;
    let mut portion = vec![0; 1 << 16];
    loop {
        let count = source.read(&mut portion).map_err(|e| unreadable(from, e))?;
        if count == 0 {
            return Ok(true);
        }
        file.write_all(&portion[..count])
            .map_err(|e| Failure::failed(format!("could not write `{to}`")).because(e))?;
    }
}

fn owner(metadata: &std::fs::Metadata) -> Owner {
    Owner {
        uid: metadata.uid(),
        gid: metadata.gid(),
    }
}

fn unreadable(path: &Utf8Path, error: std::io::Error) -> Failure {
    Failure::failed(format!("could not read `{path}`")).because(error)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use camino::Utf8PathBuf;

    use super::*;

    fn hash(text: &str) -> String {
        let hash = format!("{:x}", Sha1::digest(text));
        format!("{}/{hash}", &hash[..2])
    }

    fn write(directory: &Utf8Path, name: &str, text: &str) -> Utf8PathBuf {
        let path = directory.join(name);
        files::directory_all(path.parent().unwrap()).unwrap();
        files::replace(&path, text.as_bytes(), 0o640, None).unwrap();
        path
    }

    fn once(from: &Utf8Path, to: &Utf8Path) -> usize {
        let mut count = 0;
        add(from, to, &mut || count += 1).unwrap();
        count
    }

    /// Path and content of every file.
    fn all(directory: &Utf8Path) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for entry in directory.read_dir_utf8().unwrap().flatten() {
            if entry.path().is_dir() {
                let below = all(entry.path()).into_iter();
                found.extend(below.map(|(name, text)| (format!("{}/{name}", entry.file_name()), text)));
            } else {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                found.insert(entry.file_name().to_owned(), text);
            }
        }
        found
    }

    #[test]
    fn what_came_after_the_backup_is_kept_and_what_the_backup_has_is_its_own() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let (live, new) = (root.join("live"), root.join("new"));
        let (old, later, last) = (hash("old"), hash("later"), hash("last"));
        write(&new, &old, "old");
        write(&live, &old, "bad");
        let path = write(&live, &later, "later");
        write(&live, "checklist/ab/abc", "");
        assert_eq!(once(&live, &new), 2);
        let of = |path: &Utf8Path| {
            let metadata = path.metadata().unwrap();
            (metadata.ino(), metadata.mode(), metadata.uid())
        };
        assert_eq!(of(&new.join(&later)), of(&path), "the bytes are shared");
        let text = |name: &str| std::fs::read_to_string(new.join(name)).unwrap();
        assert_eq!((text(&old).as_str(), text(&later).as_str()), ("old", "later"));
        // What came meanwhile comes with the second time, which repeats nothing.
        write(&live, &last, "last");
        assert_eq!(once(&live, &new), 1);
        assert_eq!(text(&last), "last");
        assert_eq!(once(&live, &new), 0);
        let names: Vec<String> = all(&live).into_keys().collect();
        assert_eq!(all(&new).into_keys().collect::<Vec<_>>(), names);
        assert_eq!(all(&live)[&old], "bad", "the live one is not touched");
    }

    /// The new database names less: what Odoo collects then is still there for the old one, whether that is kept or comes back.
    #[test]
    fn what_is_collected_under_the_new_database_is_the_old_ones_all_the_same() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let (live, own) = (root.join("demo"), root.join("demo_replaced_6a1b2c3d"));
        let (both, old, new) = (hash("both"), hash("old"), hash("new"));
        let progress = crate::ui::Ui::new(true, true, false).step("keep");
        let path = write(&live, &both, "both");
        write(&live, &old, "old");
        write(&live, &format!("checklist/{old}"), "");
        // Killed in the middle, and done again.
        directory(&live, &own).unwrap();
        directory(&live, &own.join(&both[..2])).unwrap();
        assert!(share(&path, &own.join(&both)).unwrap());
        keep_whole(&live, &own, &progress).unwrap();
        keep_whole(&live, &own, &progress).unwrap();
        assert_eq!(all(&own), all(&live));
        let inode = |path: &Utf8Path| path.metadata().unwrap().ino();
        assert_eq!(
            inode(&own.join(&old)),
            inode(&live.join(&old)),
            "the bytes are shared"
        );

        let collect = || {
            write(&live, &new, "new");
            files::remove(&live.join(&old)).unwrap();
        };
        collect();
        assert_eq!(all(&own)[&old], "old");
        give_back(&own, &live, None).unwrap();
        give_back(&own, &live, None).unwrap();
        assert_eq!(all(&live)[&old], "old");
        assert!(!there(&own.join(&new)).unwrap());

        collect();
        let undone = root.join("demo_undone_6a1b2c3d");
        for _ in 0..2 {
            give_back(&own, &live, Some("demo_undone_6a1b2c3d")).unwrap();
            assert_eq!(
                (all(&live)[&old].as_str(), all(&undone)[&new].as_str()),
                ("old", "new")
            );
            assert!(!there(&own).unwrap());
        }
        give_back(&own, &live, None).unwrap();
        assert_eq!(all(&live)[&old], "old");
    }

    #[test]
    fn of_two_files_of_one_name_that_one_stays_which_is_what_it_says() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let (live, new) = (root.join("live"), root.join("new"));
        for (in_backup, in_live, stays) in [
            ("damaged", "text", "text"),
            // A flipped bit keeps the size.
            ("tezt", "text", "text"),
            ("text", "tezt", "text"),
            ("text", "damaged", "text"),
            ("damaged", "also damaged", "damaged"),
        ] {
            write(&new, &hash("text"), in_backup);
            write(&live, &hash("text"), in_live);
            once(&live, &new);
            assert_eq!(all(&new)[&hash("text")], stays, "{in_backup} {in_live}");
        }
    }

    #[test]
    fn where_bytes_cannot_be_shared_they_are_copied_with_their_mode() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let path = write(root, "a", "text");
        assert!(copy(&path, &root.join("b")).unwrap());
        assert_eq!(std::fs::read_to_string(root.join("b")).unwrap(), "text");
        let mode = |name: &str| root.join(name).metadata().unwrap().mode();
        assert_eq!(mode("a"), mode("b"));
        assert!(!copy(&root.join("collected"), &root.join("c")).unwrap());
        assert!(!there(&root.join("c")).unwrap());
    }

    #[test]
    fn what_cannot_be_kept_is_not_passed_over() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        write(root, "live/a", "");
        std::os::unix::fs::symlink("/elsewhere", root.join("live/ab")).unwrap();
        files::directory_all(&root.join("new")).unwrap();
        let failure = add(&root.join("live"), &root.join("new"), &mut || {}).unwrap_err();
        assert!(failure.to_string().contains("live/ab"), "{failure}");
    }
}
