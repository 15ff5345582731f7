//! Services as units of systemd, where it is process 1 and we are root.
use std::time::Duration;

use camino::Utf8Path;
use odoopack_core::layout::Layout;
use odoopack_core::render::systemd;
use odoopack_core::service::Service;

use super::{journal, wait_until};
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe::units;
use crate::store::marks;
use crate::tools::systemctl;

/// How long a start may take before the process must run.
const START: Duration = Duration::from_secs(30);
/// How long a service must have run before it counts as started: a program that cannot start ends at once.
const SETTLE: Duration = Duration::from_millis(300);

/// The pack's services under systemd.
#[derive(Debug)]
pub(crate) struct Systemd<'a> {
    pub(crate) layout: &'a Layout,
}

impl Systemd<'_> {
    pub(super) fn read_units() -> Result<()> {
        systemctl::daemon_reload().run()
    }

    pub(super) fn start_at_boot(target: &str) -> Result<()> {
        systemctl::enable(target).run()
    }

    pub(super) fn start(&self, service: &Service) -> Result<()> {
        let unit = self.unit(&service.name);
        Self::up_to_date(&unit)?;
        systemctl::enable(&unit)
            .run()
            .map_err(|e| self.look(&service.name, e))?;
        self.wait_running(&service.name)
    }

    pub(super) fn restart(&self, service: &Service) -> Result<()> {
        let unit = self.unit(&service.name);
        Self::up_to_date(&unit)?;
        let within = Duration::from_secs(service.stop_within.0);
        systemctl::restart(&unit, within)
            .run()
            .map_err(|e| self.look(&service.name, e))?;
        self.wait_running(&service.name)
    }

    pub(super) fn reload(&self, service: &Service) -> Result<()> {
        systemctl::reload(&self.unit(&service.name)).run()
    }

    pub(super) fn remove(&self, name: &str, within: Duration) -> Result<()> {
        let unit = self.unit(name);
        let state = units::look(&unit)?;
        if state.loaded {
            systemctl::disable(&unit, within).run()?;
            systemctl::reset_failed(&unit).outcome()?;
        } else {
            // Somebody took the file away: systemd stops what it knows, and the link goes by hand.
            systemctl::stop(&unit, within).outcome()?;
            files::remove(&systemd::enabled(self.layout.pack().as_str()).join(&unit))?;
        }
        let gone = || units::one(self.layout, name).is_ok_and(|fact| fact.pid.is_none());
        wait_until(START, gone, || Failure::failed(format!("`{unit}` does not end")))
    }

    /// A timer that waits already goes on with the times of its old file, so it is started anew.
    pub(super) fn start_timer(&self, job: &str) -> Result<()> {
        let timer = units::timer(self.layout, job);
        Self::up_to_date(&timer)?;
        systemctl::enable(&timer).run()?;
        systemctl::restart(&timer, START).run()
    }

    pub(super) fn remove_timer(&self, job: &str) -> Result<()> {
        let timer = units::timer(self.layout, job);
        if units::look(&timer)?.loaded {
            return systemctl::disable(&timer, START).run();
        }
        files::remove(&systemd::enabled(self.layout.pack().as_str()).join(&timer))
    }

    pub(super) fn stop(&self) -> Result<()> {
        let target = systemd::target_name(self.layout.pack().as_str());
        if units::look(&target)?.loaded {
            systemctl::disable(&target, START).run()?;
        }
        Ok(())
    }

    /// The files that this program wrote, and no others.
    pub(super) fn forget(&self) -> Result<()> {
        let state = self.layout.state();
        let pack = self.layout.pack().as_str();
        let written = marks::written(&state)?;
        let directory = Utf8Path::new(systemd::DIRECTORY);
        for path in written.keys().filter(|path| path.parent() == Some(directory)) {
            files::remove(path)?;
            // What was kept of a hand edit.
            files::remove(&path.with_extension("edited"))?;
            marks::forget_written(&state, path)?;
        }
        // The slice stays active as long as nobody stops it.
        systemctl::stop(&systemd::slice_name(pack), START).outcome()?;
        Self::read_units()
    }

    fn unit(&self, service: &str) -> String {
        units::unit(self.layout, service)
    }

    /// systemd would start the definition that it read before.
    fn up_to_date(unit: &str) -> Result<()> {
        let state = units::look(unit)?;
        if state.outdated || !state.loaded {
            Self::read_units()?;
        }
        Ok(())
    }

    fn wait_running(&self, name: &str) -> Result<()> {
        let running = || units::one(self.layout, name).is_ok_and(|fact| fact.running);
        let failure = || self.look(name, Failure::failed(format!("`{name}` does not stay up")));
        wait_until(START, running, failure)?;
        std::thread::sleep(SETTLE);
        if running() { Ok(()) } else { Err(failure()) }
    }

    /// Adds the end of the log, which says why.
    fn look(&self, name: &str, failure: Failure) -> Failure {
        failure
            .because(journal::tail(self.layout, name, 15))
            .hint(format!("`odoopack logs {name}` shows its whole log"))
    }
}
