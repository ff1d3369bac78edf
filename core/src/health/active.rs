//! One endpoint's course of probes: when the next is due, and what so many answers in a row come to.
//!
//! An endpoint that nobody has probed yet counts as fit, and its first answer decides alone: a start doesn't wait for
//! probes, and one that is down is out after the first. From then on `fails` in a row take it out, `passes` in a row
//! bring it back.

use std::sync::Arc;
use std::time::Duration;

use super::Draws;
use crate::moment::Moment;

/// How often probes are sent, and how many decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// From one probe to the next, give or take a tenth.
    pub interval: Duration,
    /// Failures in a row that take an endpoint out; at least 1.
    pub fails: u32,
    /// Successes in a row that bring it back; at least 1.
    pub passes: u32,
}

/// What probes have come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// None has been answered: it counts as fit.
    Unproven,
    /// Fit.
    Passing,
    /// Not to be asked.
    Failing,
}

/// What one probe saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether every check passed.
    pub passed: bool,
    /// What was answered, or what kept it from being answered, for people.
    pub words: Arc<str>,
}

/// A change of state, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// What it was.
    pub from: Probed,
    /// What it is.
    pub to: Probed,
    /// Answers in a row that led to it.
    pub streak: u32,
    /// The last of them.
    pub last: Arc<str>,
}

/// The course of one endpoint. It outlives configurations: a change of pace does not forget what is known.
#[derive(Clone, Debug)]
pub struct Course {
    state: Probed,
    /// Answers in a row that speak against the state.
    streak: u32,
    due: Moment,
    begun: bool,
    asked: bool,
    draws: Draws,
    last: Option<(Seen, Moment)>,
}

impl Course {
    /// Begins with a probe at once. The seed makes its jitter differ from that of others.
    #[must_use]
    pub const fn new(seed: u64, now: Moment) -> Self {
        Self {
            state: Probed::Unproven,
            streak: 0,
            due: now,
            begun: false,
            asked: false,
            draws: Draws::new(seed),
            last: None,
        }
    }

    /// What probes have come to.
    #[must_use]
    pub const fn state(&self) -> Probed {
        self.state
    }

    /// When the next probe is to be sent.
    #[must_use]
    pub const fn due(&self) -> Moment {
        self.due
    }

    /// Whether a probe is under way: the next one waits for its answer.
    #[must_use]
    pub const fn is_asked(&self) -> bool {
        self.asked
    }

    /// The last answer, and when it came.
    #[must_use]
    pub fn last(&self) -> Option<(&Seen, Moment)> {
        self.last.as_ref().map(|(seen, at)| (seen, *at))
    }

    /// Takes note that a probe was sent, and sets the time of the next. The second comes early by chance, so that
    /// endpoints that began together don't stay together.
    pub fn send(&mut self, pace: &Pace, now: Moment) {
        self.asked = true;
        let interval = u64::try_from(pace.interval.as_nanos()).unwrap_or(u64::MAX);
        let (least, spread) = match std::mem::replace(&mut self.begun, true) {
            false => (interval / 2, interval / 2),
            true => (interval - interval / 10, interval / 5),
        };
        self.due = now + Duration::from_nanos(least.saturating_add(self.draws.below(spread)));
    }

    /// Asks for a probe at this moment, whatever the pace, unless one is due earlier.
    pub fn hasten(&mut self, now: Moment) {
        self.due = self.due.min(now);
    }

    /// Takes an answer, and tells what changes by it.
    pub fn answer(&mut self, pace: &Pace, seen: Seen, now: Moment) -> Option<Transition> {
        self.asked = false;
        let (to, needed) = match (self.state, seen.passed) {
            (Probed::Unproven, true) => (Probed::Passing, 1),
            (Probed::Unproven, false) => (Probed::Failing, 1),
            (Probed::Passing, false) => (Probed::Failing, pace.fails),
            (Probed::Failing, true) => (Probed::Passing, pace.passes),
            (Probed::Passing, true) | (Probed::Failing, false) => {
                self.streak = 0;
                self.last = Some((seen, now));
                return None;
            }
        };
        self.streak = self.streak.saturating_add(1);
        let last = Arc::clone(&seen.words);
        self.last = Some((seen, now));
        if self.streak < needed {
            return None;
        }
        let from = std::mem::replace(&mut self.state, to);
        Some(Transition { from, to, streak: std::mem::take(&mut self.streak), last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { interval: Duration::from_secs(10), fails: 3, passes: 2 };

    fn seen(passed: bool) -> Seen {
        Seen { passed, words: if passed { "200".into() } else { "503".into() } }
    }

    #[test]
    fn so_many_answers_in_a_row_decide() {
        // `+` passes, `-` fails; below it the state after each.
        let check = |answers: &str, expect: &str| {
            let mut course = Course::new(1, Moment::ZERO);
            let states: String = answers
                .chars()
                .map(|answer| {
                    let before = course.state();
                    let change = course.answer(&PACE, seen(answer == '+'), Moment::ZERO);
                    assert_eq!(change.is_some(), before != course.state(), "{answers}");
                    match course.state() {
                        Probed::Unproven => '?',
                        Probed::Passing => 'P',
                        Probed::Failing => 'F',
                    }
                })
                .collect();
            assert_eq!(states, expect, "{answers}");
        };
        check("+", "P");
        check("-", "F");
        check("+---", "PPPF");
        check("+--+--+---", "PPPPPPPPPF");
        check("-++", "FFP");
        check("-+-++", "FFFFP");
        check("-++--+---", "FFPPPPPPF");
    }

    #[test]
    fn a_change_names_its_cause() {
        let mut course = Course::new(1, Moment::ZERO);
        course.answer(&PACE, seen(true), Moment::ZERO);
        let changes: Vec<_> = (0..3).map(|_| course.answer(&PACE, seen(false), Moment::ZERO)).collect();
        let change = Transition { from: Probed::Passing, to: Probed::Failing, streak: 3, last: "503".into() };
        assert_eq!(changes, [None, None, Some(change)]);
    }

    #[test]
    fn probes_come_at_the_interval_give_or_take_a_tenth() {
        for seed in 0..256 {
            let mut now = Moment::ZERO;
            let mut course = Course::new(seed, now);
            assert_eq!(course.due(), now, "the first at once");
            for round in 0..50 {
                course.send(&PACE, now);
                let pause = course.due() - now;
                let (least, most) = if round == 0 { (5, 10) } else { (9, 11) };
                assert!(pause >= Duration::from_secs(least) && pause <= Duration::from_secs(most), "{seed}: {pause:?}");
                now = course.due();
            }
        }
    }

    #[test]
    fn courses_that_began_together_drift_apart() {
        let dues: std::collections::BTreeSet<u64> = (0..100)
            .map(|seed| {
                let mut course = Course::new(seed, Moment::ZERO);
                course.send(&PACE, Moment::ZERO);
                course.due().as_nanos() / 500_000_000
            })
            .collect();
        assert!(dues.len() >= 9, "over five seconds in steps of half a second: {dues:?}");
    }

    #[test]
    fn a_probe_can_be_hastened_but_not_put_off() {
        let mut course = Course::new(1, Moment::ZERO);
        course.send(&PACE, Moment::ZERO);
        let due = course.due();
        course.hasten(due + PACE.interval);
        assert_eq!(course.due(), due);
        course.hasten(Moment::from_nanos(7));
        assert_eq!(course.due(), Moment::from_nanos(7));
    }
}
