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
    finish(&new, place, locked)
}

fn finish(new: &Utf8Path, place: &Utf8Path, locked: &Locked) -> Result<()> {
    files::sync_file_system(new)?;
    let marker = new.join(MARKER);
    files::replace(&marker, format!("{}\n", locked.tree).as_bytes(), 0o644, None)?;
    files::set_modified(&marker, time_of(&locked.tree))?;
    files::set_modified(new, time_of(&locked.tree))?;
    files::remove_tree(place)?;
    files::rename(new, place)
}

/// Takes a tree from elsewhere, which `fill` puts into an empty directory; says `false`, and leaves nothing, when it puts nothing there or
/// not exactly the tree of the lock.
pub(crate) fn take(
    place: &Utf8Path,
    locked: &Locked,
    fill: impl FnOnce(&Utf8Path) -> Result<bool>,
) -> Result<bool> {
    if is_whole(place) {
        return Ok(true);
    }
    let parent = place.parent().unwrap_or(place);
    let new = parent.join(format!(".{}.new", place.file_name().unwrap_or("tree")));
    files::directory_all(parent)?;
    files::remove_tree(&new)?;
    files::directory(&new, 0o755, None)?;
    let taken = fill(&new).and_then(|filled| Ok(filled && is_of(&new, locked)?));
    if !matches!(taken, Ok(true)) {
        files::remove_tree(&new)?;
        return taken;
    }
    finish(&new, place, locked)?;
    Ok(true)
}

/// Whether a directory holds the files of the lock's tree and nothing else; then it gets their times too.
fn is_of(new: &Utf8Path, locked: &Locked) -> Result<bool> {
    files::remove(&new.join(MARKER))?;
    // Its objects are as big as the tree: they go to the same disk, by a name that the next one removes after a kill.
    let keep = Utf8PathBuf::from(format!("{new}.objects"));
    files::remove_tree(&keep)?;
    files::directory(&keep, 0o700, None)?;
    let is = is_committed(new, &keep, locked);
    files::remove_tree(&keep)?;
    is
}

fn is_committed(new: &Utf8Path, keep: &Utf8Path, locked: &Locked) -> Result<bool> {
    let (objects, index) = (keep.join("objects.git"), keep.join("index"));
    git::checkout::init_like(&objects, &locked.tree).run()?;
    git::checkout::add_all(&objects, &index, new).run()?;
    let tree = git::checkout::write_tree(&objects, &index).read()?;
    if tree.trim() != locked.tree {
        return Ok(false);
    }
    set_times(&git::staged(&objects, &index).read()?, new, locked.used())?;
    Ok(true)
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
    set_times(&written?, new, commit)
}

fn set_times(listed: &str, new: &Utf8Path, commit: &str) -> Result<()> {
    let mut directories = std::collections::BTreeSet::new();
    for (id, path) in git::parse_staged(listed) {
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
        files::directory(directory, 0o755, None)?;
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
    fn a_tree_from_elsewhere_is_taken_when_it_is_the_one_of_the_lock() {
        let upstream = Repository::new();
        for (name, text, mode) in [
            ("web_more/models/a.py", "x = 1\n", 0o644),
            ("web_more/bin/run.sh", "#!/bin/sh\n", 0o755),
            ("web_more/static/lib/node_modules/a.js", "1\n", 0o644),
            ("web_more/.gitignore", "*.js\n", 0o644),
            (".gitattributes", "*.csv text eol=crlf\n", 0o644),
            ("web_more/data/a.csv", "a\n", 0o644),
        ] {
            let path = upstream.place.join(name);
            files::directory_all(path.parent().unwrap()).unwrap();
            files::replace(&path, text.as_bytes(), mode, None).unwrap();
        }
        files::link("models".into(), &upstream.place.join("web_more/link")).unwrap();
        super::super::fixture::git(&upstream.place, &["add", "--force", "web_more/static"]);
        let locked = upstream.locked(&upstream.commit());
        let mirror = Mirror {
            place: upstream.git_directory(),
            url: locked.url.clone(),
            way: git::Way::default(),
        };
        let [built, taken] = ["built", "taken"].map(|name| upstream.root.join(name));
        build(&built, &mirror, &locked).unwrap();
        // Without times and modes of directories, as a snapshot brings it.
        let copy = |new: &Utf8Path| {
            let from = format!("{built}/.");
            let cmd = crate::exec::Cmd::new("cp").args(["-r", "--preserve=mode", &from, new.as_str()]);
            cmd.run().map(|()| true)
        };
        assert!(take(&taken, &locked, copy).unwrap());
        assert!(is_whole(&taken));
        assert_eq!(differences(&taken, &mirror.place, &locked).unwrap(), [""; 0]);
        let time = |place: &Utf8Path| {
            let file = place.join("web_more/models/a.py");
            file.metadata().unwrap().modified().unwrap()
        };
        assert_eq!(time(&taken), time(&built));
        // Nothing there, something else there, something more there: nothing is left of it.
        let other = upstream.root.join("other");
        assert!(!take(&other, &locked, |_| Ok(false)).unwrap());
        for (name, text) in [("web_more/models/a.py", "x = 2\n"), ("web_more/more.py", "")] {
            let spoilt = |new: &Utf8Path| {
                copy(new)?;
                files::replace(&new.join(name), text.as_bytes(), 0o644, None)?;
                Ok(true)
            };
            assert!(!take(&other, &locked, spoilt).unwrap(), "{name}");
        }
        let left = upstream.root.read_dir_utf8().unwrap().flatten();
        let left: Vec<String> = left.map(|entry| entry.file_name().to_owned()).collect();
        assert!(!left.iter().any(|name| name.contains("other")), "{left:?}");
    }

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
