//! When a certificate is renewed, and when a failure is tried again. Times are seconds since 1970, chance is an argument.

use std::time::Duration;

/// How long before its end a certificate that can't be renewed is worth an error in the log each day.
pub const SOON: u64 = 14 * 24 * 3600;

/// What kind of failure it was, for how soon to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The authority could not be asked: it is down, or the network is. Asking again costs nobody anything.
    Unreachable,
    /// It said no, or could not reach us. Public authorities count these: five in an hour for a name, at most.
    Refused,
    /// It said that it was asked too often.
    TooOften,
}

/// When a certificate is renewed: at two thirds of its life, up to a twentieth of it later, so that many certificates
/// that were made together aren't renewed together. `chance` is any number, spread evenly.
#[must_use]
pub fn renewal(not_before: u64, not_after: u64, chance: u64) -> u64 {
    let life = not_after.saturating_sub(not_before);
    not_before.saturating_add(life / 3 * 2).saturating_add(share(life / 20, chance))
}

/// A point between two, for a window that the authority suggests (RFC 9773 §4.2).
#[must_use]
pub fn within(start: u64, end: u64, chance: u64) -> u64 {
    start.saturating_add(share(end.saturating_sub(start), chance))
}

/// How long to wait after a number of failures in a row, from 1: longer each time, and never twice the same, so that
/// many proxies that saw one outage don't come back together.
#[must_use]
pub fn retry_after(failures: u32, cause: Cause, chance: u64) -> Duration {
    let (first, factor, most) = match cause {
        Cause::Unreachable => (4, 2_u64, 3600),
        Cause::Refused => (60, 3, 6 * 3600),
        Cause::TooOften => (3600, 2, 24 * 3600),
    };
    let grown = (1..failures.min(32)).try_fold(first, |wait: u64, _| wait.checked_mul(factor));
    let millis = grown.unwrap_or(most).min(most) * 1000;
    Duration::from_millis(millis + share(millis / 2, chance))
}

/// A share of `whole` by chance.
fn share(whole: u64, chance: u64) -> u64 {
    match whole {
        0 => 0,
        whole => chance % whole,
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, renewal, retry_after, within};

    #[test]
    fn renews_at_two_thirds_and_a_little() {
        const DAY: u64 = 86_400;
        for chance in [0, 1, 12_345, u64::MAX] {
            let at = renewal(1000, 1000 + 90 * DAY, chance);
            assert!((1000 + 60 * DAY..1000 + 65 * DAY).contains(&at), "{at}");
        }
        assert_eq!(renewal(5, 5, 7), 5);
        // A clock that is wrong, or a certificate that is: at once.
        assert_eq!(renewal(10, 5, 7), 10);
        assert_eq!(within(10, 20, 13), 13);
        assert_eq!(within(20, 10, 13), 20);
    }

    #[test]
    fn waits_longer_each_time_and_never_too_long() {
        let check = |failures, cause, least: u64, most: u64| {
            for chance in [0, 77, u64::MAX] {
                let wait = retry_after(failures, cause, chance).as_secs();
                assert!((least..=most).contains(&wait), "{failures} {cause:?}: {wait}");
            }
        };
        check(0, Cause::Unreachable, 4, 6);
        check(1, Cause::Unreachable, 4, 6);
        check(2, Cause::Unreachable, 8, 12);
        check(100, Cause::Unreachable, 3600, 5400);
        check(1, Cause::Refused, 60, 90);
        check(3, Cause::Refused, 540, 810);
        check(u32::MAX, Cause::Refused, 21_600, 32_400);
        check(1, Cause::TooOften, 3600, 5400);
        // No name is refused more than five times in its first hour.
        let hour: u64 = (1..=5).map(|n| retry_after(n, Cause::Refused, 0).as_secs()).sum();
        assert!(hour > 3600, "{hour}");
    }
}
