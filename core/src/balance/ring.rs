//! Consistent hashing: a ring of points, many for each endpoint, where a key belongs to the next point.
//!
//! A point depends on its endpoint's seat alone (its address, or that of the endpoint that it replaced), so an endpoint
//! that comes or goes moves its own keys and no others, and one that replaces another none at all.
//! Made once when a configuration is compiled. While some are out, each point knows its heir: the next point of one who
//! is not. So a pick passes over a thousand who are out in one step, and gets whom a walk would have met.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::draw::{hash, mix};

/// Points of an endpoint of weight 1, while there are few endpoints: so many that shares differ by some percent only.
const POINTS: u64 = 256;
/// Points in all, about, where there are many; none has fewer than [`FEWEST`].
const MOST: u64 = 262_144;
const FEWEST: u64 = 40;

/// The ring.
#[derive(Debug)]
pub(super) struct Ring {
    /// In order.
    points: Box<[Point]>,
    /// For each value of a hash's leading bits, the first point at or behind it: finds a key's point in one step.
    starts: Box<[u32]>,
    shift: u32,
    /// By point, its heir: the index of that point, and below it whose it is. Made when somebody is out for the first time.
    heirs: OnceLock<Box<[AtomicU64]>>,
}

/// Where on the ring, and whose. Two in a word: a ring of a thousand endpoints is megabytes, and what a lookup costs is
/// how many lines of memory it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    /// The leading half of a hash.
    hash: u32,
    place: u32,
}

impl Ring {
    /// Makes a ring of members: their place, weight and name.
    pub(super) fn new<'a>(members: impl Iterator<Item = (u32, u32, &'a str)> + Clone) -> Self {
        let (weights, least) = members.clone().fold((0, u64::MAX), |(sum, least), (_, weight, _)| {
            (sum + u64::from(weight), least.min(u64::from(weight.max(1))))
        });
        // The lightest gets `POINTS`, unless all together would then have too many.
        let by_least = |weight: u64| weight * POINTS / least;
        let mut points: Vec<Point> = members
            .flat_map(|(place, weight, name)| {
                let weight = u64::from(weight);
                let wanted = if by_least(weights) <= MOST { by_least(weight) } else { weight * MOST / weights.max(1) };
                let base = hash(name.as_bytes());
                (0..wanted.max(FEWEST)).map(move |point| Point { hash: lead(mix(base ^ mix(point + 1))), place })
            })
            .collect();
        points.sort_unstable();
        // Two to four points for each value: fewer would make a table that is larger than it saves.
        let bits = (points.len().max(1).ilog2()).clamp(2, 24) - 1;
        let shift = u32::BITS - bits;
        let mut starts = vec![0; 1 << bits];
        let mut at = 0;
        for (lead, start) in (0..).zip(&mut starts) {
            while points.get(at).is_some_and(|point| point.hash >> shift < lead) {
                at += 1;
            }
            *start = u32::try_from(at).unwrap_or(u32::MAX);
        }
        Self { points: points.into_boxed_slice(), starts: starts.into_boxed_slice(), shift, heirs: OnceLock::new() }
    }

    /// Notes who is worth a look, for walks that heed it. Goes over all points: a fraction of a millisecond for the
    /// largest ring, on the thread of whoever changes a standing.
    pub(super) fn survey(&self, may: impl Fn(u32) -> bool) {
        let Some(first) = self.points.iter().position(|point| may(point.place)) else { return };
        let unset = || self.points.iter().map(|_| AtomicU64::new(0)).collect();
        let heirs = self.heirs.get_or_init(unset);
        let word = |at: usize, point: &Point| (at as u64) << 32 | u64::from(point.place);
        // What is behind the last of them belongs to the first.
        let mut heir = self.points.get(first).map_or(0, |point| word(first, point));
        for (at, point) in self.points.iter().enumerate().rev() {
            if may(point.place) {
                heir = word(at, point);
            }
            if let Some(slot) = heirs.get(at) {
                slot.store(heir, Ordering::Relaxed);
            }
        }
    }

    /// The places that a key belongs to, nearest first, once round. A place comes again and again. With `heirs` those who
    /// were out at the last survey are passed over.
    pub(super) fn from(&self, key: u64, heirs: bool) -> Walk<'_> {
        let key = lead(key);
        let start = self.starts.get((key >> self.shift) as usize);
        let mut at = start.map_or(0, |start| *start as usize);
        while self.points.get(at).is_some_and(|point| point.hash < key) {
            at += 1;
        }
        let heirs = self.heirs.get().filter(|_| heirs).map_or(&[][..], |heirs| heirs);
        Walk { points: &self.points, heirs, at, left: self.points.len() }
    }
}

/// A way round the ring.
pub(super) struct Walk<'a> {
    points: &'a [Point],
    /// Empty where nobody is passed over.
    heirs: &'a [AtomicU64],
    at: usize,
    /// Points that were not passed yet.
    left: usize,
}

impl Iterator for Walk<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        let at = if self.at < self.points.len() { self.at } else { 0 };
        let (found, place) = match self.heirs.get(at) {
            Some(heir) => {
                let heir = heir.load(Ordering::Relaxed);
                ((heir >> 32) as usize, low(heir))
            }
            None => (at, self.points.get(at)?.place),
        };
        let passed = if found < at { self.points.len() - at + found } else { found - at } + 1;
        self.left = self.left.checked_sub(passed)?;
        self.at = found + 1;
        Some(place)
    }
}

/// The half of a hash by which it stands on the ring.
const fn lead(hash: u64) -> u32 {
    low(hash >> 32)
}

#[expect(clippy::cast_possible_truncation, reason = "the half that is asked for")]
const fn low(word: u64) -> u32 {
    word as u32
}
