//! What was thrown away lately, so that an answer that was asked for before that is not stored after it.
//!
//! A change writes one line of a short log; an answer that is whole reads the lines that came since it was asked for.
//! Nothing here forgets too early: whoever asks about more than the log holds is told that something has changed.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Changes that are remembered. Chosen: more than come while one answer is on its way, and 32 KiB.
const REMEMBERED: usize = 4096;

/// Stands for all keys.
const EVERYTHING: u64 = 0;

/// The log. An era is the number of changes before it.
#[derive(Debug, Default)]
pub struct Eras {
    /// What the keys hash to; made by the first change.
    changes: OnceLock<Box<[AtomicU64]>>,
    next: AtomicU64,
    /// One change at a time.
    writing: Mutex<()>,
    hasher: RandomState,
}

impl Eras {
    /// The era that is now.
    pub fn now(&self) -> u64 {
        self.next.load(Ordering::Acquire)
    }

    /// Whether something under this key was thrown away since an era, or may have been.
    pub fn changed(&self, key: &[u8], since: u64) -> bool {
        // Whoever has stored something asks this, and whoever throws away looks what is stored after noting it: one of
        // the two sees the other.
        fence(Ordering::SeqCst);
        let now = self.now();
        if now == since {
            return false;
        }
        let Some(changes) = self.changes.get() else { return false };
        let own = self.mark(key);
        let is_ours = |number: u64| {
            let mark = slot(changes, number).map_or(EVERYTHING, |slot| slot.load(Ordering::Acquire));
            mark == own || mark == EVERYTHING
        };
        let length = REMEMBERED as u64;
        now - since >= length || (since..now).any(is_ours) || self.now() - since >= length
    }

    /// Notes that something under a key is thrown away. To be told before it is.
    pub fn note(&self, key: &[u8]) {
        self.write(self.mark(key));
    }

    /// The same for all keys.
    pub fn note_all(&self) {
        self.write(EVERYTHING);
    }

    fn write(&self, mark: u64) {
        let changes = self.changes.get_or_init(|| (0..REMEMBERED).map(|_| AtomicU64::new(EVERYTHING)).collect());
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.next.load(Ordering::Relaxed);
        if let Some(slot) = slot(changes, number) {
            slot.store(mark, Ordering::Release);
        }
        self.next.store(number + 1, Ordering::Release);
        drop(writing);
        fence(Ordering::SeqCst);
    }

    /// What stands for a key: never the mark for all of them.
    fn mark(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key) | 1
    }
}

fn slot(changes: &[AtomicU64], number: u64) -> Option<&AtomicU64> {
    changes.get(usize::try_from(number % REMEMBERED as u64).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_by_its_own_key_and_no_other() {
        let eras = Eras::default();
        let before = eras.now();
        assert!(!eras.changed(b"one", before));
        eras.note(b"one");
        assert!(eras.changed(b"one", before));
        assert!(!eras.changed(b"two", before));
        assert!(!eras.changed(b"one", eras.now()));
        eras.note_all();
        assert!(eras.changed(b"two", before));
    }

    #[test]
    fn what_the_log_no_longer_holds_counts_as_changed() {
        let eras = Eras::default();
        let before = eras.now();
        for number in 1..REMEMBERED {
            eras.note(&number.to_le_bytes());
        }
        assert!(!eras.changed(b"quiet", before));
        eras.note(b"one more");
        assert!(eras.changed(b"quiet", before));
    }
}
