//! What happened of late: the last exchanges that the proxy ended itself, and a sample of the others, for people who ask
//! why.
//!
//! Workers add to it, the admin plane reads it. Bounded; a worker that would have to wait for another leaves its failure
//! out instead: the counters have it all the same.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use switchboard_core::reason::Reason;

/// How many are kept.
const MOST: usize = 200;

/// The most bytes of a request that are kept.
const REQUEST: usize = 200;

/// One in so many exchanges that went well is kept.
pub const SAMPLE: u64 = 64;

/// An exchange that has ended, in most cases by the proxy itself.
#[derive(Clone, Debug)]
pub struct Failure {
    /// When it ended.
    pub at: SystemTime,
    /// The id that its answer carries.
    pub id: String,
    /// The status that the client got; 0 where it got none.
    pub status: u16,
    /// Why the proxy ended it; `None` where it went well.
    pub reason: Option<Reason>,
    /// The route that answered.
    pub route: String,
    /// The upstream that was asked, if any was.
    pub upstream: String,
    /// Method, host and path, cut to 200 bytes. No query: it may carry what nobody shall read.
    pub request: String,
    /// The endpoint that was asked last, if any was.
    pub endpoint: String,
    /// The status that it gave; 0 where it gave none.
    pub upstream_status: u16,
    /// How often endpoints were asked.
    pub attempts: u32,
    /// How long it took.
    pub total: Duration,
    /// How long it took to connect, where that had to be done.
    pub connect: Option<Duration>,
    /// From the request's whole head to the first byte of an answer.
    pub first_byte: Option<Duration>,
}

/// The last failures.
#[derive(Debug, Default)]
pub struct Failures(Mutex<VecDeque<Failure>>);

impl Failures {
    /// Adds what `failure` makes, unless another worker is just adding.
    pub fn add(&self, failure: impl FnOnce() -> Failure) {
        let Ok(mut list) = self.0.try_lock() else { return };
        if list.len() == MOST {
            list.pop_front();
        }
        list.push_back(failure());
    }

    /// The one with this id.
    pub fn find(&self, id: &str) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().find(|one| one.id == id).cloned()
    }

    /// The failures, the last first.
    pub fn list(&self) -> Vec<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

/// A request in words.
pub fn request(method: &[u8], host: &[u8], path: &[u8]) -> String {
    let all = [method, b" ", host, path].concat();
    let cut = all.get(..REQUEST).unwrap_or(&all);
    String::from_utf8_lossy(cut).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_are_kept_and_come_first() {
        let failures = Failures::default();
        for n in 0..=MOST {
            failures.add(|| Failure {
                at: SystemTime::UNIX_EPOCH,
                id: n.to_string(),
                status: 404,
                reason: Some(Reason::NoRoute),
                route: String::new(),
                upstream: String::new(),
                request: request(b"GET", b"a.test", &vec![b'x'; 500]),
                endpoint: String::new(),
                upstream_status: 0,
                attempts: 0,
                total: Duration::ZERO,
                connect: None,
                first_byte: None,
            });
        }
        let list = failures.list();
        assert_eq!((list.len(), list[0].id.as_str(), list[MOST - 1].id.as_str()), (MOST, "200", "1"));
        assert_eq!(list[0].request.len(), REQUEST);
    }
}
