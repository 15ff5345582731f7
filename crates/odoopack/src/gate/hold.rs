//! Holds: requests that wait for a release instead of reaching Odoo.

use std::cell::Cell;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};

use super::state::Terms;

/// Requests that may wait per environment; nginx keeps a connection and a buffered body for each.
pub(crate) const MAX_HELD: u64 = 1024;

/// Held requests sent on at the same time after a release: Odoo's backlog is 8 connections per process
/// (`socket.listen(8 * population)`, service/server.py), and what does not fit is lost for a second or more.
const TURNS: usize = 16;

/// The hold of one environment; off most of the time.
#[derive(Debug)]
pub(crate) struct Hold {
    terms: watch::Sender<Option<Terms>>,
    held: Cell<u64>,
    turns: Semaphore,
}

/// The hold did not end in time, or too many were waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Turned {
    pub(crate) page: Option<String>,
}

/// A place among the waiting, given back on drop: a client that leaves makes room.
struct Place<'a>(&'a Cell<u64>);

impl Hold {
    pub(crate) fn new(terms: Option<Terms>) -> Self {
        Self {
            terms: watch::Sender::new(terms),
            held: Cell::new(0),
            turns: Semaphore::new(TURNS),
        }
    }

    /// Replaces the terms; `None` releases.
    pub(crate) fn set(&self, terms: Option<Terms>) {
        self.terms.send_replace(terms);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.terms.borrow().is_some()
    }

    pub(crate) fn terms(&self) -> Option<Terms> {
        self.terms.borrow().clone()
    }

    /// Seconds that one request waits, while the hold is on.
    pub(crate) fn seconds(&self) -> Option<u64> {
        self.terms.borrow().as_ref().map(|terms| terms.seconds)
    }

    pub(crate) fn held(&self) -> u64 {
        self.held.get()
    }

    /// How a request that may not pass is turned away.
    pub(crate) fn turned(&self) -> Turned {
        Turned {
            page: self.terms.borrow().as_ref().and_then(|terms| terms.page.clone()),
        }
    }

    /// Lets a request that came at `since` pass: at once, or after the release.
    ///
    /// The permit belongs to a request that waited; it is kept until the slot has answered.
    pub(crate) async fn pass(&self, since: Instant) -> Result<Option<SemaphorePermit<'_>>, Turned> {
        if !self.is_on() {
            return Ok(None);
        }
        let _place = self.take_place()?;
        loop {
            self.wait_for_release(since).await?;
            let turn = self.turns.acquire().await.ok();
            if !self.is_on() {
                return Ok(turn);
            }
        }
    }

    fn take_place(&self) -> Result<Place<'_>, Turned> {
        if self.held.get() >= MAX_HELD {
            return Err(self.turned());
        }
        self.held.set(self.held.get() + 1);
        Ok(Place(&self.held))
    }

    async fn wait_for_release(&self, since: Instant) -> Result<(), Turned> {
        let mut changes = self.terms.subscribe();
        loop {
            changes.mark_unchanged();
            let Some(seconds) = self.seconds() else {
                return Ok(());
            };
            let deadline = since + Duration::from_secs(seconds);
            if timeout_at(deadline, changes.changed()).await.is_err() {
                return Err(self.turned());
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(seconds: u64) -> Terms {
        Terms { seconds, page: None }
    }

    #[tokio::test(start_paused = true)]
    async fn passes_at_once_when_off() {
        assert!(Hold::new(None).pass(Instant::now()).await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_release_and_no_longer_than_its_terms() {
        let hold = Hold::new(Some(terms(30)));
        let start = Instant::now();
        let release = async {
            tokio::time::sleep(Duration::from_secs(29)).await;
            assert_eq!(hold.held(), 1);
            hold.set(None);
        };
        let (passed, ()) = tokio::join!(hold.pass(start), release);
        assert!(passed.is_ok());
        assert_eq!(hold.held(), 0);
        hold.set(Some(terms(10)));
        assert!(hold.pass(Instant::now()).await.is_err());
        assert_eq!(start.elapsed().as_secs(), 39);
    }

    #[tokio::test(start_paused = true)]
    async fn longer_terms_reach_those_who_wait_already() {
        let hold = Hold::new(Some(terms(5)));
        let start = Instant::now();
        let extend = async { hold.set(Some(terms(60))) };
        let (passed, ()) = tokio::join!(hold.pass(start), extend);
        assert!(passed.is_err());
        assert_eq!(start.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn turns_away_more_than_it_can_keep() {
        let hold = Hold::new(Some(terms(30)));
        hold.held.set(MAX_HELD);
        let start = Instant::now();
        assert!(hold.pass(start).await.is_err());
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(hold.held(), MAX_HELD);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_leaves_makes_room() {
        let hold = Hold::new(Some(terms(30)));
        let gone = tokio::time::timeout(Duration::from_secs(1), hold.pass(Instant::now())).await;
        assert!(gone.is_err());
        assert_eq!(hold.held(), 0);
    }
}
