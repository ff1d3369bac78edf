//! How long an answer is fresh, and how old it was when it came (RFC 9111 §4.2).
//!
//! Times of day come in whole seconds, as the fields have them; what passes afterwards is counted in [`Moment`]s, so
//! that a clock that is set makes nothing older or younger.

use std::time::Duration;

use super::control::{ResponseControl, Seconds};
use super::{date, lines};
use crate::config;
use crate::message::Fields;
use crate::moment::Moment;

/// When an answer came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When it was asked for.
    pub asked: Moment,
    /// When its head was whole.
    pub at: Moment,
    /// The time of day then, in seconds since 1970.
    pub wall: u64,
}

/// What is known of an answer's freshness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// Seconds from its origin's making it until it is stale.
    pub lifetime: u64,
    /// Whether somebody said so: it is not a guess.
    pub explicit: bool,
    /// Seconds that it was old when it came.
    pub age: u64,
}

/// Statuses that may be kept without anybody saying so (RFC 9110 §15.1), 206 apart.
#[must_use]
pub const fn is_heuristic(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// A guess is a tenth of what has passed since the last change (RFC 9111 §4.2.2), at most this.
const MOST_GUESSED: u64 = 24 * 3600;

impl Freshness {
    /// Reads it from an answer's fields. `control` is what its directives say; `targeted` that they were for caches like
    /// this one, so that `Expires` plays no part.
    #[must_use]
    pub fn read(
        fields: &Fields,
        bytes: &[u8],
        status: u16,
        (control, targeted): (&ResponseControl, bool),
        arrival: &Arrival,
        rules: &config::Cache,
    ) -> Self {
        let date = lines(fields, bytes, b"date").next().and_then(|text| date::parse(text, arrival.wall));
        let said = said(fields, bytes, (control, targeted), date.unwrap_or(arrival.wall), arrival.wall);
        let forced = rules.override_ttl.filter(|_| is_heuristic(status)).map(|ttl| ttl.as_secs());
        let (age, known) = match age(fields, bytes) {
            Ok(age) => (age, true),
            Err(()) => (0, false),
        };
        let delay = arrival.at.since(arrival.asked).as_secs();
        let apparent = date.map_or(0, |date| arrival.wall.saturating_sub(date));
        let age = apparent.max(age.saturating_add(delay));
        let (lifetime, explicit) = match (forced, said) {
            // The rule knows better than the origin, and counts from when the answer came.
            (Some(ttl), _) => return Self { lifetime: age.saturating_add(ttl), explicit: true, age },
            (None, Some(lifetime)) => (lifetime, true),
            (None, None) => (guessed(fields, bytes, status, control, date.unwrap_or(arrival.wall), rules), false),
        };
        // An age that can't be read may be any: nothing is fresh then for certain.
        Self { lifetime: if known { lifetime } else { 0 }, explicit, age }
    }

    /// How old the answer is now, in seconds, `since` it came.
    #[must_use]
    pub const fn age_after(age: u64, since: Duration) -> u64 {
        age.saturating_add(since.as_secs())
    }
}

/// What the origin says. A directive that is malformed, or a date that is none, says that it is stale.
fn said(
    fields: &Fields,
    bytes: &[u8],
    (control, targeted): (&ResponseControl, bool),
    date: u64,
    now: u64,
) -> Option<u64> {
    for seconds in [control.s_maxage, control.max_age] {
        match seconds {
            Seconds::Absent => {}
            Seconds::Invalid => return Some(0),
            Seconds::Of(seconds) => return Some(seconds),
        }
    }
    if targeted {
        return None;
    }
    let mut expires = lines(fields, bytes, b"expires");
    let first = expires.next()?;
    // Two of them: at least one is wrong.
    let single = expires.next().is_none();
    let until = date::parse(first, now).filter(|_| single);
    Some(until.map_or(0, |until| until.saturating_sub(date)))
}

/// The age that the answer itself gives: nothing, or one line, of which the first member counts (RFC 9111 §5.1). Anything
/// else is an error of somebody on the way, and any age is possible. So is a member that says the same again: the RFC leaves
/// it open, and the public suite takes it for an error.
fn age(fields: &Fields, bytes: &[u8]) -> Result<u64, ()> {
    let mut ages = lines(fields, bytes, b"age");
    match (ages.next(), ages.next()) {
        (None, _) => Ok(0),
        (Some(text), None) => {
            let mut members = text.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
            let first = members.next().unwrap_or_default();
            super::control::seconds(first).filter(|_| members.all(|other| other != first)).ok_or(())
        }
        (Some(_), Some(_)) => Err(()),
    }
}

fn guessed(
    fields: &Fields,
    bytes: &[u8],
    status: u16,
    control: &ResponseControl,
    date: u64,
    rules: &config::Cache,
) -> u64 {
    if !rules.heuristic || !(is_heuristic(status) || control.public) {
        return 0;
    }
    let changed = lines(fields, bytes, b"last-modified").next().and_then(|text| date::parse(text, date));
    changed.map_or(0, |changed| (date.saturating_sub(changed) / 10).min(MOST_GUESSED))
}
