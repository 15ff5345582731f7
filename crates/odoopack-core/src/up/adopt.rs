//! What another stack made is taken over where it lies: its places, its cluster, its database.
use super::Known;
use crate::facts::{DatabaseFact, PathKind, Seen};
use crate::plan::{Refusal, Step};
use crate::spec::OwnServer;
use crate::target::DatabaseWant;

/// Places that do not belong to the pack's users yet; the cluster needs a role for this program too.
pub(super) fn places(known: &Known<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    let new = |path: &camino::Utf8Path| !known.facts.adopted.contains(path);
    for (part, path) in known.target.adopted.iter().filter(|(_, path)| new(path)) {
        steps.push(Step::TakeOver {
            part: part.clone(),
            path: path.clone(),
        });
        if part == "postgres" {
            steps.push(Step::AdoptCluster { path: path.clone() });
        }
    }
    steps
}

/// A database that somebody else filled keeps a way back before its owner changes.
pub(super) fn database(known: &Known<'_>, want: &DatabaseWant, seen: &DatabaseFact) -> Vec<Step> {
    if known.spec.postgres.directory.is_none() || seen.owner == want.role {
        return Vec::new();
    }
    let file = format!("adopted-{}.dump", want.database);
    vec![
        Step::KeepDump {
            environment: want.environment.clone(),
            database: want.database.clone(),
            path: known.spec.pack.root.join("backups").join(file),
        },
        Step::GiveDatabase {
            environment: want.environment.clone(),
            database: want.database.clone(),
            from: seen.owner.clone(),
            role: want.role.clone(),
        },
    ]
}

/// Two servers in one cluster destroy it, and another C library sorts its indexes otherwise.
pub(super) fn refusals(known: &Known<'_>) -> Vec<Refusal> {
    let mut all = Vec::new();
    for (container, place) in &known.facts.used_elsewhere {
        all.push(Refusal::new(
            format!("container `{container}` of another stack has {place} mounted, and would start with it again"),
            "remove that stack's containers: `docker compose down` in its directory, without `--volumes`; its volumes stay",
        ));
    }
    if let (Some(directory), Seen::Absent) = (
        &known.spec.postgres.directory,
        known.facts.cluster(&OwnServer::SHARED),
    ) {
        all.push(Refusal::new(
            format!("there is no cluster in {directory}, which [postgres] `directory` names"),
            "correct `directory`, or remove the line for a new, empty cluster",
        ));
    }
    let root = known.facts.host.root;
    all.extend(known.target.adopted.iter().filter_map(|taken| link(known, taken)));
    for (part, path) in &known.target.adopted {
        if part != "postgres" && known.facts.paths.get(path).is_some_and(Seen::is_absent) {
            all.push(Refusal::new(
                format!("there is no {path}, which `directory` of [environments.{part}] names"),
                "correct `directory`, or remove the line for a new, empty one",
            ));
        }
        let filestore = path.join("filestore");
        let there = known
            .facts
            .paths
            .get(path)
            .is_some_and(|seen| seen.present().is_some());
        if part != "postgres" && there && known.facts.paths.get(&filestore).is_some_and(Seen::is_absent) {
            all.push(Refusal::new(
                format!("there is no {filestore}: {path}, which `directory` of [environments.{part}] names, is no data directory of Odoo"),
                "correct `directory`: every file below it will belong to the environment's user",
            ));
        }
        if !root {
            all.push(Refusal::new(
                format!("only root can take over {path}: its files belong to the users of another stack"),
                "run odoopack as root",
            ));
        }
    }
    all.extend(flavour(known));
    all.extend(went_back(known));
    all.extend(two_servers(known));
    all
}

/// What is given away is a directory with all that is in it, and not a name for it.
fn link(known: &Known<'_>, (part, path): &(String, camino::Utf8PathBuf)) -> Option<Refusal> {
    let seen = known.facts.paths.get(path)?.present()?;
    let PathKind::Link(to) = &seen.kind else {
        return None;
    };
    let table = if part == "postgres" {
        "[postgres]".to_owned()
    } else {
        format!("[environments.{part}]")
    };
    Some(Refusal::new(
        format!("{path}, which `directory` of {table} names, is a link to {to}"),
        format!("write the directory itself as `directory`: `readlink --canonicalize {path}` says it"),
    ))
}

