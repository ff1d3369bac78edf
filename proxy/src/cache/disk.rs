//! The second tier: answers in files of `state_dir/cache`, one each, bounded in bytes, there again after a restart.
//!
//! A thread of its own writes and deletes, in the order in which it is told; a read is a blocking call that the exchange
//! makes beside the worker. A file is written under another name and renamed, and read only where its checksum is right:
//! whatever breaks is a miss, never an error (case 142).

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use switchboard_core::cache::image;
use switchboard_core::moment::Moment;

use super::{Eras, Stored};
use crate::relay::forms::Forms;

/// Bytes that wait to be written at most; what comes beyond is not kept on disk.
const WAITING: u64 = 32 << 20;

/// The tier.
#[derive(Debug)]
pub struct Disk {
    shared: Arc<Shared>,
    work: Sender<Work>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    most: AtomicU64,
    index: Mutex<Index>,
    waiting: AtomicU64,
    eras: Arc<Eras>,
}

/// What lies where. Files are numbered as they come: the lowest number makes room.
#[derive(Debug, Default)]
struct Index {
    files: BTreeMap<u64, File>,
    keys: HashMap<Box<[u8]>, Vec<u64>>,
    used: u64,
    next: u64,
}

#[derive(Debug)]
struct File {
    key: Box<[u8]>,
    tags: Box<[u64]>,
    size: u64,
    /// Tells the answers of one URL apart: a newer one of the same sort takes its place.
    sort: u64,
}

enum Work {
    Put {
        key: Box<[u8]>,
        stored: Arc<Stored>,
        era: u64,
        wall: u64,
    },
    Delete(Vec<u64>),
    /// Make room: less may lie there than before.
    Shrink,
}

impl Disk {
    /// Opens the directory and reads what is there, on a thread of its own. Until it is read it is empty. `None` where
    /// the directory can't be used, which is said once.
    pub fn open(dir: PathBuf, most: u64, eras: Arc<Eras>) -> Option<Self> {
        let shared = Arc::new(Shared {
            dir,
            most: AtomicU64::new(most),
            index: Mutex::default(),
            waiting: AtomicU64::new(0),
            eras,
        });
        let (work, inbox) = channel();
        let ours = Arc::clone(&shared);
        let begun = fs::create_dir_all(&shared.dir).and_then(|()| {
            std::thread::Builder::new().name("cache-disk".to_owned()).spawn(move || ours.run(&inbox)).map(drop)
        });
        match begun {
            Ok(()) => Some(Self { shared, work }),
            Err(error) => {
                tracing::warn!(dir = %shared.dir.display(), %error, "the cache keeps nothing on disk");
                None
            }
        }
    }

    /// Keeps an answer, unless too much waits already.
    pub fn put(&self, key: &[u8], stored: &Arc<Stored>, era: u64, now: Moment) {
        let size = stored.body.len() as u64;
        if size > self.shared.most() || self.shared.waiting.fetch_add(size, Ordering::Relaxed) > WAITING {
            self.shared.waiting.fetch_sub(size, Ordering::Relaxed);
            return;
        }
        let wall = wall().saturating_sub(now.since(stored.entry.at).as_secs());
        let _ = self.work.send(Work::Put { key: key.into(), stored: Arc::clone(stored), era, wall });
    }

    /// Whether something may lie under a key.
    pub fn has(&self, key: &[u8]) -> bool {
        self.shared.index().keys.contains_key(key)
    }

    /// Reads what lies under a key, the newest last. Blocks.
    pub fn read(&self, key: &[u8], now: Moment) -> Vec<Arc<Stored>> {
        let numbers = self.shared.index().keys.get(key).cloned().unwrap_or_default();
        let mut found = Vec::new();
        let mut broken = Vec::new();
        for number in numbers {
            let bytes = fs::read(self.shared.path(number)).unwrap_or_default();
            match image::read(&bytes, now, wall()).filter(|image| image.key == key) {
                Some(image) => {
                    let body = Bytes::copy_from_slice(image.body);
                    found.push(Arc::new(Stored { entry: image.entry, body, forms: Forms::default() }));
                }
                None => broken.push(number),
            }
        }
        self.delete(broken);
        found
    }

    /// Throws away what is meant; returns how many URLs that were.
    pub fn remove(&self, meant: impl Fn(&[u8], &[u64]) -> bool) -> Vec<Box<[u8]>> {
        let index = self.shared.index();
        let of = index.files.iter().filter(|(_, file)| meant(&file.key, &file.tags));
        let keys: Vec<Box<[u8]>> = of.map(|(_, file)| file.key.clone()).collect();
        let numbers = keys.iter().filter_map(|key| index.keys.get(key)).flatten().copied().collect();
        drop(index);
        self.delete(numbers);
        keys
    }

    /// Throws away what lies under a key.
    pub fn forget(&self, key: &[u8]) {
        let numbers = self.shared.index().keys.get(key).cloned().unwrap_or_default();
        self.delete(numbers);
    }

