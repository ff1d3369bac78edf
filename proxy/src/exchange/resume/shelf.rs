//! What a rule has kept of its event streams: a ring for each session, within a bound on their memory together.
//!
//! One lock per rule with `sse.resume`, held for a look or a copy: taken for each of its events, and by nobody else.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use switchboard_core::moment::Moment;
use switchboard_core::sse::ring::{Bounds, Ring};

use switchboard_core::sse::session::SessionId;

/// The rings of one rule.
#[derive(Debug, Default)]
pub struct Shelf(Mutex<Rings>);

#[derive(Debug, Default)]
struct Rings {
    list: HashMap<SessionId, Kept>,
    bytes: usize,
    swept: Moment,
}

#[derive(Debug)]
struct Kept {
    ring: Ring,
    used: Moment,
}

/// What a session costs besides its events, roughly.
const OVERHEAD: usize = 128;

/// How often rings that nobody uses are looked for.
const SWEEP: Duration = Duration::from_secs(1);

impl Shelf {
    /// Looks at the ring of a session, where there is one.
    pub fn with<T>(&self, id: &SessionId, now: Moment, look: impl FnOnce(&mut Ring) -> T) -> Option<T> {
        self.lock().with(id, now, look)
    }

    /// Keeps an event of a session within its `bounds`, and those of all sessions within `memory` bytes: who was not
    /// here for longest is forgotten.
    pub fn keep(&self, session: &SessionId, id: &[u8], text: &[u8], now: Moment, bounds: &Bounds, memory: usize) {
        let mut rings = self.lock();
        if !rings.list.contains_key(session) {
            rings.bytes += OVERHEAD;
            rings.list.insert(*session, Kept { ring: Ring::default(), used: now });
        }
        rings.with(session, now, |ring| ring.keep(id, text, now, bounds));
        rings.sweep(now, bounds.age);
        if rings.bytes > memory {
            rings.shrink(memory / 8 * 7);
        }
    }

    /// Forgets the events of a session.
    pub fn forget(&self, session: &SessionId, now: Moment) {
        self.lock().with(session, now, Ring::forget);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Rings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rings {
    fn with<T>(&mut self, id: &SessionId, now: Moment, look: impl FnOnce(&mut Ring) -> T) -> Option<T> {
        let kept = self.list.get_mut(id)?;
        let before = kept.ring.bytes();
        let result = look(&mut kept.ring);
        kept.used = now;
        self.bytes = self.bytes + kept.ring.bytes() - before;
        Some(result)
    }

    /// Drops the rings of sessions that were not used for `age`: nothing in them is younger.
    fn sweep(&mut self, now: Moment, age: Duration) {
        if now < self.swept + SWEEP {
            return;
        }
        self.swept = now;
        let bytes = &mut self.bytes;
        self.list.retain(|_, kept| {
            let stays = kept.used + age >= now;
            if !stays {
                *bytes -= kept.ring.bytes() + OVERHEAD;
            }
            stays
        });
    }

    /// Drops the rings that were not used for longest, until at most `memory` bytes are held. One pass makes room for many.
    fn shrink(&mut self, memory: usize) {
        let mut oldest: Vec<(Moment, SessionId)> = self.list.iter().map(|(id, kept)| (kept.used, *id)).collect();
        oldest.sort_unstable();
        for (_, id) in oldest {
            if self.bytes <= memory {
                break;
            }
            if let Some(kept) = self.list.remove(&id) {
                self.bytes -= kept.ring.bytes() + OVERHEAD;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { events: 10, age: Duration::from_secs(10), bytes: 1000 };

    fn at(seconds: u64) -> Moment {
        Moment::ZERO + Duration::from_secs(seconds)
    }

    fn events(shelf: &Shelf, session: u8) -> Option<u64> {
        shelf.with(&[session; 32], at(0), |ring| ring.end())
    }

    #[test]
    fn sessions_share_nothing_but_the_memory() {
        let shelf = Shelf::default();
        for (second, session) in [(1, 1), (2, 2), (3, 1)] {
            let text = format!("{session} at {second}");
            shelf.keep(&[session; 32], text.as_bytes(), text.as_bytes(), at(second), &BOUNDS, 100_000);
        }
        assert_eq!((events(&shelf, 1), events(&shelf, 2), events(&shelf, 3)), (Some(2), Some(1), None));
        // Room for two sessions of 700 bytes each and no third: who was here last stays.
        for second in 10..13 {
            let session = [u8::try_from(second).unwrap(); 32];
            shelf.keep(&session, b"x", &[b'x'; 500], at(second), &BOUNDS, 1500);
        }
        assert_eq!((events(&shelf, 10), events(&shelf, 12)), (None, Some(1)));
        assert!(shelf.lock().bytes <= 1500);
        // Who has not been here for as long as an event is kept leaves nothing behind.
        shelf.keep(&[9; 32], b"y", b"y", at(30), &BOUNDS, 1500);
        assert_eq!(events(&shelf, 12), None);
        let rings = shelf.lock();
        assert_eq!(rings.bytes, rings.list.values().map(|kept| kept.ring.bytes() + OVERHEAD).sum::<usize>());
    }
}
