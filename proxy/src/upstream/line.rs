//! Those who wait at an upstream, in order: for a turn, or for an endpoint to come up. Shared by all workers.
//!
//! Its lock is taken by those who wait and those who call them, never by a request that is served at once: that reads
//! one number. It is never held across an `.await`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The line.
#[derive(Debug, Default)]
pub struct Line {
    /// How many there are, those included who were called and have not come yet.
    waiting: AtomicU32,
    bytes: AtomicU64,
    list: Mutex<VecDeque<Arc<Waiter>>>,
}

#[derive(Debug, Default)]
struct Waiter {
    called: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// A place in a line. Who leaves it calls the next one, where turns are waited for: there may be another.
#[derive(Debug)]
pub struct Ticket {
    line: Arc<Line>,
    waiter: Arc<Waiter>,
    bytes: u64,
    passes_on: bool,
}

impl Line {
    /// Whether somebody waits. Ordered against the counts of exchanges: either who ends one sees the waiter, or the
    /// waiter sees that it ended.
    pub fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }

    /// How many wait.
    pub fn len(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Joins at the end, where fewer than `most` wait with no more than `room` bytes. Tells also whether nobody else
    /// was there.
    pub fn join(self: &Arc<Self>, most: u32, bytes: u64, room: u64, passes_on: bool) -> Option<(Ticket, bool)> {
        let waiter = Arc::new(Waiter::default());
        // From here on its drop takes back what was counted.
        let before = self.waiting.fetch_add(1, Ordering::SeqCst);
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut ticket = Ticket { line: Arc::clone(self), waiter: Arc::clone(&waiter), bytes, passes_on };
        if before >= most || held.saturating_add(bytes) > room {
            // It never had a place: nobody moves up when it goes.
            ticket.passes_on = false;
            return None;
        }
        lock(&self.list).push_back(waiter);
        Some((ticket, before == 0))
    }

    /// Calls the first.
    pub fn call_one(&self) {
        let first = lock(&self.list).pop_front();
        if let Some(first) = first {
            first.call();
        }
    }

    /// Calls all.
    pub fn call_all(&self) {
        let all = std::mem::take(&mut *lock(&self.list));
        all.iter().for_each(|waiter| waiter.call());
    }
}

impl Waiter {
    fn call(&self) {
        self.called.store(true, Ordering::Release);
        if let Some(waker) = lock(&self.waker).take() {
            waker.wake();
        }
    }
}

impl Ticket {
    /// Goes back to the front: it was called and did not get what it waited for.
    pub fn stay(&self) {
        let mut list = lock(&self.line.list);
        if !list.iter().any(|waiter| Arc::ptr_eq(waiter, &self.waiter)) {
            list.push_front(Arc::clone(&self.waiter));
        }
    }

    /// Waits to be called.
    pub fn poll_called(&self, context: &Context<'_>) -> Poll<()> {
        let mut waker = lock(&self.waiter.waker);
        // Under the lock: a call that comes now finds the waker.
        if self.waiter.called.swap(false, Ordering::Acquire) {
            return Poll::Ready(());
        }
        *waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Whether it is a place in this line.
    pub fn is_of(&self, line: &Arc<Line>) -> bool {
        Arc::ptr_eq(&self.line, line)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.line.list).retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
        self.line.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.line.waiting.fetch_sub(1, Ordering::SeqCst);
        if self.passes_on {
            self.line.call_one();
        }
    }
}

/// What a panic left behind is still a list: nothing here is ever half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(ticket: &Ticket) -> bool {
        ticket.poll_called(&Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn they_are_called_in_order_and_pass_on() {
        let line = Arc::new(Line::default());
        let join = || line.join(3, 10, 100, true);
        let (first, alone) = join().unwrap();
        assert!(alone);
        let (second, alone) = join().unwrap();
        assert!(!alone);
        let (third, _) = join().unwrap();
        assert!(join().is_none(), "three are most");
        assert!(!called(&first));
        line.call_one();
        assert!(called(&first) && !called(&first) && !called(&second));
        drop(first);
        assert!(called(&second), "who leaves calls the next");
        second.stay();
        line.call_one();
        assert!(called(&second) && !called(&third), "who stays is first again");
        drop((second, third));
        assert!(line.is_empty());
    }

    #[test]
    fn bytes_are_bounded() {
        let line = Arc::new(Line::default());
        let one = line.join(9, 60, 100, false);
        assert!(one.is_some() && line.join(9, 60, 100, false).is_none());
        assert!(line.join(9, 40, 100, false).is_some());
        drop(one);
        assert!(line.join(9, 100, 100, false).is_some(), "what left is not counted");
    }

    #[test]
    fn all_are_called_at_once() {
        let line = Arc::new(Line::default());
        let tickets: Vec<Ticket> = (0..5).map(|_| line.join(9, 0, 0, false).unwrap().0).collect();
        line.call_all();
        assert!(tickets.iter().all(called));
    }
}
