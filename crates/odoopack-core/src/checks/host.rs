//! Checks of the machine: clock, disk, memory, supervisor, what PostgreSQL listens on.
use super::Severity::{Error, Info, Warning};
use super::rule::{Rule, Spot, apply, checks as listed};
use super::{Check, Finding};
use crate::facts::Seen;
use crate::units::Bytes;

/// What was seen of the machine.
#[derive(Clone, Debug)]
pub struct Host {
    /// The clock.
    pub clock: Seen<Clock>,
    /// File systems that the pack writes to.
    pub disks: Vec<Disk>,
    /// Sums of the sizing that do not come out, one sentence each; empty when all do.
    pub sums: Vec<String>,
    /// What the file brings code from and no lock pins: repositories, lists of Python packages.
    pub unlocked: Vec<String>,
    /// Physical memory against what is planned to be used.
    pub memory: Memory,
    /// What keeps services running.
    pub supervisor: Supervisor,
    /// Addresses that PostgreSQL listens on; empty for the socket only.
    pub postgres_listens: Seen<Vec<String>>,
    /// Ports that Docker publishes to other machines, without the pack's own nginx.
    pub published: Seen<Vec<Published>>,
    /// Ports that Docker publishes on loopback, and its version.
    pub on_loopback: Seen<OnLoopback>,
    /// Addresses on which every visitor of a stack has the same address.
    pub shared: Vec<String>,
    /// What does not work because a program that can be done without is not there, one sentence each.
    pub without: Vec<String>,
    /// Every service that the file wants, and whether it runs.
    pub services: Vec<(String, Seen<bool>)>,
}

/// A port of the host that leads into a running container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Name of the container.
    pub container: String,
    /// Address of the host, `0.0.0.0` for every one.
    pub address: String,
    /// Port of the host.
    pub port: u16,
}

/// What Docker publishes for this machine alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnLoopback {
    /// Version of the daemon.
    pub docker: String,
    /// Ports on 127.0.0.0/8.
    pub ports: Vec<Published>,
}

/// The clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Whether something keeps it right.
    pub synchronized: bool,
}

/// One file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// A path on it.
    pub place: String,
    /// Free for us.
    pub free: Seen<Bytes>,
    /// What the next act may need there.
    pub needs: Bytes,
}

/// Memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What the host has.
    pub there: Bytes,
    /// What everything that is configured may take together.
    pub planned: Bytes,
}

/// What keeps services running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Supervisor {
    /// systemd as PID 1: starts at boot, limits memory.
    Systemd,
    /// runit without PID 1.
    Runit {
        /// What starts it at boot, such as a cron line or a unit; absent when nothing does.
        boot: Seen<String>,
    },
}

/// Judges the machine.
pub fn judge(host: &Host) -> Vec<Finding> {
    apply(host, "host", RULES.iter())
}

pub(super) fn checks() -> impl Iterator<Item = Check> {
    listed("host", RULES.iter())
}

