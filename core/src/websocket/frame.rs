//! What passes through a tunnel, read from frame heads alone (RFC 6455 §5): 2 to 14 bytes a frame.
//!
//! A tunnel asks one [`Scanner`] per direction how many of the bytes at hand may go on. Payloads are skipped by their
//! length: never copied, unmasked, inflated or put together. Whatever the split of the bytes, the result is the same:
//! a head whose end has not come is left with the caller, who shows it again.

mod backlog;
mod head;
mod write;

use head::{BINARY, CLOSE, CONTINUATION, Head, PING, PONG, RSV, TEXT};

pub use backlog::Backlog;
pub use write::{Mask, is_pong_of, write_close, write_ping};

/// The most bytes that a scanner leaves with its caller: a head, and the code behind that of a Close.
pub const MOST_LEFT: usize = 15;

/// Who sends in this direction: a client masks its frames and a server does not (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The client.
    Client,
    /// The server.
    Server,
}

/// What breaks RFC 6455 in a frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A bit of an extension that was not agreed on, or on a frame that may not have it (§5.2).
    Reserved,
    /// An opcode that means nothing (§5.2).
    Opcode,
    /// A client's frame without a mask, or a server's with one (§5.1).
    Mask,
    /// A length in a longer form than it needs, or of 2^63 or more (§5.2).
    LengthForm,
    /// A control frame of more than 125 bytes (§5.5).
    LongControl,
    /// A control frame in fragments (§5.5).
    SplitControl,
    /// A continuation of nothing, or a message that begins inside another (§5.4).
    Continuation,
    /// A Close with one byte of payload, or with a code that may not be sent (§7.4).
    CloseCode,
    /// A frame behind a Close (§5.5.1).
    AfterClose,
}

/// What a direction is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most payload bytes of a frame.
    pub max_frame: u64,
    /// The most payload bytes of a message, as on the wire.
    pub max_message: u64,
    /// Whether a fault ends the scan, rather than being counted alone.
    pub strict: bool,
    /// Where the scan is wanted to end.
    pub until: Until,
}

/// Where a scan is wanted to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// At the last whole thing among the bytes.
    Exhausted,
    /// Between two messages.
    Message,
    /// Between two frames.
    Frame,
}

impl Bounds {
    /// Everything passes.
    pub const NONE: Self = Self { max_frame: u64::MAX, max_message: u64::MAX, strict: false, until: Until::Exhausted };
}

/// Why a scan ended before its bytes did: the frame that follows does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// It stands where `until` wanted it.
    Boundary,
    /// The message, or the frame, is longer than it may be.
    TooLong,
    /// The frame breaks RFC 6455.
    Fault(Fault),
}

/// What a scan found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// How many of the bytes may go on. Behind them stands part of a head, or what `halt` tells of.
    pub taken: usize,
    /// Why it ended early.
    pub halt: Option<Halt>,
    /// A Ping was among them.
    pub ping: bool,
    /// A Pong was among them.
    pub pong: bool,
    /// A Close was among them.
    pub close: bool,
}

/// How a Close was worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// Without a code, which is reported as 1005 (RFC 6455 §7.1.5).
    Bare,
    /// With this one.
    Code(u16),
}

impl Close {
    /// The number for logs and counters.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Bare => 1005,
            Self::Code(code) => code,
        }
    }
}

/// What has passed in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages of text that have begun their last frame.
    pub texts: u64,
    /// The same of binary.
    pub binaries: u64,
    /// Payload bytes announced by frames of messages.
    pub payload: u64,
    /// The longest message so far, in payload bytes on the wire.
    pub longest: u64,
    /// Frames of messages: more than messages where these came in fragments.
    pub frames: u64,
    /// Pings.
    pub pings: u32,
    /// Pongs.
    pub pongs: u32,
    /// Heads that broke RFC 6455 and passed.
    pub faults: u32,
    /// The first of these.
    pub fault: Option<Fault>,
    /// The first Close.
    pub close: Option<Close>,
}

