//! Numbers as text, appended without allocation: whole ones, durations in milliseconds, addresses.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// The decimal digits of 0 to 99, two each.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut n: u8 = 0;
    while n < 100 {
        pairs[n as usize] = [b'0' + n / 10, b'0' + n % 10];
        n += 1;
    }
    pairs
};

/// Appends a whole number.
pub(super) fn whole(out: &mut Vec<u8>, mut number: u64) {
    // The commonest numbers (counts, statuses' upper halves, small sizes) have one digit.
    if number < 10 {
        out.push(b'0' + number.to_le_bytes()[0]);
        return;
    }
    let mut digits = [0; 20];
    let mut rest: &mut [u8] = &mut digits;
    let mut used = 0;
    while number >= 10 {
        let (left, pair) = rest.split_at_mut(rest.len() - 2);
        pair.copy_from_slice(&pair_of(number % 100));
        number /= 100;
        rest = left;
        used += 2;
    }
    if number > 0 {
        if let Some(last) = rest.last_mut() {
            *last = b'0' + number.to_le_bytes()[0];
        }
        used += 1;
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

/// Appends a duration in milliseconds with three decimals, cut to whole microseconds: `12.345`.
pub(super) fn millis(out: &mut Vec<u8>, time: Duration) {
    let whole_ms = time.as_secs().saturating_mul(1000).saturating_add(u64::from(time.subsec_millis()));
    let micros = u64::from(time.subsec_micros() % 1000);
    whole(out, whole_ms);
    let [high, low] = pair_of(micros / 10);
    out.extend_from_slice(&[b'.', high, low, b'0' + (micros % 10).to_le_bytes()[0]]);
}

/// Appends an address. IPv4 goes past the machinery of formatting, which costs as much as a third of a line.
pub(super) fn address(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            whole(out, u64::from(a));
            for octet in [b, c, d] {
                out.push(b'.');
                whole(out, u64::from(octet));
            }
        }
        // Writing to a vector can't fail.
        IpAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
}

fn pair_of(number: u64) -> [u8; 2] {
    usize::try_from(number).ok().and_then(|at| PAIRS.get(at)).copied().unwrap_or(*b"99")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        for number in (0..2_000).chain([9_999, 10_000, 12_345, 99_999, 100_000, u64::from(u32::MAX), u64::MAX]) {
            let mut out = Vec::new();
            whole(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }

    #[test]
    fn addresses() {
        for text in ["0.0.0.0", "10.9.100.255", "192.0.2.7", "::", "2001:db8::7", "::ffff:1.2.3.4"] {
            let mut out = Vec::new();
            address(&mut out, text.parse().unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn durations() {
        let check = |time, expect: &str| {
            let mut out = Vec::new();
            millis(&mut out, time);
            assert_eq!(String::from_utf8(out).unwrap(), expect);
        };
        check(Duration::ZERO, "0.000");
        check(Duration::from_nanos(999), "0.000");
        check(Duration::from_micros(7), "0.007");
        check(Duration::from_micros(1_050), "1.050");
        check(Duration::from_micros(12_345_678), "12345.678");
        check(Duration::MAX, "18446744073709551615.999");
    }
}
