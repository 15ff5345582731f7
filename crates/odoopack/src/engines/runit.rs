//! Services under runit, with the precautions that it needs where it is not PID 1.
use std::time::Duration;

use camino::Utf8PathBuf;
use odoopack_core::facts::Seen;
use odoopack_core::layout::Layout;
use odoopack_core::render::runit::DOWN;
use odoopack_core::service::Service;

use super::wait_until;
use crate::exec::{Cmd, end_group};
use crate::failure::{Failure, Result};
use crate::files;
use crate::observe::{listeners, services};
use crate::tools::runit;

/// How long a start may take before the process must run.
const START: Duration = Duration::from_secs(30);
/// How long a service must have run before it counts as started: a program that cannot start ends at once.
const SETTLE: Duration = Duration::from_millis(300);

/// The pack's services under runit.
#[derive(Debug)]
pub(crate) struct Runit<'a> {
    pub(crate) layout: &'a Layout,
}

impl Runit<'_> {
    /// Starts `runsvdir` in a session of its own, unless it runs; it looks after `services` from its first look.
    pub(crate) fn start_supervisor(&self, services: &[Service]) -> Result<()> {
        if services::supervisor(self.layout).present().is_some() {
            return Ok(());
        }
        // One that nobody wants any more may have been as patient as the most patient of those that are wanted.
        let within = services.iter().map(|service| service.stop_within.0).max();
        self.end_orphans(within.unwrap_or_default())?;
        // A new supervisor begins with nothing, so that services are started in their order and waited for.
        for name in services::all(self.layout)?.keys() {
            files::remove(&self.layout.enabled().join(name))?;
        }
        self.make_known(services)?;
        let log = files::append(&self.layout.logs().join("runsvdir.log"))?;
        runit::runsvdir(&self.layout.enabled()).leave_running(log)?;
        let running = || services::supervisor(self.layout).present().is_some();
        wait_until(START, running, || {
            Failure::failed("the supervisor `runsvdir` did not start")
        })
    }

    /// Has the supervisor look after services that are described, without starting them yet.
    ///
    /// `runsvdir` looks for new ones every five seconds (runit 2.1.2): shown to it together, they are waited for once.
    pub(crate) fn make_known(&self, services: &[Service]) -> Result<()> {
        for service in services {
            let definition = self.definition(&service.name);
            let link = self.layout.enabled().join(&service.name);
            if definition.join("run").is_file() && !link.is_symlink() {
                files::replace(&definition.join(DOWN), b"", 0o644, None)?;
                files::link(&definition, &link)?;
            }
        }
        Ok(())
    }

    /// A `runsvdir` that was killed leaves every `runsv` running; a second one could not take them over.
    fn end_orphans(&self, within: u64) -> Result<()> {
        for name in services::all(self.layout)?.keys() {
            let definition = self.definition(name);
            if services::supervised(&definition) {
                self.sv("force-stop", within, name)?;
                self.sv("exit", 30, name)?;
                let gone = || !services::supervised(&definition);
                wait_until(START, gone, || {
                    Failure::failed(format!("`runsv` of `{name}` does not end"))
                })?;
            }
        }
        Ok(())
    }

    /// Lets the service run and waits until it does.
    pub(crate) fn start(&self, service: &Service) -> Result<()> {
        let definition = self.definition(&service.name);
        let link = self.layout.enabled().join(&service.name);
        files::link(&definition, &link)?;
        let watched = || services::supervised(&definition);
        wait_until(START, watched, || {
            Failure::failed(format!("the supervisor does not look after `{}`", service.name))
                .hint(format!("look into {}", self.layout.logs().join("runsvdir.log")))
        })?;
        // From now on a new `runsv` starts it by itself as well.
        files::remove(&definition.join(DOWN))?;
        // Somebody who was killed may have told it to stop: then what still runs ends first.
        let may_end = self.running(&service.name);
        let up = runit::sv_now("up", &definition).run();
        up.map_err(|e| e.during(format!("could not start `{}`", service.name)))?;
        if may_end && self.wait_running(&service.name).is_ok() {
            return Ok(());
        }
        self.wait_running(&service.name)
    }

    /// Stops it within its own limit and starts it again.
    pub(crate) fn restart(&self, service: &Service) -> Result<()> {
        self.sv("force-stop", service.stop_within.0, &service.name)?;
        self.start(service)
    }

    /// Makes it read its files again.
    pub(crate) fn reload(&self, service: &Service) -> Result<()> {
        self.sv("hup", 5, &service.name)
    }

    /// Stops a service and its `runsv`, and forgets it.
    pub(crate) fn remove(&self, name: &str, within: u64) -> Result<()> {
        let definition = self.definition(name);
        if services::supervised(&definition) {
            self.sv("force-stop", within, name)?;
        }
        files::remove(&self.layout.enabled().join(name))?;
        if services::supervised(&definition) {
            self.sv("exit", within, name)?;
        }
        let gone = || !services::supervised(&definition);
        wait_until(START, gone, || {
            Failure::failed(format!("`runsv` of `{name}` does not end"))
        })
    }

    /// Ends the supervisor and whatever of its processes is left.
    pub(crate) fn stop_supervisor(&self) -> Result<()> {
        let Seen::Present(pid) = services::supervisor(self.layout) else {
            return Ok(());
        };
        let ours = std::collections::BTreeSet::from([pid]);
        let left: Vec<u32> = listeners::processes()
            .into_iter()
            .filter(|p| listeners::descends(*p, &ours))
            .collect();
        // HUP makes it end every `runsv` and then itself (`runsvdir(8)`).
        signal(pid, rustix::process::Signal::HUP);
        let gone = || services::supervisor(self.layout).is_absent();
        let waited = wait_until(START, gone, || Failure::failed("the supervisor does not end"));
        for pid in left
            .into_iter()
            .filter(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists())
        {
            end_group(pid);
        }
        waited
    }

    fn definition(&self, name: &str) -> Utf8PathBuf {
        self.layout.runit().join(name)
    }

    fn sv(&self, verb: &str, seconds: u64, name: &str) -> Result<()> {
        let cmd: Cmd = runit::sv(verb, seconds, &self.definition(name));
        cmd.run().map_err(|e| {
            e.during(format!("could not {verb} `{name}`"))
                .hint(Self::look(name))
        })
    }

    fn wait_running(&self, name: &str) -> Result<()> {
        let running = || self.running(name);
        let failure = || {
            let tail = crate::exec::tail(&self.log(name), 15);
            Failure::failed(format!("`{name}` does not stay up"))
                .because(tail)
                .hint(Self::look(name))
        };
        wait_until(START, running, failure)?;
        std::thread::sleep(SETTLE);
        if running() { Ok(()) } else { Err(failure()) }
    }

    fn running(&self, name: &str) -> bool {
        let seen = services::one(self.layout, name).ok();
        seen.as_ref()
            .and_then(Seen::present)
            .is_some_and(|service| service.running)
    }

    fn log(&self, name: &str) -> String {
        let path = self.layout.logs().join(name).join("current");
        files::read_text(&path).ok().flatten().unwrap_or_default()
    }

    fn look(name: &str) -> String {
        format!("`odoopack logs {name}` shows its whole log")
    }
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        rustix::process::kill_process(pid, signal).unwrap_or_default();
    }
}
