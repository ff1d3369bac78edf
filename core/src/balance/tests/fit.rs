//! The hint of who is worth a look: it makes picks cheap among many that are out, and never makes them wrong.

use super::*;

/// A thousand with weights, of which one in `one_in` is up.
fn few_up(way: fn() -> Balance, one_in: usize, surveyed: bool) -> Rig {
    let weights: Vec<u32> = (0..1000).map(|place| 1 + place % 3).collect();
    let rig = Rig::new(way(), endpoints(&weights));
    for place in (0..1000).filter(|place| place % one_in != 0) {
        rig.standing[place].set(Flag::Failing);
    }
    if surveyed {
        survey(&rig);
    }
    rig
}

fn survey(rig: &Rig) {
    rig.balancer.survey(&rig.tally, |place| &rig.standing[place]);
}

#[test]
fn shares_follow_the_weights_of_those_who_are_up() {
    for way in [|| Balance::RoundRobin, || Balance::WeightedRandom] as [fn() -> Balance; 2] {
        let mut rig = few_up(way, 50, true);
        let picks = rig.picks(60_000);
        let weight = |place: usize| 1 + place % 3;
        let total: usize = (0..1000).step_by(50).map(weight).sum();
        for (place, got) in picks.into_iter().enumerate() {
            let wanted = if place % 50 == 0 { 60_000 * weight(place) / total } else { 0 };
            assert!(got.abs_diff(wanted) <= 60_000 / 50, "{:?} {place}: {got} for {wanted}", way());
        }
    }
}

#[test]
fn turns_are_taken_in_order_once_it_is_known_who_is_up() {
    let mut rig = few_up(|| Balance::RoundRobin, 500, true);
    let picks: Vec<usize> = (0..8).map(|_| rig.pick().unwrap()).collect();
    // Weights 1 and 3.
    assert_eq!(picks.iter().filter(|place| **place == 500).count(), 6, "{picks:?}");
}

#[test]
fn a_survey_that_is_late_costs_no_request() {
    for way in WAYS {
        let mut rig = few_up(way, 20, true);
        // All that were seen up go down, and one comes up that was seen out.
        for place in (0..1000).step_by(20) {
            rig.standing[place].set(Flag::Maint);
        }
        rig.standing[7].clear(Flag::Failing);
        for key in 0..50_u8 {
            assert_eq!(rig.pick_for(Some(hash(&[key])), None, &[]), Ok(7), "{:?}", way());
        }
        rig.standing[7].set(Flag::Maint);
        assert_eq!(rig.pick_for(Some(1), None, &[]), Err(Refusal::NoneUp), "{:?}", way());
        survey(&rig);
        assert_eq!(rig.pick_for(Some(1), None, &[]), Err(Refusal::NoneUp), "{:?}", way());
        // Nobody surveys when a name comes to resolve.
        rig.standing[8].clear(Flag::Failing);
        rig.standing[8].set(Flag::Unresolved);
        survey(&rig);
        rig.standing[8].clear(Flag::Unresolved);
        assert_eq!(rig.pick_for(Some(1), None, &[]), Ok(8), "{:?}", way());
    }
}

#[test]
fn a_key_stays_where_it_is_among_few() {
    for one_in in [2, 20, 500] {
        let (mut known, mut unknown) = (few_up(by_client, one_in, true), few_up(by_client, one_in, false));
        let mut seen = vec![0; 1000];
        for key in 0..2000_u64 {
            let key = Some(hash(&key.to_le_bytes()));
            let place = known.pick_for(key, None, &[]).unwrap();
            assert_eq!(known.pick_for(key, None, &[]), Ok(place));
            // The hint spares looks and decides nothing, where a walk without it finds somebody at all.
            if one_in < 32 {
                assert_eq!(unknown.pick_for(key, None, &[]), Ok(place));
            }
            seen[place] += 1;
        }
        let used = seen.iter().filter(|count| **count > 0).count();
        // Two thousand keys don't reach each of five hundred.
        assert!(used > 900 / one_in, "{used} of one in {one_in}");
        assert!((0..1000).all(|place| seen[place] == 0 || place % one_in == 0), "one in {one_in}");
    }
}

/// Whoever comes or goes among the few that are left moves its own keys alone.
#[test]
fn a_key_stays_where_it_is_when_others_of_the_few_come_and_go() {
    let mut rig = few_up(by_client, 200, true);
    let keys: Vec<u64> = (0..2000_u64).map(|key| hash(&key.to_le_bytes())).collect();
    let mut picks = |change: &dyn Fn(&[Standing])| -> Vec<usize> {
        change(&rig.standing);
        survey(&rig);
        keys.iter().map(|key| rig.pick_for(Some(*key), None, &[]).unwrap()).collect()
    };
    let five = picks(&|_| ());
    let four = picks(&|standing| _ = standing[400].set(Flag::Maint));
    for (before, after) in five.iter().zip(&four) {
        assert!(before == after || (*before == 400 && after % 200 == 0), "{before} became {after}");
    }
    assert!(four.iter().all(|place| *place != 400) && five.contains(&400));
    let six = picks(&|standing| {
        standing[400].clear(Flag::Maint);
        standing[77].clear(Flag::Failing);
    });
    for (before, after) in five.iter().zip(&six) {
        assert!(before == after || *after == 77, "{before} became {after}");
    }
    assert!(six.contains(&77));
}

/// The bound is one of those who serve: what they have more than their share of goes to the others of them.
#[test]
fn bounded_load_is_shared_by_those_who_are_up() {
    let bounded = || Balance::Hash { by: HashKey::Path, max_load: Some(Share(1_250_000)) };
    let mut rig = few_up(bounded, 50, true);
    let weight = |place: usize| 1 + place % 3;
    let total: usize = (0..1000).step_by(50).map(weight).sum();
    for number in 0..2000_usize {
        let place = rig.pick_for(Some(hash(&(number % 3).to_le_bytes())), None, &[]).unwrap();
        rig.standing[place].enter();
        rig.tally.enter();
        let most = (number + 1) * weight(place) * 5 / (total * 4) + 1;
        assert!(rig.standing[place].active() as usize <= most, "{place}: above {most} of {number}");
    }
    // Three keys that would all go to three of them: four of five bear it.
    let used = (0..1000).step_by(50).filter(|place| rig.standing[*place].active() > 0).count();
    assert!(used >= 14, "{used} of 20");
}

/// Heirs are whom a walk meets that asks everybody.
#[test]
fn walks_by_heirs_meet_who_a_walk_past_the_others_meets() {
    let names: Vec<String> = (0..12).map(|place| format!("10.0.0.{place}:80")).collect();
    let ring = Ring::new((0..).zip(&names).map(|(place, name)| (place, 1 + place % 2, name.as_str())));
    let mut draw = Draw::new(3);
    for most in [1, 2, 6, 12] {
        let up: Vec<u32> = (0..most).map(|_| u32::try_from(draw.below(12)).unwrap()).collect();
        ring.survey(|place| up.contains(&place));
        for key in (0..50).map(|_| draw.number()).chain([0, u64::MAX]) {
            let asked: Vec<u32> = ring.from(key, false).filter(|place| up.contains(place)).collect();
            assert!(ring.from(key, true).eq(asked), "{up:?} {key:x}");
        }
    }
}
