//! One resource plan for the host: Odoo's processes, their limits and PostgreSQL's settings, computed together.
//!
//! Copies (every environment that is not production) have one size, and room for `reserve_environments` of
//! them is kept from the start. So what PostgreSQL gets depends on the host, on the productions and on that number
//! only: adding a copy within the reserve changes nothing for anybody else.
use std::collections::BTreeMap;

use crate::name::Name;
use crate::spec::Series;
use crate::units::{Bytes, Seconds};

mod cost;
mod explain;
mod share;

pub use explain::{Line, Problem};

/// What the pack may use of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// At least 1.
    pub cores: u32,
    /// All of it, what the operating system needs included.
    pub memory: Bytes,
}

/// What is asked of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wants {
    /// In any order, names unique.
    pub environments: Vec<Want>,
    /// Copies that must fit, those in `environments` included.
    pub reserve_environments: u32,
    /// Sessions are kept in Redis.
    pub sessions_redis: bool,
    /// Editions with a PostgreSQL server of their own each; `None`: one for all.
    pub apart: Option<u32>,
    /// The database server that somebody else runs; `None`: one of the pack's own.
    pub server: Option<Server>,
}

/// A database server that somebody else runs: it takes no memory here, and its settings are not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Server {
    /// Connections that are there for us; `None`: not known.
    pub connections: Option<u32>,
}

/// One environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Its name.
    pub name: Name,
    /// People who work at the same time.
    pub users: u32,
    /// Sized by its users; every other environment gets the size of a copy.
    pub production: bool,
    /// Decides which options exist.
    pub series: Series,
    /// What the operator wrote; kept even where it breaks the sum.
    pub overrides: Overrides,
}

/// Values from the file that win over ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// HTTP workers, 0 for the threaded server.
    pub workers: Option<u32>,
    /// Cron processes.
    pub cron_workers: Option<u32>,
    /// Soft limit of a worker's virtual memory.
    pub memory_soft: Option<Bytes>,
    /// Hard limit of a worker's virtual memory.
    pub memory_hard: Option<Bytes>,
    /// Connections of one process.
    pub db_maxconn: Option<u32>,
}

impl Wants {
    /// What the file asks of the host.
    ///
    /// # Shape
    /// `connections` are those of a server that somebody else runs; no copy has a place there.
    pub fn of(spec: &crate::spec::Spec, connections: Option<u32>) -> Self {
        let given = spec.postgres.is_given();
        let want = |(name, environment): (&Name, &crate::spec::Environment)| Want {
            name: name.clone(),
            users: environment.users,
            production: environment.kind == crate::spec::Kind::Production,
            series: spec.odoo.series,
            overrides: Overrides {
                // Odoo reloads code in the threaded server only.
                workers: environment.workers.or(environment.reload.then_some(0)),
                cron_workers: environment.cron_workers,
                memory_soft: environment.memory_soft,
                memory_hard: environment.memory_hard,
                db_maxconn: environment.db_maxconn,
            },
        };
        Self {
            environments: spec.environments.iter().map(want).collect(),
            reserve_environments: if given {
                0
            } else {
                spec.capacity.reserve_environments
            },
            sessions_redis: spec.in_redis().next().is_some(),
            apart: (spec.postgres.cluster == crate::spec::Clusters::PerEdition)
                .then(|| u32::try_from(spec.servers().len()).unwrap_or(u32::MAX)),
            server: given.then_some(Server { connections }),
        }
    }
}

/// The plan.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Sizing {
    /// By name.
    pub environments: BTreeMap<Name, EnvironmentSize>,
    /// Settings of each server of the pack's own.
    pub postgres: PostgresSize,
    /// Worker processes of nginx.
    pub nginx_workers: u32,
    /// The sum, line by line; the memory of all lines is exactly the host's unless there is a problem with it.
    pub explain: Vec<Line>,
    /// What the operator's own values break; empty without overrides.
    pub problems: Vec<Problem>,
}

impl Sizing {
    /// Connections that may be opened, and that there are, where PostgreSQL has fewer.
    pub fn short_of_connections(&self) -> Option<(u32, u32)> {
        self.problems.iter().find_map(|problem| match problem {
            Problem::Connections { need, have } => Some((*need, *have)),
            Problem::Memory { .. }
            | Problem::OneWorker { .. }
            | Problem::LowLimit { .. }
            | Problem::HardBelowSoft { .. } => None,
        })
    }
}

