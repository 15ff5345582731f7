//! The table of jobs, and who begins them: timers of systemd, or a service of ours.
use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use super::files::{made_from, text};
use super::{File, Known};
use crate::render::systemd;
use crate::schedule::{Job, Table};
use crate::service::Service;
use crate::units::Seconds;

/// A job that is asked to end cleans up first.
const STOP: Seconds = Seconds(60);

fn jobs(known: &Known<'_>) -> Vec<Job> {
    crate::schedule::jobs(known.spec)
}

/// The rendered table, which is read again before each look: a change of it restarts nothing.
pub(super) fn table(known: &Known<'_>) -> File {
    let content = serde_json::to_string_pretty(&Table::of(known.spec)).unwrap_or_default() + "\n";
    text(
        known.layout.schedule(),
        super::directories::ours(known, 0o644),
        content,
    )
}

fn argv(known: &Known<'_>, more: &[&str]) -> Vec<String> {
    let program = known.layout.state().join("bin").join(super::binary_name());
    [program.as_str(), "--root", known.layout.root().as_str()]
        .iter()
        .chain(more)
        .map(|word| (*word).to_owned())
        .collect()
}

/// The service that begins the jobs; none under systemd, and none without jobs.
pub(super) fn service(known: &Known<'_>) -> Option<Service> {
    if known.facts.host.systemd || jobs(known).is_empty() {
        return None;
    }
    let mut service = super::services::base(
        known,
        "schedule",
        "begins the jobs of the file",
        argv(known, &["schedule", "run"]),
    );
    service.environment.insert(
        "PATH".to_owned(),
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
    );
    service.umask = 0o022;
    service.stop_within = STOP;
    Some(service)
}

pub(super) fn timers(known: &Known<'_>) -> BTreeMap<String, Utf8PathBuf> {
    let all = if known.facts.host.systemd {
        jobs(known)
    } else {
        Vec::new()
    };
    all.into_iter()
        .map(|job| {
            let [timer, _] = systemd::job_units(known.layout.pack().as_str(), &job.name);
            (job.name, Utf8PathBuf::from(systemd::DIRECTORY).join(timer))
        })
        .collect()
}

/// The jobs of a stack are begun by timers of the host, because nothing in a container commands Docker.
pub(super) fn beside_stack(known: &Known<'_>) -> Vec<File> {
    if !known.facts.host.systemd {
        return Vec::new();
    }
    let mut files = super::files::systemd(known, std::iter::empty());
    files.extend(units(known));
    files
}

/// A timer and a unit for each job.
pub(super) fn units(known: &Known<'_>) -> Vec<File> {
    let (made, pack) = (made_from(known), known.layout.pack().as_str());
    let zone = &known.spec.pack.timezone;
    let mut files = Vec::new();
    for job in jobs(known) {
        let timer = systemd::timer(&made, pack, &job, &job.when.on_calendar(zone));
        let argv = argv(known, &["--json", "schedule", "run", &job.name, "--if-due"]);
        let service = systemd::job_service(&made, pack, &job, &argv, known.layout.containers());
        for (name, content) in systemd::job_units(pack, &job.name)
            .into_iter()
            .zip([timer, service])
        {
            let path = Utf8PathBuf::from(systemd::DIRECTORY).join(name);
            files.push(text(path, super::directories::ours(known, 0o644), content));
        }
    }
    files
}
