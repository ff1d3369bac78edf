//! Moves a body from one socket to the other: decoded strictly, framed anew, never stored.
//!
//! A `Pump` is one direction of an exchange; each has its own: early answers and both-way streams need nothing special.
//! What the sink does not take at once is kept (one read's worth at most), and nothing more is read until it is gone; what
//! goes into the cache besides is read on, within a bound (`filling`).

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use switchboard_core::http1::{BodyDecoder, CHUNK_SUFFIX, ChunkError, LAST_CHUNK_LINE, chunk_prefix};

use crate::transport::Transport;

pub mod decode;
pub mod encode;
pub mod events;
mod filling;
pub mod forms;
mod frames;
pub mod here;
pub mod pace;
pub mod replay;
mod slices;
pub mod splice;

use events::Events;
use filling::Filling;
use replay::Replay;
use slices::{keep_rest, write_packed};
use splice::Splice;

/// The most that one read takes and, when the sink is slow, that one direction keeps.
pub const READ: usize = 64 * 1024;

/// A body that is copied behind its head rather than written from where it is.
const COPIED: usize = 4 * 1024;

/// How a body is framed on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Bytes as they are: a declared length, or the end of the connection, bounds them.
    Plain,
    /// Chunks (RFC 9112 §7.1), one for each read.
    Chunked,
    /// Frames, which the sink makes itself: it is told where the body ends.
    Frames,
}

/// What a pump waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Bytes of the source.
    Source,
    /// Room in the sink.
    Sink,
    /// Leave to move more: its pace.
    Pace,
}

/// Why a body did not arrive whole.
#[derive(Debug)]
pub enum PumpError {
    /// The source failed.
    Read(io::Error),
    /// The source ended before its body did.
    Truncated,
    /// The source broke the framing.
    Malformed(ChunkError),
    /// The body is larger than the rule's `max_body`.
    TooLarge,
    /// The sink failed.
    Write(io::Error),
}

/// One direction of an exchange.
#[derive(Debug)]
pub struct Pump {
    body: BodyDecoder,
    coding: Coding,
    /// Bytes that the sink has not taken yet.
    pending: Vec<u8>,
    written: usize,
    /// The source has said its last byte.
    complete: bool,
    /// The most payload bytes that may pass.
    limit: u64,
    splice: Option<Splice>,
    /// The source's socket was read from, not only what came with the head.
    read: bool,
    /// The sink has still to be told that the body has ended.
    owes_end: bool,
    /// Trailers that came beside the body's bytes.
    trailers: Vec<u8>,
    /// The payload, while it may have to be sent once more.
    kept: Option<Box<Replay>>,
    /// Where an answer is stored on its way.
    filling: Option<Box<Filling>>,
    /// What compresses it.
    encoder: Option<Box<encode::Encoder>>,
    /// What is known of an event stream.
    events: Option<Box<Events>>,
    /// Payload bytes that came.
    pub received: u64,
    /// Bytes that the sink took, framing included.
    pub sent: u64,
    /// What the last poll stopped at.
    pub waits: Waits,
    /// Bytes that may be read until whoever sets the pace says more; [`Pump::UNPACED`] and about is all.
    pub allowance: u64,
}

impl Pump {
    /// Makes a pump for a body framed as `body`, to be framed as `coding`, of at most `limit` bytes.
    pub fn new(body: BodyDecoder, coding: Coding, limit: Option<u64>) -> Self {
        Self {
            complete: body.is_done(),
            body,
            coding,
            pending: Vec::new(),
            written: 0,
            limit: limit.unwrap_or(u64::MAX),
            splice: None,
            read: false,
            owes_end: false,
            trailers: Vec::new(),
            kept: None,
            filling: None,
            encoder: None,
            events: None,
            received: 0,
            sent: 0,
            waits: Waits::Source,
            allowance: Self::UNPACED,
        }
    }

    /// Whether the whole body has come and has been taken.
    pub fn is_done(&self) -> bool {
        self.complete && self.written == self.pending.len() && self.splice.is_none() && !self.owes_end
    }

    /// Whether bytes were taken from the source's socket: they can't be had again.
    pub const fn took_source(&self) -> bool {
        self.read
    }

    /// The decoder, as far as it has come.
    pub fn into_decoder(self) -> BodyDecoder {
        self.body
    }