    /// Changes how much may lie there.
    pub fn resize(&self, most: u64) {
        self.shared.most.store(most, Ordering::Relaxed);
        let _ = self.work.send(Work::Shrink);
    }

    /// Bytes that lie there.
    pub fn used(&self) -> u64 {
        self.shared.index().used
    }

    /// Out of the index at once, so that nobody finds them; the files follow.
    fn delete(&self, numbers: Vec<u64>) {
        if numbers.is_empty() {
            return;
        }
        let mut index = self.shared.index();
        numbers.iter().for_each(|number| index.remove(*number));
        drop(index);
        let _ = self.work.send(Work::Delete(numbers));
    }
}

impl Shared {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:016x}"))
    }

    fn run(&self, inbox: &Receiver<Work>) {
        self.find();
        while let Ok(work) = inbox.recv() {
            match work {
                Work::Put { key, stored, era, wall } => {
                    self.waiting.fetch_sub(stored.body.len() as u64, Ordering::Relaxed);
                    self.write(&key, &stored, era, wall);
                }
                Work::Delete(numbers) => self.remove(&numbers),
                Work::Shrink => {
                    let gone = self.index().shrink(self.most());
                    self.remove(&gone);
                }
            }
        }
    }

    fn remove(&self, numbers: &[u64]) {
        numbers.iter().for_each(|number| drop(fs::remove_file(self.path(*number))));
    }

    /// Reads what was left by the process before. What is not whole goes.
    fn find(&self) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        let mut names: Vec<(Option<u64>, PathBuf)> = entries
            .flatten()
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                let number = u64::from_str_radix(&name, 16).ok().filter(|_| name.len() == 16);
                (number, entry.path())
            })
            .collect();
        names.sort();
        for (number, path) in names {
            let Some(number) = number else {
                if path.extension().is_some_and(|end| end == "new") {
                    let _ = fs::remove_file(path);
                }
                continue;
            };
            let bytes = fs::read(&path).unwrap_or_default();
            match image::read(&bytes, Moment::ZERO, 0) {
                Some(image) => {
                    let file = File {
                        key: image.key.into(),
                        tags: image.entry.tags.clone(),
                        size: bytes.len() as u64,
                        sort: sort(&image.entry),
                    };
                    let old = self.index().insert(number, file, self.most());
                    self.remove(&old);
                }
                None => drop(fs::remove_file(&path)),
            }
        }
    }

    fn write(&self, key: &[u8], stored: &Stored, era: u64, wall: u64) {
        let bytes = image::write(key, &stored.entry, &stored.body, wall);
        if bytes.len() as u64 > self.most() {
            return;
        }
        let number = {
            let mut index = self.index();
            index.next += 1;
            index.next - 1
        };
        let path = self.path(number);
        let new = path.with_extension("new");
        if let Err(error) = write_whole(&new, &bytes).and_then(|()| fs::rename(&new, &path)) {
            tracing::debug!(%error, "an answer could not be kept on disk");
            let _ = fs::remove_file(&new);
            return;
        }
        let file = File {
            key: key.into(),
            tags: stored.entry.tags.clone(),
            size: bytes.len() as u64,
            sort: sort(&stored.entry),
        };
        let mut index = self.index();
        let old = if self.eras.changed(key, era) { vec![number] } else { index.insert(number, file, self.most()) };
        drop(index);
        self.remove(&old);
    }
}

impl Index {
    /// Adds a file; returns those that it takes the place of, or that make room.
    fn insert(&mut self, number: u64, file: File, most: u64) -> Vec<u64> {
        self.next = self.next.max(number + 1);
        let same = |old: &&u64| self.files.get(*old).is_some_and(|old| old.sort == file.sort);
        let mut gone: Vec<u64> = self.keys.get(&file.key).into_iter().flatten().filter(same).copied().collect();
        gone.iter().for_each(|old| self.remove(*old));
        self.used += file.size;
        self.keys.entry(file.key.clone()).or_default().push(number);
        self.files.insert(number, file);
        gone.extend(self.shrink(most));
        gone
    }

    /// Lets go of the oldest until no more than `most` bytes are left; returns which.
    fn shrink(&mut self, most: u64) -> Vec<u64> {
        let mut gone = Vec::new();
        while self.used > most {
            let Some(oldest) = self.files.keys().next().copied() else { break };
            self.remove(oldest);
            gone.push(oldest);
        }
        gone
    }

    fn remove(&mut self, number: u64) {
        let Some(file) = self.files.remove(&number) else { return };
        self.used -= file.size;
        if let Some(numbers) = self.keys.get_mut(&file.key) {
            numbers.retain(|one| *one != number);
            if numbers.is_empty() {
                self.keys.remove(&file.key);
            }
        }
    }
}

/// What tells the answers of one URL apart.
fn sort(entry: &switchboard_core::cache::Entry) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    entry.space.hash(&mut hasher);
    entry.vary.parts().hash(&mut hasher);
    hasher.finish()
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)
}

fn wall() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
