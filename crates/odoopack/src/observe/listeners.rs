//! Who listens on which TCP port, from `/proc`.
use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;

use crate::files;

/// Listening ports with the name of the process, without those of `ours` and their descendants.
///
/// # Shape
/// A listener whose process cannot be seen (somebody else's, as an ordinary user) is "another user's process".
pub(crate) fn foreign(ours: &BTreeSet<u32>) -> BTreeMap<u16, String> {
    let mut sockets = BTreeMap::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        if let Ok(Some(text)) = files::read_text(Utf8Path::new(table)) {
            sockets.extend(parse(&text));
        }
    }
    let holders = if sockets.is_empty() {
        BTreeMap::new()
    } else {
        holders()
    };
    let mut foreign = BTreeMap::new();
    for (inode, port) in sockets {
        match holders.get(&inode) {
            Some(pid) if descends(*pid, ours) => {}
            Some(pid) => {
                foreign.insert(port, format!("`{}` (process {pid})", name(*pid)));
            }
            None => {
                foreign.insert(port, "another user's process".to_owned());
            }
        }
    }
    foreign
}

/// Inode to port of every listening socket (`proc(5)`, `/proc/net/tcp`; state 0A is LISTEN).
fn parse(text: &str) -> BTreeMap<u64, u16> {
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = u16::from_str_radix(fields.get(1)?.rsplit(':').next()?, 16).ok()?;
        (fields.get(3)? == &"0A").then_some(())?;
        Some((fields.get(9)?.parse().ok()?, port))
    };
    text.lines().skip(1).filter_map(line).collect()
}

/// Inode of every socket that a visible process holds.
fn holders() -> BTreeMap<u64, u32> {
    let mut all = BTreeMap::new();
    for pid in processes() {
        let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
            continue;
        };
        for link in entries
            .flatten()
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        {
            let text = link.to_string_lossy().into_owned();
            let inode = text
                .strip_prefix("socket:[")
                .and_then(|rest| rest.strip_suffix(']')?.parse().ok());
            all.extend(inode.map(|inode: u64| (inode, pid)));
        }
    }
    all
}

/// Every process id that can be seen.
pub(crate) fn processes() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Whether `pid` or one of its ancestors is in `ours`.
pub(crate) fn descends(pid: u32, ours: &BTreeSet<u32>) -> bool {
    let mut next = Some(pid);
    while let Some(pid) = next.filter(|pid| *pid > 1) {
        if ours.contains(&pid) {
            return true;
        }
        next = parent(pid);
    }
    false
}

/// Parent of a process (`proc(5)`, `/proc/PID/stat`; the name in brackets may hold anything).
pub(crate) fn parent(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

/// Command name of a process.
pub(crate) fn name(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_listening_sockets_only() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0\n\
             1: 0100007F:1F91 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 12346 1 0\n";
        assert_eq!(parse(text), BTreeMap::from([(12345, 8080)]));
    }

    #[test]
    fn a_port_of_ours_is_not_foreign() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(foreign(&BTreeSet::new()).contains_key(&port));
        assert!(!foreign(&BTreeSet::from([std::process::id()])).contains_key(&port));
    }
}
