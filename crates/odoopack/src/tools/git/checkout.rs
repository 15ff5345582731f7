//! Working trees: a submodule of the pack, or a checkout of its own.
use camino::Utf8Path;

use super::git;
use crate::exec::Cmd;

fn within(directory: &Utf8Path) -> Cmd {
    git().args(["-C", directory.as_str()])
}

/// Prints the root of the working tree around a directory; fails where there is none.
pub(crate) fn root(directory: &Utf8Path) -> Cmd {
    within(directory).args(["rev-parse", "--show-toplevel"])
}

/// Prints the place of a repository's own data, absolute.
pub(crate) fn git_directory(directory: &Utf8Path) -> Cmd {
    within(directory).args(["rev-parse", "--absolute-git-dir"])
}

/// Prints the commit that is checked out.
pub(crate) fn head(directory: &Utf8Path) -> Cmd {
    within(directory).args(["rev-parse", "--quiet", "--verify", "HEAD^{commit}"])
}

/// Prints a few commits that only this repository may have: no name of ours and no branch of a remote leads to them.
pub(crate) fn local_commits(data: &Utf8Path) -> Cmd {
    git().arg(format!("--git-dir={data}")).args([
        "rev-list",
        "--oneline",
        "--max-count=5",
        "--all",
        "--not",
        "--glob=refs/odoopack",
        "--remotes",
    ])
}

/// Prints the commit that the data of a repository has checked out; exit code 1 while that is none.
pub(crate) fn head_of(data: &Utf8Path) -> Cmd {
    git()
        .arg(format!("--git-dir={data}"))
        .args(["rev-parse", "--quiet", "--verify", "HEAD^{commit}"])
}

/// Makes an empty repository whose data is apart from its files.
pub(crate) fn init(directory: &Utf8Path, data: &Utf8Path) -> Cmd {
    git()
        .args(["init", "--quiet", "--template="])
        .arg(format!("--separate-git-dir={data}"))
        .arg(directory.as_str())
}

/// Makes an empty repository with everything in one place.
pub(crate) fn init_plain(directory: &Utf8Path) -> Cmd {
    git().args(["init", "--quiet", "--template=", directory.as_str()])
}

/// Sets one value of a repository's configuration.
pub(crate) fn configure(directory: &Utf8Path, key: &str, value: &str) -> Cmd {
    within(directory).args(["config", key, value])
}

/// Takes one commit from a mirror on this machine, without its history.
pub(crate) fn take(directory: &Utf8Path, mirror: &Utf8Path, commit: &str) -> Cmd {
    within(directory)
        .args([
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--no-write-fetch-head",
            "--recurse-submodules=no",
        ])
        .args(["--", mirror.as_str()])
        .arg(format!("+{commit}:refs/odoopack/{commit}"))
}

/// Checks out a commit; changed files that it would overwrite make it fail.
pub(crate) fn switch(directory: &Utf8Path, commit: &str) -> Cmd {
    within(directory)
        .args([
            "checkout",
            "--quiet",
            "--detach",
            "--no-recurse-submodules",
            commit,
            "--",
        ])
        .umask(0o022)
}

/// Fills an index of its own with the checked out commit, so that no remembered time hides a changed byte.
pub(crate) fn fresh_index(directory: &Utf8Path, index: &Utf8Path) -> Cmd {
    within(directory)
        .env("GIT_INDEX_FILE", index.as_str())
        .args(["read-tree", "HEAD"])
}

/// Compares every file with the index, byte by byte; exit code 1 when some differ.
pub(crate) fn compare(directory: &Utf8Path, index: &Utf8Path) -> Cmd {
    within(directory)
        .env("GIT_INDEX_FILE", index.as_str())
        .args(["update-index", "--refresh"])
}

/// The same for files that belong to a bare repository's commit.
pub(crate) fn compare_tree(mirror: &Utf8Path, index: &Utf8Path, tree: &Utf8Path) -> Cmd {
    git()
        .args(["-C", tree.as_str()])
        .arg(format!("--git-dir={mirror}"))
        .arg(format!("--work-tree={tree}"))
        .env("GIT_INDEX_FILE", index.as_str())
        .args(["update-index", "--refresh"])
}

