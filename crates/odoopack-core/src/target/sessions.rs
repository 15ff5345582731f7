//! Sessions in Redis: the server, its users, and the module that Odoo loads.
use camino::Utf8PathBuf;

use super::files::{for_part, made_from, text};
use super::{Access, Directory, File, Known, secret_name};
use crate::layout::Layout;
use crate::name::Name;
use crate::render::redis::{Redis, User, redis_conf, redis_users};
use crate::secret::SecretText;
use crate::service::Service;
use crate::spec::{Environment, Sessions};
use crate::units::{Bytes, Seconds};

/// Name of the module.
pub(super) const MODULE: &str = "odoopack_sessions";

/// The module's files, part of this program.
const FILES: [(&str, &str); 6] = [
    (
        "__init__.py",
        include_str!("../../../../addons/odoopack_sessions/__init__.py"),
    ),
    (
        "__manifest__.py",
        include_str!("../../../../addons/odoopack_sessions/__manifest__.py"),
    ),
    (
        "controllers.py",
        include_str!("../../../../addons/odoopack_sessions/controllers.py"),
    ),
    (
        "store.py",
        include_str!("../../../../addons/odoopack_sessions/store.py"),
    ),
    (
        "README.md",
        include_str!("../../../../addons/odoopack_sessions/README.md"),
    ),
    (
        "LICENSE",
        include_str!("../../../../addons/odoopack_sessions/LICENSE"),
    ),
];

/// Most memory for sessions: one takes about a kilobyte.
const MEMORY: Bytes = Bytes::mib(64);

pub(super) fn wanted(known: &Known<'_>) -> bool {
    known.spec.in_redis().next().is_some()
}

/// Name of the secret with which an environment uses Redis.
pub(super) fn secret(name: &Name) -> String {
    secret_name(name, "SESSIONS")
}

fn prefix(known: &Known<'_>, name: &Name) -> String {
    format!("{}:{name}:", known.layout.pack())
}

pub(super) fn directories(known: &Known<'_>) -> Vec<Directory> {
    if !wanted(known) {
        return Vec::new();
    }
    let layout = known.layout;
    let part = |path: Utf8PathBuf, mode: u32| Directory {
        path,
        access: Access {
            user: layout.user("redis"),
            group: layout.user("redis"),
            mode,
        },
    };
    let ours = |path: Utf8PathBuf, mode: u32| Directory {
        path,
        access: super::directories::ours(known, mode),
    };
    let mut all = vec![
        part(layout.redis(), 0o700),
        part(layout.data().join("run/redis"), 0o755),
        ours(layout.config().join("redis"), 0o755),
        ours(layout.own_addons(), 0o755),
        ours(layout.own_addons().join(MODULE), 0o755),
    ];
    // Nobody can write here: Odoo without the module would rather fail than keep sessions in files.
    all.extend(
        known
            .spec
            .in_redis()
            .map(|name| ours(layout.environment(name).join("sessions"), 0o555)),
    );
    all
}

pub(super) fn files(known: &Known<'_>) -> Vec<File> {
    if !wanted(known) {
        return Vec::new();
    }
    let layout = known.layout;
    let mut all: Vec<File> = FILES
        .into_iter()
        .map(|(name, content)| {
            let path = layout.own_addons().join(MODULE).join(name);
            text(path, super::directories::ours(known, 0o644), content.to_owned())
        })
        .collect();
    let mut users = Vec::new();
    for name in known.spec.in_redis() {
        let Some(password) = known.facts.secrets.get(&secret(name)) else {
            return all;
        };
        users.push(User {
            name: name.to_string(),
            password: crate::hash::hex(password.expose().as_bytes()),
            prefix: prefix(known, name),
        });
        all.push(told(known, name, password));
    }
    let conf = Redis {
        hash: made_from(known),
        directory: layout.redis(),
        socket: Some(layout.redis_socket()),
        port: 0,
        users: layout.config().join("redis/users.conf"),
        memory: MEMORY,
    };
    let access = || for_part(known, "redis", 0o640);
    all.push(text(
        layout.config().join("redis/redis.conf"),
        access(),
        redis_conf(&conf),
    ));
    all.push(text(
        conf.users.clone(),
        access(),
        redis_users(&made_from(known), &users),
    ));
    all
}

/// What the module is told; only the environment's user reads it.
fn told(known: &Known<'_>, name: &Name, password: &SecretText) -> File {
    let render = |password: &str| {
        let told = serde_json::json!({
            "socket": known.layout.redis_socket(),
            "user": name,
            "password": password,
            "prefix": prefix(known, name),
        });
        format!("{told:#}\n")
    };
    File {
        path: known.layout.sessions(name),
        access: for_part(known, name.as_str(), 0o640),
        content: SecretText::new(render(password.expose())),
        shown: render("***"),
    }
}

pub(super) fn service(known: &Known<'_>) -> Option<Service> {
    if !wanted(known) {
        return None;
    }
    let layout = known.layout;
    let program = known.facts.programs.get("redis-server")?;
    let conf = layout.config().join("redis/redis.conf");
    let argv = vec![program.to_string(), conf.to_string()];
    Some(Service {
        user: layout.user("redis"),
        directory: layout.redis(),
        writable: vec![layout.redis(), layout.data().join("run/redis")],
        umask: 0o077,
        stop_within: Seconds(30),
        start_inputs: vec![conf.clone(), layout.config().join("redis/users.conf")],
        ..super::services::base(known, "redis", "sessions of Odoo", argv)
    })
}

/// Modules that every process of the environment loads for its sessions.
pub(super) fn server_wide(environment: &Environment) -> Option<String> {
    (environment.sessions == Sessions::Redis).then(|| MODULE.to_owned())
}

/// Where that module is found.
pub(super) fn addons(known: &Known<'_>, environment: &Environment) -> Option<Utf8PathBuf> {
    (environment.sessions == Sessions::Redis).then(|| known.layout.own_addons())
}

/// Variables that lead the module to what it is told.
pub(super) fn variables(layout: &Layout, name: &Name, environment: &Environment) -> Option<(String, String)> {
    (environment.sessions == Sessions::Redis).then(|| {
        (
            "ODOOPACK_SESSIONS".to_owned(),
            layout.sessions(name).into_string(),
        )
    })
}
