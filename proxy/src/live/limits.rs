//! Where limits are counted: cells and places by the identity of the limit, kept from one generation to the next.
//!
//! The control thread ties them to the chains of a new generation; the data path reaches them through its rule.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use switchboard_core::policy::Chain;
use switchboard_core::policy::cells::Cells;
use switchboard_core::policy::identity::{Guesses, Identity};
use switchboard_core::policy::places::Places;
use switchboard_core::snapshot::RuleIdentity;

use super::RuleKeeps;

/// All that is counted now.
#[derive(Debug, Default)]
pub struct Limits {
    cells: HashMap<Arc<str>, Weak<Cells>>,
    places: HashMap<Arc<str>, Weak<Places>>,
    guesses: HashMap<[u8; 32], Weak<Guesses>>,
    /// By a rule's route and the fingerprint of its `when`.
    rules: HashMap<(Arc<str>, u64), Weak<RuleKeeps>>,
}

impl Limits {
    /// Lets the limits of a chain count where those of the same identity have counted before.
    pub fn tie(&mut self, chain: &Chain) {
        for rate in chain.rates().iter().filter(|rate| rate.store.is_none()) {
            rate.tie(|| same(&mut self.cells, &rate.identity));
        }
        for limit in chain.concurrency() {
            limit.tie(|| same(&mut self.places, &limit.identity));
        }
        for basic in chain.identity().into_iter().flat_map(Identity::passwords) {
            basic.tie(|| same(&mut self.guesses, &basic.users_digest));
        }
    }

    /// What the rule of this identity counts and keeps.
    pub fn of_rule(&mut self, rule: &RuleIdentity) -> Arc<RuleKeeps> {
        same(&mut self.rules, &(Arc::clone(&rule.route), rule.when))
    }

    /// Forgets limits that no generation has any more.
    pub fn forget_dead(&mut self) {
        self.cells.retain(|_, cells| cells.strong_count() > 0);
        self.places.retain(|_, places| places.strong_count() > 0);
        self.guesses.retain(|_, guesses| guesses.strong_count() > 0);
        self.rules.retain(|_, rule| rule.strong_count() > 0);
    }
}

fn same<K: Clone + Eq + Hash, T: Default>(known: &mut HashMap<K, Weak<T>>, identity: &K) -> Arc<T> {
    let entry = known.entry(identity.clone()).or_default();
    entry.upgrade().unwrap_or_else(|| {
        let new = Arc::new(T::default());
        *entry = Arc::downgrade(&new);
        new
    })
}
