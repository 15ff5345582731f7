//! What was copied out of images of Odoo that nothing is made from any more: it is removed.
use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::Image;
use odoopack_core::odoo::Series;

use super::Apply;
use crate::failure::Result;
use crate::files;
use crate::observe::containers::release_id;

/// Directories of copies; a release that was built here has others.
const COPIES: [&str; 3] = ["static", "manifests", "neutralize"];
/// Of one that is not whole: it is made again.
const NEW: &str = "new";

impl Apply<'_> {
    /// Removes the copies of all images but this one, the one before it and those whose files nginx was told to send.
    ///
    /// # Shape
    /// Whatever is missing is copied again when its image is pinned again. What cannot be removed is said and stays.
    pub(super) fn remove_old_copies(&self, now: &Image) {
        let kept = [Some(now), self.facts.containers.last("odoo")];
        let kept = kept.into_iter().flatten();
        let kept = kept
            .map(|image| release_id(self.spec.odoo.series, &image.id))
            .collect();
        let removed = unused(&self.layout.releases(), &self.layout.nginx(), &kept)
            .and_then(|unused| unused.iter().try_for_each(|release| remove_copies(release)));
        if let Err(failure) = removed {
            self.ui.warn(&format!(
                "files of an image of Odoo that is not used any more stay in `{}`: {}",
                self.layout.releases(),
                failure.sentence()
            ));
        }
    }
}

/// Directories of copies that nobody needs.
///
/// # Shape
/// None where nginx was told nothing, for then nobody knows what it sends.
fn unused(releases: &Utf8Path, nginx: &Utf8Path, kept: &BTreeSet<String>) -> Result<Vec<Utf8PathBuf>> {
    let served = texts(nginx)?;
    let mut unused = Vec::new();
    for release in files::read_entries(releases)? {
        let name = release.file_name();
        let needed = served.is_empty() || served.contains(name) || kept.contains(name);
        if !needed && is_of_an_image(name) && is_directory(&release) && holds_copies(release.path())? {
            unused.push(release.into_path());
        }
    }
    Ok(unused)
}

/// All that stands in the files of a directory.
fn texts(place: &Utf8Path) -> Result<String> {
    let mut all = String::new();
    for entry in files::read_entries(place)? {
        if is_directory(&entry) {
            all += &texts(entry.path())?;
        } else {
            let bytes = files::read_bytes(entry.path())?.unwrap_or_default();
            all += &String::from_utf8_lossy(&bytes);
        }
    }
    Ok(all)
}

/// Whether this is what [`release_id`] makes of an image: trees of repositories and Python packages lie beside it.
fn is_of_an_image(name: &str) -> bool {
    name.split_once('-').is_some_and(|(series, short)| {
        series.parse::<Series>().is_ok() && short.len() == 12 && short.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

/// A link leads to what somebody else put elsewhere.
fn is_directory(entry: &camino::Utf8DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

/// Whether a directory holds copies and nothing else.
fn holds_copies(release: &Utf8Path) -> Result<bool> {
    let copy = |entry: &camino::Utf8DirEntry| {
        let path = entry.path();
        let ours = path.file_stem().is_some_and(|name| COPIES.contains(&name));
        ours && path.extension().is_none_or(|end| end == NEW) && is_directory(entry)
    };
    Ok(files::read_entries(release)?.iter().all(copy))
}

/// Removes the copies of one image.
fn remove_copies(release: &Utf8Path) -> Result<()> {
    for copy in files::read_entries(release)? {
        // What is there under its own name is believed to be whole.
        let new = copy.path().with_extension(NEW);
        if new != copy.path() {
            files::remove_tree(&new)?;
            files::rename(copy.path(), &new)?;
        }
        files::remove_tree(&new)?;
    }
    files::remove_tree(release)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "18.0-0123456789ab";
    const NOW: &str = "19.0-aaaaaaaaaaaa";
    const SERVED: &str = "19.0-bbbbbbbbbbbb";
    const BUILT: &str = "19.0-cccccccccccc";
    const LINKED: &str = "19.0-dddddddddddd";
    const HALF: &str = "19.0-eeeeeeeeeeee";

    fn pack(files: &[&str]) -> (tempfile::TempDir, Utf8PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(place.path().to_owned()).unwrap();
        for file in files {
            let file = root.join(file);
            files::directory_all(file.parent().unwrap()).unwrap();
            files::replace(&file, file.as_str().as_bytes(), 0o644, None).unwrap();
        }
        (place, root)
    }

    fn names(place: &Utf8Path) -> Vec<String> {
        let all = files::read_entries(place).unwrap();
        let mut names: Vec<_> = all.iter().map(|entry| entry.file_name().to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn only_copies_that_nobody_needs_go() {
        let files = [OLD, NOW, SERVED, HALF, "copies", "18.0-abc"];
        let mut files = files
            .map(|release| format!("releases/{release}/static/web/static/a.css"))
            .to_vec();
        files.extend([
            format!("releases/{OLD}/manifests/0/web/__manifest__.py"),
            format!("releases/{OLD}/static.new/half"),
            format!("releases/{HALF}/static.kept/of-somebody"),
            format!("releases/{BUILT}/static/a"),
            format!("releases/{BUILT}/usr/bin/odoo"),
            "releases/addons/partner-0123/static/b".to_owned(),
            format!("elsewhere/{LINKED}/static/c"),
        ]);
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let (_place, root) = pack(&files);
        let releases = root.join("releases");
        files::directory_all(&releases.join("python")).unwrap();
        files::link(&root.join("elsewhere").join(LINKED), &releases.join(LINKED)).unwrap();
        let (before, nginx, kept) = (names(&releases), root.join("nginx"), [NOW.to_owned()].into());
        let none: [&str; 0] = [];
        // Nobody can say what nginx sends.
        assert_eq!(unused(&releases, &nginx, &kept).unwrap(), none);
        files::directory_all(&nginx).unwrap();
        let site = format!("root /; try_files {releases}/{SERVED}/static$uri @odoo;");
        files::replace(&nginx.join("localhost.conf"), site.as_bytes(), 0o644, None).unwrap();
        let unused = unused(&releases, &nginx, &kept).unwrap();
        assert_eq!(unused, [releases.join(OLD)]);
        remove_copies(&unused[0]).unwrap();
        let left: Vec<_> = before.into_iter().filter(|name| name != OLD).collect();
        assert_eq!(names(&releases), left);
        assert!(root.join("elsewhere").join(LINKED).join("static/c").is_file());
    }

    #[test]
    fn what_cannot_be_read_may_be_what_nginx_sends() {
        let (_place, root) = pack(&[&format!("releases/{OLD}/static/a"), "nginx/own/x.conf"]);
        let (releases, nginx) = (root.join("releases"), root.join("nginx"));
        let all = unused(&releases, &nginx, &BTreeSet::new()).unwrap();
        assert_eq!(all, [releases.join(OLD)]);
        let site = format!("{releases}/{OLD}/static");
        files::replace(&nginx.join("own/x.conf"), site.as_bytes(), 0o644, None).unwrap();
        assert_eq!(unused(&releases, &nginx, &BTreeSet::new()).unwrap(), [""; 0]);
        files::link(&nginx, &nginx.join("strange.conf")).unwrap();
        unused(&releases, &nginx, &BTreeSet::new()).unwrap_err();
    }
}
