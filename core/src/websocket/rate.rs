//! How much of a rate a WebSocket has used up: the generic cell rate algorithm (ITU-T I.371), one moment of state.
//!
//! A tunnel asks it after what has come; as much as the rate allows in its time may come at once.

use crate::config::websocket::Rate;
use crate::moment::Moment;

/// One rate of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    rate: Rate,
    /// When all that came would have come at an even pace.
    even: Moment,
}

impl Meter {
    /// Begins with nothing used.
    #[must_use]
    pub const fn new(rate: Rate) -> Self {
        Self { rate, even: Moment::ZERO }
    }

    /// Counts `count` more at `now`. Returns the moment from which on more may come: not after `now` where the rate is
    /// kept.
    pub fn count(&mut self, count: u64, now: Moment) -> Moment {
        let cost = self.rate.per.as_nanos().saturating_mul(u128::from(count)) / u128::from(self.rate.count.max(1));
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let begin = self.even.max(now).as_nanos();
        self.even = Moment::from_nanos(begin.saturating_add(cost));
        let burst = u64::try_from(self.rate.per.as_nanos()).unwrap_or(u64::MAX);
        Moment::from_nanos(self.even.as_nanos().saturating_sub(burst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(millis: u64) -> Moment {
        Moment::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_and_then_an_even_pace() {
        let mut meter = Meter::new(Rate { count: 10, per: Duration::from_secs(1) });
        assert!(meter.count(10, at(5_000)) <= at(5_000), "as many at once as in its time");
        assert_eq!(meter.count(1, at(5_000)), at(5_100), "the next waits for its share");
        assert!(meter.count(1, at(5_200)) <= at(5_200));
        assert_eq!(meter.count(5, at(5_200)), at(5_700));
        assert!(meter.count(10, at(9_000)) <= at(9_000), "a silence gives it all back, and no more");
        assert!(meter.count(1, at(9_000)) > at(9_000));
    }

    #[test]
    fn no_count_overflows() {
        let mut meter = Meter::new(Rate { count: 1, per: Duration::from_secs(1) });
        assert!(meter.count(u64::MAX, at(1)) > at(u64::from(u32::MAX)));
        assert!(meter.count(u64::MAX, at(1)) > at(1));
    }
}
