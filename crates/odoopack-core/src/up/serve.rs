//! Later stages: configuration and the database server; then the gate, Odoo and nginx.
use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use super::ground::access_differs;
use super::{Consent, Known};
use crate::facts::{Facts, PathKind, Seen};
use crate::name::Name;
use crate::plan::{Plan, Step, Why};
use crate::render::systemd;
use crate::service::Service;
use crate::spec::{OwnServer, Spec};
use crate::target::{File, Target};

/// A certificate is issued again when it has less than this left.
const RENEW_BEFORE: i64 = 30 * 86_400;

pub(super) fn configure(known: &Known<'_>) -> Vec<Step> {
    let mut steps = certificates(known);
    steps.extend(links(known));
    steps.extend(known.target.files.iter().filter_map(|file| {
        why(known, file).map(|why| Step::WriteFile {
            path: file.path.clone(),
            why,
        })
    }));
    steps.extend(supervisor(known, &steps));
    let postgres = known
        .target
        .services
        .iter()
        .filter(|service| known.spec.is_server(&service.name));
    steps.extend(postgres.filter_map(|service| converge(known, service)));
    steps
}

/// What the supervisor needs before it can run a service.
fn supervisor(known: &Known<'_>, before: &[Step]) -> Vec<Step> {
    let unit = |step: &Step| matches!(step, Step::WriteFile { path, .. } if is_unit(path));
    let read = before.iter().any(unit).then_some(Step::ReadUnits);
    // Of a stack only the jobs have units.
    if known.target.stack.is_some() {
        return read.into_iter().collect();
    }
    let absent = known.facts.supervisor.is_absent();
    let Some(units) = &known.target.systemd else {
        return absent.then_some(Step::StartSupervisor).into_iter().collect();
    };
    let boot = absent.then(|| Step::StartAtBoot {
        target: units.target.clone(),
    });
    read.into_iter().chain(boot).collect()
}

fn is_unit(path: &Utf8Path) -> bool {
    path.parent() == Some(Utf8Path::new(systemd::DIRECTORY))
}

/// Units that were written once and that nothing wants any more. Only when every service could be stated: else one
/// that cannot be stated yet would seem to be gone.
fn forgotten_units(known: &Known<'_>) -> Vec<Step> {
    if !known.target.complete || !known.facts.host.systemd {
        return Vec::new();
    }
    let there = |path: &&Utf8PathBuf| matches!(known.facts.paths.get(*path), Some(Seen::Present(_)));
    let mut steps: Vec<Step> = known
        .facts
        .written
        .keys()
        .filter(|path| is_unit(path) && known.target.file(path).is_none())
        .filter(there)
        .map(|path| Step::RemoveFile { path: path.clone() })
        .collect();
    if !steps.is_empty() {
        steps.push(Step::ReadUnits);
    }
    steps
}

fn certificates(known: &Known<'_>) -> Vec<Step> {
    due_certificates(known.target, known.facts)
}

/// What keeps an untouched pack reachable: certificates of its own authority that end soon, and nginx told of them.
///
/// # Shape
/// Only environments that have a certificate: a new one waits for `up`.
pub fn renewals(target: &Target, facts: &Facts) -> Plan {
    let had = |step: &Step| {
        matches!(step, Step::IssueCertificate { environment, .. }
            if facts.certificates.get(environment).and_then(Seen::present).is_some())
    };
    let mut steps: Vec<Step> = due_certificates(target, facts).into_iter().filter(had).collect();
    let nginx = facts.services.get("nginx").and_then(Seen::present);
    let because = if steps.is_empty() {
        "a certificate that was brought was replaced"
    } else {
        "certificates were renewed"
    };
    let due = !steps.is_empty() || replaced(target, facts);
    if due && nginx.is_some_and(|nginx| nginx.running) {
        steps.push(Step::ReloadService {
            service: "nginx".to_owned(),
            because: because.to_owned(),
        });
    }
    Plan {
        steps,
        ..Plan::default()
    }
}

/// Whether nginx has not read a certificate that the operator brings as it is now. What else it reads is told by one
/// hash with it, so this is known only while everything else on disk is as it was when nginx read it last.
fn replaced(target: &Target, facts: &Facts) -> bool {
    let Some(nginx) = target.service("nginx").filter(|_| !target.brought.is_empty()) else {
        return false;
    };
    let seen = facts.services.get("nginx").and_then(Seen::present);
    let read = seen.and_then(|seen| seen.started_with.as_ref());
    let rendered = |path: &&Utf8PathBuf| target.file(path).is_some();
    let written = |path: &Utf8PathBuf| match facts.paths.get(path).and_then(Seen::present) {
        Some(fact) => facts
            .written
            .get(path)
            .is_some_and(|hash| fact.kind == PathKind::File(hash.clone())),
        None => false,
    };
    nginx.inputs.iter().filter(rendered).all(written)
        && read.is_some_and(|read| *read != seen_inputs_hash(target, facts, nginx))
}

