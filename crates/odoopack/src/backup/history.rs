//! The history of a pack out of a snapshot: its files are back, and are a git repository again.
use camino::Utf8Path;
use odoopack_core::backup::paths;

use super::stored::Opened;
use crate::context::FILE;
use crate::failure::{Failure, Result};
use crate::files;
use crate::tools::git::{bundle, checkout};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum History {
    /// The directory is a repository again.
    Back,
    /// The snapshot holds none.
    None,
    /// The pack was a directory of a bigger repository: the bundle lies beside.
    OfMore,
    /// Git does not take it, and says why: the bundle lies beside.
    Beside(String),
    /// It cannot be read out of the snapshot.
    Lost(String),
}

/// Makes `directory`, which holds the pack's files, a git repository with the history of the snapshot.
///
/// # Errors
/// Only when what was begun cannot be taken away again: a history that cannot be had is no reason to have no data either.
pub(crate) fn bring(opened: &Opened, directory: &Utf8Path, beside: &Utf8Path) -> Result<History> {
    match read(opened, beside) {
        Ok(true) => unpack(directory, beside),
        Ok(false) => Ok(History::None),
        Err(failure) => {
            files::remove(beside)?;
            Ok(History::Lost(failure.chain().join(": ")))
        }
    }
}

/// Writes the bundle; says `false` when the snapshot holds none.
fn read(opened: &Opened, beside: &Utf8Path) -> Result<bool> {
    let in_parts = format!("{}/", paths::HISTORY);
    if !opened
        .files()?
        .iter()
        .any(|(path, _)| path.starts_with(&in_parts))
    {
        return Ok(false);
    }
    files::remove(beside)?;
    let mut file = files::create(beside, 0o600, None)?;
    opened.parts(paths::HISTORY, &mut file)?;
    Ok(true)
}

fn unpack(directory: &Utf8Path, beside: &Utf8Path) -> Result<History> {
    let taken = take(directory, beside);
    if !matches!(taken, Ok(History::Back)) {
        files::remove_tree(&directory.join(".git"))?;
    }
    taken.or_else(|failure| Ok(History::Beside(failure.chain().join(": "))))
}

fn take(directory: &Utf8Path, beside: &Utf8Path) -> Result<History> {
    let head = bundle::heads(beside).read()?;
    let head = bundle::parse_heads(&head)
        .ok_or_else(|| Failure::failed("the history of the snapshot does not say where the pack stood"))?;
    checkout::init_plain(directory).run()?;
    bundle::take(directory, beside).run()?;
    bundle::stand(directory, &head).run()?;
    if !bundle::has(directory, FILE).outcome()?.status.success() {
        return Ok(History::OfMore);
    }
    bundle::index(directory).run()?;
    files::remove(beside)?;
    Ok(History::Back)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Cmd;

    fn git(directory: &Utf8Path, args: &[&str]) -> String {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let cmd = Cmd::new("git").without("GIT_").directory(directory);
        cmd.args(who).args(args.iter().copied()).read().unwrap()
    }

    /// A repository with two commits, and a clone of it as deep as that.
    fn cloned(root: &Utf8Path, depth: &[&str]) -> camino::Utf8PathBuf {
        let origin = root.join("origin");
        files::directory_all(&origin).unwrap();
        git(&origin, &["init", "--quiet", "--initial-branch=main"]);
        for text in ["one", "two"] {
            files::replace(&origin.join(FILE), text.as_bytes(), 0o644, None).unwrap();
            git(&origin, &["add", FILE]);
            git(&origin, &["commit", "--quiet", "-m", text]);
        }
        let url = format!("file://{origin}");
        git(
            root,
            &[&["clone", "--quiet"][..], depth, &[url.as_str(), "clone"]].concat(),
        );
        root.join("clone")
    }

    /// The pack's files without their history, and its bundle beside.
    fn recovered(root: &Utf8Path, clone: &Utf8Path) -> (camino::Utf8PathBuf, camino::Utf8PathBuf) {
        let (repo, beside) = (root.join("repo"), root.join("history.bundle"));
        git(
            clone,
            &["bundle", "create", "--quiet", beside.as_str(), "--all", "HEAD"],
        );
        files::directory_all(&repo).unwrap();
        files::replace(&repo.join(FILE), b"two", 0o644, None).unwrap();
        (repo, beside)
    }

    #[test]
    fn a_whole_history_comes_back() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let (repo, beside) = recovered(root, &cloned(root, &[]));
        assert_eq!(unpack(&repo, &beside).unwrap(), History::Back);
        assert_eq!(git(&repo, &["log", "--format=%s"]), "two\none\n");
        assert_eq!(git(&repo, &["status", "--porcelain"]), "");
        assert!(!beside.exists());
    }

    #[test]
    fn what_a_shallow_clone_has_is_kept_beside_and_the_files_stay() {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(keep.path()).unwrap();
        let (repo, beside) = recovered(root, &cloned(root, &["--depth", "1"]));
        let History::Beside(why) = unpack(&repo, &beside).unwrap() else {
            panic!("a part of a history was taken for the whole");
        };
        assert!(why.contains("git"), "{why}");
        assert!(beside.exists() && !repo.join(".git").exists());
        assert_eq!(
            files::read_text(&repo.join(FILE)).unwrap().as_deref(),
            Some("two")
        );
        // Neither does one that is no bundle at all keep anybody from the data.
        files::replace(&beside, b"torn", 0o600, None).unwrap();
        assert!(matches!(unpack(&repo, &beside).unwrap(), History::Beside(_)));
        assert!(beside.exists() && !repo.join(".git").exists());
    }
}
