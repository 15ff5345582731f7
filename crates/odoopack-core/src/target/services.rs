//! The supervised processes, in the order in which they start.
use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::Known;
use crate::facts::{Facts, Release, Seen};
use crate::layout::Slot;
use crate::name::Name;
use crate::odoo::Role;
use crate::service::{Service, Signal};
use crate::spec::{Environment, Kind, OwnServer, Spec, Value};
use crate::units::{Bytes, Seconds};

/// A stop of Odoo may take as long as its longest request plus this (`limit_time_real`, `service/server.py`).
const STOP_MARGIN: u64 = 15;
/// A container of nginx is made anew when there is one more directory to see. Its doors are closed while its workers wait for
/// websockets, which last as long as people have Odoo open: nobody is let in until they are cut off.
const NGINX_STOP: Seconds = Seconds(2);

/// Every service; `None` for one that cannot be stated yet.
pub(super) fn of(known: &Known<'_>) -> Vec<Option<Service>> {
    let mut all = vec![Some(gate(known))];
    let servers = known.spec.servers();
    all.splice(0..0, servers.iter().map(|server| postgres(known, server)));
    if super::sessions::wanted(known) {
        all.push(super::sessions::service(known));
    }
    for (name, environment) in &known.spec.environments {
        all.push(odoo(known, name, environment, Role::Web));
        let crons = known
            .sizing
            .environments
            .get(name)
            .is_some_and(|size| size.cron_workers > 0);
        // A server that reloads runs its scheduled jobs itself: a cron process would go on with the old code.
        if crons && !environment.reload {
            all.push(odoo(known, name, environment, Role::Cron));
        }
    }
    all.push(nginx(known));
    // It would have to command Docker from inside of a container.
    let schedule = super::schedule::service(known).filter(|_| !known.layout.containers());
    all.extend(schedule.map(Some));
    all
}

/// Name of an Odoo service: `production.blue.web`.
pub fn odoo_name(environment: &Name, slot: Slot, role: &str) -> String {
    format!("{environment}.{}.{role}", slot.as_str())
}

/// Whether only a pack gives a service this name: Odoo's, and the servers of editions.
pub fn is_name_of_a_pack(service: &str) -> bool {
    let parts: Vec<&str> = service.split('.').collect();
    match parts[..] {
        [_, slot, _] => Slot::ALL.iter().any(|one| one.as_str() == slot),
        [_, _] => OwnServer::called(service).is_some(),
        _ => false,
    }
}

/// A service with the habits that all of ours share.
pub(super) fn base(known: &Known<'_>, name: &str, description: &str, argv: Vec<String>) -> Service {
    Service {
        name: name.to_owned(),
        description: description.to_owned(),
        argv,
        user: None,
        directory: known.layout.data(),
        environment: BTreeMap::from([
            ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("LANG".to_owned(), "C.UTF-8".to_owned()),
            // Odoo logs in UTC whatever the host's zone; merged logs need one clock.
            ("TZ".to_owned(), "UTC".to_owned()),
        ]),
        environment_file: None,
        umask: 0o027,
        stop_signal: Signal::Term,
        stop_within: Seconds(30),
        reload_signal: None,
        writable: Vec::new(),
        memory_max: None,
        open_files: 65_536,
        gives_way: false,
        after: Vec::new(),
        starts_as_root: false,
        inputs: Vec::new(),
        start_inputs: Vec::new(),
    }
}

/// The major that runs: `PG_VERSION` of the cluster wins, else the wanted one, else the newest that is installed.
pub fn postgres_major(known_major: Option<u16>, wanted: Option<u16>, installed: &[u16]) -> Option<u16> {
    known_major.or(wanted).or_else(|| installed.iter().max().copied())
}

