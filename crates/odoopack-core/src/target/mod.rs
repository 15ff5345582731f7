//! What should be on the machine, stated from the spec and from what is already known.
//!
//! Parts that need facts which an earlier stage produces (the built release, a secret) are left out until
//! those facts are there; [`Target::complete`] says whether anything is missing.
mod addons;
mod compose;
mod databases;
mod directories;
mod files;
mod nginx;
mod odoo;
mod ports;
mod printing;
mod schedule;
mod services;
mod sessions;
mod views;

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

pub use addons::Farm;
pub use compose::{ENVIRONMENTS, GATE_PART, ODOO_CONF};
pub use databases::{DatabaseWant, kind as database_mark, tests_database};
pub use files::postgres_port;
pub use ports::{PRIVATE_PORTS, Ports, allocate};
pub use services::{
    cluster_major, command as odoo_command, is_name_of_a_pack, longest_stop, odoo_name, postgres_major,
    variables as odoo_variables,
};
pub use sessions::SessionsWant;
pub use views::{View, views_of};

use crate::facts::Facts;
use crate::layout::{Layout, Slot};
use crate::name::Name;
use crate::render::systemd;
use crate::secret::SecretText;
use crate::service::Service;
use crate::sizing::Sizing;
use crate::spec::{Clusters, GivenServer, Spec};

/// Name among the programs of PostgreSQL's clients, where the server is somebody else's.
pub const CLIENT: &str = "pg_dump";

/// Everything that should be there.
#[derive(Clone, Debug)]
pub struct Target {
    /// Programs and the Debian packages that bring them.
    pub programs: Vec<Program>,
    /// System users; empty as an ordinary user.
    pub users: Vec<User>,
    /// Directories, parents first.
    pub directories: Vec<Directory>,
    /// Where this program's own copy lives.
    pub binary: Utf8PathBuf,
    /// Names of the secrets that must have a value.
    pub secrets: Vec<String>,
    /// First port of each environment's block.
    pub ports: BTreeMap<Name, Ports>,
    /// Environments whose certificate comes from the pack's own authority, with the host name.
    pub certificates: BTreeMap<Name, String>,
    /// Certificates and keys that the operator brings.
    pub brought: BTreeSet<Utf8PathBuf>,
    /// Rendered files.
    pub files: Vec<File>,
    /// Supervised processes, in the order in which they start.
    pub services: Vec<Service>,
    /// Places that another stack made, with the part that owns each from now on.
    pub adopted: Vec<(String, Utf8PathBuf)>,
    /// Links to modules, by edition.
    pub farms: BTreeMap<Name, Farm>,
    /// Links to what the default production environment keeps.
    pub views: Vec<View>,
    /// Images of the containers by part, as the file names them; none with the engine `native`.
    pub images: BTreeMap<String, String>,
    /// Databases.
    pub databases: Vec<DatabaseWant>,
    /// Databases of sessions.
    pub sessions: Vec<SessionsWant>,
    /// Jobs that systemd begins, with the file of each timer; empty where the service `schedule` begins them.
    pub timers: BTreeMap<String, Utf8PathBuf>,
    /// What systemd knows of the pack; `None` where runit supervises it, or Docker.
    pub systemd: Option<Units>,
    /// The services as containers, with the engine `compose`.
    pub stack: Option<Stack>,
    /// The database server that somebody else runs.
    pub server: Option<GivenServer>,
    /// Connections that are wanted, and that this server has, where it has fewer.
    pub short_of_connections: Option<(u32, u32)>,
    /// Whether each edition has a PostgreSQL server of its own.
    pub apart: bool,
    /// Whether every file and service could be stated.
    pub complete: bool,
}

/// The pack's services as Docker Compose knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Definition of each service as it stands in the file.
    pub definitions: BTreeMap<String, String>,
    /// The container in which a subcommand of an environment's Odoo would run, by environment.
    pub tools: BTreeMap<Name, crate::render::compose::Container>,
}

/// The pack's units under systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    /// Name of the target, which starts the services at boot.
    pub target: String,
    /// File of each service's unit.
    pub files: BTreeMap<String, Utf8PathBuf>,
}