const RULES: &[Rule<Host>] = &[
    Rule {
        id: "host-service-down",
        severity: Error,
        title: "every service runs",
        why: "what it does for people does not happen",
        fix: "`odoopack up` starts it, `odoopack logs` says why it ended",
        look: services,
    },
    Rule {
        id: "host-clock-unsynchronized",
        severity: Warning,
        title: "something keeps the clock right",
        why: "it drifts by seconds a week: then second factors, signed links and TLS fail, and backups get wrong dates",
        fix: "`apt-get install chrony`, or `timedatectl set-ntp true` under systemd",
        look: clock_free,
    },
    Rule {
        id: "host-program-missing",
        severity: Warning,
        title: "programs that can be done without are there",
        why: "everything else works, so nothing else says it",
        fix: "install it; then `odoopack up`",
        look: |host| {
            let spot = |what: &String| Spot::on("host", what.clone());
            host.without.iter().map(spot).collect()
        },
    },
    Rule {
        id: "host-disk-full",
        severity: Error,
        title: "there is room for the next act",
        why: "PostgreSQL stops when its disk is full, and a deploy could not even return",
        fix: "`du -xh --max-depth=2 PLACE | sort -h | tail` shows what fills it",
        look: disk,
    },
    Rule {
        id: "host-memory",
        severity: Error,
        title: "what is configured fits the memory",
        why: "the kernel ends a process of its own choice when memory is over, mostly PostgreSQL's",
        fix: "`odoopack sizing` shows the sums; lower `workers` or raise the memory",
        look: memory,
    },
    Rule {
        id: "host-sizing",
        severity: Error,
        title: "values set by hand keep the sums right",
        why: "the plan counts every process and connection of the host once",
        fix: "remove the value from odoopack.toml; `odoopack sizing` shows what it would be",
        look: |host| {
            host.sums
                .iter()
                .map(|sum| Spot::on("odoopack.toml", sum.clone()))
                .collect()
        },
    },
    Rule {
        id: "host-unlocked",
        severity: Error,
        title: "what code is built from is locked",
        why: "a branch or a list of packages brings other code tomorrow than today, so `up` builds nothing from it",
        fix: "`odoopack lock`, then commit `oca.lock.json`",
        look: |host| {
            host.unlocked
                .iter()
                .map(|name| Spot::on(name, "no `oca.lock.json` pins it"))
                .collect()
        },
    },
    Rule {
        id: "host-runit-boot",
        severity: Warning,
        title: "services come back after a reboot",
        why: "runit runs here without being PID 1: nothing starts it",
        fix: "a line in root's crontab: `@reboot PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin odoopack up --yes --root ROOT`",
        look: runit_boot,
    },
    Rule {
        id: "host-runit-memory",
        severity: Info,
        title: "the supervisor limits memory",
        why: "under runit only Odoo's own limits hold, which count virtual memory per process",
        fix: "run the pack on a host with systemd as PID 1 where that matters",
        look: runit_memory,
    },
    Rule {
        id: "host-postgresql-listens",
        severity: Error,
        title: "PostgreSQL listens on loopback only",
        why: "whoever reaches the port may try passwords for ever",
        fix: "remove `listen_addresses` from [postgres.options], then `odoopack up`",
        look: postgres_listens,
    },
    Rule {
        id: "host-docker-published",
        severity: Warning,
        title: "no container but the pack's nginx can be reached from other machines",
        why: "Docker forwards published ports before ufw's rules are asked: they are open to the world whatever `ufw status` says",
        fix: "publish it on loopback (`127.0.0.1:PORT:PORT`) and make the container anew; a rule of your own in the chain `DOCKER-USER` that closes it is not seen here",
        look: published,
    },
    Rule {
        id: "host-docker-loopback",
        severity: Warning,
        title: "what Docker publishes on loopback is for this machine alone",
        why: "before version 28 Docker also takes what a neighbour on the same network sends there by a route of his own, whatever the firewall says",
        fix: "a Docker of version 28 or newer; until then, at each boot, `iptables -t raw -I PREROUTING -d 127.0.0.0/8 ! -i lo -j DROP`",
        look: on_loopback,
    },
    Rule {
        id: "host-docker-ipv6",
        severity: Warning,
        title: "visitors of a stack keep their own addresses",
        why: "the network of a stack has no IPv6, so Docker's own proxy answers there: one visitor who guesses passwords shuts out the others",
        fix: "remove the AAAA records of the domains, and the address from `listen` in [web]; then `odoopack up`",
        look: shared,
    },
];

fn unknown<T>(seen: &Seen<T>, object: &str, what: &str) -> Option<Spot> {
    if let Seen::Unknown(reason) = seen {
        return Some(Spot::on(object, format!("{what} could not be looked at: {reason}")).severity(Warning));
    }
    None
}

fn services(host: &Host) -> Vec<Spot> {
    let judge = |(name, runs): &(String, Seen<bool>)| match runs {
        Seen::Present(true) => None,
        Seen::Present(false) => Some(Spot::on(name, "it does not run")),
        Seen::Absent | Seen::NotYet => Some(Spot::on(name, "the supervisor does not know it")),
        Seen::Unknown(_) => unknown(runs, name, "whether it runs"),
    };
    host.services.iter().filter_map(judge).collect()
}

fn clock_free(host: &Host) -> Vec<Spot> {
    let free = host.clock.present().is_some_and(|clock| !clock.synchronized);
    let spot = free.then(|| Spot::on("clock", "nothing synchronizes it"));
    spot.or_else(|| unknown(&host.clock, "clock", "its synchronization"))
        .into_iter()
        .collect()
}

