//! What each frame of the peer's does to the connection and its streams (RFC 9113 §5, §6).

use super::slots::{Known, Loss, Receiving, Sending, Slot};
use super::{
    BLOCK, Code, Connection, END_HEADERS, Event, Fault, Gathering, Header, INITIAL_WINDOW, Key, Kind, Leaving,
    MAX_WINDOW, Role, number, put_number,
};
use crate::http2::frame::{END_STREAM, PADDED, WITH_PRIORITY};
use crate::http2::read;
use crate::message::Name;

impl Connection {
    pub(super) fn receive(&mut self, frame: &Header, payload: &[u8]) -> Result<Option<Event>, Fault> {
        match frame.kind {
            Kind::Data => self.data(frame, payload),
            Kind::Headers => self.headers(frame, payload),
            Kind::Continuation => self.continuation(frame, payload),
            Kind::Priority => self.priority(frame, payload),
            Kind::Reset => self.reset_by_peer(frame.stream, number(payload)),
            Kind::Settings => self.settings(frame, payload),
            // We allow none, and clients never may.
            Kind::Push => Err(Code::Protocol.into()),
            Kind::Ping => {
                self.ping(frame, payload);
                Ok(None)
            }
            Kind::GoAway => Ok(self.goaway(number(payload))),
            Kind::WindowUpdate => self.window_update(frame.stream, i64::from(number(payload))),
            Kind::Other => Ok(None),
        }
    }

    fn data(&mut self, frame: &Header, payload: &[u8]) -> Result<Option<Event>, Fault> {
        let size = i64::try_from(frame.length).unwrap_or(MAX_WINDOW);
        // All of the frame counts, whatever becomes of it.
        if size > self.window_in {
            return Err(Code::FlowControl.into());
        }
        self.window_in -= size;
        let data = unpadded(frame, payload)?;
        let key = match self.slots.find(frame.stream) {
            Known::Open(key) => key,
            Known::Closed { by_us: false } => return Err(Code::StreamClosed.into()),
            Known::Unknown if self.is_idle(frame.stream) => return Err(Code::Protocol.into()),
            Known::Unknown if !self.is_ignored(frame.stream) => return Err(Code::StreamClosed.into()),
            Known::Closed { by_us: true } | Known::Unknown => {
                self.owe(frame.length);
                return Ok(None);
            }
        };
        if let Err(code) = self.keep(key, frame, size, data) {
            self.owe(frame.length);
            return self.fail(key, code);
        }
        let padding = frame.length - data.len();
        self.owe(padding);
        self.settle(key, padding);
        Ok(Some(Event::Came(key)))
    }

    /// Keeps payload for whoever takes it.
    fn keep(&mut self, key: Key, frame: &Header, size: i64, data: &[u8]) -> Result<(), Code> {
        let Some(slot) = self.slots.slot(key) else { return Ok(()) };
        match slot.receiving {
            Receiving::Body => {}
            Receiving::Head => return Err(Code::Protocol),
            Receiving::Ended | Receiving::Lost(_) => return Err(Code::StreamClosed),
        }
        if size > slot.window_in {
            return Err(Code::FlowControl);
        }
        slot.window_in -= size;
        let ends = frame.has(END_STREAM);
        if let Some(left) = &mut slot.declared {
            // Cases 89 and 90: neither less nor more than the head declared.
            *left = left.checked_sub(data.len() as u64).ok_or(Code::Protocol)?;
            if ends && *left > 0 {
                return Err(Code::Protocol);
            }
        }
        if slot.taken > 0 {
            slot.data.drain(..slot.taken);
            slot.taken = 0;
        }
        slot.data.extend_from_slice(data);
        if ends {
            self.end_receiving(key);
        }
        Ok(())
    }

    fn end_receiving(&mut self, key: Key) {
        let Some(slot) = self.slots.slot(key) else { return };
        slot.receiving = Receiving::Ended;
        let (id, over) = (slot.id, slot.sending == Sending::Ended);
        if over {
            self.slots.close(id, false);
        }
    }

    fn headers(&mut self, frame: &Header, payload: &[u8]) -> Result<Option<Event>, Fault> {
        let mut fragment = unpadded(frame, payload)?;
        let mut itself = false;
        if frame.has(WITH_PRIORITY) {
            let (priority, rest) = fragment.split_at_checked(5).ok_or(Code::Protocol)?;
            itself = number(priority) == frame.stream;
            fragment = rest;
        }
        let (stream, flags) = (frame.stream, frame.flags);
        if frame.has(END_HEADERS) {
            return self.head(stream, flags, itself, fragment);
        }
        self.gathering = Some(Gathering { stream, flags, itself, fragments: fragment.to_vec() });
        Ok(None)
    }

