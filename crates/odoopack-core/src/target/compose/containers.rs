//! One container per service.
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use crate::layout::Layout;
use crate::name::Name;
use crate::render::compose::{Container, Health, Mount, Network};
use crate::render::redis;
use crate::service::{Service, Signal};
use crate::spec::{Environment, OwnServer, Sessions, Tls};
use crate::target::{Known, addons, sessions};
use crate::units::{Bytes, Seconds};

use super::ODOO_CONF;

/// Parallel queries share memory through `/dev/shm`.
const SHARED_MEMORY: Bytes = Bytes::mib(256);
/// nginx's master reads keys that only root may read, gives its directories to the workers and becomes them.
const NGINX: [&str; 6] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "KILL",
    "NET_BIND_SERVICE",
    "SETGID",
    "SETUID",
];
/// Most memory of the gate: it copies what passes through, and keeps nothing of it. What is far above its share of the
/// sizing is a fault of its own, which shall not take the host along.
const GATE_MEMORY: Bytes = Bytes::mib(256);
/// Most memory of nginx: its master with the certificates and the shared zones, and each worker with a full table of connections.
const NGINX_MEMORY: (Bytes, Bytes) = (Bytes::mib(128), Bytes::mib(64));
/// Redis rewrites its file in a copy of itself, which may have all of its data once more, and holds what is written meanwhile.
const REDIS_COPIES: u64 = 4;
/// A first start reads every module.
const ODOO_START: Seconds = Seconds(180);
/// It listens at once.
const GATE_START: Seconds = Seconds(30);
/// Recovery after a power cut.
const POSTGRES_START: Seconds = Seconds(300);
/// It reads its whole file.
const REDIS_START: Seconds = Seconds(60);

/// The container of a service; `None` while its image or its user is not known.
pub(super) fn of(known: &Known<'_>, service: &Service) -> Option<Container> {
    let servers = known.spec.servers();
    if let Some(server) = servers.iter().find(|server| server.is_called(&service.name)) {
        return postgres(known, service, server);
    }
    match (service.name.as_str(), environment(known, service)) {
        ("gate", _) => gate(known, service),
        ("redis", _) => redis(known, service),
        ("nginx", _) => nginx(known, service),
        (_, Some((name, environment))) => odoo(known, service, name, environment),
        (_, None) => None,
    }
}

/// What `docker compose run --rm ENVIRONMENT.tools SUBCOMMAND` starts; one per environment.
pub(super) fn tool(known: &Known<'_>, service: &Service) -> Option<(Name, Container)> {
    let (name, environment) = environment(known, service).filter(|_| service.name.ends_with(".web"))?;
    let tool = Container {
        name: format!("{name}.tools"),
        command: vec!["--help".to_owned()],
        network: Network::Stack,
        health: None,
        tool: true,
        ..odoo(known, service, name, environment)?
    };
    Some((name.clone(), tool))
}

/// The environment that a service of Odoo belongs to.
fn environment<'a>(known: &Known<'a>, service: &Service) -> Option<(&'a Name, &'a Environment)> {
    let (name, _) = service.name.split_once('.')?;
    known
        .spec
        .environments
        .iter()
        .find(|(known, _)| known.as_str() == name)
}

/// What all containers share.
fn base(known: &Known<'_>, service: &Service, image: &str, part: &str) -> Option<Container> {
    let image = known.facts.containers.images.get(image)?;
    let [passwd, group] = known.layout.accounts();
    let mut environment = service.environment.clone();
    // The image knows best where its programs are.
    environment.remove("PATH");
    Some(Container {
        name: service.name.clone(),
        image: image.pinned.clone(),
        user: user(known, part)?,
        entrypoint: service.argv.iter().take(1).cloned().collect(),
        command: service.argv.iter().skip(1).cloned().collect(),
        environment,
        directory: service.directory.clone(),
        mounts: vec![
            mount(&passwd, "/etc/passwd".into(), false),
            mount(&group, "/etc/group".into(), false),
        ],
        stop_signal: signal(service.stop_signal),
        stop_within: service.stop_within,
        memory: service.memory_max,
        gives_way: service.gives_way,
        after: Vec::new(),
        ..Container::default()
    })
}

