//! An HTTP/2 connection without its socket: bytes in, events and bytes out (RFC 9113).
//!
//! The proxy feeds it what came and sends what it says, for clients and for endpoints. It holds payload up to the windows
//! that it has opened, and opens them only as somebody takes it; what goes out is held back by the peer's windows and by
//! [`OUTGOING`]. It never waits and reads no clock.

mod control;
mod receive;
mod send;
mod slots;

pub use send::{Read, Unsent};
pub use slots::{Key, Loss};

use slots::Slots;

use super::Breach;
use super::frame::{
    ACK, Code, END_HEADERS, Header, INITIAL_WINDOW, Kind, MAX_FRAME, MAX_WINDOW, PREFACE, Settings, number, put_header,
    put_number,
};
use super::hpack::{Block, Decoder};
use super::meter::Meter;
use crate::config::Http2;
use crate::moment::Moment;

/// Payload that waits for the socket; beyond it nobody's is taken.
const OUTGOING: usize = 64 * 1024;

/// Beyond this the peer does not read what it makes us say, and is not read either.
const UNSENT: usize = 2 * OUTGOING;

/// The largest window of a connection, streams that have grown included (§6.9.1).
const LARGEST: u32 = (1 << 31) - 1;

/// Fragments of one header block: what eight CONTINUATION frames of our size hold is more than any head.
const BLOCK: usize = 64 * 1024;

/// The payload of the PING whose answer shows that a GOAWAY was seen.
const SEEN: &[u8; 8] = b"farewell";

/// The payload of the PING that asks whether anybody is there.
const ALIVE: &[u8; 8] = b"anybody?";

/// Which end we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The peer opens streams.
    Server,
    /// We do.
    Client,
}

/// What the peer has done that somebody has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It opened a stream; its head is in [`Connection::block`]. `ended` where nothing follows.
    Request(Key, bool),
    /// It sent the head of an answer, an interim one too; it is in [`Connection::block`].
    Answer(Key, bool),
    /// Something came on a stream, it ended, or it is lost.
    Came(Key),
    /// A stream may send again.
    Room(Key),
    /// All streams may: those that wait should try.
    RoomForAll,
    /// Several streams are lost.
    LostMany,
}

/// Why a connection can't go on. The GOAWAY that says so to the peer stands in the outgoing bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The error code.
    pub code: Code,
    /// It is a flood: what there was too much of.
    pub breach: Option<Breach>,
}

/// How far the end of a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    No,
    /// The peer was told that we shall leave, and may still open streams (§6.8).
    Told,
    /// Streams above this one are not looked at.
    Last(u32),
}

/// A header block whose end has not come.
#[derive(Debug)]
struct Gathering {
    stream: u32,
    flags: u8,
    /// It depends on itself, which is an error of the stream once the block is decoded.
    itself: bool,
    fragments: Vec<u8>,
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    bounds: Http2,
    peer: Settings,
    /// Bytes of the peer's preface that have still to come.
    preface: usize,
    /// The peer's SETTINGS have come.
    begun: bool,
    /// Ours were acknowledged: what they say of windows holds.
    acknowledged: bool,
    decoder: Decoder,
    block: Block,
    gathering: Option<Gathering>,
    slots: Slots,
    /// The last stream that the peer opened, or the next that we shall.
    last: u32,
    next: u32,
    window_out: i64,
    window_in: i64,
    owed: u32,
    /// By how much streams may still widen its window beyond `connection_window`.
    spare: u32,
    /// What streams that are gone have widened it by, and was not yet taken back.
    excess: u32,
    /// What is to be sent, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    meter: Option<Meter>,
    /// The peer's table was made smaller: the next block has to begin with that (RFC 7541 §4.2).
    owes_update: bool,
    leaving: Leaving,
    peer_leaves: bool,
    /// A PING of ours is unanswered.
    asked: bool,
    fault: Option<Fault>,
}

