//! What `doctor` judges: the machine and each environment, as plain data.
use odoopack_core::checks::environment::{Access, Environment, Guarded, Role, Versions};
use odoopack_core::checks::host::{Disk, Host, Memory, Supervisor};
use odoopack_core::facts::{Certificate, PathKind, Seen};
use odoopack_core::hash;
use odoopack_core::name::Name;
use odoopack_core::secret::SecretText;
use odoopack_core::spec::{Addons, Kind, OwnServer, Roles, Tls};
use odoopack_core::target::File;
use odoopack_core::units::Bytes;

use super::databases::{connect, one, words};
use super::{View, paths};
use crate::context::Pack;
use crate::failure::Result;
use crate::probe::{Probe, SignIn, Verdict, run};
use postgres::Client;

/// What the next act may need: a second release, or a module update that rewrites big tables.
const NEXT_ACT: Bytes = Bytes::gib(3);

/// Looks at the machine.
pub(crate) fn host(pack: &Pack, view: &View) -> Host {
    let planned: u64 = view.sizing.environments.values().map(|size| size.memory.0).sum();
    let (published, on_loopback) = super::containers::open(&pack.layout);
    Host {
        clock: super::clock::look(),
        disks: disks(pack, view),
        sums: view.sizing.problems.iter().map(ToString::to_string).collect(),
        unlocked: unlocked(&pack.loaded.spec.addons, view.facts.locked),
        memory: Memory {
            there: view.facts.host.memory,
            planned: Bytes(planned),
        },
        // Docker starts what it ran before, and limits memory, as systemd does.
        supervisor: if view.facts.host.systemd || view.target.stack.is_some() {
            Supervisor::Systemd
        } else {
            Supervisor::Runit {
                boot: super::boot::look(pack.layout.root()),
            }
        },
        postgres_listens: postgres_listens(pack),
        published,
        on_loopback,
        shared: shared(pack),
        without: super::without(view),
        services: view
            .target
            .services
            .iter()
            .map(|one| runs(view, &one.name))
            .collect(),
    }
}

/// That of the root, that of Docker, where images and logs of containers are, and those of places that the pack takes over.
fn disks(pack: &Pack, view: &View) -> Vec<Disk> {
    let layout = &pack.layout;
    let of = |place: camino::Utf8PathBuf, free| Disk {
        place: place.into_string(),
        free,
        needs: NEXT_ACT,
    };
    let docker = layout
        .containers()
        .then(|| super::host::docker_disk(layout.root()));
    let docker = docker.flatten().map(|(place, _)| place);
    let taken_over = layout.adopted().map(|(_, path)| path);
    let more: Vec<&camino::Utf8Path> = docker.as_deref().into_iter().chain(taken_over).collect();
    let mut all = vec![of(
        layout.root().to_owned(),
        Seen::Present(view.facts.host.disk_free),
    )];
    let others = super::host::other_disks(layout.root(), &more).into_iter();
    all.extend(others.map(|(place, free)| of(place, free)));
    all
}

/// On the host itself nginx sees who comes.
fn shared(pack: &Pack) -> Vec<String> {
    let all = pack.loaded.spec.web.open_by_ipv6();
    all.filter(|_| pack.layout.containers())
        .map(str::to_owned)
        .collect()
}

fn unlocked(addons: &Addons, locked: bool) -> Vec<String> {
    let all = addons.repositories.keys().chain(&addons.requirements);
    all.filter(|_| !locked).cloned().collect()
}

fn runs(view: &View, service: &str) -> (String, Seen<bool>) {
    let seen = match view.facts.services.get(service) {
        Some(Seen::Present(fact)) => Seen::Present(fact.running),
        Some(Seen::Unknown(why)) => Seen::Unknown(why.clone()),
        Some(Seen::Absent | Seen::NotYet) | None => Seen::Absent,
    };
    (service.to_owned(), seen)
}

/// A client, or why there is none.
fn enter(pack: &Pack, own: &OwnServer, database: &str) -> std::result::Result<Client, String> {
    let server = one(&pack.loaded.spec, &pack.layout, own).map_err(|failure| failure.chain().join(": "))?;
    connect(&server, database).map_err(|e| words(&e))
}

fn postgres_listens(pack: &Pack) -> Seen<Vec<String>> {
    // Where it listens is the business of whoever runs it.
    if pack.loaded.spec.postgres.is_given() {
        return Seen::Present(Vec::new());
    }
    if pack.layout.containers() {
        return published(pack);
    }
    let ask = |own: &OwnServer| {
        let mut client = enter(pack, own, "postgres")?;
        let row = client.query_one("SELECT current_setting('listen_addresses')", &[]);
        row.map(|row| row.get::<_, String>(0)).map_err(|e| words(&e))
    };
    let mut all = Vec::new();
    for own in pack.loaded.spec.servers() {
        match ask(&own) {
            Ok(text) => {
                let addresses = text.split(',').map(str::trim).filter(|text| !text.is_empty());
                all.extend(addresses.map(str::to_owned));
            }
            Err(why) => return Seen::Unknown(why),
        }
    }
    Seen::Present(all)
}

