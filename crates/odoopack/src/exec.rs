//! The only spawner: a command is a value that can be shown, then run with a named policy for its output.
pub(crate) mod pipes;
mod rows;
mod run;
mod stop;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
pub(crate) use run::Outcome;
pub(crate) use stop::end_group;

use crate::hint::quoted;

/// Longest that an ordinary call may take.
const PATIENCE: Duration = Duration::from_mins(10);

/// The mask of whoever called us: interactive programs get it back.
static CALLERS_UMASK: OnceLock<u32> = OnceLock::new();

/// Sets the usual mask, so that what others must read can be read.
pub(crate) fn set_umask() {
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    CALLERS_UMASK.get_or_init(|| before.as_raw_mode());
}

/// One call of an outside program.
#[derive(Clone)]
pub(crate) struct Cmd {
    program: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    bare: bool,
    without: Option<&'static str>,
    directory: Option<Utf8PathBuf>,
    user: Option<String>,
    umask: Option<u32>,
    patience: Duration,
    outlives: bool,
    cleans_up: bool,
    input: Option<String>,
}

impl Cmd {
    /// A call of `program`, found on PATH unless it is a path.
    pub(crate) fn new(program: impl Into<String>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            bare: false,
            without: None,
            directory: None,
            user: None,
            umask: None,
            patience: PATIENCE,
            outlives: false,
            cleans_up: false,
            input: None,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub(crate) fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets one variable; values are never shown.
    #[must_use]
    pub(crate) fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Starts from an empty environment with a plain PATH and locale.
    #[must_use]
    pub(crate) fn bare(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Hands on none of our own variables whose names begin so; those set here stay.
    #[must_use]
    pub(crate) fn without(mut self, beginning: &'static str) -> Self {
        self.without = Some(beginning);
        self
    }

    /// Runs in `directory`.
    #[must_use]
    pub(crate) fn directory(mut self, directory: &Utf8Path) -> Self {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Runs as `user` with that user's groups; `None` changes nothing.
    #[must_use]
    pub(crate) fn user(mut self, user: Option<&str>) -> Self {
        self.user = user.map(str::to_owned);
        self
    }

    /// Sets the file mode mask of the program.
    #[must_use]
    pub(crate) fn umask(mut self, umask: u32) -> Self {
        self.umask = Some(umask);
        self
    }

    /// Gives it a text to read; without one it reads nothing.
    #[must_use]
    pub(crate) fn input(mut self, text: impl Into<String>) -> Self {
        self.input = Some(text.into());
        self
    }

    /// Lets it start and end after an interrupt too: it takes away what was begun.
    #[must_use]
    pub(crate) fn cleans_up(mut self) -> Self {
        self.cleans_up = true;
        self
    }

    /// Lets it finish when we are ended: a package manager that is cut off leaves a broken host.
    #[must_use]
    pub(crate) fn outlives(mut self) -> Self {
        self.outlives = true;
        self
    }

    /// Waits at most this long, then ends the program's process group.
    #[must_use]
    pub(crate) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Program and arguments as they are started: through `setpriv`, so that the program dies with us and, when a
    /// user is named, has that user's groups and can gain nothing (`setpriv(1)`, util-linux 2.38).
    pub(crate) fn argv(&self) -> Vec<String> {
        let mut argv = vec!["setpriv".to_owned()];
        if !self.outlives {
            argv.push("--pdeathsig=KILL".to_owned());
        }
        if let Some(user) = &self.user {
            argv.extend([
                format!("--reuid={user}"),
                format!("--regid={user}"),
                "--init-groups".to_owned(),
                "--no-new-privs".to_owned(),
            ]);
        }
        argv.push("--".to_owned());
        if let Some(umask) = self.umask {
            argv.extend(["sh", "-c", &format!("umask {umask:04o} && exec \"$@\""), "sh"].map(str::to_owned));
        }
        argv.push(self.program.clone());
        argv.extend(self.args.iter().cloned());
        argv
    }

    /// What is spawned: a program whose starter was killed before `setpriv` could bind it to us does not begin; nobody
    /// would ever end it.
    fn bound_argv(&self) -> Vec<String> {
        let mut argv = self.argv();
        if !self.outlives {
            let script = format!("[ \"$PPID\" = {} ] && exec \"$@\"", std::process::id());
            let after = argv.iter().position(|word| word == "--").map_or(0, |at| at + 1);
            argv.splice(after..after, ["sh", "-c", &script, "sh"].map(str::to_owned));
        }
        argv
    }
}

/// The command as a person would type it; variables and stdin are not shown.
impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quoted(arg)))
    }
}

impl fmt::Debug for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether this program was told to end, and has told what it runs.
pub(crate) fn is_interrupted() -> bool {
    crate::interrupt::exit_code().is_some()
}

/// The last `count` lines of `text`, without empty ones.
pub(crate) fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// The path of `program` on PATH, or in the places where Debian keeps servers.
pub(crate) fn find_program(program: &str) -> Option<Utf8PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places
        .map(|place: std::path::PathBuf| place.join(OsStr::new(program)))
        .find(|candidate| candidate.is_file())
        .and_then(|found| Utf8PathBuf::from_path_buf(found).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_command_as_typed_without_its_environment() {
        let cmd = Cmd::new("echo").arg("a b").arg("it's").env("PASSWORD", "geheim");
        assert_eq!(format!("{cmd:?}"), r"echo 'a b' 'it'\''s'");
    }
}
