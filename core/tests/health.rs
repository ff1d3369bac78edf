//! Health under seeded time: endpoints flap, slow down and change, settings come and go, and what must hold holds.
//!
//! 256 seeds. A failure names its seed: `health_holds_its_promises` with that seed alone shows it again.
#![cfg(test)]

use std::time::Duration;

use switchboard_core::balance::{Ask, Balancer, Draw, Flag, Refusal, Standing, Tally};
use switchboard_core::config::{Address, Endpoint as Written, Outlier, Share, Upstream};
use switchboard_core::health::active::{Course, Pace, Probed, Seen};
use switchboard_core::health::passive::{Record, Rules, Verdict, allowed, report};
use switchboard_core::moment::Moment;

/// Numbers from a seed (xorshift64*).
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

/// One endpoint: how it really is, what probes say of it, and what its traffic did.
struct Endpoint {
    well: bool,
    course: Course,
    /// When the answer to the probe under way comes.
    answers: Option<Moment>,
    /// Answers in a row that contradict what probes have come to, as an observer counts them.
    against: u32,
}

struct World {
    chance: Chance,
    now: Moment,
    pace: Pace,
    rules: Rules,
    endpoints: Vec<Endpoint>,
    records: Vec<Record>,
    standings: Vec<Standing>,
    balancer: Balancer,
    tally: Tally,
    draw: Draw,
    panic: Share,
    changes: usize,
    ejections: usize,
}

const STEP: Duration = Duration::from_millis(50);

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let count = 1 + chance.below(12);
        let endpoints = (0..count).map(|index| Endpoint {
            well: true,
            course: Course::new(seed ^ index << 32, Moment::ZERO),
            answers: None,
            against: 0,
        });
        let endpoints: Vec<Endpoint> = endpoints.collect();
        let records = vec![Record::default(); endpoints.len()];
        let standings = endpoints.iter().map(|_| Standing::default()).collect();
        let panic = Share(Share::WHOLE.0 / 100 * u32::try_from(chance.below(80)).unwrap());
        let mut world = Self {
            standings,
            balancer: balancer(endpoints.len(), panic),
            tally: Tally::default(),
            draw: Draw::new(seed),
            panic,
            pace: pace(&mut chance),
            rules: rules(&mut chance),
            chance,
            now: Moment::ZERO,
            endpoints,
            records,
            changes: 0,
            ejections: 0,
        };
        world.now = world.now + STEP;
        world
    }

    fn is_up(&self, index: usize) -> bool {
        self.endpoints[index].course.state() != Probed::Failing && self.records[index].until().is_none()
    }

    fn step(&mut self) {
        for index in 0..self.endpoints.len() {
            if self.chance.one_in(60) {
                self.endpoints[index].well = !self.endpoints[index].well;
            }
            self.probe(index);
        }
        for record in &mut self.records {
            let until = record.until();
            assert_eq!(
                record.come_back(self.now),
                until.is_some_and(|until| until <= self.now),
                "back in time, not before"
            );
        }
        if self.chance.one_in(4) {
            self.fail_some_traffic();
        }
        self.pick();
        // A reload brings other settings; what is known stays.
        if self.chance.one_in(200) {
            self.pace = pace(&mut self.chance);
            self.rules = rules(&mut self.chance);
        }
        self.now = self.now + STEP;
    }

    /// Tells the picks what is known, and asks for some.
    fn pick(&mut self) {
        for (index, standing) in self.standings.iter().enumerate() {
            for (flag, set) in [
                (Flag::Failing, self.endpoints[index].course.state() == Probed::Failing),
                (Flag::Ejected, self.records[index].until().is_some()),
            ] {
                if set {
                    standing.set(flag)
                } else {
                    standing.clear(flag)
                };
            }
        }
        let standing = |place: usize| &self.standings[place];
        self.balancer.survey(&self.tally, standing);
        let up = (0..self.endpoints.len()).filter(|index| self.is_up(*index)).count();
        let whole = u64::from(Share::WHOLE.0);
        let panic = (up as u64) * whole < self.endpoints.len() as u64 * u64::from(self.panic.0);
        for _ in 0..3 {
            let ask = Ask { key: None, bound: None, tried: &[], now: self.now };
            match self.balancer.pick(&self.tally, standing, &ask, &mut self.draw) {
                Ok(place) => {
                    assert!(self.endpoints[place].course.state() != Probed::Failing, "probes are facts");
                    assert!(self.is_up(place) || panic, "an ejected endpoint while {up} are up");
                }
                Err(Refusal::NoneUp) => assert!(up == 0, "{up} are up"),
                Err(Refusal::Full) => unreachable!("nothing limits them"),
            }
        }
    }

    fn probe(&mut self, index: usize) {
        let Self { pace, now, chance, .. } = self;
        let endpoint = &mut self.endpoints[index];
        match endpoint.answers {
            Some(at) if at <= *now => {
                endpoint.answers = None;
                let before = endpoint.course.state();
                let against = match before {
                    Probed::Unproven => true,
                    Probed::Passing => !endpoint.well,
                    Probed::Failing => endpoint.well,
                };
                endpoint.against = if against { endpoint.against + 1 } else { 0 };
                let seen = Seen { passed: endpoint.well, words: "".into() };
                let change = endpoint.course.answer(pace, seen, *now);
                assert_eq!(change.is_some(), before != endpoint.course.state());
                if let Some(change) = change {
                    let needed = match change.from {
                        Probed::Unproven => 1,
                        Probed::Passing => pace.fails,
                        Probed::Failing => pace.passes,
                    };
                    assert_eq!(change.to, if endpoint.well { Probed::Passing } else { Probed::Failing });
                    assert!(endpoint.against >= needed, "never before its time");
                    endpoint.against = 0;
                    self.changes += 1;
                }
            }
            Some(_) => assert!(endpoint.course.is_asked(), "one probe at a time"),
            None if endpoint.course.due() <= *now => {
                endpoint.course.send(pace, *now);
                endpoint.answers = Some(*now + Duration::from_millis(chance.below(900)));
            }
            None => {
                let wait = endpoint.course.due() - *now;
                assert!(wait <= Duration::from_secs(11), "nobody is forgotten: {wait:?}");
            }
        }
    }

    fn fail_some_traffic(&mut self) {
        let index = usize::try_from(self.chance.below(self.endpoints.len() as u64)).unwrap();
        let up = (0..self.endpoints.len()).filter(|index| self.is_up(*index)).count();
        let was = self.is_up(index);
        let out = self.records.iter().filter(|record| record.until().is_some()).count();
        let most = allowed(self.rules.max_ejected, self.records.len());
        match report(&self.rules, &mut self.records, index, up, self.now) {
            Verdict::Ejected(hold) => {
                self.ejections += 1;
                assert!(out < most, "ejected {out} of {most} already");
                assert!(hold <= self.rules.max_hold.max(self.rules.hold) && hold >= self.rules.hold.min(hold));
                let left = (0..self.endpoints.len()).filter(|index| self.is_up(*index)).count();
                assert!(left >= 1 || !was, "somebody is still up");
            }
            Verdict::Enough => assert!(out >= most),
            Verdict::LastOne => assert!(up <= 1),
            Verdict::Already => assert!(self.records[index].until().is_some()),
        }
    }
}

