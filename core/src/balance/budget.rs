//! How much may be sent again beside what is sent for the first time, so that retries never become the load.
//!
//! Two accounts per upstream. Where a rule retries what adds load for certain (answers, time-outs), every request earns
//! a share of a retry. Else nothing is counted for a request that goes well: retries in flight are then bounded by
//! requests in flight.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use crate::config::Share;

/// What a retry costs; a request earns its share of that.
const PRICE: i64 = Share::WHOLE.0 as i64;
/// Retries that are always allowed, and that a quiet upstream starts with: one in five of three requests would be none.
const GIVEN: u32 = 3;
/// Retries that can be saved up. Chosen: a burst of errors after a good hour must not be answered by a storm.
const MOST_SAVED: i64 = 10;

/// The accounts of one upstream.
#[derive(Debug)]
pub struct Budget {
    saved: AtomicI64,
    flying: AtomicU32,
    /// Attempts that there was not enough for.
    refused: AtomicU64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { saved: AtomicI64::new(i64::from(GIVEN) * PRICE), flying: AtomicU32::new(0), refused: AtomicU64::new(0) }
    }
}

impl Budget {
    /// Counts a request of a rule whose retries are paid from what requests earn.
    pub fn earn(&self, share: Share) {
        let earned = i64::from(share.0);
        if self.saved.fetch_add(earned, Ordering::Relaxed) + earned > MOST_SAVED * PRICE {
            self.saved.fetch_sub(earned, Ordering::Relaxed);
        }
    }

    /// Pays for a retry from what was earned; tells whether there was enough.
    pub fn spend(&self) -> bool {
        let enough = self.saved.fetch_sub(PRICE, Ordering::Relaxed) >= PRICE;
        if !enough {
            self.saved.fetch_add(PRICE, Ordering::Relaxed);
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        enough
    }

    /// Whether one more may be in flight beside `active` exchanges.
    pub fn allows(&self, active: u64, share: Share) -> bool {
        let allows = u64::from(self.flying.load(Ordering::Relaxed)) < u64::from(GIVEN) + share.of(active);
        if !allows {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        allows
    }

    /// How many attempts there was not enough for.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// A retry begins.
    pub fn begin(&self) {
        self.flying.fetch_add(1, Ordering::Relaxed);
    }

    /// A retry has ended.
    pub fn end(&self) {
        self.flying.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIFTH: Share = Share(200_000);

    /// However many fail, what is sent again is a fifth of what is sent, but for the few that are given.
    #[test]
    fn a_storm_adds_a_fifth() {
        let budget = Budget::default();
        let retries = (0..10_000).filter(|_| {
            budget.earn(FIFTH);
            budget.spend()
        });
        assert_eq!(retries.count(), 2003);
    }

    #[test]
    fn a_quiet_hour_saves_for_ten() {
        let budget = Budget::default();
        (0..10_000).for_each(|_| budget.earn(FIFTH));
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
    }

    #[test]
    fn retries_in_flight_are_a_fifth_and_three() {
        let budget = Budget::default();
        let begun = (0..100).filter(|_| {
            budget.allows(50, FIFTH) && {
                budget.begin();
                true
            }
        });
        assert_eq!(begun.count(), 13);
        budget.end();
        assert!(budget.allows(50, FIFTH));
    }
}