/// `uid:gid` of a part's user, or ours where there are no such users.
fn user(known: &Known<'_>, part: &str) -> Option<String> {
    let (uid, gid) = match known.layout.user(part) {
        Some(name) => known.facts.users.get(&name).map(|fact| (fact.uid, fact.gid))?,
        None => known.facts.host.ids,
    };
    Some(format!("{uid}:{gid}"))
}

fn signal(signal: Signal) -> &'static str {
    match signal {
        Signal::Term => "SIGTERM",
        Signal::Int => "SIGINT",
        Signal::Quit => "SIGQUIT",
        Signal::Hup => "SIGHUP",
    }
}

fn mount(source: &Utf8Path, target: Utf8PathBuf, writable: bool) -> Mount {
    Mount {
        source: source.to_owned(),
        target,
        writable,
    }
}

/// At the same place inside as outside, so that every path in a log or a file means the same.
fn same(path: &Utf8Path, writable: bool) -> Mount {
    mount(path, path.to_owned(), writable)
}

/// Data where a container expects it. Docker only keeps a volume that somebody names, so one that holds it deeper down is
/// mounted as a whole beside it.
fn data(place: &Utf8Path, inside: Utf8PathBuf, writable: bool) -> impl Iterator<Item = Mount> {
    let mut above = place.ancestors().skip(1);
    let volume = above.find(|place| crate::render::compose::volume(place).is_some());
    let whole = volume.map(|volume| mount(volume, "/mnt/adopted".into(), false));
    std::iter::once(mount(place, inside, writable)).chain(whole)
}

/// Reached through its socket, so it needs no network unless the file publishes a port on the host's loopback. Without a
/// limit of memory: where one backend is killed PostgreSQL ends all connections. What it takes follows from its settings.
fn postgres(known: &Known<'_>, service: &Service, server: &OwnServer) -> Option<Container> {
    let layout = known.layout;
    let mut one = base(known, service, "postgres", "postgres")?;
    one.mounts
        .extend(data(&layout.cluster(server), layout.cluster_inside(server), true));
    one.mounts.extend([
        same(&layout.postgres_socket(server), true),
        same(&layout.postgres_config(server), false),
    ]);
    let port = crate::target::postgres_port(known.spec);
    let (socket, port) = (layout.postgres_socket(server), port.to_string());
    let program = Utf8Path::new(service.argv.first()?).with_file_name("pg_isready");
    // As a role that may enter: every refusal is a line in the log.
    let admin = crate::layout::ADMIN_ROLE;
    let ask = [
        program.as_str(),
        "-q",
        "-h",
        socket.as_str(),
        "-p",
        &port,
        "-U",
        admin,
        "-d",
        "postgres",
    ];
    let published = known.spec.postgres.port;
    Some(Container {
        network: published.map_or(Network::Isolated, |_| Network::Stack),
        publish: published
            .into_iter()
            .map(|port| format!("127.0.0.1:{port}:{port}"))
            .collect(),
        scratch: vec!["/tmp"],
        shared_memory: Some(SHARED_MEMORY),
        health: Some(Health {
            command: ask.map(str::to_owned).into(),
            start: POSTGRES_START,
        }),
        ..one
    })
}