/// Processes and limits of one environment.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct EnvironmentSize {
    /// HTTP workers; 0 is the threaded server, whose web port speaks websocket too.
    pub workers: u32,
    /// Processes of the cron service; 0: there is none, scheduled actions do not run.
    pub cron_workers: u32,
    /// `limit_memory_soft`, virtual memory.
    pub memory_soft: Bytes,
    /// `limit_memory_hard`, virtual memory.
    pub memory_hard: Bytes,
    /// `limit_memory_soft_gevent` and `limit_memory_hard_gevent`; `None` where the series has no such options (17) or
    /// there is no gevent process.
    pub gevent_memory: Option<(Bytes, Bytes)>,
    /// `db_maxconn`, for each process.
    pub db_maxconn: u32,
    /// `db_maxconn_gevent`; `None` where there is no gevent process.
    pub db_maxconn_gevent: Option<u32>,
    /// `limit_time_cpu`.
    pub time_cpu: Seconds,
    /// `limit_time_real`, less than the 720 s after which nginx gives up.
    pub time_real: Seconds,
    /// Resident memory to expect of its processes and of their PostgreSQL backends.
    pub memory: Bytes,
    /// Most connections that it can open.
    pub connections: u32,
}

/// Settings of each server; the first two need a restart when they change.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct PostgresSize {
    /// `max_connections`.
    pub max_connections: u32,
    /// `shared_buffers`.
    pub shared_buffers: Bytes,
    /// `work_mem`.
    pub work_mem: Bytes,
    /// `maintenance_work_mem`.
    pub maintenance_work_mem: Bytes,
    /// `effective_cache_size`.
    pub effective_cache_size: Bytes,
}

/// The host cannot carry what is asked of it, even with threaded servers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{productions} production and {copies} copy environments need {need} of memory, this host has {have}"
)]
pub struct TooSmall {
    /// Memory with which it would fit.
    pub need: Bytes,
    /// Memory of the host.
    pub have: Bytes,
    /// Production environments.
    pub productions: u32,
    /// Copies, those in reserve included.
    pub copies: u32,
}

/// Plans the host.
///
/// # Errors
/// [`TooSmall`] when not even threaded servers fit. Overrides never cause it; see [`Sizing::problems`].
pub fn size(host: &Host, wants: &Wants) -> Result<Sizing, TooSmall> {
    let share = share::share(host, wants)?;
    let postgres = share.postgres(host, wants);
    let sized = wants
        .environments
        .iter()
        .map(|w| (w.name.clone(), sized(host, &share, w)));
    let environments: BTreeMap<_, _> = sized.collect();
    let explain = explain::lines(host, wants, &share, &environments);
    let problems = explain::problems(host, &postgres, &environments, &explain);
    Ok(Sizing {
        environments,
        postgres,
        nginx_workers: cost::nginx_workers(host),
        explain,
        problems,
    })
}

/// `limit_time_real` of every environment whose file says no other.
pub(crate) const TIME_REAL: Seconds = Seconds(700);

/// Virtual memory, not resident: a worker above the soft limit is recycled after its request.
///
/// # Source
/// Odoo 17.0 to 19.0, `odoo/tools/config.py`: 2048 and 2560 MiB; the 600 MB of the documentation's sample would recycle
/// a modern worker after every request.
const MEMORY_LIMITS: (Bytes, Bytes) = (Bytes::mib(2048), Bytes::mib(2560));

/// A recycled gevent process drops every websocket at once, so it gets twice the room.
const GEVENT_LIMITS: (Bytes, Bytes) = (Bytes::mib(4096), Bytes::mib(5120));

fn sized(host: &Host, share: &share::Share, want: &Want) -> EnvironmentSize {
    let granted = share.of(want);
    let overrides = &want.overrides;
    let workers = overrides.workers.unwrap_or(granted.workers);
    let processes = cost::Shape {
        workers,
        crons: overrides.cron_workers.unwrap_or(granted.crons),
        maxconn: overrides.db_maxconn.unwrap_or(cost::maxconn(workers)),
        production: want.production,
    };
    let prefork = workers > 0;
    EnvironmentSize {
        workers,
        cron_workers: processes.crons,
        memory_soft: overrides.memory_soft.unwrap_or(MEMORY_LIMITS.0),
        memory_hard: overrides.memory_hard.unwrap_or(MEMORY_LIMITS.1),
        gevent_memory: (prefork && want.series >= Series::V18).then_some(GEVENT_LIMITS),
        db_maxconn: processes.maxconn,
        db_maxconn_gevent: prefork.then(|| processes.gevent_connections()),
        time_cpu: Seconds(600),
        time_real: TIME_REAL,
        memory: processes.memory(host),
        connections: processes.connections(),
    }
}

#[cfg(test)]
mod tests;
