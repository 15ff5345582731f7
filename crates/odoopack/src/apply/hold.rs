//! Requests of an environment at the gate: kept waiting while nobody may work, then let in.
use std::net::TcpStream;
use std::time::Duration;

use odoopack_core::gate::Request;
use odoopack_core::layout::Slot;
use odoopack_core::name::Name;
use odoopack_core::target::reached_at;

use super::Apply;
use crate::engines::wait_until;
use crate::failure::{Failure, Result};
use crate::gate::{CallError, call};

/// How long one request waits before it is answered with a page that says why.
const HOLD_SECONDS: u64 = 30;
/// How long the gate may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long Odoo may take until it listens.
const LISTENS: Duration = Duration::from_mins(1);

impl Apply<'_> {
    /// Keeps requests waiting at the gate; one that waited too long gets a page that says that an update is under way.
    ///
    /// # Errors
    /// When a gate is there and does not do it. Without one nobody gets in anyway.
    pub(crate) fn hold_requests(&self, environment: &Name) -> Result<()> {
        let request = Request::Hold {
            environment: environment.to_string(),
            seconds: HOLD_SECONDS,
            page: None,
        };
        self.ask_gate(&request, &format!("could not hold the requests of {environment}"))
    }

    /// Restarts a service; who visits the environment whose requests it answers waits at the gate meanwhile.
    ///
    /// # Errors
    /// Those of the restart. A gate that does not hold, or an Odoo that does not listen in time, is only warned of: the probes judge.
    pub(crate) fn behind_the_gate(&self, service: &str, restart: impl FnOnce() -> Result<()>) -> Result<()> {
        let Some(environment) = self.visited(service) else {
            return restart();
        };
        let words = |failure: &Failure| failure.chain().join(": ");
        // Whoever asks this program to end waits until requests are let in again.
        let _unfinished = crate::interrupt::running(0);
        if let Err(failure) = self.hold_requests(environment) {
            // An answer that was lost says nothing of what was done, so requests are let in below all the same.
            self.ui
                .warn(&format!("visitors may not wait meanwhile: {}", words(&failure)));
        }
        let restarted = restart();
        if let Err(failure) = self.release_hold(environment) {
            self.ui.warn(&words(&failure));
        }
        restarted
    }

    /// The environment whose requests the service answers.
    fn visited(&self, service: &str) -> Option<&Name> {
        let (environment, rest) = service.split_once('.')?;
        let mut all = self.spec.environments.keys();
        all.find(|name| rest.ends_with(".web") && name.as_str() == environment)
    }

    /// Lets requests in again; those that wait would be lost if nobody listened yet.
    ///
    /// # Errors
    /// When nobody listens after a minute: whoever waits is let go all the same, and told by the gate.
    pub(super) fn release_hold(&self, environment: &Name) -> Result<()> {
        let listens = self.wait_for_odoo(environment);
        let request = Request::Release {
            environment: environment.to_string(),
        };
        self.ask_gate(&request, &format!("could not let requests to {environment} in"))?;
        listens
    }

    fn wait_for_odoo(&self, environment: &Name) -> Result<()> {
        let serves = |slot: &Slot| {
            self.target
                .service(&format!("{environment}.{slot}.web"))
                .is_some()
        };
        let (Some(slot), Some(ports)) = (
            Slot::ALL.into_iter().find(serves),
            self.target.ports.get(environment),
        ) else {
            return Ok(());
        };
        let (host, port) = reached_at(self.layout, self.facts, *ports, slot);
        let asked_to_end = || crate::interrupt::exit_code().is_some();
        let listens = || asked_to_end() || TcpStream::connect((host.as_str(), port)).is_ok();
        wait_until(LISTENS, listens, || {
            Failure::failed(format!("Odoo does not listen at {host}:{port}"))
                .hint(format!("`odoopack logs {environment}`"))
        })
    }

    fn ask_gate(&self, request: &Request, what: &str) -> Result<()> {
        match call(&self.layout.gate_control(), request, PATIENCE) {
            Ok(_) | Err(CallError::Absent { .. }) => Ok(()),
            Err(
                error @ (CallError::Broken { .. } | CallError::Unreadable { .. } | CallError::Refused(_)),
            ) => Err(Failure::failed(what).because(error).hint("`odoopack logs gate`")),
        }
    }
}
