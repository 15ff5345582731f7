//! Looks at the machine and changes nothing; one file per subject.
pub(crate) mod addons;
pub(crate) mod adopt;
mod boot;
pub(crate) mod children;
pub(crate) mod clock;
pub(crate) mod code;
pub(crate) mod containers;
pub(crate) mod contents;
pub(crate) mod databases;
pub(crate) mod doctor;
mod encrypted;
pub(crate) mod given;
mod held;
pub(crate) mod host;
mod in_image;
pub(crate) mod installed;
pub(crate) mod library;
pub(crate) mod listeners;
pub(crate) mod mounts;
pub(crate) mod owner;
pub(crate) mod paths;
pub(crate) mod secrets;
pub(crate) mod services;
pub(crate) mod site;
pub(crate) mod supervisor;
pub(crate) mod units;

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8PathBuf;
use odoopack_core::facts::{Cluster, Containers, Databases, Facts, Host, Seen, ServerFact};
use odoopack_core::layout::Layout;
use odoopack_core::name::Name;
use odoopack_core::sizing::{self, Sizing};
use odoopack_core::spec::{OwnServer, Spec};
use odoopack_core::target::{self, Target};
use odoopack_core::up::{INTO_A_NEW_ROOT, to_another_engine};

use self::supervisor::Supervisor;
use crate::context::Pack;
use crate::failure::{Failure, Kind, Result};
use crate::files;
use crate::store::marks;
use crate::tools::dpkg;

/// What was seen, and what should be there instead.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) facts: Facts,
    pub(crate) sizing: Sizing,
    pub(crate) target: Target,
}

/// Looks at everything that `up` needs to know, in the order in which one thing leads to the next.
///
/// # Errors
/// When the machine is too small, a value cannot be rendered, or our own state cannot be read.
pub(crate) fn look(pack: &Pack) -> Result<View> {
    let (spec, layout) = (&pack.loaded.spec, &pack.layout);
    owner::check(&layout.state())?;
    let mut host = host::host(layout.root())?;
    let containers = if layout.containers() {
        containers::look(pack).map_err(|failure| of_another_engine(layout, failure))?
    } else {
        Containers {
            images: marks::images(&layout.state())?,
            ..Containers::default()
        }
    };
    if layout.containers() {
        containers::fill(&mut host, &containers);
        // Room is asked for before the first installation alone.
        host.docker_disk = (!layout.stack().is_file())
            .then(|| host::docker_disk(layout.root()))
            .flatten();
    }
    let server = given::look(spec, layout)?;
    if spec.postgres.is_given() {
        given::fill(&mut host);
    }
    let sizing = size(spec, &host, &server)?;
    let mut facts = Facts {
        server,
        ..ground(pack, host, containers).map_err(|failure| of_another_engine(layout, failure))?
    };
    let mut target = state_target(spec, layout, &sizing, &facts)?;
    let names: Vec<&str> = target.programs.iter().map(|program| program.name).collect();
    facts.programs = host::programs(&names, &facts.host);
    facts.unavailable = unavailable(&target, &facts)?;
    for (part, program) in [("nginx", "nginx"), ("redis", "redis-server")] {
        let image = facts.containers.images.get(part).filter(|_| layout.containers());
        let place = image.and_then(|image| image.places.first().cloned());
        facts
            .programs
            .extend(place.map(|place| (program.to_owned(), place)));
    }
    target = state_target(spec, layout, &sizing, &facts)?;
    facts.paths = paths(&target, &facts.written)?;
    facts.binary_current = paths::same_file_times(&target.binary);
    facts.certificates = certificates(layout, &target)?;
    facts.databases = said(spec, layout, &target, &facts)?;
    Ok(View {
        facts,
        sizing,
        target,
    })
}