fn postgres(known: &Known<'_>, server: &OwnServer) -> Option<Service> {
    let layout = known.layout;
    let major = cluster_major(known.spec, known.facts, server)?;
    let programs = known.facts.host.postgres.get(&major)?;
    let [config, hba, ident] = ["postgresql.conf", "pg_hba.conf", "pg_ident.conf"]
        .map(|name| layout.postgres_config(server).join(name));
    let argv = vec![
        programs.join("postgres").into_string(),
        "-D".to_owned(),
        layout.cluster_inside(server).into_string(),
        "-c".to_owned(),
        format!("config_file={config}"),
        "-c".to_owned(),
        format!("hba_file={hba}"),
        "-c".to_owned(),
        format!("ident_file={ident}"),
    ];
    let description = match server.edition() {
        None => "PostgreSQL of this pack".to_owned(),
        Some(edition) => format!("PostgreSQL of edition {edition}"),
    };
    Some(Service {
        user: layout.user("postgres"),
        stop_signal: Signal::Int,
        stop_within: Seconds(60),
        // A new environment changes who may enter, which a reload takes in; sizes are taken in by a restart only.
        reload_signal: Some(Signal::Hup),
        writable: vec![layout.cluster_inside(server), layout.postgres_socket(server)],
        umask: 0o077,
        inputs: vec![hba, ident],
        start_inputs: vec![config],
        ..base(known, &server.to_string(), &description, argv)
    })
}

/// The major of a server's cluster, when it can be known. A new edition's is that of its sisters: one `version` is written for all.
pub fn cluster_major(spec: &Spec, facts: &Facts, server: &OwnServer) -> Option<u16> {
    let on_disk = facts.cluster(server).present().map(|cluster| cluster.major);
    let sisters = facts.clusters.values().filter_map(Seen::present);
    let wanted = spec
        .postgres
        .version
        .or(sisters.map(|cluster| cluster.major).max());
    let installed: Vec<u16> = facts.host.postgres.keys().copied().collect();
    postgres_major(on_disk, wanted, &installed)
}

fn gate(known: &Known<'_>) -> Service {
    let layout = known.layout;
    let program = if layout.containers() {
        super::compose::GATE.into()
    } else {
        layout.state().join("bin").join(super::binary_name())
    };
    let config = layout.gate_config();
    let argv = vec![
        program.into_string(),
        "gate".to_owned(),
        "--config".to_owned(),
        config.to_string(),
    ];
    Service {
        user: layout.user("gate"),
        reload_signal: Some(Signal::Hup),
        stop_within: Seconds(35),
        writable: vec![
            layout.gate_sockets(),
            layout.data().join("run/gate-control"),
            layout.state().join("gate"),
        ],
        umask: 0o007,
        inputs: vec![config],
        ..base(known, "gate", "proxy between nginx and Odoo", argv)
    }
}

fn nginx(known: &Known<'_>) -> Option<Service> {
    let layout = known.layout;
    let program = known.facts.programs.get("nginx")?;
    known.facts.release.present().filter(|release| release.fetched)?;
    let config = layout.nginx().join("nginx.conf");
    let prefix = layout.data().join("nginx");
    let argv = [program.as_str(), "-c", config.as_str(), "-p", prefix.as_str()];
    let mut inputs = vec![config.clone()];
    if layout.containers() {
        let domains = known.spec.environments.values().map(|e| &e.domain);
        inputs.extend(domains.map(|domain| layout.nginx().join(format!("{domain}.conf"))));
    }
    for (name, environment) in &known.spec.environments {
        let (certificate, key) = super::files::certificate_pair(layout, name, &environment.tls);
        inputs.extend([certificate, key]);
    }
    let argv = argv.map(str::to_owned).into();
    let base = base(known, "nginx", "TLS, static files and limits", argv);
    Some(Service {
        stop_signal: Signal::Quit,
        stop_within: if layout.containers() {
            NGINX_STOP
        } else {
            base.stop_within
        },
        reload_signal: Some(Signal::Hup),
        starts_as_root: layout.own_users(),
        writable: vec![
            layout.data().join("nginx"),
            layout.data().join("run"),
            layout.logs(),
        ],
        umask: 0o027,
        inputs,
        after: vec!["gate".to_owned()],
        ..base
    })
}

