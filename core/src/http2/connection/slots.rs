//! The streams of a connection: what each has received and may send, and which are open on the wire.
//!
//! A slot lives as long as somebody holds its key; a stream is open as long as the wire says so.

use std::collections::VecDeque;

use crate::http2::frame::Code;

/// Which stream, to who holds it. Reused after [`Connection::release`](super::Connection::release).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key(pub(super) u32);

impl Key {
    /// The place of the stream in lists that run beside.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a stream was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The peer reset it.
    Reset,
    /// The peer says that it has not looked at it (RFC 9113 §8.7): it may be sent again, whatever it is.
    Unprocessed,
    /// The peer sent what is malformed or forbidden, and we reset it.
    Malformed,
    /// We gave it up.
    Ours,
}

/// How far the peer's side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Receiving {
    /// The head of an answer has still to come.
    Head,
    Body,
    Ended,
    Lost(Loss),
}

/// How far our side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sending {
    Head,
    Body,
    Ended,
}

#[derive(Debug)]
pub(super) struct Slot {
    /// 0 while it has not begun.
    pub(super) id: u32,
    pub(super) receiving: Receiving,
    pub(super) sending: Sending,
    /// What the peer takes before it opens its window again. Below zero where SETTINGS made it smaller.
    pub(super) window_out: i64,
    /// What the peer may send before we open ours again.
    pub(super) window_in: i64,
    /// What was taken and not yet announced.
    pub(super) owed: u32,
    /// How much larger than at first its window for the peer has become.
    pub(super) grown: u32,
    /// What was announced since it grew last.
    pub(super) kept_up: u32,
    /// All that had come was taken at some moment since the last announcement.
    pub(super) emptied: bool,
    /// Payload that is still to come, where the head declared it.
    pub(super) declared: Option<u64>,
    /// Payload that nobody has taken, from `taken` on.
    pub(super) data: Vec<u8>,
    pub(super) taken: usize,
    /// Lines that came behind the payload.
    pub(super) trailers: Vec<u8>,
    /// Somebody waits for room to send.
    pub(super) waits: bool,
    /// Its answer has no body, whatever it declares.
    pub(super) is_head: bool,
    /// One side has broken it off.
    pub(super) is_gone: bool,
    /// It has become a tunnel: an abrupt end is CANCEL (RFC 8441 §5.1).
    pub(super) is_tunnel: bool,
}

impl Slot {
    pub(super) fn unread(&self) -> usize {
        self.data.len() - self.taken
    }

    /// Throws away what nobody will read, and tells how much it was.
    pub(super) fn discard(&mut self) -> usize {
        let unread = self.unread();
        self.data = Vec::new();
        self.taken = 0;
        unread
    }
}

/// How many closed streams are remembered, of those that we reset and of the others: more than may be reset within the
/// budget for it.
const REMEMBERED: usize = 256;

/// All streams.
#[derive(Debug, Default)]
pub(super) struct Slots {
    list: Vec<Option<Box<Slot>>>,
    free: Vec<u32>,
    /// Open on the wire: id and key, by id.
    open: Vec<(u32, Key)>,
    /// Streams that were open and have ended.
    closed: VecDeque<u32>,
    /// Streams that we reset: frames for them may be under way for long, however many others end meanwhile.
    reset: VecDeque<u32>,
    /// The largest id that was ever open: what is above it is new.
    newest: u32,
}

/// What a stream's id stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Open(Key),
    /// It was closed; by us while the peer may have had more to say.
    Closed {
        by_us: bool,
    },
    /// Nothing that is remembered.
    Unknown,
}

impl Slots {
    /// Takes a slot in; it is open on the wire where it has an id.
    pub(super) fn insert(&mut self, slot: Slot) -> Key {
        let id = slot.id;
        let slot = Some(Box::new(slot));
        let key = match self.free.pop() {
            Some(index) => {
                if let Some(place) = self.list.get_mut(index as usize) {
                    *place = slot;
                }
                Key(index)
            }
            None => {
                self.list.push(slot);
                Key(u32::try_from(self.list.len() - 1).unwrap_or(u32::MAX))
            }
        };
        if id != 0 {
            self.open(id, key);
        }
        key
    }

    /// A stream opens on the wire. Ids only grow.
    pub(super) fn open(&mut self, id: u32, key: Key) {
        self.open.push((id, key));
        self.newest = id;
    }

    pub(super) fn find(&self, id: u32) -> Known {
        if id > self.newest {
            return Known::Unknown;
        }
        if let Ok(at) = self.open.binary_search_by_key(&id, |(id, _)| *id)
            && let Some((_, key)) = self.open.get(at)
        {
            return Known::Open(*key);
        }
        match (self.reset.contains(&id), self.closed.contains(&id)) {
            (true, _) => Known::Closed { by_us: true },
            (false, true) => Known::Closed { by_us: false },
            (false, false) => Known::Unknown,
        }
    }

    /// A stream is open no more on the wire.
    pub(super) fn close(&mut self, id: u32, by_us: bool) {
        if let Ok(at) = self.open.binary_search_by_key(&id, |(id, _)| *id) {
            self.open.remove(at);
            let remembered = if by_us { &mut self.reset } else { &mut self.closed };
            if remembered.len() == REMEMBERED {
                remembered.pop_back();
            }
            remembered.push_front(id);
        }
    }

    pub(super) fn slot(&mut self, key: Key) -> Option<&mut Slot> {
        self.list.get_mut(key.index())?.as_deref_mut()
    }

    /// Takes a slot out; nobody holds its key any more.
    pub(super) fn remove(&mut self, key: Key) -> Option<Box<Slot>> {
        let slot = self.list.get_mut(key.index())?.take()?;
        self.free.push(key.0);
        if self.free.len() == self.list.len() {
            // Idle connections keep nothing.
            self.list = Vec::new();
            self.free = Vec::new();
        }
        Some(slot)
    }

    /// Streams whose keys somebody holds.
    pub(super) fn held(&self) -> usize {
        self.list.len() - self.free.len()
    }

    /// Streams that are open on the wire.
    pub(super) fn opened(&self) -> usize {
        self.open.len()
    }

    /// The keys of the streams that are open and whose ids are above `last`.
    pub(super) fn above(&self, last: u32) -> Vec<Key> {
        self.open.iter().filter(|(id, _)| *id > last).map(|(_, key)| *key).collect()
    }

    /// Goes through all slots, with their keys.
    pub(super) fn each(&mut self, mut visit: impl FnMut(&mut Slot)) {
        self.list.iter_mut().flatten().for_each(|slot| visit(slot));
    }
}

impl Loss {
    /// What the peer is told where it is we who end the stream.
    pub(super) const fn of(code: Code) -> Self {
        match code {
            Code::Protocol | Code::FlowControl | Code::StreamClosed | Code::FrameSize => Self::Malformed,
            Code::None | Code::Internal | Code::Refused | Code::Cancel | Code::Compression | Code::Calm => Self::Ours,
        }
    }
}
