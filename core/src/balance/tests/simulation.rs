//! Endpoints flap, weights change, reloads come: 256 courses from 256 seeds, each with two ways of choosing.
//!
//! What must hold whatever happens: nothing ejected is picked while another is up (unless the panic threshold holds),
//! counts never fall below zero, shares follow the weights.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::*;

const SEEDS: u64 = 256;
const STEPS: usize = 250;

#[test]
fn invariants_hold_for_every_seed() {
    for seed in 0..SEEDS {
        // Turns in each, for their shares are exact; beside them one of the others by turns.
        for way in [WAYS[0], WAYS[1 + usize::try_from(seed).unwrap() % (WAYS.len() - 1)]] {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| Course::new(seed, way).run())) {
                eprintln!("seed {seed}, {:?}", way());
                resume_unwind(panic);
            }
        }
    }
}

/// One run of events.
struct Course {
    rig: Rig,
    way: fn() -> Balance,
    chance: Draw,
    /// Requests in flight, by place.
    flying: Vec<usize>,
}

impl Course {
    fn new(seed: u64, way: fn() -> Balance) -> Self {
        let mut chance = Draw::new(seed);
        let count = 1 + chance.below(if seed.is_multiple_of(8) { 40 } else { 12 });
        let list = some_endpoints(&mut chance, count);
        Self { rig: with_panic(Rig::new(way(), list)), way, chance, flying: Vec::new() }
    }

    fn run(&mut self) {
        for _ in 0..STEPS {
            match self.chance.below(24) {
                0 => self.flap(),
                1 => self.reload(),
                2 => self.rig.now = self.rig.now + Duration::from_secs(1),
                3..11 => self.finish(),
                _ => self.request(),
            }
        }
        while !self.flying.is_empty() {
            self.finish();
        }
        assert!(self.rig.standing.iter().all(|standing| standing.active() == 0), "something is left in flight");
        self.shares();
    }

    fn flap(&mut self) {
        const FLAGS: [Flag; 5] = [Flag::Failing, Flag::Ejected, Flag::Ejected, Flag::Maint, Flag::Drain];
        let place = self.chance.below(self.rig.standing.len());
        let flag = FLAGS[self.chance.below(FLAGS.len())];
        if !self.rig.standing[place].clear(flag) {
            self.rig.standing[place].set(flag);
        } else if self.chance.below(2) == 0 {
            self.rig.standing[place].ramp(self.rig.now);
        }
        self.weigh();
    }

    /// Other weights and priorities; the live state stays.
    fn reload(&mut self) {
        let list = some_endpoints(&mut self.chance, self.rig.standing.len());
        let fresh = with_panic(Rig::new((self.way)(), list));
        self.rig.balancer = fresh.balancer;
        self.weigh();
    }

    fn weigh(&self) {
        self.rig.balancer.survey(&self.rig.tally, |place| &self.rig.standing[place]);
    }

    fn request(&mut self) {
        let key = Some(self.chance.number());
        let bound = (self.chance.below(4) == 0).then(|| self.chance.below(self.rig.standing.len()));
        let picked = self.rig.pick_for(key, bound, &[]);
        let up = self.rig.standing.iter().filter(|standing| standing.is_up()).count();
        let count = self.rig.standing.len();
        let panic = up * 10 < count * 3;
        match picked {
            Ok(place) => {
                let standing = &self.rig.standing[place];
                let allowed = standing.is_up()
                    || (bound == Some(place) && standing.is_up_for_bound())
                    || (panic && standing.is_only_ejected());
                assert!(allowed, "picked {place}, {standing:?}, while {up} of {count} are up");
                standing.enter();
                self.rig.tally.enter();
                self.flying.push(place);
            }
            Err(refusal) => {
                let served = self.rig.standing.iter().any(|s| s.is_up() || (panic && s.is_only_ejected()));
                assert!(!served, "{refusal:?} while {up} of {count} are up");
            }
        }
    }

    fn finish(&mut self) {
        if self.flying.is_empty() {
            return;
        }
        let at = self.chance.below(self.flying.len());
        let place = self.flying.swap_remove(at);
        let took = Duration::from_micros(100 + self.chance.number() % 5000);
        self.rig.standing[place].measure(took, self.rig.now);
        assert!(self.rig.standing[place].active() > 0, "a count below zero");
        self.rig.standing[place].leave();
        self.rig.tally.leave();
    }

    /// Of those that are up, each gets its share by weight, within 2 % of all requests.
    fn shares(&mut self) {
        let weighs = matches!((self.way)(), Balance::RoundRobin | Balance::WeightedRandom);
        self.rig.now = self.rig.now + Duration::from_secs(60);
        let members = &self.rig.balancer.members;
        let is_up = |place: u32| self.rig.standing[place as usize].is_up();
        let Some(group) = [&self.rig.balancer.first, &self.rig.balancer.backup]
            .into_iter()
            .find(|group| group.places.iter().any(|place| is_up(*place)))
        else {
            return;
        };
        let total: u32 = group.places.iter().filter(|place| is_up(**place)).map(|p| members[*p as usize].weight).sum();
        let panic = self.rig.tally.panic.load(Ordering::Relaxed);
        if !weighs || panic {
            return;
        }
        let expect: Vec<(usize, f64)> = group
            .places
            .iter()
            .map(|place| *place as usize)
            .map(|place| (place, if self.rig.standing[place].is_up() { f64::from(members[place].weight) } else { 0.0 }))
            .collect();
        const PICKS: usize = 10_000;
        let picks = self.rig.picks(PICKS);
        for (place, weight) in expect {
            let (got, wanted) = (picks[place] as f64 / PICKS as f64, weight / f64::from(total));
            assert!((got - wanted).abs() <= 0.02, "{place}: {got} for {wanted} of {picks:?}");
        }
    }
}

fn with_panic(mut rig: Rig) -> Rig {
    rig.balancer.panic = Some(Share(300_000));
    rig
}

fn some_endpoints(chance: &mut Draw, count: usize) -> Vec<Endpoint> {
    let weights: Vec<u32> = (0..count).map(|_| 1 + u32::try_from(chance.below(5)).unwrap()).collect();
    let mut list = endpoints(&weights);
    list.iter_mut().for_each(|endpoint| endpoint.backup = chance.below(6) == 0);
    list
}
