//! A working directory's repository as one file: where it stands, and all of its history.
use camino::Utf8Path;

use super::git;
use crate::exec::Cmd;

fn inside(directory: &Utf8Path) -> Cmd {
    // Whoever owns it: no hook, filter or helper of it runs in what is called here.
    git().args(["-c", "safe.directory=*", "-C", directory.as_str()])
}

/// Prints the commit that a working directory stands at; fails where there is none.
pub(crate) fn head(directory: &Utf8Path) -> Cmd {
    inside(directory).args(["rev-parse", "--quiet", "--verify", "HEAD^{commit}"])
}

/// Prints `true` in a clone that has not all of its history.
pub(crate) fn is_shallow(directory: &Utf8Path) -> Cmd {
    inside(directory).args(["rev-parse", "--is-shallow-repository"])
}

/// Writes the history of a working directory's repository to stdout: every branch and tag, and where it stands.
pub(crate) fn bundle(directory: &Utf8Path) -> Cmd {
    inside(directory).args(["bundle", "create", "--quiet", "-", "--all", "HEAD"])
}

/// Prints every name of a bundle with its commit, [`parse_heads`].
pub(crate) fn heads(bundle: &Utf8Path) -> Cmd {
    git().args(["bundle", "list-heads", bundle.as_str()])
}

/// Where a bundle's working directory stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The commit.
    pub(crate) commit: String,
    /// The branch that stood there too; of several, one that is called as most main branches are.
    pub(crate) branch: Option<String>,
}

/// Where the working directory stood; `None` when the text does not say.
pub(crate) fn parse_heads(text: &str) -> Option<Head> {
    let all: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once(' ')).collect();
    let (commit, _) = all.iter().find(|(_, name)| *name == "HEAD")?;
    let mut branches: Vec<&str> = all
        .iter()
        .filter(|(at, name)| at == commit && name.starts_with("refs/heads/"))
        .map(|(_, name)| *name)
        .collect();
    branches.sort_by_key(|name| !matches!(*name, "refs/heads/main" | "refs/heads/master"));
    Some(Head {
        commit: (*commit).to_owned(),
        branch: branches.first().map(|name| (*name).to_owned()),
    })
}

/// Takes every branch and tag of a bundle into a repository that has none.
pub(crate) fn take(directory: &Utf8Path, bundle: &Utf8Path) -> Cmd {
    inside(directory).args([
        "fetch",
        "--quiet",
        "--update-head-ok",
        "--",
        bundle.as_str(),
        "+refs/*:refs/*",
    ])
}

/// Stands at a branch, or at a commit alone, and touches no file.
pub(crate) fn stand(directory: &Utf8Path, head: &Head) -> Cmd {
    match &head.branch {
        Some(branch) => inside(directory).args(["symbolic-ref", "HEAD", branch]),
        None => inside(directory).args(["update-ref", "--no-deref", "HEAD", &head.commit]),
    }
}

/// Makes the index what the commit says; files stay as they are.
pub(crate) fn index(directory: &Utf8Path) -> Cmd {
    inside(directory).args(["reset", "--quiet", "--mixed"])
}

/// Ends well when the commit that a repository stands at has this file.
pub(crate) fn has(directory: &Utf8Path, file: &str) -> Cmd {
    inside(directory).args(["cat-file", "-e", &format!("HEAD:{file}")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_tells_where_its_working_directory_stood() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let text = format!("{a} refs/heads/feature\n{b} refs/heads/old\n{a} refs/heads/main\n{a} HEAD\n");
        let head = parse_heads(&text).unwrap();
        assert_eq!(
            (head.commit.as_str(), head.branch.as_deref()),
            (a.as_str(), Some("refs/heads/main"))
        );
        let detached = parse_heads(&format!("{b} refs/heads/old\n{a} HEAD\n")).unwrap();
        assert_eq!(detached.branch, None);
        assert_eq!(parse_heads(&format!("{b} refs/heads/old\n")), None);
    }

    #[test]
    fn history_goes_to_stdout() {
        let text = bundle("/r".into()).to_string();
        let (_, own) = text.split_once("gc.auto=0 ").unwrap();
        assert_eq!(
            own,
            "-c 'safe.directory=*' -C /r bundle create --quiet - --all HEAD"
        );
    }
}
