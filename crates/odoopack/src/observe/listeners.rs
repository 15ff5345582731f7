//! Who listens on which TCP port, from `/proc`.
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};

/// Listening ports with the name of the process, without those of `ours` and their descendants.
///
/// # Shape
/// A listener whose process cannot be seen (somebody else's, as an ordinary user) is "another user's process", unless
/// it belongs to one of `users`: root without `CAP_SYS_PTRACE` sees no files of other users' processes, and the pack's
/// own users run nothing but its services.
pub(crate) fn foreign(ours: &BTreeSet<u32>, users: &BTreeSet<u32>) -> BTreeMap<u16, String> {
    let mut sockets = BTreeMap::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        if let Ok(table) = std::fs::File::open(table) {
            sockets.extend(listening(BufReader::new(table)));
        }
    }
    let holders = if sockets.is_empty() {
        BTreeMap::new()
    } else {
        holders()
    };
    let mut foreign = BTreeMap::new();
    for (inode, socket) in sockets {
        let who = match holders.get(&inode) {
            Some(pid) if descends(*pid, ours) => continue,
            Some(pid) => format!("`{}` (process {pid})", name(*pid)),
            None if users.contains(&socket.user) => continue,
            None => "another user's process".to_owned(),
        };
        foreign.insert(socket.port, who);
    }
    foreign
}

/// A listening socket.
#[derive(Debug, PartialEq, Eq)]
struct Socket {
    port: u16,
    /// Who opened it.
    user: u32,
}

/// Every listening socket by its inode (`proc(5)`, `/proc/net/tcp`; state 0A is LISTEN).
///
/// # Source
/// Linux, `net/ipv4/tcp_ipv4.c` `tcp_seq_start`: those that listen come first. Connections, of which there may be very many, are not read.
fn listening(table: impl BufRead) -> BTreeMap<u64, Socket> {
    let lines = table.lines().skip(1).map_while(Result::ok);
    lines.map_while(|line| socket(&line)).collect()
}

/// A line of a socket that listens.
fn socket(line: &str) -> Option<(u64, Socket)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let port = u16::from_str_radix(fields.get(1)?.rsplit(':').next()?, 16).ok()?;
    (fields.get(3)? == &"0A").then_some(())?;
    let user = fields.get(7)?.parse().ok()?;
    Some((fields.get(9)?.parse().ok()?, Socket { port, user }))
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
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   104        0 12345 1 0\n\
             1: 0100007F:1F91 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 12346 1 0\n";
        let socket = Socket {
            port: 8080,
            user: 104,
        };
        assert_eq!(listening(text.as_bytes()), BTreeMap::from([(12345, socket)]));
    }

    #[test]
    fn a_port_of_ours_is_not_foreign() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let nobody = BTreeSet::new();
        assert!(foreign(&nobody, &nobody).contains_key(&port));
        assert!(!foreign(&BTreeSet::from([std::process::id()]), &nobody).contains_key(&port));
        // What can be seen is judged by its process, whoever opened it.
        let us = BTreeSet::from([rustix::process::geteuid().as_raw()]);
        assert!(foreign(&nobody, &us).contains_key(&port));
    }
}
