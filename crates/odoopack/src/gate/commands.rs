//! What the control socket can ask for.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use odoopack_core::gate::{Answer, Refusal, Request, Response, Slot, Status};

use super::environment::Environment;
use super::error::GateError;
use super::reload::reload;
use super::server::Gate;
use super::state::{Remembered, Terms};

/// Does what a request asks.
pub(crate) async fn execute(gate: &Rc<Gate>, request: Request) -> Answer {
    match request {
        Request::Status {} => Ok(Response::Status(status(gate))),
        Request::Switch { environment, slot } => switch(gate, environment, slot).await,
        Request::Hold {
            environment,
            seconds,
            page,
        } => hold(gate, environment, Terms { seconds, page }).await,
        Request::Release { environment } => release(gate, environment).await,
        Request::Drain {
            environment,
            slot,
            seconds,
            close_websockets,
        } => {
            let found = find(gate, &environment)?;
            let left = found
                .flight(slot)
                .drain(Duration::from_secs(seconds), close_websockets)
                .await;
            let (requests, websockets) = (left.requests, left.websockets);
            Ok(Response::Drained {
                environment,
                slot,
                requests,
                websockets,
            })
        }
        Request::Reload {} => reload(gate).map_err(|error| refuse(&error)),
    }
}

fn status(gate: &Gate) -> Status {
    let environments = gate.environments.borrow();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: gate.started.to_string(),
        environments: environments
            .iter()
            .map(|(name, found)| (name.clone(), found.status()))
            .collect(),
    }
}

/// On disk first: a gate killed in between serves the new slot after its restart, and the caller asks again.
async fn switch(gate: &Gate, environment: String, slot: Slot) -> Answer {
    let found = find(gate, &environment)?;
    if found.address(slot).is_none() {
        return Err(Refusal::new(
            format!("environment `{environment}` has no slot {slot}"),
            "add the slot to the configuration, then `reload`",
        ));
    }
    remember(gate, &found, |kept| kept.slot = slot).await?;
    let previous = found.active();
    found.activate(slot);
    Ok(Response::Switched {
        environment,
        slot,
        previous,
    })
}

async fn hold(gate: &Gate, environment: String, terms: Terms) -> Answer {
    let found = find(gate, &environment)?;
    let (seconds, kept_terms) = (terms.seconds, terms.clone());
    remember(gate, &found, |kept| kept.hold = Some(kept_terms)).await?;
    found.hold.set(Some(terms));
    Ok(Response::Holding { environment, seconds })
}

async fn release(gate: &Gate, environment: String) -> Answer {
    let found = find(gate, &environment)?;
    remember(gate, &found, |kept| kept.hold = None).await?;
    let held = found.hold.held();
    found.hold.set(None);
    Ok(Response::Released { environment, held })
}

async fn remember(
    gate: &Gate,
    environment: &Environment,
    change: impl FnOnce(&mut Remembered),
) -> Result<(), Refusal> {
    let current = environment.remembered();
    gate.memory
        .change(&environment.name, current, change)
        .await
        .map_err(|error| unwritten(&error))
}

fn find(gate: &Gate, name: &str) -> Result<Rc<Environment>, Refusal> {
    let environments = gate.environments.borrow();
    environments.get(name).cloned().ok_or_else(|| {
        let known: Vec<_> = environments.keys().map(String::as_str).collect();
        Refusal::new(
            format!("there is no environment `{name}`"),
            format!("the gate serves: {}", known.join(", ")),
        )
    })
}

fn unwritten(error: &io::Error) -> Refusal {
    Refusal::new(
        format!("nothing was changed: the gate's state cannot be written: {error}"),
        "see that the disk has room and the gate's user may write the state file, then ask again",
    )
}

fn refuse(error: &GateError) -> Refusal {
    Refusal::new(error.chain(), error.hint())
}
