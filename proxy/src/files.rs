//! Files of directories that rules serve: opened beneath their directory, held for a moment, read without blocking the
//! worker.
//!
//! `exchange::files` asks for one by name. What the kernel has at hand is opened and read at once, on the loop; what has
//! to be fetched is fetched on another thread. What was opened is held, and looked at anew after a second.

pub mod held;
pub mod list;
pub mod open;
mod shelf;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::content::path::Wanted;
use switchboard_core::content::{Coding, compress, names};
use switchboard_core::moment::Moment;
use switchboard_core::snapshot::Site;
use switchboard_core::stamp::Stamp;
use tokio::sync::Semaphore;

use held::Held;
use open::{Fault, How};
use shelf::Shelf;

/// How long a file is believed to be what it was.
const BELIEVED: Duration = Duration::from_secs(1);

/// Threads that one worker keeps busy with the disk.
const THREADS: usize = 16;

/// Codings of files that lie beside others, in the order in which they are offered.
pub const SIBLINGS: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

/// How much older a sibling may be than what it was made of; tools write both within moments, in any order.
const SLACK: u64 = 2;

/// The files of one worker.
#[derive(Debug)]
pub struct Files {
    shelf: RefCell<Shelf>,
    threads: Rc<Semaphore>,
    /// Dates as text, worked out once a second.
    pub stamp: RefCell<Stamp>,
}

/// A file that can be served, in all its forms.
#[derive(Debug)]
pub struct Entry {
    #[expect(dead_code, reason = "held so that no other site comes to lie at its address, which is part of keys")]
    site: Arc<Site>,
    /// The file itself.
    pub held: Rc<Held>,
    /// The same, encoded, by the place in [`SIBLINGS`].
    pub siblings: [Option<Rc<Held>>; 3],
    /// Its media type, with a charset for text.
    pub content_type: Box<str>,
    /// Whether its type gains by compression.
    pub compressible: bool,
    /// What is said of how long it may be kept.
    pub cache_control: Option<Box<str>>,
    checked: Cell<Moment>,
}

/// What was found on the disk.
#[derive(Debug)]
pub struct Found {
    /// Its name below the directory.
    name: Vec<u8>,
    held: Held,
    siblings: [Option<Held>; 3],
}

impl Files {
    /// Keeps so many descriptors open at most, besides those of what is being sent.
    pub fn new(descriptors: usize) -> Self {
        let (shelf, threads) = (RefCell::new(Shelf::new(descriptors)), Rc::new(Semaphore::new(THREADS)));
        Self { shelf, threads, stamp: RefCell::new(Stamp::new()) }
    }

    /// Finds a file, or the index of a directory. `key` is scratch.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn find(
        &self,
        site: &Arc<Site>,
        wanted: &Wanted,
        now: Moment,
        key: &mut Vec<u8>,
    ) -> Result<Rc<Entry>, Fault> {
        shelf::key(site, wanted, key);
        let known = self.shelf.borrow_mut().find(key);
        if let Some(entry) = &known
            && now.since(entry.checked.get()) < BELIEVED
        {
            return Ok(Rc::clone(entry));
        }
        let found = match look(site, wanted, How::Quick) {
            Err(Fault::WouldBlock) => {
                let (site, wanted) = (Arc::clone(site), wanted.clone());
                self.apart(move || look(&site, &wanted, How::Patient)).await?
            }
            other => other,
        };
        let found = match found {
            Ok(found) => found,
            Err(fault) => {
                self.shelf.borrow_mut().forget(key);
                return Err(fault);
            }
        };
        if let Some(entry) = known
            && entry.is(&found)
        {
            entry.checked.set(now);
            return Ok(entry);
        }
        let entry = Rc::new(Entry::new(site, found, now));
        self.shelf.borrow_mut().put(key, &entry);
        Ok(entry)
    }

    /// Runs what may block on another thread.
    ///
    /// # Errors
    /// [`Fault::Exhausted`] where there is none.
    pub async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        let turn = self.threads.acquire().await.map_err(|_| Fault::Exhausted)?;
        let done = tokio::task::spawn_blocking(work).await.map_err(|_| Fault::Exhausted);
        drop(turn);
        done
    }

    /// Lets go of what nobody has asked for lately.
    pub fn rest(&self) {
        self.shelf.borrow_mut().rest();
    }
}

