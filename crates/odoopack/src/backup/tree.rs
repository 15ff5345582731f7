//! A directory of small files as it is: configuration, certificates, the pack's own tree.
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_repository::{Content, Item};

use crate::failure::{Failure, Result};

/// What is made again from the rest, and what has a place of its own in a snapshot.
const LEFT_OUT: &[&str] = &[".git", "__pycache__", "node_modules", ".venv"];
/// What is no part of a commit's files.
const NOT_OF_GIT: &[&str] = &["__pycache__"];

/// What a walk leaves out: directories by what they are, and whatever has such a name.
#[derive(Clone, Copy)]
struct But<'a> {
    places: &'a [Utf8PathBuf],
    names: &'a [&'a str],
}

/// Every file of a commit, as it was checked out, as items below `place`.
pub(crate) fn items_of_git(directory: &Utf8Path, place: &str) -> Result<Vec<Item>> {
    let but = But {
        places: &[],
        names: NOT_OF_GIT,
    };
    Walk::new(directory, but, false).whole(place)
}

/// Every file below `directory` as items below `place`, in the order of their paths; none when it is not there.
pub(crate) fn items(directory: &Utf8Path, place: &str) -> Result<Vec<Item>> {
    let but = But {
        places: &[],
        names: LEFT_OUT,
    };
    Walk::new(directory, but, false).whole(place)
}

/// What can be read of a directory.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// In the order of their paths.
    pub(crate) items: Vec<Item>,
    /// Places in the directory that could not be taken, each with its reason.
    pub(crate) left_out: Vec<String>,
}

/// What can be read below `directory`, without what lies below the directories `but`, by whatever way they are reached: people keep
/// there what they like, and one odd file must not keep the database from being saved.
pub(crate) fn readable(directory: &Utf8Path, place: &str, but: &[Utf8PathBuf]) -> Found {
    // One that cannot be looked at cannot be walked through either.
    let real = but
        .iter()
        .map(|path| path.canonicalize_utf8().unwrap_or_else(|_| path.clone()));
    let places: Vec<Utf8PathBuf> = real.collect();
    let but = But {
        places: &places,
        names: LEFT_OUT,
    };
    Walk::new(directory, but, true).all(place)
}

/// A walk through a directory.
struct Walk<'a> {
    top: &'a Utf8Path,
    but: But<'a>,
    /// Whether files are opened, to know of those that cannot be read.
    opens: bool,
    found: Found,
    /// The first thing that went wrong.
    failure: Option<Failure>,
}

impl<'a> Walk<'a> {
    fn new(top: &'a Utf8Path, but: But<'a>, opens: bool) -> Self {
        Self {
            top,
            but,
            opens,
            found: Found::default(),
            failure: None,
        }
    }

    /// All of it, or why not.
    fn whole(mut self, place: &str) -> Result<Vec<Item>> {
        let failure = self.take(place);
        failure.map_or(Ok(self.found.items), Err)
    }

    /// What there is of it.
    fn all(mut self, place: &str) -> Found {
        self.take(place);
        self.found
    }

    fn take(&mut self, place: &str) -> Option<Failure> {
        self.directory(self.top.as_std_path(), place);
        // `a-b` sorts before `a/b` as text, and after it as a path.
        let items = &mut self.found.items;
        items.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        self.found.left_out.sort();
        self.failure.take()
    }

    fn miss(&mut self, path: &Path, what: &str, why: impl std::fmt::Display) {
        let place = path.strip_prefix(self.top).unwrap_or(path).display();
        self.found.left_out.push(format!("{place}: {why}"));
        let failure = || Failure::failed(format!("could not {what} `{}`", path.display()));
        self.failure
            .get_or_insert_with(|| failure().because(why.to_string()));
    }

    fn directory(&mut self, directory: &Path, place: &str) {
        let gone = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
        if !self.but.places.is_empty() {
            match directory.canonicalize() {
                Ok(real) if self.but.places.iter().any(|one| *one == real) => return,
                Ok(_) => {}
                Err(e) if gone(&e) => return,
                Err(e) => return self.miss(directory, "look at", e),
            }
        }
        let entries = match directory.read_dir() {
            Ok(entries) => entries,
            Err(e) if gone(&e) => return,
            Err(e) => return self.miss(directory, "list", e),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(e) => return self.miss(directory, "list", e),
            };
            let (path, name) = (entry.path(), entry.file_name());
            match name.to_str() {
                None => self.miss(&path, "take", "its name is no UTF-8"),
                Some(name) if self.but.names.contains(&name) => {}
                Some(name) => self.one(&path, &format!("{place}/{name}")),
            }
        }
    }

    fn one(&mut self, path: &Path, place: &str) {
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_dir() => self.directory(path, place),
            Ok(metadata) => match self.item(path, place, &metadata) {
                Ok(item) => {
                    self.found.items.extend(item);
                    self.leads_out(path);
                }
                Err(e) => self.miss(path, "look at", e),
            },
            Err(e) => self.miss(path, "look at", e),
        }
    }

    /// Of what lies outside, only the link is taken: on another machine it leads nowhere.
    fn leads_out(&mut self, path: &Path) {
        let reached = |path: &Path| path.canonicalize().ok();
        let (Some(target), Some(top)) = (reached(path), reached(self.top.as_std_path())) else {
            return;
        };
        let has_a_place = self.but.places.iter().any(|place| target.starts_with(place));
        // An interpreter that an environment of Python links to is no code of the pack.
        if self.opens && path.is_symlink() && target.is_dir() && !target.starts_with(top) && !has_a_place {
            let why = format!("only the link is taken, and not `{}`", target.display());
            self.miss(path, "take all of", why);
        }
    }

    /// `None`: a socket or a pipe has no content.
    fn item(&self, path: &Path, place: &str, metadata: &Metadata) -> io::Result<Option<Item>> {
        let (content, size) = if metadata.is_symlink() {
            let target = path.read_link()?.into_os_string().into_string();
            let target = target.map_err(|_| io::Error::other("what it links to is no UTF-8"))?;
            (Content::Link(target), 0)
        } else if metadata.is_file() {
            if self.opens {
                begin(path)?;
            }
            (Content::Loose(path.to_owned()), metadata.len())
        } else {
            return Ok(None);
        };
        let modified = metadata.modified()?;
        Ok(Some(Item {
            path: place.to_owned(),
            content,
            size,
            modified: modified
                .try_into()
                .map_err(|e: jiff::Error| io::Error::other(format!("it has an odd time: {e}")))?,
            mode: std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777,
        }))
    }
}

