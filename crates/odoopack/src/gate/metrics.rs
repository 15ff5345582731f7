//! What one environment has counted since the gate started.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use hyper::StatusCode;
use odoopack_core::gate::{Counters, Latency};

/// Steps per power of two: a value is known to one sixteenth.
const STEPS: usize = 16;

/// Above 2^32 microseconds (71 minutes) everything is one bucket.
const BUCKETS: usize = (32 - 3) * STEPS;

/// Counters and one histogram, for a single thread.
#[derive(Debug)]
pub(crate) struct Metrics {
    counters: Cell<Counters>,
    latency: RefCell<Histogram>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            counters: Cell::default(),
            latency: RefCell::new(Histogram::new()),
        }
    }

    /// Changes counters; the closure is the whole story of one event.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counters)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }

    pub(crate) fn count_answer(&self, status: StatusCode) {
        self.count(|counters| *class(counters, status) += 1);
    }

    /// Remembers how long an answer's first byte took.
    pub(crate) fn first_byte(&self, took: Duration) {
        self.latency.borrow_mut().add(took);
    }

    pub(crate) fn counters(&self) -> Counters {
        self.counters.get()
    }

    pub(crate) fn latency(&self) -> Latency {
        self.latency.borrow().summary()
    }
}

fn class(counters: &mut Counters, status: StatusCode) -> &mut u64 {
    match status.as_u16() {
        0..200 => &mut counters.answered_1xx,
        200..300 => &mut counters.answered_2xx,
        300..400 => &mut counters.answered_3xx,
        400..500 => &mut counters.answered_4xx,
        _ => &mut counters.answered_5xx,
    }
}

/// Microseconds in buckets that grow with the value.
#[derive(Debug)]
struct Histogram {
    buckets: Box<[u64]>,
    samples: u64,
}

impl Histogram {
    fn new() -> Self {
        Self {
            buckets: vec![0; BUCKETS].into_boxed_slice(),
            samples: 0,
        }
    }

    fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(micros)] += 1;
        self.samples += 1;
    }

    fn summary(&self) -> Latency {
        Latency {
            samples: self.samples,
            p50: self.percentile(50),
            p95: self.percentile(95),
            p99: self.percentile(99),
        }
    }

    /// The upper edge of the bucket that holds the percentile; zero without samples.
    fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.samples * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let found = self.buckets.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.map_or(0, upper_edge)
    }
}

fn bucket_of(micros: u64) -> usize {
    let value = usize::try_from(micros.min(u64::from(u32::MAX))).unwrap_or(usize::MAX);
    if value < STEPS {
        return value;
    }
    let power = value.ilog2() as usize;
    (power - 3) * STEPS + (value >> (power - 4)) % STEPS
}

fn upper_edge(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let power = bucket / STEPS + 3;
    (((STEPS + bucket % STEPS + 1) as u64) << (power - 4)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(upper_edge(bucket)), bucket);
            assert_eq!(bucket_of(upper_edge(bucket) + 1), (bucket + 1).min(BUCKETS - 1));
        }
    }

    #[test]
    fn percentiles_are_close_and_never_below() {
        let mut histogram = Histogram::new();
        for micros in 1..=10_000 {
            histogram.add(Duration::from_micros(micros));
        }
        let summary = histogram.summary();
        for (found, truth) in [(summary.p50, 5_000), (summary.p95, 9_500), (summary.p99, 9_900)] {
            assert!(
                found >= truth && found <= truth * 107 / 100,
                "{found} for {truth}"
            );
        }
    }

    #[test]
    fn nothing_measured_is_zero_and_hours_fit() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.summary(), Latency::default());
        histogram.add(Duration::from_hours(10));
        assert_eq!(histogram.summary().p50, u64::from(u32::MAX));
    }

    #[test]
    fn answers_are_counted_by_class() {
        let metrics = Metrics::new();
        for status in [200, 204, 302, 404, 502] {
            metrics.count_answer(StatusCode::from_u16(status).unwrap());
        }
        let counters = metrics.counters();
        assert_eq!((counters.answered_2xx, counters.answered_3xx), (2, 1));
        assert_eq!((counters.answered_4xx, counters.answered_5xx), (1, 1));
    }
}
