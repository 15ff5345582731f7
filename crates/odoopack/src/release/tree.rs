//! A tree of Odoo's code: which series it is, what starts it, where its modules are.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::spec::Series;

use crate::failure::{Failure, Result};
use crate::files;

/// Written into a tree when everything else is there; holds what that is.
pub(super) const MARKER: &str = ".odoopack-tree";
/// Where a Debian package keeps Python code.
const DIST_PACKAGES: &str = "usr/lib/python3/dist-packages";

/// Where things are in a tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) entry: Utf8PathBuf,
    pub(super) python_path: Option<Utf8PathBuf>,
    pub(super) addons: Vec<Utf8PathBuf>,
}

/// Checks that a tree is Odoo of `wanted` and finds its parts.
pub(super) fn describe(tree: &Utf8Path, wanted: Series) -> Result<Found> {
    let packaged = tree.join(DIST_PACKAGES);
    let (package, entries) = if packaged.join("odoo/release.py").is_file() {
        (packaged.as_path(), ["usr/bin/odoo", "usr/bin/odoo-bin"])
    } else {
        (tree, ["odoo-bin", "setup/odoo"])
    };
    check_series(&package.join("odoo/release.py"), wanted)?;
    let entry = entries
        .map(|entry| tree.join(entry))
        .into_iter()
        .find(|entry| entry.is_file());
    let entry = entry.ok_or_else(|| {
        Failure::refused(format!("`{tree}` has no program that starts Odoo"))
            .because(format!("looked for {entries:?}"))
    })?;
    Ok(Found {
        entry,
        python_path: (package != tree).then(|| package.to_owned()),
        addons: addons(package),
    })
}

fn addons(package: &Utf8Path) -> Vec<Utf8PathBuf> {
    ["odoo/addons", "addons"]
        .map(|name| package.join(name))
        .into_iter()
        .filter(|path| path.is_dir())
        .collect()
}

fn check_series(file: &Utf8Path, wanted: Series) -> Result<()> {
    let text = files::read_text(file)?
        .ok_or_else(|| Failure::refused(format!("this is no Odoo: there is no `{file}`")))?;
    let found = parse_series(&text)
        .ok_or_else(|| Failure::refused(format!("could not find Odoo's version in `{file}`")))?;
    if found == wanted.to_string() {
        return Ok(());
    }
    Err(
        Failure::refused(format!("the source is Odoo {found}, the file asks for {wanted}"))
            .because(format!("`{file}`"))
            .hint(format!(
                "set `series = \"{found}\"` in [odoo], or name another source"
            )),
    )
}

/// The series in `odoo/release.py`: `version_info = (19, 0, 0, FINAL, 0, '')`.
fn parse_series(text: &str) -> Option<String> {
    let tuple = text
        .lines()
        .find_map(|line| line.strip_prefix("version_info = ("))?;
    let mut parts = tuple.split(',').map(|part| part.trim().trim_matches(['\'', '"']));
    Some(format!("{}.{}", parts.next()?, parts.next()?))
}

/// Whether a tree was finished.
pub(super) fn is_whole(tree: &Utf8Path) -> bool {
    tree.join(MARKER).is_file()
}

/// Builds a tree in a neighbour of its place with `fill`, checks it, and gives it its name.
///
/// # Effects
/// What an interrupted run left beside it is removed first; the tree is readable for everybody.
pub(super) fn build(
    tree: &Utf8Path,
    wanted: Series,
    fill: impl FnOnce(&Utf8Path) -> Result<()>,
) -> Result<()> {
    let parent = tree.parent().unwrap_or(tree);
    let new = parent.join(format!(".{}.new", tree.file_name().unwrap_or("tree")));
    files::directory_all(parent)?;
    files::remove_tree(&new)?;
    files::directory(&new, 0o755, None)?;
    let filled = fill(&new).and_then(|()| describe(&new, wanted));
    if let Err(failure) = filled {
        files::remove_tree(&new)?;
        return Err(failure);
    }
    files::sync_file_system(&new)?;
    let listed = super::contents::list(&new)?;
    files::replace(&new.join(MARKER), listed.as_bytes(), 0o644, None)?;
    files::remove_tree(tree)?;
    files::rename(&new, tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_series_of_every_kind_of_release() {
        for (line, series) in [
            ("version_info = (19, 0, 0, FINAL, 0, '')", Some("19.0")),
            ("version_info = (17, 0, 0, FINAL, 0, '')", Some("17.0")),
            (
                "version_info = ('saas~18', 2, 0, FINAL, 0, '')",
                Some("saas~18.2"),
            ),
            ("version = '1'", None),
        ] {
            assert_eq!(parse_series(&format!("# x\n{line}\n")).as_deref(), series);
        }
    }
}
