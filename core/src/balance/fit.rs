//! Which endpoints of a group are worth a look: a hint that spares picks those who are out.
//!
//! Written by whoever changes a standing, from one thread ([`Balancer::survey`](super::Balancer::survey)); read by picks,
//! which ask the standing itself before they take anybody. So a hint that is late or half written costs a look, never a
//! wrong pick: without it, a pick among a thousand of which few are up would pass over dozens.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Said of the count while nobody is out: the compiled turns hold.
const ALL: u32 = u32::MAX;

/// The hint.
#[derive(Debug)]
pub(super) struct Fit {
    /// One bit for each place of the upstream: set where it is out.
    out: Box<[AtomicU64]>,
    /// The turns of all others in their order, as many as `count` says. Behind them stand turns of the same group.
    turns: Box<[AtomicU32]>,
    count: AtomicU32,
}

impl Default for Fit {
    fn default() -> Self {
        Self { out: Box::default(), turns: Box::default(), count: AtomicU32::new(ALL) }
    }
}

impl Fit {
    /// Of a group with these turns, in an upstream of so many places: nobody is out.
    pub(super) fn new(turns: &[u32], places: usize) -> Self {
        Self {
            out: (0..places.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            turns: turns.iter().map(|place| AtomicU32::new(*place)).collect(),
            count: AtomicU32::new(ALL),
        }
    }

    /// Takes note of who is out, and tells whether that is news. [`Self::settle`] comes next.
    pub(super) fn mark(&self, is_out: impl Fn(usize) -> bool) -> bool {
        let mut news = false;
        for (start, word) in (0..).step_by(64).zip(&self.out) {
            let bits = (0..64).fold(0, |bits, bit| bits | u64::from(is_out(start + bit)) << bit);
            news |= word.swap(bits, Ordering::Relaxed) != bits;
        }
        news
    }

    /// Gathers the turns of those who are not out. `turns` are those that it was made of.
    pub(super) fn settle(&self, turns: &[u32]) {
        if self.turns.is_empty() {
            return;
        }
        let mut count = 0;
        for place in turns.iter().filter(|place| self.may(**place)) {
            if let Some(turn) = self.turns.get(count) {
                turn.store(*place, Ordering::Relaxed);
                count += 1;
            }
        }
        let count = if count == turns.len() { ALL } else { u32::try_from(count).unwrap_or(ALL) };
        self.count.store(count, Ordering::Release);
    }

    /// Whether a place is worth a look.
    #[inline]
    pub(super) fn may(&self, place: u32) -> bool {
        let word = self.out.get(place as usize / 64);
        word.is_none_or(|word| word.load(Ordering::Relaxed) >> (place % 64) & 1 == 0)
    }

    /// Whether somebody is out, but not all.
    #[inline]
    pub(super) fn is_part(&self) -> bool {
        !matches!(self.count.load(Ordering::Acquire), 0 | ALL)
    }

    /// One of their turns, of which `number` chooses one when it is told how many there are; `None` where there is none.
    #[inline]
    pub(super) fn turn(&self, turns: &[u32], number: impl FnOnce(usize) -> usize) -> Option<u32> {
        match self.count.load(Ordering::Acquire) {
            0 => None,
            ALL => turns.get(number(turns.len())).copied(),
            count => self.turns.get(number(count as usize)).map(|place| place.load(Ordering::Relaxed)),
        }
    }
}
