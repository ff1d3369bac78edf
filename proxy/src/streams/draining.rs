//! A drain that somebody asked for: whose streams, how fast, and how many are left.
//!
//! The admin plane makes one and gives it to all workers; each of its streams holds a ticket until it has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Which;

/// Drains that can be asked about. Chosen; older ones go on unseen.
pub const KEPT: usize = 100;

/// One drain.
#[derive(Debug)]
pub struct Draining {
    /// Whose streams.
    pub which: Which,
    /// Over how long they are ended.
    pub spread: Duration,
    /// The code that WebSockets are closed with.
    pub code: u16,
    matched: AtomicU64,
    left: AtomicU64,
    /// Workers that have looked through their streams.
    looked: AtomicU64,
}

/// Held by a stream that is to end: one for each drain that has found it, the newest last.
#[derive(Debug, Default)]
pub(super) struct Tickets(Vec<Ticket>);

#[derive(Debug)]
struct Ticket(Arc<Draining>);

impl Draining {
    /// Makes one that no worker has seen yet.
    pub fn new(which: Which, spread: Duration, code: u16) -> Arc<Self> {
        let [matched, left, looked] = [0; 3].map(AtomicU64::new);
        Arc::new(Self { which, spread, code, matched, left, looked })
    }

    /// A worker has looked through its streams.
    pub(super) fn looked(&self) {
        self.looked.fetch_add(1, Ordering::Release);
    }

    /// How many workers have looked.
    pub fn workers(&self) -> u64 {
        self.looked.load(Ordering::Acquire)
    }

    /// How many streams it found, and how many of them have not ended.
    pub fn counts(&self) -> (u64, u64) {
        (self.matched.load(Ordering::Relaxed), self.left.load(Ordering::Relaxed))
    }
}

impl Tickets {
    /// Has the stream counted by one drain more. Nobody can ask any longer about those that it lets go of for that.
    pub(super) fn take(&mut self, draining: &Arc<Draining>) {
        draining.matched.fetch_add(1, Ordering::Relaxed);
        draining.left.fetch_add(1, Ordering::Relaxed);
        if self.0.len() >= KEPT {
            self.0.remove(0);
        }
        self.0.push(Ticket(Arc::clone(draining)));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.left.fetch_sub(1, Ordering::Relaxed);
    }
}