fn odoo(known: &Known<'_>, name: &Name, environment: &Environment, role: Role) -> Option<Service> {
    let release = known.facts.release.present()?;
    let python = release.python.as_ref()?;
    let (word, what) = match role {
        Role::Web | Role::OneShot => ("web", "pages and websockets"),
        Role::Cron => ("cron", "scheduled jobs"),
    };
    let slot = Slot::Blue;
    let layout = known.layout;
    let conf = layout.odoo_conf(name, slot);
    let mut argv = if layout.containers() {
        ["odoo", "-c", super::compose::ODOO_CONF]
            .map(str::to_owned)
            .into()
    } else {
        command(release, python, &conf)
    };
    if environment.reload {
        // Up to 18.0 odoo.conf cannot say it (`odoo/tools/config.py`, `dev_mode`).
        argv.push("--dev=reload,qweb,xml".to_owned());
    } else {
        argv.extend(role.arguments().iter().map(|arg| (*arg).to_owned()));
    }
    argv.extend(jobrunner(known, environment, role));
    let secret = environment
        .env
        .values()
        .any(|value| matches!(value, Value::Secret(_)));
    let limit = longest_request(known, name);
    let own = (!known.spec.postgres.is_given()).then(|| known.spec.server_of(name).to_string());
    let mut after = Vec::from_iter(own);
    let environment_file = secret.then(|| super::files::environment_secrets(layout, name));
    let mut inputs = vec![conf];
    inputs.extend(environment_file.clone());
    if environment.sessions == crate::spec::Sessions::Redis {
        after.push("redis".to_owned());
    }
    inputs.extend(super::sessions::input(layout, name, environment));
    inputs.extend(layout.server().and_then(|server| server.authority.clone()));
    // Odoo reads which modules there are when it starts.
    inputs.extend(super::addons::read_at_start(known, &environment.edition));
    Some(Service {
        user: layout.user(name.as_str()),
        directory: layout.environment_inside(name),
        environment: if layout.containers() {
            in_container()
        } else {
            variables(layout, name, environment, release, python)
        },
        environment_file,
        stop_within: Seconds(limit.saturating_add(STOP_MARGIN)),
        writable: vec![layout.environment_inside(name)],
        memory_max: memory_max(known, name, role),
        gives_way: environment.kind != Kind::Production,
        after,
        inputs,
        ..base(
            known,
            &odoo_name(name, slot, word),
            &format!("Odoo of {name}: {what}"),
            argv,
        )
    })
}

/// Seconds that any service of the pack may take to end: Odoo ends what it has begun.
///
/// # Shape
/// From the file alone, because what is removed may be sized no more.
pub fn longest_stop(spec: &crate::spec::Spec) -> Seconds {
    let by_hand = spec.odoo.options.get("limit_time_real");
    let request = by_hand
        .and_then(|text| text.parse().ok())
        .unwrap_or(crate::sizing::TIME_REAL.0);
    Seconds(
        request
            .max(crate::sizing::TIME_REAL.0)
            .saturating_add(STOP_MARGIN),
    )
}

/// In seconds: as sized, or as written by hand.
fn longest_request(known: &Known<'_>, name: &Name) -> u64 {
    let size = known.sizing.environments.get(name);
    let sized = size.map_or(120, |size| size.time_real.0);
    let by_hand = known.spec.odoo.options.get("limit_time_real");
    by_hand.and_then(|text| text.parse().ok()).unwrap_or(sized)
}

