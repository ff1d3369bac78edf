//! An answer on its way into the store: its bytes as they pass to the client, until it is whole.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use switchboard_core::cache::Entry;
use switchboard_core::moment::Moment;

use super::{Lead, Outcome, Store, Stored};
use crate::relay::forms::Forms;

/// How long nobody waits for another's answer once one was not for storing. Chosen: that an origin's mind changes is
/// noticed all the same, for each answer is looked at.
const PASSES: Duration = Duration::from_secs(60);

/// An answer that is being stored. Dropped before its end, it was not whole, and nothing is kept of it (case 137).
#[derive(Debug)]
pub struct Fill {
    destined: Destined,
    entry: Box<Entry>,
    body: Vec<u8>,
    most: usize,
}

/// Where an answer goes once it is whole.
#[derive(Debug)]
pub struct Destined {
    /// The store.
    pub store: Arc<Store>,
    /// The key.
    pub key: Box<[u8]>,
    /// The era in which it was asked for: once something of its key is thrown away after it, it is not stored.
    pub era: u64,
    /// The flight that it ends.
    pub lead: Option<Lead>,
}

impl Fill {
    /// Begins one with a body of at most `most` bytes, `length` where that is known.
    pub fn new(destined: Destined, entry: Box<Entry>, length: Option<u64>, most: u64) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        // What a head says of a length is only believed as far as bytes have come.
        let room = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(0).min(most).min(64 << 10);
        Self { destined, entry, body: Vec::with_capacity(room), most }
    }

    /// Takes bytes of the body. False where it has grown too large, or too many are on their way: then it is to be given
    /// up.
    pub fn take(&mut self, payload: &[u8]) -> bool {
        if self.body.len() + payload.len() > self.most {
            return false;
        }
        self.body.extend_from_slice(payload);
        self.destined.store.reserve(payload.len() as u64)
    }

    /// Where it goes.
    pub const fn store(&self) -> &Arc<Store> {
        &self.destined.store
    }

    /// Whether others wait for it.
    pub fn is_awaited(&self) -> bool {
        self.destined.lead.as_ref().is_some_and(Lead::is_awaited)
    }

    /// Gives it up as too large: nobody waits for it any longer.
    pub fn outgrown(mut self) {
        let Destined { store, key, lead, .. } = &mut self.destined;
        pass(store, key, lead.take(), self.entry.at);
    }

    /// Stores it: the whole body has come.
    pub fn finish(mut self) {
        let Destined { store, key, era, lead } = &mut self.destined;
        // What was changed while it was on its way may be of before the change; who waits asks anew.
        if store.changed(key, *era) {
            return;
        }
        let mut entry = (*self.entry).clone();
        entry.length = self.body.len() as u64;
        store.put(
            key,
            Arc::new(Stored { entry, body: Bytes::copy_from_slice(&self.body), forms: Forms::default() }),
            *era,
        );
        if let Some(lead) = lead.take() {
            lead.end(Outcome::Stored);
        }
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.destined.store.release(self.body.len() as u64);
    }
}

/// Ends a flight whose answer is not for storing. Where others waited for it, the next ones won't.
pub fn pass(store: &Store, key: &[u8], lead: Option<Lead>, now: Moment) {
    let Some(lead) = lead else { return };
    if lead.is_awaited() {
        store.pass_until(key, now + PASSES);
    }
    lead.end(Outcome::Private);
}
