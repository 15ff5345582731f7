//! What was copied out of images of Odoo that nothing is made from any more: it is removed.
use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::Image;

use super::Apply;
use crate::failure::{Failure, Result};
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
    /// Whatever is missing is copied again when its image is pinned again.
    pub(super) fn remove_old_copies(&self, now: &Image) -> Result<()> {
        let kept = [Some(now), self.facts.containers.last("odoo")];
        let kept = kept.into_iter().flatten();
        let kept: BTreeSet<String> = kept
            .map(|image| release_id(self.spec.odoo.series, &image.id))
            .collect();
        let mut served = String::new();
        for site in entries(&self.layout.nginx())? {
            served += &files::read_text(&site)?.unwrap_or_default();
        }
        for release in entries(&self.layout.releases())? {
            let name = release.file_name().unwrap_or_default();
            if !kept.contains(name) && !served.contains(name) {
                remove_copies(&release)?;
            }
        }
        Ok(())
    }
}

/// Removes a directory that holds copies and nothing else.
fn remove_copies(release: &Utf8Path) -> Result<()> {
    let all = entries(release)?;
    let copy = |path: &Utf8PathBuf| path.file_stem().is_some_and(|name| COPIES.contains(&name));
    if all.is_empty() || !all.iter().all(copy) {
        return Ok(());
    }
    for path in all {
        // What is there under its own name is believed to be whole.
        let new = path.with_extension(NEW);
        if new != path {
            files::remove_tree(&new)?;
            files::rename(&path, &new)?;
        }
        files::remove_tree(&new)?;
    }
    files::remove_tree(release)
}

/// What lies in a directory; nothing where there is none.
fn entries(place: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let wrong = |e| Failure::failed(format!("could not read `{place}`")).because(e);
    let all = match place.read_dir_utf8() {
        Err(e) if matches!(e.kind(), NotFound | NotADirectory) => return Ok(Vec::new()),
        all => all.map_err(wrong)?,
    };
    all.map(|entry| Ok(entry.map_err(wrong)?.into_path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_copies_go_and_what_was_built_here_stays() {
        let place = tempfile::tempdir().unwrap();
        let place = Utf8Path::from_path(place.path()).unwrap();
        for file in [
            "old/static/web/static/a.css",
            "old/manifests/0/web/__manifest__.py",
            "old/static.new/half",
            "built/static/a",
            "built/usr/bin/odoo",
            "addons/partner-0123/a/static/b",
        ] {
            let file = place.join(file);
            files::directory_all(file.parent().unwrap()).unwrap();
            files::replace(&file, b"", 0o644, None).unwrap();
        }
        files::directory_all(&place.join("python")).unwrap();
        for release in entries(place).unwrap() {
            remove_copies(&release).unwrap();
        }
        let mut left: Vec<_> = entries(place).unwrap();
        left.sort();
        assert_eq!(left, ["addons", "built", "python"].map(|name| place.join(name)));
        assert!(place.join("built/static/a").is_file());
        assert_eq!(entries(&place.join("nowhere")).unwrap(), [""; 0]);
    }
}
