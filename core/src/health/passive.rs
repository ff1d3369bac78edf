//! Ejection of endpoints whose traffic goes wrong: one row per upstream, asked by the control thread alone.
//!
//! A worker counts failures in a row and says when there are enough; a look at the latencies says who is far behind the
//! others. Whether that ejects, and for how long, is decided here: never more than a share of the upstream at once,
//! never the last endpoint that is up, and each time in a row for twice as long.

use std::time::Duration;

use crate::config::Share;
use crate::moment::Moment;

/// What ejection goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long the first ejection lasts.
    pub hold: Duration,
    /// How long one may last at most.
    pub max_hold: Duration,
    /// How much of the upstream may be ejected at once.
    pub max_ejected: Share,
    /// A mean time to the first byte beyond this, and far beyond that of the others, ejects.
    pub latency: Option<Duration>,
}

/// What an endpoint did to be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// So many failures in a row.
    Failures(u32),
    /// It took so long to answer, on average.
    Slow(Duration),
}

/// What a report came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Out, for so long.
    Ejected(Duration),
    /// It is out already.
    Already,
    /// As many are out as may be.
    Enough,
    /// No other endpoint is up.
    LastOne,
}

/// The ejections of one endpoint. Kept by identity from one configuration to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// How long it is out; `None` where it is in.
    until: Option<Moment>,
    /// Ejections that count for the length of the next one.
    times: u32,
    /// When it came back last.
    back: Moment,
    /// Ejections there ever were.
    total: u64,
}

impl Record {
    /// When it comes back; `None` where it is in.
    #[must_use]
    pub const fn until(&self) -> Option<Moment> {
        self.until
    }

