//! What is open, for whoever looks at the proxy: each worker lists its streams when it is asked, and the admin plane reads
//! the newest list. Nobody waits for anybody.

use std::sync::Arc;

use switchboard_core::moment::Moment;

use super::{Entry, Streams};

/// Streams that a worker lists at most: those that moved last.
const MOST: usize = 200;

/// One open stream.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its route's key.
    pub route: Arc<str>,
    /// The endpoint's address as written.
    pub endpoint: Arc<str>,
    /// When it was opened.
    pub opened: Moment,
    /// What has passed.
    pub passed: Passed,
}

/// What has passed through a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Bytes from the client and to it.
    pub bytes: [u64; 2],
    /// Messages from the client and to it; nothing where it is no WebSocket.
    pub messages: Option<[u64; 2]>,
}

impl Streams {
    /// The streams that moved last, newest first.
    pub fn seen(&self) -> Vec<Seen> {
        let entries = self.entries.borrow();
        let mut open: Vec<&Entry> = entries.iter().flatten().map(|entry| &**entry).collect();
        let newest = |entry: &&Entry| std::cmp::Reverse(entry.moved.get());
        // All are looked at, but few are sorted: of a hundred thousand that would hold up everybody else.
        if open.len() > MOST {
            open.select_nth_unstable_by_key(MOST, newest);
            open.truncate(MOST);
        }
        open.sort_unstable_by_key(newest);
        let seen = |entry: &&Entry| Seen {
            route: Arc::clone(&entry.rule.route),
            endpoint: Arc::clone(&entry.endpoint.name),
            opened: entry.opened,
            passed: entry.passed.get(),
        };
        open.iter().map(seen).collect()
    }
}
