//! How many exchanges of a key are under way: counts that all workers share, and places that give themselves back.
//!
//! Asked only where `concurrency` or `max_connections` stand. The counts are spread over locks that are held for one
//! look at a small map, and a key without exchanges takes no memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Locks that the keys are spread over.
const SHARDS: usize = 16;

/// The counts of one limit.
#[derive(Debug, Default)]
pub struct Places {
    shards: [Mutex<BTreeMap<u64, u32>>; SHARDS],
}

/// One exchange under way: it counts until it is dropped.
#[derive(Debug)]
pub struct Occupied {
    places: Arc<Places>,
    hash: u64,
}

impl Places {
    /// Takes a place of the key with this hash, if it has less than `most`.
    pub fn take(self: &Arc<Self>, hash: u64, most: u32) -> Option<Occupied> {
        let mut counts = self.shard(hash).lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(hash).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Occupied { places: Arc::clone(self), hash })
    }

    fn shard(&self, hash: u64) -> &Mutex<BTreeMap<u64, u32>> {
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        let mut counts = self.places.shard(self.hash).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.hash) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back_and_forgotten() {
        let places = Arc::new(Places::default());
        let first = places.take(1, 2).expect("a place");
        let second = places.take(1, 2).expect("a place");
        assert!(places.take(1, 2).is_none() && places.take(2, 2).is_some());
        drop(first);
        assert!(places.take(1, 2).is_some());
        drop(second);
        assert!(places.shards.iter().all(|shard| shard.lock().unwrap().is_empty()));
    }
}
