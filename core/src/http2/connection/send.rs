//! What we say on the streams of a connection: heads, payload within the peer's windows, ends, resets.

use std::io::IoSlice;

use super::slots::{Loss, Receiving, Sending};
use super::{Code, Connection, END_HEADERS, Event, Key, Kind, MAX_FRAME, OUTGOING, Role, put_header, put_number};
use crate::forwarding::Scheme;
use crate::http2::frame::{END_STREAM, Header};
use crate::http2::lines::{self, Request};

/// What there is to read on a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes were read.
    Bytes(usize),
    /// The peer has ended its side.
    End,
    /// The stream is lost.
    Lost(Loss),
    /// Nothing yet.
    Nothing,
}

/// Why a head was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsent {
    /// The stream is lost or has had its head.
    Lost(Loss),
    /// HTTP/2, or this peer, can't say it.
    Unsupported,
}

impl Connection {
    /// Holds room for a stream that we shall open with its head.
    pub fn open(&mut self) -> Key {
        let slot = self.fresh_slot();
        self.slots.insert(slot)
    }

    /// Sends the head of an answer that is written as HTTP/1 lines, interim ones too; with `ends` nothing follows it.
    ///
    /// # Errors
    /// When the stream is lost, or the lines are none of an answer.
    pub fn send_answer(&mut self, key: Key, lines: &[u8], ends: bool) -> Result<(), Unsent> {
        let Some(slot) = self.slots.slot(key).filter(|slot| slot.sending == Sending::Head) else {
            return Err(Unsent::Lost(self.loss(key)));
        };
        let id = slot.id;
        let start = self.begin_block();
        let Some(answer) = lines::put_answer(lines, &mut self.out) else {
            self.out.truncate(start);
            return Err(Unsent::Unsupported);
        };
        let ends = ends && !answer.switches;
        self.end_block(start, id, ends);
        if (100..200).contains(&answer.status) && !answer.switches {
            return Ok(());
        }
        if let Some(slot) = self.slots.slot(key) {
            slot.sending = Sending::Body;
            slot.is_tunnel = answer.switches;
        }
        if ends {
            self.end_sending(key);
        }
        Ok(())
    }

    /// Opens a stream with the head of a request that is written as HTTP/1 lines; with `ends` nothing follows it. An
    /// upgrade to WebSocket becomes an extended CONNECT.
    ///
    /// # Errors
    /// When the connection takes no streams any more, or the peer takes no tunnels.
    pub fn send_request(&mut self, key: Key, text: &[u8], scheme: Scheme, ends: bool) -> Result<Request, Unsent> {
        let fresh = self.slots.slot(key).is_some_and(|slot| slot.id == 0 && slot.sending == Sending::Head);
        if !fresh {
            return Err(Unsent::Lost(self.loss(key)));
        }
        if self.peer_leaves || self.fault.is_some() || self.next >= 1 << 31 {
            return Err(Unsent::Lost(Loss::Unprocessed));
        }
        let start = self.begin_block();
        let request = lines::put_request(text, scheme, &mut self.out);
        let Some(request) = request.filter(|request| request.accept.is_none() || self.peer.connect_protocol) else {
            self.out.truncate(start);
            return Err(Unsent::Unsupported);
        };
        let id = self.next;
        self.next += 2;
        self.slots.open(id, key);
        let (window_out, window_in) = (i64::from(self.peer.window), self.initial_window_in());
        if let Some(slot) = self.slots.slot(key) {
            slot.id = id;
            slot.sending = Sending::Body;
            slot.is_head = request.is_head;
            slot.is_tunnel = request.accept.is_some();
            slot.window_out = window_out;
            slot.window_in = window_in;
        }
        let ends = ends && request.accept.is_none();
        self.end_block(start, id, ends);
        if ends {
            self.end_sending(key);
        }
        Ok(request)
    }

    /// Leaves room for a frame's header, and begins the block behind it.
    fn begin_block(&mut self) -> usize {
        let start = self.out.len();
        put_header(&mut self.out, 0, Kind::Headers, 0, 0);
        start
    }

