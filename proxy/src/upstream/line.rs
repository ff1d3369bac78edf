//! Those who wait at an upstream, in order: for a turn, or for an endpoint to come up. Shared by all workers.
//!
//! Its lock is taken by those who wait and those who call them, never by a request that is served at once: that reads
//! one number. It is never held across an `.await`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use switchboard_core::snapshot::Upstream;

/// The line.
#[derive(Debug, Default)]
pub struct Line {
    /// How many there are, those included who were called and have not come yet.
    waiting: AtomicU32,
    bytes: AtomicU64,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    /// Those who were not called, in the order in which they came.
    order: VecDeque<Arc<Waiter>>,
    /// How many wait on which terms; nearly always on the same.
    crowds: Vec<(Terms, u32)>,
    /// Who came so far.
    came: u64,
}

/// What they wait for who wait together: an upstream as it was compiled once. After a reload that changed it others see
/// other limits and endpoints, and neither stand behind those who came before nor hold them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms(usize);

#[derive(Debug)]
struct Waiter {
    number: u64,
    terms: Terms,
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

impl Terms {
    /// Those of an upstream. Who waits keeps its generation, so that no other comes to lie at the same place meanwhile.
    pub fn of(upstream: &Upstream) -> Self {
        Self(std::ptr::from_ref(upstream).addr())
    }
}

impl Line {
    /// Whether somebody waits. Ordered against the counts of exchanges: either who ends one sees the waiter, or the
    /// waiter sees that it ended.
    pub fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }

    /// Whether somebody waits on these terms.
    pub fn has(&self, terms: Terms) -> bool {
        !self.is_empty() && lock(&self.list).crowds.iter().any(|(theirs, _)| *theirs == terms)
    }