impl Tally {
    /// Messages of either kind.
    #[must_use]
    pub const fn messages(&self) -> u64 {
        self.texts + self.binaries
    }
}

/// Reads the frames of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanner {
    /// Payload bytes of the frame at hand that have still to come.
    left: u64,
    /// Payload bytes of the message at hand, announced so far.
    message: u64,
    /// The opcode of the message at hand; none between messages.
    inside: Option<u8>,
    /// The RSV bits that the handshake agreed on.
    extensions: u8,
    sender: Sender,
    tally: Tally,
}

impl Scanner {
    /// Begins at the first byte behind the handshake. `extensions` is what [`extension_bits`] made of it.
    #[must_use]
    pub fn new(sender: Sender, extensions: u8) -> Self {
        Self { left: 0, message: 0, inside: None, extensions, sender, tally: Tally::default() }
    }

    /// What has passed.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Whether the next byte begins a frame.
    #[must_use]
    pub const fn is_between_frames(&self) -> bool {
        self.left == 0
    }

    /// Whether the next byte begins a message, or a control frame between messages.
    #[must_use]
    pub const fn is_between_messages(&self) -> bool {
        self.left == 0 && self.inside.is_none()
    }

    /// Tells how many of `bytes` may go on, and notes what they are. The rest is to be shown again, with more behind it.
    #[inline]
    pub fn scan(&mut self, bytes: &[u8], bounds: &Bounds) -> Scan {
        let mut scan = Scan::default();
        loop {
            let rest = bytes.get(scan.taken..).unwrap_or_default();
            if self.left > 0 {
                let here = self.left.min(rest.len() as u64);
                self.left -= here;
                #[expect(clippy::cast_possible_truncation, reason = "no more than the length of a slice")]
                let here = here as usize;
                scan.taken += here;
                if here == rest.len() {
                    break;
                }
                continue;
            }
            if bounds.until != Until::Exhausted && (bounds.until == Until::Frame || self.inside.is_none()) {
                scan.halt = Some(Halt::Boundary);
                break;
            }
            let Some(head) = Head::read(rest) else { break };
            if let Some(halt) = self.heed(&head, bounds) {
                scan.halt = Some(halt);
                break;
            }
            // Head and payload in one step: most often they are all that is there.
            let here = head.length.min((rest.len() - usize::from(head.size)) as u64);
            self.left = head.length - here;
            #[expect(clippy::cast_possible_truncation, reason = "no more than the length of a slice")]
            let here = here as usize;
            scan.taken += usize::from(head.size) + here;
            match head.opcode() {
                CLOSE => scan.close = true,
                PING => scan.ping = true,
                PONG => scan.pong = true,
                _ => {}
            }
            if scan.taken == bytes.len() {
                break;
            }
        }
        // A boundary that was reached with the last byte is one all the same.
        if scan.halt.is_none() && self.left == 0 && scan.taken == bytes.len() && self.is_at(bounds.until) {
            scan.halt = Some(Halt::Boundary);
        }
        scan
    }

    const fn is_at(&self, until: Until) -> bool {
        match until {
            Until::Exhausted => false,
            Until::Message => self.is_between_messages(),
            Until::Frame => self.is_between_frames(),
        }
    }

    /// Counts a frame, unless it may not pass.
    #[inline]
    fn heed(&mut self, head: &Head, bounds: &Bounds) -> Option<Halt> {
        if let Some(fault) = self.fault_of(head) {
            // What follows a Close is of no use to its reader (§5.5.1), and there is nothing left to close.
            if bounds.strict && fault != Fault::AfterClose {
                return Some(Halt::Fault(fault));
            }
            self.tally.faults = self.tally.faults.saturating_add(1);
            self.tally.fault.get_or_insert(fault);
        }
        if head.length > bounds.max_frame {
            return Some(Halt::TooLong);
        }
        if head.is_control() {
            self.count_control(head);
        } else {
            let before = if head.opcode() == CONTINUATION { self.message } else { 0 };
            let message = before.saturating_add(head.length);
            if message > bounds.max_message {
                return Some(Halt::TooLong);
            }
            self.count_message(head, message);
        }
        None
    }