    /// Whether the source has nothing more to give; the sink may still owe.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the sink still has to take something that we hold.
    pub fn owes(&self) -> bool {
        self.written < self.pending.len() || self.splice.as_ref().is_some_and(|splice| !splice.is_empty())
    }

    /// Writes `head` and, in the same system call, what of the body came with it in `bytes`. `consumed` says
    /// how many of `bytes` belonged to the body, even where the write failed.
    ///
    /// A small body is copied behind its head: one flat `send` costs less than a vectored one and the copy together.
    pub fn start(
        &mut self,
        context: &mut Context<'_>,
        sink: &Transport,
        head: &mut Vec<u8>,
        bytes: &mut [u8],
        consumed: &mut usize,
    ) -> Result<(), PumpError> {
        let produced;
        (*consumed, produced) = if self.complete { (0, 0) } else { self.decode(bytes)? };
        let encoded = self.encode(bytes.get(..produced).unwrap_or_default())?;
        let payload = encoded.as_deref().unwrap_or(bytes.get(..produced).unwrap_or_default());
        if self.events.is_some() {
            return self.emit_events(context, sink, head, payload);
        }
        if sink.takes_heads() {
            return self.start_frames(context, sink, head, payload);
        }
        if self.coding == Coding::Plain && payload.len() <= COPIED {
            head.extend_from_slice(payload);
            self.emit(context, sink, head, &[])
        } else {
            self.emit(context, sink, head, payload)
        }
    }

    /// Moves what can be moved. Ready when the body has passed whole. Bytes of the source behind the body's end, which
    /// only a chunked one can hide, go to `behind`. `scratch` is lent for the call.
    pub fn poll(
        &mut self,
        context: &mut Context<'_>,
        source: &Transport,
        sink: &Transport,
        scratch: &mut [u8],
        behind: &mut Vec<u8>,
    ) -> Poll<Result<(), PumpError>> {
        loop {
            if self.poll_flush(context, sink)?.is_pending() && !self.runs_ahead() {
                return Poll::Pending;
            }
            // What the source has given is not yet what the sink has taken: a pipe may still hold the last of it.
            if self.complete && self.splice.is_none() {
                return Poll::Ready(self.say_end(sink));
            }
            if self.splice.is_none()
                && self.kept.is_none()
                && self.filling.is_none()
                && Splice::pays(self.body.declared_left(), self.coding)
                && source.is_plain()
                && sink.is_plain()
                && self.allowance > Self::UNPACED / 2
            {
                // Where no pipe is left, the body is copied.
                self.splice = Splice::lend();
            }
            if self.splice.is_some() {
                ready!(self.poll_splice(context, source, sink))?;
                continue;
            }
            if self.events.is_some() && self.emit_more(context, sink)? {
                continue;
            }
            self.waits = Waits::Source;
            // A declared length bounds the read, so that a pipelined request stays in the socket.
            let most = usize::try_from(self.body.declared_left().unwrap_or(u64::MAX)).unwrap_or(usize::MAX).min(READ);
            let most = most.min(usize::try_from(self.allowance).unwrap_or(usize::MAX));
            if self.allowance == 0 {
                self.waits = Waits::Pace;
                return Poll::Pending;
            }
            let room = scratch.get_mut(..most).unwrap_or_default();
            let read = ready!(source.poll_read(context, room)).map_err(PumpError::Read)?;
            self.read = true;
            self.allowance -= read as u64;
            if read == 0 {
                self.end_of_source()?;
                self.trailers = source.take_trailers();
                let encoded = self.encode(&[])?;
                self.emit(context, sink, &[], encoded.as_deref().unwrap_or_default())?;
                continue;
            }
            let bytes = room.get_mut(..read).unwrap_or_default();
            let (consumed, produced) = self.decode(bytes)?;
            behind.extend_from_slice(bytes.get(consumed..).unwrap_or_default());
            let payload = bytes.get(..produced).unwrap_or_default();
            if self.events.is_some() {
                self.emit_events(context, sink, &[], payload)?;
            } else if self.encoder.is_some() {
                ready!(self.poll_encode(context, sink, payload))?;
            } else {
                self.emit(context, sink, &[], payload)?;
            }
        }
    }