/// In its container it listens for what Docker lets in: where that is published it listens.
fn published(pack: &Pack) -> Seen<Vec<String>> {
    let mut all = Vec::new();
    for own in pack.loaded.spec.servers() {
        match super::containers::one(&pack.layout, &own.to_string()) {
            Ok(container) => {
                let open = container.into_iter().flat_map(|one| one.open);
                all.extend(open.map(|(address, _)| address));
            }
            Err(failure) => return Seen::Unknown(failure.chain().join(": ")),
        }
    }
    Seen::Present(all)
}

/// Looks at one environment.
pub(crate) fn environment(pack: &Pack, view: &View, name: &Name) -> Result<Environment> {
    let settings = &pack.loaded.spec.environments[name];
    let accounts = super::host::accounts()?;
    let guarded = guarded(pack, view, name);
    let files = guarded.into_iter().map(|(path, wanted)| {
        let seen = match paths::look(&path, &accounts) {
            Seen::Present(fact) => Seen::Present(Access {
                user: fact.user,
                group: fact.group,
                mode: fact.mode & 0o7777,
            }),
            Seen::Absent => Seen::Absent,
            Seen::Unknown(why) => Seen::Unknown(why),
            Seen::NotYet => Seen::NotYet,
        };
        Guarded {
            path: path.into_string(),
            seen,
            wanted,
        }
    });
    let database = &settings.database;
    Ok(Environment {
        name: name.to_string(),
        production: settings.kind == Kind::Production,
        domain: settings.domain.clone(),
        now: view.facts.host.now,
        versions: versions(pack, view, name),
        guarded: files.collect(),
        certificate: certificate(view, name, &settings.tls),
        role: role(pack, name),
        default_password: default_password(pack, name)?,
        manager_open: manager_open(pack, name)?,
        demo_modules: demo_modules(pack, name, database),
        dangling: dangling(view),
        drifted: view
            .target
            .files
            .iter()
            .filter(|file| drifted(view, file))
            .map(|f| f.path.to_string())
            .collect(),
    })
}

/// The own certificate as the plan saw it, or the one that the operator brings, which the plan only watches for changes.
fn certificate(view: &View, name: &Name, tls: &Tls) -> Seen<Certificate> {
    let Tls::Files { certificate, .. } = tls else {
        let own = view.facts.certificates.get(name).cloned();
        return own.unwrap_or(Seen::NotYet);
    };
    match crate::files::read_text(certificate) {
        Ok(None) => Seen::Absent,
        Ok(Some(text)) => match crate::tls::parse(&text) {
            Ok(certificate) => Seen::Present(certificate),
            Err(why) => Seen::Unknown(format!("`{certificate}`: {why}")),
        },
        Err(failure) => Seen::Unknown(failure.to_string()),
    }
}

/// Secrets and the files that hold passwords, and the environment's own data.
fn guarded(pack: &Pack, view: &View, name: &Name) -> Vec<(camino::Utf8PathBuf, Access)> {
    let layout = &pack.layout;
    let us = &view.facts.host.user;
    let own = layout.user(name.as_str()).unwrap_or_else(|| us.clone());
    let access = |user: &str, group: &str, mode: u32| Access {
        user: user.to_owned(),
        group: group.to_owned(),
        mode,
    };
    // The password of a role that was given is kept under the name that the file gives it.
    let given = is_one_role(pack).then(|| odoopack_core::target::secret_name(name, "DATABASE"));
    let mut all: Vec<_> = odoopack_core::target::generated_secrets(name)
        .into_iter()
        .filter(|secret| Some(secret) != given.as_ref())
        .map(|secret| (layout.secrets().join(secret), access(us, us, 0o600)))
        .collect();
    all.push((layout.secrets(), access(us, us, 0o700)));
    all.push((layout.environment(name), access(&own, &own, 0o750)));
    all.push((
        layout.odoo_conf(name, odoopack_core::layout::Slot::Blue),
        access(us, &own, 0o640),
    ));
    all
}

/// Whether every act is done as the role that was given to us.
fn is_one_role(pack: &Pack) -> bool {
    pack.layout
        .server()
        .is_some_and(|server| server.roles == Roles::Given)
}

