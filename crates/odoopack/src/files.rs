//! The only writer: atomic replacement with owner and mode set before the file has its name.
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};

use camino::{Utf8Path, Utf8PathBuf};

use crate::failure::{Failure, Result};

/// Owner and group by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Writes `content` to `path` so that a reader sees the old file or the new one, never a part.
///
/// # Effects
/// Creates `path` through a temporary neighbour that is synced, given `owner` and `mode` and then renamed; repeatable.
pub(crate) fn replace(path: &Utf8Path, content: &[u8], mode: u32, owner: Option<Owner>) -> Result<()> {
    let temporary = neighbour(path);
    let write = || -> std::io::Result<()> {
        remove_if_there(&temporary)?;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(content)?;
        if let Some(owner) = owner {
            std::os::unix::fs::fchown(&file, Some(owner.uid), Some(owner.gid))?;
        }
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)?;
        sync_directory(path.parent().unwrap_or(Utf8Path::new("/")))
    };
    write().map_err(|e| {
        remove_if_there(&temporary).unwrap_or_default();
        Failure::failed(format!("could not write `{path}`")).because(e)
    })
}

/// Creates a directory or converges its mode and owner; parents must exist.
///
/// # Effects
/// Never follows a symbolic link: a link in the place of the directory is an error.
pub(crate) fn directory(path: &Utf8Path, mode: u32, owner: Option<Owner>) -> Result<()> {
    let make = || -> std::io::Result<()> {
        match std::fs::create_dir(path) {
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        let handle = open_directory(path)?;
        if let Some(owner) = owner {
            std::os::unix::fs::fchown(&handle, Some(owner.uid), Some(owner.gid))?;
        }
        handle.set_permissions(std::fs::Permissions::from_mode(mode))
    };
    make().map_err(|e| Failure::failed(format!("could not make directory `{path}`")).because(e))
}

/// Makes a directory that must not be there yet.
pub(crate) fn new_directory(path: &Utf8Path, mode: u32) -> Result<()> {
    std::fs::DirBuilder::new()
        .mode(mode)
        .create(path)
        .map_err(|e| Failure::failed(format!("could not make directory `{path}`")).because(e))
}

/// Creates a directory and its missing parents with the process's own owner and mask.
pub(crate) fn directory_all(path: &Utf8Path) -> Result<()> {
    std::fs::create_dir_all(path)
        .map_err(|e| Failure::failed(format!("could not make directory `{path}`")).because(e))
}

/// Gives a directory, or the one that a link of this name leads to, and everything in it to somebody; never follows a link in it,
/// and gives the directory itself last.
pub(crate) fn own_tree(path: &Utf8Path, owner: Owner) -> Result<()> {
    let real = path.canonicalize_utf8();
    let real =
        real.map_err(|e| Failure::failed(format!("could not change the owner of `{path}`")).because(e))?;
    own_below(&real, owner)
}

fn own_below(path: &Utf8Path, owner: Owner) -> Result<()> {
    let wrong = |path: &Utf8Path, e: std::io::Error| {
        Failure::failed(format!("could not change the owner of `{path}`")).because(e)
    };
    let metadata = std::fs::symlink_metadata(path).map_err(|e| wrong(path, e))?;
    if metadata.is_dir() {
        for entry in path.read_dir_utf8().map_err(|e| wrong(path, e))? {
            own_below(entry.map_err(|e| wrong(path, e))?.path(), owner)?;
        }
    }
    std::os::unix::fs::lchown(path, Some(owner.uid), Some(owner.gid)).map_err(|e| wrong(path, e))
}

/// Appends to a log of ours, created with mode 0640.
pub(crate) fn append(path: &Utf8Path) -> Result<std::fs::File> {
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
        .map_err(|e| Failure::failed(format!("could not open `{path}` for appending")).because(e))
}

/// Makes a file that must not be there yet, with its owner and mode.
pub(crate) fn create(path: &Utf8Path, mode: u32, owner: Option<Owner>) -> Result<std::fs::File> {
    let make = || -> std::io::Result<std::fs::File> {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        if let Some(owner) = owner {
            std::os::unix::fs::fchown(&file, Some(owner.uid), Some(owner.gid))?;
        }
        file.set_permissions(std::fs::Permissions::from_mode(mode))?;
        Ok(file)
    };
    make().map_err(|e| Failure::failed(format!("could not write `{path}`")).because(e))
}

/// Converges owner and mode of an open file.
pub(crate) fn own(file: &std::fs::File, path: &Utf8Path, mode: u32, owner: Option<Owner>) -> Result<()> {
    let change = || -> std::io::Result<()> {
        if let Some(owner) = owner {
            std::os::unix::fs::fchown(file, Some(owner.uid), Some(owner.gid))?;
        }
        file.set_permissions(std::fs::Permissions::from_mode(mode))
    };
    change().map_err(|e| Failure::failed(format!("could not change the owner of `{path}`")).because(e))
}

/// Makes a file that shares its bytes with another; says `false`, and makes nothing, where the file system cannot.
pub(crate) fn share(from: &std::fs::File, path: &Utf8Path, mode: u32, owner: Option<Owner>) -> Result<bool> {
    let file = create(path, mode, owner)?;
    match rustix::fs::ioctl_ficlone(&file, from) {
        Ok(()) => Ok(true),
        Err(_) => remove(path).map(|()| false),
    }
}

/// Gives a file a second name; says `false`, and makes nothing, where that cannot be.
pub(crate) fn second_name(from: &Utf8Path, to: &Utf8Path) -> Result<bool> {
    match std::fs::hard_link(from, to) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::failed(format!("`{to}` is there already")))
        }
        Err(_) => Ok(false),
    }
}

