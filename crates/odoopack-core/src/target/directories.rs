//! Programs, users and directories: the ground that everything else stands on.
use std::collections::BTreeSet;

use camino::Utf8PathBuf;

use super::{Access, Directory, Known, Program, User};
use crate::service::Service;
use crate::spec::Source;

pub(super) fn programs(known: &Known<'_>) -> Vec<Program> {
    if known.layout.containers() {
        let git = !known.spec.addons.repositories.is_empty();
        // The server of somebody else is reached from this host, and there is no image of it.
        let client = known.spec.postgres.is_given();
        return std::iter::once(program("docker", "docker.io", "runs the containers"))
            .chain(git.then(|| program("git", "git", "repositories of modules")))
            .chain(client.then(|| database_program(known)))
            .collect();
    }
    let mut all = vec![
        database_program(known),
        program("nginx", "nginx", "TLS, static files and limits"),
        program("python3-venv", "python3-venv", "Odoo's Python environment"),
        Program {
            // Debian 13 has none.
            without: Some("reports are not printed as PDF; a `wkhtmltox` of your own will do"),
            ..program("wkhtmltopdf", "wkhtmltopdf", "printing PDF reports")
        },
    ];
    if !known.facts.host.systemd {
        all.push(program("runsvdir", "runit", "supervises the servers"));
    }
    if super::sessions::wanted(known) {
        all.push(program("redis-server", "redis-server", "sessions"));
    }
    if matches!(known.spec.odoo.source, Source::Git { .. }) {
        all.push(program("git", "git", "Odoo's source code"));
    }
    if let Some(version) = known.spec.postgres.version {
        all[0].package = format!("postgresql-{version}");
    }
    all
}

/// The server, or the programs that talk to somebody else's, which must be of its own major.
fn database_program(known: &Known<'_>) -> Program {
    if !known.spec.postgres.is_given() {
        return program("postgres", "postgresql", "the database server");
    }
    let package = match known.facts.server.present() {
        Some(server) => format!("postgresql-client-{}", server.major),
        None => "postgresql-client".to_owned(),
    };
    program(super::CLIENT, &package, "backups and restores")
}

fn program(name: &'static str, package: &str, why: &'static str) -> Program {
    Program {
        name,
        package: package.to_owned(),
        why,
        without: None,
    }
}

pub(super) fn users(known: &Known<'_>) -> Vec<User> {
    let layout = known.layout;
    let user = |part: &str, home: Utf8PathBuf, groups: BTreeSet<String>| {
        layout.user(part).map(|name| User { name, home, groups })
    };
    let environments = known.spec.environments.keys();
    // nginx serves attachments and reaches the gate's sockets: it reads files of these groups.
    let read_by_nginx = environments
        .clone()
        .filter_map(|e| layout.user(e.as_str()))
        .collect();
    let mut all = vec![user("gate", layout.state(), BTreeSet::new())];
    if !known.spec.postgres.is_given() {
        all.insert(0, user("postgres", layout.home("postgres"), BTreeSet::new()));
    }
    if super::sessions::wanted(known) {
        all.push(user("redis", layout.redis(), BTreeSet::new()));
    }
    all.extend(environments.map(|e| user(e.as_str(), layout.home(e.as_str()), BTreeSet::new())));
    all.push(user("nginx", layout.data(), read_by_nginx));
    all.into_iter().flatten().collect()
}