    /// Writes the header in front of the block that begins at `start`; a block that is larger than a frame becomes
    /// several.
    fn end_block(&mut self, start: usize, id: u32, ends: bool) {
        if std::mem::take(&mut self.owes_update) {
            self.out.insert(start + Header::SIZE, 0x20);
        }
        let length = self.out.len() - start - Header::SIZE;
        let end_stream = if ends { END_STREAM } else { 0 };
        if length <= MAX_FRAME {
            let mut header = Vec::with_capacity(Header::SIZE);
            put_header(&mut header, length, Kind::Headers, END_HEADERS | end_stream, id);
            if let Some(place) = self.out.get_mut(start..start + Header::SIZE) {
                place.copy_from_slice(&header);
            }
            return;
        }
        let block = self.out.split_off(start + Header::SIZE);
        self.out.truncate(start);
        let mut pieces = block.chunks(MAX_FRAME).peekable();
        let (mut kind, mut flags) = (Kind::Headers, end_stream);
        while let Some(piece) = pieces.next() {
            flags |= if pieces.peek().is_none() { END_HEADERS } else { 0 };
            put_header(&mut self.out, piece.len(), kind, flags, id);
            self.out.extend_from_slice(piece);
            (kind, flags) = (Kind::Continuation, 0);
        }
    }