/// What is in a directory, in no order; nothing where there is none.
pub(crate) fn read_entries(directory: &Utf8Path) -> Result<Vec<camino::Utf8DirEntry>> {
    let listed = match directory.read_dir_utf8() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.and_then(Iterator::collect),
    };
    listed.map_err(|e| Failure::failed(format!("could not list `{directory}`")).because(e))
}

/// Reads a whole text; `None` when there is no such file.
pub(crate) fn read_text(path: &Utf8Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::failed(format!("could not read `{path}`")).because(e)),
    }
}

/// Reads a whole file that may be no text; `None` when there is no such file.
pub(crate) fn read_bytes(path: &Utf8Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Failure::failed(format!("could not read `{path}`")).because(e)),
    }
}

/// Removes a file or link if it is there.
pub(crate) fn remove(path: &Utf8Path) -> Result<()> {
    remove_if_there(path).map_err(|e| Failure::failed(format!("could not remove `{path}`")).because(e))
}

/// Removes a directory with all it holds, if it is there; never follows a link.
pub(crate) fn remove_tree(path: &Utf8Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::failed(format!("could not remove `{path}`")).because(e))
        }
        _ => Ok(()),
    }
}

/// Makes `link` point at `target`, atomically.
pub(crate) fn link(target: &Utf8Path, link: &Utf8Path) -> Result<()> {
    let temporary = neighbour(link);
    let make = || -> std::io::Result<()> {
        remove_if_there(&temporary)?;
        std::os::unix::fs::symlink(target, &temporary)?;
        std::fs::rename(&temporary, link)
    };
    make().map_err(|e| Failure::failed(format!("could not link `{link}` to `{target}`")).because(e))
}

/// Gives `from` the name `to`, on one file system; what had the name before is gone.
pub(crate) fn rename(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    let parent = to.parent().unwrap_or(Utf8Path::new("/"));
    std::fs::rename(from, to)
        .and_then(|()| sync_directory(parent))
        .map_err(|e| Failure::failed(format!("could not rename `{from}` to `{to}`")).because(e))
}

/// The same for a name that nothing has; what somebody made under it meanwhile stays.
pub(crate) fn rename_new(from: &Utf8Path, to: &Utf8Path) -> Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let parent = to.parent().unwrap_or(Utf8Path::new("/"));
    let renamed = match renameat_with(CWD, from.as_str(), CWD, to.as_str(), RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::EXIST) => {
            return Err(Failure::refused(format!(
                "`{to}` is there already; it was not touched"
            )));
        }
        // A file system that does not know how: it is as good as a look just before.
        Err(rustix::io::Errno::INVAL) if to.symlink_metadata().is_err() => std::fs::rename(from, to),
        renamed => renamed.map_err(std::io::Error::from),
    };
    renamed
        .and_then(|()| sync_directory(parent))
        .map_err(|e| Failure::failed(format!("could not rename `{from}` to `{to}`")).because(e))
}

/// Gives each of two paths the other's name, at once.
pub(crate) fn exchange(one: &Utf8Path, other: &Utf8Path) -> Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one.as_str(), CWD, other.as_str(), RenameFlags::EXCHANGE)
        .map_err(std::io::Error::from)
        .and_then(|()| sync_directory(one.parent().unwrap_or(Utf8Path::new("/"))))
        .and_then(|()| sync_directory(other.parent().unwrap_or(Utf8Path::new("/"))))
        .map_err(|e| Failure::failed(format!("could not exchange `{one}` and `{other}`")).because(e))
}

