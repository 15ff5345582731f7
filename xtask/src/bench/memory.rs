//! Memory of the processes that a pack keeps running, apart from the servers themselves.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Memory of all processes with one name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    pub(super) processes: u64,
    /// Resident, pages shared with others counted in full.
    pub(super) rss_kib: u64,
    /// Resident, each shared page divided by the number of its users.
    pub(super) pss_kib: u64,
}

/// Memory below the supervisor of the pack at `root`, by name of the program.
pub(super) fn of_pack(root: &Path) -> Result<BTreeMap<String, Memory>> {
    let enabled = root.join("data/odoopack/enabled").display().to_string();
    let processes = processes()?;
    let supervisor = processes
        .iter()
        .find(|process| process.name == "runsvdir" && process.line.contains(&enabled))
        .context("the demo has no runsvdir; only runit is measured")?;
    let mut family = vec![supervisor.pid];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        let children = processes.iter().filter(|process| process.parent == parent);
        family.extend(children.map(|process| process.pid));
        at += 1;
    }
    let mut all: BTreeMap<String, Memory> = BTreeMap::new();
    for process in processes.iter().filter(|process| family.contains(&process.pid)) {
        // A process that ended since has no memory.
        let Ok(rollup) = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid)) else {
            continue;
        };
        let memory = all.entry(process.name.clone()).or_default();
        memory.processes += 1;
        memory.rss_kib += field(&rollup, "Rss:");
        memory.pss_kib += field(&rollup, "Pss:");
    }
    Ok(all)
}

/// The gate of the pack at `root`.
pub(super) fn gate(root: &Path) -> Result<u32> {
    let root = format!("{}/", root.display());
    let all = processes()?;
    let mut gates = all.iter().filter(|process| process.name == "odoopack gate");
    let found = gates.find(|process| process.line.contains(&root));
    Ok(found.context("the demo has no gate")?.pid)
}

/// Of one process, in KiB; none of one that ended since.
pub(super) fn pss_of(pid: u32) -> Result<u64> {
    match fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) {
        Ok(rollup) => Ok(field(&rollup, "Pss:")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).with_context(|| format!("cannot read the memory of process {pid}")),
    }
}

struct Process {
    pid: u32,
    parent: u32,
    name: String,
    line: String,
}

fn processes() -> Result<Vec<Process>> {
    let entries = fs::read_dir("/proc").context("cannot list /proc")?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
    Ok(pids.filter_map(process).collect())
}

fn process(pid: u32) -> Option<Process> {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    let parent = read("status")?
        .lines()
        .find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())?;
    let line = read("cmdline")?.replace('\0', " ");
    // A copy of our binary carries a version in its name.
    let program = line.split(' ').next()?.rsplit('/').next()?;
    let name = if line.contains(" gate --config ") {
        "odoopack gate"
    } else if line.contains(" schedule run") {
        "odoopack schedule"
    } else {
        program.trim_end_matches(':')
    };
    Some(Process {
        pid,
        parent,
        name: name.to_owned(),
        line,
    })
}

fn field(rollup: &str, name: &str) -> u64 {
    let line = rollup.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollup_is_read() {
        let rollup = "55-7f ---p 00000000 00:00 0 [rollup]\nRss:   4096 kB\nPss:  1024 kB\nPss_Dirty: 1 kB\n";
        assert_eq!(
            (
                field(rollup, "Rss:"),
                field(rollup, "Pss:"),
                field(rollup, "Swap:")
            ),
            (4096, 1024, 0)
        );
    }

    #[test]
    fn this_process_is_seen() {
        let own = process(std::process::id()).unwrap();
        assert!(own.parent > 0 && !own.name.is_empty() && !own.line.is_empty());
    }
}