fn balancer(count: usize, panic: Share) -> Balancer {
    let endpoint = |port| Written::at(format!(":{port}"), Address::Loopback(port));
    let endpoints = (1..=u16::try_from(count).unwrap()).map(endpoint).collect();
    Balancer::compile(&Upstream { outlier: Some(Outlier { panic, ..Outlier::default() }), ..Upstream::of(endpoints) })
}

fn pace(chance: &mut Chance) -> Pace {
    let [fails, passes] = [1, 2].map(|_| u32::try_from(1 + chance.below(4)).unwrap());
    Pace { interval: Duration::from_secs(1 + chance.below(9)), fails, passes }
}

fn rules(chance: &mut Chance) -> Rules {
    let seconds = |count| Duration::from_secs(count);
    Rules {
        hold: seconds(1 + chance.below(5)),
        max_hold: seconds(1 + chance.below(60)),
        max_ejected: Share(Share::WHOLE.0 / 100 * u32::try_from(1 + chance.below(100)).unwrap()),
        latency: None,
    }
}

#[test]
fn health_holds_its_promises() {
    let (mut changes, mut ejections) = (0, 0);
    for seed in 0..256 {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..2_000 {
                world.step();
            }
            // Then all stay as they are: probes find the truth, and ejections end.
            let end = world.now + Duration::from_secs(120);
            while world.now < end {
                for index in 0..world.endpoints.len() {
                    world.probe(index);
                }
                for record in &mut world.records {
                    record.come_back(world.now);
                }
                world.now = world.now + STEP;
            }
            for (endpoint, record) in world.endpoints.iter().zip(&world.records) {
                assert_eq!(endpoint.course.state() == Probed::Passing, endpoint.well);
                assert!(record.until().is_none());
            }
            (world.changes, world.ejections)
        });
        match run {
            Ok((more, out)) => {
                changes += more;
                ejections += out;
            }
            Err(panic) => {
                eprintln!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    // A run in which nothing happened would prove nothing.
    assert!(changes > 1_000 && ejections > 1_000, "{changes} {ejections}");
}