    /// How often it was ejected.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Lets it back in if its time is over, and tells whether it was let in.
    pub fn come_back(&mut self, now: Moment) -> bool {
        match self.until {
            Some(until) if until <= now => {
                self.until = None;
                self.back = until;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Lets it back in at once: nothing ejects here any more.
    pub fn pardon(&mut self) -> bool {
        self.times = 0;
        self.until.take().is_some()
    }
}

/// Decides on a report about the endpoint at `index`. `up` counts the endpoints that are up now, the reported one
/// included if it is. `records` are those of the whole upstream.
pub fn report(rules: &Rules, records: &mut [Record], index: usize, up: usize, now: Moment) -> Verdict {
    let most = allowed(rules.max_ejected, records.len());
    let ejected = records.iter().filter(|record| record.until.is_some()).count();
    let Some(record) = records.get_mut(index) else { return Verdict::Already };
    if record.until.is_some() {
        return Verdict::Already;
    }
    if ejected >= most {
        return Verdict::Enough;
    }
    if up <= 1 {
        return Verdict::LastOne;
    }
    let base = rules.hold.max(Duration::from_millis(1));
    // Each base time served without a report makes one ejection forgotten.
    let served = now.since(record.back).as_nanos() / base.as_nanos();
    record.times = record.times.saturating_sub(u32::try_from(served).unwrap_or(u32::MAX));
    let hold = base.saturating_mul(1 << record.times.min(30)).min(rules.max_hold.max(base));
    record.times = record.times.saturating_add(1);
    record.until = Some(now + hold);
    record.total += 1;
    Verdict::Ejected(hold)
}

/// How many of `count` endpoints a share allows to be out.
#[must_use]
pub fn allowed(share: Share, count: usize) -> usize {
    count.saturating_mul(share.0 as usize) / Share::WHOLE.0 as usize
}

/// The mean times to the first byte of an upstream's endpoints since the last look, and from how many answers.
pub type Latencies = [(Duration, u32)];

/// Answers below which a mean says nothing. Chosen.
pub const ENOUGH: u32 = 10;

/// Finds the endpoint that is slow: beyond the bound, and more than twice the median of the others that answered.
/// One at a time: when it is out, the next look compares those that are left.
#[must_use]
pub fn slowest(rules: &Rules, latencies: &Latencies) -> Option<(usize, Cause)> {
    let bound = rules.latency?;
    let known = || latencies.iter().enumerate().filter(|(_, (_, count))| *count >= ENOUGH);
    let (index, &(mean, _)) = known().max_by_key(|(_, (mean, _))| *mean)?;
    let mut others: Vec<Duration> = known().filter(|(at, _)| *at != index).map(|(_, (mean, _))| *mean).collect();
    others.sort_unstable();
    let median = *others.get(others.len().saturating_sub(1) / 2)?;
    (mean > bound && mean > median.saturating_mul(2)).then_some((index, Cause::Slow(mean)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    const HALF: Share = Share(Share::WHOLE.0 / 2);

    const RULES: Rules = Rules {
        hold: seconds(10),
        max_hold: seconds(60),
        max_ejected: HALF,
        latency: Some(Duration::from_millis(100)),
    };

    fn at(time: u64) -> Moment {
        Moment::ZERO + seconds(time)
    }

    #[test]
    fn holds_double_and_good_service_halves_them() {
        let mut records = [Record::default(); 2];
        let mut now = 100;
        let mut again = |records: &mut [Record], pause: u64| {
            now += pause;
            let Verdict::Ejected(hold) = report(&RULES, records, 0, 2, at(now)) else { panic!("not ejected") };
            assert!(!records[0].come_back(at(now) + (hold - Duration::from_nanos(1))), "not before its time");
            assert!(records[0].come_back(at(now) + hold));
            now += hold.as_secs();
            hold.as_secs()
        };
        let holds: Vec<u64> = (0..5).map(|_| again(&mut records, 1)).collect();
        assert_eq!(holds, [10, 20, 40, 60, 60], "never beyond max_hold");
        assert_eq!(again(&mut records, 45), 20, "four holds served: four ejections forgotten");
        assert_eq!(again(&mut records, 1000), 10);
    }

    #[test]
    fn never_too_many_and_never_the_last() {
        let check = |count: usize, up: usize, percent: u32, expect: usize| {
            let rules = Rules { max_ejected: Share(Share::WHOLE.0 / 100 * percent), ..RULES };
            let mut records = vec![Record::default(); count];
            let mut up = up;
            for index in 0..count {
                if let Verdict::Ejected(_) = report(&rules, &mut records, index, up, at(1)) {
                    up -= 1;
                }
            }
            let out = records.iter().filter(|record| record.until().is_some()).count();
            assert_eq!(out, expect, "{count} endpoints, {up} up, {percent}%");
        };
        check(1, 1, 50, 0);
        check(2, 2, 50, 1);
        check(3, 3, 50, 1);
        check(4, 4, 50, 2);
        check(4, 2, 50, 1);
        check(4, 4, 100, 3);
        check(10, 10, 10, 1);
        check(9, 9, 10, 0);
    }

    #[test]
    fn a_second_report_while_it_is_out_changes_nothing() {
        let mut records = [Record::default(); 4];
        assert_eq!(report(&RULES, &mut records, 1, 4, at(1)), Verdict::Ejected(seconds(10)));
        assert_eq!(report(&RULES, &mut records, 1, 3, at(2)), Verdict::Already);
        assert_eq!(records[1].until(), Some(at(11)));
        assert!(records[1].pardon());
        assert_eq!(report(&RULES, &mut records, 1, 4, at(3)), Verdict::Ejected(seconds(10)));
    }

    #[test]
    fn only_who_is_far_behind_the_others_is_slow() {
        let check = |means: &[(u64, u32)], expect: Option<usize>| {
            let latencies: Vec<_> = means.iter().map(|(ms, count)| (Duration::from_millis(*ms), *count)).collect();
            assert_eq!(slowest(&RULES, &latencies).map(|(index, _)| index), expect, "{means:?}");
        };
        check(&[(10, 50), (20, 50), (500, 50)], Some(2));
        check(&[(400, 50), (450, 50), (500, 50)], None);
        check(&[(10, 50), (20, 50), (90, 50)], None);
        check(&[(10, 50), (20, 50), (500, 3)], None);
        check(&[(500, 50)], None);
        check(&[(500, 50), (5, 3)], None);
        check(&[(500, 50), (5, 30)], Some(0));
        check(&[], None);
    }
}
