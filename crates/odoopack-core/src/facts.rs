//! What was seen on the machine; "not there", "could not look" and "cannot be seen yet" are different values.
mod containers;

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use crate::modules::Tree;
use crate::name::Name;
use crate::secret::SecretText;
use crate::spec::OwnServer;
use crate::units::Bytes;

pub use containers::{Built, Containers, Docker, Image, ImagePin, LockedImage, PYTHON};

/// One observation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen<T> {
    /// It is there and like this.
    Present(T),
    /// Looked, not there.
    Absent,
    /// Looking failed, with the reason.
    Unknown(String),
    /// It can only be seen after an earlier stage has run.
    NotYet,
}

impl<T> Seen<T> {
    /// The value, when it is there.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unknown(_) | Self::NotYet => None,
        }
    }

    /// Whether looking succeeded and found nothing.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// Everything that `up` looks at.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The machine.
    pub host: Host,
    /// Programs that were found, by name.
    pub programs: BTreeMap<String, Utf8PathBuf>,
    /// System users of this pack by name.
    pub users: BTreeMap<String, UserFact>,
    /// Name of the pack that made the data directory.
    pub made_by: Seen<String>,
    /// Whether the pack has an `oca.lock.json`.
    pub locked: bool,
    /// A directory above the root that other users may not enter.
    pub closed: Option<Utf8PathBuf>,
    /// The same above the certificate that `sslrootcert` of a given server names.
    pub closed_authority: Option<Utf8PathBuf>,
    /// Every path that the target names.
    pub paths: BTreeMap<Utf8PathBuf, Seen<PathFact>>,
    /// Whether the placed copy of this program is this program.
    pub binary_current: bool,
    /// SHA-256 of each rendered file as this program last wrote it.
    pub written: BTreeMap<Utf8PathBuf, String>,
    /// Secret values by name.
    pub secrets: BTreeMap<String, SecretText>,
    /// Built code.
    pub release: Seen<Release>,
    /// The modules that Odoo can see; Odoo's own are among them once its code is there.
    pub modules: Tree,
    /// Directories that `[addons]` names and that are not there: the key, and where it would be.
    pub absent_addons: Vec<(&'static str, Utf8PathBuf)>,
    /// What the farms hold, by edition.
    pub farms: BTreeMap<String, FarmFact>,
    /// Environments whose requests wait at the gate, as far as it says.
    pub held: BTreeSet<Name>,
    /// First port of each environment's block, as given out before.
    pub ports: BTreeMap<Name, u16>,
    /// TCP ports on which somebody listens, with who it is where that can be seen; ours are left out.
    pub foreign_listeners: BTreeMap<u16, String>,
    /// Why the interpreter that `python` of `[odoo]` names cannot be used; `None` also where it names none, or the environment is made.
    pub python_unfit: Option<String>,
    /// Packages of programs that can be done without, and that no archive of this host has.
    pub unavailable: BTreeSet<String>,
    /// Debian packages that modules of the lock need and this host has not; with containers the image has them.
    pub lacking: BTreeSet<String>,
    /// Certificates by environment: not after (seconds since 1970) and the names they are for.
    pub certificates: BTreeMap<Name, Seen<Certificate>>,
    /// The clusters on disk: those that the file knows, and any that it no longer knows.
    pub clusters: BTreeMap<OwnServer, Seen<Cluster>>,
    /// Places of another stack that this pack has taken over.
    pub adopted: BTreeSet<Utf8PathBuf>,
    /// Containers of somebody else that use a place which is to be taken over: name and place.
    pub used_elsewhere: Vec<(String, Utf8PathBuf)>,
    /// The database server that somebody else runs; `NotYet` without one.
    pub server: Seen<ServerFact>,
    /// What the running servers say; one that somebody else runs is there as the shared one.
    pub databases: BTreeMap<OwnServer, Seen<Databases>>,
    /// Environments whose first installation was begun and not finished, and the number of its database.
    pub unfinished: BTreeMap<Name, u32>,
    /// The supervisor.
    pub supervisor: Seen<u32>,
    /// Services that the supervisor knows.
    pub services: BTreeMap<String, Seen<ServiceFact>>,
    /// What containers need; nothing of it is looked at for the engine `native`.
    pub containers: Containers,
    /// Timers of this pack that systemd starts, by job.
    pub timers: BTreeMap<String, TimerFact>,
}

impl Facts {
    /// The cluster of a server.
    pub fn cluster(&self, server: &OwnServer) -> &Seen<Cluster> {
        self.clusters.get(server).unwrap_or(&Seen::NotYet)
    }

    /// What a server says.
    pub fn databases(&self, server: &OwnServer) -> &Seen<Databases> {
        self.databases.get(server).unwrap_or(&Seen::NotYet)
    }

    /// Every server whose cluster is there, in the order of their names.
    pub fn on_disk(&self) -> impl Iterator<Item = &OwnServer> {
        let there = self.clusters.iter().filter(|(_, seen)| seen.present().is_some());
        there.map(|(server, _)| server)
    }
}

/// One user of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserFact {
    /// Number.
    pub uid: u32,
    /// Number of its own group.
    pub gid: u32,
    /// Home directory.
    pub home: Utf8PathBuf,
    /// Groups besides its own.
    pub groups: BTreeSet<String>,
}

