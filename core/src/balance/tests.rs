//! What each method promises, as tables; `simulation` puts them together under chance.

use super::*;
use crate::config::{Address, Endpoint, HashKey, Upstream};

mod fit;
mod latency;
mod simulation;

/// An upstream with its live state, as the proxy has it.
pub(super) struct Rig {
    pub(super) balancer: Balancer,
    pub(super) tally: Tally,
    pub(super) standing: Vec<Standing>,
    pub(super) draw: Draw,
    pub(super) now: Moment,
}

impl Rig {
    pub(super) fn new(balance: Balance, endpoints: Vec<Endpoint>) -> Self {
        let upstream = Upstream { balance, slow_start: Some(Duration::from_secs(10)), ..Upstream::of(endpoints) };
        Self {
            balancer: Balancer::compile(&upstream),
            tally: Tally::default(),
            standing: upstream.endpoints.iter().map(|_| Standing::default()).collect(),
            draw: Draw::new(7),
            now: Moment::ZERO,
        }
    }

    pub(super) fn pick_for(
        &mut self,
        key: Option<u64>,
        bound: Option<usize>,
        tried: &[usize],
    ) -> Result<usize, Refusal> {
        let ask = Ask { key, bound, tried, now: self.now };
        self.balancer.pick(&self.tally, |place| &self.standing[place], &ask, &mut self.draw)
    }

    pub(super) fn pick(&mut self) -> Result<usize, Refusal> {
        self.pick_for(None, None, &[])
    }

    /// How many of `count` picks each place gets.
    pub(super) fn picks(&mut self, count: usize) -> Vec<usize> {
        let mut picks = vec![0; self.standing.len()];
        for _ in 0..count {
            picks[self.pick().unwrap()] += 1;
        }
        picks
    }
}

pub(super) fn endpoints(weights: &[u32]) -> Vec<Endpoint> {
    let endpoint = |(place, weight): (usize, &u32)| Endpoint {
        weight: *weight,
        ..Endpoint::at(format!("10.0.{}.{}:80", place / 256, place % 256), Address::Loopback(80))
    };
    weights.iter().enumerate().map(endpoint).collect()
}

pub(super) const fn by_client() -> Balance {
    Balance::Hash { by: HashKey::ClientIp, max_load: None }
}

pub(super) const WAYS: [fn() -> Balance; 6] = [
    || Balance::RoundRobin,
    || Balance::Random,
    || Balance::WeightedRandom,
    || Balance::LeastRequests,
    || Balance::PeakEwma,
    by_client,
];

#[test]
fn round_robin_takes_turns_by_weight() {
    let check = |weights: &[u32], expect: &[usize]| {
        let mut rig = Rig::new(Balance::RoundRobin, endpoints(weights));
        let picks: Vec<usize> = expect.iter().map(|_| rig.pick().unwrap()).collect();
        assert_eq!(picks, expect, "{weights:?}");
    };
    check(&[1, 1, 1], &[0, 1, 2, 0, 1, 2, 0]);
    check(&[5, 1, 1], &[0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 1]);
    check(&[7], &[0, 0, 0]);
}

/// The others go on to alternate: the one behind a gap does not get two turns.
#[test]
fn turns_of_the_ejected_are_shared_by_all() {
    let mut rig = Rig::new(Balance::RoundRobin, endpoints(&[1, 1, 1]));
    rig.standing[1].set(Flag::Ejected);
    assert_eq!(rig.picks(1000), [500, 0, 500]);
}

#[test]
fn every_way_finds_the_last_one_that_is_up() {
    for way in WAYS {
        for count in [1, 2, 9, 300] {
            let mut rig = Rig::new(way(), endpoints(&vec![1; count]));
            let last = count / 2;
            for place in (0..count).filter(|place| *place != last) {
                rig.standing[place].set(Flag::Failing);
            }
            for key in 0..64 {
                assert_eq!(rig.pick_for(Some(hash(&[key])), None, &[]), Ok(last), "{:?}", way());
            }
            rig.standing[last].set(Flag::Maint);
            assert_eq!(rig.pick_for(Some(1), None, &[]), Err(Refusal::NoneUp), "{:?}", way());
        }
    }
}

#[test]
fn what_was_tried_comes_last() {
    for way in WAYS {
        let mut rig = Rig::new(way(), endpoints(&[1, 1, 1]));
        for key in 0..64 {
            let key = Some(hash(&[key]));
            assert_eq!(rig.pick_for(key, None, &[0, 2]), Ok(1), "{:?}", way());
            assert!(rig.pick_for(key, None, &[0, 1, 2]).is_ok(), "{:?}", way());
        }
    }
}

#[test]
fn backups_serve_while_no_other_can() {
    for way in WAYS {
        let mut list = endpoints(&[1, 1, 1]);
        list[1].backup = true;
        let mut rig = Rig::new(way(), list);
        let mut check = |expect: &[usize]| {
            for key in 0..64 {
                let picked = rig.pick_for(Some(hash(&[key])), None, &[]).unwrap();
                assert!(expect.contains(&picked), "{:?}: {picked}", way());
            }
            rig.standing[expect[0]].set(Flag::Ejected);
        };
        check(&[0, 2]);
        check(&[2]);
        check(&[1]);
    }
}

