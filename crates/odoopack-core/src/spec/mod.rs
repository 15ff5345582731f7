//! The one declarative file, validated, with every default written out.
mod bucket;
mod carry;
mod check;
mod edit;
mod flat;
mod keys;
mod load;
mod lookup;
mod mistake;
mod print;
mod reader;
mod reference;
pub mod repositories;
mod resolve;
mod schema;
mod server;
mod servers;
mod shape;
mod show;
mod starter;
mod suggest;
mod values;
mod written;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use crate::backup::retention::Keep;
use crate::name::Name;
use crate::schedule::When;
use crate::schedule::Zone;
use crate::units::{Bytes, Seconds};

pub use crate::odoo::{Series, UnknownSeries};
pub use bucket::{BadBucket, BucketAddress, BucketStyle};
pub use carry::{Carried, carry_over};
pub use edit::{EditError, NewEdition, add_edition, remove_edition};
pub use load::{FILE, LoadContext, Loaded, load};
pub use mistake::{Mistake, Mistakes, Severity};
pub use print::print;
pub use reference::reference;
pub use schema::schema;
pub use server::{BadServerUrl, GivenServer, Roles, ServerUrl, TlsMode};
pub(crate) use server::{is_ipv6, is_loopback};
pub use servers::{Clusters, OwnServer};
pub use show::{Origin, Origins, ShownValue, show};
pub use starter::{Starter, starter};
pub use values::{BadHostPort, BadSecretRef, SESSION_DB, UnknownWord};

/// What the operator wants: `odoopack.toml`, resolved and checked.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Spec {
    /// `[pack]`.
    pub pack: Pack,
    /// `[odoo]`.
    pub odoo: Odoo,
    /// `[addons]`.
    pub addons: Addons,
    /// `[mail]`.
    pub mail: Mail,
    /// `[postgres]`.
    pub postgres: Postgres,
    /// `[images]`: what containers are made from.
    pub images: Images,
    /// `[web]`: what nginx listens on.
    pub web: Web,
    /// `[capacity]`: what the sizing may count on.
    pub capacity: Capacity,
    /// `[backup]`.
    pub backup: Backup,
    /// `[editions.NAME]`; never empty (an edition `core` exists when the file names none).
    pub editions: BTreeMap<Name, Edition>,
    /// `[environments.NAME]`; never empty.
    pub environments: BTreeMap<Name, Environment>,
}

/// `[pack]`: the name and the place.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Pack {
    /// Part of user names, unit names and the nginx prefix. Default: `odoo`.
    pub name: Name,
    /// Absolute path; `repo`, `data` and `backups` live below it. Default: the parent of the directory that
    /// holds the file when that is called `repo`, else the directory itself.
    pub root: Utf8PathBuf,
    /// What runs the processes. Default: `native`.
    pub engine: Engine,
    /// In which zone the times of the file are meant. Default: UTC.
    pub timezone: Zone,
}

/// What runs the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Processes of this host, supervised by systemd or runit.
    Native,
    /// Containers, driven through Docker Compose.
    Compose,
}

/// `[odoo]`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Odoo {
    /// Default: 18.0.
    pub series: Series,
    /// Where Odoo's own code comes from. Default: git, branch of the series.
    pub source: Source,
    /// Debian archive; `None`: the one that the host's own apt asks.
    pub debian_mirror: Option<String>,
    /// Python interpreter for the virtual environment, a name or a path; `None`: the best one found that the series supports.
    pub python: Option<String>,
    /// `[odoo.options]`: options of odoo.conf that nothing else in the file governs.
    pub options: BTreeMap<String, String>,
}

