//! Consistent hashing: a ring of points, many for each endpoint, where a key belongs to the next point.
//!
//! A point depends on its endpoint's seat alone (its address, or that of the endpoint that it replaced), so an endpoint
//! that comes or goes moves its own keys and no others, and one that replaces another none at all.
//! Made once when a configuration is compiled; what is not up is walked past.

use super::draw::{hash, mix};

/// Points of an endpoint of weight 1, while there are few endpoints: so many that shares differ by some percent only.
const POINTS: u64 = 256;
/// Points in all, about, where there are many; none has fewer than [`FEWEST`].
const MOST: u64 = 262_144;
const FEWEST: u64 = 40;

/// The ring.
#[derive(Debug)]
pub(super) struct Ring {
    /// Where the points are, in order.
    hashes: Box<[u64]>,
    /// Whose they are. Apart, since a walk over many of them asks for nothing else.
    places: Box<[u32]>,
    /// For each value of a hash's leading bits, the first point at or behind it: finds a key's point in one step.
    starts: Box<[u32]>,
    shift: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    hash: u64,
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
                (0..wanted.max(FEWEST)).map(move |point| Point { hash: mix(base ^ mix(point + 1)), place })
            })
            .collect();
        points.sort_unstable();
        let bits = points.len().next_power_of_two().trailing_zeros().clamp(1, 24);
        let shift = u64::BITS - bits;
        let mut starts = vec![0; 1 << bits];
        let mut at = 0;
        for (lead, start) in (0..).zip(&mut starts) {
            while points.get(at).is_some_and(|point| point.hash >> shift < lead) {
                at += 1;
            }
            *start = u32::try_from(at).unwrap_or(u32::MAX);
        }
        Self {
            hashes: points.iter().map(|point| point.hash).collect(),
            places: points.iter().map(|point| point.place).collect(),
            starts: starts.into_boxed_slice(),
            shift,
        }
    }

    /// The places that a key belongs to, nearest first. A place comes again and again.
    pub(super) fn from(&self, key: u64) -> impl Iterator<Item = u32> + Clone {
        let lead = usize::try_from(key >> self.shift).unwrap_or(0);
        let mut at = self.starts.get(lead).map_or(0, |start| *start as usize);
        while self.hashes.get(at).is_some_and(|hash| *hash < key) {
            at += 1;
        }
        let (before, behind) = self.places.split_at(at.min(self.places.len()));
        behind.iter().chain(before).copied()
    }
}