/// What all processes of an Odoo service may use together.
///
/// Odoo recycles a worker by its virtual memory, one by one; this only stops a service that would take the host with
/// it: as much as all of its processes at their hard limits, the master and gevent's counted, but never more than
/// three quarters of the host, so that PostgreSQL and the rest live. The host's memory is rounded, because a new
/// kernel reports a little more or less and a limit that changes is a restart. Where the limit is met, the kernel
/// ends the biggest process of the service and Odoo's master starts another. PostgreSQL gets none: a killed backend
/// would end every connection.
fn memory_max(known: &Known<'_>, name: &Name, role: Role) -> Option<Bytes> {
    let size = known
        .sizing
        .environments
        .get(name)
        .filter(|_| known.facts.host.systemd || known.layout.containers())?;
    let (processes, gevent) = match (role, size.workers) {
        (Role::Cron, _) => (size.cron_workers + 1, Bytes(0)),
        (Role::Web | Role::OneShot, 0) => (1, Bytes(0)),
        (Role::Web | Role::OneShot, workers) => {
            let hard = size.gevent_memory.map_or(size.memory_hard, |(_, hard)| hard);
            (workers + 1, hard)
        }
    };
    let wanted = size.memory_hard.0.saturating_mul(u64::from(processes));
    let wanted = wanted.saturating_add(gevent.0);
    let grain = Bytes::mib(256).0;
    let host = known.facts.host.memory.0 / grain * grain;
    Some(Bytes(wanted.min(host / 4 * 3)))
}

/// How Odoo is started: never with `python -m odoo`, whose gevent child cannot find its own package.
///
/// # Source
/// Tried on Odoo 19.0 (Debian): `sys.executable` and `sys.argv` start the gevent process, so `argv[0]` must be a
/// script that runs on its own.
pub fn command(release: &Release, python: &Utf8PathBuf, conf: &Utf8PathBuf) -> Vec<String> {
    [
        python.join("bin/python").as_str(),
        release.entry.as_str(),
        "server",
        "-c",
        conf.as_str(),
    ]
    .map(str::to_owned)
    .into()
}

/// The whole environment of an Odoo process, without its secret part.
pub fn variables(
    layout: &crate::layout::Layout,
    name: &Name,
    environment: &Environment,
    release: &Release,
    python: &Utf8PathBuf,
) -> BTreeMap<String, String> {
    let print = super::printing::directory(layout);
    let mut all = BTreeMap::from([
        (
            "PATH".to_owned(),
            format!("{python}/bin:{print}:/usr/local/bin:/usr/bin:/bin"),
        ),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
        ("HOME".to_owned(), layout.environment_inside(name).into_string()),
        ("PYTHONUNBUFFERED".to_owned(), "1".to_owned()),
        ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned()),
    ]);
    all.extend(super::sessions::variables(layout, name, environment));
    all.extend(authority(layout));
    if let Some(path) = &release.python_path {
        all.insert("PYTHONPATH".to_owned(), path.to_string());
    }
    let plain = environment.env.iter().filter_map(|(name, value)| match value {
        Value::Plain(text) => Some((name.clone(), text.clone())),
        Value::Secret(_) => None,
    });
    all.extend(plain);
    all
}

/// odoo.conf can only say the mode of TLS; the library takes the rest from here.
pub(super) fn authority(layout: &crate::layout::Layout) -> Option<(String, String)> {
    let path = layout.server()?.authority.as_ref()?;
    Some(("PGSSLROOTCERT".to_owned(), path.to_string()))
}

/// What the image's own PATH and the rest of the container leave open.
fn in_container() -> BTreeMap<String, String> {
    let all = [
        ("LANG", "C.UTF-8"),
        ("LC_ALL", "C.UTF-8"),
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("TZ", "UTC"),
    ];
    all.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

/// `queue_job`'s runner is loaded in the web process only: two runners on one database run jobs twice.
fn jobrunner(known: &Known<'_>, environment: &Environment, role: Role) -> Option<String> {
    let edition = known.spec.editions.get(&environment.edition)?;
    if !edition.jobrunner || role != Role::Web {
        return None;
    }
    let mut modules: Vec<&str> = known.spec.odoo.series.server_wide_modules().to_vec();
    modules.extend(edition.server_wide.iter().map(String::as_str));
    let sessions = super::sessions::server_wide(environment);
    modules.extend(sessions.as_deref());
    modules.push("queue_job");
    Some(format!("--load={}", modules.join(",")))
}