    /// How many wait.
    pub fn len(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Joins at the end, where fewer than `most` wait with no more than `room` bytes. Tells also whether nobody else was
    /// there on the same terms.
    pub fn join(
        self: &Arc<Self>,
        terms: Terms,
        most: u32,
        bytes: u64,
        room: u64,
        passes_on: bool,
    ) -> Option<(Ticket, bool)> {
        let before = self.waiting.fetch_add(1, Ordering::SeqCst);
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before >= most || held.saturating_add(bytes) > room {
            // It never had a place: nobody moves up when it goes.
            self.uncount(bytes);
            return None;
        }
        let mut list = lock(&self.list);
        let waiter = Arc::new(Waiter { number: list.came, terms, called: false.into(), waker: Mutex::default() });
        list.came += 1;
        list.order.push_back(Arc::clone(&waiter));
        let alone = list.enter(terms);
        Some((Ticket { line: Arc::clone(self), waiter, bytes, passes_on }, alone))
    }

    /// Calls the first; where they wait on different terms the first on each, since each sees room where others see none.
    pub fn call_one(&self) {
        let mut list = lock(&self.list);
        let first = list.order.pop_front();
        let others = if list.crowds.len() > 1 { list.others(first.as_deref()) } else { Vec::new() };
        drop(list);
        first.iter().chain(&others).for_each(|waiter| waiter.call());
    }

    /// Calls all.
    pub fn call_all(&self) {
        let all = std::mem::take(&mut lock(&self.list).order);
        all.iter().for_each(|waiter| waiter.call());
    }

    /// Calls all who wait on these terms.
    pub fn call_all_on(&self, terms: Terms) {
        let mut list = lock(&self.list);
        let (called, rest) = std::mem::take(&mut list.order).into_iter().partition(|waiter| waiter.terms == terms);
        list.order = rest;
        drop(list);
        let called: VecDeque<Arc<Waiter>> = called;
        called.iter().for_each(|waiter| waiter.call());
    }

    fn uncount(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl List {
    /// Counts one more on these terms, and tells whether it is the only one.
    fn enter(&mut self, terms: Terms) -> bool {
        if let Some((_, count)) = self.crowds.iter_mut().find(|(theirs, _)| *theirs == terms) {
            *count += 1;
            return false;
        }
        self.crowds.push((terms, 1));
        true
    }

    fn leave(&mut self, terms: Terms) {
        if let Some((_, count)) = self.crowds.iter_mut().find(|(theirs, _)| *theirs == terms) {
            *count -= 1;
        }
        self.crowds.retain(|(_, count)| *count > 0);
    }

    /// Takes the first on each of the terms that are not those of `first`.
    fn others(&mut self, first: Option<&Waiter>) -> Vec<Arc<Waiter>> {
        let terms =
            self.crowds.iter().map(|(terms, _)| *terms).filter(|terms| Some(*terms) != first.map(|one| one.terms));
        let order = &mut self.order;
        let take = |terms| order.iter().position(|waiter| waiter.terms == terms).and_then(|at| order.remove(at));
        terms.filter_map(take).collect()
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
    /// Goes back to its place, for one who was called and looks: before it looks, so that a call for what comes free
    /// behind its look is not lost.
    pub fn stay(&self) {
        let mut list = lock(&self.line.list);
        let at = list.order.partition_point(|waiter| waiter.number < self.waiter.number);
        if list.order.get(at).is_none_or(|waiter| waiter.number != self.waiter.number) {
            list.order.insert(at, Arc::clone(&self.waiter));
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
        let mut list = lock(&self.line.list);
        list.order.retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
        list.leave(self.waiter.terms);
        drop(list);
        self.line.uncount(self.bytes);
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

    const ONE: Terms = Terms(1);
    const OTHER: Terms = Terms(2);

    fn called(ticket: &Ticket) -> bool {
        ticket.poll_called(&Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn they_are_called_in_order_and_pass_on() {
        let line = Arc::new(Line::default());
        let join = || line.join(ONE, 3, 10, 100, true);
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
        let one = line.join(ONE, 9, 60, 100, false);
        assert!(one.is_some() && line.join(ONE, 9, 60, 100, false).is_none());
        assert!(line.join(ONE, 9, 40, 100, false).is_some());
        drop(one);
        assert!(line.join(ONE, 9, 100, 100, false).is_some(), "what left is not counted");
    }

    #[test]
    fn all_are_called_at_once() {
        let line = Arc::new(Line::default());
        let tickets: Vec<Ticket> = (0..5).map(|_| line.join(ONE, 9, 0, 0, false).unwrap().0).collect();
        line.call_all();
        assert!(tickets.iter().all(called));
    }
    /// A second call may come while the first one looks, and both may look in vain.
    #[test]
    fn who_looks_in_vain_keeps_its_place() {
        for back in [[0, 1], [1, 0]] {
            let line = Arc::new(Line::default());
            let tickets: Vec<Ticket> = (0..3).map(|_| line.join(ONE, 9, 0, 0, true).unwrap().0).collect();
            line.call_one();
            line.call_one();
            assert!(called(&tickets[0]) && called(&tickets[1]) && !called(&tickets[2]));
            back.iter().for_each(|&at| tickets[at].stay());
            line.call_one();
            assert!(called(&tickets[0]) && !called(&tickets[1]), "in the order in which they came: {back:?}");
            tickets[0].stay();
            line.call_one();
            assert!(called(&tickets[0]), "a call that comes while it looks is its own");
        }
    }

    /// After a reload those who see other limits are not behind those who see the old ones.
    #[test]
    fn terms_do_not_hold_each_other_up() {
        let line = Arc::new(Line::default());
        let join = |terms| line.join(terms, 9, 0, 0, true).unwrap();
        let (old, alone) = join(ONE);
        assert!(alone && line.has(ONE) && !line.has(OTHER));
        let (new, alone) = join(OTHER);
        assert!(alone && line.has(OTHER));
        let (next, alone) = join(OTHER);
        assert!(!alone);
        line.call_one();
        assert!(called(&old) && called(&new) && !called(&next), "the first of each");
        old.stay();
        drop(new);
        assert!(called(&old) && called(&next), "the one that stays holds nobody up");
        old.stay();
        next.stay();
        line.call_all_on(OTHER);
        assert!(called(&next) && !called(&old));
        drop((old, next));
        assert!(line.is_empty() && !line.has(ONE));
    }
}
