//! What is counted of one route, endpoint or upstream: a block of counters for each worker, which alone writes it.
//!
//! A block hangs at the live thing that it counts (`live`), so the data path finds it by pointer and it goes when that
//! goes. It is made when something is first counted: ten thousand routes that nobody asks for cost nothing.

use std::sync::OnceLock;
use std::time::Duration;

use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;

use super::counters::Counter;
use crate::worker::Worker;

/// Counters of one thing, one block for each worker.
#[derive(Debug)]
pub struct Meter<T>(OnceLock<Box<[Part<T>]>>);

/// A block on cache lines of its own: workers don't disturb each other.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Part<T>(T);

impl<T> Default for Meter<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T: Default> Meter<T> {
    /// The block of a worker.
    #[inline]
    pub fn of(&self, worker: &Worker) -> Option<&T> {
        let parts = self.0.get_or_init(|| worker.process.workers.iter().map(|_| Part::default()).collect());
        parts.get(worker.index).map(|part| &part.0)
    }

    /// The blocks of all workers; none where nothing was counted yet.
    pub fn parts(&self) -> impl Iterator<Item = &T> {
        self.0.get().into_iter().flatten().map(|part| &part.0)
    }
}

/// Answers by the first digit of their status; 0 is none.
pub type Classes = [Counter; 6];

/// Counts a status.
#[inline]
pub fn class(classes: &Classes, status: u16) {
    if let Some(counter) = classes.get(usize::from(status / 100)) {
        counter.add(1);
    }
}

/// What is counted of a route.
#[derive(Debug)]
pub struct RouteCounts {
    /// Exchanges by the class of the status that the client got.
    pub answers: Classes,
    /// Bytes of requests' bodies, and from clients through tunnels.
    pub bytes_in: Counter,
    /// Bytes of answers, and to clients through tunnels.
    pub bytes_out: Counter,
    /// From the whole head to the last byte of the answer; tunnels are not in it.
    pub duration: Histogram,
    /// Exchanges that the proxy ended itself.
    pub reasons: [Counter; Reason::ALL.len()],
}

impl Default for RouteCounts {
    fn default() -> Self {
        Self {
            answers: Classes::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            duration: Histogram::default(),
            reasons: std::array::from_fn(|_| Counter::default()),
        }
    }
}

/// What is counted of an endpoint.
#[derive(Debug, Default)]
pub struct EndpointCounts {
    /// Attempts by the class of the status that it gave.
    pub answers: Classes,
    /// Attempts that came to nothing, or were made again.
    pub failed: Counter,
    /// Connections that are kept for it and idle, as of the last look (once a second).
    pub idle: Counter,
    /// Connections opened to it for an exchange, by how long that took.
    pub connect: Histogram,
    /// From the request's whole head to the first byte of its answer.
    pub first_byte: Histogram,
}

/// What is counted of an upstream besides its endpoints.
#[derive(Debug, Default)]
pub struct UpstreamCounts {
    /// Attempts after the first.
    pub retries: Counter,
    /// How long requests were held, in the queue or until an endpoint came up.
    pub held: Histogram,
}

/// The number of buckets: see [`Histogram`].
pub const BUCKETS: usize = 44;

/// Durations in buckets that grow with them: two for each doubling, from 64 µs to 134 s (log-linear). What is below is in the
/// first, what is above in the last. Chosen: a percentile read out of it is wrong by a sixth at most.
#[derive(Debug)]
pub struct Histogram {
    /// All of them together, in microseconds.
    pub sum: Counter,
    /// How many there were in each.
    pub buckets: [Counter; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { sum: Counter::default(), buckets: std::array::from_fn(|_| Counter::default()) }
    }
}

/// A duration with the bucket that it falls into, found once for all histograms that it goes into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    micros: u64,
    bucket: usize,
}

/// The first doubling that has buckets of its own begins at this power of two, in microseconds.
const FIRST: u32 = 6;

impl Measured {
    /// The time between two moments.
    #[inline]
    pub fn between(start: Moment, end: Moment) -> Self {
        Self::micros(end.as_nanos().saturating_sub(start.as_nanos()) / 1000)
    }

    /// A duration.
    pub fn of(time: Duration) -> Self {
        Self::micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    }

    #[inline]
    fn micros(micros: u64) -> Self {
        if micros < 1 << FIRST {
            return Self { micros, bucket: 0 };
        }
        let doubling = micros.ilog2();
        let half = (micros >> (doubling - 1)) & 1;
        let bucket = ((doubling - FIRST) * 2 + 1) as usize + usize::from(half == 1);
        Self { micros, bucket: bucket.min(BUCKETS - 1) }
    }
}

