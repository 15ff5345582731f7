//! Services as containers of one Docker Compose project.
use std::collections::BTreeMap;
use std::time::Duration;

use odoopack_core::layout::{ACT, Layout};
use odoopack_core::render::systemd;
use odoopack_core::service::{Service, Signal};

use super::{Stretch, Systemd, kept, wait_until};
use crate::failure::{Failure, Result};
use crate::observe::containers::{self, project};
use crate::observe::supervisor::Supervisor;
use crate::tools::docker::{self, Container};
use crate::ui;

/// How long a start may take before the container must run.
const START: Duration = Duration::from_mins(1);
/// How long it must have run before it counts as started: a program that cannot start ends at once.
const SETTLE: Duration = Duration::from_millis(300);
/// Lines that are read for each that is wanted: levels and tracebacks are sorted out afterwards.
const SPARE: usize = 50;
/// Lines of a container that goes away which are kept.
const KEPT: Stretch = Stretch {
    since: None,
    lines: 200_000,
};

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
        let within = Duration::from_secs(service.stop_within.0);
        let old = containers::one(self.layout, &service.name)?;
        let stopped = old.as_ref().filter(|old| again && old.running);
        if let Some(old) = &old {
            self.keep(old);
        }
        if let Some(old) = stopped {
            docker::stop(&old.id, within).run()?;
            // Docker Compose would throw away what it says while it stops.
            self.keep(old);
        }
        let cmd = project(self.layout).up(&service.name, again);
        if let Err(failure) = cmd.patience(START + within).run() {
            let failure = self.look(&service.name, failure);
            // One that could not be replaced serves on, where it is still there.
            drop(stopped.map(|old| docker::start(&old.id).outcome()));
            return Err(failure);
        }
        self.wait_running(&service.name)
    }

    /// Keeps the log of a container that may go away, from where it is kept already: what is long is read before it is stopped, and
    /// only what it says last while nobody is served. A full disk is no reason to leave it as it is.
    fn keep(&self, container: &Container) {
        let (layout, name) = (self.layout, &container.service);
        let kept = kept::newest(layout, name).and_then(|since| {
            let said = said(container, Stretch { since, ..KEPT })?;
            kept::keep(layout, name, &by_time(&said))
        });
        if let Err(failure) = kept {
            let why = failure.chain().join(": ");
            ui::warning(&format!("what `{name}` said until now is not kept: {why}"));
        }
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
            self.keep(&container);
            docker::stop(&container.id, within).run()?;
        }
        self.keep(&container);
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
        let now = containers::all(layout)?.into_iter().map(|one| one.service);
        let mut all: Vec<String> = now.chain(kept::services(layout)?).collect();
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// What is kept of containers that went away, then what those say that are there.
    pub(super) fn logs(
        layout: &Layout,
        services: &[String],
        part: Stretch,
    ) -> Result<BTreeMap<String, String>> {
        let all = containers::all(layout)?;
        let part = Stretch {
            lines: part.lines.saturating_mul(SPARE),
            ..part
        };
        let text = |service: &String| {
            let mut parts = vec![kept::read(layout, service, part)?];
            if let Some(one) = all.iter().find(|one| one.service == *service) {
                parts.extend(said(one, part)?);
            }
            Ok((service.clone(), merged(&parts)))
        };
        services.iter().map(text).collect()
    }

    pub(super) fn follow(
        layout: &Layout,
        services: &[String],
        each: &mut dyn FnMut(&str, &str) -> bool,
    ) -> Result<()> {
        // Docker Compose knows those alone that have a container, or could have one.
        let all = containers::all(layout)?.into_iter().map(|one| one.service);
        let there: Vec<String> = all.filter(|one| services.contains(one)).collect();
        if there.is_empty() {
            return Ok(());
        }
        docker::follow(&project(layout), &there).stream(&mut |line| {
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
        let part = Stretch {
            since: None,
            lines: SPARE,
        };
        let container = containers::one(self.layout, name).ok().flatten();
        let all = container.and_then(|one| said(&one, part).ok());
        let said = crate::exec::tail(&all.map(|all| merged(&all)).unwrap_or_default(), 15);
        let failure = if said.is_empty() {
            failure
        } else {
            failure.because(said)
        };
        failure.hint(format!("`odoopack logs {name}` shows its whole log"))
    }
}

/// Both streams of a container, each line with its time first.
fn said(container: &Container, part: Stretch) -> Result<[String; 2]> {
    let cmd = docker::logs(&container.id, part.since, part.lines);
    let said = cmd.outcome()?;
    if said.status.success() {
        Ok([said.stdout, said.stderr])
    } else {
        Err(cmd.ended_badly(&said))
    }
}

/// All lines by Docker's time; what a container that is there said may be kept already.
fn by_time(parts: &[String]) -> Vec<&str> {
    let mut lines: Vec<&str> = parts.iter().flat_map(|part| part.lines()).collect();
    lines.sort_by_key(|line| line.split_once(' ').map_or("", |(time, _)| time));
    lines.dedup();
    lines
}

/// The same without Docker's time, as one text: the line has one of its own.
fn merged(parts: &[String]) -> String {
    let mut out = String::new();
    for line in by_time(parts) {
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
    fn two_streams_and_what_is_kept_become_one_by_time() {
        let kept = "2026-11-26T11:00:00.0Z before\n2026-11-26T12:00:01.000000001Z a\n".to_owned();
        let out = "2026-11-26T12:00:02.1Z b\n2026-11-26T12:00:02.1Z   of b\n".to_owned();
        let err = "2026-11-26T12:00:01.000000001Z a\n2026-11-26T12:00:03Z \n".to_owned();
        assert_eq!(merged(&[kept, out, err]), "before\na\nb\n  of b\n\n");
    }
}