fn due_certificates(target: &Target, facts: &Facts) -> Vec<Step> {
    let wants = target.certificates.iter().filter(|(name, domain)| {
        let seen = facts.certificates.get(*name).and_then(Seen::present);
        !seen.is_some_and(|certificate| {
            certificate.not_after - facts.host.now > RENEW_BEFORE && certificate.names.contains(domain)
        })
    });
    wants
        .map(|(name, domain)| Step::IssueCertificate {
            environment: name.clone(),
            domain: domain.clone(),
        })
        .collect()
}

/// Links that are missing, lead elsewhere or are not wanted any more.
fn links(known: &Known<'_>) -> Vec<Step> {
    let nothing = BTreeMap::new();
    let mut editions: BTreeSet<&str> = known.facts.farms.keys().map(String::as_str).collect();
    editions.extend(known.target.farms.keys().map(Name::as_str));
    let one = |edition: &str| {
        let farm = known
            .target
            .farms
            .iter()
            .find(|(name, _)| name.as_str() == edition);
        let wanted = farm.map_or(&nothing, |(_, farm)| &farm.links);
        let seen = known
            .facts
            .farms
            .get(edition)
            .map_or(&nothing, |farm| &farm.links);
        let wrong = wanted.iter().filter(|(name, path)| seen.get(*name) != Some(path));
        let link: Vec<String> = wrong.map(|(name, _)| name.clone()).collect();
        let unlink: Vec<String> = seen
            .keys()
            .filter(|name| !wanted.contains_key(*name))
            .cloned()
            .collect();
        let edition = edition.to_owned();
        (!link.is_empty() || !unlink.is_empty()).then_some(Step::LinkModules {
            edition,
            link,
            unlink,
        })
    };
    editions.into_iter().filter_map(one).collect()
}

/// What lets Odoo see the modules of an edition that came or went: their links, and the record that services start with.
///
/// # Shape
/// Part of what `up` would do next; empty when nothing came or went.
pub fn farm(spec: &Spec, target: &Target, facts: &Facts, edition: &Name) -> Vec<Step> {
    let known = Known {
        spec,
        target,
        facts,
        consent: Consent::default(),
    };
    let Some(farm) = target.farms.get(edition) else {
        return Vec::new();
    };
    let of_it =
        |step: &Step| matches!(step, Step::LinkModules { edition: one, .. } if one == edition.as_str());
    let mut steps: Vec<Step> = links(&known).into_iter().filter(of_it).collect();
    let linked = !steps.is_empty();
    let record = target.file(&farm.record).filter(|_| linked);
    let written = record.and_then(|file| why(&known, file));
    steps.extend(written.map(|why| Step::WriteFile {
        path: farm.record.clone(),
        why,
    }));
    steps
}

/// Why a file must be written; `None` when it is as it should be.
pub(super) fn why(known: &Known<'_>, file: &File) -> Option<Why> {
    let wanted = crate::hash::hex(file.content.expose().as_bytes());
    let Some(Seen::Present(fact)) = known.facts.paths.get(&file.path) else {
        return Some(Why::Missing);
    };
    match &fact.kind {
        PathKind::File(seen) if *seen == wanted => {
            access_differs(&file.access, fact).then_some(Why::Permissions)
        }
        PathKind::File(seen) if known.facts.written.get(&file.path) == Some(seen) => Some(Why::Changed),
        PathKind::File(_) | PathKind::Directory | PathKind::Link(_) | PathKind::Other => Some(Why::Edited),
    }
}

pub(super) fn serve(known: &Known<'_>) -> Vec<Step> {
    let mut gone: Vec<&String> = known
        .facts
        .services
        .keys()
        .filter(|name| known.target.service(name).is_none())
        .collect();
    // Odoo writes until it ends.
    gone.sort_by_key(|name| OwnServer::called(name).is_some());
    let mut steps: Vec<Step> = gone
        .into_iter()
        .map(|name| Step::RemoveService {
            service: name.clone(),
        })
        .collect();
    steps.extend(forgotten_timers(known));
    steps.extend(forgotten_units(known));
    let rest = known
        .target
        .services
        .iter()
        .filter(|service| !known.spec.is_server(&service.name));
    steps.extend(rest.filter_map(|service| converge(known, service)));
    steps.extend(timers(known));
    steps.extend(held(known));
    if steps.iter().any(|step| !of_a_timer(step)) {
        let environments = known.spec.environments.keys();
        steps.extend(environments.map(|name| Step::PassProbes {
            environment: name.clone(),
        }));
    }
    steps
}

