//! Fonts and scripts that Debian's Odoo links to: found from the links that lead nowhere, not from the package's word.
use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::walk;
use crate::failure::Result;
use crate::files;

/// Which package owns a place below `/usr/share`.
///
/// # Source
/// Contents of the packages in Debian sid, 2026-11. `fonts-font-awesome` owns the new icons only; what Odoo links to
/// is in its `-legacy` neighbour.
const OWNERS: [(&str, &str); 9] = [
    ("usr/share/fonts-font-awesome/", "fonts-font-awesome-legacy"),
    ("usr/share/fonts/truetype/roboto/", "fonts-roboto-unhinted"),
    ("usr/share/fonts/truetype/montserrat/", "fonts-montserrat"),
    ("usr/share/fonts/truetype/inconsolata/", "fonts-inconsolata"),
    ("usr/share/fonts/opentype/inconsolata/", "fonts-inconsolata"),
    ("usr/share/fonts/opentype/ocr-b/", "fonts-ocr-b"),
    ("usr/share/javascript/jquery/", "libjs-jquery"),
    ("usr/share/javascript/jquery-form/", "libjs-jquery-form"),
    ("usr/share/javascript/underscore/", "libjs-underscore"),
];

/// Files that moved inside their package after Odoo's links were made: the old place, and where it is now.
///
/// # Source
/// fonts-inconsolata 3.001+ds-1 in Debian sid moved to OpenType; odoo-19 19.0.0+dfsg-1 still links to the old file.
const MOVED: [(&str, &str); 1] = [(
    "usr/share/fonts/truetype/inconsolata/Inconsolata.otf",
    "usr/share/fonts/opentype/inconsolata/Inconsolata-Regular.otf",
)];

/// Every package that may be needed; their versions are decided together with Odoo's.
pub(super) fn candidates() -> BTreeSet<&'static str> {
    OWNERS.iter().map(|(_, package)| *package).collect()
}

/// The package that owns a place, given below the tree.
pub(super) fn owner(place: &Utf8Path) -> Option<&'static str> {
    OWNERS
        .iter()
        .find(|(prefix, _)| place.as_str().starts_with(prefix))
        .map(|(_, package)| *package)
}

/// Places, below the tree, that links of the code lead to and where nothing is.
pub(super) fn missing(tree: &Utf8Path) -> Result<BTreeSet<Utf8PathBuf>> {
    let links = walk::links(&tree.join("usr/lib/python3/dist-packages"))?;
    let dangling = links
        .into_iter()
        .filter_map(|(link, target)| first_missing(tree, &link, &target));
    Ok(dangling.collect())
}

/// Where a chain of links breaks. A link out of the tree breaks at once: the host's own files are not the release's.
fn first_missing(tree: &Utf8Path, link: &Utf8Path, target: &Utf8Path) -> Option<Utf8PathBuf> {
    let (mut link, mut target) = (link.to_owned(), target.to_owned());
    for _ in 0..8 {
        let place = walk::normalised(&link.parent().unwrap_or(tree).join(&target));
        let Ok(inside) = place.strip_prefix(tree) else {
            return Some(place);
        };
        match place.read_link_utf8() {
            Ok(next) => (link, target) = (place.clone(), next),
            Err(_) if place.exists() => return None,
            Err(_) => return Some(inside.to_owned()),
        }
    }
    Some(link)
}

/// Puts links where files have moved away, if they are wanted and their new place is there.
pub(super) fn mend(tree: &Utf8Path, missing: &BTreeSet<Utf8PathBuf>) -> Result<()> {
    for (old, new) in MOVED {
        if missing.contains(Utf8Path::new(old)) && tree.join(new).is_file() {
            let place = tree.join(old);
            let directory = place.parent().unwrap_or(tree);
            files::directory_all(directory)?;
            files::directory(directory, 0o755, None)?;
            files::link(&up_to_root(old).join(new), &place)?;
        }
    }
    Ok(())
}

/// `../` as often as needed to reach the tree from the directory of `place`.
fn up_to_root(place: &str) -> Utf8PathBuf {
    "../".repeat(place.matches('/').count()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, Utf8PathBuf) {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(keep.path().to_owned()).unwrap();
        std::fs::create_dir_all(root.join("usr/lib/python3/dist-packages/odoo")).unwrap();
        (keep, root)
    }

    fn link(root: &Utf8Path, name: &str, target: &str) {
        let place = root.join("usr/lib/python3/dist-packages/odoo").join(name);
        std::os::unix::fs::symlink(target, place).unwrap();
    }

    #[test]
    fn the_end_of_a_chain_names_the_package() {
        let (_keep, root) = tree();
        link(&root, "a.js", "../../../../share/javascript/jquery/jquery.js");
        let missing = missing(&root).unwrap();
        assert_eq!(
            missing.iter().map(|place| owner(place)).collect::<Vec<_>>(),
            [Some("libjs-jquery")]
        );
    }

    #[test]
    fn a_font_that_moved_is_mended_once_its_package_is_there() {
        let (_keep, root) = tree();
        link(
            &root,
            "i.otf",
            "../../../../share/fonts/truetype/inconsolata/Inconsolata.otf",
        );
        let before = missing(&root).unwrap();
        mend(&root, &before).unwrap();
        assert_eq!(missing(&root).unwrap(), before);
        let new = root.join(MOVED[0].1);
        std::fs::create_dir_all(new.parent().unwrap()).unwrap();
        files::replace(&new, b"font", 0o644, None).unwrap();
        mend(&root, &before).unwrap();
        assert_eq!(missing(&root).unwrap(), BTreeSet::new());
    }

    #[test]
    fn a_link_out_of_the_tree_is_missing_even_if_the_host_has_the_file() {
        let (_keep, root) = tree();
        link(&root, "p", "/etc/passwd");
        assert_eq!(
            missing(&root).unwrap().into_iter().collect::<Vec<_>>(),
            ["/etc/passwd"]
        );
    }
}
