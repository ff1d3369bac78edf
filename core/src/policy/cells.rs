//! A bounded table of rate cells that all workers count in: one moment per key, taken without a lock.
//!
//! The control thread makes one for each limit and lets the next generation have it too. Its size is fixed when it is
//! made: keys that nobody used for long make room, and where all are in use the one nearest to its end does (case 161).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::moment::Moment;

/// How many keys a table holds: 1 MiB. Chosen: more clients than that within one burst are an attack, not traffic.
const KEYS: usize = 1 << 16;

/// Keys that share a place, two cache lines: they are looked through in order.
const WAYS: usize = 8;

/// How far one worker's clock may be behind another's: it is read by the tick. So much too early is in time, if it is not
/// so much that there were a request more at once.
const GRAIN: u64 = 10_000_000;

/// How fast, and how much at once: the generic cell rate algorithm, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two requests at the steady rate.
    interval: u64,
    /// How far ahead of its time a request may come.
    tolerance: u64,
}

impl Pace {
    /// `count` requests per `per`, and `burst` of them at once from rest; none of the three is zero.
    #[must_use]
    pub fn new(count: u32, per: Duration, burst: u32) -> Self {
        let per = u64::try_from(per.as_nanos()).unwrap_or(u64::MAX);
        let interval = (per / u64::from(count.max(1))).max(1);
        Self { interval, tolerance: interval.saturating_mul(u64::from(burst.max(1)) - 1) }
    }

    pub(super) const fn interval(self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// Interval and tolerance in microseconds, for stores that count in them.
    pub(super) const fn micros(self) -> [f64; 2] {
        [self.interval as f64 / 1000.0, self.tolerance as f64 / 1000.0]
    }

    /// The moment up to which a cell is taken after one more request, or how long to wait for it.
    fn next(self, taken: u64, now: u64) -> Result<u64, Duration> {
        let from = taken.max(now);
        match from.saturating_sub(now).checked_sub(self.tolerance) {
            Some(wait) if wait > GRAIN.min(self.interval / 2) => Err(Duration::from_nanos(wait)),
            Some(_) | None => Ok(from.saturating_add(self.interval)),
        }
    }
}

/// The cells of one limit.
#[derive(Debug)]
pub struct Cells {
    places: Box<[Place]>,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Place {
    cells: [Cell; WAYS],
}

/// A key by its hash, 0 for none, and the moment up to which it has taken its share.
#[derive(Debug, Default)]
struct Cell {
    tag: AtomicU64,
    taken: AtomicU64,
}

impl Default for Cells {
    fn default() -> Self {
        Self::with_keys(KEYS)
    }
}

impl Cells {
    /// A table for so many keys, a multiple of eight.
    #[must_use]
    pub fn with_keys(keys: usize) -> Self {
        Self { places: (0..(keys / WAYS).max(1)).map(|_| Place::default()).collect() }
    }

    /// How long the key with this hash would have to wait now; `None` is not at all. Takes nothing.
    #[must_use]
    pub fn wait(&self, hash: u64, pace: Pace, now: Moment) -> Option<Duration> {
        let tag = hash.max(1);
        let index = usize::try_from(hash >> 32).unwrap_or(0) % self.places.len();
        let cell = self.places.get(index)?.cells.iter().find(|cell| cell.tag.load(Ordering::Relaxed) == tag)?;
        pace.next(cell.taken.load(Ordering::Relaxed), now.as_nanos()).err()
    }

    /// Gives one request back that the key with this hash has taken; nothing where it has made room for others since.
    pub fn give_back(&self, hash: u64, pace: Pace) {
        let index = usize::try_from(hash >> 32).unwrap_or(0) % self.places.len();
        let cells = self.places.get(index).map_or(&[][..], |place| &place.cells);
        if let Some(cell) = cells.iter().find(|cell| cell.tag.load(Ordering::Relaxed) == hash.max(1)) {
            cell.give_back(pace);
        }
    }

