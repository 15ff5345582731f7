//! What a tree of Odoo's code holds, file by file: written down when it is built, compared by `lock verify`.
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::{download, tree, walk};
use crate::failure::{Failure, Result};
use crate::files;

/// What is said of a link in place of a hash.
const LINK: &str = "-> ";
/// More threads would only wait for the disk.
const THREADS: usize = 4;

/// Every file with its hash, in the form that `sha256sum --check` reads, and every link.
pub(super) fn list(place: &Utf8Path) -> Result<String> {
    let line = |(path, what): (String, String)| match what.strip_prefix(LINK) {
        Some(target) => format!("# {path} -> {target}\n"),
        None => format!("{what}  {path}\n"),
    };
    Ok(entries(place)?.into_iter().map(line).collect())
}

/// Files of a finished tree that are not as they were when it was built; `None` when that was not written down.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn differences(place: &Utf8Path) -> Result<Option<Vec<String>>> {
    let listed = files::read_text(&place.join(tree::MARKER))?.unwrap_or_default();
    let before = parse(&listed);
    if before.is_empty() {
        return Ok(None);
    }
    let now = entries(place)?;
    let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let differs = |name: &&&String| before.get(**name) != now.get(**name);
    Ok(Some(
        names.iter().filter(differs).map(|name| (*name).clone()).collect(),
    ))
}

fn parse(listed: &str) -> BTreeMap<String, String> {
    let line = |line: &str| match line.strip_prefix("# ") {
        Some(link) => {
            let (path, target) = link.split_once(" -> ")?;
            Some((path.to_owned(), format!("{LINK}{target}")))
        }
        None => line
            .split_once("  ")
            .map(|(hash, path)| (path.to_owned(), hash.to_owned())),
    };
    listed.lines().filter_map(line).collect()
}

/// Hash of every file and target of every link; what Python or an earlier run wrote there does not count.
fn entries(place: &Utf8Path) -> Result<BTreeMap<String, String>> {
    let mut plain: Vec<Utf8PathBuf> = Vec::new();
    walk::walk(place, &mut |path, kind| {
        let below = path.strip_prefix(place).unwrap_or(path);
        let ours = below == tree::MARKER || below.components().any(|part| part.as_str() == "__pycache__");
        if kind.is_file() && !ours {
            plain.push(path.to_owned());
        }
        Ok(())
    })?;
    let name = |path: &Utf8Path| path.strip_prefix(place).unwrap_or(path).to_string();
    let links = walk::links(place)?.into_iter();
    let mut all: BTreeMap<String, String> = links
        .map(|(path, target)| (name(&path), format!("{LINK}{target}")))
        .collect();
    let share = plain.len().div_ceil(THREADS).max(1);
    let hashed = |part: &[Utf8PathBuf]| -> Result<Vec<(String, String)>> {
        let one = |path: &Utf8PathBuf| Ok((name(path), download::hash_of(path)?));
        part.iter().map(one).collect()
    };
    let ended = || Failure::failed(format!("could not read the files of {place}"));
    std::thread::scope(|scope| {
        let parts: Vec<_> = plain
            .chunks(share)
            .map(|part| scope.spawn(|| hashed(part)))
            .collect();
        for part in parts {
            all.extend(part.join().map_err(|_| ended())??);
        }
        Ok(all)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_a_tree_is_named() {
        let keep = tempfile::tempdir().unwrap();
        let place = Utf8Path::from_path(keep.path()).unwrap();
        let write = |path: &str, text: &str| {
            let path = place.join(path);
            files::directory_all(path.parent().unwrap()).unwrap();
            files::replace(&path, text.as_bytes(), 0o644, None).unwrap();
        };
        write("addons/web/a.py", "a = 1\n");
        write("addons/web/with  two.py", "");
        write("odoo-bin", "x");
        files::link(Utf8Path::new("web/a.py"), &place.join("addons/link")).unwrap();
        let marker = place.join(tree::MARKER);
        let text = list(place).unwrap();
        assert!(text.contains("# addons/link -> web/a.py\n"), "{text}");
        write(tree::MARKER, &text);
        assert_eq!(differences(place).unwrap(), Some(Vec::new()));
        write("addons/web/__pycache__/a.pyc", "whatever");
        assert_eq!(differences(place).unwrap(), Some(Vec::new()));
        // The same size and the same time.
        let time = place
            .join("addons/web/a.py")
            .metadata()
            .unwrap()
            .modified()
            .unwrap();
        write("addons/web/a.py", "a = 2\n");
        let file = std::fs::File::options()
            .write(true)
            .open(place.join("addons/web/a.py"))
            .unwrap();
        file.set_modified(time).unwrap();
        write("addons/more.py", "");
        files::remove(&place.join("odoo-bin")).unwrap();
        files::link(Utf8Path::new("more.py"), &place.join("addons/link")).unwrap();
        let changed = ["addons/link", "addons/more.py", "addons/web/a.py", "odoo-bin"];
        assert_eq!(
            differences(place).unwrap(),
            Some(changed.map(str::to_owned).to_vec())
        );
        files::replace(&marker, b"complete\n", 0o644, None).unwrap();
        assert_eq!(differences(place).unwrap(), None);
    }
}
