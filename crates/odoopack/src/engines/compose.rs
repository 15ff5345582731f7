//! Services as containers of one Docker Compose project.
use std::collections::BTreeMap;
use std::time::Duration;

use odoopack_core::layout::{ACT, Layout};
use odoopack_core::render::systemd;
use odoopack_core::service::{Service, Signal};

use super::{Stretch, Systemd, wait_until};
use crate::failure::{Failure, Result};
use crate::observe::containers::{self, project};
use crate::observe::supervisor::Supervisor;
use crate::tools::docker::{self, Container};

/// How long a start may take before the container must run.
const START: Duration = Duration::from_mins(1);
/// How long it must have run before it counts as started: a program that cannot start ends at once.
const SETTLE: Duration = Duration::from_millis(300);
/// Lines that are read for each that is wanted: levels and tracebacks are sorted out afterwards.
const SPARE: usize = 50;

/// The pack's containers.
#[derive(Debug)]
pub(crate) struct Compose<'a> {
    pub(crate) layout: &'a Layout,
}

impl Compose<'_> {
    pub(super) fn start(&self, service: &Service) -> Result<()> {
        // Nobody works on the modules of an environment that is started, unless whoever began it was killed.
        if let Some((environment, _)) = service.name.split_once('.') {
            docker::ended(&self.layout.one_shot(environment, ACT))?;
        }
        self.up(service, false)
    }

    /// A container that is made anew sees the files that were replaced since.
    pub(super) fn restart(&self, service: &Service) -> Result<()> {
        self.up(service, true)
    }

    fn up(&self, service: &Service, again: bool) -> Result<()> {
        let cmd = project(self.layout).up(&service.name, again);
        let patience = START + Duration::from_secs(service.stop_within.0);
        cmd.patience(patience)
            .run()
            .map_err(|e| self.look(&service.name, e))?;
        self.wait_running(&service.name)
    }

    pub(super) fn reload(&self, service: &Service) -> Result<()> {
        let signal = match service.reload_signal {
            Some(Signal::Term) => "TERM",
            Some(Signal::Int) => "INT",
            Some(Signal::Quit) => "QUIT",
            Some(Signal::Hup) | None => "HUP",
        };
        let container = self.running(&service.name)?;
        docker::signal(&container.id, signal).run()
    }

    pub(super) fn remove(&self, name: &str, within: Duration) -> Result<()> {
        let Some(container) = containers::one(self.layout, name)? else {
            return Ok(());
        };
        if container.running {
            docker::stop(&container.id, within).run()?;
        }
        docker::remove(&container.id).run()
    }

    /// What is left of the project is its network, unless somebody added something that may be in it.
    pub(super) fn stop(&self) -> Result<()> {
        if self.layout.stack().is_file() && containers::beside(self.layout)?.is_empty() {
            project(self.layout).down().run()?;
        }
        self.with_systemd(|systemd| systemd.stop())
    }

    /// Timers of the host begin the jobs; its target starts them at every boot.
    pub(super) fn start_timer(&self, job: &str) -> Result<()> {
        if Supervisor::here() != Supervisor::Systemd {
            return Err(Failure::failed("Docker has no timers"));
        }
        self.with_systemd(|systemd| {
            Systemd::read_units()?;
            Systemd::start_at_boot(&systemd::target_name(self.layout.pack().as_str()))?;
            systemd.start_timer(job)
        })
    }

    /// Does what concerns the timers, where there can be some.
    pub(super) fn with_systemd(&self, act: impl FnOnce(Systemd<'_>) -> Result<()>) -> Result<()> {
        match Supervisor::here() {
            Supervisor::Systemd => act(Systemd { layout: self.layout }),
            Supervisor::Runit | Supervisor::Docker => Ok(()),
        }
    }

    pub(super) fn logged(layout: &Layout) -> Result<Vec<String>> {
        Ok(containers::all(layout)?
            .into_iter()
            .map(|one| one.service)
            .collect())
    }

    pub(super) fn logs(
        layout: &Layout,
        services: &[String],
        part: Stretch,
    ) -> Result<BTreeMap<String, String>> {
        let all = containers::all(layout)?;
        let wanted = all.iter().filter(|one| services.contains(&one.service));
        wanted
            .map(|one| {
                let cmd = docker::logs(&one.id, part.since, part.lines.saturating_mul(SPARE));
                let said = cmd.outcome()?;
                if !said.status.success() {
                    return Err(cmd.ended_badly(&said));
                }
                Ok((one.service.clone(), merged(&said.stdout, &said.stderr)))
            })
            .collect()
    }

    pub(super) fn follow(
        layout: &Layout,
        services: &[String],
        each: &mut dyn FnMut(&str, &str) -> bool,
    ) -> Result<()> {
        docker::follow(&project(layout), services).stream(&mut |line| {
            docker::parse_followed(line).is_none_or(|(service, text)| each(service, text))
        })
    }

    fn running(&self, name: &str) -> Result<Container> {
        let found = containers::one(self.layout, name)?.filter(|one| one.running);
        found.ok_or_else(|| Failure::failed(format!("`{name}` does not run")).hint("`odoopack up`"))
    }

    fn wait_running(&self, name: &str) -> Result<()> {
        let running =
            || containers::one(self.layout, name).is_ok_and(|one| one.is_some_and(|one| one.running));
        let failure = || self.look(name, Failure::failed(format!("`{name}` does not stay up")));
        wait_until(START, running, failure)?;
        std::thread::sleep(SETTLE);
        if running() { Ok(()) } else { Err(failure()) }
    }

    /// Adds the end of the log, which says why.
    fn look(&self, name: &str, failure: Failure) -> Failure {
        let one = [name.to_owned()];
        let part = Stretch {
            since: None,
            lines: 1,
        };
        let said = Self::logs(self.layout, &one, part).unwrap_or_default();
        let said = crate::exec::tail(said.get(name).map_or("", String::as_str), 15);
        let failure = if said.is_empty() {
            failure
        } else {
            failure.because(said)
        };
        failure.hint(format!("`odoopack logs {name}` shows its whole log"))
    }
}

/// Both streams by Docker's time, which is taken off where the line has one of its own.
fn merged(stdout: &str, stderr: &str) -> String {
    let mut lines: Vec<&str> = stdout.lines().chain(stderr.lines()).collect();
    lines.sort_by_key(|line| line.split_once(' ').map_or("", |(time, _)| time).to_owned());
    let mut out = String::new();
    for line in lines {
        let (_, text) = line.split_once(' ').unwrap_or(("", line));
        out.push_str(text);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_streams_become_one_by_time() {
        let out = "2026-11-26T12:00:02.1Z b\n2026-11-26T12:00:02.1Z   of b\n";
        let err = "2026-11-26T12:00:01.000000001Z a\n2026-11-26T12:00:03Z \n";
        assert_eq!(merged(out, err), "a\nb\n  of b\n\n");
    }
}