/// Where Odoo's own code comes from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A git repository: `{ git = URL, commit = SHA }`; without a commit the series' branch is resolved once and kept.
    Git {
        /// Clone URL (https, ssh, file or an absolute path).
        url: String,
        /// Full commit id, 40 lower-case hex digits.
        commit: Option<String>,
    },
    /// Debian's own package: `{ debian = "sid" }`.
    Debian {
        /// Debian suite, `sid` at the time of writing the only one with Odoo 19.
        suite: String,
    },
    /// A Debian package file: `{ deb = PATH-or-URL, sha256 = HEX }`.
    Deb {
        /// Absolute path (one relative to the file was resolved while reading) or https URL.
        location: String,
        /// SHA-256 in lower-case hex; always there for a URL.
        sha256: Option<String>,
    },
    /// A checkout that is already there, used read-only: `{ path = DIR }`.
    Path {
        /// Absolute directory that holds `odoo/` and `addons/`, or an unpacked package.
        directory: Utf8PathBuf,
    },
    /// A container image that holds Odoo: `{ image = "odoo:18.0" }`; with `engine = "compose"` only.
    Image {
        /// Name with its tag or digest.
        name: String,
    },
}

/// `[addons]`: where modules come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Addons {
    /// Directories of own modules, relative to the pack's `repo` or absolute. Default: none.
    pub own: Vec<String>,
    /// Directory whose sub-directories are OCA repositories. Default: none.
    pub oca: Option<String>,
    /// pip requirement files, relative to the pack's `repo`. Default: none.
    pub requirements: Vec<String>,
    /// `[addons.repositories.NAME]`: git repositories of modules. Default: none.
    pub repositories: BTreeMap<String, Repository>,
    /// `[addons.groups.NAME]`: groups of repositories. Default: none.
    pub groups: BTreeMap<String, Group>,
    /// `[addons.hosts.NAME]`: hosts that need more than a URL. Default: none.
    pub hosts: BTreeMap<String, GitHost>,
}

/// `[addons.repositories.NAME]`: what is wanted of one git repository; the lock says which commit.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Repository {
    /// Clone URL. Default: OCA's of that name.
    pub url: String,
    /// Branch that updates follow. Default: the series.
    pub branch: String,
    /// Commit to stay at; `None`: the one in the lock.
    pub commit: Option<String>,
    /// Modules that are taken, by name or with `*` for any letters; empty: every installable one.
    pub modules: Vec<String>,
    /// What is merged on top, in order. Default: nothing.
    pub merges: Vec<MergeSource>,
    /// Group that it belongs to.
    pub group: Option<String>,
}

/// Something to merge: a reference, perhaps of another repository.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MergeSource {
    /// Clone URL; `None`: the repository itself.
    pub url: Option<String>,
    /// Branch or reference such as `refs/pull/12/head`.
    pub reference: String,
}

/// `[addons.groups.NAME]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Place among the groups. Default: 0.
    pub order: u32,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// `[addons.hosts.NAME]`: how repositories of one host are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct GitHost {
    /// Private key for ssh.
    pub key: Option<SecretRef>,
    /// Public keys of the host; empty: the known hosts of whoever runs odoopack.
    pub known: Vec<String>,
    /// Whether `git://` and `http://` are allowed. Default: false.
    pub insecure: bool,
}

/// `[mail]`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mail {
    /// SMTP relay of production environments; `None`: production has no relay of ours.
    pub relay: Option<Relay>,
    /// Where every environment that is not production sends. Default: `127.0.0.1:1025`.
    pub catcher: HostPort,
    /// Sender of system mail (`email_from`).
    pub from: Option<String>,
}

/// An SMTP relay.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Relay {
    /// `smtp = "host:port"`.
    pub address: HostPort,
    /// `credentials = "secret:NAME"`, whose value is `user:password`.
    pub credentials: Option<SecretRef>,
}

/// `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HostPort {
    /// Host name or address, an IPv6 address without its brackets.
    pub host: String,
    /// TCP port, never 0.
    pub port: u16,
}

/// A reference to a secret value, never the value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretRef {
    /// `secret:NAME` (`[A-Z][A-Z0-9_]*`): a file in `data/secrets/` or, when set, the environment variable `ODOOPACK_SECRET_NAME`.
    Named(String),
    /// `secret:cmd:PROGRAM ARG...`: the first line that the program prints.
    Command(Vec<String>),
}

/// A value that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Written in the file.
    Plain(String),
    /// Kept elsewhere.
    Secret(SecretRef),
}

