//! What should be on the machine, stated from the spec and from what is already known.
//!
//! Parts that need facts which an earlier stage produces (the built release, a secret) are left out until
//! those facts are there; [`Target::complete`] says whether anything is missing.
mod addons;
mod databases;
mod directories;
mod files;
mod odoo;
mod ports;
mod printing;
mod schedule;
mod services;
mod sessions;

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

pub use addons::Farm;
pub use databases::{DatabaseWant, kind as database_mark, tests_database};
pub use files::postgres_port;
pub use ports::{PRIVATE_PORTS, Ports, allocate};
pub use services::{command as odoo_command, odoo_name, postgres_major, variables as odoo_variables};

use crate::facts::Facts;
use crate::layout::Layout;
use crate::name::Name;
use crate::render::systemd;
use crate::secret::SecretText;
use crate::service::Service;
use crate::sizing::Sizing;
use crate::spec::Spec;

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
    /// Rendered files.
    pub files: Vec<File>,
    /// Supervised processes, in the order in which they start.
    pub services: Vec<Service>,
    /// Links to modules, by edition.
    pub farms: BTreeMap<Name, Farm>,
    /// Databases.
    pub databases: Vec<DatabaseWant>,
    /// Jobs that systemd begins, with the file of each timer; empty where the service `schedule` begins them.
    pub timers: BTreeMap<String, Utf8PathBuf>,
    /// What systemd knows of the pack; `None` where runit supervises it.
    pub systemd: Option<Units>,
    /// Whether every file and service could be stated.
    pub complete: bool,
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
    let systemd = facts.host.systemd.then(|| Units::of(layout, stated.clone()));
    files.extend(sessions::files(&seen));
    files.push(schedule::table(&seen));
    files.extend(match &systemd {
        Some(_) => files::systemd(&seen, stated)
            .into_iter()
            .chain(schedule::units(&seen))
            .collect::<Vec<_>>(),
        None => stated.flat_map(|service| files::runit(&seen, service)).collect(),
    });
    let complete = services.iter().all(Option::is_some) && files::complete(&seen);
    Ok(Target {
        programs: directories::programs(&seen),
        users: directories::users(&seen),
        directories: directories::of(&seen, services.iter().flatten()),
        binary: layout.state().join("bin").join(binary_name()),
        secrets: secrets(spec),
        certificates: files::certificates(spec),
        farms: addons::farms(&seen),
        databases: databases::of(spec, layout),
        services: services.into_iter().flatten().collect(),
        files,
        timers: schedule::timers(&seen),
        systemd,
        complete,
        ports,
    })
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
    /// Whether an environment runs the threaded server, which has no gevent process.
    pub(crate) fn threaded(&self, name: &Name) -> bool {
        self.sizing
            .environments
            .get(name)
            .is_some_and(|size| size.workers == 0)
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
    usual.chain(spec.in_redis().map(sessions::secret)).collect()
}

impl Target {
    /// The file at `path`.
    pub fn file(&self, path: &camino::Utf8Path) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The unit of a service under systemd; none where runit supervises it.
    pub fn unit(&self, service: &str) -> Option<&File> {
        self.file(self.systemd.as_ref()?.files.get(service)?)
    }

    /// What the supervisor starts a service from: its unit, or its `run` script.
    pub fn definition(&self, service: &str) -> Option<&File> {
        let script = format!("/runit/{service}/run");
        self.unit(service).or_else(|| {
            self.files
                .iter()
                .find(|file| file.path.as_str().ends_with(&script))
        })
    }

    /// The service called `name`.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }
}
