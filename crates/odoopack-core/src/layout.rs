//! Where everything of a pack lives below its root, and what its users and roles are called.
use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

use crate::name::Name;
use crate::spec::{Engine, GivenServer, OwnServer, Roles, Spec};

/// Names and places of one pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    root: Utf8PathBuf,
    pack: Name,
    /// Whether the servers run as users of their own (only root can arrange that).
    own_users: bool,
    engine: Engine,
    /// A database server that somebody else runs; `None` too while its secret has no value.
    server: Option<GivenServer>,
    /// Places that another stack made.
    adopted: Adopted,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Adopted {
    cluster: Option<Utf8PathBuf>,
    environments: BTreeMap<Name, Utf8PathBuf>,
}

/// Colour of a slot: which of two releases of an environment serves.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// The one that a new environment starts with.
    #[default]
    Blue,
    /// The other one.
    Green,
}

impl Slot {
    /// Both, in the order of their ports.
    pub const ALL: [Self; 2] = [Self::Blue, Self::Green];

    /// `blue` or `green`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blue => "blue",
            Self::Green => "green",
        }
    }
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl Layout {
    /// The layout of `pack` below `root`.
    pub fn new(root: &Utf8Path, pack: &Name, own_users: bool) -> Self {
        Self {
            root: root.to_owned(),
            pack: pack.clone(),
            own_users,
            engine: Engine::Native,
            adopted: Adopted::default(),
            server: None,
        }
    }

    /// The same pack with the places that its file takes over.
    #[must_use]
    pub fn with_adopted(self, spec: &Spec) -> Self {
        let environments = spec.environments.iter();
        let environments = environments.filter_map(|(name, environment)| {
            let path = environment.directory.clone()?;
            Some((name.clone(), path))
        });
        Self {
            adopted: Adopted {
                cluster: spec.postgres.directory.clone(),
                environments: environments.collect(),
            },
            ..self
        }
    }

    /// Places that another stack made, with the part that owns each from now on.
    pub fn adopted(&self) -> impl Iterator<Item = (String, &Utf8Path)> {
        let cluster = self.adopted.cluster.iter();
        let cluster = cluster.map(|path| ("postgres".to_owned(), path.as_path()));
        let environments = self.adopted.environments.iter();
        cluster.chain(environments.map(|(name, path)| (name.to_string(), path.as_path())))
    }

    /// The same pack run by another engine.
    #[must_use]
    pub fn with_engine(self, engine: Engine) -> Self {
        Self { engine, ..self }
    }

    /// The same pack on a database server that somebody else runs.
    #[must_use]
    pub fn with_server(self, server: Option<GivenServer>) -> Self {
        Self { server, ..self }
    }

    /// The database server that somebody else runs.
    pub fn server(&self) -> Option<&GivenServer> {
        self.server.as_ref()
    }

    /// What runs the processes.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Whether the processes run in containers.
    pub fn containers(&self) -> bool {
        self.engine == Engine::Compose
    }

    /// The pack's root.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The pack's name.
    pub fn pack(&self) -> &Name {
        &self.pack
    }

    /// Whether the servers run as users of their own.
    pub fn own_users(&self) -> bool {
        self.own_users
    }

    /// The git repository of the pack, with `odoopack.toml`.
    pub fn repo(&self) -> Utf8PathBuf {
        self.root.join("repo")
    }

    /// Everything that is made at run time.
    pub fn data(&self) -> Utf8PathBuf {
        self.root.join("data")
    }

    /// Backups.
    pub fn backups(&self) -> Utf8PathBuf {
        self.root.join("backups")
    }

    /// What an engine made that was left; it holds secrets.
    pub fn aside(&self) -> Utf8PathBuf {
        self.root.join("aside")
    }

    /// Data directory of a server's PostgreSQL cluster.
    pub fn cluster(&self, server: &OwnServer) -> Utf8PathBuf {
        let adopted = self.adopted.cluster.clone().filter(|_| server.is_shared());
        adopted.unwrap_or_else(|| self.cluster_inside(server))
    }

    /// Where the server sees the cluster: a place of another stack is mounted where the pack's own would be.
    pub fn cluster_inside(&self, server: &OwnServer) -> Utf8PathBuf {
        self.data().join(server.to_string())
    }

    /// Home of the user of a part; it need not be there.
    pub fn home(&self, part: &str) -> Utf8PathBuf {
        match part {
            "postgres" => self.data().join("postgres"),
            name => self.data().join("environments").join(name),
        }
    }

    /// Directory of a server's unix socket.
    pub fn postgres_socket(&self, server: &OwnServer) -> Utf8PathBuf {
        self.data().join("run").join(server.to_string())
    }

    /// Directory of a server's configuration.
    pub fn postgres_config(&self, server: &OwnServer) -> Utf8PathBuf {
        self.config().join(server.to_string())
    }

    /// Directory of the gate's unix sockets, one per environment.
    pub fn gate_sockets(&self) -> Utf8PathBuf {
        self.data().join("run/gate")
    }

    /// The gate's control socket.
    pub fn gate_control(&self) -> Utf8PathBuf {
        self.data().join("run/gate-control/control.sock")
    }

    /// Secret values, one file each.
    pub fn secrets(&self) -> Utf8PathBuf {
        self.data().join("secrets")
    }

    /// Built releases.
    pub fn releases(&self) -> Utf8PathBuf {
        self.data().join("releases")
    }

    /// Static files of a release that lies in an image, laid out for nginx like an addons directory.
    pub fn statics(&self, release: &str) -> Utf8PathBuf {
        self.releases().join(release).join("static")
    }

    /// Manifests of a release that lies in an image: one directory for each of its addons directories, by number.
    pub fn manifests(&self, release: &str) -> Utf8PathBuf {
        self.releases().join(release).join("manifests")
    }

    /// What makes a database harmless by the modules of a release that lies in an image: `0/base.sql` for each of its addons
    /// directories, by number.
    pub fn neutralizers(&self, release: &str) -> Utf8PathBuf {
        self.releases().join(release).join("neutralize")
    }

    /// Trees of the lock's repositories.
    pub fn locked_addons(&self) -> Utf8PathBuf {
        self.releases().join("addons")
    }

    /// Python environments, shared by releases with the same lock.
    pub fn pythons(&self) -> Utf8PathBuf {
        self.releases().join("python")
    }

    /// Farms of all editions.
    pub fn addons(&self) -> Utf8PathBuf {
        self.data().join("addons")
    }

    /// Links to the modules of one edition.
    pub fn farm(&self, edition: &Name) -> Utf8PathBuf {
        self.addons().join(edition.as_str())
    }

    /// Rendered configuration.
    pub fn config(&self) -> Utf8PathBuf {
        match self.engine {
            Engine::Native => self.data().join("config"),
            Engine::Compose => self.root.join("config"),
        }
    }

    /// Directory of the stack: its compose file, its variables, nginx's configuration.
    pub fn deploy(&self) -> Utf8PathBuf {
        self.root.join("deploy")
    }

    /// Directory of nginx's configuration.
    pub fn nginx(&self) -> Utf8PathBuf {
        match self.engine {
            Engine::Native => self.config().join("nginx"),
            Engine::Compose => self.deploy().join("nginx"),
        }
    }

    /// The gate's configuration.
    pub fn gate_config(&self) -> Utf8PathBuf {
        match self.engine {
            Engine::Native => self.config().join("gate.json"),
            // A container sees a file that is replaced only through its directory.
            Engine::Compose => self.config().join("gate/gate.json"),
        }
    }

    /// The users that containers know, and their groups.
    pub fn accounts(&self) -> [Utf8PathBuf; 2] {
        ["passwd", "group"].map(|name| self.config().join("accounts").join(name))
    }

    /// The file of the stack.
    pub fn stack(&self) -> Utf8PathBuf {
        self.deploy().join("docker-compose.yml")
    }

    /// Name of the pack's project in Docker Compose.
    pub fn project(&self) -> String {
        format!("odoopack-{}", self.pack)
    }

    /// Name of the container in which Odoo runs once for an environment, by what it is for.
    pub fn one_shot(&self, environment: &str, purpose: &str) -> String {
        // No name holds a point, so that no two of them are told in the same words.
        format!("{}.{environment}.{purpose}", self.project())
    }

    /// Data directory of Redis.
    pub fn redis(&self) -> Utf8PathBuf {
        self.data().join("redis")
    }

    /// Redis' unix socket.
    pub fn redis_socket(&self) -> Utf8PathBuf {
        self.data().join("run/redis/redis.sock")
    }

    /// Modules of our own that Odoo loads.
    pub fn own_addons(&self) -> Utf8PathBuf {
        self.state().join("addons")
    }

    /// What an environment's session module is told.
    pub fn sessions(&self, name: &Name) -> Utf8PathBuf {
        match self.engine {
            Engine::Native => self.config().join(name.as_str()).join("sessions.json"),
            Engine::Compose => self.config().join(format!("{name}.sessions.json")),
        }
    }

    /// Database of an environment's sessions, and the role that owns it. No environment's role is called so: theirs
    /// have no hyphen.
    pub fn sessions_database(&self, name: &Name) -> String {
        format!("{}_{}-sessions", self.pack.underscored(), name.underscored())
    }

    /// The rendered table of jobs.
    pub fn schedule(&self) -> Utf8PathBuf {
        self.config().join("schedule.json")
    }

    /// Our own state: journals, stamps, marks.
    pub fn state(&self) -> Utf8PathBuf {
        self.data().join("odoopack")
    }

    /// Service definitions of runit.
    pub fn runit(&self) -> Utf8PathBuf {
        self.state().join("runit")
    }

    /// The directory that `runsvdir` watches: links to the definitions that should run.
    pub fn enabled(&self) -> Utf8PathBuf {
        self.state().join("enabled")
    }

    /// Logs, one directory per service.
    pub fn logs(&self) -> Utf8PathBuf {
        self.data().join("logs")
    }

    /// Certificates and the local authority.
    pub fn tls(&self) -> Utf8PathBuf {
        self.data().join("tls")
    }

    /// Certificate of the pack's own authority.
    pub fn authority(&self) -> Utf8PathBuf {
        self.tls().join("authority.pem")
    }

    /// Filestore, sessions and home of one environment.
    pub fn environment(&self, name: &Name) -> Utf8PathBuf {
        let adopted = self.adopted.environments.get(name).cloned();
        adopted.unwrap_or_else(|| self.home(name.as_str()))
    }

    /// Where its processes see it.
    pub fn environment_inside(&self, name: &Name) -> Utf8PathBuf {
        self.home(name.as_str())
    }

    /// odoo.conf of one slot.
    pub fn odoo_conf(&self, name: &Name, slot: Slot) -> Utf8PathBuf {
        match self.engine {
            Engine::Native => self
                .config()
                .join(name.as_str())
                .join(slot.as_str())
                .join("odoo.conf"),
            // Each container has its own ports, so the slots need no files of their own.
            Engine::Compose => self.config().join(format!("{name}.conf")),
        }
    }

    /// The user of a part: an environment, `postgres`, `nginx`, `gate`; `None` as an ordinary user.
    pub fn user(&self, part: &str) -> Option<String> {
        self.own_users.then(|| user_name(&self.pack, part))
    }

    /// The PostgreSQL role of an environment; nobody else uses it. On a server of somebody else the one that was given.
    pub fn role(&self, name: &Name) -> String {
        match &self.server {
            Some(server) if server.roles == Roles::Given => server.role.clone(),
            Some(_) | None => format!("{}_{}", self.pack.underscored(), name.underscored()),
        }
    }
}

/// Longest name of a user that `useradd` makes (`useradd(8)`, shadow 4.13).
pub(crate) const LONGEST_USER: usize = 32;

/// The user of a part of a pack, or its name where there is none.
pub(crate) fn user_name(pack: &Name, part: &str) -> String {
    format!("odoo-{pack}-{part}")
}

/// Purpose of a run that changes an environment's database: at most one at a time.
pub const ACT: &str = "act";

/// Name of the PostgreSQL role that administers the cluster; Odoo never gets it.
pub const ADMIN_ROLE: &str = "odoopack";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_of_every_pack_have_names_that_fit() {
        let longest: Name = "a".repeat(Name::LONGEST).parse().unwrap();
        let layout = Layout::new("/opt/x".into(), &longest, true);
        for part in ["postgres", "gate", "redis", "nginx"] {
            assert!(layout.user(part).unwrap().len() <= LONGEST_USER, "{part}");
        }
        assert_eq!(Layout::new("/opt/x".into(), &longest, false).user("nginx"), None);
    }
}
