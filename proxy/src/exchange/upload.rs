//! The request's body on its way up: begins with what came with the head, and may outlast the head of the answer.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use switchboard_core::http1::{BodyDecoder, Framing};
use switchboard_core::moment::Moment;

use crate::desk::Desk;
use crate::relay::{Coding, Pump, PumpError, Waits, replay};
use crate::transport::Transport;
use crate::worker::Worker;

/// How long a body may take its time before its rate counts, and how often it is looked at after that.
const RATE_GRACE: Duration = Duration::from_secs(10);
const RATE_STEP: Duration = Duration::from_secs(1);

/// A request's body.
#[derive(Debug)]
pub struct Upload {
    framing: Framing,
    limit: Option<u64>,
    trailer_limit: usize,
    pump: Pump,
    /// Bytes of the desk's input, behind the head, that were part of the body.
    pub consumed: usize,
    /// What came from the socket behind the body: the next request's.
    pub behind: Vec<u8>,
    /// The upstream takes no more of it; its answer decides.
    broken: bool,
    /// An attempt has got as far as to send.
    begun: bool,
    /// What has passed goes first: an attempt after the first, of a body that was kept.
    again: bool,
    /// Payload that came with the head. More than that can't be sent again.
    early: u64,
    min_rate: Option<u64>,
    started: Moment,
    next_check: Moment,
}

impl Upload {
    /// Makes the upload of a body framed as `framing`, of at most `limit` bytes, not slower than `min_rate` bytes a
    /// second on average.
    pub fn new(framing: Framing, limit: Option<u64>, trailer_limit: usize, min_rate: Option<u64>, now: Moment) -> Self {
        Self {
            pump: Self::pump(framing, limit, trailer_limit),
            framing,
            limit,
            trailer_limit,
            consumed: 0,
            behind: Vec::new(),
            broken: false,
            begun: false,
            again: false,
            early: 0,
            min_rate,
            started: now,
            next_check: now + RATE_GRACE,
        }
    }

    fn pump(framing: Framing, limit: Option<u64>, trailer_limit: usize) -> Pump {
        Pump::new(BodyDecoder::new(framing, trailer_limit), coding(framing), limit)
    }

    /// Keeps what passes, so that the request can be sent again; not where it says itself that it is too long for that.
    pub fn keep(&mut self) {
        let short = match self.framing {
            Framing::Length(length) => length <= replay::MOST as u64,
            Framing::Frames(length) => length.is_none_or(|length| length <= replay::MOST as u64),
            Framing::Chunked => true,
            Framing::None | Framing::Close => false,
        };
        if short {
            self.pump.keep();
        }
    }

    /// Keeps nothing any more: an answer has begun.
    pub fn forget(&mut self) {
        self.pump.forget();
    }

    /// The whole payload, where it was kept and has come whole.
    pub fn kept(&self) -> Option<&[u8]> {
        match self.framing {
            Framing::None => Some(&[]),
            Framing::Length(_) | Framing::Chunked | Framing::Close | Framing::Frames(_) => {
                self.pump.kept().filter(|_| self.pump.is_complete())
            }
        }
    }

    /// Whether the request could be sent again from what is in memory. Chunks are decoded in place, so theirs can't
    /// unless they were kept.
    pub fn is_replayable(&self) -> bool {
        if self.pump.keeps() {
            return true;
        }
        self.pump.received == self.early
            && (self.framing != Framing::Chunked || self.early == 0)
            && !self.pump.took_source()
    }

    /// Back to the beginning, for another attempt.
    pub fn rewind(&mut self) {
        self.broken = false;
        let keeps = self.pump.keeps();
        if keeps && self.begun {
            self.pump.turn(coding(self.framing));
            self.again = true;
            return;
        }
        self.pump = Self::pump(self.framing, self.limit, self.trailer_limit);
        self.consumed = 0;
        self.early = 0;
        if keeps {
            self.pump.keep();
        }
    }

    /// Sends the head and what of the body came with it.
    pub fn start(&mut self, context: &mut Context<'_>, upstream: &Transport, desk: &mut Desk) -> Result<(), PumpError> {
        self.begun = true;
        if self.again {
            return self.pump.restart(context, upstream, &desk.output);
        }
        let body = desk.input.filled_mut().get_mut(desk.request.len..).unwrap_or_default();
        // Also when the write fails: bytes that were counted as body must never be read as a request.
        let result = self.pump.start(context, upstream, &mut desk.output, body, &mut self.consumed);
        self.early = self.pump.received;
        result
    }

    /// Moves what can be moved. An upstream that takes no more ends the upload, not the exchange: it may have answered.
    pub fn poll(
        &mut self,
        context: &mut Context<'_>,
        client: &Transport,
        upstream: &Transport,
        worker: &Worker,
    ) -> Poll<Result<(), PumpError>> {
        if self.broken {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = worker.scratch.borrow_mut();
        match ready!(self.pump.poll(context, client, upstream, &mut scratch, &mut self.behind)) {
            Err(PumpError::Write(_)) => {
                self.broken = true;
                Poll::Ready(Ok(()))
            }
            other => Poll::Ready(other),
        }
    }

    /// Whether nothing more goes up: all is sent, or the upstream refused the rest.
    pub fn is_over(&self) -> bool {
        self.broken || self.pump.is_done()
    }

    /// Whether the body has come whole and was taken whole.
    pub fn is_whole(&self) -> bool {
        self.pump.is_done()
    }

    /// Whether the client has sent all of it.
    pub const fn is_received(&self) -> bool {
        self.pump.is_complete()
    }

    /// A number that changes when anything moves.
    pub const fn moved(&self) -> u64 {
        self.pump.received.wrapping_add(self.pump.sent)
    }

    /// Bytes that the upstream has taken in this attempt, head included.
    pub const fn sent(&self) -> u64 {
        self.pump.sent
    }

    /// Payload bytes so far.
    pub const fn received(&self) -> u64 {
        self.pump.received
    }

    /// What it waits for.
    pub const fn waits(&self) -> Waits {
        self.pump.waits
    }

    /// It may flow from now on: its rate counts from here. Before, the client waited for us or for the endpoint.
    pub fn begin_rate(&mut self, now: Moment) {
        self.started = now;
        self.next_check = now + RATE_GRACE;
    }

    /// When its rate has to be looked at next.
    pub const fn rate_check(&self) -> Moment {
        match self.min_rate {
            Some(_) => self.next_check,
            None => Moment::NEVER,
        }
    }

    /// Whether it comes too slowly: on average, after the first 10 s, while it is the client that is waited for.
    pub fn is_too_slow(&mut self, now: Moment) -> bool {
        let Some(rate) = self.min_rate else { return false };
        if now < self.next_check {
            return false;
        }
        self.next_check = now + RATE_STEP;
        let seconds = now.since(self.started).as_secs();
        self.pump.waits == Waits::Source && self.pump.received < rate.saturating_mul(seconds)
    }

    /// The decoder, to find the end of a body that nobody wants any more.
    pub fn into_decoder(self) -> BodyDecoder {
        self.pump.into_decoder()
    }
}

/// How the body is framed on its way up.
const fn coding(framing: Framing) -> Coding {
    match framing {
        Framing::Chunked | Framing::Frames(None) => Coding::Chunked,
        Framing::None | Framing::Length(_) | Framing::Close | Framing::Frames(Some(_)) => Coding::Plain,
    }
}