fn disk(host: &Host) -> Vec<Spot> {
    let judge = |disk: &Disk| {
        let free = *disk.free.present()?;
        let saw = format!("{free} free, the next act may need {}", disk.needs);
        let fix = format!(
            "`du -xh --max-depth=2 {} | sort -h | tail` shows what fills it",
            disk.place
        );
        match free {
            free if free < disk.needs => Some(Spot::on(&disk.place, saw).fix(fix)),
            free if free.0 < disk.needs.0.saturating_mul(2) => {
                Some(Spot::on(&disk.place, saw).fix(fix).severity(Warning))
            }
            _ => None,
        }
    };
    let spots = host
        .disks
        .iter()
        .filter_map(|disk| judge(disk).or_else(|| unknown(&disk.free, &disk.place, "free space")));
    spots.collect()
}

fn memory(host: &Host) -> Vec<Spot> {
    let Memory { there, planned } = host.memory;
    let saw = || format!("{planned} may be used together, the host has {there}");
    (planned > there)
        .then(|| Spot::on("memory", saw()))
        .into_iter()
        .collect()
}

fn runit_boot(host: &Host) -> Vec<Spot> {
    let Supervisor::Runit { boot } = &host.supervisor else {
        return Vec::new();
    };
    let none = boot
        .is_absent()
        .then(|| Spot::on("runit", "nothing starts it at boot"));
    none.or_else(|| unknown(boot, "runit", "what starts it at boot"))
        .into_iter()
        .collect()
}

fn runit_memory(host: &Host) -> Vec<Spot> {
    let runit = matches!(host.supervisor, Supervisor::Runit { .. });
    runit
        .then(|| Spot::on("runit", "it limits no memory"))
        .into_iter()
        .collect()
}

fn postgres_listens(host: &Host) -> Vec<Spot> {
    let loopback = |address: &&String| {
        let address = address.trim_matches(['[', ']']);
        address.starts_with("127.") || matches!(address, "::1" | "localhost")
    };
    let all = host
        .postgres_listens
        .present()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let open: Vec<&str> = all
        .iter()
        .filter(|address| !loopback(address))
        .map(String::as_str)
        .collect();
    let spot = (!open.is_empty()).then(|| Spot::on("postgres", format!("it listens on {}", open.join(", "))));
    spot.or_else(|| unknown(&host.postgres_listens, "postgres", "its addresses"))
        .into_iter()
        .collect()
}

fn published(host: &Host) -> Vec<Spot> {
    let spot = |one: &Published| {
        let place = match one.address.as_str() {
            "" | "0.0.0.0" | "::" => "every address".to_owned(),
            address => address.to_owned(),
        };
        Spot::on(
            &one.container,
            format!("port {} is published on {place}", one.port),
        )
    };
    let all = host.published.present().map(Vec::as_slice).unwrap_or_default();
    let unseen = unknown(&host.published, "docker", "what it publishes").map(|spot| spot.severity(Info));
    all.iter().map(spot).chain(unseen).collect()
}

/// The first major of Docker that keeps neighbours from ports on loopback.
///
/// # Source
/// Docker Engine 28.0.0, release notes, and moby#45610.
const LOOPBACK_IS_CLOSED: u32 = 28;

fn on_loopback(host: &Host) -> Vec<Spot> {
    let Some(OnLoopback { docker, ports }) = host.on_loopback.present() else {
        let unseen = unknown(&host.on_loopback, "docker", "what it publishes on loopback");
        return unseen.map(|spot| spot.severity(Info)).into_iter().collect();
    };
    let major = docker.split('.').next().and_then(|major| major.parse().ok());
    // A version that is no number is one of somebody's own.
    if major.is_none_or(|major: u32| major >= LOOPBACK_IS_CLOSED) {
        return Vec::new();
    }
    let spot = |one: &Published| {
        let saw = format!(
            "port {} is published on {} by Docker {docker}",
            one.port, one.address
        );
        Spot::on(&one.container, saw)
    };
    ports.iter().map(spot).collect()
}

fn shared(host: &Host) -> Vec<Spot> {
    let spot = |address: &String| {
        Spot::on(
            "nginx",
            format!("it is published on {address}, where all its visitors have one address"),
        )
    };
    host.shared.iter().map(spot).collect()
}

#[cfg(test)]
mod tests;