    fn continuation(&mut self, frame: &Header, payload: &[u8]) -> Result<Option<Event>, Fault> {
        let Some(mut open) = self.gathering.take() else { return Err(Code::Protocol.into()) };
        open.fragments.extend_from_slice(payload);
        if frame.has(END_HEADERS) {
            return self.head(open.stream, open.flags, open.itself, &open.fragments);
        }
        if open.fragments.len() > BLOCK {
            return Err(Code::Calm.into());
        }
        self.gathering = Some(open);
        Ok(None)
    }

    /// A whole header block. It is decoded whatever becomes of it: the table is the connection's.
    fn head(&mut self, stream: u32, flags: u8, itself: bool, block: &[u8]) -> Result<Option<Event>, Fault> {
        self.decoder.decode(block, &mut self.block)?;
        let ended = flags & END_STREAM != 0;
        match self.slots.find(stream) {
            Known::Open(key) => {
                let Some(slot) = self.slots.slot(key) else { return Ok(None) };
                match slot.receiving {
                    Receiving::Head => self.answer(key, ended),
                    Receiving::Body => self.trailers(key, ended),
                    Receiving::Ended | Receiving::Lost(_) => self.fail(key, Code::StreamClosed),
                }
            }
            Known::Closed { by_us: true } => Ok(None),
            Known::Closed { by_us: false } => Err(Code::StreamClosed.into()),
            Known::Unknown if self.role == Role::Server => self.request(stream, ended, itself),
            Known::Unknown => Err(Code::Protocol.into()),
        }
    }

    /// A stream that the peer opens.
    fn request(&mut self, stream: u32, ended: bool, itself: bool) -> Result<Option<Event>, Fault> {
        if stream.is_multiple_of(2) || stream <= self.last {
            return Err(Code::Protocol.into());
        }
        if matches!(self.leaving, Leaving::Last(_)) {
            return Ok(None);
        }
        self.last = stream;
        let most = self.bounds.streams as usize;
        let slot = Slot {
            id: stream,
            receiving: if ended { Receiving::Ended } else { Receiving::Body },
            sending: Sending::Head,
            window_in: self.initial_window_in(),
            ..self.fresh_slot()
        };
        // Streams that were reset and whose work has not ended count as well, though twice as many may be.
        let refused = self.slots.opened() >= most || self.slots.held() >= most.saturating_mul(2);
        let key = self.slots.insert(slot);
        if refused || itself {
            let code = if itself { Code::Protocol } else { Code::Refused };
            let verdict = self.fail(key, code);
            self.slots.remove(key);
            return verdict.map(|_| None);
        }
        Ok(Some(Event::Request(key, ended)))
    }

    pub(super) fn fresh_slot(&self) -> Slot {
        Slot {
            id: 0,
            receiving: Receiving::Head,
            sending: Sending::Head,
            window_out: i64::from(self.peer.window),
            window_in: 0,
            owed: 0,
            grown: 0,
            kept_up: 0,
            emptied: true,
            declared: None,
            data: Vec::new(),
            taken: 0,
            trailers: Vec::new(),
            waits: false,
            is_head: false,
            is_gone: false,
            is_tunnel: false,
        }
    }

    /// What the peer may send on a new stream: what we say holds when it has said that it knows (§6.5.3).
    pub(super) fn initial_window_in(&self) -> i64 {
        i64::from(if self.acknowledged { self.bounds.stream_window } else { INITIAL_WINDOW })
    }

    /// The head of an answer.
    fn answer(&mut self, key: Key, ended: bool) -> Result<Option<Event>, Fault> {
        let status = read::status(&self.block);
        let interim = status.is_some_and(|status| status < 200);
        let Some(status) = status.filter(|_| !(interim && ended)) else { return self.fail(key, Code::Protocol) };
        if interim {
            return Ok(Some(Event::Answer(key, false)));
        }
        let mut lengths = self.block.pieces.iter().filter(|piece| piece.known == Name::ContentLength);
        let length = lengths.next().map(|piece| piece.value.of(&self.block.bytes));
        let length = length.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        if let Some(slot) = self.slots.slot(key) {
            let bodyless = slot.is_head || slot.is_tunnel || matches!(status, 204 | 304);
            slot.declared = length.filter(|_| !bodyless);
            slot.receiving = Receiving::Body;
            if ended && slot.declared.is_some_and(|length| length > 0) {
                return self.fail(key, Code::Protocol);
            }
        }
        if ended {
            self.end_receiving(key);
        }
        Ok(Some(Event::Answer(key, ended)))
    }

