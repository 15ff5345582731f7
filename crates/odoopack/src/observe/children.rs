//! Children that a prefork Odoo starts itself (HTTP workers, crons, the websocket server), which no supervisor counts.
use std::io::{BufRead, BufReader};

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::facts::ServiceFact;
use odoopack_core::layout::Layout;

use crate::observe::supervisor::Supervisor;
use crate::observe::{listeners, units};
use crate::tools::journalctl;

/// Children of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Children {
    /// How many run now.
    pub(crate) running: u64,
    /// How many have ended and were replaced, or are about to be, since the service itself started; under systemd in the
    /// last day at most, because its journal holds every service's lines and takes long to search.
    pub(crate) replaced: u64,
}

/// What Odoo's log says when a child is ready.
///
/// # Source
/// Odoo 17.0 to 19.0, `odoo/service/server.py`: `Worker.start` and `GeventServer.start`.
const READY: [&str; 2] = [") alive", "Evented Service (longpolling) running"];

/// A regular expression for lines that may be such ones; [`is_ready`] decides.
const READY_IN_JOURNAL: &str = r"odoo\.service\.server: .*(\) alive|Service \(longpolling\) running)";

/// Seconds of a day.
const DAY: i64 = 86_400;

/// The children of an Odoo service; `None` for other services, for one that is down, and where Odoo has no children or
/// its log does not tell.
pub(crate) fn of(layout: &Layout, name: &str, service: &ServiceFact) -> Option<Children> {
    let master = service.pid.filter(|_| service.running && name.contains('.'))?;
    let running = listeners::processes()
        .into_iter()
        .filter(|pid| listeners::parent(*pid) == Some(master))
        .count() as u64;
    let started = jiff::Timestamp::now().as_second() - i64::try_from(service.since?).ok()?;
    if Supervisor::of(layout) == Supervisor::Systemd {
        let replaced = replaced_in_journal(layout, name, started, running)?;
        return Some(Children { running, replaced });
    }
    let since = text(started)?;
    let ready = ready_since(&layout.logs().join(name), &since);
    (running > 0 && ready > 0).then(|| Children {
        running,
        replaced: ready.saturating_sub(running),
    })
}

/// As Odoo writes it.
fn text(second: i64) -> Option<String> {
    let time = jiff::Timestamp::from_second(second).ok()?;
    Some(time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// A service that started before the search begins had all its children then: each line is one that was replaced.
fn replaced_in_journal(layout: &Layout, name: &str, started: i64, running: u64) -> Option<u64> {
    let begin = jiff::Timestamp::now().as_second() - DAY;
    let since = started.max(begin);
    let cmd = journalctl::search(&units::unit(layout, name), READY_IN_JOURNAL, since);
    // It also ends with 1 when nothing was found.
    let lines = cmd.outcome().ok()?.stdout;
    let from = text(since)?;
    let ready = lines
        .lines()
        .filter(|line| is_ready(line.as_bytes(), &from))
        .count() as u64;
    if started >= begin {
        (running > 0 && ready > 0).then(|| ready.saturating_sub(running))
    } else {
        (running > 0).then_some(ready)
    }
}

/// Counts the children that became ready; older files are only read as far back as the service's start.
fn ready_since(logs: &Utf8Path, since: &str) -> u64 {
    let mut count = 0;
    for path in newest_first(logs) {
        let Ok(file) = std::fs::File::open(&path) else {
            continue;
        };
        let mut lines = BufReader::new(file).split(b'\n').map_while(Result::ok).peekable();
        let begins_before = lines
            .peek()
            .is_some_and(|line| line.as_slice() < since.as_bytes());
        count += lines.filter(|line| is_ready(line, since)).count() as u64;
        if begins_before {
            break;
        }
    }
    count
}

fn is_ready(line: &[u8], since: &str) -> bool {
    let text = String::from_utf8_lossy(line);
    text.as_ref() >= since
        && text
            .split_whitespace()
            .nth(5)
            .is_some_and(|logger| logger == "odoo.service.server:")
        && READY.iter().any(|mark| text.contains(mark))
}

/// svlogd's files: `current`, then the older ones, whose names are their times (`@4000...`).
fn newest_first(logs: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = logs.read_dir_utf8().into_iter().flatten().flatten();
    let mut older: Vec<Utf8PathBuf> = entries
        .filter(|entry| entry.file_name().starts_with('@'))
        .map(camino::Utf8DirEntry::into_path)
        .collect();
    older.sort_by(|a, b| b.cmp(a));
    [logs.join("current")].into_iter().chain(older).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_children_since_the_start_across_rotated_files() {
        let keep = tempfile::tempdir().unwrap();
        let logs = Utf8Path::from_path(keep.path()).unwrap();
        let line = |time: &str, text: &str| {
            format!("2026-11-23 {time},123 45 INFO ? odoo.service.server: {text} \n")
        };
        let write = |name: &str, lines: &[String]| {
            crate::files::replace(&logs.join(name), lines.concat().as_bytes(), 0o600, None).unwrap();
        };
        write(
            "@400000001.s",
            &[line("11:00:00", "Worker WorkerHTTP (44) alive")],
        );
        write(
            "@400000002.s",
            &[
                line("11:59:00", "x"),
                line("12:00:01", "Worker WorkerHTTP (46) alive"),
            ],
        );
        write(
            "current",
            &[
                line(
                    "12:00:02",
                    "Evented Service (longpolling) running on 127.0.0.1:8072",
                ),
                line("12:00:03", "Worker (46) max request (65536) reached."),
                line("12:00:04", "Worker WorkerHTTP (47) alive"),
            ],
        );
        assert_eq!(ready_since(logs, "2026-11-23 12:00:00"), 3);
        assert_eq!(ready_since(logs, "2026-11-23 12:00:04"), 1);
        assert_eq!(ready_since(logs, "2026-11-23 10:00:00"), 4);
    }
}
