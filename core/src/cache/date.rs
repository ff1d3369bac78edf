//! Reads HTTP dates in the three forms that a recipient must know (RFC 9110 §5.6.7). Writing is `stamp`'s.

const MONTHS: [&[u8; 3]; 12] =
    [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];

/// Reads a date as seconds since 1970; dates before that count as 1970. `now`, in the same seconds, tells the century of
/// a year of two digits: one that would be more than 50 years ahead is past. `None` where it is no date.
#[must_use]
pub fn parse(text: &[u8], now: u64) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim_ascii();
    let mut words = text.split_ascii_whitespace();
    let first = words.next()?;
    let date = match first.strip_suffix(',') {
        // Sun, 06 Nov 1994 08:49:37 GMT
        Some(day) if day.len() == 3 => {
            let (day, month, year) = (words.next()?, words.next()?, words.next()?);
            let clock = words.next()?;
            gmt(words.next()?)?;
            (number(year, 4)?, self::month(month)?, number(day, 2)?, clock)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        Some(_) => {
            let mut parts = words.next()?.split('-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() {
                return None;
            }
            let clock = words.next()?;
            gmt(words.next()?)?;
            (century(number(year, 2)?, now), self::month(month)?, number(day, 2)?, clock)
        }
        // Sun Nov  6 08:49:37 1994
        None if first.len() == 3 => {
            let (month, day, clock, year) = (words.next()?, words.next()?, words.next()?, words.next()?);
            (number(year, 4)?, self::month(month)?, number(day, day.len())?, clock)
        }
        None => return None,
    };
    if words.next().is_some() {
        return None;
    }
    let (year, month, day, clock) = date;
    let seconds = of_day(clock)?;
    let days = days_before(year, month, day)?;
    Some(days * 86_400 + seconds)
}

fn gmt(zone: &str) -> Option<()> {
    zone.eq_ignore_ascii_case("gmt").then_some(())
}

/// A number of exactly `digits` digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let right = text.len() == digits && digits > 0 && digits <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    right.then(|| text.parse().ok()).flatten()
}

fn month(text: &str) -> Option<u64> {
    let at = MONTHS.iter().position(|month| text.as_bytes().eq_ignore_ascii_case(*month))?;
    u64::try_from(at).ok()
}

fn of_day(clock: &str) -> Option<u64> {
    let mut parts = clock.split(':');
    let (hour, minute, second) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    // 60 is a leap second.
    (parts.next().is_none() && hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

/// The year of two digits that is at most 50 years after now.
fn century(year: u64, now: u64) -> u64 {
    // Close enough to find a century by.
    let this = 1970 + now / 31_556_952;
    let candidate = this - this % 100 + year;
    if candidate > this + 50 { candidate - 100 } else { candidate }
}

/// Days from 1970 to a date; `month` counts from 0. Zero before 1970.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let before = *BEFORE.get(usize::try_from(month).ok()?)?;
    let length = match month {
        1 if leap(year) => 29,
        1 => 28,
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    };
    if day == 0 || day > length {
        return None;
    }
    if year < 1970 {
        return Some(0);
    }
    let last = year - 1;
    let leaps = (last / 4 - last / 100 + last / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let this = u64::from(leap(year) && month > 1);
    Some((year - 1970) * 365 + leaps + before + this + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Stamp;

    const NOW: u64 = 1_790_000_000; // September 2026

    #[test]
    fn the_three_forms_are_one_moment() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse(text.as_bytes(), NOW), Some(784_111_777), "{text}");
        }
        assert_eq!(parse(b"Thursday, 18-Aug-50 02:01:18 GMT", NOW), parse(b"Thu, 18 Aug 2050 02:01:18 GMT", NOW));
        assert_eq!(parse(b"Thursday, 18-Aug-77 02:01:18 GMT", NOW), parse(b"Thu, 18 Aug 1977 02:01:18 GMT", NOW));
        assert_eq!(parse(b"Thu, 01 Jan 1931 00:00:00 GMT", NOW), Some(0));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut stamp = Stamp::new();
        for second in (0..8_000_000_000).step_by(3_456_789) {
            assert_eq!(parse(stamp.http_date(second), NOW), Some(second), "{}", stamp.http_date(second).escape_ascii());
        }
    }

    #[test]
    fn anything_else_is_no_date() {
        for text in [
            "",
            "0",
            "-1",
            "Thu, 18 Aug 2050 02:01:18 UTC",
            "Thu, 18 Aug 2050 02:01:18 AEST",
            "Thu, 18 Aug 50 02:01:18 GMT",
            "Thu 18 Aug 2050 02:01:18 GMT",
            "Thu, 18-Aug-2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 02.01.18 GMT",
            "Thu, 18 Aug 2050 2:01:18 GMT",
            "Thu, 31 Feb 2050 02:01:18 GMT",
            "Thu, 00 Aug 2050 02:01:18 GMT",
            "Thu, 18 Aug 2050 24:01:18 GMT",
            "Thu, 18 Aug 2050 02:01:18 GMT x",
            "\u{e9}",
            "Thu, 18 Aug 2050",
        ] {
            assert_eq!(parse(text.as_bytes(), NOW), None, "{text}");
        }
    }
}