/// Reached through its socket only.
fn redis(known: &Known<'_>, service: &Service) -> Option<Container> {
    let layout = known.layout;
    let mut one = base(known, service, "redis", "redis")?;
    one.mounts
        .extend(service.writable.iter().map(|path| same(path, true)));
    one.mounts.push(same(&layout.config().join("redis"), false));
    let client = Utf8Path::new(service.argv.first()?).with_file_name("redis-cli");
    // It ends well whatever it is answered, such as that the data are still read.
    let script = "test \"$(\"$0\" -s \"$1\" --user \"$2\" --pass none ping 2>/dev/null)\" = PONG";
    let socket = layout.redis_socket();
    let ask = [
        "/bin/sh",
        "-c",
        script,
        client.as_str(),
        socket.as_str(),
        redis::ASKS,
    ];
    Some(Container {
        health: Some(Health {
            command: ask.map(str::to_owned).into(),
            start: REDIS_START,
        }),
        network: Network::Isolated,
        memory: Some(Bytes(sessions::MEMORY.0 * REDIS_COPIES)),
        ..one
    })
}

fn gate(known: &Known<'_>, service: &Service) -> Option<Container> {
    let layout = known.layout;
    let mut one = base(known, service, "gate", "gate")?;
    let config = layout.gate_config();
    one.mounts
        .extend(service.writable.iter().map(|path| same(path, true)));
    one.mounts
        .extend(config.parent().map(|directory| same(directory, false)));
    // Its image holds nothing but the program itself.
    let itself = service.argv.iter().map(String::as_str);
    Some(Container {
        memory: Some(GATE_MEMORY),
        health: Some(Health {
            command: itself.chain(["--check"]).map(str::to_owned).collect(),
            start: GATE_START,
        }),
        ..one
    })
}

fn nginx(known: &Known<'_>, service: &Service) -> Option<Container> {
    let layout = known.layout;
    let web = &known.spec.web;
    let mut one = base(known, service, "nginx", "nginx")?;
    one.mounts.extend([
        same(&layout.nginx(), false),
        same(&layout.tls(), false),
        same(&layout.data().join("nginx"), true),
        same(&layout.gate_sockets(), false),
    ]);
    for (name, environment) in &known.spec.environments {
        one.mounts.push(mount(
            &layout.environment(name),
            layout.environment_inside(name),
            false,
        ));
        one.mounts
            .extend(brought(&environment.tls).iter().map(|path| same(path, false)));
    }
    one.mounts
        .extend(static_places(known).iter().map(|path| same(path, false)));
    let root = layout.own_users();
    Some(Container {
        // Its workers become the pack's nginx user; as an ordinary user it is that user from the start.
        user: if root { "0:0".to_owned() } else { one.user },
        capabilities: if root {
            NGINX.to_vec()
        } else {
            vec!["NET_BIND_SERVICE"]
        },
        memory: Some(nginx_memory(known)),
        scratch: vec!["/tmp"],
        publish: [web.http_port, web.https_port]
            .into_iter()
            .flat_map(|port| publish(&web.listen, port))
            .chain(direct(known))
            .collect(),
        after: vec![("gate".to_owned(), true)],
        ..one
    })
}

fn nginx_memory(known: &Known<'_>) -> Bytes {
    let (master, worker) = NGINX_MEMORY;
    Bytes(master.0 + worker.0 * u64::from(known.sizing.nginx_workers))
}

/// Where nginx finds static files of modules: the farms, and what they link to. Whatever comes from an image or a lock lies in one
/// place, so that another image or commit does not stop nginx.
fn static_places(known: &Known<'_>) -> BTreeSet<Utf8PathBuf> {
    let layout = known.layout;
    if !addons::wanted(known) {
        return BTreeSet::from([layout.releases()]);
    }
    let editions: BTreeSet<&Name> = known
        .spec
        .environments
        .values()
        .map(|environment| &environment.edition)
        .collect();
    let linked = editions
        .into_iter()
        .flat_map(|edition| addons::linked_from(known, edition));
    let whole = [layout.addons(), layout.releases()];
    let elsewhere = linked.filter(|path| !whole.iter().any(|place| path.starts_with(place)));
    elsewhere.chain(whole.clone()).collect()
}

