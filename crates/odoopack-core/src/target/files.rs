//! The rendered files, with who may read them.
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;

use super::{Access, File, Known, TargetError};
use crate::gate;
use crate::layout::{Layout, Slot};
use crate::name::Name;
use crate::render::{pg_hba, postgresql, runit, shell, systemd};
use crate::secret::SecretText;
use crate::service::Service;
use crate::spec::{Environment, OwnServer, SecretRef, Spec, Tls, Value};
use crate::units::Bytes;

pub(super) fn of(known: &Known<'_>) -> Result<Vec<File>, TargetError> {
    let mut all = Vec::from_iter(gate(known));
    all.extend(super::compose::accounts(known));
    let servers = known.spec.servers();
    all.extend(servers.iter().flat_map(|server| postgres(known, server)));
    all.extend(super::nginx::of(known));
    all.extend(super::addons::records(known));
    all.extend(super::printing::of(known));
    for (name, environment) in &known.spec.environments {
        all.extend(super::odoo::conf(known, name, environment)?);
        all.extend(secrets_file(known, name, environment));
    }
    Ok(all)
}

/// Whether every file that is wanted could be stated.
pub(super) fn complete(known: &Known<'_>) -> bool {
    let mut secrets = super::secrets(known.spec);
    secrets.extend(known.spec.needed_secrets().map(SecretRef::key));
    known
        .facts
        .release
        .present()
        .is_some_and(|release| release.python.is_some())
        && secrets.iter().all(|name| known.facts.secrets.contains_key(name))
}

/// What stands in the first line of every rendered file: the pack's name, because a hash of the whole file would
/// change every service's configuration with every edit.
pub(super) fn made_from(known: &Known<'_>) -> String {
    known.layout.pack().to_string()
}

pub(super) fn text(path: Utf8PathBuf, access: Access, content: String) -> File {
    File {
        path,
        access,
        shown: content.clone(),
        content: SecretText::new(content),
    }
}

fn ours(known: &Known<'_>, mode: u32) -> Access {
    super::directories::ours(known, mode)
}

/// Readable by one part only.
pub(super) fn for_part(known: &Known<'_>, part: &str, mode: u32) -> Access {
    Access {
        user: known.layout.own_users().then(|| "root".to_owned()),
        group: known.layout.user(part),
        mode,
    }
}

fn gate(known: &Known<'_>) -> Option<File> {
    let layout = known.layout;
    let slots = |name: &Name| {
        let one = |slot: &Slot| {
            let place = known.place(name, *slot)?;
            let address = gate::Address {
                host: place.host,
                web: place.web,
                websocket: place.websocket,
            };
            Some((*slot, address))
        };
        known.slots().iter().map(one).collect::<Option<BTreeMap<_, _>>>()
    };
    let environment = |name: &Name| {
        let socket = layout.gate_sockets().join(format!("{name}.sock"));
        slots(name).map(|slots| (name.to_string(), gate::Environment { socket, slots }))
    };
    let config = gate::Config {
        format: gate::CONFIG_FORMAT,
        control: layout.gate_control(),
        state: layout.state().join("gate/state.json"),
        environments: known.spec.environments.keys().filter_map(environment).collect(),
    };
    let content = serde_json::to_string_pretty(&config).ok()? + "\n";
    Some(text(layout.gate_config(), ours(known, 0o644), content))
}

fn postgres(known: &Known<'_>, server: &OwnServer) -> Vec<File> {
    let layout = known.layout;
    let Some(major) = super::services::major(known, server) else {
        return Vec::new();
    };
    let directory = layout.postgres_config(server);
    let access = || for_part(known, "postgres", 0o640);
    let size = &known.sizing.postgres;
    let tcp = tcp(known);
    let conf = postgresql::postgresql_conf(&postgresql::Postgresql {
        hash: made_from(known),
        major,
        cluster_name: match server.edition() {
            None => layout.pack().to_string(),
            Some(edition) => format!("{}.{edition}", layout.pack()),
        },
        socket_directory: layout.postgres_socket(server),
        port: postgres_port(known.spec),
        listen: tcp.as_ref().map_or("", |(address, _)| address),
        max_connections: size.max_connections,
        shared_buffers: size.shared_buffers,
        work_mem: size.work_mem,
        maintenance_work_mem: size.maintenance_work_mem,
        effective_cache_size: size.effective_cache_size,
        preload: vec!["pg_stat_statements".to_owned()],
        options: known.spec.postgres.options.clone(),
    });
    let rules = pg_hba::Access {
        hash: made_from(known),
        admin: crate::layout::ADMIN_ROLE.to_owned(),
        admin_users: admin_users(known),
        roles: roles(known, server),
        tcp: tcp.map(|(_, network)| network),
    };
    vec![
        text(directory.join("postgresql.conf"), access(), conf),
        text(
            directory.join("pg_hba.conf"),
            access(),
            pg_hba::pg_hba_conf(&rules),
        ),
        text(
            directory.join("pg_ident.conf"),
            access(),
            pg_hba::pg_ident_conf(&rules),
        ),
    ]
}

/// Address to listen on besides the socket, and the network that may come from there.
///
/// In a container loopback is the container's own: what is published on the host's loopback comes from the stack's
/// network.
fn tcp(known: &Known<'_>) -> Option<(&'static str, String)> {
    known.spec.postgres.port?;
    if known.layout.containers() {
        let [a, b, c] = known.facts.containers.network;
        Some(("0.0.0.0", format!("{a}.{b}.{c}.0/24")))
    } else {
        Some(("127.0.0.1", "127.0.0.1/32".to_owned()))
    }
}

/// Names the socket file; the usual one when the server listens on no TCP port.
pub fn postgres_port(spec: &Spec) -> u16 {
    spec.postgres.port.unwrap_or(5432)
}

