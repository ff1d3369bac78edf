//! The store of answers: what is kept in memory and on disk, who is fetching what, and what has been thrown away.
//!
//! One for the whole proxy, shared by its workers. `exchange/cache` asks it; the admin plane purges it. Which answers may
//! be stored and used is decided in `core::cache`. A lookup takes no lock of ours; only a miss does, in one of many
//! shards, and never across an await.

pub mod disk;
pub mod eras;
pub mod fill;
pub mod flight;
pub mod page;
pub mod purge;

use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use moka::ops::compute::Op;
use switchboard_core::cache::Entry;
use switchboard_core::config::CacheStore;
use switchboard_core::message::Fields;
use switchboard_core::moment::Moment;

pub use disk::Disk;
pub use eras::Eras;
pub use fill::Fill;
pub use flight::{Flights, Join, Lead, Outcome};
pub use page::{Page, Stored};

/// What a page weighs beside its key and its answers: its own structure, and what the table keeps of it. Chosen.
const PAGE: usize = 256;

/// A key as the table holds it.
type Key = Vec<u8>;

type Memory = moka::sync::Cache<Key, Arc<Page>>;

/// The store.
#[derive(Debug)]
pub struct Store {
    settings: CacheStore,
    /// Made when it is first needed: most proxies keep nothing.
    memory: OnceLock<Memory>,
    /// Who fetches what.
    pub flights: Arc<Flights>,
    /// Where it goes on beyond memory.
    disk: Option<Arc<Disk>>,
    /// What was thrown away.
    eras: Arc<Eras>,
    /// Bytes of answers that are on their way into the store.
    filling: AtomicU64,
    /// Bytes that have come for the store and wait for a slow client besides.
    ahead: AtomicU64,
    hasher: RandomState,
}

impl Store {
    /// Makes an empty one in the place of `old`, whose disk it takes over.
    pub fn new(settings: CacheStore, state_dir: &Path, old: Option<&Self>) -> Arc<Self> {
        let eras = old.map_or_else(Arc::default, |old| Arc::clone(&old.eras));
        let kept = old.and_then(|old| old.disk.clone());
        let open = |most| Disk::open(state_dir.join("cache"), most, Arc::clone(&eras)).map(Arc::new);
        let disk = settings.disk.and_then(|most| match kept {
            Some(disk) => {
                disk.resize(most);
                Some(disk)
            }
            None => open(most),
        });
        Arc::new(Self {
            settings,
            memory: OnceLock::new(),
            flights: Arc::default(),
            disk,
            eras,
            filling: AtomicU64::new(0),
            ahead: AtomicU64::new(0),
            hasher: RandomState::new(),
        })
    }

    /// How it was made.
    pub const fn settings(&self) -> CacheStore {
        self.settings
    }

    fn memory(&self) -> &Memory {
        self.memory.get_or_init(|| {
            moka::sync::Cache::builder()
                .max_capacity(self.settings.memory)
                .weigher(|key: &Key, page: &Arc<Page>| {
                    u32::try_from(key.len() + page.weight() + PAGE).unwrap_or(u32::MAX)
                })
                .build()
        })
    }

    /// What is kept under a key.
    pub fn page(&self, key: &[u8]) -> Option<Arc<Page>> {
        self.memory.get()?.get(key)
    }

    /// Puts an answer under a key, in the place of one that would be given to the same requests. `era` is the one in
    /// which it was asked for.
    pub fn put(&self, key: &[u8], stored: Arc<Stored>, era: u64) {
        if let Some(disk) = &self.disk {
            disk.put(key, &stored, era, stored.entry.at);
        }
        self.change(key, |page| page.with(Arc::clone(&stored)));
        self.unless_changed(key, era);
    }

    /// Takes back what was just put under a key that something was thrown away of meanwhile.
    fn unless_changed(&self, key: &[u8], era: u64) {
        if self.eras.changed(key, era)
            && let Some(memory) = self.memory.get()
        {
            memory.invalidate(key);
        }
    }

