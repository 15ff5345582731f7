//! Reasons not to begin; each is found before anything is touched.
use std::collections::BTreeSet;

use super::Known;
use crate::facts::{PathKind, Seen};
use crate::layout::ADMIN_ROLE;
use crate::modules::{Installed, Module, Origin, Trouble, duplicate};
use crate::plan::{Refusal, Why};
use crate::spec::SecretRef;
use crate::units::Bytes;

/// A release, a cluster and a first database of base and web take about 3 GiB (Odoo 19.0, Debian's package: tree
/// 1.3 GB, environment 220 MB, cluster 300 MB, downloads 135 MB).
const ROOM: Bytes = Bytes::gib(3);
/// With less memory the installation of modules fails.
const MEMORY: Bytes = Bytes::mib(1800);

pub(super) fn refusals(known: &Known<'_>) -> Vec<Refusal> {
    let mut all = somebody_elses(known);
    all.extend(another_engine(known));
    all.extend(super::adopt::refusals(known));
    all.extend(host(known));
    all.extend(secrets(known));
    all.extend(containers(known));
    all.extend(versions(known));
    all.extend(super::server::refusals(known));
    all.extend(modules(known));
    all.extend(packages(known));
    all.extend(ports(known));
    all.extend(closed(known));
    all.extend(misplaced(known));
    all.extend(brought(known));
    all.extend(farms(known));
    all.extend(edits(known));
    all.extend(unknown(known));
    all
}

/// A data directory, or users, that another pack made.
fn somebody_elses(known: &Known<'_>) -> Vec<Refusal> {
    let mut all = Vec::new();
    let pack = &known.spec.pack;
    if let Seen::Present(owner) = &known.facts.made_by
        && owner != pack.name.as_str()
    {
        all.push(Refusal::new(
            format!(
                "{}/data was made by the pack `{owner}`, the file says `{}`",
                pack.root, pack.name
            ),
            format!("write `name = \"{owner}\"` in [pack], or choose another root"),
        ));
    }
    let adopted = known.spec.postgres.directory.is_some();
    if known.facts.made_by.is_absent() && known.facts.cluster.present().is_some() && !adopted {
        all.push(Refusal::new(
            format!(
                "{}/data/postgres holds a cluster that odoopack did not make",
                pack.root
            ),
            "dump it, choose another root, and restore the dump there",
        ));
    }
    let elsewhere = known.target.users.iter().filter_map(|user| {
        known
            .facts
            .users
            .get(&user.name)
            .filter(|seen| seen.home != user.home)
            .map(|seen| (user, seen))
    });
    all.extend(elsewhere.map(|(user, seen)| {
        Refusal::new(
            format!(
                "user {} belongs to something else: its home is {}",
                user.name, seen.home
            ),
            "give this pack another name in [pack]",
        )
    }));
    all
}

/// A cluster belongs to the programs and the users that made it; another engine has others.
fn another_engine(known: &Known<'_>) -> Option<Refusal> {
    known.facts.cluster.present()?;
    if known.spec.postgres.directory.is_some() {
        return None;
    }
    let in_container = known.facts.containers.images.contains_key("postgres");
    let (made, wanted) = match (in_container, known.target.stack.is_some()) {
        (true, false) => ("compose", "native"),
        (false, true) => ("native", "compose"),
        (true, true) | (false, false) => return None,
    };
    Some(Refusal::new(
        format!(
            "data/postgres was made by the engine `{made}`, the file says `{wanted}`: its programs, users and collations may differ"
        ),
        format!(
            "write `engine = \"{made}\"` in [pack]; to change the engine, dump and restore into a new root"
        ),
    ))
}

/// A file that a value is missing for cannot be written, and its service would be started without it.
fn secrets(known: &Known<'_>) -> Vec<Refusal> {
    let values = &known.facts.secrets;
    let set = |reference: &SecretRef, form: &str| match reference {
        SecretRef::Named(name) => format!("`odoopack secret set {name} < FILE`{form}"),
        SecretRef::Command(_) => format!("correct what the command prints{form}"),
    };
    let made = &known.target.secrets;
    let missing: BTreeSet<&SecretRef> = known
        .spec
        .needed_secrets()
        .filter(|one| !values.contains_key(&one.key()) && !made.contains(&one.key()))
        .collect();
    let mut all: Vec<Refusal> = missing
        .into_iter()
        .map(|one| Refusal::new(format!("`{one}` has no value"), set(one, "")))
        .collect();
    let relay = known.spec.mail.relay.as_ref();
    let credentials = relay.and_then(|relay| relay.credentials.as_ref());
    let cut = credentials.filter(|one| {
        let value = values.get(&one.key());
        value.is_some_and(|value| !value.expose().contains(':'))
    });
    all.extend(cut.map(|one| {
        Refusal::new(
            format!("the value of `{one}` is not `user:password`, as [mail] credentials needs it"),
            set(one, ", with `user:password`"),
        )
    }));
    all
}

