//! Where limits are counted: cells and places by the identity of the limit, kept from one generation to the next.
//!
//! The control thread ties them to the chains of a new generation; the data path reaches them through its rule.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use switchboard_core::policy::Chain;
use switchboard_core::policy::cells::Cells;
use switchboard_core::policy::places::Places;

/// All that is counted now.
#[derive(Debug, Default)]
pub struct Limits {
    cells: HashMap<Arc<str>, Weak<Cells>>,
    places: HashMap<Arc<str>, Weak<Places>>,
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
    }

    /// Forgets limits that no generation has any more.
    pub fn forget_dead(&mut self) {
        self.cells.retain(|_, cells| cells.strong_count() > 0);
        self.places.retain(|_, places| places.strong_count() > 0);
    }
}

fn same<T: Default>(known: &mut HashMap<Arc<str>, Weak<T>>, identity: &Arc<str>) -> Arc<T> {
    let entry = known.entry(Arc::clone(identity)).or_default();
    entry.upgrade().unwrap_or_else(|| {
        let new = Arc::new(T::default());
        *entry = Arc::downgrade(&new);
        new
    })
}