impl Histogram {
    /// Counts a duration.
    #[inline]
    pub fn add(&self, time: Measured) {
        self.sum.add(time.micros);
        if let Some(bucket) = self.buckets.get(time.bucket) {
            bucket.add(1);
        }
    }
}

/// Histograms of several workers, or several things, added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Microseconds.
    pub sum: u64,
    /// By bucket.
    pub buckets: [u64; BUCKETS],
}

impl Default for Sum {
    fn default() -> Self {
        Self { sum: 0, buckets: [0; BUCKETS] }
    }
}

impl Sum {
    /// Adds a histogram.
    pub fn add(&mut self, histogram: &Histogram) {
        self.sum = self.sum.wrapping_add(histogram.sum.read());
        for (total, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *total = total.wrapping_add(bucket.read());
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What came since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut since = self.clone();
        since.sum = since.sum.wrapping_sub(before.sum);
        for (now, then) in since.buckets.iter_mut().zip(&before.buckets) {
            *now = now.saturating_sub(*then);
        }
        since
    }

    /// Below what a share of them lies, from 0 to 1, taking them as spread evenly within a bucket. `None` where there are
    /// none.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let wanted = float(count) * share;
        let mut below = 0;
        for (bucket, &here) in self.buckets.iter().enumerate() {
            if here > 0 && float(below + here) >= wanted {
                let (from, to) = (bound(bucket.wrapping_sub(1)).unwrap_or(0), bound(bucket));
                let to = to.unwrap_or(from);
                let within = (wanted - float(below)) / float(here);
                let micros = float(from) + float(to - from) * within;
                return Some(Duration::from_secs_f64(micros / 1e6));
            }
            below += here;
        }
        None
    }
}

/// Where a bucket ends, in microseconds; `None` for the last, which has no end, and for what is no bucket.
pub const fn bound(bucket: usize) -> Option<u64> {
    if bucket >= BUCKETS - 1 {
        return None;
    }
    if bucket == 0 {
        return Some(1 << FIRST);
    }
    let start = 1_u64 << (FIRST as usize + (bucket - 1) / 2);
    Some(if bucket % 2 == 1 { start + start / 2 } else { start * 2 })
}

fn float(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share of so many needs no last digit")]
    {
        count as f64
    }
}

#[cfg(test)]
mod tests {
    use super::{BUCKETS, Histogram, Measured, Sum, bound};
    use std::time::Duration;

    #[test]
    fn a_duration_lies_below_the_end_of_its_bucket_and_not_below_that_of_the_one_before() {
        let mut micros = 0_u64;
        while micros < 1 << 29 {
            let bucket = Measured::micros(micros).bucket;
            assert!(bound(bucket).is_none_or(|end| micros < end), "{micros} in {bucket}");
            assert!(bucket == 0 || bound(bucket - 1).unwrap() <= micros, "{micros} in {bucket}");
            micros += micros / 37 + 1;
        }
        assert_eq!(Measured::micros(u64::MAX).bucket, BUCKETS - 1);
        assert_eq!(bound(BUCKETS - 1), None);
        assert_eq!(bound(BUCKETS - 2), Some(1 << 27));
    }

    #[test]
    fn percentiles() {
        let check = |micros: &[u64], share, expect: Option<(u64, u64)>| {
            let (histogram, mut sum) = (Histogram::default(), Sum::default());
            micros.iter().for_each(|&micros| histogram.add(Measured::micros(micros)));
            sum.add(&histogram);
            let found = sum.percentile(share).map(|time| time.as_micros());
            let lies = match (found, expect) {
                (None, None) => true,
                (Some(found), Some((from, to))) => (from.into()..=to.into()).contains(&found),
                (Some(_), None) | (None, Some(_)) => false,
            };
            assert!(lies, "{micros:?} {share}: {found:?}, not {expect:?}");
        };
        check(&[], 0.5, None);
        check(&[1000], 0.5, Some((768, 1024)));
        check(&[1000], 0.99, Some((768, 1024)));
        let mostly: Vec<u64> = (0..99).map(|_| 200).chain([50_000]).collect();
        check(&mostly, 0.5, Some((192, 256)));
        check(&mostly, 0.999, Some((49_152, 65_536)));
        check(&[u64::from(u32::MAX)], 0.5, Some((1 << 27, 1 << 27)));
    }

    #[test]
    fn what_came_since() {
        let (histogram, mut before, mut after) = (Histogram::default(), Sum::default(), Sum::default());
        histogram.add(Measured::of(Duration::from_millis(1)));
        before.add(&histogram);
        histogram.add(Measured::of(Duration::from_secs(1)));
        after.add(&histogram);
        let since = after.since(&before);
        assert_eq!((since.count(), since.sum), (1, 1_000_000));
    }
}
