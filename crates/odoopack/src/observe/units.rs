//! Services as systemd knows them.
use std::collections::BTreeMap;

use odoopack_core::facts::{Seen, ServiceFact, TimerFact};
use odoopack_core::layout::Layout;
use odoopack_core::render::systemd;

use crate::failure::Result;
use crate::files;
use crate::store::marks;
use crate::tools::systemctl::{self, UnitState};

/// The unit of a service.
pub(crate) fn unit(layout: &Layout, service: &str) -> String {
    systemd::unit_name(layout.pack().as_str(), service)
}

/// Process 1, when it looks after the pack: its target is active and starts at boot.
pub(crate) fn supervisor(layout: &Layout) -> Result<Seen<u32>> {
    let target = look(&systemd::target_name(layout.pack().as_str()))?;
    Ok(if target.active && target.enabled {
        Seen::Present(1)
    } else {
        Seen::Absent
    })
}

/// Names of the services that are enabled.
pub(crate) fn names(layout: &Layout) -> Result<Vec<String>> {
    enabled(layout, systemd::service_name)
}

/// Every timer that is enabled, by job.
pub(crate) fn timers(layout: &Layout) -> Result<BTreeMap<String, TimerFact>> {
    let jobs = enabled(layout, systemd::job_name)?;
    if jobs.is_empty() {
        return Ok(BTreeMap::new());
    }
    let units: Vec<String> = jobs.iter().map(|job| timer(layout, job)).collect();
    let states = systemctl::parse_show(&systemctl::show(&units).read()?);
    let mut all = BTreeMap::new();
    for (job, unit) in jobs.into_iter().zip(units) {
        let stamp = marks::stamp(&layout.state(), &marks::timer_stamp(&job))?;
        let fact = TimerFact {
            running: states
                .get(&unit)
                .is_some_and(|state| state.active && state.enabled),
            started_as: stamp.map(|stamp| stamp.definition),
        };
        all.insert(job, fact);
    }
    Ok(all)
}

/// The timer of a job.
pub(crate) fn timer(layout: &Layout, job: &str) -> String {
    let [timer, _] = systemd::job_units(layout.pack().as_str(), job);
    timer
}

/// What the pack's target starts, as far as `name` knows it.
fn enabled(layout: &Layout, name: impl for<'a> Fn(&str, &'a str) -> Option<&'a str>) -> Result<Vec<String>> {
    let pack = layout.pack().as_str();
    let directory = systemd::enabled(pack);
    let entries = files::read_entries(&directory)?;
    let known = |entry: &camino::Utf8DirEntry| name(pack, entry.file_name()).map(str::to_owned);
    Ok(entries.iter().filter_map(known).collect())
}

/// Every service that is enabled, by name.
pub(crate) fn all(layout: &Layout) -> Result<BTreeMap<String, Seen<ServiceFact>>> {
    let names = names(layout)?;
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let units: Vec<String> = names.iter().map(|name| unit(layout, name)).collect();
    let states = systemctl::parse_show(&systemctl::show(&units).read()?);
    let fact = |(name, unit): (String, String)| {
        let state = states.get(&unit).cloned().unwrap_or_default();
        fact(layout, &name, &state).map(|fact| (name, Seen::Present(fact)))
    };
    names.into_iter().zip(units).map(fact).collect()
}

/// One service.
pub(crate) fn one(layout: &Layout, service: &str) -> Result<ServiceFact> {
    fact(layout, service, &look(&unit(layout, service))?)
}

/// One unit.
pub(crate) fn look(unit: &str) -> Result<UnitState> {
    let mut states = systemctl::parse_show(&systemctl::show(&[unit]).read()?);
    Ok(states.remove(unit).unwrap_or_default())
}

fn fact(layout: &Layout, service: &str, state: &UnitState) -> Result<ServiceFact> {
    let stamp = marks::stamp(&layout.state(), service)?;
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let now = u64::try_from(now.tv_sec).unwrap_or_default();
    Ok(ServiceFact {
        running: state.active && state.pid.is_some(),
        pid: state.pid,
        since: state.changed.map(|micros| now.saturating_sub(micros / 1_000_000)),
        restarts: state.restarts,
        started_with: stamp.as_ref().map(|stamp| stamp.inputs.clone()),
        started_as: stamp.map(|stamp| stamp.definition),
    })
}
