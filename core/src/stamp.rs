//! Wall-clock time as text: RFC 3339 for log lines, the HTTP form for `date`.
//!
//! A worker keeps one `Stamp`: the calendar is worked out once a second, the milliseconds each time. The clock is the
//! caller's; nothing here reads one. Years go from 1970 to 9999, later times stay at the last second of 9999.

const WEEKDAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// 9999-12-31T23:59:59Z in seconds since 1970.
const LAST_SECOND: u64 = 253_402_300_799;

/// The texts of one second, kept until another is asked for.
#[derive(Clone, Debug)]
pub struct Stamp {
    second: u64,
    rfc3339: [u8; 24],
    http: [u8; 29],
}

impl Default for Stamp {
    fn default() -> Self {
        Self::new()
    }
}

impl Stamp {
    /// Makes a stamp that stands at the start of 1970.
    #[must_use]
    pub fn new() -> Self {
        let mut stamp =
            Self { second: u64::MAX, rfc3339: *b"0000-00-00T00:00:00.000Z", http: *b"Thu, 01 Jan 1970 00:00:00 GMT" };
        stamp.set(0);
        stamp
    }

    /// Gives a time in UTC as RFC 3339 with milliseconds. `secs` count from 1970, `nanos` are below 1,000,000,000.
    pub fn rfc3339(&mut self, secs: u64, nanos: u32) -> &[u8; 24] {
        self.set(secs);
        let millis = (nanos / 1_000_000).min(999);
        put(&mut self.rfc3339, 20, millis / 100);
        put2(&mut self.rfc3339, 21, millis % 100);
        &self.rfc3339
    }

    /// Gives a time as `date` carries it (RFC 9110 §5.6.7). `secs` count from 1970.
    pub fn http_date(&mut self, secs: u64) -> &[u8; 29] {
        self.set(secs);
        &self.http
    }

    fn set(&mut self, secs: u64) {
        let secs = secs.min(LAST_SECOND);
        if secs == self.second {
            return;
        }
        self.second = secs;
        let days = u32::try_from(secs / 86_400).unwrap_or(0);
        let clock = u32::try_from(secs % 86_400).unwrap_or(0);
        let (year, month, day) = civil(days);
        put2(&mut self.rfc3339, 0, year / 100);
        put2(&mut self.rfc3339, 2, year % 100);
        put2(&mut self.rfc3339, 5, month);
        put2(&mut self.rfc3339, 8, day);
        put_clock(&mut self.rfc3339, 11, clock);

        let weekday = WEEKDAYS.get(days as usize % 7).copied().unwrap_or(b"Thu");
        let name = MONTHS.get(month.saturating_sub(1) as usize).copied().unwrap_or(b"Jan");
        put_name(&mut self.http, 0, weekday);
        put2(&mut self.http, 5, day);
        put_name(&mut self.http, 8, name);
        put2(&mut self.http, 12, year / 100);
        put2(&mut self.http, 14, year % 100);
        put_clock(&mut self.http, 17, clock);
    }
}

/// The year, month and day of a day counted from 1970, in the Gregorian calendar.
///
/// Counted in years that begin on 1 March, so that the leap day is a year's last: then a month's first day is a line.
fn civil(days: u32) -> (u32, u32, u32) {
    let days = days + 719_468; // From 0000-03-01 to 1970-01-01.
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u32::from(month <= 2);
    (year, month, day)
}

fn put_clock(text: &mut [u8], at: usize, clock: u32) {
    put2(text, at, clock / 3_600);
    put2(text, at + 3, clock / 60 % 60);
    put2(text, at + 6, clock % 60);
}

fn put2(text: &mut [u8], at: usize, number: u32) {
    put(text, at, number / 10);
    put(text, at + 1, number % 10);
}

fn put(text: &mut [u8], at: usize, digit: u32) {
    if let Some(byte) = text.get_mut(at) {
        *byte = b'0' + (digit % 10).to_le_bytes()[0];
    }
}

fn put_name(text: &mut [u8], at: usize, name: &[u8; 3]) {
    if let Some(place) = text.get_mut(at..at + 3) {
        place.copy_from_slice(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times() {
        let check = |secs, nanos, log: &str, http: &str| {
            let mut stamp = Stamp::new();
            assert_eq!(std::str::from_utf8(stamp.rfc3339(secs, nanos)).unwrap(), log);
            assert_eq!(std::str::from_utf8(stamp.http_date(secs)).unwrap(), http);
        };
        check(0, 0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 GMT");
        check(784_111_777, 5_000_000, "1994-11-06T08:49:37.005Z", "Sun, 06 Nov 1994 08:49:37 GMT");
        check(951_782_400, 999_999_999, "2000-02-29T00:00:00.999Z", "Tue, 29 Feb 2000 00:00:00 GMT");
        check(1_709_251_199, 0, "2024-02-29T23:59:59.000Z", "Thu, 29 Feb 2024 23:59:59 GMT");
        check(4_107_542_400, 0, "2100-03-01T00:00:00.000Z", "Mon, 01 Mar 2100 00:00:00 GMT");
        check(LAST_SECOND + 5, 0, "9999-12-31T23:59:59.000Z", "Fri, 31 Dec 9999 23:59:59 GMT");
        check(u64::MAX, u32::MAX, "9999-12-31T23:59:59.999Z", "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn a_kept_second_takes_new_milliseconds() {
        let mut stamp = Stamp::new();
        assert_eq!(stamp.rfc3339(9, 1_000_000), b"1970-01-01T00:00:09.001Z");
        assert_eq!(stamp.rfc3339(9, 20_000_000), b"1970-01-01T00:00:09.020Z");
        assert_eq!(stamp.rfc3339(8, 20_000_000), b"1970-01-01T00:00:08.020Z");
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let (mut year, mut month, mut day) = civil(0);
        assert_eq!((year, month, day), (1970, 1, 1));
        for days in 1..60_000 {
            let next = civil(days);
            let follows = [(year, month, day + 1), (year, month + 1, 1), (year + 1, 1, 1)];
            assert!(follows.contains(&next), "{next:?} follows {:?}", (year, month, day));
            (year, month, day) = next;
        }
        assert_eq!((year, month, day), (2134, 4, 10));
    }
}
