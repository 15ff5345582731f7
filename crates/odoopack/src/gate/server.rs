//! The gate from start to stop.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use odoopack_core::gate::Config;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::UnixListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinSet, LocalSet, spawn_local};

use super::environment::Environment;
use super::error::GateError;
use super::log::Log;
use super::reload::{open_all, prepare, read_config, reload};
use super::state::Memory;
use super::{control, listener, socket};

/// Threads for name lookups and for syncing the state file.
const BLOCKING_THREADS: usize = 2;

/// What a stuck disk may delay the end of the process.
const LAST_SYNC: Duration = Duration::from_secs(1);

/// Everything that lives as long as the process.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) config_path: Utf8PathBuf,
    pub(crate) control: Utf8PathBuf,
    pub(crate) environments: RefCell<BTreeMap<String, Rc<Environment>>>,
    pub(crate) memory: Memory,
    pub(crate) log: Rc<Log>,
    pub(crate) started: jiff::Timestamp,
}

/// The signals the gate answers to.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// Runs the gate until it is told to stop (`SIGTERM`, `SIGINT`); `SIGHUP` reads the configuration again.
///
/// # Errors
/// It could not start; once it serves, it goes on.
pub(crate) fn run(config: &Utf8Path) -> Result<(), GateError> {
    let wanted = read_config(config)?;
    allow_many_connections();
    let runtime = runtime().map_err(|source| GateError::Runtime { source })?;
    let result = LocalSet::new().block_on(&runtime, serve(config, &wanted));
    runtime.shutdown_timeout(LAST_SYNC);
    result
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
}

/// Raises the soft limit of open files: a request takes two, a websocket two, a held request one.
fn allow_many_connections() {
    let limit = getrlimit(Resource::Nofile);
    // Refused or not, the gate works; `accept` says when the limit is reached.
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .ok();
}

async fn serve(config_path: &Utf8Path, config: &Config) -> Result<(), GateError> {
    let mut signals = Signals::listen().map_err(|source| GateError::Runtime { source })?;
    // The control socket comes first: who owns it owns the state file and the other sockets.
    let control = socket::listen(&config.control)?;
    let gate = match start(config_path, config, control) {
        Ok(gate) => gate,
        Err(error) => {
            socket::remove(&config.control);
            return Err(error);
        }
    };
    gate.log.say(&format!(
        "gate: serving {} environments",
        gate.environments.borrow().len()
    ));
    signals.wait_for_the_end(&gate).await;
    stop(&gate).await;
    Ok(())
}

fn start(config_path: &Utf8Path, config: &Config, control: UnixListener) -> Result<Rc<Gate>, GateError> {
    let gate = Rc::new(Gate {
        config_path: config_path.to_owned(),
        control: config.control.clone(),
        environments: RefCell::default(),
        memory: Memory::load(&config.state)?,
        log: Rc::new(Log::start()),
        started: jiff::Timestamp::now(),
    });
    let ready = prepare(&gate, config)?;
    open_all(&gate, ready);
    spawn_local(control::serve(Rc::clone(&gate), control));
    Ok(gate)
}

/// Lets every environment finish; the control socket answers until the end.
async fn stop(gate: &Gate) {
    gate.log.say("gate: stopping");
    let mut leaving = JoinSet::new();
    for (name, environment) in gate.environments.take() {
        leaving.spawn_local(async move { (name, listener::leave(&environment).await) });
    }
    while let Some(left) = leaving.join_next().await {
        if let Ok((name, false)) = left {
            gate.log
                .say(&format!("gate: {name}: requests were cut off after 30 seconds"));
        }
    }
    socket::remove(&gate.control);
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait_for_the_end(&mut self, gate: &Gate) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => reload_and_say(gate),
            }
        }
    }
}

fn reload_and_say(gate: &Gate) {
    match reload(gate) {
        Ok(_) => gate.log.say("gate: configuration reloaded"),
        Err(error) => gate
            .log
            .say(&format!("gate: configuration not reloaded: {}", error.chain())),
    }
}