/// Ports of development environments: for people on this machine.
fn direct<'a>(known: &Known<'a>) -> impl Iterator<Item = String> + use<'a> {
    let ports = known.spec.environments.values().filter_map(|one| one.http_port);
    ports.map(|port| format!("127.0.0.1:{port}:{port}"))
}

/// Every address of the file; both wildcards together are what Docker does by itself, also where the host has no IPv6.
fn publish(listen: &[String], port: u16) -> Vec<String> {
    let wild = ["0.0.0.0", "[::]"];
    if wild
        .iter()
        .all(|address| listen.iter().any(|known| known == address))
    {
        return vec![format!("{port}:{port}")];
    }
    listen
        .iter()
        .map(|address| format!("{address}:{port}:{port}"))
        .collect()
}

/// Names of the files in `live/NAME` of Let's Encrypt's tree.
const OF_CERTBOT: [&str; 4] = ["fullchain.pem", "cert.pem", "chain.pem", "privkey.pem"];

/// Where it is as a rule; nothing else is in it.
const LETSENCRYPT: &str = "/etc/letsencrypt";

/// Directory of a certificate that the operator brings; Let's Encrypt's files are links within their own tree.
fn brought(tls: &Tls) -> Vec<Utf8PathBuf> {
    let Tls::Files { certificate, key } = tls else {
        return Vec::new();
    };
    let tree = |path: &Utf8PathBuf| {
        let usual = Utf8Path::new(LETSENCRYPT);
        if path.starts_with(usual) {
            return Some(usual.to_owned());
        }
        let live = path
            .ancestors()
            .nth(2)
            .filter(|above| above.file_name() == Some("live"))?;
        let ours = path.file_name().is_some_and(|name| OF_CERTBOT.contains(&name));
        live.parent()
            .filter(|tree| ours && *tree != "/")
            .map(Utf8Path::to_owned)
    };
    let place = |path| tree(path).or_else(|| path.parent().map(Utf8Path::to_owned));
    let mut places: Vec<Utf8PathBuf> = [certificate, key].into_iter().filter_map(place).collect();
    places.dedup();
    places
}

fn odoo(known: &Known<'_>, service: &Service, name: &Name, environment: &Environment) -> Option<Container> {
    let layout = known.layout;
    let mut one = base(known, service, "odoo", name.as_str())?;
    let conf = layout.odoo_conf(name, crate::layout::Slot::Blue);
    one.mounts.push(mount(&conf, ODOO_CONF.into(), false));
    one.mounts.extend(data(
        &layout.environment(name),
        layout.environment_inside(name),
        true,
    ));
    let own = (!known.spec.postgres.is_given()).then(|| known.spec.server_of(name));
    let socket = own.as_ref().map(|server| layout.postgres_socket(server));
    let authority = layout.server().and_then(|server| server.authority.clone());
    one.mounts
        .extend(socket.iter().chain(&authority).map(|path| same(path, false)));
    let farm = addons::paths(known, &environment.edition);
    let modules = farm
        .into_iter()
        .chain(addons::linked_from(known, &environment.edition));
    one.mounts.extend(modules.map(|path| same(&path, false)));
    let secrets = service.environment_file.as_deref();
    one.mounts.extend(secrets.map(|file| same(file, false)));
    one.entrypoint = prepared(service.open_files, secrets, &one.entrypoint);
    let redis = environment.sessions == Sessions::Redis;
    if redis {
        let socket = layout.redis_socket();
        one.mounts
            .extend(socket.parent().map(|directory| same(directory, false)));
    }
    if environment.sessions != Sessions::Disk {
        one.mounts.push(same(&layout.own_addons(), false));
        one.mounts.push(same(&layout.sessions(name), false));
    }
    one.environment.extend(variables(layout, name, environment));
    let web = service.name.ends_with(".web");
    let address = known.place(name, crate::layout::Slot::Blue)?.host?;
    Some(Container {
        scratch: vec!["/tmp"],
        network: if web {
            Network::Fixed(address)
        } else {
            Network::Stack
        },
        after: own
            .map(|server| (server.to_string(), true))
            .into_iter()
            .chain(redis.then(|| ("redis".to_owned(), true)))
            .collect(),
        health: web.then(|| Health {
            command: vec!["python3".to_owned(), "-c".to_owned(), ask()],
            start: ODOO_START,
        }),
        ..one
    })
}