fn versions(pack: &Pack, view: &View, name: &Name) -> Versions {
    let python = view
        .facts
        .release
        .present()
        .and_then(|release| release.python.as_ref());
    let version = python.and_then(|directory| {
        let text = std::fs::read_to_string(directory.join("pyvenv.cfg")).ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("version_info = "))?;
        let mut parts = line.split('.').map(|part| part.trim().parse().ok());
        Some((parts.next()??, parts.next()??))
    });
    Versions {
        series: pack.loaded.spec.odoo.series,
        python: version,
        postgres: match &view.facts.server {
            Seen::Present(server) => Some(server.major),
            Seen::Absent | Seen::Unknown(_) | Seen::NotYet => {
                let own = pack.loaded.spec.server_of(name);
                view.facts.cluster(&own).present().map(|cluster| cluster.major)
            }
        },
    }
}

fn role(pack: &Pack, name: &Name) -> Seen<Role> {
    let wanted = pack.layout.role(name);
    let given = is_one_role(pack);
    let ask = || {
        let sql =
            "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles WHERE rolname = $1";
        let row = enter(pack, &pack.loaded.spec.server_of(name), "postgres")?.query_opt(sql, &[&wanted]);
        row.map_err(|e| words(&e))
    };
    match ask() {
        Ok(Some(row)) => Seen::Present(Role {
            superuser: row.get(0),
            // What was given is used as it is: a second database is how a restore works there.
            create_role: row.get::<_, bool>(1) && !given,
            create_database: row.get::<_, bool>(2) && !given,
            replication: row.get(3),
            name: wanted,
        }),
        Ok(None) => Seen::Absent,
        Err(why) => Seen::Unknown(why),
    }
}

/// Tries what everybody tries first; one attempt, well below Odoo's own limit.
fn default_password(pack: &Pack, name: &Name) -> Result<Seen<bool>> {
    let mut site = super::site::site(&pack.loaded.spec, &pack.layout, name)?;
    site.sign_in = Some(SignIn {
        login: "admin".to_owned(),
        password: SecretText::new("admin"),
    });
    let seen = run(&site, &[Probe::SignIn]);
    Ok(match seen.first() {
        // Skipped: the password is right, a second factor is asked for.
        Some(seen) if matches!(seen.verdict, Verdict::Pass | Verdict::Skipped) => Seen::Present(true),
        Some(seen) if seen.code == Some(200) => Seen::Present(false),
        Some(seen) => Seen::Unknown(seen.detail.clone()),
        None => Seen::NotYet,
    })
}

fn manager_open(pack: &Pack, name: &Name) -> Result<Seen<bool>> {
    let site = super::site::site(&pack.loaded.spec, &pack.layout, name)?;
    Ok(match run(&site, &[Probe::Manager]).first() {
        Some(seen) if seen.verdict == Verdict::Pass => Seen::Present(false),
        Some(seen) if seen.code.is_some() => Seen::Present(true),
        Some(seen) => Seen::Unknown(seen.detail.clone()),
        None => Seen::NotYet,
    })
}

fn demo_modules(pack: &Pack, name: &Name, database: &str) -> Seen<Vec<String>> {
    let ask = || {
        let sql = "SELECT name FROM ir_module_module WHERE demo AND state = 'installed' ORDER BY name";
        let own = pack.loaded.spec.server_of(name);
        enter(pack, &own, database)?
            .query(sql, &[])
            .map_err(|e| words(&e))
    };
    match ask() {
        Ok(rows) => Seen::Present(rows.iter().map(|row| row.get(0)).collect()),
        Err(why) => Seen::Unknown(why),
    }
}

/// Links of the release that lead nowhere: pages ask for what they name.
fn dangling(view: &View) -> Seen<Vec<String>> {
    let Some(release) = view.facts.release.present() else {
        return Seen::NotYet;
    };
    // Links of an image lead to places of that image.
    if view.target.stack.is_some() {
        return Seen::Present(Vec::new());
    }
    let mut all = Vec::new();
    for addons in &release.addons {
        if let Err(e) = collect(addons, &mut all) {
            return Seen::Unknown(format!("{addons}: {e}"));
        }
    }
    Seen::Present(all)
}

fn collect(directory: &camino::Utf8Path, all: &mut Vec<String>) -> std::io::Result<()> {
    for entry in directory.read_dir_utf8()? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(entry.path(), all)?;
        } else if kind.is_symlink() && !entry.path().exists() {
            all.push(entry.path().to_string());
        }
    }
    Ok(())
}

fn drifted(view: &View, file: &File) -> bool {
    let wanted = hash::hex(file.content.expose().as_bytes());
    match view.facts.paths.get(&file.path).and_then(Seen::present) {
        Some(fact) => fact.kind != PathKind::File(wanted),
        None => false,
    }
}