/// What stays of the servers that nothing wants any more, said when they are stopped.
pub(super) fn kept<'a>(known: &'a Known<'_>) -> impl Iterator<Item = String> + 'a {
    let gone = known.facts.on_disk().filter(|server| {
        let name = server.to_string();
        known.facts.services.contains_key(&name) && known.target.service(&name).is_none()
    });
    gone.filter_map(|server| {
        let edition = server.edition()?;
        Some(format!(
            "no environment has the edition {edition}: data/{server} keeps its databases, for when one has it again"
        ))
    })
}

/// Nobody who plans holds anything: whatever still waits was left by a run that was killed.
fn held<'a>(known: &'a Known<'_>) -> impl Iterator<Item = Step> + 'a {
    let there = |name: &&Name| known.spec.environments.contains_key(*name);
    let environments = known.facts.held.iter().filter(there);
    environments.map(|name| Step::ReleaseHold {
        environment: name.clone(),
    })
}

fn of_a_timer(step: &Step) -> bool {
    matches!(step, Step::StartTimer { .. } | Step::RemoveTimer { .. })
}

fn forgotten_timers(known: &Known<'_>) -> impl Iterator<Item = Step> {
    let gone = known
        .facts
        .timers
        .keys()
        .filter(|job| !known.target.timers.contains_key(*job));
    gone.map(|job| Step::RemoveTimer { job: job.clone() })
}

fn timers(known: &Known<'_>) -> Vec<Step> {
    let good = |job: &&String| {
        known.facts.timers.get(*job).is_some_and(|timer| {
            timer.running && timer.started_as.as_ref() == Some(&timer_hash(known.target, job))
        })
    };
    let wanted = known.target.timers.keys().filter(|job| !good(job));
    wanted.map(|job| Step::StartTimer { job: job.clone() }).collect()
}

/// Hash of what a timer is started with.
pub fn timer_hash(target: &Target, job: &str) -> String {
    let file = target.timers.get(job).and_then(|path| target.file(path));
    crate::hash::of(&file.map(|file| file.shown.as_str()))
}

/// What a service needs: a start, a restart, a reload, or nothing.
fn converge(known: &Known<'_>, service: &Service) -> Option<Step> {
    let name = service.name.clone();
    let Some(Seen::Present(seen)) = known.facts.services.get(&service.name) else {
        return Some(Step::StartService { service: name });
    };
    if !seen.running {
        return Some(Step::StartService { service: name });
    }
    let definition = definition_hash(known.target, service);
    if seen.started_as.as_ref() != Some(&definition) {
        return Some(Step::RestartService {
            because: if name == "nginx" {
                "what it is started with changed: no page for some seconds".to_owned()
            } else {
                "what it is started with changed".to_owned()
            },
            service: name,
        });
    }
    if seen.started_with.as_ref() == Some(&inputs_hash(known.target, known.facts, service)) {
        return None;
    }
    let because = "its files changed".to_owned();
    Some(match service.reload_signal {
        Some(_) => Step::ReloadService {
            service: name,
            because,
        },
        None => Step::RestartService {
            service: name,
            because,
        },
    })
}

/// Hash of everything that only a restart changes.
///
/// # Shape
/// Changes with the text that the supervisor starts the service from and with the wanted content of its `start_inputs`,
/// and with nothing else: a newer odoopack that renders the same text restarts nothing.
pub fn definition_hash(target: &Target, service: &Service) -> String {
    let content = |path: &camino::Utf8PathBuf| target.file(path).map(|file| file.content.expose());
    let files: Vec<_> = service.start_inputs.iter().map(content).collect();
    let definition = target.definition(&service.name);
    crate::hash::of(&(definition, files))
}

/// The same with every file as it was seen: what a service that reads them now has read.
pub fn seen_inputs_hash(target: &Target, facts: &Facts, service: &Service) -> String {
    let content = |path: &Utf8PathBuf| match (target.file(path), facts.paths.get(path)) {
        (Some(_), Some(Seen::Present(fact))) => match &fact.kind {
            PathKind::File(hash) => hash.clone(),
            other @ (PathKind::Directory | PathKind::Link(_) | PathKind::Other) => format!("{other:?}"),
        },
        (None, Some(Seen::Present(fact))) => format!("{:?}", fact.kind),
        _ => "absent".to_owned(),
    };
    crate::hash::of(&service.inputs.iter().map(content).collect::<Vec<_>>())
}

/// Hash of the files that a service reads when it starts.
///
/// # Shape
/// Rendered files count with their wanted content, others (certificates) with the content that was seen.
pub fn inputs_hash(target: &Target, facts: &Facts, service: &Service) -> String {
    let content = |path: &camino::Utf8PathBuf| match target.file(path) {
        Some(file) => crate::hash::hex(file.content.expose().as_bytes()),
        None => match facts.paths.get(path) {
            Some(Seen::Present(fact)) => format!("{:?}", fact.kind),
            _ => "absent".to_owned(),
        },
    };
    crate::hash::of(&service.inputs.iter().map(content).collect::<Vec<_>>())
}
