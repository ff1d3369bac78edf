//! How fast a body may pass: so many bytes a second, and an eighth of a second's at once. What was not used is not saved up.

use std::task::{Context, Poll};
use std::time::Duration;

use switchboard_core::moment::Moment;

use super::Pump;
use crate::deadline::Deadline;

impl Pump {
    /// The allowance of a body that no pace is set for: more than ever passes.
    pub const UNPACED: u64 = u64::MAX;
}

/// The pace of one body.
#[derive(Debug)]
pub struct Pace {
    /// Bytes a second.
    rate: u64,
    /// What may pass at once.
    burst: u64,
    /// Since when it is counted, and what had passed by then.
    since: Moment,
    from: u64,
    /// When it is worth to look again, where nothing is left.
    pub next: Moment,
}

impl Pace {
    /// Of `rate` bytes a second.
    pub const fn new(rate: u64) -> Self {
        let burst = if rate < 8 * 512 { 512 } else { rate / 8 };
        Self { rate, burst, since: Moment::ZERO, from: 0, next: Moment::ZERO }
    }

    /// Waits until more may pass, where the last look has left nothing; ready when `ends` has come instead.
    pub fn poll(&self, context: &mut Context<'_>, deadline: &Deadline, ends: Moment) -> Poll<()> {
        deadline.set(self.next.min(ends));
        if deadline.has_come() {
            if ends <= deadline.clock().about_now() {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// How much may pass now, when `passed` bytes have passed in all.
    pub fn allowance(&mut self, now: Moment, passed: u64) -> u64 {
        if self.since == Moment::ZERO {
            self.since = now;
        }
        let earned = now.since(self.since).as_nanos().saturating_mul(u128::from(self.rate)) / 1_000_000_000;
        let earned = u64::try_from(earned).unwrap_or(u64::MAX).saturating_add(self.burst);
        let left = earned.saturating_sub(passed - self.from);
        if left > self.burst {
            (self.since, self.from) = (now, passed);
            return self.burst;
        }
        if left < self.burst / 2 {
            // In pieces of half a burst: a wake-up for each byte would cost more than the byte.
            let wanted = u128::from(self.burst / 2 - left).saturating_mul(1_000_000_000) / u128::from(self.rate);
            self.next =
                now + Duration::from_nanos(u64::try_from(wanted).unwrap_or(u64::MAX)).max(Duration::from_millis(1));
            return 0;
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_passes_at_its_rate_and_saves_nothing_up() {
        let at = |millis: u64| Moment::ZERO + Duration::from_millis(1_000 + millis);
        let mut pace = Pace::new(80_000);
        assert_eq!(pace.allowance(at(0), 0), 10_000);
        assert_eq!(pace.allowance(at(0), 10_000), 0);
        assert!(pace.next > at(60) && pace.next <= at(63));
        assert_eq!(pace.allowance(at(100), 10_000), 8_000);
        let mut passed = 18_000;
        for millis in 100..1_100 {
            passed += pace.allowance(at(millis), passed);
        }
        assert!((80_000..=98_000).contains(&passed), "{passed}");
        // An hour of silence is worth one burst.
        assert_eq!(pace.allowance(at(3_600_000), passed), 10_000);
    }
}