impl Units {
    fn of<'a>(layout: &Layout, services: impl Iterator<Item = &'a Service>) -> Self {
        let pack = layout.pack().as_str();
        let file = |service: &Service| {
            let unit = systemd::unit_name(pack, &service.name);
            let path = Utf8PathBuf::from(systemd::DIRECTORY).join(unit);
            (service.name.clone(), path)
        };
        Self {
            target: systemd::target_name(pack),
            files: services.map(file).collect(),
        }
    }
}

/// A program that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Name on PATH, or `postgres` for a server of a supported major.
    pub name: &'static str,
    /// Debian package.
    pub package: String,
    /// What it is for.
    pub why: &'static str,
    /// What does not work without it, where the rest does.
    pub without: Option<&'static str>,
}

/// A system user with a group of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Home directory.
    pub home: Utf8PathBuf,
    /// Groups besides its own.
    pub groups: BTreeSet<String>,
}

/// Owner and mode of a path; without names it is ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Owner.
    pub user: Option<String>,
    /// Group.
    pub group: Option<String>,
    /// Permission bits.
    pub mode: u32,
}

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Absolute path.
    pub path: Utf8PathBuf,
    /// Owner and mode.
    pub access: Access,
}

/// A rendered file.
#[derive(Clone, Debug)]
pub struct File {
    /// Absolute path.
    pub path: Utf8PathBuf,
    /// Owner and mode.
    pub access: Access,
    /// The whole content; secret, because some files hold passwords.
    pub content: SecretText,
    /// The content for people's eyes.
    pub shown: String,
}

/// A target that cannot be stated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// odoo.conf cannot say what the file wants.
    #[error("odoo.conf of `{environment}` cannot be made: {why}")]
    OdooConf {
        /// The environment.
        environment: Name,
        /// Why.
        why: crate::render::odoo_conf::Unrenderable,
    },
}

/// States the target.
///
/// # Errors
/// When a rendered file cannot carry a value of the spec.
pub fn target(spec: &Spec, layout: &Layout, sizing: &Sizing, facts: &Facts) -> Result<Target, TargetError> {
    let ports = ports::of(spec, facts);
    let seen = Known {
        spec,
        layout,
        sizing,
        facts,
        ports: &ports,
    };
    let services = services::of(&seen);
    let mut files = files::of(&seen)?;
    let stated = services.iter().flatten();
    let stack = layout.containers().then(|| compose::stack(&seen, stated.clone()));
    let systemd = (facts.host.systemd && stack.is_none()).then(|| Units::of(layout, stated.clone()));
    files.extend(sessions::files(&seen));
    files.push(schedule::table(&seen));
    files.extend(match (&systemd, &stack) {
        (_, Some((_, files))) => {
            let on_host = schedule::beside_stack(&seen);
            files.iter().cloned().chain(on_host).collect()
        }
        (Some(_), None) => files::systemd(&seen, stated)
            .into_iter()
            .chain(schedule::units(&seen))
            .collect::<Vec<_>>(),
        (None, None) => stated.flat_map(|service| files::runit(&seen, service)).collect(),
    });
    let complete = services.iter().all(Option::is_some) && files::complete(&seen);
    Ok(Target {
        programs: directories::programs(&seen),
        users: directories::users(&seen),
        directories: directories::of(&seen, services.iter().flatten()),
        binary: layout.state().join("bin").join(binary_name()),
        secrets: secrets(spec),
        certificates: files::certificates(spec),
        brought: files::brought(spec),
        adopted: layout
            .adopted()
            .map(|(part, path)| (part, path.to_owned()))
            .collect(),
        farms: addons::farms(&seen),
        views: views_of(seen.spec, seen.layout),
        images: compose::images(&seen),
        databases: databases::of(&seen),
        sessions: sessions::databases(&seen),
        services: services.into_iter().flatten().collect(),
        files,
        timers: schedule::timers(&seen),
        systemd,
        stack: stack.map(|(stack, _)| stack),
        server: layout.server().cloned(),
        short_of_connections: sizing.short_of_connections(),
        apart: spec.postgres.cluster == Clusters::PerEdition,
        complete,
        ports,
    })
}

/// Where the Odoo of a slot answers.
pub(crate) struct Place {
    /// `None`: loopback.
    pub(crate) host: Option<String>,
    pub(crate) web: u16,
    /// What the gevent process would listen on.
    pub(crate) gevent: u16,
    /// `None` for the threaded server.
    pub(crate) websocket: Option<u16>,
}