/// The image has Python for certain, and curl perhaps. Docker tells containers of the proxy that its user has, which knows
/// nothing of this address.
fn ask() -> String {
    let (web, _) = super::ODOO_PORTS;
    format!(
        "from urllib.request import ProxyHandler, build_opener; \
         build_opener(ProxyHandler({{}})).open('http://127.0.0.1:{web}/web/health', timeout=7)"
    )
}

/// Starts Odoo with room for its websockets, each of which is an open file, and with its secrets: values in a file stay out of
/// `docker inspect` and of `docker compose config`.
///
/// # Source
/// Docker 29 leaves a process 1024 open files that it may raise itself, those before it up to a thousand million. No limit of
/// the container says so, which a daemon whose own is lower refuses. nginx and the gate raise theirs. More than it takes
/// is too much: wkhtmltopdf's Qt closes as many files as there could be before it starts a program.
fn prepared(files: u32, secrets: Option<&Utf8Path>, entrypoint: &[String]) -> Vec<String> {
    let limit = format!("ulimit -S -n {files} 2>/dev/null || ulimit -S -n \"$(ulimit -H -n)\"");
    let (read, file) = match secrets {
        Some(file) => ("set -a; . \"$0\"; set +a; ", file.as_str()),
        None => ("", "odoo"),
    };
    let script = format!("{limit}; {read}exec \"$@\"");
    ["/bin/sh", "-c", &script, file]
        .into_iter()
        .map(str::to_owned)
        .chain(entrypoint.iter().cloned())
        .collect()
}

/// A number without a name must not stop Odoo, which asks for the name of its user.
///
/// # Source
/// `odoo/cli/server.py`, `check_root_user`: `getpass.getuser()` reads `LOGNAME` first.
fn variables(layout: &Layout, name: &Name, environment: &Environment) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([
        ("HOME".to_owned(), layout.environment_inside(name).into_string()),
        ("LOGNAME".to_owned(), "odoo".to_owned()),
    ]);
    let plain = environment.env.iter().filter_map(|(name, value)| match value {
        crate::spec::Value::Plain(text) => Some((name.clone(), text.clone())),
        crate::spec::Value::Secret(_) => None,
    });
    all.extend(plain);
    all.extend(sessions::variables(layout, name, environment));
    all.extend(crate::target::services::authority(layout));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_links_of_a_certificate_lead_to_is_mounted_with_them_and_nothing_else_is() {
        for (certificate, key, places) in [
            (
                "/etc/letsencrypt/live/erp/fullchain.pem",
                "/etc/letsencrypt/live/erp/privkey.pem",
                &["/etc/letsencrypt"][..],
            ),
            (
                "/etc/letsencrypt/live/erp/rsa/fullchain.pem",
                "/etc/letsencrypt/live/erp/bundle.pem",
                &["/etc/letsencrypt"],
            ),
            (
                "/srv/certbot/conf/live/erp/cert.pem",
                "/srv/certbot/conf/live/erp/privkey.pem",
                &["/srv/certbot/conf"],
            ),
            (
                "/srv/tls/erp.pem",
                "/srv/keys/erp.key",
                &["/srv/tls", "/srv/keys"],
            ),
            (
                "/home/live/erp/own.pem",
                "/home/live/erp/own.key",
                &["/home/live/erp"],
            ),
            ("/live/erp/fullchain.pem", "/live/erp/privkey.pem", &["/live/erp"]),
        ] {
            let tls = Tls::Files {
                certificate: certificate.into(),
                key: key.into(),
            };
            assert_eq!(brought(&tls), places, "{certificate}");
        }
    }
}