impl Connection {
    /// Begins a connection whose heads hold at most `head` bytes. Its preface is among the outgoing bytes.
    #[must_use]
    pub fn new(role: Role, bounds: Http2, head: u32, now: Moment) -> Self {
        let is_server = role == Role::Server;
        let mut connection = Self {
            role,
            bounds,
            peer: Settings::default(),
            preface: if is_server { PREFACE.len() } else { 0 },
            begun: false,
            acknowledged: false,
            decoder: Decoder::new(head as usize),
            block: Block::default(),
            gathering: None,
            slots: Slots::default(),
            last: 0,
            next: 1,
            window_out: i64::from(INITIAL_WINDOW),
            window_in: i64::from(INITIAL_WINDOW.max(bounds.connection_window)),
            owed: 0,
            spare: bounds.connection_window.min(LARGEST.saturating_sub(bounds.connection_window)),
            excess: 0,
            out: Vec::new(),
            sent: 0,
            meter: is_server.then(|| Meter::new(bounds.resets, now)),
            owes_update: false,
            leaving: Leaving::No,
            peer_leaves: false,
            asked: false,
            fault: None,
        };
        connection.put_preface(head);
        connection
    }

    fn put_preface(&mut self, head: u32) {
        let (specific, value) = match self.role {
            Role::Server => ((3, self.bounds.streams), (8, 1)),
            Role::Client => ((2, 0), (3, 0)),
        };
        if self.role == Role::Client {
            self.out.extend_from_slice(PREFACE);
        }
        let settings = [specific, value, (4, self.bounds.stream_window), (6, head)];
        put_header(&mut self.out, settings.len() * 6, Kind::Settings, 0, 0);
        for (id, value) in settings {
            self.out.extend_from_slice(&u16::to_be_bytes(id));
            self.out.extend_from_slice(&u32::to_be_bytes(value));
        }
        let more = self.bounds.connection_window.saturating_sub(INITIAL_WINDOW);
        if more > 0 {
            put_number(&mut self.out, Kind::WindowUpdate, 0, more);
        }
    }