/// What the parts of the target are stated from.
pub(crate) struct Known<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) layout: &'a Layout,
    pub(crate) sizing: &'a Sizing,
    pub(crate) facts: &'a Facts,
    pub(crate) ports: &'a BTreeMap<Name, Ports>,
}

impl Known<'_> {
    /// The slots that an environment has.
    pub(crate) fn slots(&self) -> &'static [Slot] {
        if self.layout.containers() {
            &[Slot::Blue]
        } else {
            &Slot::ALL
        }
    }

    /// Where the Odoo of a slot answers.
    pub(crate) fn place(&self, name: &Name, slot: Slot) -> Option<Place> {
        let ports = *self.ports.get(name)?;
        let place = |host, (web, gevent)| Place {
            host,
            web,
            gevent,
            websocket: (!self.threaded(name)).then_some(gevent),
        };
        Some(if self.layout.containers() {
            let host = compose::address(self.facts.containers.network, ports, slot);
            place(Some(host), compose::ODOO_PORTS)
        } else {
            place(None, (ports.web(slot), ports.websocket(slot)))
        })
    }

    /// Whether an environment runs the threaded server, which has no gevent process.
    pub(crate) fn threaded(&self, name: &Name) -> bool {
        self.sizing
            .environments
            .get(name)
            .is_some_and(|size| size.workers == 0)
    }
}

/// Address and port at which the Odoo of a slot is reached from this machine.
pub fn reached_at(layout: &Layout, facts: &Facts, ports: Ports, slot: Slot) -> (String, u16) {
    if layout.containers() {
        let host = compose::address(facts.containers.network, ports, slot);
        (host, compose::ODOO_PORTS.0)
    } else {
        ("127.0.0.1".to_owned(), ports.web(slot))
    }
}

/// Address of an environment as people type it; the port is left out where it is the usual one.
pub fn address(spec: &Spec, environment: &Name) -> Option<String> {
    let domain = &spec.environments.get(environment)?.domain;
    Some(match spec.web.https_port {
        443 => format!("https://{domain}"),
        port => format!("https://{domain}:{port}"),
    })
}

/// Name of the copy of this program that the gate runs from.
///
/// # Shape
/// Changes only with the gate's protocol: a newer program with the same protocol leaves a running gate alone.
pub fn binary_name() -> String {
    format!("gate-{}", crate::gate::PROTOCOL)
}

/// Secrets of an environment that are generated when nobody has set them.
pub fn generated_secrets(environment: &Name) -> [String; 4] {
    ["ADMIN", "DATABASE", "MASTER", "MASTER_HASH"].map(|what| secret_name(environment, what))
}

/// Name of a secret that belongs to an environment: `PRODUCTION_ADMIN`.
pub fn secret_name(environment: &Name, what: &str) -> String {
    format!("{}_{what}", environment.underscored().to_uppercase())
}

fn secrets(spec: &Spec) -> Vec<String> {
    let usual = spec.environments.keys().flat_map(generated_secrets);
    let apart = spec.in_redis().chain(spec.in_database());
    usual.chain(apart.map(sessions::secret)).collect()
}

impl Target {
    /// Where files stand that belong to a database, or that another stack made.
    pub fn bound(&self) -> Vec<Utf8PathBuf> {
        let adopted = self.adopted.iter().map(|(_, path)| path.join("filestore"));
        let given = self.databases.iter().filter(|_| self.server.is_some());
        let given = given.flat_map(|want| [want.filestore(), want.home.join("addons")]);
        let own = self.databases.iter().filter(|_| self.server.is_none());
        let own = own.map(DatabaseWant::filestore);
        adopted.chain(given).chain(own).collect()
    }

    /// The file at `path`.
    pub fn file(&self, path: &camino::Utf8Path) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The unit of a service under systemd; none where runit supervises it.
    pub fn unit(&self, service: &str) -> Option<&File> {
        self.file(self.systemd.as_ref()?.files.get(service)?)
    }

    /// What a service is started from: its part of the stack, its unit, or its `run` script.
    pub fn definition(&self, service: &str) -> Option<&str> {
        if let Some(stack) = &self.stack {
            return stack.definitions.get(service).map(String::as_str);
        }
        let script = format!("/runit/{service}/run");
        let run = || {
            self.files
                .iter()
                .find(|file| file.path.as_str().ends_with(&script))
        };
        self.unit(service).or_else(run).map(|file| file.shown.as_str())
    }

    /// The service called `name`.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }
}
