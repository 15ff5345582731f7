//! runit: `runsvdir` watches a directory, `sv` commands one service, `supervise/status` tells about it.
use camino::{Utf8Path, Utf8PathBuf};

use crate::exec::Cmd;

/// Seconds between the TAI64 epoch label and 1970 as runit writes it (`runit 2.1.2, tai.h`: 2^62 + 10).
const TAI_OFFSET: u64 = 4_611_686_018_427_387_914;

/// What `supervise/status` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// Seconds since 1970 of the last change.
    pub(crate) since: u64,
    /// Main process; `None` while it is down.
    pub(crate) pid: Option<u32>,
    /// Whether `runsv` was asked to keep it up.
    pub(crate) wanted: bool,
    /// Whether it is the run script that is running (and not `finish`).
    pub(crate) running: bool,
}

/// Reads `supervise/status`.
///
/// # Source
/// runit 2.1.2, `runsv.c` `update_status`: 8 bytes TAI64, 4 nanoseconds, 4 pid (little endian), paused, want, term, state.
pub(crate) fn parse_status(bytes: &[u8]) -> Option<Status> {
    let bytes: &[u8; 20] = bytes.try_into().ok()?;
    let seconds = u64::from_be_bytes(bytes[..8].try_into().ok()?);
    let pid = u32::from_le_bytes(bytes[12..16].try_into().ok()?);
    Some(Status {
        since: seconds.saturating_sub(TAI_OFFSET),
        pid: (pid != 0).then_some(pid),
        wanted: bytes[17] == b'u',
        running: bytes[19] == 1,
    })
}

/// Commands a service and waits up to `seconds` for the result.
pub(crate) fn sv(verb: &str, seconds: u64, service: &Utf8Path) -> Cmd {
    let patience = std::time::Duration::from_secs(seconds + 30);
    Cmd::new("sv")
        .args(["-w", &seconds.to_string(), verb, service.as_str()])
        .patience(patience)
}

/// Commands a service and waits for nothing; `sv` itself looks only every 420 ms (runit 2.1.2, `sv.c`).
pub(crate) fn sv_now(verb: &str, service: &Utf8Path) -> Cmd {
    Cmd::new("sv").args([verb, service.as_str()])
}

/// The supervisor of all services in `directory`; a process group of its own for each (`runsvdir(8)`, `-P`).
pub(crate) fn runsvdir(directory: &Utf8Path) -> Cmd {
    Cmd::new("runsvdir")
        .args(["-P", directory.as_str()])
        .bare()
        .directory(Utf8Path::new("/"))
}

/// Where a service's state lies.
pub(crate) fn status_file(definition: &Utf8Path) -> Utf8PathBuf {
    definition.join("supervise/status")
}

/// The fifo that somebody reads as long as `runsv` lives.
pub(crate) fn ok_file(definition: &Utf8Path) -> Utf8PathBuf {
    definition.join("supervise/ok")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_status_as_runsv_writes_it() {
        let mut bytes = [0_u8; 20];
        bytes[..8].copy_from_slice(&(TAI_OFFSET + 1_795_000_000).to_be_bytes());
        bytes[12..16].copy_from_slice(&4711_u32.to_le_bytes());
        bytes[17] = b'u';
        bytes[19] = 1;
        let status = Status {
            since: 1_795_000_000,
            pid: Some(4711),
            wanted: true,
            running: true,
        };
        assert_eq!(parse_status(&bytes), Some(status));
        assert_eq!(parse_status(b"short"), None);
    }
}