/// `[postgres]`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Postgres {
    /// How many servers of the pack's own there are. Default: one for all editions.
    pub cluster: Clusters,
    /// Major version for a new cluster; `None`: the newest installed one that the series supports.
    pub version: Option<u16>,
    /// Loopback TCP port to listen on besides the socket; `None` (default): socket only.
    pub port: Option<u16>,
    /// Data directory of a cluster that another stack made; `None`: the pack's own.
    pub directory: Option<Utf8PathBuf>,
    /// A server that somebody else runs, without its password or kept as a secret; `None`: a cluster of the pack's own.
    pub url: Option<Value>,
    /// Password of the role in `url`, where the URL holds none.
    pub password: Option<SecretRef>,
    /// Who the environments are on that server. Default: the role that was given.
    pub roles: Roles,
    /// `[postgres.options]`: further settings of postgresql.conf, appended last.
    pub options: BTreeMap<String, String>,
}

/// `[images]`: what containers are made from; the engine `compose` alone reads it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Images {
    /// Default: `postgres:16`, or the major of `[postgres]`.
    pub postgres: String,
    /// Default: `nginx:stable`.
    pub nginx: String,
    /// Default: `redis:7`.
    pub redis: String,
}

/// `[web]`: what nginx listens on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Web {
    /// Addresses to listen on. Default: `["0.0.0.0", "[::]"]`, without the latter on the engine `compose`, or loopback only
    /// when every environment is local.
    pub listen: Vec<String>,
    /// Default: 80.
    pub http_port: u16,
    /// Default: 443.
    pub https_port: u16,
    /// Biggest request body. Default: 128MiB (Odoo's own limit, `http.py` `DEFAULT_MAX_CONTENT_LENGTH`).
    pub body_limit: Bytes,
    /// Sign-in attempts allowed per minute and client address. Default: 30.
    pub login_rate: u32,
}

impl Web {
    /// Addresses of IPv6 on which other machines may come.
    pub fn open_by_ipv6(&self) -> impl Iterator<Item = &str> {
        let open = |address: &&str| {
            let bare = address.trim_matches(['[', ']']);
            let local = bare
                .parse()
                .is_ok_and(|address: std::net::Ipv6Addr| address.is_loopback());
            is_ipv6(bare) && !local
        };
        self.listen.iter().map(String::as_str).filter(open)
    }
}

/// `[capacity]`: what the sizing may count on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Capacity {
    /// Cores for this pack; `None`: what the host has.
    pub cores: Option<u32>,
    /// Memory for this pack; `None`: what the host has.
    pub memory: Option<Bytes>,
    /// Copies and previews that must fit without changing a shared server. Default: 2.
    pub reserve_environments: u32,
}

/// `[backup]`: snapshots of environments.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Backup {
    /// When production environments are backed up; `None`: not by themselves.
    pub schedule: Option<When>,
    /// When the newest snapshot of production environments is proven; `None`: not by itself.
    pub drill: Option<When>,
    /// Whether people who work in Odoo come first while a backup is made. Default: false.
    pub gentle: bool,
    /// Which snapshots stay below `<root>/backups`. Default: 7 days, 4 weeks, 12 months.
    pub keep: Keep,
    /// How old each kind of proof may be.
    pub age: BackupAge,
    /// `[backup.offsite]`; `None`: snapshots stay on this host.
    pub offsite: Option<Offsite>,
}

/// `[backup.offsite]`: a second repository elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Offsite {
    /// Where.
    pub place: Elsewhere,
    /// Most bytes that are sent and read per second; `None`: as fast as it goes.
    pub bandwidth: Option<Bytes>,
    /// Which snapshots are copied and stay there. Default: 4 weeks, 12 months.
    pub keep: Keep,
}

/// Where the second repository is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Elsewhere {
    /// `s3 = "https://SERVICE/BUCKET"`.
    Bucket {
        /// The bucket.
        address: BucketAddress,
        /// How requests name it. Default: path.
        style: BucketStyle,
        /// Region that requests are signed for. Default: us-east-1.
        region: String,
        /// Secret with `id:secret` that may read and write.
        credentials: SecretRef,
        /// Secret with `id:secret` that may delete too; `None`: `credentials` may.
        prune_credentials: Option<SecretRef>,
        /// Whether the bucket has a default retention. Default: false.
        object_lock: bool,
    },
    /// `directory = "/mnt/backups"`.
    Directory(Utf8PathBuf),
}