/// Opens a file and reads its first byte: a bad disk opens what it cannot read.
fn begin(path: &Path) -> io::Result<()> {
    File::open(path)?.read(&mut [0]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    #[test]
    fn takes_files_and_links_in_the_order_of_paths() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        for name in ["a/x", "a-b", ".git/config", "b/__pycache__/c.pyc"] {
            let path = root.join(name);
            files::directory_all(path.parent().unwrap()).unwrap();
            files::replace(&path, b"x", 0o640, None).unwrap();
        }
        files::link("a/x".into(), &root.join("c")).unwrap();
        let found = items(root, "pack/tree").unwrap();
        let paths: Vec<_> = found.iter().map(|item| item.path.as_str()).collect();
        assert_eq!(paths, ["pack/tree/a/x", "pack/tree/a-b", "pack/tree/c"]);
        assert!(matches!(&found[2].content, Content::Link(target) if target == "a/x"));
        assert!(items(&root.join("nothing"), "x").unwrap().is_empty());
    }

    #[test]
    fn what_has_a_place_of_its_own_is_left_out_by_whatever_name() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        for name in [
            "root/odoopack.toml",
            "root/data/secrets/BACKUP_KEY",
            "root/addons/data/x.xml",
        ] {
            let path = root.join(name);
            files::directory_all(path.parent().unwrap()).unwrap();
            files::replace(&path, b"x", 0o640, None).unwrap();
        }
        files::link("root".into(), &root.join("other")).unwrap();
        let but = [root.join("other/data"), root.join("other/backups")];
        let found = readable(&root.join("root"), "pack/tree", &but);
        let paths: Vec<_> = found.items.iter().map(|item| item.path.as_str()).collect();
        assert_eq!(paths, ["pack/tree/addons/data/x.xml", "pack/tree/odoopack.toml"]);
        assert!(found.left_out.is_empty(), "{:?}", found.left_out);
    }

    #[test]
    fn what_a_link_leads_to_outside_is_said() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        for name in ["pack/addons/own/x", "elsewhere/module/x", "pack/data/x"] {
            let path = root.join(name);
            files::directory_all(path.parent().unwrap()).unwrap();
            files::replace(&path, b"x", 0o640, None).unwrap();
        }
        let link =
            |to: &str, from: &str| files::link(to.into(), &root.join("pack/addons").join(from)).unwrap();
        link("../../elsewhere/module", "module");
        link("own", "inside");
        link("../data", "placed");
        link("/nowhere/at/all", "broken");
        let found = readable(&root.join("pack"), "pack/tree", &[root.join("pack/data")]);
        assert_eq!(found.left_out.len(), 1, "{:?}", found.left_out);
        assert!(found.left_out[0].starts_with("addons/module: only the link is taken"));
        assert!(
            found
                .items
                .iter()
                .any(|item| item.path == "pack/tree/addons/module")
        );
    }

    #[test]
    fn one_odd_name_or_file_keeps_nothing_else_from_being_taken() {
        use std::os::unix::ffi::OsStrExt;
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        for name in ["a/x", "b"] {
            let path = root.join(name);
            files::directory_all(path.parent().unwrap()).unwrap();
            files::replace(&path, b"x", 0o640, None).unwrap();
        }
        // What is left of a name in Latin-1, as in an archive of somebody.
        let odd = std::ffi::OsStr::from_bytes(b"Stra\xdfe");
        std::os::unix::fs::symlink("b", root.as_std_path().join("a").join(odd)).unwrap();
        std::os::unix::fs::symlink(odd, root.join("c")).unwrap();
        let found = readable(root, "pack/tree", &[]);
        let paths: Vec<_> = found.items.iter().map(|item| item.path.as_str()).collect();
        assert_eq!(paths, ["pack/tree/a/x", "pack/tree/b"]);
        assert_eq!(
            found.left_out,
            [
                "a/Stra\u{fffd}e: its name is no UTF-8",
                "c: what it links to is no UTF-8"
            ]
        );
        assert!(items(root, "tls").is_err(), "what is whole or nothing stays so");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_out() {
        let but = But {
            places: &[],
            names: LEFT_OUT,
        };
        let mut walk = Walk::new("/proc/self".into(), but, true);
        // A file that anybody may open here, and from whose beginning nobody reads.
        walk.one(Path::new("/proc/self/mem"), "pack/tree/mem");
        assert!(walk.found.items.is_empty());
        assert!(
            walk.found.left_out[0].starts_with("mem: "),
            "{:?}",
            walk.found.left_out
        );
    }
}
