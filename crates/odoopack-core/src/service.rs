//! A supervised process, described once and rendered for the supervisor that is there.
use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use crate::units::{Bytes, Seconds};

/// Capabilities of a service that stays root or starts as root: low ports, log files and workers of other users. None that
/// would hide it from a root that has fewer (`ptrace(2)`: one may look into a process whose capabilities one has).
pub const ROOT_CAPABILITIES: [&str; 8] = [
    "net_bind_service",
    "setuid",
    "setgid",
    "chown",
    "dac_override",
    "fowner",
    "kill",
    "sys_resource",
];

/// Share of the processor of what gives way, in percent of what the others get; only where somebody else wants it too.
pub const LESSER_SHARE: u32 = 25;
/// Thousandths of the memory of the machine that the kernel adds to the size of its processes when it looks for one to end.
pub const ENDED_FIRST: u32 = 500;

/// One supervised process (with the children it starts itself).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Service {
    /// `postgres`, `nginx`, `gate`, `production.blue.web`: unique within the pack.
    pub name: String,
    /// One sentence for people.
    pub description: String,
    /// Program (absolute path) and arguments; never holds a secret.
    pub argv: Vec<String>,
    /// User to run as; `None`: the user who runs the supervisor.
    pub user: Option<String>,
    /// Working directory.
    pub directory: Utf8PathBuf,
    /// Whole environment of the process; nothing is inherited.
    pub environment: BTreeMap<String, String>,
    /// File of `NAME=value` lines (0600) with the secret part of the environment.
    pub environment_file: Option<Utf8PathBuf>,
    /// File mode mask, such as `0o027`.
    pub umask: u32,
    /// Signal that asks it to stop.
    pub stop_signal: Signal,
    /// How long a stop may take before SIGKILL.
    pub stop_within: Seconds,
    /// Signal that makes it read its files again; `None`: only a restart does.
    pub reload_signal: Option<Signal>,
    /// Places it may write to; everything else is read-only where the supervisor can fence.
    pub writable: Vec<Utf8PathBuf>,
    /// Limit for the whole service where the supervisor can set one.
    pub memory_max: Option<Bytes>,
    /// Open files.
    pub open_files: u32,
    /// Where the machine runs short the others come first, as far as the supervisor can say so: it gets [`LESSER_SHARE`] of the
    /// processor, and the kernel ends its processes before theirs.
    pub gives_way: bool,
    /// Names of the services that start before this one.
    pub after: Vec<String>,
    /// It starts as root and drops privileges itself (nginx's master).
    pub starts_as_root: bool,
    /// Files whose change wants a reload (or a restart where there is none).
    pub inputs: Vec<Utf8PathBuf>,
    /// Rendered files that are only read at the start: their change wants a restart even where there is a reload.
    pub start_inputs: Vec<Utf8PathBuf>,
}

/// The few signals that services are asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// SIGTERM.
    Term,
    /// SIGINT: PostgreSQL's fast shutdown.
    Int,
    /// SIGQUIT: nginx's graceful shutdown.
    Quit,
    /// SIGHUP.
    Hup,
}