/// The files in what a comparison printed.
pub(crate) fn parse_changed(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| {
        let (file, what) = line.rsplit_once(": ")?;
        matches!(what, "needs update" | "needs merge").then(|| file.to_owned())
    });
    lines.collect()
}

/// Prints files that the index does not know and nobody ignores, NUL between them.
pub(crate) fn unknown(directory: &Utf8Path, index: &Utf8Path) -> Cmd {
    within(directory).env("GIT_INDEX_FILE", index.as_str()).args([
        "ls-files",
        "--others",
        "--exclude-standard",
        "-z",
    ])
}

/// The same beside the files of a bare repository's commit, ignored ones too.
pub(crate) fn unknown_in_tree(mirror: &Utf8Path, index: &Utf8Path, tree: &Utf8Path) -> Cmd {
    git()
        .args(["-C", tree.as_str()])
        .arg(format!("--git-dir={mirror}"))
        .arg(format!("--work-tree={tree}"))
        .env("GIT_INDEX_FILE", index.as_str())
        .args(["ls-files", "--others", "-z"])
}

/// Makes an empty bare repository for objects that are named as `id` is.
pub(crate) fn init_like(place: &Utf8Path, id: &str) -> Cmd {
    let format = if id.len() == 64 { "sha256" } else { "sha1" };
    git()
        .args(["init", "--quiet", "--bare", "--template="])
        .arg(format!("--object-format={format}"))
        .arg(place.as_str())
}

/// Takes every file below a directory into an index of its own, ignored ones too.
pub(crate) fn add_all(objects: &Utf8Path, index: &Utf8Path, tree: &Utf8Path) -> Cmd {
    git()
        .args(["-C", tree.as_str(), "-c", "core.fileMode=true"])
        .arg(format!("--git-dir={objects}"))
        .arg(format!("--work-tree={tree}"))
        .env("GIT_INDEX_FILE", index.as_str())
        .args(["add", "--all", "--force", "--", "."])
}

/// Prints the tree that an index gives.
pub(crate) fn write_tree(objects: &Utf8Path, index: &Utf8Path) -> Cmd {
    git()
        .arg(format!("--git-dir={objects}"))
        .env("GIT_INDEX_FILE", index.as_str())
        .arg("write-tree")
}

/// Records in the pack's index that a directory is a submodule at this commit.
pub(crate) fn record(root: &Utf8Path, path: &str, commit: &str) -> Cmd {
    within(root)
        .args(["update-index", "--add", "--cacheinfo"])
        .arg(format!("160000,{commit},{path}"))
}

/// Takes a path out of the pack's index.
pub(crate) fn forget(root: &Utf8Path, path: &str) -> Cmd {
    within(root).args(["update-index", "--force-remove", "--", path])
}

/// Adds a file to the pack's index.
pub(crate) fn add(root: &Utf8Path, path: &str) -> Cmd {
    within(root).args(["add", "--", path])
}

/// Prints mode, object id and path of everything below a directory in an index, whoever owns it, NUL between them.
pub(crate) fn recorded(root: &Utf8Path, path: &str) -> Cmd {
    git()
        .args(["-c", "safe.directory=*", "-C", root.as_str()])
        .args(["ls-files", "--stage", "-z", "--", path])
}

/// Sets one value of `.gitmodules`.
pub(crate) fn describe(root: &Utf8Path, key: &str, value: &str) -> Cmd {
    within(root).args(["config", "--file", ".gitmodules", key, value])
}

/// Removes a section of `.gitmodules`.
pub(crate) fn undescribe(root: &Utf8Path, section: &str) -> Cmd {
    within(root).args(["config", "--file", ".gitmodules", "--remove-section", section])
}

/// Removes a section of the repository's own configuration.
pub(crate) fn unconfigure(root: &Utf8Path, section: &str) -> Cmd {
    within(root).args(["config", "--remove-section", section])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_differs() {
        let text = "web/__manifest__.py: needs update\na: b.py: needs update\n";
        assert_eq!(parse_changed(text), ["web/__manifest__.py", "a: b.py"]);
        let call = take("/p/oca/web".into(), "/m.git".into(), "abc").to_string();
        assert!(call.ends_with("-C /p/oca/web fetch --quiet --depth=1 --no-tags --no-write-fetch-head --recurse-submodules=no -- /m.git +abc:refs/odoopack/abc"));
    }
}
