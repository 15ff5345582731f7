//! Plain lines on standard error, at most so many, and never a reason to stand still.

use std::cell::Cell;
use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Lines that may be said at once after silence.
const BURST: u32 = 20;

/// After a burst, one line per this time.
const REFILL: Duration = Duration::from_secs(1);

/// Lines that may wait for a slow reader of standard error; more are dropped.
const BACKLOG: usize = 64;

/// Writes lines from a thread of its own: a full log disk blocks its writer, which must not be the gate.
#[derive(Debug)]
pub(crate) struct Log {
    lines: SyncSender<String>,
    budget: Cell<Budget>,
}

/// A token bucket that counts what it swallowed.
#[derive(Clone, Copy, Debug)]
struct Budget {
    tokens: u32,
    refilled: Instant,
    swallowed: u64,
}

impl Log {
    /// Starts the writing thread; it ends with the process.
    pub(crate) fn start() -> Self {
        let (lines, waiting) = sync_channel(BACKLOG);
        std::thread::spawn(move || write_all(&waiting));
        Self {
            lines,
            budget: Cell::new(Budget::full(Instant::now())),
        }
    }

    /// Says one line, unless too many were said lately.
    pub(crate) fn say(&self, line: &str) {
        let mut budget = self.budget.get();
        let allowed = budget.take(Instant::now());
        if let Some(swallowed) = allowed {
            let tail = if swallowed == 0 {
                String::new()
            } else {
                format!(" ({swallowed} lines left out)")
            };
            if self.lines.try_send(format!("{line}{tail}")).is_err() {
                budget.swallowed = swallowed + 1;
            }
        }
        self.budget.set(budget);
    }
}

impl Budget {
    fn full(now: Instant) -> Self {
        Self {
            tokens: BURST,
            refilled: now,
            swallowed: 0,
        }
    }

    /// Takes one token; answers how many lines were swallowed before this one, `None` when it is swallowed too.
    fn take(&mut self, now: Instant) -> Option<u64> {
        self.refill(now);
        if self.tokens == 0 {
            self.swallowed += 1;
            return None;
        }
        self.tokens -= 1;
        Some(std::mem::take(&mut self.swallowed))
    }

    fn refill(&mut self, now: Instant) {
        let earned = now.duration_since(self.refilled).as_secs() / REFILL.as_secs();
        if earned > 0 {
            self.tokens = BURST.min(self.tokens.saturating_add(u32::try_from(earned).unwrap_or(BURST)));
            self.refilled = now;
        }
    }
}

fn write_all(waiting: &Receiver<String>) {
    for line in waiting {
        log_line(&line);
    }
}

/// Writes one line to standard error, its time (UTC) first; where that is closed there is nobody left to tell.
pub(crate) fn log_line(line: &str) {
    let time = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S,%3f");
    writeln!(std::io::stderr(), "{time} {line}").ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted() {
        let start = Instant::now();
        let mut budget = Budget::full(start);
        let said = (0..100).filter(|_| budget.take(start).is_some()).count();
        assert_eq!(said, 20);
        assert_eq!(budget.take(start + REFILL), Some(80));
        assert_eq!(budget.take(start + REFILL), None);
    }
}