pub(super) fn of<'a>(known: &Known<'_>, services: impl Iterator<Item = &'a Service>) -> Vec<Directory> {
    let layout = known.layout;
    let mut all = public(known);
    let part = |path: Utf8PathBuf, part: &str, mode: u32| owned(known, path, part, part, mode);
    for server in known.spec.servers() {
        all.extend([
            part(layout.cluster(&server), "postgres", 0o700),
            part(layout.postgres_socket(&server), "postgres", 0o755),
        ]);
    }
    all.extend([
        part(layout.data().join("run/gate-control"), "gate", 0o700),
        owned(known, layout.gate_sockets(), "gate", "nginx", 0o2750),
        part(layout.state().join("gate"), "gate", 0o700),
        part(layout.data().join("nginx"), "nginx", 0o750),
    ]);
    for name in known.spec.environments.keys() {
        all.push(part(layout.environment(name), name.as_str(), 0o750));
        if layout.containers() {
            continue;
        }
        let conf = layout.config().join(name.as_str());
        all.push(plain(known, conf, 0o755));
        for slot in crate::layout::Slot::ALL {
            all.push(plain(
                known,
                layout.config().join(name.as_str()).join(slot.as_str()),
                0o755,
            ));
        }
    }
    if super::addons::wanted(known) {
        let farms = super::addons::farms(known).into_values();
        all.extend(farms.map(|farm| plain(known, farm.directory, 0o755)));
        // nginx's container sees it as a whole.
        if layout.containers() {
            all.push(plain(known, layout.locked_addons(), 0o755));
        }
    }
    all.extend(super::sessions::directories(known));
    if !known.facts.host.systemd && !layout.containers() {
        all.extend(services.flat_map(|service| runit(known, service)));
    }
    all
}

/// Directories that belong to whoever runs this program.
fn public(known: &Known<'_>) -> Vec<Directory> {
    let layout = known.layout;
    let open = [
        layout.root().to_owned(),
        layout.repo(),
        layout.data(),
        layout.data().join("run"),
        layout.data().join("environments"),
        layout.releases(),
        layout.pythons(),
        layout.config(),
        layout.addons(),
        layout
            .nginx()
            .parent()
            .map_or_else(|| layout.config(), camino::Utf8Path::to_owned),
        layout.nginx(),
        super::printing::directory(layout),
        layout.state(),
        layout.state().join("bin"),
        layout.state().join("stamps"),
        layout.state().join("operations"),
        layout.state().join("schedule"),
        layout.logs(),
    ];
    let mut all: Vec<Directory> = open.into_iter().map(|path| plain(known, path, 0o755)).collect();
    let servers = known.spec.servers();
    let configs = servers.iter().map(|server| layout.postgres_config(server));
    all.extend(configs.map(|path| plain(known, path, 0o755)));
    if layout.containers() {
        let more = [layout.config().join("gate"), layout.config().join("accounts")];
        all.extend(more.into_iter().map(|path| plain(known, path, 0o755)));
    }
    let closed = [
        layout.backups(),
        layout.secrets(),
        layout.tls(),
        layout.state().join("unfinished"),
    ];
    all.extend(closed.into_iter().map(|path| plain(known, path, 0o700)));
    if !known.facts.host.systemd && !layout.containers() {
        all.extend([layout.runit(), layout.enabled()].map(|path| plain(known, path, 0o755)));
    }
    all
}

fn runit(known: &Known<'_>, service: &Service) -> Vec<Directory> {
    let definition = known.layout.runit().join(&service.name);
    let logs = known.layout.logs().join(&service.name);
    [
        definition.clone(),
        definition.join("log"),
        definition.join("control"),
        logs,
    ]
    .map(|path| plain(known, path, 0o750))
    .into()
}

fn plain(known: &Known<'_>, path: Utf8PathBuf, mode: u32) -> Directory {
    Directory {
        path,
        access: ours(known, mode),
    }
}

pub(super) fn ours(known: &Known<'_>, mode: u32) -> Access {
    let root = known.layout.own_users().then(|| "root".to_owned());
    Access {
        user: root.clone(),
        group: root,
        mode,
    }
}

fn owned(known: &Known<'_>, path: Utf8PathBuf, user: &str, group: &str, mode: u32) -> Directory {
    Directory {
        path,
        access: Access {
            user: known.layout.user(user),
            group: known.layout.user(group),
            mode,
        },
    }
}
