//! PostgreSQL's programs of the server's own major, for somebody who is nobody to the server but a role: of this host as one of
//! its users, or each in a container of its own that sees the socket, the files it is to read, and nothing else.
use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::layout::Layout;
use odoopack_core::secret::SecretText;

use crate::exec::Cmd;
use crate::failure::Result;
use crate::tools::docker::{self, Cell};
use crate::tools::dumps::Call;

/// Who works in such containers, one at a time each: what loads, and what writes an environment out.
pub(crate) const LOAD: &str = "load";
pub(crate) const EXPORT: &str = "export";
/// Odoo on a drilled copy, and whoever looks at it.
pub(crate) const BOOT: &str = "boot";
pub(crate) const LOOK: &str = "look";

/// Nobody.
const NOBODY: &str = "65534:65534";

/// Where they are and as whom they run.
#[derive(Clone, Debug)]
pub(crate) enum Programs {
    /// Of this host.
    Host {
        /// Their directory.
        directory: Utf8PathBuf,
        /// User; `None`: ours.
        user: Option<String>,
    },
    /// In an image.
    Image {
        /// Their directory in it.
        directory: Utf8PathBuf,
        /// A container for one of them.
        cell: Cell,
        /// The user of this host that has its number; `None`: ours.
        user: Option<String>,
    },
}

impl Programs {
    /// Those of an image, for whoever reads his stdin and writes to his stdout.
    pub(crate) fn apart(directory: Utf8PathBuf, image: &str) -> Self {
        Self::Image {
            directory,
            cell: Cell {
                image: image.to_owned(),
                user: NOBODY.to_owned(),
                name: None,
                sees: Vec::new(),
            },
            user: None,
        }
    }

    /// Those of an image, for whoever enters a database by its socket: a user of this host with its `uid:gid`. `name` is that
    /// of the container.
    pub(crate) fn at_socket(
        (layout, socket): (&Layout, Utf8PathBuf),
        (directory, image): (Utf8PathBuf, &str),
        (user, number): (Option<String>, String),
        name: String,
    ) -> Self {
        let [passwd, group] = layout.accounts();
        let same = |path: Utf8PathBuf| (path.clone(), path);
        Self::Image {
            directory,
            cell: Cell {
                image: image.to_owned(),
                user: number,
                name: Some(name),
                sees: vec![
                    same(socket),
                    (passwd, "/etc/passwd".into()),
                    (group, "/etc/group".into()),
                ],
            },
            user,
        }
    }

    /// The call as a command.
    pub(crate) fn command(&self, call: &Call) -> Cmd {
        let cmd = match self {
            Self::Host { directory, user } => Cmd::new(directory.join(call.program))
                .bare()
                .user(user.as_deref())
                .umask(0o027),
            Self::Image { directory, cell, .. } => {
                let variables: Vec<&str> = call.variables.iter().map(|(name, _)| *name).collect();
                cell.program(&directory.join(call.program), &variables, &call.files)
            }
        };
        let cmd = cmd.args(call.args.iter().cloned()).patience(call.patience);
        let set = |cmd: Cmd, (name, value): &(&'static str, SecretText)| cmd.env(*name, value.expose());
        call.variables.iter().fold(cmd, set)
    }

    /// Whether one may be given this file by its path.
    pub(crate) fn can_be_given(&self, path: &Utf8Path) -> bool {
        match self {
            Self::Host { .. } => true,
            Self::Image { .. } => docker::can_mount(path),
        }
    }

    /// User of this host whose files they may read.
    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Self::Host { user, .. } | Self::Image { user, .. } => user.as_deref(),
        }
    }
}

/// The container of such a program for an environment.
pub(crate) fn name(layout: &Layout, environment: &str, what: &str) -> String {
    layout.one_shot(environment, what)
}

/// Ends the containers that an operation on an environment has left which was killed; only under the lock that it held.
pub(crate) fn end(layout: &Layout, environment: &str, what: &[&str]) -> Result<()> {
    if !layout.containers() {
        return Ok(());
    }
    what.iter()
        .try_for_each(|what| docker::ended(&name(layout, environment, what)))
}
