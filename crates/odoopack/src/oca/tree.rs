//! The trees that releases are built from: one directory per tree of a repository, file times from content.
use std::path::{Component, Path};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::layout::Layout;
use odoopack_core::oca_lock::{Locked, time_of};

use super::mirror::Mirror;
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::git;

/// Written into a tree when everything else is there.
const MARKER: &str = ".odoopack-tree";

/// Where the tree of a repository is.
pub(crate) fn place(layout: &Layout, name: &str, locked: &Locked) -> Utf8PathBuf {
    let short = &locked.tree[..12.min(locked.tree.len())];
    layout.releases().join("addons").join(format!("{name}-{short}"))
}

/// Whether a tree was finished.
pub(crate) fn is_whole(place: &Utf8Path) -> bool {
    place.join(MARKER).is_file()
}

/// Builds the tree of a repository unless it is there.
pub(crate) fn build(place: &Utf8Path, mirror: &Mirror, locked: &Locked) -> Result<()> {
    if is_whole(place) {
        return Ok(());
    }
    let parent = place.parent().unwrap_or(place);
    let new = parent.join(format!(".{}.new", place.file_name().unwrap_or("tree")));
    files::directory_all(parent)?;
    files::remove_tree(&new)?;
    files::directory(&new, 0o755, None)?;
    let tree = mirror.tree(locked.used())?;
    if tree != locked.tree {
        return Err(Failure::refused(format!(
            "commit {} of `{}` has another tree than the lock says",
            locked.used(),
            mirror.url
        ))
        .because(format!("tree {tree} instead of {}", locked.tree))
        .hint("`odoopack lock verify`"));
    }
    check_out(&mirror.place, locked.used(), &new)?;
    files::sync_file_system(&new)?;
    let marker = new.join(MARKER);
    files::replace(&marker, format!("{}\n", locked.tree).as_bytes(), 0o644, None)?;
    files::set_modified(&marker, time_of(&locked.tree))?;
    files::set_modified(&new, time_of(&locked.tree))?;
    files::remove_tree(place)?;
    files::rename(&new, place)
}

/// Writes a commit's files; each has a time made from its content, so that equal files have equal times in every tree.
///
/// # Source
/// Odoo makes the addresses of its bundles from file times (tried on 19.0, E18).
pub(crate) fn check_out(mirror: &Utf8Path, commit: &str, new: &Utf8Path) -> Result<()> {
    let index = Utf8PathBuf::from(format!("{new}.index"));
    files::remove(&index)?;
    let written = git::read_tree(mirror, &index, commit)
        .run()
        .and_then(|()| git::checkout(mirror, &index, new).run())
        .and_then(|()| git::staged(mirror, &index).read());
    files::remove(&index)?;
    let listed = written?;
    let mut directories = std::collections::BTreeSet::new();
    for (id, path) in git::parse_staged(&listed) {
        let file = new.join(path);
        // A submodule of the repository is an empty directory here.
        if let Ok(seen) = file.symlink_metadata() {
            if seen.is_symlink() {
                stays_inside(&file, Utf8Path::new(path), commit)?;
            }
            files::set_modified(&file, time_of(id))?;
        }
        let above = Utf8Path::new(path).ancestors().skip(1);
        directories.extend(above.map(|directory| new.join(directory)));
    }
    // What holds others comes after what it holds, so nothing changes it again.
    for directory in directories.iter().rev() {
        files::set_modified(directory, time_of(""))?;
    }
    Ok(())
}

/// A link out of the tree would hand out files of this machine: a web server follows what it finds in `static`.
fn stays_inside(link: &Utf8Path, path: &Utf8Path, commit: &str) -> Result<()> {
    let target = link
        .as_std_path()
        .read_link()
        .map_err(|e| Failure::failed(format!("could not read link `{link}`")).because(e))?;
    if leads_inside(path, &target) {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "`{path}` of commit {commit} is a link that leads out of the repository"
    ))
    .because(format!("to `{}`", target.display()))
    .hint("take another commit: `odoopack oca update`, or leave the repository out: `odoopack oca remove`"))
}

/// Whether a link at `path` leads to something of its tree. Going up is only believed at the beginning: behind another
/// link it leads elsewhere than it looks.
fn leads_inside(path: &Utf8Path, target: &Path) -> bool {
    let mut up = 0;
    let mut down = false;
    for part in target.components() {
        match part {
            Component::ParentDir if !down => up += 1,
            Component::Normal(_) => down = true,
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    up < path.components().count()
}

/// Files of a tree that are not as the commit has them.
///
/// # Shape
/// `objects` is the data of any repository that holds the commit.
pub(crate) fn differences(place: &Utf8Path, objects: &Utf8Path, locked: &Locked) -> Result<Vec<String>> {
    let keep = tempfile::tempdir().map_err(|e| Failure::failed("could not make a directory").because(e))?;
    let index = Utf8Path::from_path(keep.path())
        .ok_or_else(|| Failure::failed("the directory for temporary files is not UTF-8"))?
        .join("index");
    git::read_tree(objects, &index, locked.used()).run()?;
    let compared = git::checkout::compare_tree(objects, &index, place).outcome()?;
    let mut all = git::checkout::parse_changed(&compared.stdout);
    let unknown = git::checkout::unknown_in_tree(objects, &index, place).read()?;
    let more = unknown
        .split('\0')
        .map(str::trim)
        .filter(|path| !path.is_empty() && *path != MARKER);
    // Odoo writes no bytecode there, but somebody who tries something may.
    all.extend(
        more.filter(|path| !path.contains("__pycache__/"))
            .map(str::to_owned),
    );
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Repository;
    use super::*;

    #[test]
    fn a_link_that_leads_out_of_the_repository_is_refused() {
        let upstream = Repository::new();
        let build = |name: &str, target: &str| {
            let link = upstream.place.join(name);
            files::directory_all(link.parent().unwrap()).unwrap();
            files::link(target.into(), &link).unwrap();
            let new = upstream.root.join("tree");
            files::remove_tree(&new).unwrap();
            files::directory_all(&new).unwrap();
            let checked = check_out(&upstream.git_directory(), &upstream.commit(), &new);
            files::remove(&link).unwrap();
            checked
        };
        for (name, target) in [
            ("setup/web_more/odoo/addons/web_more", "../../../../web_more"),
            ("web_more/static/more", "./../__manifest__.py"),
            ("link", "web_more"),
        ] {
            build(name, target).unwrap_or_else(|e| panic!("{target}: {e}"));
        }
        for (name, target) in [
            ("web_more/static/passwords", "/etc/passwd"),
            ("web_more/static/up", "../../.."),
            ("web_more/static/around", "../../web_more/../.."),
            ("link", ".."),
        ] {
            let said = build(name, target).unwrap_err().to_string();
            assert!(said.contains("leads out of the repository"), "{said}");
        }
    }
}
