//! `git`: one commit of a repository, shallow, with nothing of the user's or the repository's configuration in force.
use std::time::Duration;

use camino::Utf8Path;

use crate::exec::Cmd;

/// Settings that every call carries: no hooks, no helpers, no other transports, no conversion of what is stored.
const HARDENED: [&str; 18] = [
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.autocrlf=false",
    "-c",
    "core.symlinks=true",
    "-c",
    "protocol.allow=never",
    "-c",
    "protocol.https.allow=always",
    "-c",
    "protocol.ssh.allow=always",
    "-c",
    "protocol.file.allow=always",
    "-c",
    "gc.auto=0",
];

fn git() -> Cmd {
    Cmd::new("git")
        .args(HARDENED)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_LFS_SKIP_SMUDGE", "1")
        .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
        .patience(Duration::from_hours(1))
}

fn of(mirror: &Utf8Path) -> Cmd {
    git().arg(format!("--git-dir={mirror}"))
}

/// Asks a repository for the commit that a branch stands at; exit code 2 when there is no such branch.
pub(crate) fn branch_head(url: &str, branch: &str) -> Cmd {
    git()
        .args(["ls-remote", "--exit-code", "--", url])
        .arg(format!("refs/heads/{branch}"))
}

/// The commit in what [`branch_head`] printed.
pub(crate) fn parse_head(text: &str) -> Option<String> {
    text.split_whitespace()
        .next()
        .filter(|word| is_commit(word))
        .map(str::to_owned)
}

/// Whether a text is a full commit id (SHA-1 or SHA-256).
pub(crate) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Makes an empty bare repository; harmless when it is there.
pub(crate) fn init(mirror: &Utf8Path) -> Cmd {
    git().args(["init", "--quiet", "--bare", "--template=", mirror.as_str()])
}

/// Our name of a commit in the mirror; written last by git, so the name means that everything is there.
pub(crate) fn reference(commit: &str) -> String {
    format!("refs/odoopack/{commit}")
}

/// Fetches one commit without its history.
pub(crate) fn fetch(mirror: &Utf8Path, url: &str, commit: &str) -> Cmd {
    of(mirror)
        .args([
            "fetch",
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--no-write-fetch-head",
            "--recurse-submodules=no",
        ])
        .args(["--", url])
        .arg(format!("+{commit}:{}", reference(commit)))
}

/// Succeeds when the commit is in the mirror.
pub(crate) fn holds(mirror: &Utf8Path, commit: &str) -> Cmd {
    of(mirror)
        .args(["rev-parse", "--quiet", "--verify"])
        .arg(format!("{}^{{tree}}", reference(commit)))
}

/// Prints the commit's time in seconds since 1970.
pub(crate) fn commit_time(mirror: &Utf8Path, commit: &str) -> Cmd {
    of(mirror).args(["show", "--no-patch", "--format=%ct", commit])
}

/// Reads the commit's tree into an index file of its own.
pub(crate) fn read_tree(mirror: &Utf8Path, index: &Utf8Path, commit: &str) -> Cmd {
    of(mirror)
        .env("GIT_INDEX_FILE", index.as_str())
        .args(["read-tree", commit])
}

/// Writes every file of the index below `tree`.
pub(crate) fn checkout(mirror: &Utf8Path, index: &Utf8Path, tree: &Utf8Path) -> Cmd {
    of(mirror)
        .env("GIT_INDEX_FILE", index.as_str())
        .arg(format!("--work-tree={tree}"))
        .args(["checkout-index", "--all", "--force", "--quiet"])
        .umask(0o022)
}

fn inside(directory: &Utf8Path) -> Cmd {
    // Whoever owns it: no hook, filter or helper of it runs in what is called here.
    git().args(["-c", "safe.directory=*", "-C", directory.as_str()])
}

/// Prints the commit that a working directory stands at; fails where there is none.
pub(crate) fn head(directory: &Utf8Path) -> Cmd {
    inside(directory).args(["rev-parse", "--quiet", "--verify", "HEAD^{commit}"])
}

/// Writes the history of a working directory's repository to stdout: every branch and tag, and where it stands.
pub(crate) fn bundle(directory: &Utf8Path) -> Cmd {
    inside(directory).args(["bundle", "create", "--quiet", "-", "--all", "HEAD"])
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn after_hardening(cmd: &Cmd) -> String {
        let text = cmd.to_string();
        text.split_once("gc.auto=0 ").unwrap().1.to_owned()
    }

    #[test]
    fn calls_are_exact() {
        let mirror = "/m.git".into();
        assert_eq!(
            after_hardening(&branch_head("https://e.example/odoo.git", "18.0")),
            "ls-remote --exit-code -- https://e.example/odoo.git refs/heads/18.0"
        );
        assert_eq!(
            after_hardening(&fetch(mirror, "https://e.example/o", COMMIT)),
            format!(
                "--git-dir=/m.git fetch --quiet --depth=1 --no-tags --no-write-fetch-head --recurse-submodules=no -- https://e.example/o +{COMMIT}:refs/odoopack/{COMMIT}"
            )
        );
        assert_eq!(
            after_hardening(&init(mirror)),
            "init --quiet --bare --template= /m.git"
        );
        assert_eq!(
            after_hardening(&checkout(mirror, "/i".into(), "/t".into())),
            "--git-dir=/m.git --work-tree=/t checkout-index --all --force --quiet"
        );
    }

    #[test]
    fn history_goes_to_stdout() {
        assert_eq!(
            after_hardening(&bundle("/r".into())),
            "-c 'safe.directory=*' -C /r bundle create --quiet - --all HEAD"
        );
    }

    #[test]
    fn every_call_is_hardened() {
        let text = init("/m".into()).to_string();
        assert!(text.starts_with("git -c core.hooksPath=/dev/null "));
        assert!(text.contains("-c protocol.allow=never -c protocol.https.allow=always"));
    }

    #[test]
    fn only_a_full_id_is_a_commit() {
        let output = format!("{COMMIT}\trefs/heads/18.0\n");
        assert_eq!(parse_head(&output).as_deref(), Some(COMMIT));
        assert_eq!(parse_head("fatal: nothing"), None);
        assert!(!is_commit("18.0") && !is_commit(&COMMIT[..12]));
    }
}
