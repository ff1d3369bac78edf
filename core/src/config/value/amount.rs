//! Durations, sizes, rates and counts: a number and its unit, never a bare number where a unit exists.

use super::{Read, fault};
use crate::config::Share;
use std::time::Duration;

/// The longest time; beyond it a text is taken for a slip. Ten years.
const LONGEST: Duration = Duration::from_hours(24 * 3650);

const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

/// Reads `250ms`, `5s`, `10m`, `2h` or `365d`. Zero is a duration here.
pub(in crate::config) fn duration(text: &str) -> Read<Duration> {
    const WHAT: &str = "a duration";
    let (digits, unit) = split(text);
    if digits.is_empty() {
        return fault(WHAT, "write a number and a unit, such as 250ms, 5s, 10m, 2h or 7d");
    }
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" => return fault(WHAT, format!("the unit is missing; write {digits}s for seconds or {digits}ms")),
        _ => return fault(WHAT, wrong_time_unit(digits, unit)),
    };
    let time = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(millis)).map(Duration::from_millis);
    match time {
        Some(time) if time <= LONGEST => Ok(time),
        Some(_) | None => fault(WHAT, "it may be 3650d at most"),
    }
}

fn wrong_time_unit(digits: &str, unit: &str) -> String {
    let meant = match unit.trim().to_ascii_lowercase().as_str() {
        "ms" | "msec" | "msecs" | "millis" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        other if other.starts_with('.') => {
            return "only whole numbers; write 1500ms for one and a half seconds".to_owned();
        }
        other if other.contains(|c: char| c.is_ascii_digit()) => {
            return "only one number and one unit; write 90m for an hour and a half".to_owned();
        }
        _ => return "the units are ms, s, m, h and d".to_owned(),
    };
    format!("write {digits}{meant}")
}

/// Reads `32769B`, `64KiB` or `10MB`. Zero is a size here.
pub(in crate::config) fn size(text: &str) -> Read<u64> {
    const WHAT: &str = "a size";
    let (digits, unit) = split(text);
    if digits.is_empty() {
        return fault(WHAT, "write a number and a unit, such as 512B, 64KiB or 10MB");
    }
    if unit.is_empty() {
        return fault(WHAT, format!("the unit is missing; write {digits}B for bytes, or KiB, MiB, KB, MB"));
    }
    let Some((_, factor)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        return fault(WHAT, wrong_size_unit(digits, unit));
    };
    let bytes = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(*factor));
    // What the proxy counts with has 63 bits.
    match bytes.filter(|bytes| i64::try_from(*bytes).is_ok()) {
        Some(bytes) => Ok(bytes),
        None => fault(WHAT, "it is larger than can be counted; no limit is written `unlimited`"),
    }
}

/// A size as the configuration writes it, in the largest unit that gives it whole.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    // By 1024 first: that is what limits are mostly made of.
    let (binary, decimal): (Vec<_>, Vec<_>) = SIZES.iter().rev().partition(|(name, _)| name.contains('i'));
    let whole = |(_, factor): &&&(&str, u64)| bytes > 0 && bytes.is_multiple_of(*factor);
    let unit = binary.iter().chain(&decimal).find(whole);
    unit.map_or_else(|| format!("{bytes}B"), |(name, factor)| format!("{}{name}", bytes / factor))
}