impl Entry {
    fn new(site: &Arc<Site>, found: Found, now: Moment) -> Self {
        let text = String::from_utf8_lossy(&found.name);
        let kind = mime_guess::from_path(&*text).first_raw().unwrap_or("application/octet-stream");
        let is_text =
            kind.starts_with("text/") || kind == "application/javascript" || kind == "application/x-javascript";
        let content_type = match is_text {
            true => format!("{kind}; charset=utf-8"),
            false => kind.to_owned(),
        };
        let rules = site.written.cache_control.as_deref();
        let cache_control = rules.map(|rules| {
            let said = rules.iter().find(|(pattern, _)| names::matches(pattern, &found.name));
            said.map_or_else(|| names::cache_control(&found.name), |(_, value)| value).into()
        });
        Self {
            site: Arc::clone(site),
            held: Rc::new(found.held),
            siblings: found.siblings.map(|sibling| sibling.map(Rc::new)),
            compressible: compress::is_compressible(content_type.as_bytes()),
            content_type: content_type.into(),
            cache_control,
            checked: Cell::new(now),
        }
    }

    /// Whether this is what was found once more.
    fn is(&self, found: &Found) -> bool {
        let same = |(known, found): (&Option<Rc<Held>>, &Option<Held>)| match (known, found) {
            (Some(known), Some(found)) => known.is(found),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.held.is(&found.held) && self.siblings.iter().zip(&found.siblings).all(same)
    }

    /// Bytes of memory and descriptors that it holds.
    fn weight(&self) -> (usize, usize) {
        let siblings = self.siblings.iter().flatten();
        siblings.chain([&self.held]).fold((512, 0), |(bytes, descriptors), held| {
            (bytes + held.bytes(), descriptors + usize::from(held.file().is_some()))
        })
    }
}

/// Looks for a file on the disk: the wanted one, or the first index of a directory that is there.
fn look(site: &Site, wanted: &Wanted, how: How) -> Result<Found, Fault> {
    let written = &site.written;
    let root = open::root(&written.dir, how)?;
    if !wanted.directory && !wanted.path.is_empty() {
        let held = Held::load(&root, &wanted.path, how)?;
        let siblings = siblings(site, &root, &wanted.path, &held, how)?;
        return Ok(Found { name: wanted.path.clone(), held, siblings });
    }
    // A path that ends without a slash and is the directory itself: the links of its pages would lead elsewhere.
    if !wanted.directory {
        return Err(Fault::Directory);
    }
    for index in &written.index {
        let mut name = wanted.path.clone();
        if !name.is_empty() {
            name.push(b'/');
        }
        name.extend_from_slice(index.as_bytes());
        match Held::load(&root, &name, how) {
            Ok(held) => {
                let siblings = siblings(site, &root, &name, &held, how)?;
                return Ok(Found { name, held, siblings });
            }
            Err(Fault::Missing | Fault::Directory) => {}
            Err(fault) => return Err(fault),
        }
    }
    Err(Fault::Missing)
}

/// The encoded forms that lie beside a file and are not older than it.
fn siblings(
    site: &Site,
    root: &std::os::fd::OwnedFd,
    name: &[u8],
    held: &Held,
    how: How,
) -> Result<[Option<Held>; 3], Fault> {
    let mut found = [None, None, None];
    if !site.written.precompressed || held.size == 0 {
        return Ok(found);
    }
    let mut sibling = name.to_vec();
    for (coding, place) in SIBLINGS.into_iter().zip(&mut found) {
        sibling.truncate(name.len());
        sibling.extend_from_slice(coding.suffix().as_bytes());
        match Held::load(root, &sibling, how) {
            Ok(encoded) if encoded.modified + SLACK >= held.modified => *place = Some(encoded.in_coding(coding)),
            Err(Fault::WouldBlock) => return Err(Fault::WouldBlock),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
