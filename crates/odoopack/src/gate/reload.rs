//! Reading the configuration, and taking over a changed one without touching what stayed.

use std::collections::BTreeMap;
use std::fs;
use std::rc::Rc;

use camino::Utf8Path;
use odoopack_core::gate::{Config, Response};
use tokio::net::UnixListener;
use tokio::task::spawn_local;

use super::environment::{Environment, check_slot};
use super::error::GateError;
use super::server::Gate;
use super::{listener, socket};

/// An environment that can be served: its socket listens already.
type Ready = (Rc<Environment>, UnixListener);

/// Reads and checks a configuration file.
pub(crate) fn read_config(path: &Utf8Path) -> Result<Config, GateError> {
    let text = fs::read_to_string(path).map_err(|source| GateError::ConfigUnreadable {
        path: path.to_owned(),
        source,
    })?;
    Config::parse(&text).map_err(|source| GateError::ConfigWrong {
        path: path.to_owned(),
        source,
    })
}

/// Takes over the configuration as it is on disk now.
///
/// # Errors
/// Anything wrong with it; everything stays as it was then.
pub(crate) fn reload(gate: &Gate) -> Result<Response, GateError> {
    let config = read_config(&gate.config_path)?;
    refuse_what_needs_a_restart(gate, &config)?;
    let ready = prepare(gate, &config)?;
    let changed = readdress(gate, &config);
    let removed = remove_missing(gate, &config);
    let added = ready
        .iter()
        .map(|(environment, _)| environment.name.clone())
        .collect();
    open_all(gate, ready);
    Ok(Response::Reloaded {
        added,
        removed,
        changed,
    })
}

/// Listens for every environment that is not served yet; all of them or none.
pub(crate) fn prepare(gate: &Gate, config: &Config) -> Result<Vec<Ready>, GateError> {
    let mut ready = Vec::new();
    for (name, wanted) in &config.environments {
        if gate.environments.borrow().contains_key(name) {
            continue;
        }
        let made = Environment::new(name, wanted, gate.memory.recall(name), &gate.log)
            .and_then(|environment| Ok((environment, socket::listen(&wanted.socket)?)));
        match made {
            Ok(environment) => ready.push(environment),
            Err(error) => {
                for (environment, _) in &ready {
                    socket::remove(&environment.socket);
                }
                return Err(error);
            }
        }
    }
    Ok(ready)
}

/// Starts to accept.
pub(crate) fn open_all(gate: &Gate, ready: Vec<Ready>) {
    for (environment, listening) in ready {
        listener::open(&environment, listening);
        gate.environments
            .borrow_mut()
            .insert(environment.name.clone(), environment);
    }
}

fn refuse_what_needs_a_restart(gate: &Gate, config: &Config) -> Result<(), GateError> {
    refuse_change("control", &gate.control, &config.control)?;
    refuse_change("state", gate.memory.path(), &config.state)?;
    for (name, environment) in gate.environments.borrow().iter() {
        if let Some(wanted) = config.environments.get(name) {
            refuse_change(&format!("{name}.socket"), &environment.socket, &wanted.socket)?;
            check_slot(name, wanted, environment.active())?;
        }
    }
    Ok(())
}

fn refuse_change(setting: &str, from: &Utf8Path, to: &Utf8Path) -> Result<(), GateError> {
    if from == to {
        Ok(())
    } else {
        Err(GateError::NeedsRestart {
            setting: setting.to_owned(),
        })
    }
}

fn readdress(gate: &Gate, config: &Config) -> Vec<String> {
    let environments = gate.environments.borrow();
    let stayed = environments
        .iter()
        .filter_map(|(name, found)| Some((found, config.environments.get(name)?)));
    stayed
        .filter(|(found, wanted)| found.readdress(wanted))
        .map(|(found, _)| found.name.clone())
        .collect()
}

fn remove_missing(gate: &Gate, config: &Config) -> Vec<String> {
    let current = gate.environments.take();
    let (stay, go): (BTreeMap<_, _>, BTreeMap<_, _>) = current
        .into_iter()
        .partition(|(name, _)| config.environments.contains_key(name));
    gate.environments.replace(stay);
    let removed = go.keys().cloned().collect();
    for environment in go.into_values() {
        spawn_local(async move { listener::leave(&environment).await });
    }
    removed
}
