//! What the machine lacks: memory, room, packages, versions that fit together.
use crate::facts::Seen;
use crate::plan::Refusal;
use crate::spec::OwnServer;
use crate::units::Bytes;
use crate::up::Known;

/// A release, a cluster and a first database of base and web take about 3 GiB (Odoo 19.0, Debian's package: tree
/// 1.3 GB, environment 220 MB, cluster 300 MB, downloads 135 MB).
const ROOM: Bytes = Bytes::gib(3);
/// With less memory the installation of modules fails.
const MEMORY: Bytes = Bytes::mib(1800);

pub(super) fn host(known: &Known<'_>) -> Vec<Refusal> {
    let host = &known.facts.host;
    let mut all = Vec::new();
    let unseen = known.facts.databases.values().all(|seen| *seen == Seen::NotYet);
    let first = unseen && known.facts.release.is_absent();
    if let Some((place, free)) = host
        .docker_disk
        .as_ref()
        .filter(|(_, free)| first && *free < ROOM)
    {
        all.push(Refusal::new(
            format!("{free} free in {place}, where Docker keeps images and containers; a first installation needs {ROOM}"),
            "free some space: `docker system df` shows what takes it; or move Docker's `data-root`",
        ));
    }
    if first && host.disk_free < ROOM {
        all.push(Refusal::new(
            format!(
                "{} free below {}, a first installation needs {ROOM}",
                host.disk_free, known.spec.pack.root
            ),
            "free some space, or choose another place with `--root DIR`",
        ));
    }
    if host.memory < MEMORY {
        all.push(Refusal::new(
            format!(
                "this machine has {} of memory, Odoo with PostgreSQL needs {MEMORY}",
                host.memory
            ),
            "use a machine with more memory",
        ));
    }
    all
}

pub(super) fn versions(known: &Known<'_>) -> Vec<Refusal> {
    let mut all = Vec::new();
    for server in known.spec.servers() {
        all.extend(major(known, &server));
    }
    all.dedup();
    if known.target.stack.is_none() {
        all.extend(python(known));
    }
    all
}

/// The major of a server's cluster: what the file says of it, what Odoo needs, what is installed.
fn major(known: &Known<'_>, server: &OwnServer) -> Vec<Refusal> {
    let mut all = Vec::new();
    let (spec, host) = (known.spec, &known.facts.host);
    let oldest = spec.odoo.series.oldest_postgresql();
    let on_disk = known.facts.cluster(server).present().map(|cluster| cluster.major);
    if let (Some(disk), Some(wanted)) = (on_disk, spec.postgres.version)
        && disk != wanted
    {
        all.push(Refusal::new(
            format!("the cluster in data/{server} is of PostgreSQL {disk}, the file says {wanted}"),
            format!(
                "write `version = {disk}` in [postgres]; to change the major, {}",
                super::INTO_A_NEW_ROOT
            ),
        ));
    }
    let installed: Vec<u16> = host.postgres.keys().copied().collect();
    let major = crate::target::postgres_major(on_disk, spec.postgres.version, &installed);
    if let Some(major) = major.filter(|major| *major < oldest) {
        all.push(Refusal::new(
            format!(
                "Odoo {} needs PostgreSQL {oldest} or newer, not {major}",
                spec.odoo.series
            ),
            format!("set [postgres] version to {oldest} or newer"),
        ));
    }
    // The programs of a container lie in an image, which may still have to be got.
    let known_programs = known.target.stack.is_none() || !host.postgres.is_empty();
    if let Some(disk) = on_disk.filter(|disk| known_programs && !host.postgres.contains_key(disk)) {
        all.push(Refusal::new(
            format!("the cluster in data/{server} needs the programs of PostgreSQL {disk}, which are not installed"),
            if known.target.stack.is_some() {
                format!("write `postgres = \"postgres:{disk}\"` in [images]")
            } else {
                format!("`apt-get install postgresql-{disk}`")
            },
        ));
    }
    all
}

/// Only where Python is installed at all: else its package is missing, which is said by its name.
fn python(known: &Known<'_>) -> Option<Refusal> {
    if let Some(why) = &known.facts.python_unfit {
        return Some(Refusal::new(
            why.as_str(),
            "correct `python` in [odoo], or leave it out for the distribution's own",
        ));
    }
    let series = known.spec.odoo.series;
    let ((_, oldest), (_, newest)) = series.python();
    let found = &known.facts.host.pythons;
    let fits = found.keys().any(|(_, minor)| (oldest..=newest).contains(minor));
    if fits || found.is_empty() || known.spec.odoo.python.is_some() {
        return None;
    }
    Some(Refusal::new(
        format!("Odoo {series} needs Python 3.{oldest} to 3.{newest}, and none of them is installed"),
        "install one that every user may run, and name it: `python = \"/opt/python/bin/python3.12\"` in [odoo]",
    ))
}

/// The service that a package of Debian starts when it is installed by hand.
fn server(package: &str) -> Option<&'static str> {
    match package {
        "nginx" => Some("nginx"),
        "redis-server" => Some("redis-server"),
        package if package.starts_with("postgresql") && !package.contains("client") => Some("postgresql"),
        _ => None,
    }
}

pub(super) fn packages(known: &Known<'_>) -> Vec<Refusal> {
    let host = &known.facts.host;
    let steps = crate::up::ground::packages(known);
    let Some(crate::plan::Step::InstallPackages { packages }) = steps.first() else {
        return Vec::new();
    };
    let line = packages.join(" ");
    if !host.debian {
        return vec![Refusal::new(
            format!("missing programs, and this is no Debian whose package names are known: {line}"),
            "install these programs with the system's own package tool",
        )];
    }
    if host.root {
        return Vec::new();
    }
    let servers: Vec<&str> = packages.iter().filter_map(|package| server(package)).collect();
    let own = if servers.is_empty() {
        String::new()
    } else {
        format!(
            "; that also starts servers of the host's own, which the pack does not use: `sudo systemctl disable --now {}`",
            servers.join(" ")
        )
    };
    vec![Refusal::new(
        format!("packages are missing that only root can install: {line}"),
        format!("`sudo apt-get install --no-install-recommends {line}`{own}"),
    )]
}
