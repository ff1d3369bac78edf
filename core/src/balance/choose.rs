//! The methods themselves: turns, chance, least load, lowest latency, hash.
//!
//! Each looks at endpoints in its own order and takes the first that is fit, or the best of those. Where an order finds
//! none within bounds, every endpoint is looked at, so that one that is up is always found.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use crate::config::Share;

use super::ring::Ring;
use super::{Ask, Balancer, COMPARED, Draw, FULL, Group, Method, Refusal, Standing, Tally};

/// How many turns or numbers are tried before every endpoint is looked at.
const TRIES: usize = 32;

/// How many points of the ring are looked at where those they belong to are out, slow to start or above their bound. With
/// a bound of 1.25 times the average four of five can be above it at most, and five looks are needed on average.
const LOOKS: usize = 256;

/// One pick.
struct Pick<'a, S> {
    balancer: &'a Balancer,
    tally: &'a Tally,
    standing: &'a S,
    ask: &'a Ask<'a>,
    /// Whether what was tried already may be taken again.
    again: bool,
    /// Something fit was met that does all it may.
    full: Cell<bool>,
}

pub(super) fn pick<'s>(
    balancer: &Balancer,
    tally: &Tally,
    standing: &impl Fn(usize) -> &'s Standing,
    ask: &Ask<'_>,
    draw: &mut Draw,
) -> Result<usize, Refusal> {
    let mut pick = Pick { balancer, tally, standing, ask, again: false, full: Cell::new(false) };
    if let Some(bound) = ask.bound
        && pick.serves_bound(bound)
    {
        return Ok(bound);
    }
    // Once more only after all others: then a second look may find that what failed was a kept connection alone.
    for again in [false, true] {
        if again && ask.tried.is_empty() {
            break;
        }
        pick.again = again;
        if let Some(place) = pick.from(&balancer.first, draw).or_else(|| pick.from(&balancer.backup, draw)) {
            return Ok(place as usize);
        }
    }
    Err(if pick.full.get() { Refusal::Full } else { Refusal::NoneUp })
}