    /// Takes one request of the key with this hash, which is a keyed one: who can choose hashes can crowd out a key.
    ///
    /// # Errors
    ///
    /// How long the key has to wait.
    pub fn take(&self, hash: u64, pace: Pace, now: Moment) -> Result<(), Duration> {
        let now = now.as_nanos();
        let tag = hash.max(1);
        let index = usize::try_from(hash >> 32).unwrap_or(0) % self.places.len();
        let Some(Place { cells }) = self.places.get(index) else { return Ok(()) };
        let same = |cell: &&Cell| cell.tag.load(Ordering::Relaxed) == tag;
        if let Some(cell) = cells.iter().find(same) {
            return cell.take(pace, now);
        }
        // The cell that was left alone for longest is free first. Two workers may take one at once: the one that comes
        // second takes the next, or counts in a cell of its own, once.
        let Some(cell) = cells.iter().min_by_key(|cell| cell.taken.load(Ordering::Relaxed)) else { return Ok(()) };
        let before = cell.tag.load(Ordering::Relaxed);
        if cell.tag.compare_exchange(before, tag, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            cell.taken.store(now, Ordering::Relaxed);
        } else if let Some(cell) = cells.iter().find(same) {
            return cell.take(pace, now);
        }
        cell.take(pace, now)
    }
}

impl Cell {
    fn give_back(&self, pace: Pace) {
        let less = |taken: u64| Some(taken.saturating_sub(pace.interval));
        // The closure always gives a value.
        let _ = self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn take(&self, pace: Pace, now: u64) -> Result<(), Duration> {
        let mut taken = self.taken.load(Ordering::Relaxed);
        loop {
            let next = pace.next(taken, now)?;
            match self.taken.compare_exchange_weak(taken, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(found) => taken = found,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_then_the_rate() {
        let (cells, pace) = (Cells::default(), Pace::new(10, Duration::from_secs(1), 3));
        let take = |millis| cells.take(7, pace, at(millis));
        for _ in 0..3 {
            assert_eq!(take(1000), Ok(()));
        }
        assert_eq!(take(1000), Err(Duration::from_millis(100)));
        assert_eq!(take(1080), Err(Duration::from_millis(20)));
        assert_eq!((take(1100), take(1100)), (Ok(()), Err(Duration::from_millis(100))));
        // Another key has its own; rest gives the burst back, and no more.
        assert_eq!(cells.take(8, pace, at(1100)), Ok(()));
        assert_eq!((0..9).filter(|_| take(9000).is_ok()).count(), 3);
    }

    #[test]
    fn a_worker_whose_clock_is_behind_lets_pass_what_is_in_time() {
        let check = |(count, per, burst), moments: &[u64], expect: &[bool]| {
            let (cells, pace) = (Cells::default(), Pace::new(count, Duration::from_secs(per), burst));
            let passed: Vec<bool> = moments.iter().map(|&millis| cells.take(7, pace, at(millis)).is_ok()).collect();
            assert_eq!(passed, expect, "{count} each {per} s, {burst} at once: {moments:?}");
        };
        // The second of two at once comes to a worker that has not seen the tick yet.
        check((1, 60, 2), &[5010, 5000, 5010], &[true, true, false]);
        check((1, 60, 2), &[5020, 5000], &[true, false]);
        check((10, 1, 3), &[5004, 5000, 5000, 5000], &[true, true, true, false]);
        // The grain gives no pace more at once or in the long run.
        check((1000, 1, 2), &[5000, 5000, 5000, 5001, 5001], &[true, true, false, true, false]);
        check((10, 1, 1), &[5000, 5090, 5180, 5200, 5280], &[true, true, false, true, false]);
    }

    /// 10,000 keys, two workers that offer five times the rate at random moments: what passes is the rate within 2 %.
    #[test]
    fn two_workers_let_pass_what_the_rate_says() {
        const KEYS: u64 = 10_000;
        const SECONDS: u64 = 12;
        let (cells, pace) = (Cells::default(), Pace::new(5, Duration::from_secs(1), 3));
        // One clock for both, as they have in a process: none is ever a millisecond ahead.
        let tick = std::sync::Barrier::new(2);
        let worker = |seed: u64| {
            let mut random = seed;
            let mut passed = 0_u64;
            for millis in 0..SECONDS * 1000 {
                tick.wait();
                // Two workers offer 5 × 5 × 10,000 a second, 125 a millisecond each.
                for _ in 0..125 {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let key = (random >> 33) % KEYS;
                    let hash = key.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                    passed += u64::from(cells.take(hash ^ (hash >> 29), pace, at(10_000 + millis)).is_ok());
                }
            }
            passed
        };
        let passed: u64 = std::thread::scope(|scope| {
            let workers = [1, 2].map(|seed| scope.spawn(move || worker(seed)));
            workers.into_iter().map(|worker| worker.join().expect("a worker counts")).sum()
        });
        let most = KEYS * (5 * SECONDS + 3);
        assert!(passed <= most + most / 50, "{passed} passed, {most} may");
        assert!(passed >= most - most / 50, "{passed} passed of {most}");
    }

    #[test]
    fn case_161_many_keys_take_no_more_memory_and_a_busy_key_stays() {
        let (cells, pace) = (Cells::default(), Pace::new(1, Duration::from_hours(1), 2));
        let size = cells.places.len() * size_of::<Place>();
        assert_eq!(size, 1 << 20);
        let busy = 0xDEAD_BEEF_0000_0001;
        assert!(cells.take(busy, pace, at(0)).is_ok() && cells.take(busy, pace, at(0)).is_ok());
        for key in 1..200_000_u64 {
            let _ = cells.take(key.wrapping_mul(0x9E37_79B9_7F4A_7C15), pace, at(1));
        }
        // Those that came once stand nearer to their end than the one that has spent its burst.
        assert!(cells.take(busy, pace, at(2)).is_err());
        assert_eq!(cells.places.len() * size_of::<Place>(), size);
    }
}
