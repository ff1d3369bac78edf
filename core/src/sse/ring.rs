//! The last events of one session's stream: what a client that comes back has missed.
//!
//! Only events that carry an id are kept: a client can name no other. A ring that could not keep one forgets what came
//! before it, so that what it gives is always without a gap.

use std::collections::VecDeque;
use std::time::Duration;

use crate::moment::Moment;

/// What a ring may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Events.
    pub events: usize,
    /// Their age.
    pub age: Duration,
    /// Their bytes.
    pub bytes: usize,
}

/// What each event costs besides its bytes, roughly.
const OVERHEAD: usize = 64;

/// The events, oldest first. Each has a number, one more than that of the event before it.
#[derive(Debug, Default)]
pub struct Ring {
    events: VecDeque<Event>,
    /// The number of the oldest.
    first: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Event {
    id: Box<[u8]>,
    text: Box<[u8]>,
    at: Moment,
}

impl Event {
    const fn bytes(&self) -> usize {
        self.id.len() + self.text.len() + OVERHEAD
    }
}

impl Ring {
    /// The id of the newest event.
    #[must_use]
    pub fn newest(&self) -> Option<&[u8]> {
        self.events.back().map(|event| &*event.id)
    }

    /// The number that the next event gets.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// Bytes that it holds.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The number of the event with this id.
    #[must_use]
    pub fn number_of(&self, id: &[u8]) -> Option<u64> {
        let from_end = self.events.iter().rev().position(|event| &*event.id == id)?;
        Some(self.end() - 1 - from_end as u64)
    }

    /// Writes events from the number `from` on, before `to`, until `out` has `most` bytes. Returns the number of the
    /// next one; `None` where one of them is no longer there.
    pub fn replay(&self, from: u64, to: u64, most: usize, out: &mut Vec<u8>) -> Option<u64> {
        let mut at = from;
        while at < to && (at == from || out.len() < most) {
            let index = usize::try_from(at.checked_sub(self.first)?).ok()?;
            out.extend_from_slice(&self.events.get(index)?.text);
            at += 1;
        }
        Some(at)
    }

    /// Keeps an event that came `now`. One that it has already is not kept twice; where it differs from the one with
    /// its id, ids have begun anew and what was kept is forgotten.
    pub fn keep(&mut self, id: &[u8], text: &[u8], now: Moment, bounds: &Bounds) {
        if let Some(number) = self.number_of(id) {
            let index = usize::try_from(number - self.first).unwrap_or(usize::MAX);
            if self.events.get(index).is_some_and(|event| &*event.text == text) {
                return;
            }
            self.forget();
        }
        let event = Event { id: id.into(), text: text.into(), at: now };
        if event.bytes() > bounds.bytes {
            return self.forget();
        }
        self.bytes += event.bytes();
        self.events.push_back(event);
        while self.bytes > bounds.bytes || self.events.len() > bounds.events {
            self.drop_oldest();
        }
        self.age(now, bounds.age);
    }

    /// Forgets what is older than `age`.
    pub fn age(&mut self, now: Moment, age: Duration) {
        while self.events.front().is_some_and(|event| event.at + age < now) {
            self.drop_oldest();
        }
    }

    /// Forgets everything. Numbers go on.
    pub fn forget(&mut self) {
        self.first = self.end();
        self.events.clear();
        self.bytes = 0;
    }

    fn drop_oldest(&mut self) {
        if let Some(event) = self.events.pop_front() {
            self.bytes -= event.bytes();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { events: 3, age: Duration::from_secs(10), bytes: 1000 };

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    fn ring(ids: &[&str]) -> Ring {
        let mut ring = Ring::default();
        ids.iter().for_each(|id| ring.keep(id.as_bytes(), id.as_bytes(), at(1), &BOUNDS));
        ring
    }

    #[track_caller]
    fn check(ring: &Ring, after: &str, expect: Option<&str>) {
        let mut out = Vec::new();
        let replayed = ring
            .number_of(after.as_bytes())
            .and_then(|number| ring.replay(number + 1, ring.end(), usize::MAX, &mut out));
        assert_eq!(replayed.map(|_| String::from_utf8(out).unwrap()).as_deref(), expect, "after {after}");
    }

    #[test]
    fn it_gives_what_came_after_an_id() {
        let ring = ring(&["a", "b", "c"]);
        check(&ring, "a", Some("bc"));
        check(&ring, "c", Some(""));
        check(&ring, "z", None);
        assert_eq!(ring.newest(), Some(b"c".as_slice()));
    }

    #[test]
    fn it_holds_no_more_than_its_bounds() {
        check(&ring(&["a", "b", "c", "d"]), "a", None);
        check(&ring(&["a", "b", "c", "d"]), "b", Some("cd"));
        let mut ring = ring(&["a"]);
        ring.keep(b"b", &[b'b'; 900], at(2), &BOUNDS);
        check(&ring, "a", None);
        assert!(ring.bytes() <= BOUNDS.bytes);
        // What can't be kept leaves a gap, and nothing is given across one.
        ring.keep(b"c", &[b'c'; 2000], at(3), &BOUNDS);
        assert!(ring.is_empty() && ring.bytes() == 0);
        ring.keep(b"d", b"d", at(4), &BOUNDS);
        ring.keep(b"e", b"e", at(15), &BOUNDS);
        check(&ring, "d", None);
    }

    #[test]
    fn an_event_is_kept_once_and_ids_that_begin_anew_are_noticed() {
        let mut ring = ring(&["a", "b"]);
        ring.keep(b"a", b"a", at(2), &BOUNDS);
        check(&ring, "a", Some("b"));
        ring.keep(b"a", b"another", at(2), &BOUNDS);
        check(&ring, "b", None);
        check(&ring, "a", Some(""));
    }

    #[test]
    fn a_long_replay_comes_in_portions() {
        let ring = ring(&["aa", "bb", "cc"]);
        let mut out = Vec::new();
        assert_eq!(ring.replay(0, 3, 1, &mut out), Some(1));
        assert_eq!(ring.replay(1, 3, 6, &mut out), Some(3));
        assert_eq!(out, b"aabbcc");
        let mut ring = ring;
        ring.keep(b"dd", b"dd", at(2), &BOUNDS);
        assert_eq!(ring.replay(0, 3, 9, &mut out), None, "it is gone meanwhile");
    }
}
