//! Rules about processes, connections and memory.
use super::judge::{Rule, View};
use super::{Note, Severity};

pub(super) const RULES: &[Rule] = &[
    connections,
    memory,
    limits_of_virtual_memory,
    hard_below_soft,
    one_worker,
    threaded,
];

/// Connections of PostgreSQL's default `max_connections` that are left for ordinary roles (100 minus 3 reserved).
const POSTGRES_CONNECTIONS: u64 = 97;
/// Below this a worker that has loaded a few modules is over the limit at once.
const SMALL_MEMORY: u64 = 1 << 30;

/// HTTP and cron processes, and the gevent process; one when threads do it all.
fn processes(file: &View<'_>) -> (u64, u64) {
    match file.number("workers", 0) {
        0 => (1, 0),
        workers => (workers.saturating_add(file.number("max_cron_threads", 2)), 1),
    }
}

fn connections(file: &View<'_>) -> Option<Note> {
    let (ordinary, gevent) = processes(file);
    let each = file.number("db_maxconn", 64);
    let of_gevent = gevent.saturating_mul(file.number("db_maxconn_gevent", each));
    let total = ordinary.saturating_mul(each).saturating_add(of_gevent);
    (total > POSTGRES_CONNECTIONS).then(|| Note {
        id: "connections",
        severity: Severity::Warning,
        line: file.line("db_maxconn").or_else(|| file.line("workers")),
        what: format!("{} processes may open {total} connections", ordinary + gevent),
        why: format!(
            "`db_maxconn` counts per process; PostgreSQL as installed has {POSTGRES_CONNECTIONS} for them all"
        ),
        fix:
            "`db_maxconn = 8` to `16` with workers, or raise `max_connections`; odoopack plans both together"
                .to_owned(),
    })
}

fn memory(file: &View<'_>) -> Option<Note> {
    let (ordinary, gevent) = processes(file);
    let gib = (ordinary + gevent).saturating_mul(file.number("limit_memory_soft", 2 << 30)) >> 30;
    (gevent > 0 && file.says("workers")).then(|| Note {
        id: "memory-plan",
        severity: Severity::Info,
        line: file.line("workers"),
        what: format!(
            "{} processes may grow to {gib} GiB of virtual memory before one is replaced",
            ordinary + gevent
        ),
        why: "a rule that counts cores only says nothing about memory".to_owned(),
        fix: "compare with the memory of the host; odoopack plans workers and limits from both".to_owned(),
    })
}

fn limits_of_virtual_memory(file: &View<'_>) -> Option<Note> {
    let keys = [
        "limit_memory_soft",
        "limit_memory_soft_gevent",
        "limit_memory_hard",
        "limit_memory_hard_gevent",
    ];
    let small = |key: &&str| file.says(key) && (1..SMALL_MEMORY).contains(&file.number(key, u64::MAX));
    let key = keys.into_iter().find(small)?;
    Some(Note {
        id: "virtual-memory",
        severity: Severity::Warning,
        line: file.line(key),
        what: format!("`{key}` is {} MiB", file.number(key, 0) >> 20),
        why: "the limits count virtual, not resident memory: a worker is over this one at once, is replaced after \
              every request or cannot print PDFs"
            .to_owned(),
        fix: "keep the defaults, 2048 MiB soft and 2560 MiB hard, and limit resident memory by cgroup".to_owned(),
    })
}

fn hard_below_soft(file: &View<'_>) -> Option<Note> {
    let hard = file.number("limit_memory_hard", 2560 << 20);
    (hard > 0 && hard < file.number("limit_memory_soft", 2048 << 20)).then(|| Note {
        id: "hard-below-soft",
        severity: Severity::Error,
        line: file
            .line("limit_memory_hard")
            .or_else(|| file.line("limit_memory_soft")),
        what: "`limit_memory_hard` is below `limit_memory_soft`".to_owned(),
        why: "requests fail before a worker is ever replaced in peace".to_owned(),
        fix: "set the hard limit a quarter above the soft one".to_owned(),
    })
}

fn one_worker(file: &View<'_>) -> Option<Note> {
    (file.number("workers", 0) == 1).then(|| Note {
        id: "one-worker",
        severity: Severity::Warning,
        line: file.line("workers"),
        what: "`workers = 1`".to_owned(),
        why: "wkhtmltopdf fetches its pages from the worker that waits for it: Odoo refuses to print PDFs"
            .to_owned(),
        fix: "`workers = 2` or more".to_owned(),
    })
}

fn threaded(file: &View<'_>) -> Option<Note> {
    (file.number("workers", 0) == 0).then(|| Note {
        id: "threaded",
        severity: Severity::Info,
        line: file.line("workers"),
        what: "no workers: one process with threads".to_owned(),
        why: "one core for everybody, no limits of memory and time; websockets arrive on `http_port`"
            .to_owned(),
        fix: "set `workers` in production".to_owned(),
    })
}
