//! Counts and latencies of one load, and their JSON line.

use std::time::{Duration, Instant};

/// What one connection, or all of them, saw.
#[derive(Default)]
pub(crate) struct Report {
    /// Requests, messages or events.
    pub(crate) count: u64,
    pub(crate) errors: u64,
    pub(crate) seconds: f64,
    micros: Vec<u32>,
}

impl Report {
    /// Counts one success that took `time`.
    pub(crate) fn add(&mut self, time: Duration) {
        self.count += 1;
        self.micros.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    /// Counts one exchange begun at `begun`, done or failed.
    pub(crate) fn count_one<T, E>(&mut self, outcome: &Result<T, E>, begun: Instant) {
        match outcome {
            Ok(_) => self.add(begun.elapsed()),
            Err(_) => self.errors += 1,
        }
    }

    pub(crate) fn merge(&mut self, other: Report) {
        self.count += other.count;
        self.errors += other.errors;
        self.micros.extend(other.micros);
    }

    /// Sets the measured time, from `start` until now.
    pub(crate) fn since(mut self, start: Instant) -> Report {
        self.seconds = start.elapsed().as_secs_f64();
        self
    }

    pub(crate) fn json(mut self) -> String {
        self.micros.sort_unstable();
        let Report { count, errors, seconds, .. } = self;
        let (p50, p99) = (self.percentile(50), self.percentile(99));
        format!(
            r#"{{"count": {count}, "errors": {errors}, "seconds": {seconds:.3}, "p50_us": {p50}, "p99_us": {p99}}}"#
        )
    }

    /// The latency in microseconds under which `percent` of the sorted samples lie; 0 without samples.
    fn percentile(&self, percent: usize) -> u32 {
        let last = self.micros.len().saturating_sub(1);
        self.micros.get(last * percent / 100).copied().unwrap_or(0)
    }
}