    /// Gets rid of what the sink has not taken yet.
    pub fn poll_flush(&mut self, context: &mut Context<'_>, sink: &Transport) -> Poll<Result<(), PumpError>> {
        while let Some(rest @ [_, ..]) = self.pending.get(self.written..) {
            self.waits = Waits::Sink;
            let taken = ready!(sink.poll_write(context, &[IoSlice::new(rest)])).map_err(PumpError::Write)?;
            self.written += taken;
            self.sent += taken as u64;
        }
        // Freed at once: a stream that is slow for a moment must not hold memory for the rest of its life.
        if !self.pending.is_empty() {
            self.pending = Vec::new();
            self.written = 0;
            self.caught_up();
        }
        Poll::Ready(Ok(()))
    }

    fn decode(&mut self, bytes: &mut [u8]) -> Result<(usize, usize), PumpError> {
        let decoded = self.body.decode(bytes).map_err(PumpError::Malformed)?;
        self.count(decoded.produced as u64)?;
        // A chunk says its size before it comes: too large is too large then.
        if self.received.saturating_add(self.body.announced()) > self.limit {
            return Err(PumpError::TooLarge);
        }
        self.complete = decoded.done;
        if self.filling.is_some() {
            filling::take(self, bytes.get(..decoded.produced).unwrap_or_default());
        }
        if self.kept.is_some() {
            replay::keep(&mut self.kept, bytes.get(..decoded.produced).unwrap_or_default());
        }
        Ok((decoded.consumed, decoded.produced))
    }

    fn count(&mut self, payload: u64) -> Result<(), PumpError> {
        self.received += payload;
        if self.received > self.limit { Err(PumpError::TooLarge) } else { Ok(()) }
    }

    fn end_of_source(&mut self) -> Result<(), PumpError> {
        if self.body.finish_on_eof() {
            self.complete = true;
            filling::take(self, &[]);
            Ok(())
        } else {
            Err(PumpError::Truncated)
        }
    }

    /// Frames `payload`, with the end of the body where it is reached, and offers it to the sink in one system call.
    fn emit(
        &mut self,
        context: &mut Context<'_>,
        sink: &Transport,
        head: &[u8],
        payload: &[u8],
    ) -> Result<(), PumpError> {
        if self.coding == Coding::Frames {
            return self.offer_frames(context, sink, payload);
        }
        if self.coding == Coding::Plain && (head.is_empty() || payload.is_empty()) {
            return self.offer(context, sink, if head.is_empty() { payload } else { head });
        }
        let mut size = [0; 18];
        let chunked = self.coding == Coding::Chunked;
        let framed = chunked && !payload.is_empty();
        let ends = chunked && self.complete;
        // They stay: another attempt's body ends with them too.
        let trailers = if ends { frames::late_fields(&self.trailers, &self.body) } else { &[] };
        let slices = [
            IoSlice::new(head),
            IoSlice::new(if framed { chunk_prefix(payload.len(), &mut size) } else { &[] }),
            IoSlice::new(payload),
            IoSlice::new(if framed { CHUNK_SUFFIX } else { &[] }),
            IoSlice::new(if ends { LAST_CHUNK_LINE } else { &[] }),
            IoSlice::new(trailers),
            IoSlice::new(if ends { CHUNK_SUFFIX } else { &[] }),
        ];
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        if total == 0 {
            return Ok(());
        }
        let taken = if self.pending.is_empty() { taken(write_packed(context, sink, &slices))? } else { 0 };
        self.sent += taken as u64;
        if taken < total {
            self.waits = Waits::Sink;
            keep_rest(&mut self.pending, &slices, taken);
        }
        Ok(())
    }

    /// Offers one run of bytes to the sink and keeps what it does not take.
    fn offer(&mut self, context: &mut Context<'_>, sink: &Transport, bytes: &[u8]) -> Result<(), PumpError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let taken = if self.pending.is_empty() { taken(sink.poll_write(context, &[IoSlice::new(bytes)]))? } else { 0 };
        self.sent += taken as u64;
        if let Some(rest @ [_, ..]) = bytes.get(taken..) {
            self.waits = Waits::Sink;
            self.pending.extend_from_slice(rest);
        }
        Ok(())
    }
}

/// How much of what was offered a sink has taken: nothing where it has no room.
fn taken(offered: Poll<io::Result<usize>>) -> Result<usize, PumpError> {
    match offered {
        Poll::Ready(taken) => taken.map_err(PumpError::Write),
        Poll::Pending => Ok(0),
    }
}