    fn trailers(&mut self, key: Key, ended: bool) -> Result<Option<Event>, Fault> {
        let mut lines = Vec::new();
        let fine = ended && !self.block.is_cut && read::trailers(&self.block, &mut lines).is_ok();
        let Some(slot) = self.slots.slot(key) else { return Ok(None) };
        if !fine || slot.declared.is_some_and(|left| left > 0) {
            return self.fail(key, Code::Protocol);
        }
        slot.trailers = lines;
        self.end_receiving(key);
        Ok(Some(Event::Came(key)))
    }

    /// A priority is advice that we don't take; one that can't be is an error of its stream (RFC 7540 §5.3.1, §6.3).
    fn priority(&mut self, frame: &Header, payload: &[u8]) -> Result<Option<Event>, Fault> {
        let code = match frame.length {
            5 if number(payload) == frame.stream => Code::Protocol,
            5 => return Ok(None),
            _ => Code::FrameSize,
        };
        match self.slots.find(frame.stream) {
            Known::Open(key) => self.fail(key, code),
            Known::Closed { .. } | Known::Unknown => Err(code.into()),
        }
    }

    fn reset_by_peer(&mut self, stream: u32, code: u32) -> Result<Option<Event>, Fault> {
        let key = match self.slots.find(stream) {
            Known::Open(key) => key,
            Known::Unknown if self.is_idle(stream) => return Err(Code::Protocol.into()),
            Known::Closed { .. } | Known::Unknown => return Ok(None),
        };
        let refused = self.role == Role::Client && code == Code::Refused as u32;
        self.lose(key, if refused { Loss::Unprocessed } else { Loss::Reset }, false);
        Ok(Some(Event::Came(key)))
    }

    /// Ends a stream in both directions. What came whole before stays there to be taken.
    pub(super) fn lose(&mut self, key: Key, loss: Loss, by_us: bool) {
        let Some(slot) = self.slots.slot(key) else { return };
        let mut thrown = 0;
        if slot.receiving != Receiving::Ended {
            slot.receiving = Receiving::Lost(loss);
            thrown = slot.discard();
        }
        slot.sending = Sending::Ended;
        slot.is_gone = true;
        let id = slot.id;
        self.slots.close(id, by_us);
        self.owe(thrown);
    }

    /// Resets a stream for what the peer did with it.
    pub(super) fn fail(&mut self, key: Key, code: Code) -> Result<Option<Event>, Fault> {
        let Some(slot) = self.slots.slot(key) else { return Ok(None) };
        let id = slot.id;
        put_number(&mut self.out, Kind::Reset, id, code as u32);
        // Even what came whole is not to be believed any more.
        slot.receiving = Receiving::Lost(Loss::of(code));
        let thrown = slot.discard();
        self.owe(thrown);
        self.lose(key, Loss::of(code), true);
        if let Some(meter) = &mut self.meter {
            meter.reset_by_us(code)?;
        }
        Ok(Some(Event::Came(key)))
    }

    /// Whether a stream was never opened (§5.1).
    pub(super) fn is_idle(&self, stream: u32) -> bool {
        match self.role {
            Role::Server => stream.is_multiple_of(2) || (stream > self.last && !self.is_ignored(stream)),
            Role::Client => stream.is_multiple_of(2) || stream >= self.next,
        }
    }

    /// Whether a stream came behind our GOAWAY: the peer could not know.
    fn is_ignored(&self, stream: u32) -> bool {
        matches!(self.leaving, Leaving::Last(last) if stream > last)
    }
}

/// A payload without its padding (§6.1).
fn unpadded<'a>(frame: &Header, payload: &'a [u8]) -> Result<&'a [u8], Code> {
    if !frame.has(PADDED) {
        return Ok(payload);
    }
    let (length, rest) = payload.split_first().ok_or(Code::Protocol)?;
    let end = rest.len().checked_sub(usize::from(*length)).ok_or(Code::Protocol)?;
    Ok(rest.get(..end).unwrap_or_default())
}