/// Users of the operating system that may be the administrator: the server's own and whoever runs this program.
fn admin_users(known: &Known<'_>) -> Vec<String> {
    let mut all = vec![known.facts.host.user.clone()];
    all.extend(known.layout.user("postgres"));
    all
}

/// Who may enter a server: those whose databases it holds.
fn roles(known: &Known<'_>, server: &OwnServer) -> Vec<pg_hba::Role> {
    let here = |name: &Name| known.spec.server_of(name) == *server;
    let one = |(name, environment): (&Name, &Environment)| pg_hba::Role {
        name: known.layout.role(name),
        databases: vec![
            environment.database.clone(),
            super::tests_database(&environment.database),
        ],
    };
    let sessions = super::sessions::databases(known);
    let sessions = sessions.into_iter().filter(|want| here(&want.environment));
    let sessions = sessions.map(|want| pg_hba::Role {
        name: want.database.clone(),
        databases: vec![want.database],
    });
    let environments = known.spec.environments.iter().filter(|(name, _)| here(name));
    environments.map(one).chain(sessions).collect()
}

/// Certificate and key of an environment.
pub(super) fn certificate_pair(layout: &Layout, name: &Name, tls: &Tls) -> (Utf8PathBuf, Utf8PathBuf) {
    match tls {
        Tls::Local => (
            certificate(layout, name),
            layout.tls().join(format!("{name}.key")),
        ),
        Tls::Files { certificate, key } => (certificate.clone(), key.clone()),
    }
}

/// Certificate that the pack's own authority issues.
pub(super) fn certificate(layout: &Layout, name: &Name) -> Utf8PathBuf {
    layout.tls().join(format!("{name}.pem"))
}

pub(super) fn certificates(spec: &Spec) -> BTreeMap<Name, String> {
    let local = spec
        .environments
        .iter()
        .filter(|(_, environment)| environment.tls == Tls::Local);
    local
        .map(|(name, environment)| (name.clone(), environment.domain.clone()))
        .collect()
}

/// Certificates and keys that the operator brings.
pub(super) fn brought(spec: &Spec) -> BTreeSet<Utf8PathBuf> {
    let pair = |environment: &Environment| match &environment.tls {
        Tls::Files { certificate, key } => vec![certificate.clone(), key.clone()],
        Tls::Local => Vec::new(),
    };
    spec.environments.values().flat_map(pair).collect()
}

/// File with the secret part of an environment's variables.
pub(super) fn environment_secrets(layout: &Layout, name: &Name) -> Utf8PathBuf {
    layout.secrets().join(format!("{name}.env"))
}

/// Variables of Odoo whose values are secrets, one `NAME='value'` per line.
fn secrets_file(known: &Known<'_>, name: &Name, environment: &Environment) -> Option<File> {
    let mut values = BTreeMap::new();
    for (variable, value) in &environment.env {
        if let Value::Secret(reference) = value {
            values.insert(variable.clone(), known.facts.secrets.get(&reference.key())?);
        }
    }
    if values.is_empty() {
        return None;
    }
    let render = |show: &dyn Fn(&SecretText) -> String| {
        let shown = values
            .iter()
            .map(|(name, value)| (name.clone(), show(value)))
            .collect();
        shell::environment_file(&made_from(known), &shown)
    };
    Some(File {
        path: environment_secrets(known.layout, name),
        // A container reads it as the environment's user, the supervisors of a host before they become that user.
        access: if known.layout.containers() {
            for_part(known, name.as_str(), 0o640)
        } else {
            ours(known, 0o600)
        },
        content: SecretText::new(render(&|value| value.expose().to_owned())),
        shown: render(&|_| "***".to_owned()),
    })
}

/// Size and number of a service's logs.
const LOG_SIZE: Bytes = Bytes::mib(10);
const LOGS_KEPT: u32 = 10;

/// The definition of one service for runit.
pub(super) fn runit(known: &Known<'_>, service: &Service) -> Vec<File> {
    let directory = known.layout.runit().join(&service.name);
    let made = made_from(known);
    let log = runit::Log {
        directory: known.layout.logs().join(&service.name),
        user: None,
        size: LOG_SIZE,
        keep: LOGS_KEPT,
    };
    let script = |path: Utf8PathBuf, content: String| text(path, ours(known, 0o755), content);
    let mut files = vec![
        script(directory.join("run"), runit::run(service, &made)),
        script(
            directory.join("finish"),
            runit::finish(&made, &log.directory.join("exits")),
        ),
        script(directory.join("log/run"), runit::log_run(&made, &log)),
        text(
            log.directory.join("config"),
            ours(known, 0o644),
            runit::log_config(&made, &log),
        ),
    ];
    let controls = runit::controls(service, &made);
    files.extend(
        controls
            .into_iter()
            .map(|(name, content)| script(directory.join("control").join(name), content)),
    );
    files
}

/// The units of the pack: its target, its slice, and one for each service.
pub(super) fn systemd<'a>(known: &Known<'_>, services: impl Iterator<Item = &'a Service>) -> Vec<File> {
    let made = made_from(known);
    let pack = known.layout.pack().as_str();
    let unit = |name: String, content: String| {
        let path = Utf8PathBuf::from(systemd::DIRECTORY).join(name);
        text(path, ours(known, 0o644), content)
    };
    let mut files = vec![
        unit(systemd::target_name(pack), systemd::target(&made, pack)),
        unit(systemd::slice_name(pack), systemd::slice(&made, pack)),
    ];
    files.extend(services.map(|service| {
        unit(
            systemd::unit_name(pack, &service.name),
            systemd::unit(&made, pack, service),
        )
    }));
    files
}
