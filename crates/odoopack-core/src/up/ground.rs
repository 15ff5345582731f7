//! First stages: packages, users, directories, secrets; then code and an empty cluster.
use super::Known;
use crate::facts::{PathKind, Seen};
use crate::plan::Step;
use crate::target::{Access, Directory};

/// What each package that is missing is for, and what goes without one that nobody has.
pub(super) fn reasons(known: &Known<'_>) -> Vec<String> {
    let wanted = missing(known).map(|program| format!("package {}: {}", program.package, program.why));
    let lacking = known.facts.lacking.iter();
    let lacking = lacking.map(|name| format!("package {name}: modules of the lock need it (`apt.txt`)"));
    let gone = known
        .target
        .programs
        .iter()
        .filter(|program| lacks(known, program));
    let gone = gone.filter_map(|program| {
        let package = &program.package;
        Some(format!(
            "no archive of this host has package {package}: {}",
            program.without?
        ))
    });
    wanted.chain(lacking).chain(gone).collect()
}

/// Whether a program is not there, cannot be had, and can be done without.
fn lacks(known: &Known<'_>, program: &crate::target::Program) -> bool {
    let facts = known.facts;
    program.without.is_some()
        && !facts.programs.contains_key(program.name)
        && facts.unavailable.contains(&program.package)
}

pub(super) fn packages(known: &Known<'_>) -> Vec<Step> {
    let programs = missing(known).map(|program| program.package.clone());
    let packages: Vec<String> = programs.chain(known.facts.lacking.iter().cloned()).collect();
    if packages.is_empty() {
        Vec::new()
    } else {
        vec![Step::InstallPackages { packages }]
    }
}

fn missing<'a>(known: &'a Known<'_>) -> impl Iterator<Item = &'a crate::target::Program> {
    let host = &known.facts.host;
    let missing = move |program: &&crate::target::Program| match (program.name, known.spec.postgres.version) {
        ("postgres", Some(major)) => !host.postgres.contains_key(&major),
        (crate::target::CLIENT, _) => known
            .facts
            .server
            .present()
            .is_none_or(|server| !host.postgres.contains_key(&server.major)),
        (name, _) => !known.facts.programs.contains_key(name),
    };
    let programs = known.target.programs.iter().filter(missing);
    programs.filter(|program| !lacks(known, program))
}

pub(super) fn ground(known: &Known<'_>) -> Vec<Step> {
    let mut steps = users(known);
    steps.extend(
        known
            .target
            .directories
            .iter()
            .filter(|d| directory_differs(known, d))
            .map(|d| Step::MakeDirectory { path: d.path.clone() }),
    );
    steps.extend(super::views::steps(known));
    if !known.facts.binary_current {
        steps.push(Step::PlaceBinary {
            path: known.target.binary.clone(),
        });
    }
    let missing = known
        .target
        .secrets
        .iter()
        .filter(|name| !known.facts.secrets.contains_key(*name));
    steps.extend(missing.map(|name| Step::GenerateSecret { name: name.clone() }));
    steps
}

fn users(known: &Known<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for user in &known.target.users {
        let seen = known.facts.users.get(&user.name);
        if seen.is_none() {
            steps.push(Step::CreateUser {
                name: user.name.clone(),
                home: user.home.clone(),
            });
        }
        let joined = |group: &&String| !seen.is_some_and(|seen| seen.groups.contains(*group));
        steps.extend(user.groups.iter().filter(joined).map(|group| Step::JoinGroup {
            user: user.name.clone(),
            group: group.clone(),
        }));
    }
    steps
}

fn directory_differs(known: &Known<'_>, directory: &Directory) -> bool {
    match known.facts.paths.get(&directory.path) {
        Some(Seen::Present(fact)) => {
            fact.kind != PathKind::Directory || access_differs(&directory.access, fact)
        }
        _ => true,
    }
}

/// Whether owner, group or mode are not as wanted; names that are not wanted do not matter.
pub(super) fn access_differs(wanted: &Access, fact: &crate::facts::PathFact) -> bool {
    fact.mode != wanted.mode
        || wanted.user.as_ref().is_some_and(|user| *user != fact.user)
        || wanted.group.as_ref().is_some_and(|group| *group != fact.group)
}

/// Images that are not pinned yet, that the file now names otherwise, or that Docker lost: those are got again as they are pinned.
fn images(known: &Known<'_>) -> Vec<Step> {
    let (seen, absent) = (&known.facts.containers.images, &known.facts.containers.absent);
    let locked = |part: &str| known.facts.containers.locked.as_ref().filter(|_| part == "odoo");
    let pinned = |part: &String, image: &String| {
        seen.get(part)
            .is_some_and(|seen| seen.wanted == *image && seen.suits(locked(part)))
    };
    let (there, missing): (Vec<_>, Vec<_>) = known
        .target
        .images
        .iter()
        .partition(|(part, image)| pinned(part, image));
    let lost = there.into_iter().filter(|(part, _)| absent.contains(*part));
    let lost = lost.filter_map(|(part, _)| {
        Some(Step::GetImage {
            part: part.clone(),
            image: seen.get(part)?.pinned.clone(),
        })
    });
    let missing = missing.into_iter().map(|(part, image)| match part.as_str() {
        crate::target::GATE_PART => Step::MakeGateImage { image: image.clone() },
        part if locked(part).is_some_and(|locked| locked.packages.is_some()) => {
            Step::BuildImage { image: image.clone() }
        }
        _ => Step::GetImage {
            part: part.clone(),
            image: image.clone(),
        },
    });
    missing.chain(lost).collect()
}

pub(super) fn code(known: &Known<'_>) -> Vec<Step> {
    let mut steps = images(known);
    match known.facts.release.present() {
        Some(release) if known.target.stack.is_some() && !release.fetched => {
            steps.push(Step::GetRepositories {
                release: release.id.clone(),
            });
        }
        _ if known.target.stack.is_some() => {}
        None => steps.push(Step::ResolveSource {
            source: known.spec.odoo.source.to_string(),
        }),
        Some(release) if !release.fetched => steps.push(Step::FetchOdoo {
            release: release.id.clone(),
        }),
        Some(release) if release.python.is_none() => {
            steps.push(Step::BuildPython {
                release: release.id.clone(),
            });
        }
        Some(_) => {}
    }
    let here = steps.iter().all(|step| !matches!(step, Step::GetImage { .. }));
    if here {
        steps.extend(super::adopt::places(known));
    }
    // What makes a cluster lies in an image that must be there first.
    if known.spec.postgres.is_given() {
        return steps;
    }
    if known.spec.postgres.directory.is_none() && here {
        let servers = known.spec.servers().into_iter();
        let missing = servers.filter(|server| known.facts.cluster(server).is_absent());
        steps.extend(missing.filter_map(|server| {
            Some(Step::CreateCluster {
                major: crate::target::cluster_major(known.spec, known.facts, &server)?,
                server,
            })
        }));
    }
    steps
}