/// What the old stack ran on again: its images give places to their own users when they start.
fn went_back<'a>(known: &'a Known<'_>) -> impl Iterator<Item = Refusal> + 'a {
    let mark = known.spec.pack.root.join("data/odoopack/adopted.json");
    let taken = known.target.adopted.iter().map(|(_, path)| path);
    taken
        .filter(|path| known.facts.adopted.contains(*path))
        .filter_map(move |path| {
            let wanted = known.target.directories.iter().find(|one| one.path == *path)?;
            let ours = wanted.access.user.as_ref()?;
            let seen = known.facts.paths.get(path).and_then(Seen::present)?;
            (seen.user != *ours).then(|| {
                Refusal::new(
                    format!("{path} was taken over, and belongs to `{}` again, as when the old stack runs on it", seen.user),
                    format!("to take it over again: `odoopack down`; `docker compose down` in the old stack's directory, without `--volumes`; `rm {mark}`; `odoopack up`"),
                )
            })
        })
}

/// A cluster is taken over by a server that runs for one statement; beside another one it would be destroyed.
fn two_servers(known: &Known<'_>) -> Option<Refusal> {
    let seen = known.facts.services.get("postgres").and_then(Seen::present);
    let mut taken = known.target.adopted.iter();
    let (_, path) = taken.find(|(part, path)| part == "postgres" && !known.facts.adopted.contains(path))?;
    seen.is_some_and(|service| service.running).then(|| {
        Refusal::new(
            format!("{path} is to be taken over, and the pack's own PostgreSQL runs in it"),
            "`odoopack down`, then `odoopack up`",
        )
    })
}

/// Nothing is installed where somebody's data should be.
pub(super) fn missing_database(known: &Known<'_>) -> Vec<Refusal> {
    let Seen::Present(seen) = known.facts.databases(&OwnServer::SHARED) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for want in &known.target.databases {
        let adopted = known
            .target
            .adopted
            .iter()
            .any(|(part, _)| part == want.environment.as_str());
        let there = seen.databases.get(&want.database);
        if !adopted || there.is_some_and(|one| one.filled || one.kind.is_some()) {
            continue;
        }
        let others = seen.databases.keys().filter(|name| *name != "postgres");
        let others: Vec<&str> = others.map(String::as_str).collect();
        all.push(Refusal::new(
            format!(
                "the cluster that was taken over holds no data in a database `{}`; it has {}",
                want.database,
                if others.is_empty() {
                    "none".to_owned()
                } else {
                    others.join(", ")
                }
            ),
            format!("correct `database` of [environments.{}]", want.environment),
        ));
    }
    all
}

/// A cluster keeps the C library that it was made with. Of an image that is not here yet only its name can be judged; the image
/// itself is when it is pinned.
fn flavour(known: &Known<'_>) -> Option<Refusal> {
    known.facts.on_disk().next()?;
    let containers = &known.facts.containers;
    let last = containers.last("postgres");
    let (seen, library) = match last {
        Some(image) => (&image.wanted, image.c_library.as_deref()),
        None => (
            containers.adopted.as_ref()?,
            containers.adopted_library.as_deref(),
        ),
    };
    let wanted = known.target.images.get("postgres")?;
    let named = |image: &str| image.contains("alpine");
    let musl = library.map_or_else(|| named(seen), |library| library == MUSL);
    // Of musl under a name of somebody's own nobody can tell the next from its name.
    let untold = musl && !named(seen);
    (seen != wanted && musl != named(wanted) && !untold).then(|| {
        Refusal::new(
            format!(
                "the cluster was run by the image `{seen}`, the file says `{wanted}`: its C library sorts texts otherwise, and indexes would be wrong"
            ),
            format!("write `postgres = \"{seen}\"` in [images]; to change it, {}", super::INTO_A_NEW_ROOT),
        )
    })
}

/// What Alpine's C library is called here; it has no version that sorting depends on.
const MUSL: &str = "musl";

/// Why an image may not start on a cluster: its C library sorts texts otherwise, so indexes would be searched in a wrong order, and
/// nothing would say so.
///
/// # Shape
/// `before` and `now` are `glibc 2.36` or `musl`. Two versions of one differ only for an `adopted` cluster: what this program makes is sorted
/// by bytes.
pub fn another_library(name: &str, (before, now): (&str, &str), adopted: bool) -> Option<Refusal> {
    let family = |library: &str| library.split(' ').next().unwrap_or_default().to_owned();
    let differs = if adopted {
        before != now
    } else {
        family(before) != family(now)
    };
    differs.then(|| {
        Refusal::new(
            format!(
                "the cluster was run with the C library {before}, and `{name}` has {now}: it sorts texts otherwise, and indexes would be wrong"
            ),
            format!(
                "name an image with {before} as `postgres` in [images]; to change the C library, {}",
                super::INTO_A_NEW_ROOT
            ),
        )
    })
}