fn host(known: &Known<'_>) -> Vec<Refusal> {
    let host = &known.facts.host;
    let mut all = Vec::new();
    if known.facts.databases == Seen::NotYet && known.facts.release.is_absent() && host.disk_free < ROOM {
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

/// What containers need of this machine, and what an image must hold.
fn containers(known: &Known<'_>) -> Vec<Refusal> {
    if known.target.stack.is_none() {
        return Vec::new();
    }
    let mut all = unreachable(known);
    let docker = &known.facts.containers.docker;
    if docker.present().is_some_and(|docker| docker.compose.is_none()) {
        all.push(Refusal::new(
            "Docker Compose is not installed: `docker compose version` fails",
            "`apt-get install docker-compose` (Debian 13 or newer), or `docker-compose-plugin` from Docker's own archive",
        ));
    }
    // A missing program is a step of its own.
    if let Some(why) = reason(docker).filter(|_| known.facts.programs.contains_key("docker")) {
        all.push(Refusal::new(
            format!("Docker does not answer: {why}"),
            "start it (`systemctl start docker`), or join the group that may use it",
        ));
    }
    let odoo = known.facts.containers.images.get("odoo");
    let wanted = known.spec.odoo.series;
    let odoo = odoo.filter(|image| known.target.images.get("odoo") == Some(&image.wanted));
    if let Some(image) = odoo {
        all.extend(lacking(known, image));
    }
    if let Some(image) = odoo
        && image.version.0.to_string() != wanted.to_string().trim_end_matches(".0")
    {
        all.push(Refusal::new(
            format!(
                "image `{}` holds Odoo {}, the file says {wanted}",
                image.wanted, image.version.0
            ),
            "correct `series` or `source` in [odoo]",
        ));
    }
    all
}

/// Python modules that the file asks for by what it wants.
fn lacking(known: &Known<'_>, image: &crate::facts::Image) -> Vec<Refusal> {
    let any = |wants: fn(&crate::spec::Environment) -> bool| known.spec.environments.values().any(wants);
    let asked = [
        ("watchdog", "reload = true", any(|one| one.reload)),
        (
            "redis",
            "sessions = \"redis\"",
            any(|one| one.sessions == crate::spec::Sessions::Redis),
        ),
    ];
    let lacks = |module: &str| !image.python.iter().any(|held| held == module);
    let refusal = |(module, key, _)| {
        Refusal::new(
            format!(
                "image `{}` has no Python module `{module}`, which `{key}` needs",
                image.wanted
            ),
            "take an image that has it, or remove the key",
        )
    };
    let missing = asked
        .into_iter()
        .filter(|(module, _, wanted)| *wanted && lacks(module));
    missing.map(refusal).collect()
}

/// What the file may ask for and containers do not get.
fn unreachable(known: &Known<'_>) -> Vec<Refusal> {
    let (spec, native) = (known.spec, "write `engine = \"native\"` in [pack], or remove it");
    let asked = [
        (spec.backup.schedule.is_some(), "[backup] schedule"),
        (spec.backup.drill.is_some(), "[backup] drill"),
        (
            spec.environments
                .values()
                .any(|environment| environment.refresh.is_some()),
            "[environments] refresh",
        ),
    ];
    let refusal = |(_, what)| Refusal::new(format!("the engine `compose` has no {what}"), native);
    let mut all: Vec<Refusal> = asked
        .into_iter()
        .filter(|(asked, _)| *asked)
        .map(refusal)
        .collect();
    // What is wrong with a lock is said where the release is looked at.
    let unknown = reason(&known.facts.release).is_some();
    if !spec.addons.requirements.is_empty() && known.facts.containers.locked.is_none() && !unknown {
        all.push(Refusal::new(
            "the Python packages of [addons] requirements are not locked, and no image is built without a lock",
            "`odoopack lock`",
        ));
    }
    all
}

fn versions(known: &Known<'_>) -> Vec<Refusal> {
    let mut all = Vec::new();
    let (spec, host) = (known.spec, &known.facts.host);
    let oldest = spec.odoo.series.oldest_postgresql();
    let on_disk = known.facts.cluster.present().map(|cluster| cluster.major);
    if let (Some(disk), Some(wanted)) = (on_disk, spec.postgres.version)
        && disk != wanted
    {
        all.push(Refusal::new(
            format!("the cluster in data/postgres is of PostgreSQL {disk}, the file says {wanted}"),
            format!("write `version = {disk}` in [postgres]; to change the major, dump and restore into a new root"),
        ));
    }
    let installed: Vec<u16> = host.postgres.keys().copied().collect();
    let major = crate::target::postgres_major(on_disk, spec.postgres.version, &installed);
    let major = major.filter(|_| !spec.postgres.is_given());
    if let Some(major) = major.filter(|major| *major < oldest) {
        all.push(Refusal::new(
            format!(
                "Odoo {} needs PostgreSQL {oldest} or newer, not {major}",
                spec.odoo.series
            ),
            format!("set [postgres] version to {oldest} or newer"),
        ));
    }
    if known.target.stack.is_none() {
        all.extend(python(known));
    }
    // The programs of a container lie in an image, which may still have to be got.
    let known_programs = known.target.stack.is_none() || !host.postgres.is_empty();
    if let Some(disk) = on_disk.filter(|disk| known_programs && !host.postgres.contains_key(disk)) {
        all.push(Refusal::new(
            format!("the cluster in data/postgres needs the programs of PostgreSQL {disk}, which are not installed"),
            if known.target.stack.is_some() {
                format!("write `postgres = \"postgres:{disk}\"` in [images]")
            } else {
                format!("`apt-get install postgresql-{disk}`")
            },
        ));
    }
    all
}

/// Odoo would install everything else, and only say in its log what is wrong.
fn modules(known: &Known<'_>) -> Vec<Refusal> {
    let tree = &known.facts.modules;
    let used: BTreeSet<_> = known
        .spec
        .environments
        .values()
        .map(|environment| &environment.edition)
        .collect();
    let editions = known.spec.editions.iter().filter(|(name, _)| used.contains(name));
    let wanted = editions.flat_map(|(_, edition)| edition.modules.iter().chain(&edition.server_wide));
    // What a Python package or a locked repository brings can be seen once it is there.
    let built = known
        .facts
        .release
        .present()
        .is_some_and(|release| release.python.is_some());
    let judged = |trouble: Trouble| match trouble {
        Trouble::Duplicate
        | Trouble::Unreadable
        | Trouble::WrongSeries
        | Trouble::NotInstallable
        | Trouble::Cycle
        | Trouble::Excludes => true,
        Trouble::Missing => {
            let addons = &known.spec.addons;
            built || (addons.requirements.is_empty() && addons.repositories.is_empty())
        }
        // `odoopack module check` says these; none of them stops Odoo.
        Trouble::Licence | Trouble::Python | Trouble::Program | Trouble::Unknown => false,
    };
    let mut found = crate::modules::check(tree, wanted.map(String::as_str), &Installed::default());
    found.retain(|finding| judged(finding.trouble));
    // A module of one's own that is in two places runs from one of them only, whether it is asked for or not.
    let own = |all: &&[Module]| {
        all.iter()
            .any(|module| matches!(module.origin, Origin::Own { .. }))
    };
    let doubled: Vec<_> = tree
        .duplicates()
        .filter(own)
        .filter_map(|all| duplicate(tree, &all[0].name))
        .collect();
    found.extend(
        doubled
            .into_iter()
            .filter(|finding| !found.contains(finding))
            .collect::<Vec<_>>(),
    );
    let refusals = found
        .into_iter()
        .map(|finding| Refusal::new(finding.what, finding.hint));
    refusals.collect()
}

/// What is no link in a farm is somebody's work.
fn farms(known: &Known<'_>) -> Vec<Refusal> {
    let mut all = Vec::new();
    for (edition, farm) in &known.facts.farms {
        let others = farm.others.iter().map(|name| {
            Refusal::new(
                format!(
                    "{}/data/addons/{edition}/{name} is no link: odoopack did not make it",
                    known.spec.pack.root
                ),
                "move it into a directory of [addons] own",
            )
        });
        all.extend(others);
    }
    all
}

/// Only where Python is installed at all: else its package is missing, which is said by its name.
fn python(known: &Known<'_>) -> Option<Refusal> {
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

fn packages(known: &Known<'_>) -> Vec<Refusal> {
    let host = &known.facts.host;
    let steps = super::ground::packages(known);
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
    vec![Refusal::new(
        format!("packages are missing that only root can install: {line}"),
        format!("`sudo apt-get install --no-install-recommends {line}`"),
    )]
}

fn ports(known: &Known<'_>) -> Vec<Refusal> {
    let web = &known.spec.web;
    let mut wanted = vec![
        (web.http_port, "[web] http_port".to_owned()),
        (web.https_port, "[web] https_port".to_owned()),
    ];
    wanted.extend(
        known
            .spec
            .postgres
            .port
            .map(|port| (port, "[postgres] port".to_owned())),
    );
    let direct = |(name, environment): (&crate::name::Name, &crate::spec::Environment)| {
        let port = environment.http_port?;
        Some((port, format!("[environments.{name}] http_port")))
    };
    wanted.extend(known.spec.environments.iter().filter_map(direct));
    let mut all: Vec<Refusal> = wanted
        .iter()
        .filter_map(|(port, key)| {
            known.facts.foreign_listeners.get(port).map(|who| {
                Refusal::new(
                    format!("port {port} is taken by {who}"),
                    format!("stop it, or choose another port with {key}"),
                )
            })
        })
        .collect();
    // Docker listens for containers, and is root.
    let ours = !known.facts.host.root && known.target.stack.is_none();
    let low = wanted.iter().filter(|(port, _)| *port < 1024 && ours);
    all.extend(low.map(|(port, key)| {
        Refusal::new(
            format!("an ordinary user cannot listen on port {port}"),
            format!("choose a port above 1023 with {key}, or run as root"),
        )
    }));
    all
}

/// The servers run as users of their own and must reach their files.
fn closed(known: &Known<'_>) -> Option<Refusal> {
    let place = known.facts.closed.as_ref().filter(|_| known.facts.host.root)?;
    Some(Refusal::new(
        format!("other users may not enter {place}, and the servers below it run as users of their own"),
        format!("choose another place with `--root DIR`, or `chmod o+x {place}`"),
    ))
}

/// Nothing is written through a link: what lies behind it belongs to somebody else.
fn misplaced(known: &Known<'_>) -> Vec<Refusal> {
    let wrong = known.target.directories.iter().filter_map(|directory| {
        let path = &directory.path;
        match &known.facts.paths.get(path)?.present()?.kind {
            PathKind::Directory => None,
            PathKind::Link(to) => Some(Refusal::new(
                format!("{path} must be a directory, and is a link to {to}"),
                format!("move what it leads to into its place, or `mount --bind {to} {path}`"),
            )),
            PathKind::File(_) | PathKind::Other => Some(Refusal::new(
                format!("{path} must be a directory, and is something else"),
                "move it away",
            )),
        }
    });
    wrong.collect()
}

fn brought(known: &Known<'_>) -> Vec<Refusal> {
    let absent = |path: &&camino::Utf8PathBuf| known.facts.paths.get(*path).is_some_and(Seen::is_absent);
    let missing = known.target.brought.iter().filter(absent);
    let refusal = |path| {
        Refusal::new(
            format!("there is no {path}, which `tls` of an environment names"),
            "put it there, or write `tls = \"local\"`",
        )
    };
    missing.map(refusal).collect()
}

fn edits(known: &Known<'_>) -> Vec<Refusal> {
    if known.consent.overwrite_edits {
        return Vec::new();
    }
    let edited = known
        .target
        .files
        .iter()
        .filter(|file| super::serve::why(known, file) == Some(Why::Edited));
    edited
        .map(|file| {
            Refusal::new(
                format!("{} was edited by hand", file.path),
                "see `odoopack render --check`; move the change into odoopack.toml, then run `odoopack up --overwrite-edits`",
            )
        })
        .collect()
}

fn unknown(known: &Known<'_>) -> Vec<Refusal> {
    let mut all = Vec::new();
    let mut look = |what: &str, why: Option<&String>| {
        all.extend(why.map(|why| {
            Refusal::new(
                format!("could not look at {what}: {why}"),
                "mend that first; a plan from guesses is no plan",
            )
        }));
    };
    look("whose data directory it is", reason(&known.facts.made_by));
    look("the release", reason(&known.facts.release));
    look("the database cluster", reason(&known.facts.cluster));
    look("the supervisor", reason(&known.facts.supervisor));
    for (path, seen) in &known.facts.paths {
        look(path.as_str(), reason(seen));
    }
    for (service, seen) in &known.facts.services {
        look(service, reason(seen));
    }
    all
}

/// Only the stage that needs the databases waits for them: an earlier one may be about to mend the server.
pub(super) fn databases(known: &Known<'_>) -> Vec<Refusal> {
    let Some(why) = reason(&known.facts.databases) else {
        return super::adopt::missing_database(known);
    };
    if let Some(server) = &known.target.server {
        return vec![Refusal::new(
            format!(
                "could not look at the databases of {server} as role {}: {why}",
                server.role
            ),
            "with the same URL `psql` says what it thinks of it",
        )];
    }
    vec![Refusal::new(
        format!("could not look at the databases as role {ADMIN_ROLE}: {why}"),
        "`odoopack logs postgres` shows what the server says",
    )]
}

fn reason<T>(seen: &Seen<T>) -> Option<&String> {
    match seen {
        Seen::Unknown(why) => Some(why),
        Seen::Present(_) | Seen::Absent | Seen::NotYet => None,
    }
}
