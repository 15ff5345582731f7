//! Who gets how many processes.
use std::collections::BTreeMap;

use super::cost::{self, FEWEST_WORKERS, RESERVED_CONNECTIONS, Shape, USERS_OF_A_WORKER};
use super::{Host, PostgresSize, TooSmall, Want, Wants};
use crate::name::Name;
use crate::units::Bytes;

/// How generous the plan is, most generous first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Everybody has workers.
    Roomy,
    /// Copies are threaded.
    ThreadedCopies,
    /// Productions too.
    Threaded,
    /// And the scheduled actions of copies do not run.
    Tiny,
}

/// The processes of everybody, before overrides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) mode: Mode,
    pub(super) copy: Shape,
    /// How many copies there is room for.
    pub(super) copies: u32,
    productions: BTreeMap<Name, Shape>,
}

/// Finds the best plan that fits: as many workers for the productions as possible, then workers for copies.
pub(super) fn share(host: &Host, wants: &Wants) -> Result<Share, TooSmall> {
    let plan = best(host, wants)?;
    // With fewer processes it may fit into what another's server has; if not, the sum says by how much.
    let fewer = |connections| {
        let within = |share: &Share| share.connections() <= connections;
        if within(&plan) {
            return None;
        }
        let modes = [Mode::Roomy, Mode::ThreadedCopies, Mode::Threaded, Mode::Tiny];
        let least = modes.map(|mode| Share::least(host, wants, mode));
        let mut fitting = least.into_iter().filter(|share| share.fits(host, wants));
        let found = fitting.clone().find(within);
        let found = found.map(|share| share.grown_within(host, wants, connections));
        found.or_else(|| fitting.next_back())
    };
    let budget = wants.server.and_then(|server| server.connections);
    Ok(budget.and_then(fewer).unwrap_or(plan))
}

fn best(host: &Host, wants: &Wants) -> Result<Share, TooSmall> {
    let [roomy, threaded_copies, threaded, tiny] =
        [Mode::Roomy, Mode::ThreadedCopies, Mode::Threaded, Mode::Tiny].map(|m| grown(host, wants, m));
    match (roomy, threaded_copies) {
        (Some(first), Some(second)) if first.workers() >= second.workers() => Ok(first),
        (first, second) => second
            .or(first)
            .or(threaded)
            .or(tiny)
            .ok_or_else(|| too_small(host, wants)),
    }
}

fn too_small(host: &Host, wants: &Wants) -> TooSmall {
    let least = Share::least(host, wants, Mode::Tiny);
    let fits = |mib: &u64| {
        let bigger = Host {
            memory: Bytes::mib(*mib),
            ..*host
        };
        least.fits(&bigger, wants)
    };
    let start = host.memory.as_mib() / 64 * 64 + 64;
    let need = (start..)
        .step_by(64)
        .find(fits)
        .expect("costs grow slower than the memory");
    let productions = u32::try_from(least.productions.len()).unwrap_or(u32::MAX);
    TooSmall {
        need: Bytes::mib(need),
        have: host.memory,
        productions,
        copies: least.copies,
    }
}

/// The least that `mode` gives, and then worker by worker more, to whom each worker has most users.
fn grown(host: &Host, wants: &Wants, mode: Mode) -> Option<Share> {
    let mut share = Share::least(host, wants, mode);
    if !share.fits(host, wants) {
        return None;
    }
    while let Some(next) = share.with_one_more(host, wants) {
        share = next;
    }
    Some(share)
}

/// Environments come and go by ones, the cluster's room for them by fours.
fn rounded(environments: u32) -> u32 {
    environments.checked_next_multiple_of(4).unwrap_or(environments)
}

/// Servers that memory for PostgreSQL is shared out to: with room for editions to come, so that none restarts the others.
pub(super) fn servers(wants: &Wants) -> u32 {
    wants.apart.map_or(1, |editions| rounded(editions.max(1)))
}

/// What one server gets of it.
fn part(whole: Bytes, wants: &Wants) -> Bytes {
    match servers(wants) {
        1 => whole,
        count => Bytes::mib((whole.as_mib() / u64::from(count)).max(1)),
    }
}

/// Workers that a production could use.
fn needed(want: &Want) -> u32 {
    want.users.div_ceil(USERS_OF_A_WORKER).max(FEWEST_WORKERS)
}

