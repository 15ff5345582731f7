//! The sum, line by line, and what breaks it.
use std::collections::BTreeMap;
use std::fmt;

use super::cost::{self, RESERVED_CONNECTIONS, Shape, USERS_OF_A_WORKER};
use super::share::{Mode, Share};
use super::{EnvironmentSize, Host, PostgresSize, Want, Wants};
use crate::columns::beside;
use crate::name::Name;
use crate::units::Bytes;

/// One line of the sum.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Line {
    /// For what.
    pub subject: String,
    /// Memory that it takes.
    pub memory: Bytes,
    /// Connections that it may open.
    pub connections: u32,
    /// Why as much.
    pub reason: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            subject,
            memory,
            connections,
            reason,
        } = self;
        let head = format!("{memory:>9} {connections:>5}  ");
        f.write_str(&beside(&head, &format!("{subject}: {reason}")))
    }
}

/// Something that the operator's own values break.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// Everything together takes more memory than there is.
    #[error("the environments as written need {need} of memory, this host has {have}; write fewer workers")]
    Memory {
        /// The sum.
        need: Bytes,
        /// Memory of the host.
        have: Bytes,
    },
    /// Everything together may open more connections than PostgreSQL takes.
    #[error(
        "the environments as written may open {need} connections, PostgreSQL takes {have}; lower db_maxconn or workers"
    )]
    Connections {
        /// The sum, with those kept for administration.
        need: u32,
        /// `max_connections`.
        have: u32,
    },
    /// A PDF report asks its own server for style sheets.
    #[error(
        "`{environment}` has one worker, which hangs as soon as it prints a report; write 0 or at least 2"
    )]
    OneWorker {
        /// Where.
        environment: Name,
    },
    /// Workers would be recycled after every request.
    #[error(
        "`{environment}` limits virtual memory to {limit}, less than a worker has at its start; write at least 1GiB"
    )]
    LowLimit {
        /// Where.
        environment: Name,
        /// `limit_memory_soft`.
        limit: Bytes,
    },
    /// A worker would die before it is asked to end.
    #[error("the hard memory limit of `{environment}` is not above its soft one")]
    HardBelowSoft {
        /// Where.
        environment: Name,
    },
}

type Sizes = BTreeMap<Name, EnvironmentSize>;

/// Every line, the last one says what is left over.
pub(super) fn lines(host: &Host, wants: &Wants, share: &Share, sizes: &Sizes) -> Vec<Line> {
    let mut all = vec![
        line(
            "system",
            cost::system(host),
            0,
            "kernel, file cache, other programs: an eighth, 256MiB to 8GiB",
        ),
        line("postgres", cost::postgres_of(host, wants), 0, &of_servers(wants)),
        line(
            "services",
            cost::services(host, wants.sessions_redis),
            0,
            "nginx, gate, schedule, and redis if used",
        ),
    ];
    for want in &wants.environments {
        let size = &sizes[&want.name];
        all.push(line(
            want.name.as_str(),
            size.memory,
            size.connections,
            &reason(want, wants, share, size),
        ));
    }
    let present = wants.environments.iter().filter(|w| !w.production).count();
    let free = share.copies - u32::try_from(present).unwrap_or(share.copies).min(share.copies);
    let each = (share.copy.memory(host), share.copy.connections());
    let room = Bytes(each.0.0 * u64::from(free));
    all.push(line(
        "reserve",
        room,
        each.1 * free,
        &format!("{free} more copies"),
    ));
    let (memory, connections) = second_slot(wants, share, sizes);
    all.push(line(
        "deploy",
        memory,
        connections,
        "the second slot of the biggest environment while both run",
    ));
    all.push(line(
        "administration",
        Bytes(0),
        RESERVED_CONNECTIONS,
        "odoopack, backups, psql, module updates",
    ));
    let used: u64 = all.iter().map(|l| l.memory.0).sum();
    let left = Bytes(host.memory.0.saturating_sub(used));
    all.push(line("left over", left, 0, "file cache, until somebody needs it"));
    all
}

