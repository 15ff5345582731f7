//! What runs the processes; each engine converges, starts, stops and observes services.
mod compose;
mod journal;
mod kept;
pub(crate) mod programs;
pub(crate) mod runit;
mod svlogd;
pub(crate) mod systemd;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use odoopack_core::facts::{Seen, ServiceFact, TimerFact};
use odoopack_core::layout::Layout;
use odoopack_core::service::Service;

use crate::failure::{Failure, Result};
use crate::observe::supervisor::Supervisor;
use compose::Compose;
use runit::Runit;
use systemd::Systemd;

/// Which part of the logs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    /// Only lines since this second since 1970.
    pub(crate) since: Option<i64>,
    /// About as many lines as are wanted, when there is no such time.
    pub(crate) lines: usize,
}

/// The supervisor of this machine, told what to do with the services of one pack.
#[derive(Debug)]
pub(crate) enum Engine<'a> {
    /// `runsvdir`.
    Runit(Runit<'a>),
    /// systemd as process 1.
    Systemd(Systemd<'a>),
    /// Docker, through Compose.
    Compose(Compose<'a>),
}

impl<'a> Engine<'a> {
    /// The engine of the pack on this machine, for the user who runs this program.
    pub(crate) fn here(layout: &'a Layout) -> Self {
        match Supervisor::of(layout) {
            Supervisor::Runit => Self::Runit(Runit { layout }),
            Supervisor::Systemd => Self::Systemd(Systemd { layout }),
            Supervisor::Docker => Self::Compose(Compose { layout }),
        }
    }

    fn supervisor(&self) -> (Supervisor, &'a Layout) {
        match self {
            Self::Runit(runit) => (Supervisor::Runit, runit.layout),
            Self::Systemd(systemd) => (Supervisor::Systemd, systemd.layout),
            Self::Compose(compose) => (Supervisor::Docker, compose.layout),
        }
    }

    /// The process that looks after the services.
    pub(crate) fn process(&self) -> Result<Seen<u32>> {
        let (supervisor, layout) = self.supervisor();
        supervisor.process(layout)
    }

    /// Every service that is enabled, by name.
    pub(crate) fn services(&self) -> Result<BTreeMap<String, Seen<ServiceFact>>> {
        let (supervisor, layout) = self.supervisor();
        supervisor.services(layout)
    }

    /// How often it started a service, ever, as far as that is not told by the service itself.
    pub(crate) fn starts(&self, service: &str) -> Result<u64> {
        let (supervisor, layout) = self.supervisor();
        supervisor.starts(layout, service)
    }

    /// What to say when [`Self::process`] finds nothing.
    pub(crate) fn without_supervisor(&self) -> &'static str {
        match self {
            Self::Runit(_) => "the supervisor does not run: nothing heals, `odoopack up` starts it",
            Self::Compose(_) => "no container of the pack exists: `odoopack up` makes them",
            Self::Systemd(_) => {
                "the pack's target is off: nothing starts at the next boot, `odoopack up` switches it on"
            }
        }
    }

    /// Starts the supervisor, where it is not part of the machine.
    pub(crate) fn start_supervisor(&self, services: &[Service]) -> Result<()> {
        match self {
            Self::Runit(runit) => runit.start_supervisor(services),
            Self::Systemd(_) | Self::Compose(_) => Ok(()),
        }
    }

    /// Has the supervisor look after services that are described, without starting them yet.
    pub(crate) fn make_known(&self, services: &[Service]) -> Result<()> {
        match self {
            Self::Runit(runit) => runit.make_known(services),
            Self::Systemd(_) | Self::Compose(_) => Ok(()),
        }
    }

    /// Every timer that is enabled, by job; none where a service of ours begins the jobs.
    pub(crate) fn timers(&self) -> Result<BTreeMap<String, TimerFact>> {
        let (supervisor, layout) = self.supervisor();
        supervisor.timers(layout)
    }

    /// Begins a job at its times from now on.
    pub(crate) fn start_timer(&self, job: &str) -> Result<()> {
        match self {
            Self::Runit(_) => Err(Failure::failed("runit has no timers")),
            Self::Compose(compose) => compose.start_timer(job),
            Self::Systemd(systemd) => systemd.start_timer(job),
        }
    }

    /// Begins a job no more.
    pub(crate) fn remove_timer(&self, job: &str) -> Result<()> {
        match self {
            Self::Runit(_) => Ok(()),
            Self::Compose(compose) => compose.with_systemd(|systemd| systemd.remove_timer(job)),
            Self::Systemd(systemd) => systemd.remove_timer(job),
        }
    }

    /// Makes the supervisor read its definitions again.
    pub(crate) fn read_definitions(&self) -> Result<()> {
        match self {
            Self::Runit(_) => Ok(()),
            Self::Compose(compose) => compose.with_systemd(|_| Systemd::read_units()),
            Self::Systemd(_) => Systemd::read_units(),
        }
    }

    /// Starts the pack's services now and at every boot.
    pub(crate) fn start_at_boot(&self, target: &str) -> Result<()> {
        match self {
            Self::Runit(_) => Err(Failure::failed("runit starts nothing at boot")),
            Self::Compose(_) => Err(Failure::failed("Docker starts what it ran before by itself")),
            Self::Systemd(_) => Systemd::start_at_boot(target),
        }
    }

    /// Lets the service run and waits until it does.
    pub(crate) fn start(&self, service: &Service) -> Result<()> {
        match self {
            Self::Runit(runit) => runit.start(service),
            Self::Systemd(systemd) => systemd.start(service),
            Self::Compose(compose) => compose.start(service),
        }
    }

    /// Stops it within its own limit and starts it again.
    pub(crate) fn restart(&self, service: &Service) -> Result<()> {
        match self {
            Self::Runit(runit) => runit.restart(service),
            Self::Systemd(systemd) => systemd.restart(service),
            Self::Compose(compose) => compose.restart(service),
        }
    }

    /// Makes it read its files again.
    pub(crate) fn reload(&self, service: &Service) -> Result<()> {
        match self {
            Self::Runit(runit) => runit.reload(service),
            Self::Systemd(systemd) => systemd.reload(service),
            Self::Compose(compose) => compose.reload(service),
        }
    }

    /// Stops a service within so many seconds and forgets it.
    pub(crate) fn remove(&self, name: &str, within: u64) -> Result<()> {
        match self {
            Self::Runit(runit) => runit.remove(name, within),
            Self::Systemd(systemd) => systemd.remove(name, Duration::from_secs(within)),
            Self::Compose(compose) => compose.remove(name, Duration::from_secs(within)),
        }
    }

    /// Ends what is left when every service is removed: the supervisor, or the pack's part of it.
    pub(crate) fn stop_supervisor(&self) -> Result<()> {
        match self {
            Self::Runit(runit) => runit.stop_supervisor(),
            Self::Systemd(systemd) => systemd.stop(),
            Self::Compose(compose) => compose.stop(),
        }
    }

    /// Takes away the definitions that lie outside the pack's root, of a pack that is stopped.
    pub(crate) fn forget(&self) -> Result<()> {
        match self {
            Self::Runit(_) => Ok(()),
            Self::Compose(compose) => compose.with_systemd(|systemd| systemd.forget()),
            Self::Systemd(systemd) => systemd.forget(),
        }
    }

    /// Names of the services that have a log.
    pub(crate) fn logged(&self) -> Result<Vec<String>> {
        match self {
            Self::Runit(runit) => svlogd::services(runit.layout),
            Self::Systemd(systemd) => journal::services(systemd.layout),
            Self::Compose(compose) => Compose::logged(compose.layout),
        }
    }

    /// What services said, by name; each line has its time first or belongs to the line before.
    pub(crate) fn logs(&self, services: &[String], part: Stretch) -> Result<BTreeMap<String, String>> {
        match self {
            Self::Runit(runit) => svlogd::read(runit.layout, services, part),
            Self::Systemd(systemd) => journal::read(systemd.layout, services, part),
            Self::Compose(compose) => Compose::logs(compose.layout, services, part),
        }
    }

    /// Hands over what services say from now on, as name and lines, until an error or until no more is wanted.
    pub(crate) fn follow(&self, services: &[String], each: &mut dyn FnMut(&str, &str) -> bool) -> Result<()> {
        match self {
            Self::Runit(runit) => svlogd::follow(runit.layout, services, each),
            Self::Systemd(systemd) => journal::follow(systemd.layout, services, each),
            Self::Compose(compose) => Compose::follow(compose.layout, services, each),
        }
    }
}

/// Waits for a level, looking often; the failure is made only when the time is over.
pub(crate) fn wait_until(
    limit: Duration,
    level: impl Fn() -> bool,
    failure: impl Fn() -> Failure,
) -> Result<()> {
    let started = Instant::now();
    while !level() {
        if started.elapsed() > limit {
            return Err(failure());
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    Ok(())
}