/// Nobody starts a Docker for a pack that cannot use it.
fn of_another_engine(layout: &Layout, failure: Failure) -> Failure {
    if !layout.containers() || !layout.data().join("config").exists() {
        return failure;
    }
    let way = if layout.server().is_some() {
        INTO_A_NEW_ROOT.to_owned()
    } else {
        to_another_engine("native", "compose")
    };
    failure.hint(format!(
        "this pack was made by the engine `native`; to change the engine, {way}"
    ))
}

/// What each server that runs says of the databases that it should hold.
fn said(
    spec: &Spec,
    layout: &Layout,
    target: &Target,
    facts: &Facts,
) -> Result<BTreeMap<OwnServer, Seen<Databases>>> {
    let given = facts.server.present().map(|_| OwnServer::SHARED);
    let runs = |server: &OwnServer| {
        let service = facts.services.get(&server.to_string());
        service
            .and_then(Seen::present)
            .is_some_and(|service| service.running)
    };
    let mut all = BTreeMap::new();
    for own in spec.servers().into_iter().filter(runs).chain(given) {
        let here = |environment: &Name| spec.server_of(environment) == own;
        let wants = target.databases.iter().filter(|want| here(&want.environment));
        let sessions = target.sessions.iter().filter(|want| here(&want.environment));
        let seen = databases::look(
            &databases::one(spec, layout, &own)?,
            &wants.cloned().collect::<Vec<_>>(),
            &sessions.cloned().collect::<Vec<_>>(),
            &facts.secrets,
        );
        all.insert(own, seen);
    }
    Ok(all)
}

/// The built code of a pack.
pub(crate) fn release(pack: &Pack) -> Result<Seen<odoopack_core::facts::Release>> {
    let (spec, layout) = (&pack.loaded.spec, &pack.layout);
    if layout.containers() {
        return containers::release(spec, layout, &pack.directory);
    }
    crate::release::observe(layout, spec, &pack.directory)
}

/// The resource plan for this machine.
pub(crate) fn size(spec: &Spec, host: &Host, server: &Seen<ServerFact>) -> Result<Sizing> {
    sizing::size(
        &sizing::Host {
            cores: host.cores,
            memory: host.memory,
        },
        &sizing::Wants::of(spec, server.present().map(ServerFact::budget)),
    )
    .map_err(|e| {
        Failure::new(Kind::Refused, e.to_string()).hint(
            "use a machine with more memory, or fewer environments in the file; `reserve_environments` in [capacity] counts too",
        )
    })
}

fn state_target(spec: &Spec, layout: &Layout, sizing: &Sizing, facts: &Facts) -> Result<Target> {
    target::target(spec, layout, sizing, facts).map_err(|e| Failure::new(Kind::Spec, e.to_string()))
}

/// Where other users cannot get to the certificate that `sslrootcert` names.
fn closed_authority(layout: &Layout) -> Option<Utf8PathBuf> {
    paths::closed_above(layout.server()?.authority.as_ref()?)
}