fn line(subject: &str, memory: Bytes, connections: u32, reason: &str) -> Line {
    Line {
        subject: subject.to_owned(),
        memory,
        connections,
        reason: reason.to_owned(),
    }
}

fn of_servers(wants: &Wants) -> String {
    let what = "shared_buffers, one vacuum or index build, processes";
    match (wants.server, wants.apart) {
        (Some(_), _) => "on a server that somebody else runs".to_owned(),
        (None, None) => what.to_owned(),
        (None, Some(editions)) => format!(
            "{what}, for {editions} servers of one edition each, which get a {}th of it",
            super::share::servers(wants)
        ),
    }
}

fn second_slot(wants: &Wants, share: &Share, sizes: &Sizes) -> (Bytes, u32) {
    let processes = |w: &Want| {
        let size = &sizes[&w.name];
        Shape {
            maxconn: size.db_maxconn,
            ..Shape::new(size.workers, size.cron_workers, w.production)
        }
    };
    let all = || wants.environments.iter().map(processes).chain([share.copy]);
    let memory = all().map(Shape::second_slot).max().unwrap_or_default();
    (
        memory,
        all().map(Shape::web_connections).max().unwrap_or_default(),
    )
}

fn limited(wants: &Wants) -> bool {
    wants.server.is_some_and(|server| server.connections.is_some())
}

fn reason(want: &Want, wants: &Wants, share: &Share, size: &EnvironmentSize) -> String {
    let useful = want.users.div_ceil(USERS_OF_A_WORKER);
    let web = match size.workers {
        0 => "threaded server".to_owned(),
        n => format!("{n} workers and gevent"),
    };
    let crons = match size.cron_workers {
        0 => "no scheduled actions".to_owned(),
        n => format!("{n} cron"),
    };
    let why = match (want.overrides.workers, want.production, share.mode) {
        (Some(_), ..) => "as written".to_owned(),
        (None, true, Mode::Threaded | Mode::Tiny) if limited(wants) => {
            "too little memory or too few connections for workers".to_owned()
        }
        (None, true, Mode::Threaded | Mode::Tiny) => "too little memory for workers".to_owned(),
        (None, true, _) if size.workers < useful => format!("{useful} would suit {} users", want.users),
        (None, true, _) => format!("enough for {} users", want.users),
        (None, false, _) if size.workers < useful => {
            format!("the size of a copy, {useful} would suit {} users", want.users)
        }
        (None, false, _) => "the size of a copy".to_owned(),
    };
    format!("{web}, {crons}; {why}")
}

/// What is wrong with the sum; only overrides can make it wrong.
pub(super) fn problems(host: &Host, postgres: &PostgresSize, sizes: &Sizes, lines: &[Line]) -> Vec<Problem> {
    let need = Bytes(
        lines
            .iter()
            .filter(|l| l.subject != "left over")
            .map(|l| l.memory.0)
            .sum(),
    );
    let memory = (need > host.memory).then_some(Problem::Memory {
        need,
        have: host.memory,
    });
    let need = lines
        .iter()
        .fold(0_u32, |sum, l| sum.saturating_add(l.connections));
    let have = postgres.max_connections;
    let connections = (need > have).then_some(Problem::Connections { need, have });
    memory
        .into_iter()
        .chain(connections)
        .chain(sizes.iter().flat_map(|(n, s)| own_problems(n, s)))
        .collect()
}

fn own_problems(name: &Name, size: &EnvironmentSize) -> Vec<Problem> {
    let environment = || name.clone();
    let low = size.memory_soft < Bytes::gib(1);
    [
        (size.workers == 1).then(|| Problem::OneWorker {
            environment: environment(),
        }),
        low.then(|| Problem::LowLimit {
            environment: environment(),
            limit: size.memory_soft,
        }),
        (size.memory_hard <= size.memory_soft).then(|| Problem::HardBelowSoft {
            environment: environment(),
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}
