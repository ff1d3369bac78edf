//! What is known about an endpoint while it serves: whether it may be picked, how much it does, how fast it answers.
//!
//! Atomics alone, shared by all workers and kept through reloads. Picks read them; each flag has one cause and one
//! writer, so that no writer undoes what another has said. Nothing here reads a clock.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::moment::Moment;

/// A reason why an endpoint gets no request, or fewer than its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Flag {
    /// Its probes fail.
    Failing = 1,
    /// What it did to requests took it out for a while. A guess: the panic threshold overrides it.
    Ejected = 2,
    /// The operator lets it end what it has: only those who are bound to it come.
    Drain = 4,
    /// The operator took it out.
    Maint = 8,
    /// Its name does not resolve yet.
    Unresolved = 16,
    /// It has come up lately and gets less than its share at first.
    Ramp = 32,
}

/// What forbids any pick, and what still lets bound clients come.
const OUT: u32 = Flag::Failing as u32 | Flag::Maint as u32 | Flag::Unresolved as u32;

/// How slowly a latency is forgotten: after this time a past answer counts for 37 %. Chosen, as others did.
const MEMORY: Duration = Duration::from_secs(10);

/// In which time half of a latency is forgotten: that of [`MEMORY`], in nanoseconds, times ln 2.
const HALF: u64 = 6_931_471_806;

/// The least share of its weight that a ramping endpoint gets, so that it is not starved: 1/16. Chosen.
const LEAST_RAMP: u64 = FULL / 16;

/// The whole of a weight, for what is a share of one.
pub const FULL: u64 = 256;

/// The live state of one endpoint.
#[derive(Debug, Default)]
pub struct Standing {
    flags: AtomicU32,
    active: AtomicU32,
    ramp_from: AtomicU64,
    latency: AtomicU64,
    measured: AtomicU64,
}

impl Standing {
    /// Sets a flag; tells whether that changed anything.
    pub fn set(&self, flag: Flag) -> bool {
        self.flags.fetch_or(flag as u32, Ordering::AcqRel) & flag as u32 == 0
    }

    /// Clears a flag; tells whether that changed anything.
    pub fn clear(&self, flag: Flag) -> bool {
        self.flags.fetch_and(!(flag as u32), Ordering::AcqRel) & flag as u32 != 0
    }

    /// Whether a flag is set.
    #[must_use]
    pub fn has(&self, flag: Flag) -> bool {
        self.flags() & flag as u32 != 0
    }

    /// Begins a slow start. It ends by itself, when a pick sees that its time is over.
    pub fn ramp(&self, now: Moment) {
        self.ramp_from.store(now.as_nanos(), Ordering::Relaxed);
        self.set(Flag::Ramp);
    }

    /// Whether anybody may be sent there.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.flags() & !(Flag::Ramp as u32) == 0
    }

    /// Whether a client that is bound to it may be sent there.
    #[must_use]
    pub fn is_up_for_bound(&self) -> bool {
        self.flags() & (OUT | Flag::Ejected as u32) == 0
    }

    /// Whether it would be up but for its ejection.
    #[must_use]
    pub fn is_only_ejected(&self) -> bool {
        self.flags() & (OUT | Flag::Drain as u32) == 0
    }

    /// Whether it may be picked once its name resolves, where `panic` lets the ejected serve.
    pub(super) fn is_fit(&self, panic: bool) -> bool {
        let pardoned = if panic { Flag::Ejected as u32 } else { 0 };
        self.flags() & !(Flag::Ramp as u32 | Flag::Unresolved as u32 | pardoned) == 0
    }

    fn flags(&self) -> u32 {
        self.flags.load(Ordering::Acquire)
    }

    /// Whether not one flag is set: the one question of the ordinary pick.
    pub(super) fn is_plain(&self) -> bool {
        self.flags() == 0
    }

    /// What share of its weight it gets at `now`, of [`FULL`]; ends a slow start that is over.
    pub(super) fn share(&self, slow_start: Duration, now: Moment) -> u64 {
        if !self.has(Flag::Ramp) {
            return FULL;
        }
        let passed = now.since(Moment::from_nanos(self.ramp_from.load(Ordering::Relaxed)));
        if passed >= slow_start {
            self.clear(Flag::Ramp);
            return FULL;
        }
        let share = u128::from(FULL) * passed.as_nanos() / slow_start.as_nanos().max(1);
        u64::try_from(share).unwrap_or(FULL).max(LEAST_RAMP)
    }

    /// Exchanges and tunnels that it serves. Ordered against who waits for one of them to end.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::SeqCst)
    }

    /// Counts one more, and tells how many there were.
    pub fn enter(&self) -> u32 {
        self.active.fetch_add(1, Ordering::SeqCst)
    }

    /// Counts one less.
    pub fn leave(&self) {
        self.active.fetch_sub(1, Ordering::SeqCst);
    }

    /// Takes note of how long it took to answer. A slower answer than known counts at once, a faster one by and by:
    /// an endpoint that stalls is seen with its first slow answer (the peak of peak EWMA).
    pub fn measure(&self, took: Duration, now: Moment) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        let known = self.latency();
        let passed = now.since(Moment::from_nanos(self.measured.swap(now.as_nanos(), Ordering::Relaxed)));
        // Two workers may measure at once; one of the two answers is then forgotten, which an average bears.
        let next = if took >= known { took } else { blend(known, took, passed) };
        self.latency.store(next, Ordering::Relaxed);
    }

    /// The latency in nanoseconds that it is chosen by at `now`; 0 while nothing is known. What was measured long ago is
    /// forgotten as by a measure: who is picked no more for a slow answer would never show that it is quick again.
    #[must_use]
    pub fn expected(&self, now: Moment) -> u64 {
        let known = self.latency();
        if known == 0 {
            return 0;
        }
        let passed = now.since(Moment::from_nanos(self.measured.load(Ordering::Relaxed)));
        let passed = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
        // Halves, and a straight line between two of them: no power of e for each endpoint of each pick.
        let half = known.checked_shr(u32::try_from(passed / HALF).unwrap_or(u32::MAX)).unwrap_or(0);
        let part = passed % HALF / (HALF / FULL);
        (half - (half / 2 / FULL).saturating_mul(part)).max(1)
    }

    /// The latency in nanoseconds that is to be expected; 0 while nothing is known.
    #[must_use]
    pub fn latency(&self) -> u64 {
        self.latency.load(Ordering::Relaxed)
    }
}

/// An average of old and new, by the time between them: `new + (old − new)·e^(−t/memory)`.
fn blend(old: u64, new: u64, passed: Duration) -> u64 {
    let keep = (-passed.as_secs_f64() / MEMORY.as_secs_f64()).exp();
    #[expect(clippy::cast_possible_truncation, reason = "between old and new")]
    let kept = ((old - new) as f64 * keep) as u64;
    new + kept
}
