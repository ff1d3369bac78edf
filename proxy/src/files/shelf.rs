//! What was opened a moment ago, in two generations: what is asked for moves to the young one, and when that is full, or
//! after a while, the old one is let go. So it is bounded, and nothing that nobody asks for keeps a deleted file alive.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use switchboard_core::content::path::Wanted;
use switchboard_core::snapshot::Site;

use super::Entry;

/// What one generation holds at most: entries, bytes of memory. Chosen; a worker has two.
const ENTRIES: usize = 1024;
const BYTES: usize = 8 * 1024 * 1024;

/// Seconds after which a generation grows old.
const GROWS_OLD: u32 = 10;

type Entries = HashMap<Box<[u8]>, Rc<Entry>>;

/// The entries of one worker.
#[derive(Debug)]
pub(super) struct Shelf {
    /// Descriptors of one generation at most.
    most: usize,
    young: Entries,
    old: Entries,
    bytes: usize,
    descriptors: usize,
    age: u32,
}

/// Writes the key of a name of a site. An entry holds its site, so that no other one can come to lie at its address.
pub(super) fn key(site: &Arc<Site>, wanted: &Wanted, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&(Arc::as_ptr(site) as usize).to_ne_bytes());
    out.push(u8::from(wanted.directory));
    out.extend_from_slice(&wanted.path);
}

impl Shelf {
    pub(super) fn new(descriptors: usize) -> Self {
        let (young, old) = (Entries::new(), Entries::new());
        Self { most: descriptors / 2, young, old, bytes: 0, descriptors: 0, age: 0 }
    }

    pub(super) fn find(&mut self, key: &[u8]) -> Option<Rc<Entry>> {
        if let Some(entry) = self.young.get(key) {
            return Some(Rc::clone(entry));
        }
        let entry = self.old.remove(key)?;
        self.put(key, &entry);
        Some(entry)
    }

    pub(super) fn put(&mut self, key: &[u8], entry: &Rc<Entry>) {
        let (bytes, descriptors) = entry.weight();
        let full =
            self.young.len() >= ENTRIES || self.bytes + bytes > BYTES || self.descriptors + descriptors > self.most;
        if full {
            self.turn();
        }
        self.bytes += bytes;
        self.descriptors += descriptors;
        self.young.insert(key.into(), Rc::clone(entry));
    }

    pub(super) fn forget(&mut self, key: &[u8]) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Called once a second.
    pub(super) fn rest(&mut self) {
        if self.young.is_empty() && self.old.is_empty() {
            return;
        }
        self.age += 1;
        if self.age >= GROWS_OLD {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.old = std::mem::take(&mut self.young);
        self.bytes = 0;
        self.descriptors = 0;
        self.age = 0;
    }
}
