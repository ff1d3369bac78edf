//! An answer that is stored on its way: what the pump decodes goes into the store as well as to the client.
//!
//! It comes as fast as its origin gives it, not as its client takes it: others wait for it, and one slow reader must not
//! hold them all. What the client has still to take is kept meanwhile, within a share of the cache's memory.

use std::sync::Arc;

use super::{Pump, READ};
use crate::cache::{Fill, Store};

/// What a pump knows of an answer that it stores.
#[derive(Debug)]
pub(super) struct Filling {
    /// None once it is stored, or given up.
    fill: Option<Box<Fill>>,
    store: Arc<Store>,
    /// Bytes by which the client may be behind, as the store counts them.
    ahead: usize,
}

/// Adds what has passed, and hands it over where that was the last of it; gives up what has grown too large.
pub(super) fn take(pump: &mut Pump, payload: &[u8]) {
    let Some(filling) = &mut pump.filling else { return };
    let Some(mut fill) = filling.fill.take() else { return };
    match (fill.take(payload), pump.complete) {
        (false, _) => fill.outgrown(),
        (true, true) => fill.finish(),
        (true, false) => filling.fill = Some(fill),
    }
    pump.caught_up();
}

impl Pump {
    /// Stores what passes, where there is a `fill`.
    #[must_use]
    pub fn filling(mut self, fill: Option<Box<Fill>>) -> Self {
        self.filling =
            fill.map(|fill| Box::new(Filling { store: Arc::clone(fill.store()), fill: Some(fill), ahead: 0 }));
        if self.complete {
            take(&mut self, &[]);
        }
        self
    }

    /// Whether it stores what others wait for.
    pub fn is_awaited(&self) -> bool {
        self.filling.as_ref().and_then(|filling| filling.fill.as_ref()).is_some_and(|fill| fill.is_awaited())
    }

    /// Whether it reads on though the client has not taken what there is. Not where a pace is set: a client would get at once
    /// what that had spread over time.
    pub(super) fn runs_ahead(&mut self) -> bool {
        let behind = self.pending.len();
        let Some(filling) = self.filling.as_mut().filter(|filling| filling.fill.is_some()) else { return false };
        if self.complete || self.events.is_some() || self.allowance <= Self::UNPACED / 2 {
            return false;
        }
        if behind + READ > filling.ahead {
            let more = behind + READ - filling.ahead;
            if !filling.store.run_ahead(more as u64) {
                return false;
            }
            filling.ahead += more;
        }
        true
    }

    /// Gives back what was kept for a slow client, where that has taken all and nothing is stored any more.
    pub(super) fn caught_up(&mut self) {
        if self.pending.is_empty() && self.filling.as_ref().is_some_and(|filling| filling.fill.is_none()) {
            self.filling = None;
        }
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.store.came_back(self.ahead as u64);
    }
}
