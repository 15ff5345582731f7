//! One environment at run time: slots, hold, counters.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use camino::Utf8PathBuf;
use odoopack_core::gate::{self, Address, EnvironmentStatus, Holding, Slot};
use tokio::sync::watch;

use super::error::GateError;
use super::flight::{Flight, Kind, Ticket};
use super::hold::Hold;
use super::log::Log;
use super::metrics::Metrics;
use super::state::Remembered;

/// What every request of one environment meets.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) name: String,
    pub(crate) socket: Utf8PathBuf,
    pub(crate) hold: Hold,
    pub(crate) metrics: Metrics,
    pub(crate) log: Rc<Log>,
    slots: RefCell<BTreeMap<Slot, Address>>,
    active: Cell<Slot>,
    blue: Rc<Flight>,
    green: Rc<Flight>,
    phase: watch::Sender<Phase>,
}

/// The life of a listener; only ever goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Open,
    /// No new connection; those that are there get `Connection: close` with their next answer.
    Leaving,
    /// Connections without a request are closed.
    Closing,
}

impl Environment {
    /// # Errors
    /// [`GateError::SlotGone`] when the slot that served it is not configured any more.
    pub(crate) fn new(
        name: &str,
        config: &gate::Environment,
        remembered: Option<Remembered>,
        log: &Rc<Log>,
    ) -> Result<Rc<Self>, GateError> {
        let remembered = remembered.unwrap_or_else(|| first_of(&config.slots));
        check_slot(name, config, remembered.slot)?;
        Ok(Rc::new(Self {
            name: name.to_owned(),
            socket: config.socket.clone(),
            hold: Hold::new(remembered.hold),
            metrics: Metrics::new(),
            log: Rc::clone(log),
            slots: RefCell::new(config.slots.clone()),
            active: Cell::new(remembered.slot),
            blue: Flight::new(),
            green: Flight::new(),
            phase: watch::Sender::new(Phase::Open),
        }))
    }

    pub(crate) fn active(&self) -> Slot {
        self.active.get()
    }

    pub(crate) fn activate(&self, slot: Slot) {
        self.active.set(slot);
    }

    pub(crate) fn address(&self, slot: Slot) -> Option<Address> {
        self.slots.borrow().get(&slot).cloned()
    }

    /// Takes over new addresses; tells whether they differ.
    pub(crate) fn readdress(&self, config: &gate::Environment) -> bool {
        self.slots.replace(config.slots.clone()) != config.slots
    }

    pub(crate) fn flight(&self, slot: Slot) -> &Rc<Flight> {
        match slot {
            Slot::Blue => &self.blue,
            Slot::Green => &self.green,
        }
    }

    pub(crate) fn enter(&self, slot: Slot, kind: Kind) -> Ticket {
        self.flight(slot).enter(kind)
    }

    /// What would be remembered of it now.
    pub(crate) fn remembered(&self) -> Remembered {
        Remembered {
            slot: self.active(),
            hold: self.hold.terms(),
        }
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(crate) fn is_leaving(&self) -> bool {
        *self.phase.borrow() != Phase::Open
    }

    pub(crate) fn advance(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let forward = phase > *current;
            *current = phase.max(*current);
            forward
        });
    }

    /// Returns when no listener and no connection is left.
    pub(crate) async fn deserted(&self) {
        self.phase.closed().await;
    }

    pub(crate) fn status(&self) -> EnvironmentStatus {
        let slots = self.slots.borrow();
        EnvironmentStatus {
            socket: self.socket.clone(),
            slot: self.active(),
            hold: self.hold.seconds().map(|seconds| Holding { seconds }),
            held: self.hold.held(),
            in_flight: slots
                .keys()
                .map(|slot| (*slot, self.flight(*slot).level()))
                .collect(),
            counters: self.metrics.counters(),
            latency: self.metrics.latency(),
        }
    }
}

/// Refuses a configuration that does not know the slot that serves.
pub(crate) fn check_slot(name: &str, config: &gate::Environment, slot: Slot) -> Result<(), GateError> {
    if config.slots.contains_key(&slot) {
        Ok(())
    } else {
        Err(GateError::SlotGone {
            environment: name.to_owned(),
            slot,
        })
    }
}

fn first_of(slots: &BTreeMap<Slot, Address>) -> Remembered {
    Remembered {
        slot: slots.keys().next().copied().unwrap_or_default(),
        hold: None,
    }
}
