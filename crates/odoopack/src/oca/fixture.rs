//! What the tests of repositories share: a git repository in a scratch directory.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::oca_lock::Locked;

use crate::exec::Cmd;
use crate::files;

/// A repository with a commit, and room beside it.
pub(super) struct Repository {
    _keep: tempfile::TempDir,
    pub(super) root: Utf8PathBuf,
    pub(super) place: Utf8PathBuf,
}

impl Repository {
    pub(super) fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(keep.path().canonicalize().unwrap()).unwrap();
        let place = root.join("upstream");
        files::directory_all(&place).unwrap();
        git(&place, &["init", "--quiet", "--initial-branch=19.0"]);
        let repository = Self {
            _keep: keep,
            root,
            place,
        };
        files::directory_all(&repository.place.join("web_more")).unwrap();
        files::replace(
            &repository.place.join("web_more/__manifest__.py"),
            b"{'name': 'More'}\n",
            0o644,
            None,
        )
        .unwrap();
        repository.commit();
        repository
    }

    /// Commits everything that is there; gives the commit.
    pub(super) fn commit(&self) -> String {
        commit(&self.place)
    }

    pub(super) fn git_directory(&self) -> Utf8PathBuf {
        self.place.join(".git")
    }

    /// What a lock would say of a commit.
    pub(super) fn locked(&self, commit: &str) -> Locked {
        Locked {
            url: self.place.to_string(),
            branch: "19.0".to_owned(),
            commit: commit.to_owned(),
            merges: Vec::new(),
            merged: None,
            tree: git(&self.place, &["rev-parse", &format!("{commit}^{{tree}}")]),
            group: None,
            modules: std::collections::BTreeMap::new(),
            python: Vec::new(),
            debian: Vec::new(),
        }
    }
}

/// Commits everything below a working tree.
pub(super) fn commit(place: &Utf8Path) -> String {
    git(place, &["add", "--all"]);
    let who = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
    let words = ["commit", "--quiet", "--allow-empty", "-m", "change"];
    git(place, &[&who[..], &words[..]].concat());
    git(place, &["rev-parse", "HEAD"])
}

/// Runs plain git in a directory; gives what it printed.
pub(super) fn git(place: &Utf8Path, args: &[&str]) -> String {
    let cmd = Cmd::new("git").without("GIT_").args(["-C", place.as_str()]);
    cmd.args(args.iter().copied()).read().unwrap().trim().to_owned()
}
