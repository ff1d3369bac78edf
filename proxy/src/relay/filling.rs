//! An answer that is stored on its way: what the pump decodes goes into the store as well as to the client.

use super::Pump;
use crate::cache::Fill;

/// Adds what has passed, and hands it over where that was the last of it; gives up what has grown too large.
pub(super) fn take(pump: &mut Pump, payload: &[u8]) {
    let Some(mut fill) = pump.fill.take() else { return };
    match (fill.take(payload), pump.complete) {
        (false, _) => fill.outgrown(),
        (true, true) => fill.finish(),
        (true, false) => pump.fill = Some(fill),
    }
}

impl Pump {
    /// Stores what passes, where there is a `fill`.
    #[must_use]
    pub fn filling(mut self, fill: Option<Box<Fill>>) -> Self {
        self.fill = fill;
        if self.complete {
            take(&mut self, &[]);
        }
        self
    }

    /// Whether it stores what others wait for.
    pub fn is_awaited(&self) -> bool {
        self.fill.as_ref().is_some_and(|fill| fill.is_awaited())
    }
}
