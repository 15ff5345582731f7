//! A directory of small files as it is: configuration, certificates, the pack's own tree.
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
    walked(
        directory,
        place,
        But {
            places: &[],
            names: NOT_OF_GIT,
        },
    )
}

/// Every file below `directory` as items below `place`, in the order of their paths; none when it is not there.
pub(crate) fn items(directory: &Utf8Path, place: &str) -> Result<Vec<Item>> {
    items_but(directory, place, &[])
}

/// The same without what lies below the directories `but`, by whatever way they are reached.
pub(crate) fn items_but(directory: &Utf8Path, place: &str, but: &[Utf8PathBuf]) -> Result<Vec<Item>> {
    let mut places = Vec::new();
    for path in but {
        match path.canonicalize_utf8() {
            Ok(path) => places.push(path),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Failure::failed(format!("could not look at `{path}`")).because(e)),
        }
    }
    walked(
        directory,
        place,
        But {
            places: &places,
            names: LEFT_OUT,
        },
    )
}

fn walked(directory: &Utf8Path, place: &str, but: But<'_>) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    walk(directory, place, but, &mut items)?;
    // `a-b` sorts before `a/b` as text, and after it as a path.
    items.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    Ok(items)
}

fn walk(directory: &Utf8Path, place: &str, but: But<'_>, items: &mut Vec<Item>) -> Result<()> {
    let failed = |e: std::io::Error| Failure::failed(format!("could not list `{directory}`")).because(e);
    if !but.places.is_empty() && directory.exists() {
        let real = directory.canonicalize_utf8().map_err(failed)?;
        if but.places.contains(&real) {
            return Ok(());
        }
    }
    let entries = match directory.read_dir_utf8() {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed(e)),
    };
    for entry in entries {
        let path: Utf8PathBuf = entry.map_err(failed)?.into_path();
        let name = path.file_name().unwrap_or_default();
        if !but.names.contains(&name) {
            one(&path, &format!("{place}/{name}"), but, items)?;
        }
    }
    Ok(())
}

fn one(path: &Utf8Path, place: &str, but: But<'_>, items: &mut Vec<Item>) -> Result<()> {
    let failed = |e: std::io::Error| Failure::failed(format!("could not look at `{path}`")).because(e);
    let metadata = path.symlink_metadata().map_err(failed)?;
    if metadata.is_dir() {
        return walk(path, place, but, items);
    }
    let modified = metadata.modified().map_err(failed)?;
    let (content, size) = if metadata.is_symlink() {
        let target = path.read_link_utf8().map_err(failed)?;
        (Content::Link(target.to_string()), 0)
    } else if metadata.is_file() {
        (Content::File(path.as_std_path().to_owned()), metadata.len())
    } else {
        // A socket or a pipe has no content.
        return Ok(());
    };
    items.push(Item {
        path: place.to_owned(),
        content,
        size,
        modified: modified
            .try_into()
            .map_err(|e: jiff::Error| Failure::failed(format!("`{path}` has an odd time")).because(e))?,
        mode: std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777,
    });
    Ok(())
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
        let found = items_but(&root.join("root"), "pack/tree", &but).unwrap();
        let paths: Vec<_> = found.iter().map(|item| item.path.as_str()).collect();
        assert_eq!(paths, ["pack/tree/addons/data/x.xml", "pack/tree/odoopack.toml"]);
    }
}
