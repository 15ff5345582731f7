//! `git`: commits of repositories, with nothing of the user's or the repository's configuration in force.
pub(crate) mod bundle;
pub(crate) mod checkout;
pub(crate) mod history;
pub(crate) mod merge;

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};

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

/// How a repository is reached beyond what its address says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// Whether `git://` and `http://` are allowed.
    pub(crate) insecure: bool,
    /// File with the private key, instead of the user's own keys.
    pub(crate) key: Option<Utf8PathBuf>,
    /// File with the public keys of the host, instead of the user's known hosts.
    pub(crate) known: Option<Utf8PathBuf>,
}

impl Way {
    fn ssh(&self) -> String {
        let mut command = "ssh -oBatchMode=yes".to_owned();
        if let Some(key) = &self.key {
            command += &format!(" -oIdentitiesOnly=yes -oIdentityAgent=none -F /dev/null -i '{key}'");
        }
        if let Some(known) = &self.known {
            command += &format!(
                " -oStrictHostKeyChecking=yes -oUserKnownHostsFile='{known}' -oGlobalKnownHostsFile=/dev/null"
            );
        }
        command
    }
}

/// A call that may reach the network by this way.
fn reaching(way: &Way) -> Cmd {
    let cmd = git().env("GIT_SSH_COMMAND", way.ssh());
    if way.insecure {
        cmd.args([
            "-c",
            "protocol.git.allow=always",
            "-c",
            "protocol.http.allow=always",
        ])
    } else {
        cmd
    }
}

fn git() -> Cmd {
    // In a hook of git GIT_DIR and others name the repository of the caller.
    Cmd::new("git")
        .without("GIT_")
        .args(HARDENED)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_LFS_SKIP_SMUDGE", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
        .patience(Duration::from_hours(1))
}

fn of(mirror: &Utf8Path) -> Cmd {
    git().arg(format!("--git-dir={mirror}"))
}

fn of_by(mirror: &Utf8Path, way: &Way) -> Cmd {
    reaching(way).arg(format!("--git-dir={mirror}"))
}

/// Asks a repository for the commit that a branch stands at; exit code 2 when there is no such branch.
pub(crate) fn branch_head(url: &str, branch: &str, way: &Way) -> Cmd {
    let reference = if branch.starts_with("refs/") {
        branch.to_owned()
    } else {
        format!("refs/heads/{branch}")
    };
    // A tag with a message is an object of its own; git names its commit so.
    let tag = reference.starts_with("refs/tags/");
    reaching(way)
        .args(["ls-remote", "--exit-code", "--", url])
        .args(
            [format!("{reference}^{{}}"), reference]
                .into_iter()
                .skip(usize::from(!tag)),
        )
        .patience(Duration::from_mins(2))
}

/// The commit in what [`branch_head`] printed.
pub(crate) fn parse_head(text: &str) -> Option<String> {
    let peeled = text.lines().find(|line| line.ends_with("^{}"));
    peeled
        .unwrap_or(text)
        .split_whitespace()
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
pub(crate) fn fetch(mirror: &Utf8Path, url: &str, commit: &str, way: &Way) -> Cmd {
    of_by(mirror, way)
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

/// Prints the tree of a commit.
pub(crate) fn tree_of(place: &Utf8Path, commit: &str) -> Cmd {
    of(place)
        .args(["rev-parse", "--quiet", "--verify"])
        .arg(format!("{commit}^{{tree}}"))
}

/// Prints the names of everything below a commit's root, NUL between them.
pub(crate) fn list(place: &Utf8Path, commit: &str) -> Cmd {
    of(place).args(["ls-tree", "-r", "-z", "--name-only", commit])
}

/// The same with mode, type and object id before each name, and size where `sized`.
pub(crate) fn entries(place: &Utf8Path, commit: &str, sized: bool) -> Cmd {
    let cmd = of(place).args(["ls-tree", "-r", "-z"]);
    if sized { cmd.arg("--long") } else { cmd }.arg(commit)
}

/// One row of what [`entries`] printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) is_submodule: bool,
    /// Bytes; only of files, and only where it was asked for.
    pub(crate) size: Option<u64>,
    pub(crate) path: &'a str,
}

/// The rows of what [`entries`] printed.
pub(crate) fn parse_entries(text: &str) -> Vec<Entry<'_>> {
    let row = |row| -> Option<Entry<'_>> {
        let (head, path): (&str, &str) = str::split_once(row, '\t')?;
        let mut words = head.split_ascii_whitespace().skip(1);
        let is_submodule = words.next()? == "commit";
        let size = words.nth(1).and_then(|size| size.parse().ok());
        Some(Entry {
            is_submodule,
            size,
            path,
        })
    };
    text.split('\0').filter_map(row).collect()
}

/// Prints files of a commit one after the other, each behind a line of a separator; a name may hold spaces and no line feed.
///
/// # Shape
/// Read it with [`parse_contents`]; a separator that holds the commit's own id can stand in no file of it.
pub(crate) fn contents(place: &Utf8Path, commit: &str, files: &[String]) -> Cmd {
    let input: String = files.iter().map(|file| format!("{commit}:{file}\n")).collect();
    of(place)
        .args(["cat-file", "--buffer"])
        .arg(format!("--batch=@{commit} %(objecttype)"))
        .input(input)
}

