//! What an endpoint's traffic says of its health: counted by the workers, judged by the control thread.
//!
//! Where nothing is ejected for failures a report is one load and a branch.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Where workers say that an endpoint has failed often enough.
#[derive(Debug, Default)]
pub struct Suspects(Notify);

impl Suspects {
    /// Waits for somebody to be reported.
    pub async fn reported(&self) {
        self.0.notified().await;
    }
}

/// The counts of one endpoint.
#[derive(Debug, Default)]
pub struct Passive {
    /// Failures in a row that are enough; 0 counts none.
    enough: AtomicU32,
    failures: AtomicU32,
    /// These failures were reported.
    reported: AtomicBool,
    /// Whether times to the first byte are added up.
    timed: AtomicBool,
    micros: AtomicU64,
    answers: AtomicU32,
}

impl Passive {
    /// Follows what the upstream says of it now.
    pub fn follow(&self, failures: Option<u32>, timed: bool) {
        self.enough.store(failures.unwrap_or(0), Ordering::Relaxed);
        self.timed.store(timed, Ordering::Relaxed);
    }

    /// Takes note of a request that it failed: not reached, reset, silent, or answered with an error of a server.
    pub fn failed(&self, suspects: &Suspects) {
        let enough = self.enough.load(Ordering::Relaxed);
        if enough == 0 {
            return;
        }
        // There may be more than enough before anybody is told: a reload makes fewer do.
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures >= enough && !self.reported.swap(true, Ordering::Relaxed) {
            suspects.0.notify_one();
        }
    }

    /// Takes note of a request that it answered.
    pub fn answered(&self) {
        // Nearly always there is nothing to forget: a load, and no line of memory taken from another worker.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.reported.store(false, Ordering::Relaxed);
        }
    }

    /// Whether somebody wants to know how long it takes.
    pub fn is_timed(&self) -> bool {
        self.timed.load(Ordering::Relaxed)
    }

    /// Takes note of how long the first byte took.
    pub fn took(&self, time: Duration) {
        self.micros.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// The failures in a row, if they are enough.
    pub fn suspect(&self) -> Option<u32> {
        let (enough, failures) = (self.enough.load(Ordering::Relaxed), self.failures.load(Ordering::Relaxed));
        (enough > 0 && failures >= enough).then_some(failures)
    }

    /// Begins anew; on probation the first failure is enough.
    pub fn begin(&self, probation: bool) {
        let enough = self.enough.load(Ordering::Relaxed);
        self.failures.store(if probation { enough.saturating_sub(1) } else { 0 }, Ordering::Relaxed);
        self.reported.store(false, Ordering::Relaxed);
    }

    /// The mean time to the first byte and from how many answers. Forgotten by `forget`.
    pub fn mean(&self) -> (Duration, u32) {
        let answers = self.answers.load(Ordering::Relaxed);
        let micros = self.micros.load(Ordering::Relaxed).checked_div(u64::from(answers));
        (Duration::from_micros(micros.unwrap_or(0)), answers)
    }

    /// Begins another mean.
    pub fn forget(&self) {
        self.answers.store(0, Ordering::Relaxed);
        self.micros.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[test]
    fn enough_is_reported_once_also_where_a_reload_makes_fewer_do() {
        let (passive, suspects) = (Passive::default(), Suspects::default());
        let check = |failures: u32, enough: u32, expect: bool| {
            passive.follow(Some(enough), false);
            (0..failures).for_each(|_| passive.failed(&suspects));
            let reported = pin!(suspects.reported()).poll(&mut Context::from_waker(Waker::noop())).is_ready();
            assert_eq!(reported, expect, "{failures} more where {enough} are enough");
        };
        check(4, 5, false);
        check(1, 3, true);
        check(3, 3, false);
        passive.answered();
        check(2, 3, false);
        check(1, 3, true);
        passive.begin(true);
        check(1, 3, true);
    }
}