    /// Takes whole frames off the front of `input`, up to the first event. `None` where no whole frame is left; what is
    /// left has to be offered again with what comes behind it.
    ///
    /// # Errors
    /// When the connection can't go on.
    pub fn next(&mut self, input: &mut &[u8], now: Moment) -> Result<Option<Event>, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let result = self.take_frames(input, now);
        result.map_err(|fault| {
            let fault = self.fault.unwrap_or(fault);
            self.fault = Some(fault);
            self.put_goaway(self.last, fault.code);
            fault
        })
    }

    fn take_frames(&mut self, input: &mut &[u8], now: Moment) -> Result<Option<Event>, Fault> {
        if self.preface > 0 {
            let expected = PREFACE.get(PREFACE.len() - self.preface..).unwrap_or_default();
            let count = expected.len().min(input.len());
            let (came, rest) = input.split_at_checked(count).unwrap_or_default();
            if !expected.starts_with(came) {
                return Err(Code::Protocol.into());
            }
            self.preface -= count;
            *input = rest;
        }
        while self.preface == 0 {
            let Some((header, behind)) = input.split_first_chunk::<{ Header::SIZE }>() else { break };
            let frame = Header::read(header);
            self.check(&frame)?;
            let Some((payload, rest)) = behind.split_at_checked(frame.length) else { break };
            if let Some(meter) = &mut self.meter {
                meter.received(&frame, now)?;
            }
            *input = rest;
            if let Some(event) = self.receive(&frame, payload)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Judges a frame by its header alone, before its payload has come.
    fn check(&self, frame: &Header) -> Result<(), Fault> {
        if !self.begun && (frame.kind != Kind::Settings || frame.has(ACK)) {
            return Err(Code::Protocol.into());
        }
        // Between the frames of a header block nothing else may stand (§6.10).
        if let Some(open) = &self.gathering
            && (frame.kind != Kind::Continuation || frame.stream != open.stream)
        {
            return Err(Code::Protocol.into());
        }
        let of_connection = matches!(frame.kind, Kind::Settings | Kind::Ping | Kind::GoAway);
        let of_stream = matches!(
            frame.kind,
            Kind::Data | Kind::Headers | Kind::Priority | Kind::Reset | Kind::Push | Kind::Continuation
        );
        if (of_connection && frame.stream != 0) || (of_stream && frame.stream == 0) {
            return Err(Code::Protocol.into());
        }
        // A PRIORITY of a wrong size is an error of its stream (§6.3); it is judged with its stream.
        let excused = frame.kind == Kind::Priority && frame.length <= MAX_FRAME;
        if frame.fits() || excused { Ok(()) } else { Err(Code::FrameSize.into()) }
    }

    /// The head that the last event tells of.
    #[must_use]
    pub const fn block(&self) -> &Block {
        &self.block
    }

    /// Takes that head, and leaves `spare` for the next.
    pub fn take_block(&mut self, spare: Block) -> Block {
        std::mem::replace(&mut self.block, spare)
    }

    /// Bytes that are to be sent.
    #[must_use]
    pub fn outgoing(&self) -> &[u8] {
        self.out.get(self.sent..).unwrap_or_default()
    }

    /// Notes that the first `count` of them were sent.
    pub fn sent(&mut self, count: usize) {
        self.sent += count;
        if self.sent >= self.out.len() {
            self.sent = 0;
            self.out.clear();
            // An idle connection keeps no buffer, and a busy one none that was large once.
            if self.slots.held() == 0 || self.out.capacity() > UNSENT {
                self.out = Vec::new();
            }
        } else if self.sent >= OUTGOING {
            // A peer that never takes the last byte must not make us keep all the others.
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Whether so much waits to be sent that the peer should not be read.
    #[must_use]
    pub fn is_choked(&self) -> bool {
        self.outgoing().len() >= UNSENT
    }

    /// Whether payload would be taken, as far as the socket is concerned.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.outgoing().len() < OUTGOING
    }

    /// Whether a header block or the preface has begun and not ended: a peer that falls silent here keeps us waiting.
    #[must_use]
    pub const fn is_within(&self) -> bool {
        self.gathering.is_some() || !self.begun
    }

    /// Whether the peer has said what it allows.
    #[must_use]
    pub const fn has_begun(&self) -> bool {
        self.begun
    }

    /// Streams that somebody holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.slots.held()
    }

    /// Whether a stream could be opened now.
    #[must_use]
    pub fn may_open(&self) -> bool {
        self.slots.held() < self.peer.streams as usize
            && !self.peer_leaves
            && self.fault.is_none()
            && self.next < (1 << 31)
    }

    /// Whether the peer takes tunnels (RFC 8441 §3).
    #[must_use]
    pub const fn takes_tunnels(&self) -> bool {
        self.peer.connect_protocol
    }

    /// Whether it ends: one side has said so, and no stream is open any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let ends = self.peer_leaves || matches!(self.leaving, Leaving::Last(_));
        ends && self.slots.opened() == 0 && self.slots.held() == 0
    }

    /// Asks whether the peer is there; false where it was asked already and has not answered.
    pub fn ask(&mut self) -> bool {
        if self.asked {
            return false;
        }
        self.asked = true;
        self.put_ping(ALIVE, 0);
        true
    }

    fn put_ping(&mut self, payload: &[u8], flags: u8) {
        put_header(&mut self.out, 8, Kind::Ping, flags, 0);
        self.out.extend_from_slice(payload);
    }

    fn put_goaway(&mut self, last: u32, code: Code) {
        put_header(&mut self.out, 8, Kind::GoAway, 0, 0);
        self.out.extend_from_slice(&last.to_be_bytes());
        self.out.extend_from_slice(&(code as u32).to_be_bytes());
    }
}

impl From<Code> for Fault {
    fn from(code: Code) -> Self {
        Self { code, breach: None }
    }
}

impl From<Breach> for Fault {
    fn from(breach: Breach) -> Self {
        Self { code: Code::Calm, breach: Some(breach) }
    }
}

impl From<super::hpack::Undecodable> for Fault {
    fn from(_: super::hpack::Undecodable) -> Self {
        Code::Compression.into()
    }
}

#[cfg(test)]
mod tests;