/// The machine.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Host {
    /// Online cores.
    pub cores: u32,
    /// Physical memory.
    pub memory: Bytes,
    /// Free space where the root is or will be.
    pub disk_free: Bytes,
    /// Where Docker keeps images and what containers write, and the free space there; where the pack is in containers and that is
    /// another disk.
    pub docker_disk: Option<(Utf8PathBuf, Bytes)>,
    /// Whether we may create users and use low ports.
    pub root: bool,
    /// Whether systemd is PID 1.
    pub systemd: bool,
    /// Name of the user we are.
    pub user: String,
    /// Its number, and that of its group.
    pub ids: (u32, u32),
    /// Debian or a derivative whose packages we know the names of.
    pub debian: bool,
    /// Installed PostgreSQL servers: major to the directory of its programs.
    pub postgres: BTreeMap<u16, Utf8PathBuf>,
    /// Installed Python interpreters: (major, minor) to path.
    pub pythons: BTreeMap<(u16, u16), Utf8PathBuf>,
    /// Version of nginx.
    pub nginx: Option<(u16, u16, u16)>,
    /// Seconds since 1970.
    pub now: i64,
}

/// One path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathFact {
    /// What it is.
    pub kind: PathKind,
    /// Permission bits.
    pub mode: u32,
    /// Owner's name (or number without a name).
    pub user: String,
    /// Group's name (or number without a name).
    pub group: String,
}

/// What a path is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// A directory.
    Directory,
    /// A regular file with this SHA-256 in hex.
    File(String),
    /// A symbolic link to this.
    Link(Utf8PathBuf),
    /// Something else.
    Other,
}

/// Code that was resolved and, step by step, built.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// `19.0-<first 12 of the hash of its identity>`.
    pub id: String,
    /// Exactly which code: package version and hash, or commit.
    pub identity: String,
    /// The source of the file that this was resolved for; another source needs another release.
    pub wanted: String,
    /// Whether Odoo's code is there.
    pub fetched: bool,
    /// Program that starts Odoo, below the tree.
    pub entry: Utf8PathBuf,
    /// Directory for PYTHONPATH, when the entry does not find its own package.
    pub python_path: Option<Utf8PathBuf>,
    /// Odoo's own addons directories.
    pub addons: Vec<Utf8PathBuf>,
    /// Trees of the lock's repositories, by name; each holds modules.
    #[serde(default)]
    pub repositories: BTreeMap<String, Utf8PathBuf>,
    /// The virtual environment; `None` until it is built.
    pub python: Option<Utf8PathBuf>,
}

/// What is in the farm of an edition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FarmFact {
    /// Links and where they lead.
    pub links: BTreeMap<String, Utf8PathBuf>,
    /// Everything else, which is not ours.
    pub others: Vec<String>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Seconds since 1970.
    pub not_after: i64,
    /// Host names.
    pub names: Vec<String>,
}

/// A database cluster on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// From `PG_VERSION`.
    pub major: u16,
}

/// What a server that somebody else runs says of itself and of the role that was given to us.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ServerFact {
    /// Major version.
    pub major: u16,
    /// `max_connections`.
    pub max_connections: u32,
    /// Of these, kept for superusers and for roles that may use reserved ones.
    pub reserved: u32,
    /// Most connections of the role (`rolconnlimit`); `None`: no limit of its own.
    pub role_limit: Option<u32>,
    /// Whether the role is a superuser.
    pub superuser: bool,
    /// Whether it may make databases.
    pub create_database: bool,
    /// Whether it may make roles.
    pub create_role: bool,
    /// Extensions that Odoo uses and the server has, with whether the role may make them.
    pub extensions: BTreeMap<String, bool>,
}

impl ServerFact {
    /// Most connections that are there for the role.
    pub fn budget(&self) -> u32 {
        let open = self.max_connections.saturating_sub(self.reserved);
        self.role_limit.map_or(open, |limit| open.min(limit))
    }

    /// Where the budget comes from, for people.
    pub fn limits(&self) -> String {
        let role = self
            .role_limit
            .map_or_else(String::new, |limit| format!(", the role's own limit is {limit}"));
        format!(
            "max_connections {}, {} of them reserved{role}",
            self.max_connections, self.reserved
        )
    }
}

/// What a running cluster says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Databases {
    /// Role name to whether its attributes and password are as they should be.
    pub roles: BTreeMap<String, bool>,
    /// Databases by name.
    pub databases: BTreeMap<String, DatabaseFact>,
}

/// One database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseFact {
    /// Number that no other database of the cluster ever has.
    pub oid: u32,
    /// Owner.
    pub owner: String,
    /// Whether everybody may connect.
    pub open: bool,
    /// Value of `odoopack.kind`: set when the database is complete.
    pub kind: Option<String>,
    /// Whether it has any table of Odoo.
    pub filled: bool,
    /// System parameters of Odoo; `None` where there are none to look at, or the database is not complete.
    pub parameters: Option<BTreeMap<String, String>>,
}

/// One timer of systemd.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TimerFact {
    /// Whether it waits for its time, and will at the next boot.
    pub running: bool,
    /// Hash of its file at its last start.
    pub started_as: Option<String>,
}

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ServiceFact {
    /// Whether it runs now.
    pub running: bool,
    /// Its main process.
    pub pid: Option<u32>,
    /// Seconds since it started or stopped.
    pub since: Option<u64>,
    /// How often it ended without being asked to.
    pub restarts: u64,
    /// Hash of definition and inputs at its last start.
    pub started_with: Option<String>,
    /// Hash of the definition alone at its last start.
    pub started_as: Option<String>,
}