/// Everything that can be seen without a target.
fn ground(pack: &Pack, host: Host, containers: Containers) -> Result<Facts> {
    let (spec, layout) = (&pack.loaded.spec, &pack.layout);
    let accounts = host::accounts()?;
    let engine = Supervisor::of(layout);
    let (supervisor, services) = (engine.process(layout)?, engine.services(layout)?);
    // Services of a supervisor that was killed go on without it, and are ours all the same.
    let running = services.values().filter_map(|seen| seen.present()?.pid);
    let ours: BTreeSet<u32> = supervisor.present().copied().into_iter().chain(running).collect();
    let state = layout.state();
    let users = users(spec, layout);
    let numbers = users.iter().filter_map(|name| accounts.user(name));
    let numbers: BTreeSet<u32> = numbers.map(|(user, _)| user).collect();
    // Reading every manifest and every process take longest, so they go side by side.
    let (foreign_listeners, code) = std::thread::scope(|scope| {
        let listening = scope.spawn(|| listeners::foreign(&ours, &numbers));
        let code = release(pack).and_then(|release| {
            let modules = addons::tree(spec, layout, release.present())?;
            Ok((release, modules))
        });
        (listening.join(), code)
    });
    let foreign_listeners = foreign_listeners.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let foreign_listeners = without_published(layout, foreign_listeners)?;
    let (release, modules) = code?;
    Ok(Facts {
        programs: BTreeMap::new(),
        users: users
            .into_iter()
            .filter_map(|name| accounts.user_fact(&name).map(|fact| (name, fact)))
            .collect(),
        made_by: marks::made_by(&state)?.map_or(Seen::Absent, Seen::Present),
        locked: pack.directory.join(odoopack_core::oca_lock::FILE).is_file(),
        closed: paths::closed_above(layout.root()),
        closed_authority: closed_authority(layout),
        paths: BTreeMap::new(),
        binary_current: false,
        written: marks::written(&state)?,
        secrets: secrets::values(spec, layout)?,
        unavailable: BTreeSet::new(),
        lacking: lacking(pack)?,
        python_unfit: python_unfit(spec, layout, release.present()),
        release,
        modules,
        absent_addons: addons::absent(spec, layout)?,
        farms: addons::farms(&layout.addons())?,
        held: held::look(&layout.gate_control()),
        ports: marks::ports(&state)?,
        foreign_listeners,
        certificates: BTreeMap::new(),
        clusters: clusters(spec, layout)?,
        adopted: marks::adopted(&state)?,
        used_elsewhere: containers::used_elsewhere(layout)?,
        server: Seen::NotYet,
        databases: BTreeMap::new(),
        unfinished: marks::unfinished(&state, spec.environments.keys())?,
        timers: engine.timers(layout)?,
        // Services of a supervisor that was killed go on without it, and are ours all the same.
        services,
        supervisor,
        containers,
        host,
    })
}

/// What Docker listens on for containers of the pack is the pack's own.
fn without_published(layout: &Layout, mut listeners: BTreeMap<u16, String>) -> Result<BTreeMap<u16, String>> {
    if layout.containers() {
        let published = containers::published(layout)?;
        listeners.retain(|port, _| !published.contains(port));
    }
    Ok(listeners)
}

/// Debian packages that modules of the lock need and this host has not; what is wrong with a lock is said elsewhere.
fn lacking(pack: &Pack) -> Result<BTreeSet<String>> {
    let lock = crate::release::lock_of(&pack.loaded.spec, &pack.directory);
    let wanted = lock
        .ok()
        .flatten()
        .map(|lock| lock.debian_needs())
        .unwrap_or_default();
    if wanted.is_empty() || pack.layout.containers() || crate::exec::find_program("dpkg-query").is_none() {
        return Ok(BTreeSet::new());
    }
    let installed = dpkg::parse_provided(&dpkg::provided().read()?);
    Ok(wanted
        .into_iter()
        .filter(|name| !installed.contains(name))
        .collect())
}

/// What does not work because a program is not there that the rest can do without, one sentence each.
pub(crate) fn without(view: &View) -> Vec<String> {
    let missing = view
        .target
        .programs
        .iter()
        .filter(|one| !view.facts.programs.contains_key(one.name));
    missing
        .filter_map(|one| Some(format!("`{}` is not there: {}", one.name, one.without?)))
        .collect()
}

/// Packages that could be done without and cannot be had; asked only for what is missing.
fn unavailable(target: &Target, facts: &Facts) -> Result<BTreeSet<String>> {
    let wanted = target
        .programs
        .iter()
        .filter(|one| one.without.is_some() && !facts.programs.contains_key(one.name));
    let packages: Vec<String> = wanted.map(|one| one.package.clone()).collect();
    if packages.is_empty() || !facts.host.debian {
        return Ok(BTreeSet::new());
    }
    crate::release::packages::unavailable(&packages)
}

