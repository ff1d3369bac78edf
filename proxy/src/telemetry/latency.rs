//! How long exchanges took of late: what the dashboard and `switchboard top` show.
//!
//! Whoever looks leaves what he saw, and the next one counts from there: workers count for ever and know nothing of it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::meter::Sum;
use crate::process::Process;

/// How far back it looks.
const WINDOW: Duration = Duration::from_secs(10);

/// How far apart the looks are at least that are kept.
const STEP: Duration = Duration::from_millis(900);

/// The looks of the last seconds.
#[derive(Debug, Default)]
pub struct Latency(Mutex<VecDeque<(Instant, Sum)>>);

/// The middle, and what one in a hundred exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Percentiles {
    /// Half took no longer.
    pub p50: Duration,
    /// Nine in ten took no longer.
    pub p90: Duration,
    /// Ninety-nine in a hundred took no longer.
    pub p99: Duration,
}

/// All exchanges so far, of all workers.
pub fn all(process: &Process) -> Sum {
    let mut sum = Sum::default();
    process.workers.iter().for_each(|worker| sum.add(&worker.counters.duration));
    sum
}

impl Latency {
    /// Those of the last ten seconds; `None` where there was no exchange. From the first look on, durations are measured.
    pub fn percentiles(&self, process: &Process) -> Option<Percentiles> {
        process.watch();
        let (now, sum) = (Instant::now(), all(process));
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The last look before the window is where it begins.
        while looks.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= WINDOW) {
            looks.pop_front();
        }
        let since = looks.front().map_or_else(|| sum.clone(), |(_, before)| sum.since(before));
        if looks.back().is_none_or(|(at, _)| now.duration_since(*at) >= STEP) {
            looks.push_back((now, sum));
        }
        drop(looks);
        let at = |share| since.percentile(share);
        Some(Percentiles { p50: at(0.5)?, p90: at(0.9)?, p99: at(0.99)? })
    }
}
