//! The memory of one exchange: what its heads are read into and written from.
//!
//! A worker lends a desk when the first byte of a request comes and takes it back when the exchange is over, so that an
//! idle connection holds none and a busy one allocates nothing.

use std::cell::RefCell;

use switchboard_core::http1::{RequestHead, ResponseHead};
use switchboard_core::policy::Notes;
use switchboard_core::policy::claims::Claims;

/// Bytes of a fresh input. A head that is larger lets it grow to `limits.head`.
const INPUT: usize = 8 * 1024;

/// What a worker keeps for reuse at most. More are made under load and freed after it.
const KEPT: usize = 256;

/// Bytes that were read and not yet used up.
#[derive(Debug)]
pub struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    fn new() -> Self {
        Self { bytes: vec![0; INPUT], start: 0, end: 0 }
    }

    /// What has been read and not consumed.
    pub fn filled(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The same, to decode a body in place.
    pub fn filled_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Whether nothing is left.
    pub const fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Room for the next read, at least one byte while less than `most` bytes are held; empty beyond that.
    pub fn space(&mut self, most: usize) -> &mut [u8] {
        if self.end == self.bytes.len() && self.end < most {
            let size = (self.bytes.len() * 2).max(INPUT).min(most.max(INPUT));
            self.bytes.resize(size, 0);
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// Counts `read` more bytes as filled.
    pub fn fill(&mut self, read: usize) {
        self.end = (self.end + read).min(self.bytes.len());
    }

    /// Adds bytes that were read elsewhere.
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.end);
        self.bytes.extend_from_slice(bytes);
        self.end = self.bytes.len();
        self.bytes.resize(self.end.max(INPUT), 0);
    }

    /// Puts a head there that was not read from a socket. What was there before stands in front of it.
    pub fn put(&mut self, bytes: &[u8]) {
        let end = self.end + bytes.len();
        if end > self.bytes.len() {
            self.bytes.resize(end, 0);
        }
        if let Some(room) = self.bytes.get_mut(self.end..end) {
            room.copy_from_slice(bytes);
            self.end = end;
        }
    }

    /// Forgets the first `count` bytes and moves the rest to the front: spans of the next head begin at 0.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.clear();
        } else if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
    }

    /// Forgets everything.
    pub const fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
    }

    /// Gives back the room behind what is held.
    fn tighten(&mut self) {
        self.bytes.truncate(self.end);
        self.bytes.shrink_to_fit();
    }

    fn shrink(&mut self) {
        self.clear();
        if self.bytes.len() > INPUT {
            self.bytes.truncate(INPUT);
            self.bytes.shrink_to_fit();
        }
    }
}

/// What one exchange works on.
#[derive(Debug)]
pub struct Desk {
    /// Bytes of the client. The head of the request stands at its front until the exchange is over.
    pub input: Input,
    /// The request's head: spans into `input`.
    pub request: RequestHead,
    /// The outgoing head, in either direction.
    pub output: Vec<u8>,
    /// Bytes of the upstream. The head of the answer stands at its front.
    pub answer_input: Input,
    /// The answer's head: spans into `answer_input`.
    pub answer: ResponseHead,
    /// The request id as text.
    pub request_id: Vec<u8>,
    /// The target as it goes upstream.
    pub target: Vec<u8>,
    /// The canonical path, where files are looked for; the name of one while it is.
    pub path: Vec<u8>,
    /// Places of request lines that wait until it is known what the cache has.
    pub set_aside: Vec<usize>,
    /// What policies remember of the request; means something only where the rule has policies.
    pub notes: Notes,
    /// What the request's token says; means something only where the rule asks for one.
    pub claims: Claims,
}

impl Desk {
    fn new() -> Box<Self> {
        Box::new(Self {
            input: Input::new(),
            request: RequestHead::default(),
            output: Vec::with_capacity(1024),
            answer_input: Input::new(),
            answer: ResponseHead::default(),
            request_id: Vec::with_capacity(32),
            target: Vec::new(),
            path: Vec::new(),
            set_aside: Vec::new(),
            notes: Notes::default(),
            claims: Claims::default(),
        })
    }
}

impl Desk {
    /// Gives back what an answer without an end in sight has no use for: the heads stay, the room beside them goes.
    pub fn tighten(&mut self) {
        self.input.tighten();
        self.answer_input.tighten();
        self.output.shrink_to_fit();
    }
}

/// The desks that a worker has free.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "desks are lent as boxes: moving one would copy it")]
pub struct Desks {
    free: RefCell<Vec<Box<Desk>>>,
}

impl Desks {
    /// Lends one, empty.
    pub fn lend(&self) -> Box<Desk> {
        match self.free.borrow_mut().pop() {
            Some(mut desk) => {
                desk.request.clear();
                desk
            }
            None => Desk::new(),
        }
    }

    /// Takes one back.
    pub fn take_back(&self, mut desk: Box<Desk>) {
        let mut free = self.free.borrow_mut();
        if free.len() < KEPT {
            desk.input.shrink();
            desk.answer_input.shrink();
            free.push(desk);
        }
    }
}
