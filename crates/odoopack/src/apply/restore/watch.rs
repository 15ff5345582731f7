//! The disk of the database server, watched while a dump is loaded.
//!
//! What is compressed, or computed by the dump itself, may become a thousand times bigger than anybody could know, on the disk of the server that
//! serves.
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use odoopack_core::restore::room_for_copy;
use odoopack_core::units::Bytes;

use super::Restore;
use crate::apply::databases::failed;
use crate::failure::{Failure, Result};
use crate::observe::databases;

/// Between two looks a fast disk takes less than what stays free for everybody else.
const PAUSE: Duration = Duration::from_millis(100);

impl Restore<'_> {
    /// Lets `load` fill a database that only the operation knows, and ends its sessions when the disk gets tight.
    ///
    /// # Errors
    /// Kind `Refused` when it got tight, else what `load` says.
    pub(super) fn while_it_fits(&self, database: &str, load: impl FnOnce() -> Result<()>) -> Result<()> {
        let end = || {
            let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'";
            let ended = self
                .apply
                .admin(&self.environment, "postgres")?
                .query(sql, &[&database]);
            ended
                .map(drop)
                .map_err(|e| failed("could not end what loads", &e))
        };
        watched(|| self.still_fits(), end, load)
    }

    fn still_fits(&self) -> Result<()> {
        let Some(disk) = databases::disk(self.apply.spec, self.apply.layout, &self.environment)? else {
            return Ok(());
        };
        room_for_copy(Bytes(0), &disk).map_err(|e| {
            Failure::refused("the dump is bigger than there is room for; what was loaded of it is removed")
                .because(e)
                .hint("make room, or forget what an earlier restore kept: `odoopack restore --forget-replaced ENVIRONMENT`")
        })
    }
}

/// Works while `fits`; once it does not, `end` is to end the work, again and again until it has ended.
fn watched(
    fits: impl Fn() -> Result<()> + Send,
    end: impl Fn() -> Result<()> + Send,
    work: impl FnOnce() -> Result<()>,
) -> Result<()> {
    std::thread::scope(|scope| {
        // It goes with this closure, whatever becomes of the work.
        let (working, over) = channel::<()>();
        let watch = scope.spawn(move || {
            let mut tight = Ok(());
            while over.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                if tight.is_ok() {
                    tight = fits();
                }
                // Whoever could not be ended is so in a moment.
                if tight.is_err() {
                    drop(end());
                }
            }
            tight
        });
        let worked = work();
        drop(working);
        let tight = watch
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        tight.and(worked)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn work_that_would_never_end_is_ended_when_the_disk_gets_tight() {
        let (looks, ends) = (AtomicU32::new(0), AtomicU32::new(0));
        let fits = || match looks.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(()),
            _ => Err(Failure::refused("tight")),
        };
        // The first try ends nobody: the session had not begun.
        let end = || {
            ends.fetch_add(1, Ordering::SeqCst);
            Err(Failure::failed("nobody is there"))
        };
        let work = || {
            while ends.load(Ordering::SeqCst) < 2 {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(Failure::failed("its session was ended"))
        };
        let failure = watched(fits, end, work).unwrap_err();
        assert_eq!(failure.chain(), ["tight"]);
        assert_eq!(looks.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn work_that_fits_is_left_alone() {
        let untouched = || -> Result<()> { panic!("nobody is to be ended") };
        watched(
            || Ok(()),
            untouched,
            || {
                std::thread::sleep(PAUSE * 3);
                Ok(())
            },
        )
        .unwrap();
        let failure = watched(|| Ok(()), untouched, || Err(Failure::failed("its own")));
        assert_eq!(failure.unwrap_err().chain(), ["its own"]);
    }
}
