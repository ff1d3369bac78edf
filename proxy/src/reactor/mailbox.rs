//! How other threads wake a worker's tasks: they leave a key and ring.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::event::{EventfdFlags, eventfd};

/// Keys of tasks that others woke.
#[derive(Debug)]
pub(super) struct Mailbox {
    /// `None` once nobody empties it any more.
    keys: Mutex<Option<Vec<u64>>>,
    bell: OwnedFd,
}

impl Mailbox {
    /// Makes an empty one.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(super) fn new() -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { keys: Mutex::new(Some(Vec::new())), bell })
    }

    /// The descriptor that tells, at each edge, that there are keys.
    pub(super) const fn bell(&self) -> &OwnedFd {
        &self.bell
    }

    /// Leaves a key, and rings where nobody has since it was emptied.
    pub(super) fn post(&self, key: u64) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(keys) = keys.as_mut() else { return };
        keys.push(key);
        if keys.len() == 1 {
            // It fails where 2^64 rings went unread: then it rings already.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }

    /// Takes the keys out.
    pub(super) fn empty(&self) -> Vec<u64> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Takes no more keys.
    pub(super) fn close(&self) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
