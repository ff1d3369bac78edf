//! What the policies of a rule or a listener ask outside of the proxy: key sets and shared stores, each opened once and
//! kept for as long as a generation asks it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use switchboard_core::config::{Redis, TokenKeys};
use switchboard_core::policy::Chain;

use crate::store::Store;
use crate::tokens::KeySet;

/// What one chain asks.
#[derive(Debug)]
pub struct Outside {
    /// For `jwt`.
    pub keys: Option<Arc<KeySet>>,
    /// For limits that machines share, by their place in [`Chain::rates`].
    pub stores: Box<[Option<Arc<Store>>]>,
}

/// All that is open, for the control thread.
#[derive(Debug, Default)]
pub struct Outsides {
    keys: HashMap<TokenKeys, Weak<KeySet>>,
    stores: HashMap<Redis, Weak<Store>>,
}

impl Outsides {
    /// What a chain asks; nothing where it asks nobody.
    pub fn of(&mut self, chain: Option<&Chain>) -> Option<Arc<Outside>> {
        let chain = chain?;
        let jwt = chain.identity().and_then(|identity| identity.jwt());
        if jwt.is_none() && !chain.asks_stores() {
            return None;
        }
        let keys = jwt.map(|jwt| open(&mut self.keys, &jwt.keys, KeySet::open));
        let store = |rate: &switchboard_core::policy::limits::Rate| {
            rate.store.as_ref().map(|settings| open(&mut self.stores, settings, Store::open))
        };
        Some(Arc::new(Outside { keys, stores: chain.rates().iter().map(store).collect() }))
    }

    /// Forgets what no generation asks any more.
    pub fn forget_dead(&mut self) {
        self.keys.retain(|_, keys| keys.strong_count() > 0);
        self.stores.retain(|_, store| store.strong_count() > 0);
    }
}

fn open<K: Clone + Eq + Hash, T>(known: &mut HashMap<K, Weak<T>>, key: &K, make: impl Fn(&K) -> Arc<T>) -> Arc<T> {
    if let Some(live) = known.get(key).and_then(Weak::upgrade) {
        return live;
    }
    let new = make(key);
    known.insert(key.clone(), Arc::downgrade(&new));
    new
}
