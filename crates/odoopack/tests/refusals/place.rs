//! A place for a pack, and eyes on whether anything in it was touched.
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A directory that other users can enter, removed at the end.
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    pub(crate) keep: tempfile::TempDir,
}

/// A file that is right.
pub(crate) const GOOD: &str = r#"format = 1
[pack]
name = "refused"
[odoo]
series = "19.0"
source = { debian = "sid" }
[web]
listen = ["127.0.0.1"]
http_port = 18080
https_port = 18443
[environments.production]
domain = "localhost"
"#;

impl Place {
    pub(crate) fn empty() -> Self {
        let keep = tempfile::Builder::new()
            .prefix("odoopack-")
            .tempdir_in("/tmp")
            .unwrap();
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(keep.path(), open).unwrap();
        Self {
            root: keep.path().join("pack"),
            keep,
        }
    }

    pub(crate) fn with(file: &str) -> Self {
        let place = Self::empty();
        place.write("repo/odoopack.toml", file);
        place
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_odoopack"));
        command.arg("--root").arg(&self.root).args(args).current_dir("/");
        command.env_remove("XDG_CACHE_HOME").env("HOME", self.keep.path());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The command fails with `code`, says all of `words`, and touches nothing.
    pub(crate) fn refuses(&self, args: &[&str], code: i32, words: &[&str]) {
        self.refuses_as(self.command(args), code, words);
    }

    pub(crate) fn refuses_as(&self, mut command: Command, code: i32, words: &[&str]) {
        let before = listing(self.keep.path());
        let output = command.output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{command:?}\n{text}");
        for word in words {
            assert!(text.contains(word), "{word:?} is not in\n{text}");
        }
        assert_eq!(listing(self.keep.path()), before, "{command:?} touched something");
    }
}

pub(crate) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Everything below a directory: mode, owner, and content, target or kind.
pub(crate) fn listing(place: &Path) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    let mut left = vec![place.to_owned()];
    while let Some(path) = left.pop() {
        let Ok(data) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        let content = if data.is_dir() {
            left.extend(
                std::fs::read_dir(&path)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|e| e.path()),
            );
            "directory".to_owned()
        } else if data.is_symlink() {
            format!("link to {}", std::fs::read_link(&path).unwrap().display())
        } else {
            format!("{} bytes {:?}", data.len(), data.modified().unwrap())
        };
        all.insert(
            path,
            format!("{:o} {}:{} {content}", data.mode(), data.uid(), data.gid()),
        );
    }
    all
}

pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}
