//! Sessions in Redis or in a database: the server, its users, and the module that Odoo loads.
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
const FILES: [(&str, &str); 7] = [
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
        "database.py",
        include_str!("../../../../addons/odoopack_sessions/database.py"),
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
pub(super) const MEMORY: Bytes = Bytes::mib(64);

pub(super) fn wanted(known: &Known<'_>) -> bool {
    known.spec.in_redis().next().is_some()
}

/// Environments that load the module.
fn apart<'a>(known: &Known<'a>) -> impl Iterator<Item = &'a Name> {
    known.spec.in_redis().chain(known.spec.in_database())
}

/// The database of one environment's sessions, and the role of the same name that owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionsWant {
    /// The environment.
    pub environment: Name,
    /// Database and role.
    pub database: String,
    /// Name of the secret with its password.
    pub secret: String,
}

/// Databases of sessions that should exist.
pub(super) fn databases(known: &Known<'_>) -> Vec<SessionsWant> {
    let one = |name: &Name| SessionsWant {
        environment: name.clone(),
        database: known.layout.sessions_database(name),
        secret: secret(name),
    };
    known.spec.in_database().map(one).collect()
}

/// Name of the secret with which an environment reaches its sessions.
pub(super) fn secret(name: &Name) -> String {
    secret_name(name, "SESSIONS")
}

fn prefix(known: &Known<'_>, name: &Name) -> String {
    format!("{}:{name}:", known.layout.pack())
}

pub(super) fn directories(known: &Known<'_>) -> Vec<Directory> {
    let layout = known.layout;
    let mut all = on_disk(known);
    if apart(known).next().is_none() {
        return all;
    }
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
    if wanted(known) {
        all.extend([
            part(layout.redis(), 0o700),
            part(layout.data().join("run/redis"), 0o755),
            ours(layout.config().join("redis"), 0o755),
        ]);
    }
    all.extend([
        ours(layout.own_addons(), 0o755),
        ours(layout.own_addons().join(MODULE), 0o755),
    ]);
    // Nobody can write here: Odoo without the module would rather fail than keep sessions in files.
    all.extend(apart(known).map(|name| ours(layout.environment(name).join("sessions"), 0o555)));
    all
}

/// Listed although Odoo makes it: an environment whose sessions come back to the disk finds it closed to everybody.
fn on_disk(known: &Known<'_>) -> Vec<Directory> {
    let environments = known.spec.environments.iter();
    let environments = environments.filter(|(_, environment)| environment.sessions == Sessions::Disk);
    let one = |(name, _): (&Name, &Environment)| Directory {
        path: known.layout.environment(name).join("sessions"),
        access: Access {
            user: known.layout.user(name.as_str()),
            group: known.layout.user(name.as_str()),
            mode: 0o700,
        },
    };
    environments.map(one).collect()
}

pub(super) fn files(known: &Known<'_>) -> Vec<File> {
    if apart(known).next().is_none() {
        return Vec::new();
    }
    let layout = known.layout;
    let mut all = module(known);
    all.extend(told_of_databases(known));
    if !wanted(known) {
        return all;
    }
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
        all.push(told(known, name, password, |password| {
            serde_json::json!({
                "socket": known.layout.redis_socket(),
                "user": name,
                "password": password,
                "prefix": prefix(known, name),
            })
        }));
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

/// The module as it lies on the disk.
fn module(known: &Known<'_>) -> Vec<File> {
    FILES
        .into_iter()
        .map(|(name, content)| {
            let path = known.layout.own_addons().join(MODULE).join(name);
            text(path, super::directories::ours(known, 0o644), content.to_owned())
        })
        .collect()
}

/// Where the sessions of environments are that keep them in a database.
fn told_of_databases(known: &Known<'_>) -> Vec<File> {
    let all = known.spec.in_database().filter_map(|name| {
        let password = known.facts.secrets.get(&secret(name))?;
        Some(told(known, name, password, |password| {
            let place = (
                known.layout.postgres_socket(&known.spec.server_of(name)),
                super::postgres_port(known.spec),
            );
            serde_json::json!({ "database": url(known.layout, name, &place, password) })
        }))
    });
    all.collect()
}

/// What the module is told; only the environment's user reads it.
fn told(
    known: &Known<'_>,
    name: &Name,
    password: &SecretText,
    what: impl Fn(&str) -> serde_json::Value,
) -> File {
    let render = |password: &str| format!("{:#}\n", what(password));
    File {
        path: known.layout.sessions(name),
        access: for_part(known, name.as_str(), 0o640),
        content: SecretText::new(render(password.expose())),
        shown: render("***"),
    }
}

/// As libpq reads it: by the socket, whose directory no path of a URL can name.
///
/// # Source
/// PostgreSQL 18, libpq, "Connection URIs"; Odoo 17.0 to 19.0, `odoo/sql_db.py`, `connection_info_for`.
fn url(layout: &Layout, name: &Name, (socket, port): &(Utf8PathBuf, u16), password: &str) -> String {
    let role = layout.sessions_database(name);
    let (password, socket) = (encoded(password), encoded(socket.as_str()));
    format!("postgresql://{role}:{password}@/{role}?host={socket}&port={port}")
}

/// RFC 3986 section 2.1: all but unreserved characters.
fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'*' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(one).collect()
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
    (environment.sessions != Sessions::Disk).then(|| MODULE.to_owned())
}

/// Where that module is found.
pub(super) fn addons(known: &Known<'_>, environment: &Environment) -> Option<Utf8PathBuf> {
    (environment.sessions != Sessions::Disk).then(|| known.layout.own_addons())
}

/// What its processes read when they start.
pub(super) fn input(layout: &Layout, name: &Name, environment: &Environment) -> Option<Utf8PathBuf> {
    (environment.sessions != Sessions::Disk).then(|| layout.sessions(name))
}

/// Variables that lead the module to what it is told.
pub(super) fn variables(layout: &Layout, name: &Name, environment: &Environment) -> Option<(String, String)> {
    (environment.sessions != Sessions::Disk).then(|| {
        (
            "ODOOPACK_SESSIONS".to_owned(),
            layout.sessions(name).into_string(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_the_socket_and_any_password() {
        let layout = Layout::new("/opt/a b".into(), &"my-shop".parse().unwrap(), true);
        assert_eq!(
            url(
                &layout,
                &"copy-1".parse().unwrap(),
                &("/opt/a b/run".into(), 5432),
                "a/b@c:d%"
            ),
            "postgresql://my_shop_copy_1-sessions:a%2Fb%40c%3Ad%25@/my_shop_copy_1-sessions\
             ?host=%2Fopt%2Fa%20b%2Frun&port=5432"
        );
    }
}