impl<'s, S: Fn(usize) -> &'s Standing> Pick<'_, S> {
    fn serves_bound(&self, place: usize) -> bool {
        place < self.balancer.members.len()
            && !self.ask.tried.contains(&place)
            && (self.standing)(place).is_up_for_bound()
            && self.has_room(place)
    }

    fn has_room(&self, place: usize) -> bool {
        let room = (self.standing)(place).active() < self.balancer.most_at(place);
        if !room {
            self.full.set(true);
        }
        room
    }

    /// What share of its weight an endpoint gets, of [`FULL`]; `None` where it gets nothing.
    fn share(&self, place: u32) -> Option<u64> {
        let place = place as usize;
        if !self.again && self.ask.tried.contains(&place) {
            return None;
        }
        let standing = (self.standing)(place);
        let share = if standing.is_plain() {
            FULL
        } else if standing.is_up() {
            standing.share(self.balancer.slow_start, self.ask.now)
        } else if standing.is_only_ejected() && self.tally.panic.load(Ordering::Relaxed) {
            FULL
        } else {
            return None;
        };
        (!self.balancer.capped || self.has_room(place)).then_some(share)
    }

    /// Whether an endpoint is taken now: always with its whole share, else as often as its share says.
    fn takes(&self, place: u32, draw: &mut Draw) -> bool {
        self.share(place).is_some_and(|share| share >= FULL || draw.number() % FULL < share)
    }

    fn from(&self, group: &Group, draw: &mut Draw) -> Option<u32> {
        if group.places.is_empty() {
            return None;
        }
        let most = match &self.balancer.method {
            Method::Hash { most, .. } => *most,
            _ => None,
        };
        // What is chosen by a key has a ring, whatever those without a key are chosen by.
        if let (Some(key), Some(ring)) = (self.ask.key, &group.ring) {
            return self.by_hash(group, ring, key, most, draw);
        }
        match &self.balancer.method {
            Method::Only => self.any(group, draw),
            Method::RoundRobin => self.in_turn(group, draw),
            Method::Random => self.by_chance(group, draw),
            Method::LeastRequests => self.least(group, draw, |pick, place, share| pick.load(place, share)),
            Method::PeakEwma => self.least(group, draw, |pick, place, share| pick.cost(place, share)),
            Method::Hash { .. } => self.in_turn(group, draw),
        }
    }

    fn in_turn(&self, group: &Group, draw: &mut Draw) -> Option<u32> {
        // What is passed over uses up its turn, so that the others go on to alternate.
        let due = (0..TRIES.min(2 * group.turns().len())).find_map(|_| {
            let place = group.turn(|count| self.tally.turn() % count)?;
            self.takes(place, draw).then_some(place)
        });
        due.or_else(|| self.any(group, draw))
    }

    fn by_chance(&self, group: &Group, draw: &mut Draw) -> Option<u32> {
        let met = (0..TRIES).find_map(|_| {
            let place = group.turn(|count| draw.below(count))?;
            self.takes(place, draw).then_some(place)
        });
        met.or_else(|| self.any(group, draw))
    }

    /// One that is fit: of those who are worth a look where chance meets one, else the first of all from a place that chance
    /// gives.
    fn any(&self, group: &Group, draw: &mut Draw) -> Option<u32> {
        let met = (0..COMPARED).find_map(|_| {
            let place = group.turn(|count| draw.below(count))?;
            self.share(place).is_some().then_some(place)
        });
        met.or_else(|| {
            let (before, behind) = group.places.split_at(draw.below(group.places.len()));
            behind.iter().chain(before).copied().find(|place| self.share(*place).is_some())
        })
    }

    /// The one with the least cost: of all where there are few, else of two that chance gives.
    fn least(&self, group: &Group, draw: &mut Draw, cost: impl Fn(&Self, u32, u64) -> u128) -> Option<u32> {
        if group.places.len() > COMPARED {
            let one = self.by_chance(group, draw)?;
            let other = self.by_chance(group, draw)?;
            let cost = |place| cost(self, place, self.share(place).unwrap_or(1));
            return Some(if cost(other) < cost(one) { other } else { one });
        }
        // From another one each time: among equals the turn decides.
        let start = self.tally.turn() % group.places.len();
        let (before, behind) = group.places.split_at(start);
        let fit = behind.iter().chain(before).filter_map(|place| Some((*place, self.share(*place)?)));
        fit.min_by_key(|(place, share)| cost(self, *place, *share)).map(|(place, _)| place)
    }

    /// Exchanges that it would have, for each unit of its weight. Scaled, so that whole numbers do.
    fn load(&self, place: u32, share: u64) -> u128 {
        let active = (self.standing)(place as usize).active();
        ((u128::from(active) + 1) << 40) / u128::from(self.balancer.weight(place) * share).max(1)
    }

    /// Its load by the time that it takes to answer. One that has not answered yet is tried, but by one at a time.
    fn cost(&self, place: u32, share: u64) -> u128 {
        let standing = (self.standing)(place as usize);
        match (standing.expected(self.ask.now), standing.active()) {
            (0, 0) => 0,
            (0, _) => u128::MAX >> 1,
            (latency, _) => self.load(place, share).saturating_mul(u128::from(latency)),
        }
    }

    /// The first that is fit from where the key belongs, passing over those that have more than `most` of the average load
    /// of their weight; the average is that of those who were not out at the last survey, since they bear it.
    fn by_hash(&self, group: &Group, ring: &Ring, key: u64, most: Option<Share>, draw: &mut Draw) -> Option<u32> {
        // Who has less than `most` of (active + 1) · weight / all weights: in whole numbers, and without a division.
        let load = most.map(|most| {
            let weights = group.weight.load(Ordering::Relaxed).max(1);
            let all = (u64::from(self.tally.active()) + 1).saturating_mul(u64::from(most.0));
            (all, weights.saturating_mul(u64::from(Share::WHOLE.0)))
        });
        let bound = |place: u32| {
            load.is_none_or(|(all, weights)| {
                let active = u64::from((self.standing)(place as usize).active());
                u128::from(active) * u128::from(weights) < u128::from(all) * u128::from(self.balancer.weight(place))
            })
        };
        let mut spare = None;
        for place in ring.from(key, group.fit.is_part()).take(LOOKS) {
            let Some(share) = self.share(place) else { continue };
            // Which keys an endpoint gets while it ramps depends on the key, not on chance: they stay where they are.
            if (share >= FULL || (key >> 7) % FULL < share) && bound(place) {
                return Some(place);
            }
            spare = spare.or(Some(place));
        }
        spare.or_else(|| self.any(group, draw))
    }
}