/// `[backup.age]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct BackupAge {
    /// Of the newest snapshot. Default: 26h.
    pub made: Seconds,
    /// Of the newest snapshot off site, where there is such a place. Default: 26h.
    pub offsite: Seconds,
    /// Of the last restore that was found to be right. Default: 8d.
    pub proven: Seconds,
}

/// `[editions.NAME]`: a product line.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Edition {
    /// Modules to install in a new database. Default: none beyond `base` and `web`.
    pub modules: Vec<String>,
    /// Modules loaded in every process (`server_wide_modules`) beyond the series' own. Default: none.
    pub server_wide: Vec<String>,
    /// Patterns that choose among own modules and those of the OCA; empty: all own ones, and of the OCA's those that are asked for or needed.
    pub only: Vec<String>,
    /// Default: false. Loads OCA `queue_job`'s runner in exactly one process.
    pub jobrunner: bool,
}

/// What an environment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The real one: sends mail through the relay, never has demo data.
    Production,
    /// A place to try; mail goes to the catcher.
    Staging,
    /// A place to write code.
    Development,
}

/// `[environments.NAME]`: one running copy of an edition.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Environment {
    /// Default: by name (`production`, `staging`, `dev`/`development`), else staging.
    pub kind: Kind,
    /// Default: the only edition, else required.
    pub edition: Name,
    /// Whose snapshots `refresh` takes; `None`: those of the only production environment.
    pub copy_of: Option<Name>,
    /// When it is replaced by a copy of the newest snapshot; `None`: never by itself.
    pub refresh: Option<When>,
    /// Host name that nginx answers to; required except for development, where it is `<name>.localhost`.
    pub domain: String,
    /// Loopback port without TLS. Default: none.
    pub http_port: Option<u16>,
    /// Database name. Default: `<pack>_<environment>` with underscores.
    pub database: String,
    /// Data directory that another stack's Odoo made; `None`: the pack's own.
    pub directory: Option<Utf8PathBuf>,
    /// Load demo data into a new database. Default: for development.
    pub demo: bool,
    /// Take in changes of code at once. Default: false.
    pub reload: bool,
    /// Where sessions are kept. Default: on disk.
    pub sessions: Sessions,
    /// People who work at the same time; feeds the sizing. Default: 10 for production, 3 else.
    pub users: u32,
    /// HTTP workers, 0 for the threaded server; `None`: from the sizing.
    pub workers: Option<u32>,
    /// Cron processes; `None`: from the sizing.
    pub cron_workers: Option<u32>,
    /// Soft limit of a worker's virtual memory; `None`: from the sizing.
    pub memory_soft: Option<Bytes>,
    /// Hard limit of a worker's virtual memory; `None`: from the sizing.
    pub memory_hard: Option<Bytes>,
    /// Connections of one process; `None`: from the sizing.
    pub db_maxconn: Option<u32>,
    /// Language of a new database. Default: `en_US`.
    pub language: String,
    /// How the certificate comes to be. Default: self-signed by the pack's own authority.
    pub tls: Tls,
    /// `[environments.NAME.env]`: variables for Odoo itself.
    pub env: BTreeMap<String, Value>,
}

/// Where sessions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sessions {
    /// Files below the environment's data directory: Odoo's own way.
    Disk,
    /// The pack's Redis, through a module of ours.
    Redis,
    /// A database of their own, through OCA's `session_db` and a module of ours.
    Database,
}

/// How an environment's certificate comes to be.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tls {
    /// `tls = "local"`: issued by the pack's own authority, renewed by `up`.
    Local,
    /// `tls = { certificate = PATH, key = PATH }`: brought by the operator, full chain in PEM.
    Files {
        /// Certificate chain, PEM.
        certificate: Utf8PathBuf,
        /// Private key, PEM.
        key: Utf8PathBuf,
    },
}
