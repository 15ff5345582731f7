//! What is in flight on one slot.

use std::rc::Rc;
use std::time::Duration;

use odoopack_core::gate::InFlight;
use tokio::sync::{Notify, watch};

/// Counts the requests and websockets of one slot and lets others wait for the level.
#[derive(Debug)]
pub(crate) struct Flight {
    level: watch::Sender<InFlight>,
    close_websockets: Notify,
}

/// One request or websocket in flight, as long as the value lives.
#[derive(Debug)]
pub(crate) struct Ticket {
    flight: Rc<Flight>,
    kind: Kind,
}

/// Websockets last for hours, so a drain does not wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Websocket,
}

impl Flight {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            level: watch::Sender::new(InFlight::default()),
            close_websockets: Notify::new(),
        })
    }

    pub(crate) fn enter(self: &Rc<Self>, kind: Kind) -> Ticket {
        self.level.send_modify(|level| *kind.of(level) += 1);
        Ticket {
            flight: Rc::clone(self),
            kind,
        }
    }

    pub(crate) fn level(&self) -> InFlight {
        *self.level.borrow()
    }

    /// Waits until no request is in flight, and no websocket either when those are closed; at most `limit`.
    pub(crate) async fn drain(&self, limit: Duration, websockets: bool) -> InFlight {
        if websockets {
            self.close_websockets.notify_waiters();
        }
        let mut level = self.level.subscribe();
        let empty = level.wait_for(|level| level.requests == 0 && (!websockets || level.websockets == 0));
        tokio::time::timeout(limit, empty).await.ok();
        self.level()
    }
}

impl Ticket {
    /// Returns when the websockets of this slot are to end.
    pub(crate) async fn closed(&self) {
        self.flight.close_websockets.notified().await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.flight.level.send_modify(|level| *self.kind.of(level) -= 1);
    }
}

impl Kind {
    fn of(self, level: &mut InFlight) -> &mut u64 {
        match self {
            Self::Request => &mut level.requests,
            Self::Websocket => &mut level.websockets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_requests_and_not_for_websockets() {
        let flight = Flight::new();
        let websocket = flight.enter(Kind::Websocket);
        let request = flight.enter(Kind::Request);
        let left = flight.drain(Duration::from_secs(5), false).await;
        assert_eq!(
            left,
            InFlight {
                requests: 1,
                websockets: 1
            }
        );
        drop(request);
        let left = flight.drain(Duration::from_secs(5), false).await;
        assert_eq!(
            left,
            InFlight {
                requests: 0,
                websockets: 1
            }
        );
        drop(websocket);
        assert_eq!(flight.level(), InFlight::default());
    }
}
