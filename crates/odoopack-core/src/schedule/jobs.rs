//! The jobs that the file asks for.
use super::{When, Zone};
use crate::name::Name;
use crate::spec::{Environment, Kind, Spec};

/// Version of the rendered table's form.
pub const FORMAT: u32 = 1;

/// Certificates of the pack's own authority have weeks left when they are renewed; a daily look costs nothing.
const CERTIFICATES: When = When::daily(4, 30);

/// The rendered list of jobs, which `schedule run` reads again before each look.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// [`FORMAT`].
    pub format: u32,
    /// In which zone the times are meant.
    pub zone: Zone,
    /// The jobs.
    pub jobs: Vec<Job>,
}

/// One thing that happens at its times.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Unique within the pack: `certificates`, `backup-production`.
    pub name: String,
    /// For people.
    pub what: String,
    /// The environment that it works on; jobs of one environment exclude each other.
    pub environment: Option<Name>,
    /// When.
    pub when: When,
    /// Arguments of this program.
    pub run: Vec<String>,
}

/// Every job, in the order in which those of the same minute are begun.
pub fn jobs(spec: &Spec) -> Vec<Job> {
    let certificates = Job {
        name: "certificates".to_owned(),
        what: "renew certificates of the pack's own authority, read others that were replaced".to_owned(),
        environment: None,
        when: CERTIFICATES,
        run: vec!["renew".to_owned()],
    };
    let mut all = vec![certificates];
    all.extend(spec.backup.schedule.iter().flat_map(|when| backups(spec, when)));
    all.extend(spec.backup.drill.iter().flat_map(|when| drills(spec, when)));
    all
}

/// A backup of every production environment, and after it the snapshots that the policy no longer keeps.
fn backups(spec: &Spec, when: &When) -> impl Iterator<Item = Job> {
    production(spec).map(move |name| Job {
        name: format!("backup-{name}"),
        what: format!("back up {name}, and forget what `[backup.keep]` no longer keeps"),
        environment: Some(name.clone()),
        when: when.clone(),
        run: ["backup", "create", name.as_str(), "--forget"]
            .into_iter()
            .chain(spec.backup.offsite.iter().map(|_| "--offsite"))
            .map(str::to_owned)
            .collect(),
    })
}

/// A proof of the newest snapshot of every production environment.
fn drills(spec: &Spec, when: &When) -> impl Iterator<Item = Job> {
    production(spec).map(move |name| Job {
        name: format!("drill-{name}"),
        what: format!("bring the newest snapshot of {name} back beside it, compare and remove it"),
        environment: Some(name.clone()),
        when: when.clone(),
        run: ["backup", "drill", "--of", name.as_str()]
            .map(str::to_owned)
            .to_vec(),
    })
}

fn production(spec: &Spec) -> impl Iterator<Item = &Name> {
    let production = |(_, environment): &(&Name, &Environment)| environment.kind == Kind::Production;
    spec.environments.iter().filter(production).map(|(name, _)| name)
}

impl Table {
    /// The table of a spec.
    pub fn of(spec: &Spec) -> Self {
        Self {
            format: FORMAT,
            zone: spec.pack.timezone.clone(),
            jobs: jobs(spec),
        }
    }
}
