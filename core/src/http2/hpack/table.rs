//! The tables that indices lead to (RFC 7541 §2.3): the static one, and the dynamic one of a decoder.

use std::collections::VecDeque;

use crate::message::Name;

/// The static table (Appendix A); index 1 is its first.
#[rustfmt::skip]
pub(super) const STATIC: [(&[u8], &[u8]); 61] = [
    (b":authority", b""), (b":method", b"GET"), (b":method", b"POST"), (b":path", b"/"),
    (b":path", b"/index.html"), (b":scheme", b"http"), (b":scheme", b"https"), (b":status", b"200"),
    (b":status", b"204"), (b":status", b"206"), (b":status", b"304"), (b":status", b"400"),
    (b":status", b"404"), (b":status", b"500"), (b"accept-charset", b""), (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""), (b"accept-ranges", b""), (b"accept", b""), (b"access-control-allow-origin", b""),
    (b"age", b""), (b"allow", b""), (b"authorization", b""), (b"cache-control", b""),
    (b"content-disposition", b""), (b"content-encoding", b""), (b"content-language", b""), (b"content-length", b""),
    (b"content-location", b""), (b"content-range", b""), (b"content-type", b""), (b"cookie", b""),
    (b"date", b""), (b"etag", b""), (b"expect", b""), (b"expires", b""),
    (b"from", b""), (b"host", b""), (b"if-match", b""), (b"if-modified-since", b""),
    (b"if-none-match", b""), (b"if-range", b""), (b"if-unmodified-since", b""), (b"last-modified", b""),
    (b"link", b""), (b"location", b""), (b"max-forwards", b""), (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""), (b"range", b""), (b"referer", b""), (b"refresh", b""),
    (b"retry-after", b""), (b"server", b""), (b"set-cookie", b""), (b"strict-transport-security", b""),
    (b"transfer-encoding", b""), (b"user-agent", b""), (b"vary", b""), (b"via", b""),
    (b"www-authenticate", b""),
];

/// What an entry costs beyond its bytes (§4.1).
pub(super) const OVERHEAD: usize = 32;

/// The dynamic table: the newest entry has the smallest index.
#[derive(Debug)]
pub(super) struct Table {
    /// Names and values, one behind the other, in the order in which they came.
    bytes: Vec<u8>,
    /// Bytes at the front whose entries are gone.
    dead: usize,
    /// Bytes that were at the front and have been taken away: entries count from the first byte ever.
    gone: usize,
    entries: VecDeque<Entry>,
    size: usize,
    limit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    name: usize,
    value: usize,
    known: Name,
}

impl Table {
    pub(super) const fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), dead: 0, gone: 0, entries: VecDeque::new(), size: 0, limit }
    }

    /// Sets how large it may be, and drops what doesn't fit any more (§4.3).
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.shrink(limit);
    }

    /// Adds an entry; one that is larger than the table empties it (§4.4).
    pub(super) fn insert(&mut self, known: Name, name: &[u8], value: &[u8]) {
        let size = name.len() + value.len() + OVERHEAD;
        self.shrink(self.limit.saturating_sub(size));
        if size > self.limit {
            return;
        }
        if self.dead > self.limit {
            self.bytes.drain(..self.dead);
            self.gone = self.gone.wrapping_add(self.dead);
            self.dead = 0;
        }
        let start = self.gone.wrapping_add(self.bytes.len());
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.entries.push_front(Entry { start, name: name.len(), value: value.len(), known });
        self.size += size;
    }

    /// The entry with an index that counts from 0: its name and its value.
    pub(super) fn find(&self, index: usize) -> Option<(Name, &[u8], &[u8])> {
        let entry = self.entries.get(index)?;
        let start = entry.start.wrapping_sub(self.gone);
        let bytes = self.bytes.get(start..start + entry.name + entry.value)?;
        let (name, value) = bytes.split_at(entry.name);
        Some((entry.known, name, value))
    }

    fn shrink(&mut self, most: usize) {
        while self.size > most {
            let Some(entry) = self.entries.pop_back() else { break };
            self.dead += entry.name + entry.value;
            self.size -= entry.name + entry.value + OVERHEAD;
        }
    }
}