    /// Puts the second in the place of the first, if that is still there: nothing that was purged comes back.
    pub fn replace(&self, key: &[u8], old: &Arc<Stored>, new: Arc<Stored>, era: u64) {
        if let Some(disk) = &self.disk {
            // By files alone the old one can't be told from others that the new one does not stand for.
            if old.entry.vary != new.entry.vary {
                disk.forget(key);
            }
            disk.put(key, &new, era, new.entry.at);
        }
        self.change(key, |page| match page.has(old) {
            true => page.without(old).with(Arc::clone(&new)),
            false => page.clone(),
        });
        self.unless_changed(key, era);
    }

    /// Takes what lies on disk under a key into memory. True where there was something.
    pub async fn recall(&self, key: &[u8], now: Moment) -> bool {
        let Some(disk) = self.disk.as_ref().filter(|disk| disk.has(key)) else { return false };
        let (disk, own, era) = (Arc::clone(disk), key.to_vec(), self.era());
        let found = tokio::task::spawn_blocking(move || disk.read(&own, now)).await.unwrap_or_default();
        for stored in &found {
            self.change(key, |page| page.with(Arc::clone(stored)));
        }
        self.unless_changed(key, era);
        !found.is_empty()
    }

    /// Takes one answer out.
    pub fn forget(&self, key: &[u8], stored: &Arc<Stored>) {
        if let Some(disk) = &self.disk {
            disk.forget(key);
        }
        self.change(key, |page| page.without(stored));
    }

    /// Notes that what is under a key is not for storing, so that nobody waits for another's answer until then.
    pub fn pass_until(&self, key: &[u8], until: Moment) {
        self.change(key, |page| page.passing(until));
    }

    fn change(&self, key: &[u8], change: impl Fn(&Page) -> Page) {
        let _ = self.memory().entry_by_ref(key).and_compute_with(|entry| {
            let old = entry.map(moka::Entry::into_value);
            let new = change(old.as_deref().unwrap_or(&Page::EMPTY));
            match (new.is_empty(), old) {
                (true, Some(_)) => Op::Remove,
                (true, None) => Op::Nop,
                (false, _) => Op::Put(Arc::new(new)),
            }
        });
    }

    /// Throws away all that is under a key, and keeps what is being fetched for it from being stored.
    pub fn invalidate(&self, key: &[u8]) {
        self.eras.note(key);
        if let Some(disk) = &self.disk {
            disk.forget(key);
        }
        if let Some(memory) = self.memory.get() {
            memory.invalidate(key);
        }
    }

    /// The number by which those find each other who fetch under a key. Nobody outside can make two meet.
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    /// The era that is now: what is asked for in it is not stored once something of its key was thrown away.
    pub fn era(&self) -> u64 {
        self.eras.now()
    }

    /// Whether something of a key was thrown away since an era.
    pub fn changed(&self, key: &[u8], since: u64) -> bool {
        self.eras.changed(key, since)
    }

    /// Counts bytes that are on their way into the store; false where there are too many already.
    pub(crate) fn reserve(&self, bytes: u64) -> bool {
        self.filling.fetch_add(bytes, Ordering::Relaxed) < self.settings.memory
    }

    /// Counts bytes as arrived, or given up.
    pub(crate) fn release(&self, bytes: u64) {
        self.filling.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that are to be read before a client has taken what was; false where that is too much.
    pub(crate) fn run_ahead(&self, bytes: u64) -> bool {
        // Chosen: the rest is for what is kept.
        let may = self.ahead.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.settings.memory / 4;
        if !may {
            self.came_back(bytes);
        }
        may
    }

    /// Counts such bytes as taken, or given up.
    pub(crate) fn came_back(&self, bytes: u64) {
        self.ahead.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes on disk.
    pub fn on_disk(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.used())
    }

    /// Keys, and bytes of memory that they take, about.
    pub fn size(&self) -> (u64, u64) {
        self.memory.get().map_or((0, 0), |memory| (memory.entry_count(), memory.weighted_size()))
    }
}

/// Finds what would be given to a request among the answers of a page: for its rule, chosen by the same fields.
pub fn select<'p>(
    page: &'p Page,
    space: u64,
    request: (&Fields, &[u8]),
    scratch: &mut Vec<u8>,
) -> Option<&'p Arc<Stored>> {
    let fits = |stored: &&Arc<Stored>| {
        let Entry { space: of, vary, .. } = &stored.entry;
        *of == space && vary.fits(request, scratch)
    };
    page.answers().iter().find({
        let mut fits = fits;
        move |stored| fits(stored)
    })
}
