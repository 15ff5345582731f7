//! Times of repeated runs, and what may be said about them.
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Durations of the same thing done again and again, sorted.
#[derive(Clone, Debug)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    /// At least one time; nothing can be said about none.
    pub(super) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        (!times.is_empty()).then_some(Self(times))
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn median(&self) -> Duration {
        self.at(50)
    }

    /// 95 of 100 took no longer.
    pub(super) fn p95(&self) -> Duration {
        self.at(95)
    }

    pub(super) fn least(&self) -> Duration {
        self.0[0]
    }

    pub(super) fn most(&self) -> Duration {
        self.0[self.0.len() - 1]
    }

    /// Nearest rank; `0` is the least, `100` the most.
    fn at(&self, percent: usize) -> Duration {
        self.0[(self.0.len() - 1) * percent / 100]
    }
}

/// One run of a command that must end well; nobody types into it.
pub(super) fn timed(command: &mut Command) -> Result<Duration> {
    command.stdin(Stdio::null());
    let start = Instant::now();
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    let took = start.elapsed();
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(took)
}

/// Times `runs` runs of the same thing.
pub(super) fn measure<E>(runs: usize, mut once: impl FnMut() -> Result<Duration, E>) -> Result<Times, E> {
    let mut times = Vec::with_capacity(runs.max(1));
    for _ in 0..runs.max(1) {
        times.push(once()?);
    }
    Ok(Times::of(times).unwrap_or(Times(vec![Duration::ZERO])))
}

/// Three digits that mean something, in the unit that suits them.
pub(super) fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.001 {
        format!("{:.0} µs", seconds * 1e6)
    } else if seconds < 1.0 {
        let milliseconds = seconds * 1e3;
        format!("{milliseconds:.*} ms", digits(milliseconds))
    } else {
        format!("{seconds:.*} s", digits(seconds))
    }
}

fn digits(number: f64) -> usize {
    match number {
        number if number < 10.0 => 2,
        number if number < 100.0 => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_p95_near_the_end() {
        let times = Times::of((1..=100).rev().map(Duration::from_millis).collect()).unwrap();
        let found = [times.least(), times.median(), times.p95(), times.most()].map(|time| time.as_millis());
        assert_eq!(found, [1, 50, 95, 100]);
        assert_eq!(times.count(), 100);
        assert!(Times::of(Vec::new()).is_none());
    }

    #[test]
    fn times_have_three_digits_and_a_unit() {
        for (microseconds, text) in [
            (87, "87 µs"),
            (1_234, "1.23 ms"),
            (45_678, "45.7 ms"),
            (456_789, "457 ms"),
            (1_500_000, "1.50 s"),
            (123_456_789, "123 s"),
        ] {
            assert_eq!(shown(Duration::from_micros(microseconds)), text);
        }
    }
}