impl Share {
    fn least(host: &Host, wants: &Wants, mode: Mode) -> Self {
        let (workers, copy) = match mode {
            Mode::Roomy => (FEWEST_WORKERS, Shape::new(FEWEST_WORKERS, 1, false)),
            Mode::ThreadedCopies => (FEWEST_WORKERS, Shape::new(0, 1, false)),
            Mode::Threaded => (0, Shape::new(0, 1, false)),
            Mode::Tiny => (0, Shape::new(0, 0, false)),
        };
        let crons = if workers == 0 { 1 } else { cost::crons(host) };
        let (real, others): (Vec<_>, Vec<_>) = wants.environments.iter().partition(|w| w.production);
        let others = u32::try_from(others.len()).unwrap_or(u32::MAX);
        let shape = Shape::new(workers, crons, true);
        Self {
            mode,
            copy,
            copies: others.max(wants.reserve_environments),
            productions: real.into_iter().map(|w| (w.name.clone(), shape)).collect(),
        }
    }

    /// The processes of one environment.
    pub(super) fn of(&self, want: &Want) -> Shape {
        self.productions.get(&want.name).copied().unwrap_or(self.copy)
    }

    fn workers(&self) -> u32 {
        self.productions.values().map(|s| s.workers).sum()
    }

    fn fits(&self, host: &Host, wants: &Wants) -> bool {
        let fixed = cost::system(host).0
            + cost::postgres_of(host, wants).0
            + cost::services(host, wants.sessions_redis).0;
        let productions: u64 = self.productions.values().map(|s| s.memory(host).0).sum();
        let copies = self.copy.memory(host).0 * u64::from(self.copies);
        fixed + productions + copies + self.second_slot().0 <= host.memory.0
    }

    /// Worker by worker more, as long as the connections are there.
    fn grown_within(self, host: &Host, wants: &Wants, connections: u32) -> Self {
        let mut share = self;
        while let Some(next) = share.with_one_more(host, wants) {
            if next.connections() > connections {
                break;
            }
            share = next;
        }
        share
    }

    /// Most connections of everything, as the sum counts them.
    fn connections(&self) -> u32 {
        let productions: u32 = self.productions.values().map(|s| s.connections()).sum();
        let all = self.productions.values().chain([&self.copy]);
        let second_slot = all.map(|s| s.web_connections()).max().unwrap_or_default();
        let copies = self.copy.connections().saturating_mul(self.copies);
        productions + copies + second_slot + RESERVED_CONNECTIONS
    }

    /// Room for the other slot of one environment, the biggest.
    fn second_slot(&self) -> Bytes {
        let all = self.productions.values().chain([&self.copy]);
        all.map(|s| s.second_slot()).max().unwrap_or_default()
    }

    fn with_one_more(&self, host: &Host, wants: &Wants) -> Option<Self> {
        if self.workers() == 0 || self.workers() >= cost::most_workers(host) {
            return None;
        }
        let hungry = |w: &&Want| w.production && self.of(w).workers < needed(w);
        let load = |w: &&Want| u64::from(w.users) * 1000 / u64::from(self.of(w).workers.max(1));
        let next = wants.environments.iter().filter(hungry).max_by_key(load)?;
        let mut more = self.clone();
        more.productions.get_mut(&next.name)?.workers += 1;
        more.fits(host, wants).then_some(more)
    }

    /// The settings of each server, from the host, the number of productions and the number of copies only.
    ///
    /// Connections are counted as if the productions had as many workers as the host may ever give them, and the copies
    /// theirs, and both numbers are rounded up: more users, a copy more or an edition that goes need no restart of the
    /// cluster, which would be felt by everybody else. A connection that nobody opens costs some ten KiB.
    pub(super) fn postgres(&self, host: &Host, wants: &Wants) -> PostgresSize {
        let threaded = matches!(self.mode, Mode::Threaded | Mode::Tiny);
        let count = rounded(u32::try_from(self.productions.len()).unwrap_or(u32::MAX));
        let workers = if threaded { 0 } else { FEWEST_WORKERS };
        let copy = Shape::new(workers, 1, false).connections();
        let all = if threaded {
            0
        } else {
            cost::most_workers(host).max(FEWEST_WORKERS * count)
        };
        let second_slot = Shape::new(all, 0, true).web_connections();
        // Each has its own gevent, crons and masters; the workers of all are those of the one that has them all.
        let each = Shape::new(workers, cost::crons(host), true).connections();
        let more_workers = second_slot - Shape::new(workers, 0, true).web_connections();
        let productions = if count == 0 {
            0
        } else {
            count * each + more_workers
        };
        let copies = rounded(self.copies).saturating_mul(copy);
        let sum = productions + second_slot + copies + RESERVED_CONNECTIONS;
        let given = wants.server.and_then(|server| server.connections);
        PostgresSize {
            max_connections: given.unwrap_or_else(|| sum.max(100).next_multiple_of(10)),
            shared_buffers: part(cost::shared_buffers(host), wants),
            work_mem: cost::work_mem(host),
            maintenance_work_mem: part(cost::maintenance_work_mem(host), wants),
            effective_cache_size: part(Bytes::mib(host.memory.as_mib() / 2), wants),
        }
    }
}
