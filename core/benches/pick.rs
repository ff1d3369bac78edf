//! What picking an endpoint among a thousand costs, for every balancer and in what a bad hour does to it.
//!
//! Run with `cargo bench -p switchboard-core --bench pick`. The bar: below 200 ns each (docs/performance.md).

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use switchboard_core::balance::{Ask, Balancer, Draw, Flag, Standing, Tally, hash};
use switchboard_core::config::{Address, Balance, Endpoint, HashKey, Share, Upstream};
use switchboard_core::moment::Moment;

const ENDPOINTS: u32 = 1000;

/// An upstream of a thousand with its live state.
struct Rig {
    balancer: Balancer,
    tally: Tally,
    standing: Vec<Standing>,
}

impl Rig {
    fn new(balance: Balance, weight: impl Fn(u32) -> u32) -> Self {
        let endpoint = |place: u32| Endpoint {
            weight: weight(place),
            ..Endpoint::at(format!("10.0.{}.{}:80", place / 256, place % 256), Address::Loopback(80))
        };
        let upstream = Upstream { balance, ..Upstream::of((0..ENDPOINTS).map(endpoint).collect()) };
        let standing: Vec<Standing> = upstream.endpoints.iter().map(|_| Standing::default()).collect();
        let tally = Tally::default();
        let balancer = Balancer::compile(&upstream);
        // As in service: each has answered, some do more than others.
        let mut draw = Draw::new(1);
        for standing in &standing {
            standing.measure(Duration::from_micros(500 + draw.number() % 5000), Moment::ZERO);
            for _ in 0..draw.number() % 8 {
                standing.enter();
                if balancer.needs_total() {
                    tally.enter();
                }
            }
        }
        Self { balancer, tally, standing }
    }

    /// Takes every endpoint down but one in `one_in`, as the control thread does.
    fn down(self, one_in: usize) -> Self {
        for (place, standing) in self.standing.iter().enumerate() {
            if place % one_in != 0 {
                standing.set(Flag::Failing);
            }
        }
        self.balancer.survey(&self.tally, |place| &self.standing[place]);
        self
    }

    /// Gives those who are up all that there is to do, and four of five as much as a bound of 1.25 lets them have.
    fn laden(self) -> Self {
        let up: Vec<&Standing> = self.standing.iter().filter(|standing| standing.is_up()).collect();
        for standing in &self.standing {
            (0..standing.active()).for_each(|_| standing.leave());
        }
        (0..self.tally.active()).for_each(|_| self.tally.leave());
        let places = self.standing.iter().zip(0..).filter(|(standing, _)| standing.is_up()).map(|(_, place)| place);
        for (number, (standing, place)) in up.iter().zip(places).enumerate() {
            let share = if number % 5 == 0 { 0 } else { 5 * (1 + place % 3) };
            for _ in 0..share {
                standing.enter();
                self.tally.enter();
            }
        }
        self
    }

    fn run(&self, criterion: &mut Criterion, name: &str) {
        let (mut draw, mut key) = (Draw::new(7), 0_u64);
        criterion.bench_function(name, |bench| {
            bench.iter(|| {
                key += 1;
                let ask = Ask { key: Some(hash(&key.to_le_bytes())), bound: None, tried: &[], now: Moment::ZERO };
                let picked = self.balancer.pick(&self.tally, |place| &self.standing[place], &ask, &mut draw);
                black_box(picked)
            });
        });
    }
}

fn picks(criterion: &mut Criterion) {
    let hashed = |max_load| Balance::Hash { by: HashKey::ClientIp, max_load };
    let bounded = || hashed(Some(Share(1_250_000)));
    let ways: [(&str, Balance); 7] = [
        ("round robin", Balance::RoundRobin),
        ("random", Balance::Random),
        ("weighted random", Balance::WeightedRandom),
        ("least requests", Balance::LeastRequests),
        ("peak ewma", Balance::PeakEwma),
        ("hash", hashed(None)),
        ("hash, bounded load", bounded()),
    ];
    for (name, balance) in ways {
        Rig::new(balance.clone(), |_| 1).run(criterion, name);
        Rig::new(balance.clone(), |place| 1 + place % 3).run(criterion, &format!("{name}, weights"));
        Rig::new(balance.clone(), |place| 1 + place % 3).down(2).run(criterion, &format!("{name}, half are down"));
        Rig::new(balance.clone(), |place| 1 + place % 3).down(20).run(criterion, &format!("{name}, 19 of 20 are down"));
        Rig::new(balance, |place| 1 + place % 3).down(500).run(criterion, &format!("{name}, all but two are down"));
    }
    // What bounds cost at their worst: four of five have all that they may.
    let weights = |place| 1 + place % 3;
    Rig::new(bounded(), weights).laden().run(criterion, "hash, bounded load, four of five are full");
    let few = Rig::new(bounded(), weights).down(20).laden();
    few.run(criterion, "hash, bounded load, 19 of 20 are down, four of five of the others full");
}

criterion_group! {
    name = pick;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = picks
}
criterion_main!(pick);