#[test]
fn least_requests_counts_by_weight_and_lets_equals_take_turns() {
    let check = |weights: &[u32], active: &[u32], expect: &[usize]| {
        let mut rig = Rig::new(Balance::LeastRequests, endpoints(weights));
        for (standing, active) in rig.standing.iter().zip(active) {
            (0..*active).for_each(|_| _ = standing.enter());
        }
        let picks: Vec<usize> = expect.iter().map(|_| rig.pick().unwrap()).collect();
        assert_eq!(picks, expect, "{weights:?} {active:?}");
    };
    check(&[1, 1, 1], &[0, 0, 0], &[0, 1, 2, 0]);
    check(&[1, 1, 1], &[5, 1, 5], &[1, 1, 1]);
    check(&[1, 4], &[1, 3], &[1, 1]);
    check(&[1, 4], &[0, 9], &[0, 0]);
}

/// Of a thousand, two are compared: the busy ones get far less than their share.
#[test]
fn two_choices_shun_the_busy() {
    let mut rig = Rig::new(Balance::LeastRequests, endpoints(&[1; 1000]));
    for standing in rig.standing.iter().step_by(2) {
        (0..10).for_each(|_| _ = standing.enter());
    }
    let busy: usize = rig.picks(10_000).iter().step_by(2).sum();
    // Both of two are busy one time in four; blind choice would be one in two.
    assert!((2200..2800).contains(&busy), "{busy} of 10000");
}

/// One of N that comes, goes or goes down moves its own keys (1/N) and no others; the rest is how evenly they lie.
#[test]
fn hash_is_consistent() {
    for count in [3, 10, 50, 1000] {
        let keys: Vec<u64> = (0_u32..10_000).map(|key| hash(&key.to_le_bytes())).collect();
        let names = |list: Vec<Endpoint>, down: Option<usize>| -> Vec<String> {
            let mut rig = Rig::new(by_client(), list.clone());
            down.map(|place| rig.standing[place].set(Flag::Failing));
            let pick = |key: &u64| list[rig.pick_for(Some(*key), None, &[]).unwrap()].written.clone();
            keys.iter().map(pick).collect()
        };
        let all = endpoints(&vec![1; count]);
        let before = names(all.clone(), None);
        let check = |what: &str, after: Vec<String>| {
            let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
            let most = keys.len() as f64 * (1.0 / count as f64 + 0.05);
            assert!(moved > 0 && (moved as f64) <= most, "{what}: {moved} of {} among {count}", keys.len());
        };
        let mut fewer = all.clone();
        fewer.remove(count / 2);
        fewer.reverse();
        check("gone, and written in another order", names(fewer, None));
        check("down", names(all.clone(), Some(count / 2)));
        let mut more = all;
        more.insert(1, Endpoint::at("10.9.9.9:80".to_owned(), Address::Loopback(80)));
        check("come", names(more, None));
    }
}

/// One that replaces another gets its keys and no others: not one key of those that stayed moves.
#[test]
fn hash_hands_the_seat_of_the_replaced_on() {
    let upstream = |list: &[Endpoint]| Upstream { balance: by_client(), ..Upstream::of(list.to_vec()) };
    let config = |list: &[Endpoint]| config::Config {
        upstreams: [("u".to_owned(), upstream(list))].into(),
        ..config::Config::default()
    };
    for count in [3, 10, 50] {
        let all = endpoints(&vec![1; count]);
        let mut other = all.clone();
        other[count / 2] = Endpoint::at("10.9.9.9:80".to_owned(), Address::Loopback(80));
        let after = config(&other).seated_after(&config(&all));
        let (mut before, mut after) =
            (Rig::new(by_client(), all), Rig::new(by_client(), after.upstreams["u"].endpoints.clone()));
        for key in 0_u32..10_000 {
            let key = Some(hash(&key.to_le_bytes()));
            assert_eq!(before.pick_for(key, None, &[]), after.pick_for(key, None, &[]), "of {count}");
        }
    }
}

#[test]
fn hash_gives_shares_by_weight() {
    let mut rig = Rig::new(by_client(), endpoints(&[1, 2, 1, 4]));
    let mut picks = [0_u32; 4];
    for key in 0_u32..40_000 {
        picks[rig.pick_for(Some(hash(&key.to_le_bytes())), None, &[]).unwrap()] += 1;
    }
    for (got, weight) in picks.iter().zip([1.0, 2.0, 1.0, 4.0]) {
        let share = f64::from(*got) / 40_000.0;
        assert!((share - weight / 8.0).abs() < 0.04, "{picks:?}");
    }
}

#[test]
fn requests_without_a_key_take_turns() {
    let mut rig = Rig::new(by_client(), endpoints(&[1, 1, 1]));
    assert_eq!(rig.picks(300), [100, 100, 100]);
}