    /// Takes as much payload as the windows and the socket have room for; 0 where there is none, and [`Event::Room`] or
    /// [`Connection::has_room`] will tell when. With `last`, and where all is taken, the body ends with it. `None` where
    /// the stream takes nothing any more.
    pub fn send_data(&mut self, key: Key, slices: &[IoSlice<'_>], last: bool) -> Option<usize> {
        let pending = self.outgoing().len();
        let slot = self.slots.slot(key).filter(|slot| slot.sending == Sending::Body)?;
        let room = slot.window_out.min(self.window_out).max(0);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(OUTGOING.saturating_sub(pending));
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        let taken = offered.min(room);
        if taken == 0 {
            slot.waits = offered > 0;
            return Some(0);
        }
        let id = slot.id;
        let count = i64::try_from(taken).unwrap_or(i64::MAX);
        slot.window_out -= count;
        self.window_out -= count;
        let ends = last && taken == offered;
        self.put_data(id, slices, taken, ends);
        if let Some(meter) = &mut self.meter {
            meter.data_sent(u32::try_from(taken.div_ceil(MAX_FRAME)).unwrap_or(u32::MAX));
        }
        if ends {
            self.end_sending(key);
        }
        Some(taken)
    }

    /// Writes the first `count` bytes of slices as frames.
    fn put_data(&mut self, id: u32, slices: &[IoSlice<'_>], count: usize, ends: bool) {
        self.out.reserve(count + Header::SIZE * count.div_ceil(MAX_FRAME));
        let (mut left, mut room) = (count, 0);
        for slice in slices {
            let mut rest = slice.get(..left.min(slice.len())).unwrap_or_default();
            while !rest.is_empty() {
                if room == 0 {
                    room = left.min(MAX_FRAME);
                    let flags = if ends && room == left { END_STREAM } else { 0 };
                    put_header(&mut self.out, room, Kind::Data, flags, id);
                }
                let (piece, behind) = rest.split_at(room.min(rest.len()));
                self.out.extend_from_slice(piece);
                room -= piece.len();
                left -= piece.len();
                rest = behind;
            }
        }
    }

    /// Ends the body with trailer lines, or without; false where the stream is gone.
    pub fn send_end(&mut self, key: Key, trailers: &[u8]) -> bool {
        let Some(slot) = self.slots.slot(key).filter(|slot| slot.sending == Sending::Body) else { return false };
        let id = slot.id;
        let start = self.begin_block();
        lines::put_trailers(trailers, &mut self.out);
        if self.out.len() == start + Header::SIZE {
            self.out.truncate(start);
            put_header(&mut self.out, 0, Kind::Data, END_STREAM, id);
        } else {
            self.end_block(start, id, true);
        }
        self.end_sending(key);
        true
    }

    fn end_sending(&mut self, key: Key) {
        let Some(slot) = self.slots.slot(key) else { return };
        slot.sending = Sending::Ended;
        let (id, over) = (slot.id, slot.receiving == Receiving::Ended);
        if over {
            self.slots.close(id, false);
        }
    }

    /// Notes how much payload the head of a request declared.
    pub fn declare(&mut self, key: Key, length: Option<u64>) {
        if let Some(slot) = self.slots.slot(key) {
            slot.declared = length.filter(|_| slot.receiving == Receiving::Body);
        }
    }

    /// Reads payload. What is taken is given back to the peer's windows.
    pub fn read(&mut self, key: Key, buffer: &mut [u8]) -> Read {
        let Some(slot) = self.slots.slot(key) else { return Read::Lost(Loss::Ours) };
        let count = slot.unread().min(buffer.len());
        if count == 0 {
            return match slot.receiving {
                Receiving::Head | Receiving::Body => Read::Nothing,
                Receiving::Ended if slot.unread() > 0 => Read::Nothing,
                Receiving::Ended => Read::End,
                Receiving::Lost(loss) => Read::Lost(loss),
            };
        }
        let from = slot.data.get(slot.taken..slot.taken + count).unwrap_or_default();
        if let Some(to) = buffer.get_mut(..count) {
            to.copy_from_slice(from);
        }
        slot.taken += count;
        if slot.unread() == 0 {
            slot.discard();
        }
        self.owe(count);
        self.settle(key, count);
        Read::Bytes(count)
    }

    /// Takes the trailer lines that came behind the payload.
    pub fn take_trailers(&mut self, key: Key) -> Vec<u8> {
        self.slots.slot(key).map_or_else(Vec::new, |slot| std::mem::take(&mut slot.trailers))
    }

    /// Whether the peer, or we, have broken the stream off.
    pub fn is_gone(&mut self, key: Key) -> bool {
        self.slots.slot(key).is_none_or(|slot| slot.is_gone)
    }

    fn loss(&mut self, key: Key) -> Loss {
        match self.slots.slot(key).map(|slot| slot.receiving) {
            Some(Receiving::Lost(loss)) => loss,
            _ => Loss::Ours,
        }
    }

    /// Breaks a stream off in both directions.
    pub fn reset(&mut self, key: Key, code: Code) {
        let Some(slot) = self.slots.slot(key) else { return };
        let id = slot.id;
        if !slot.is_gone && id != 0 && self.is_open(key) {
            let verdict = match &mut self.meter {
                // What the peer asked for in vain is what it may ask for too often.
                Some(meter) if code != Code::None => meter.reset_by_us(code),
                Some(_) | None => Ok(()),
            };
            put_number(&mut self.out, Kind::Reset, id, code as u32);
            if let (Err(breach), None) = (verdict, self.fault) {
                self.fault = Some(breach.into());
                self.put_goaway(self.last, Code::Calm);
            }
        }
        self.lose(key, Loss::Ours, true);
    }

    /// As [`Connection::reset`], with the code that its kind asks for.
    pub fn abort(&mut self, key: Key) {
        let code = match self.slots.slot(key) {
            Some(slot) if slot.is_tunnel => Code::Cancel,
            _ if self.role == Role::Client => Code::Cancel,
            _ => Code::Internal,
        };
        self.reset(key, code);
    }

    fn is_open(&mut self, key: Key) -> bool {
        self.slots.slot(key).is_some_and(|slot| slot.receiving != Receiving::Ended || slot.sending != Sending::Ended)
    }

    /// Gives a key back. A stream that is still open is broken off: without blame where our answer was whole.
    pub fn release(&mut self, key: Key) {
        if let Some(slot) = self.slots.slot(key)
            && slot.id != 0
            && self.is_open(key)
        {
            let whole = self.role == Role::Server
                && self.slots.slot(key).is_some_and(|slot| slot.sending == Sending::Ended && !slot.is_tunnel);
            if whole { self.reset(key, Code::None) } else { self.abort(key) }
        }
        let Some(slot) = self.slots.remove(key) else { return };
        self.excess += slot.grown;
        self.owe(slot.unread());
    }

    /// Notes that the socket is of no use any more: all streams are lost.
    pub fn lose_all(&mut self) -> Event {
        for key in self.slots.above(0) {
            self.lose(key, Loss::Reset, true);
        }
        self.peer_leaves = true;
        Event::LostMany
    }
}