    #[inline]
    fn count_message(&mut self, head: &Head, message: u64) {
        self.tally.frames += 1;
        self.tally.payload = self.tally.payload.saturating_add(head.length);
        self.message = message;
        let kind = if head.opcode() == CONTINUATION { self.inside } else { Some(head.opcode()) };
        if !head.is_final() {
            self.inside = kind;
            return;
        }
        self.inside = None;
        self.message = 0;
        self.tally.longest = self.tally.longest.max(message);
        match kind {
            Some(TEXT) => self.tally.texts += 1,
            Some(BINARY) => self.tally.binaries += 1,
            // The end of nothing, or of what nobody knows: no message.
            _ => {}
        }
    }

    #[cold]
    fn count_control(&mut self, head: &Head) {
        match head.opcode() {
            PING => self.tally.pings = self.tally.pings.saturating_add(1),
            PONG => self.tally.pongs = self.tally.pongs.saturating_add(1),
            CLOSE => {
                self.tally.close.get_or_insert(head.code.map_or(Close::Bare, Close::Code));
            }
            _ => {}
        }
    }

    /// The first thing that is wrong with a frame.
    #[inline]
    fn fault_of(&self, head: &Head) -> Option<Fault> {
        // The ordinary frame leaves here: right mask, text or binary between messages, agreed bits, shortest form.
        let right_mask = head.masked == (self.sender == Sender::Client);
        let plain = matches!(head.opcode(), TEXT | BINARY) && head.first & RSV & !self.extensions == 0;
        if right_mask && plain && self.inside.is_none() && !head.long_form && self.tally.close.is_none() {
            return None;
        }
        self.fault_of_rare(head, right_mask)
    }

    #[cold]
    fn fault_of_rare(&self, head: &Head, right_mask: bool) -> Option<Fault> {
        let reserved = head.first & RSV;
        let opcode = head.opcode();
        // permessage-deflate marks the first frame of a message, and that alone (RFC 7692 §6).
        let first_of_message = matches!(opcode, TEXT | BINARY);
        let allowed = match self.extensions {
            DEFLATE if !first_of_message => 0,
            bits => bits,
        };
        let faults = [
            (self.tally.close.is_some(), Fault::AfterClose),
            (reserved & !allowed != 0, Fault::Reserved),
            (!matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG), Fault::Opcode),
            (!right_mask, Fault::Mask),
            (head.long_form, Fault::LengthForm),
            (head.is_control() && head.length > 125, Fault::LongControl),
            (head.is_control() && !head.is_final(), Fault::SplitControl),
            (opcode == CONTINUATION && self.inside.is_none(), Fault::Continuation),
            (first_of_message && self.inside.is_some(), Fault::Continuation),
            (
                opcode == CLOSE && (head.length == 1 || head.code.is_some_and(|code| !is_sendable(code))),
                Fault::CloseCode,
            ),
        ];
        faults.into_iter().find_map(|(broken, fault)| broken.then_some(fault))
    }
}

/// Whether a code may stand in a Close (RFC 6455 §7.4, and the registry that it set up).
#[must_use]
pub const fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// RSV1, which permessage-deflate uses (RFC 7692 §6).
const DEFLATE: u8 = 0x40;

/// The RSV bits that a server's `Sec-WebSocket-Extensions` allows: RSV1 for permessage-deflate, and all of them where it
/// names an extension that is not known here.
#[must_use]
pub fn extension_bits(agreed: &[u8]) -> u8 {
    let names = agreed
        .split(|byte| *byte == b',')
        .map(|one| one.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii());
    names
        .filter(|name| !name.is_empty())
        .fold(0, |bits, name| bits | if name.eq_ignore_ascii_case(b"permessage-deflate") { DEFLATE } else { RSV })
}

#[cfg(test)]
mod tests;