/// Names and contents of those of `files` that are there, in what [`contents`] printed for them.
pub(crate) fn parse_contents(text: &str, commit: &str, files: &[String]) -> Vec<(String, String)> {
    let (mark, missing) = (format!("@{commit} "), format!("{commit}:"));
    let mut files = files.iter();
    let mut all: Vec<(String, String)> = Vec::new();
    let mut reading = false;
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix(&mark) {
            let file = files.next();
            reading = kind == "blob";
            all.extend(file.filter(|_| reading).map(|file| (file.clone(), String::new())));
        } else if line.starts_with(&missing) {
            // What it says when there is nothing of this name.
            files.next();
            reading = false;
        } else if let Some((_, content)) = all.last_mut().filter(|_| reading) {
            content.push_str(line);
            content.push('\n');
        }
    }
    all
}

/// Prints mode, object id and path of every file of the index, NUL between them.
pub(crate) fn staged(mirror: &Utf8Path, index: &Utf8Path) -> Cmd {
    of(mirror)
        .env("GIT_INDEX_FILE", index.as_str())
        .args(["ls-files", "--stage", "-z"])
}

/// Object ids and paths in what [`staged`] printed.
pub(crate) fn parse_staged(text: &str) -> Vec<(&str, &str)> {
    let row = |row: &'_ str| -> Option<(usize, usize)> {
        let tab = row.find('\t')?;
        let start = row.find(' ')? + 1;
        Some((start, tab))
    };
    let rows = text.split('\0');
    rows.filter_map(|line| {
        let (start, tab) = row(line)?;
        let id = line[start..tab].split(' ').next()?;
        Some((id, line[tab + 1..].trim_end_matches('\n')))
    })
    .collect()
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
            after_hardening(&branch_head(
                "https://e.example/odoo.git",
                "18.0",
                &Way::default()
            )),
            "ls-remote --exit-code -- https://e.example/odoo.git refs/heads/18.0"
        );
        assert_eq!(
            after_hardening(&fetch(mirror, "https://e.example/o", COMMIT, &Way::default())),
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
    fn every_call_is_hardened() {
        let text = init("/m".into()).to_string();
        assert!(text.starts_with("git -c core.hooksPath=/dev/null "));
        assert!(text.contains("-c protocol.allow=never -c protocol.https.allow=always"));
    }

    #[test]
    fn an_unprotected_way_is_opened_for_one_call_only() {
        let insecure = Way {
            insecure: true,
            ..Way::default()
        };
        let opened = "-c protocol.git.allow=always -c protocol.http.allow=always";
        assert!(
            fetch("/m".into(), "git://h/x", COMMIT, &insecure)
                .to_string()
                .contains(opened)
        );
        assert!(
            !fetch("/m".into(), "git://h/x", COMMIT, &Way::default())
                .to_string()
                .contains("git.allow")
        );
        let key = Way {
            key: Some("/s/KEY".into()),
            known: Some("/s/known".into()),
            ..Way::default()
        };
        assert_eq!(
            key.ssh(),
            "ssh -oBatchMode=yes -oIdentitiesOnly=yes -oIdentityAgent=none -F /dev/null -i '/s/KEY' -oStrictHostKeyChecking=yes -oUserKnownHostsFile='/s/known' -oGlobalKnownHostsFile=/dev/null"
        );
    }

    #[test]
    fn reads_files_and_the_index() {
        let text = format!(
            "@{COMMIT} blob\n{{}}\n\n{COMMIT}:not there missing\n@{COMMIT} tree\n?\n@{COMMIT} blob\nx\n@other blob c\n"
        );
        let files = ["a/__manifest__.py", "not there", "directory", "my b"].map(str::to_owned);
        assert_eq!(
            parse_contents(&text, COMMIT, &files),
            [
                ("a/__manifest__.py".to_owned(), "{}\n\n".to_owned()),
                ("my b".to_owned(), "x\n@other blob c\n".to_owned())
            ]
        );
        let index = "100644 aaaa 0\ta/b c.py\u{0}120000 bbbb 0\tl\u{0}\n";
        assert_eq!(parse_staged(index), [("aaaa", "a/b c.py"), ("bbbb", "l")]);
    }

    #[test]
    fn reads_what_a_commit_holds_and_what_it_only_points_at() {
        let text = format!("100644 blob {COMMIT}     132\ta/b c.py\0160000 commit {COMMIT}       -\tlib\0");
        let entry = |is_submodule, size, path| Entry {
            is_submodule,
            size,
            path,
        };
        let wanted = [entry(false, Some(132), "a/b c.py"), entry(true, None, "lib")];
        assert_eq!(parse_entries(&text), wanted);
        assert_eq!(
            parse_entries(&format!("100644 blob {COMMIT}\tx\0")),
            [entry(false, None, "x")]
        );
    }

    #[test]
    fn only_a_full_id_is_a_commit() {
        let output = format!("{COMMIT}\trefs/heads/18.0\n");
        assert_eq!(parse_head(&output).as_deref(), Some(COMMIT));
        assert_eq!(parse_head("fatal: nothing"), None);
        let tag = format!("{}\trefs/tags/v1\n{COMMIT}\trefs/tags/v1^{{}}\n", "a".repeat(40));
        assert_eq!(parse_head(&tag).as_deref(), Some(COMMIT));
        assert!(!is_commit("18.0") && !is_commit(&COMMIT[..12]));
    }
}
