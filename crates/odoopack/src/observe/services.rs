//! Services as runit knows them.
use std::collections::BTreeMap;

use camino::Utf8Path;
use odoopack_core::facts::{Seen, ServiceFact};
use odoopack_core::layout::Layout;
use odoopack_core::render::runit::STARTS;

use crate::failure::Result;
use crate::files;
use crate::observe::listeners;
use crate::store::marks;
use crate::tools::runit;

/// Process id of the pack's `runsvdir`, when it runs.
pub(crate) fn supervisor(layout: &Layout) -> Seen<u32> {
    let enabled = layout.enabled();
    let is_ours = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        mine(*pid)
            && words.first().is_some_and(|word| word.ends_with(b"runsvdir"))
            && words.iter().any(|word| *word == enabled.as_str().as_bytes())
    };
    listeners::processes()
        .into_iter()
        .find(is_ours)
        .map_or(Seen::Absent, Seen::Present)
}

/// Whether a process runs as the user that we are: anybody can give a process a command line like ours.
fn mine(pid: u32) -> bool {
    use std::os::unix::fs::MetadataExt;
    let us = rustix::process::geteuid().as_raw();
    std::fs::metadata(format!("/proc/{pid}")).is_ok_and(|process| process.uid() == us)
}

/// Every service that is enabled, by name.
pub(crate) fn all(layout: &Layout) -> Result<BTreeMap<String, Seen<ServiceFact>>> {
    let Ok(entries) = layout.enabled().read_dir_utf8() else {
        return Ok(BTreeMap::new());
    };
    let names = entries.flatten().map(|entry| entry.file_name().to_owned());
    names
        .filter(|name| !name.starts_with('.'))
        .map(|name| one(layout, &name).map(|seen| (name, seen)))
        .collect()
}

/// One service.
pub(crate) fn one(layout: &Layout, name: &str) -> Result<Seen<ServiceFact>> {
    let definition = layout.runit().join(name);
    let stamp = marks::stamp(&layout.state(), name)?;
    let status = std::fs::read(runit::status_file(&definition)).ok();
    let status = status.and_then(|bytes| runit::parse_status(&bytes));
    let alive = supervised(&definition);
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
    Ok(Seen::Present(ServiceFact {
        running: alive && status.is_some_and(|s| s.wanted && s.running && s.pid.is_some()),
        pid: status.and_then(|s| s.pid).filter(|_| alive),
        since: status.map(|s| now.saturating_sub(s.since)),
        restarts: starts(layout, name)?.saturating_sub(stamp.as_ref().map_or(0, |s| s.starts)),
        started_with: stamp.as_ref().map(|s| s.inputs.clone()),
        started_as: stamp.map(|s| s.definition),
    }))
}

/// Whether a `runsv` looks after the service: somebody has its fifo open for reading.
pub(crate) fn supervised(definition: &Utf8Path) -> bool {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    let flags = i32::try_from(flags).unwrap_or_default();
    std::fs::OpenOptions::new()
        .write(true)
        .custom_flags(flags)
        .open(runit::ok_file(definition))
        .is_ok()
}

/// How often it was started, ever.
pub(crate) fn starts(layout: &Layout, name: &str) -> Result<u64> {
    let path = layout.runit().join(name).join(STARTS);
    let text = files::read_text(&path)?.unwrap_or_default();
    let count = text.split_whitespace().next();
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or_default())
}
