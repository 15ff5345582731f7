//! The jobs that the file asks for.
use super::{When, Zone};
use crate::name::Name;
use crate::spec::{Kind, Spec, Tls};

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
    let local = spec
        .environments
        .values()
        .any(|environment| environment.tls == Tls::Local);
    let certificates = || Job {
        name: "certificates".to_owned(),
        what: "renew certificates of the pack's own authority".to_owned(),
        environment: None,
        when: CERTIFICATES,
        run: vec!["renew".to_owned()],
    };
    let mut all: Vec<Job> = local.then(certificates).into_iter().collect();
    all.extend(spec.backup.schedule.iter().flat_map(|when| backups(spec, when)));
    all
}

/// A backup of every production environment, and after it the snapshots that the policy no longer keeps.
fn backups(spec: &Spec, when: &When) -> impl Iterator<Item = Job> {
    let production = spec
        .environments
        .iter()
        .filter(|(_, environment)| environment.kind == Kind::Production);
    production.map(move |(name, _)| Job {
        name: format!("backup-{name}"),
        what: format!("back up {name}, and forget what `[backup.keep]` no longer keeps"),
        environment: Some(name.clone()),
        when: when.clone(),
        run: ["backup", "create", name.as_str(), "--forget"]
            .map(str::to_owned)
            .to_vec(),
    })
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
