//! How fast a place is written and read: so many bytes in a second, and not more.
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Shared by everything that talks to one place; without a limit until one is set.
#[derive(Clone, Debug, Default)]
pub struct Pace(Arc<OnceLock<Limit>>);

#[derive(Debug)]
struct Limit {
    bytes_per_second: u64,
    /// When everything that was allowed so far has passed.
    free: Mutex<Instant>,
}

impl Pace {
    /// From now on at most so many bytes in a second; 0 sets nothing. The first limit stays.
    pub fn limit(&self, bytes_per_second: u64) {
        if bytes_per_second > 0 {
            self.0.get_or_init(|| Limit {
                bytes_per_second,
                free: Mutex::new(Instant::now()),
            });
        }
    }

    /// Waits until `bytes` more may pass.
    pub fn wait(&self, bytes: usize) {
        if let Some(pause) = self.claim(Instant::now(), bytes) {
            std::thread::sleep(pause);
        }
    }

    /// Claims the next so many bytes; returns how long after `now` they may begin, `None` when at once.
    pub(crate) fn claim(&self, now: Instant, bytes: usize) -> Option<Duration> {
        let limit = self.0.get()?;
        let mut free = limit.free.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = (*free).max(now);
        let micros = (bytes as u128 * 1_000_000).div_ceil(u128::from(limit.bytes_per_second));
        *free = begin + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        Some(begin - now).filter(|pause| !pause.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_in_a_while_is_what_was_allowed() {
        let pace = Pace::default();
        let now = Instant::now();
        assert_eq!(pace.claim(now, 1 << 30), None);
        pace.limit(1000);
        let second = Duration::from_secs(1);
        let now = Instant::now() + second;
        assert_eq!(pace.claim(now, 500), None);
        assert_eq!(pace.claim(now, 500), Some(second / 2));
        assert_eq!(pace.clone().claim(now, 1), Some(second));
        assert_eq!(pace.claim(now + 10 * second, 1), None);
    }
}