/// A time as the configuration writes it, in the largest unit that gives it whole; what is finer than milliseconds as it is.
#[must_use]
pub fn duration_text(time: Duration) -> String {
    const UNITS: [(&str, u128); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    if !time.subsec_nanos().is_multiple_of(1_000_000) {
        return format!("{time:?}");
    }
    let millis = time.as_millis();
    let unit = UNITS.iter().find(|(_, unit)| millis > 0 && millis.is_multiple_of(*unit));
    unit.map_or_else(|| "0s".to_owned(), |(name, unit)| format!("{}{name}", millis / unit))
}

fn wrong_size_unit(digits: &str, unit: &str) -> String {
    let unit = unit.trim();
    let same = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    match (same, unit.to_ascii_uppercase().as_str()) {
        (Some((name, _)), _) => format!("write {digits}{name}"),
        (None, letter @ ("K" | "M" | "G" | "T")) => {
            format!("write {digits}{letter}B (by 1000) or {digits}{letter}iB (by 1024)")
        }
        (None, _) if unit.starts_with('.') => "only whole numbers; write 1536KiB for one and a half MiB".to_owned(),
        (None, _) => "the units are B, KB, KiB, MB, MiB, GB, GiB, TB and TiB".to_owned(),
    }
}

/// Reads `256B/s` or `1MB/s` as bytes per second.
pub(in crate::config) fn byte_rate(text: &str) -> Read<u64> {
    match text.strip_suffix("/s") {
        Some(amount) => size(amount),
        None => fault("a rate", "write bytes per second, such as 256B/s or 1MB/s"),
    }
}

/// Reads `5%`, `0.1%` or `125%`: more than nothing, at most `most` per cent.
pub(in crate::config) fn share(text: &str, most: u32) -> Read<Share> {
    const WHAT: &str = "a share";
    let Some(number) = text.strip_suffix('%') else {
        return fault(WHAT, "write a number and %, such as 5% or 0.1%");
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| if is_digits(text) && text.len() <= 4 { text.parse::<u32>().ok() } else { None };
    let (Some(whole), Some(part)) = (digits(whole), digits(&format!("{part:0<4}"))) else {
        return fault(WHAT, "write a number and %, such as 5% or 0.1%; at most four decimals");
    };
    match Share(whole * 10_000 + part) {
        Share(0) => fault(WHAT, "no share at all is written `off`, or the key is left out"),
        share if share.0 <= most * 10_000 => Ok(share),
        _ => fault(WHAT, format!("it may be {most}% at most")),
    }
}

/// Reads `50/s`, `1000/min`, `100/h` or `10/d` as a count and the time for it.
pub(in crate::config) fn rate(text: &str) -> Read<(u32, Duration)> {
    const WHAT: &str = "a rate";
    let Some((digits, unit)) = text.split_once('/') else {
        return fault(WHAT, "write a number and a time, such as 50/s, 1000/min or 100/h");
    };
    // nginx counts requests.
    if let Some(count) = digits.strip_suffix('r').filter(|count| is_digits(count)) {
        let unit = if unit == "m" { "min" } else { unit };
        return fault(WHAT, format!("write {count}/{unit}"));
    }
    let seconds = match unit {
        "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "m" | "minute" => return fault(WHAT, format!("write {digits}/min")),
        "sec" | "second" => return fault(WHAT, format!("write {digits}/s")),
        "hour" => return fault(WHAT, format!("write {digits}/h")),
        "day" => return fault(WHAT, format!("write {digits}/d")),
        _ => return fault(WHAT, "the times are s, min, h and d"),
    };
    if means_none(digits) {
        return fault(WHAT, "at least one; to let nothing pass write `deny`");
    }
    let count = count(digits, 1, 1_000_000_000)?;
    Ok((u32::try_from(count).unwrap_or(u32::MAX), Duration::from_secs(seconds)))
}

/// Reads a plain number between `least` and `most`.
pub(in crate::config) fn count(text: &str, least: u64, most: u64) -> Read<u64> {
    const WHAT: &str = "a number that can stand here";
    let number = if is_digits(text) { text.parse::<u64>().ok() } else { None };
    match number {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        Some(_) => fault(WHAT, format!("it lies between {least} and {most}")),
        None if is_digits(text) => fault(WHAT, format!("it lies between {least} and {most}")),
        None => fault(WHAT, format!("write digits only, {least} to {most}")),
    }
}

/// Tells whether a text is nothing but ASCII digits.
pub(in crate::config) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// The words that people write for "no limit": `0`, `-1`, `none`, each with any unit.
pub(in crate::config) fn means_none(text: &str) -> bool {
    let (digits, _) = split(text.strip_prefix('-').unwrap_or(text));
    let zero = !digits.is_empty() && digits.bytes().all(|b| b == b'0') && !text.contains('.');
    let negative = text.starts_with('-') && !digits.is_empty();
    let word = text.to_ascii_lowercase();
    zero || negative
        || matches!(word.as_str(), "none" | "never" | "infinite" | "infinity" | "no" | "null" | "~" | "disabled")
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}