/// With bounded load no endpoint has more than its bound, though all requests have one key.
#[test]
fn bounded_load_passes_on_what_is_above() {
    let balance = Balance::Hash { by: HashKey::Path, max_load: Some(Share(1_250_000)) };
    let mut rig = Rig::new(balance, endpoints(&[1; 10]));
    assert!(rig.balancer.needs_total());
    for _ in 0..1000 {
        let place = rig.pick_for(Some(42), None, &[]).unwrap();
        rig.standing[place].enter();
        rig.tally.enter();
    }
    let active: Vec<u32> = rig.standing.iter().map(Standing::active).collect();
    assert!(active.iter().all(|active| *active <= 125), "{active:?}");
    assert!(active.contains(&125), "{active:?}");
}

#[test]
fn slow_start_grows_and_ends_by_itself() {
    let mut rig = Rig::new(Balance::RoundRobin, endpoints(&[1, 1]));
    rig.standing[1].ramp(Moment::ZERO);
    let mut check = |seconds: f64, expect: std::ops::Range<usize>| {
        rig.now = Moment::ZERO + Duration::from_secs_f64(seconds);
        let picks = rig.picks(2000)[1];
        assert!(expect.contains(&picks), "{picks} after {seconds} s");
    };
    check(0.1, 80..160); // 1/16 beside 1
    check(5.0, 600..730); // 1/2 beside 1
    check(10.0, 999..1002);
    assert!(!rig.standing[1].has(Flag::Ramp));
}

#[test]
fn panic_lets_the_ejected_serve_but_not_the_failing() {
    let mut rig = Rig::new(Balance::RoundRobin, endpoints(&[1, 1, 1, 1]));
    rig.balancer.panic = Some(Share(300_000));
    rig.standing[0].set(Flag::Failing);
    rig.standing[1].set(Flag::Ejected);
    let weigh = |rig: &Rig| rig.balancer.survey(&rig.tally, |place| &rig.standing[place]);
    weigh(&rig);
    assert_eq!(rig.picks(100), [0, 0, 50, 50], "half are up");
    rig.standing[2].set(Flag::Ejected);
    weigh(&rig);
    let picks = rig.picks(99);
    assert_eq!(picks, [0, 33, 33, 33], "a quarter is up");
    rig.standing[2].clear(Flag::Ejected);
    weigh(&rig);
    assert_eq!(rig.picks(100), [0, 0, 50, 50]);
}

#[test]
fn the_bound_stay_unless_their_endpoint_is_gone() {
    let check = |flag: Option<Flag>, expect: bool| {
        let mut rig = Rig::new(Balance::RoundRobin, endpoints(&[1, 1, 1]));
        flag.map(|flag| rig.standing[2].set(flag));
        assert_eq!(rig.pick_for(None, Some(2), &[]) == Ok(2), expect, "{flag:?}");
        assert_ne!(rig.pick_for(None, Some(2), &[2]), Ok(2), "it was tried");
        assert!(rig.pick_for(None, Some(9), &[]).is_ok(), "a place that is not there");
    };
    check(None, true);
    check(Some(Flag::Drain), true);
    check(Some(Flag::Ramp), true);
    check(Some(Flag::Failing), false);
    check(Some(Flag::Ejected), false);
    check(Some(Flag::Maint), false);
    check(Some(Flag::Unresolved), false);
}

#[test]
fn the_full_are_passed_over_and_told_apart_from_the_lost() {
    for way in WAYS {
        let mut list = endpoints(&[1, 1]);
        list[0].max_requests = Some(2);
        list[1].max_requests = Some(1);
        let mut rig = Rig::new(way(), list);
        for left in (0..3).rev() {
            let place = rig.pick_for(Some(3), None, &[]).unwrap_or_else(|_| panic!("{:?}: {left} left", way()));
            rig.standing[place].enter();
        }
        assert_eq!(rig.pick_for(Some(3), None, &[]), Err(Refusal::Full), "{:?}", way());
        rig.standing[0].set(Flag::Failing);
        rig.standing[1].set(Flag::Failing);
        assert_eq!(rig.pick_for(Some(3), None, &[]), Err(Refusal::NoneUp), "{:?}", way());
    }
}

/// What a pick among a thousand costs, by method. Run by hand with optimisation:
/// `CARGO_PROFILE_TEST_OPT_LEVEL=3 cargo test -p switchboard-core --lib a_thousand -- --ignored --nocapture`.
#[test]
#[ignore = "a figure, not a fact: it needs an optimised build and a quiet machine"]
fn a_pick_among_a_thousand() {
    const PICKS: u64 = 1_000_000;
    for way in WAYS {
        let weights: Vec<u32> = (0..1000).map(|place| 1 + place % 3).collect();
        let mut rig = Rig::new(way(), endpoints(&weights));
        let start = std::time::Instant::now();
        let mut sum = 0;
        for key in 0..PICKS {
            sum += rig.pick_for(Some(hash(&key.to_le_bytes())), None, &[]).unwrap();
        }
        let nanos = start.elapsed().as_nanos() / u128::from(PICKS);
        eprintln!("{:?}: {nanos} ns (sum {sum})", way());
    }
}