/// Names of the pack's own users.
fn users(spec: &Spec, layout: &Layout) -> Vec<String> {
    let parts = ["postgres", "gate", "redis", "nginx"]
        .into_iter()
        .map(str::to_owned);
    let parts = parts.chain(spec.environments.keys().map(ToString::to_string));
    parts.filter_map(|part| layout.user(&part)).collect()
}

/// Why the interpreter that the file names cannot make the environment that is still to be made.
fn python_unfit(
    spec: &Spec,
    layout: &Layout,
    release: Option<&odoopack_core::facts::Release>,
) -> Option<String> {
    let made = release.is_some_and(|release| release.python.is_some());
    let named = spec
        .odoo
        .python
        .as_deref()
        .filter(|_| !made && !layout.containers())?;
    let chosen = crate::release::interpreter(spec.odoo.series, Some(named), layout.own_users());
    Some(chosen.err()?.chain().join(": "))
}

/// The cluster of every server that the file knows, of the shared one, and of those that the file no longer knows.
fn clusters(spec: &Spec, layout: &Layout) -> Result<BTreeMap<OwnServer, Seen<Cluster>>> {
    let mut servers: BTreeSet<OwnServer> = spec.servers().into_iter().chain([OwnServer::SHARED]).collect();
    let place = layout.data();
    match place.read_dir_utf8() {
        Ok(entries) => {
            let found = entries
                .flatten()
                .filter_map(|entry| OwnServer::called(entry.file_name()));
            // A directory that somebody has put aside under such a name never was a server of ours.
            servers.extend(found.filter(|server| layout.postgres_config(server).is_dir()));
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(Failure::failed(format!("could not look into `{place}`")).because(e)),
    }
    let one = |server: OwnServer| cluster(layout, &server).map(|seen| (server, seen));
    servers.into_iter().map(one).collect()
}

fn cluster(layout: &Layout, server: &OwnServer) -> Result<Seen<Cluster>> {
    if marks::unfinished_cluster(&layout.state(), server).exists() {
        return Ok(Seen::Absent);
    }
    let path = layout.cluster(server).join("PG_VERSION");
    let Some(text) = files::read_text(&path)? else {
        return Ok(Seen::Absent);
    };
    Ok(match text.trim().parse() {
        Ok(major) => Seen::Present(Cluster { major }),
        Err(_) => Seen::Unknown(format!("`{path}` says `{}`", text.trim())),
    })
}

fn paths(
    target: &Target,
    written: &BTreeMap<Utf8PathBuf, String>,
) -> Result<BTreeMap<Utf8PathBuf, Seen<odoopack_core::facts::PathFact>>> {
    let accounts = host::accounts()?;
    let bound = target.bound();
    let directories = target.directories.iter().map(|directory| &directory.path);
    let files = target.files.iter().map(|file| &file.path);
    let inputs = target.services.iter().flat_map(|service| &service.inputs);
    let views = target.views.iter().map(|view| &view.path);
    let all = directories
        .chain(files)
        .chain(views)
        .chain(inputs)
        .chain(&target.brought)
        .chain(
            target
                .server
                .iter()
                .filter_map(|server| server.authority.as_ref()),
        )
        .chain(&bound)
        .chain(written.keys());
    Ok(all
        .map(|path| (path.clone(), paths::look(path, &accounts)))
        .collect())
}

fn certificates(
    layout: &Layout,
    target: &Target,
) -> Result<BTreeMap<Name, Seen<odoopack_core::facts::Certificate>>> {
    let mut all = BTreeMap::new();
    for name in target.certificates.keys() {
        let text = files::read_text(&layout.tls().join(format!("{name}.pem")))?;
        let key = layout.tls().join(format!("{name}.key")).is_file();
        let seen = match text.filter(|_| key).map(|text| crate::tls::parse(&text)) {
            Some(Ok(certificate)) => Seen::Present(certificate),
            // A certificate that cannot be read is issued again.
            None | Some(Err(_)) => Seen::Absent,
        };
        all.insert(name.clone(), seen);
    }
    Ok(all)
}
