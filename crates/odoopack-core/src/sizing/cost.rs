//! What each part costs, in memory and in connections.
use super::Host;
use crate::units::Bytes;

/// One HTTP worker: four in five requests are light, one is heavy.
///
/// # Source
/// Odoo documentation, "System configuration": 80 % light, 20 % heavy workers; 150 to 300 MiB resident measured on 18.0
/// and 19.0 with shared pages counted once.
const WORKER: u64 = 240;

/// One HTTP worker that has just started.
const FRESH_WORKER: u64 = 150;

/// One cron worker.
const CRON: u64 = 160;

/// The master process, most of which its children share.
const MASTER: u64 = 80;

/// The gevent process.
const GEVENT: u64 = 140;

/// The threaded server of a production, and of a copy or one that has just started.
const THREADED: (u64, u64) = (320, 240);

/// A PostgreSQL backend with the catalogue of Odoo in its cache.
const BACKEND: u64 = 8;

/// PostgreSQL's own processes.
const POSTGRES: u64 = 32;

/// Redis with some ten thousand sessions.
const REDIS: u64 = 64;

/// Gate and schedule.
const OURS: u64 = 40;

/// One worker process of nginx.
const NGINX: u64 = 8;

/// Connections beyond Odoo's services: PostgreSQL's three for superusers, odoopack, backups, a person with
/// psql, and a one-shot process that updates modules.
pub(super) const RESERVED_CONNECTIONS: u32 = 24;

/// Copies get two HTTP workers: with one, a PDF report waits for assets that only the same worker could serve.
pub(super) const FEWEST_WORKERS: u32 = 2;

/// Users that one worker serves.
///
/// # Source
/// Odoo documentation, "System configuration", "Worker number calculation".
pub(super) const USERS_OF_A_WORKER: u32 = 6;

/// Processes of one environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) workers: u32,
    pub(super) crons: u32,
    pub(super) maxconn: u32,
    pub(super) production: bool,
}

/// `db_maxconn` of one process: a request opens a few cursors at most; a threaded server runs half as many
/// threads as it has connections (`odoo/service/server.py`, `ODOO_MAX_HTTP_THREADS`).
pub(super) fn maxconn(workers: u32) -> u32 {
    if workers == 0 { 16 } else { 8 }
}

impl Shape {
    pub(super) fn new(workers: u32, crons: u32, production: bool) -> Self {
        Self {
            workers,
            crons,
            maxconn: maxconn(workers),
            production,
        }
    }

    /// Of the gevent process, which serves every open websocket.
    pub(super) fn gevent_connections(self) -> u32 {
        if self.production { 32 } else { 16 }
    }

    /// Most connections of the web service; a master opens one before it has children.
    pub(super) fn web_connections(self) -> u32 {
        let gevent = if self.workers == 0 {
            0
        } else {
            self.gevent_connections()
        };
        self.workers
            .max(1)
            .saturating_mul(self.maxconn)
            .saturating_add(gevent + 1)
    }

    /// Most connections of both services.
    pub(super) fn connections(self) -> u32 {
        let crons = self.crons.saturating_mul(self.maxconn);
        self.web_connections()
            .saturating_add(crons)
            .saturating_add(u32::from(self.crons > 0))
    }

    /// Resident memory of both services and of their backends.
    pub(super) fn memory(self, host: &Host) -> Bytes {
        let busy = 2 * BACKEND + work_mem(host).as_mib();
        let crons = u64::from(self.crons) * (CRON + busy) + if self.crons > 0 { MASTER } else { 0 };
        let web = match (self.workers, self.production) {
            (0, true) => THREADED.0 + 2 * busy,
            (0, false) => THREADED.1 + busy,
            (n, _) => MASTER + GEVENT + 2 * BACKEND + u64::from(n) * (WORKER + busy),
        };
        Bytes::mib(web + crons)
    }

    /// Resident memory of a second web service that has just started: the other slot, during a deploy.
    pub(super) fn second_slot(self) -> Bytes {
        let web = match self.workers {
            0 => THREADED.1,
            n => MASTER + GEVENT + u64::from(n) * (FRESH_WORKER + BACKEND),
        };
        Bytes::mib(web)
    }
}

/// The kernel, the file cache, and what else runs: an eighth, 256 MiB to 8 GiB.
pub(super) fn system(host: &Host) -> Bytes {
    Bytes::mib((host.memory.as_mib() / 8).clamp(256, 8192))
}

/// PostgreSQL without the backends of Odoo: its cache, one vacuum or index build, its own processes.
pub(super) fn postgres(host: &Host) -> Bytes {
    Bytes(shared_buffers(host).0 + maintenance_work_mem(host).0 + Bytes::mib(POSTGRES).0)
}

/// The same for what is asked: a server that somebody else runs takes nothing here, and several share all but their
/// processes.
pub(super) fn postgres_of(host: &Host, wants: &super::Wants) -> Bytes {
    if wants.server.is_some() {
        return Bytes(0);
    }
    let more = u64::from(super::share::servers(wants) - 1);
    Bytes(postgres(host).0 + Bytes::mib(POSTGRES * more).0)
}

/// nginx, gate, schedule, and Redis where it is used.
pub(super) fn services(host: &Host, redis: bool) -> Bytes {
    Bytes::mib(OURS + NGINX * u64::from(nginx_workers(host)) + if redis { REDIS } else { 0 })
}

/// One per core; more than eight have nothing to do.
pub(super) fn nginx_workers(host: &Host) -> u32 {
    host.cores.clamp(1, 8)
}

/// 128 MiB and an eighth of what the host has beyond 2 GiB, at most 16 GiB: Odoo needs the rest more.
pub(super) fn shared_buffers(host: &Host) -> Bytes {
    Bytes::mib((128 + host.memory.as_mib().saturating_sub(2048) / 8).min(16 << 10))
}

/// A thirty-second, 64 MiB to 1 GiB.
pub(super) fn maintenance_work_mem(host: &Host) -> Bytes {
    Bytes::mib((host.memory.as_mib() / 32).clamp(64, 1024))
}

/// A thousandth, 4 to 64 MiB, because every busy worker may take it.
pub(super) fn work_mem(host: &Host) -> Bytes {
    Bytes::mib((host.memory.as_mib() / 1024).clamp(4, 64))
}

/// Most HTTP workers for all productions together.
///
/// # Source
/// Odoo documentation, "System configuration": cores x 2 + 1. Not more than half of the memory could hold.
pub(super) fn most_workers(host: &Host) -> u32 {
    let by_memory = u32::try_from(host.memory.as_mib() / 2 / WORKER).unwrap_or(u32::MAX);
    host.cores
        .saturating_mul(2)
        .saturating_add(1)
        .min(by_memory)
        .max(FEWEST_WORKERS)
}

/// Cron workers of one production.
pub(super) fn crons(host: &Host) -> u32 {
    if host.cores >= 4 { 2 } else { 1 }
}
