//! Who looks after the services on this machine, and what it says about them.
use std::collections::BTreeMap;

use camino::Utf8Path;
use odoopack_core::facts::{Seen, ServiceFact, TimerFact};
use odoopack_core::layout::Layout;

use super::{containers, services, units};
use crate::failure::Result;

/// A supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supervisor {
    /// `runsvdir`, which this program starts.
    Runit,
    /// systemd as process 1, which only root can give units.
    Systemd,
    /// Docker, which runs the containers of a stack.
    Docker,
}

impl Supervisor {
    /// The one of a pack on this machine.
    pub(crate) fn of(layout: &Layout) -> Self {
        if layout.containers() {
            Self::Docker
        } else {
            Self::here()
        }
    }

    /// The one of this machine for the user who runs this program.
    ///
    /// # Source
    /// `sd_booted(3)`: systemd runs the machine when `/run/systemd/system` is a directory.
    pub(crate) fn here() -> Self {
        let root = rustix::process::geteuid().is_root();
        if root && Utf8Path::new("/run/systemd/system").is_dir() {
            Self::Systemd
        } else {
            Self::Runit
        }
    }

    /// Its process, when it looks after this pack.
    pub(crate) fn process(self, layout: &Layout) -> Result<Seen<u32>> {
        match self {
            Self::Runit => Ok(services::supervisor(layout)),
            Self::Systemd => units::supervisor(layout),
            // Whether it answers is a fact of its own.
            Self::Docker => containers::supervisor(layout),
        }
    }

    /// Every service that is enabled, by name.
    pub(crate) fn services(self, layout: &Layout) -> Result<BTreeMap<String, Seen<ServiceFact>>> {
        match self {
            Self::Runit => services::all(layout),
            Self::Systemd => units::all(layout),
            Self::Docker => containers::services(layout),
        }
    }

    /// Every timer that is enabled, by job.
    pub(crate) fn timers(self, layout: &Layout) -> Result<BTreeMap<String, TimerFact>> {
        match self {
            Self::Systemd => units::timers(layout),
            // Begun by the host.
            Self::Docker if Self::here() == Self::Systemd => units::timers(layout),
            Self::Runit | Self::Docker => Ok(BTreeMap::new()),
        }
    }

    /// How often it started a service, ever, as far as that is not told by the service itself.
    pub(crate) fn starts(self, layout: &Layout, service: &str) -> Result<u64> {
        match self {
            Self::Runit => services::starts(layout, service),
            // Both forget their count at each start that is asked for.
            Self::Systemd | Self::Docker => Ok(0),
        }
    }
}