/// Waits for the lock file `path` and holds it until the result is dropped or this process ends.
pub(crate) fn lock(path: &Utf8Path) -> Result<std::fs::File> {
    let file = append(path)?;
    file.lock()
        .map_err(|e| Failure::failed(format!("could not lock `{path}`")).because(e))?;
    Ok(file)
}

/// Waits until everything that was written to the file system of `directory` is on disk.
pub(crate) fn sync_file_system(directory: &Utf8Path) -> Result<()> {
    open_directory(directory)
        .and_then(|handle| Ok(rustix::fs::syncfs(handle)?))
        .map_err(|e| Failure::failed(format!("could not sync `{directory}`")).because(e))
}

/// Sets the modification time of a file, directory or link, in seconds since 1970; links are not followed.
pub(crate) fn set_modified(path: &Utf8Path, seconds: i64) -> Result<()> {
    let time = rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let times = rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    };
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(rustix::fs::CWD, path.as_std_path(), &times, flags)
        .map_err(|e| Failure::failed(format!("could not set the time of `{path}`")).because(e))
}

fn neighbour(path: &Utf8Path) -> Utf8PathBuf {
    path.with_file_name(format!(".{}.new", path.file_name().unwrap_or("file")))
}

fn remove_if_there(path: &Utf8Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn open_directory(path: &Utf8Path) -> std::io::Result<std::fs::File> {
    let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW;
    let flags = i32::try_from(flags.bits()).map_err(std::io::Error::other)?;
    std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
}

fn sync_directory(path: &Utf8Path) -> std::io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
        (directory, path)
    }

    #[test]
    fn replaces_with_the_mode_asked_for_and_leaves_nothing_beside() {
        let (_keep, root) = scratch();
        let path = root.join("a.conf");
        replace(&path, b"one", 0o600, None).unwrap();
        replace(&path, b"two", 0o640, None).unwrap();
        assert_eq!(read_text(&path).unwrap().as_deref(), Some("two"));
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 1);
    }

    #[test]
    fn what_a_link_leads_to_is_given_away_and_nothing_that_links_in_it_lead_to() {
        use std::os::unix::fs::MetadataExt;
        let (_keep, root) = scratch();
        for place in ["disk/base", "data", "outside"] {
            directory_all(&root.join(place)).unwrap();
        }
        for file in ["disk/base/1", "outside/2"] {
            replace(&root.join(file), b"x", 0o600, None).unwrap();
        }
        link("../disk".into(), &root.join("data/pg")).unwrap();
        link(&root.join("outside"), &root.join("disk/elsewhere")).unwrap();
        // Giving a file to whom it belongs already is seen by this time, and by nothing else.
        let changed = |path: &str| {
            let metadata = root.join(path).symlink_metadata().unwrap();
            (metadata.ctime(), metadata.ctime_nsec())
        };
        let all = [
            "disk",
            "disk/base",
            "disk/base/1",
            "disk/elsewhere",
            "outside",
            "outside/2",
        ];
        let before = all.map(changed);
        std::thread::sleep(std::time::Duration::from_millis(30));
        let metadata = std::fs::metadata(&root).unwrap();
        let owner = Owner {
            uid: metadata.uid(),
            gid: metadata.gid(),
        };
        own_tree(&root.join("data/pg"), owner).unwrap();
        let after = all.map(changed);
        let given: Vec<bool> = before
            .iter()
            .zip(&after)
            .map(|(before, after)| before != after)
            .collect();
        assert_eq!(given, [true, true, true, true, false, false]);
    }

    #[test]
    fn a_directory_that_is_not_there_holds_nothing_and_one_that_cannot_be_listed_is_an_error() {
        let (_keep, root) = scratch();
        assert_eq!(read_entries(&root.join("absent")).unwrap().len(), 0);
        replace(&root.join("file"), b"", 0o600, None).unwrap();
        assert_eq!(read_entries(&root).unwrap()[0].file_name(), "file");
        assert!(read_entries(&root.join("file")).is_err());
    }

    #[test]
    fn a_link_in_the_place_of_a_directory_is_refused() {
        let (_keep, root) = scratch();
        std::os::unix::fs::symlink("/etc", root.join("data")).unwrap();
        assert!(directory(&root.join("data"), 0o700, None).is_err());
    }
}
