//! What is known of how long endpoints take, and who is chosen by it, under a time that the tests move.

use super::*;

#[test]
fn latency_rises_at_once_and_falls_by_and_by() {
    let standing = Standing::default();
    let at = |seconds| Moment::ZERO + Duration::from_secs(seconds);
    standing.measure(Duration::from_millis(10), at(1));
    standing.measure(Duration::from_millis(500), at(2));
    assert_eq!(standing.latency(), 500_000_000);
    standing.measure(Duration::from_millis(10), at(12));
    let after = standing.latency() / 1_000_000;
    assert!((185..195).contains(&after), "{after} ms"); // 10 + 490/e
}

#[test]
fn peak_ewma_shuns_the_slow_and_tries_the_unknown_one_by_one() {
    let mut rig = Rig::new(Balance::PeakEwma, endpoints(&[1, 1, 1]));
    rig.standing[0].measure(Duration::from_millis(1), Moment::ZERO);
    rig.standing[1].measure(Duration::from_millis(100), Moment::ZERO);
    assert_eq!(rig.pick(), Ok(2), "nobody knows it yet");
    rig.standing[2].enter();
    assert_eq!(rig.picks(50), [50, 0, 0], "it is being tried");
    rig.standing[2].measure(Duration::from_millis(1), Moment::ZERO);
    (0..9).for_each(|_| _ = rig.standing[0].enter());
    assert_eq!(rig.picks(50), [0, 0, 50]);
}

/// A latency that nobody measures any more is forgotten, half of it every 7 s.
#[test]
fn an_old_latency_counts_for_less() {
    let standing = Standing::default();
    let check = |seconds: f64, expect: std::ops::Range<u64>| {
        let millis = standing.expected(Moment::ZERO + Duration::from_secs_f64(seconds)) / 1_000_000;
        assert!(expect.contains(&millis), "{millis} ms after {seconds} s");
    };
    check(5.0, 0..1);
    standing.measure(Duration::from_secs(1), Moment::ZERO);
    check(0.0, 1000..1001);
    check(3.5, 700..760); // 0.705 by e
    check(6.94, 495..505);
    check(10.0, 360..400); // 0.368 by e
    check(69.3, 0..2);
    check(1e6, 0..1);
    assert!(standing.expected(Moment::ZERO + Duration::from_hours(1000)) > 0, "it is not unknown");
}

/// One slow answer shuns an endpoint for a while, not for good; one that is always slow is asked now and then.
#[test]
fn peak_ewma_finds_out_who_is_quick_again() {
    let quick = Duration::from_millis(1);
    for (later, expect) in [(quick, 1500..4000), (Duration::from_millis(500), 1..20)] {
        let mut rig = Rig::new(Balance::PeakEwma, endpoints(&[1, 1, 1]));
        rig.standing.iter().for_each(|standing| standing.measure(quick, Moment::ZERO));
        rig.standing[1].measure(Duration::from_secs(1), Moment::ZERO);
        let mut picks = [[0; 3]; 3];
        for (minute, picks) in picks.iter_mut().enumerate() {
            for step in 0..6000 {
                rig.now = Moment::ZERO + Duration::from_secs(60) * u32::try_from(minute).unwrap() + quick * 10 * step;
                let place = rig.pick().unwrap();
                picks[place] += 1;
                rig.standing[place].measure(if place == 1 { later } else { quick }, rig.now);
            }
        }
        assert_eq!(picks[0][1], 0, "{picks:?}");
        assert!(expect.contains(&picks[2][1]), "{picks:?} of {later:?}");
    }
}
