//! What is kept under one URL: its answers, one for each kind of request that was answered differently.

use std::sync::Arc;

use bytes::Bytes;
use switchboard_core::cache::Entry;
use switchboard_core::moment::Moment;

use crate::relay::forms::Forms;

/// Answers under one URL at most (case 133): the one that came longest ago makes room.
const MOST: usize = 64;

/// An answer with its body.
#[derive(Debug)]
pub struct Stored {
    /// Its head, and what is known of it.
    pub entry: Entry,
    /// Its body, as it came: with the coding that its origin gave it.
    pub body: Bytes,
    /// The body as it was encoded for clients.
    pub forms: Forms,
}

/// All answers under one URL. Never changed: a change makes another.
#[derive(Clone, Debug)]
pub struct Page {
    /// The newest first.
    answers: Vec<Arc<Stored>>,
    /// Until then nobody waits here for the answer to another's request.
    pass_until: Moment,
}

impl Page {
    /// One with nothing on it.
    pub const EMPTY: Self = Self { answers: Vec::new(), pass_until: Moment::ZERO };

    /// The answers, the newest first.
    pub fn answers(&self) -> &[Arc<Stored>] {
        &self.answers
    }

    /// Whether what is answered here was not for storing a moment ago.
    pub fn passes(&self, now: Moment) -> bool {
        now < self.pass_until
    }

    /// Whether nothing is on it.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty() && self.pass_until == Moment::ZERO
    }

    /// Whether this answer is on it.
    pub fn has(&self, stored: &Arc<Stored>) -> bool {
        self.answers.iter().any(|one| Arc::ptr_eq(one, stored))
    }

    /// With one more, in the place of one for the same requests.
    pub fn with(&self, stored: Arc<Stored>) -> Self {
        let differs = |one: &&Arc<Stored>| one.entry.space != stored.entry.space || one.entry.vary != stored.entry.vary;
        let others: Vec<_> = self.answers.iter().filter(differs).take(MOST - 1).cloned().collect();
        let mut answers = Vec::with_capacity(others.len() + 1);
        answers.push(stored);
        answers.extend(others);
        Self { answers, pass_until: Moment::ZERO }
    }

    /// Without one.
    pub fn without(&self, stored: &Arc<Stored>) -> Self {
        let answers = self.answers.iter().filter(|one| !Arc::ptr_eq(one, stored)).cloned().collect();
        Self { answers, pass_until: self.pass_until }
    }

    /// The same, where nobody waits until then.
    pub fn passing(&self, until: Moment) -> Self {
        Self { answers: self.answers.clone(), pass_until: until }
    }

    /// Bytes that it takes, about.
    pub fn weight(&self) -> usize {
        self.answers.iter().map(|stored| stored.entry.weight() + stored.body.len()).sum()
    }
}
