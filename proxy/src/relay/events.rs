//! The event stream in a pump: what the proxy may say between two events, and where it may end the stream.
//!
//! An answer that is no event stream has none of this. What passes is looked at, and held back only where a client that
//! came back may have had it already ([`Resumed`]).

mod resumed;

use std::task::{Context, Poll, ready};

use switchboard_core::sse::{self, Scanner};

use super::{Pump, PumpError};
use crate::transport::Transport;

pub use resumed::Resumed;

/// What is known of the stream.
#[derive(Debug, Default)]
pub struct Events {
    scanner: Scanner,
    /// What the proxy says before it ends the stream, between two events; empty while nobody wants that.
    last_words: Vec<u8>,
    /// The proxy has ended it.
    left: bool,
    /// What is kept of it, and given to a client that came back.
    resumed: Option<Box<Resumed>>,
    /// What came from the source while the client is still given what it has missed, and whether that was all.
    waiting: (Vec<u8>, bool),
}

impl Events {
    /// Begins a stream of which a session is kept, where there is one.
    pub fn new(resumed: Option<Resumed>) -> Box<Self> {
        Box::new(Self { resumed: resumed.map(Box::new), ..Self::default() })
    }

    /// Looks at payload that has come and writes what goes on to `out`, unless all of it does: less where the stream ends
    /// in it, or the client has had some of it.
    fn pass(&mut self, payload: &[u8], out: &mut Vec<u8>) -> bool {
        let (mut at, mut whole) = (0, true);
        while let Some(rest @ [_, ..]) = payload.get(at..) {
            if self.is_leaving() && self.scanner.is_between() {
                whole = false;
                break;
            }
            let taken = self.scanner.next(rest);
            let piece = rest.get(..taken).unwrap_or_default();
            at += taken;
            let ended = self.scanner.is_between().then(|| self.scanner.take_id());
            match &mut self.resumed {
                None => out.extend_from_slice(piece),
                Some(resumed) => whole &= resumed.pass(piece, ended, out),
            }
        }
        self.left = self.is_leaving() && self.scanner.is_between();
        whole && !self.left
    }

    const fn is_leaving(&self) -> bool {
        !self.last_words.is_empty()
    }

    fn owes_missed(&self) -> bool {
        self.resumed.as_ref().is_some_and(|resumed| resumed.owes_missed())
    }
}

impl Pump {
    /// Has the body looked at as an event stream.
    pub fn watch(&mut self, events: Box<Events>) {
        self.events = Some(events);
    }

    /// Whether the proxy has ended the event stream before its source did.
    pub fn has_left(&self) -> bool {
        self.events.as_ref().is_some_and(|events| events.left)
    }

    /// Frames and offers payload of an event stream; before it, what its client has missed.
    #[cold]
    pub(super) fn emit_events(
        &mut self,
        context: &mut Context<'_>,
        sink: &Transport,
        head: &[u8],
        payload: &[u8],
    ) -> Result<(), PumpError> {
        let Some(events) = &mut self.events else { return Ok(()) };
        if events.owes_missed() {
            events.waiting.0.extend_from_slice(payload);
            events.waiting.1 |= std::mem::take(&mut self.complete);
            return self.emit_missed(context, sink, head);
        }
        let mut out = Vec::new();
        if events.pass(payload, &mut out) {
            return self.emit_behind(context, sink, head, payload);
        }
        if events.left {
            out.extend_from_slice(&events.last_words);
            self.complete = true;
        }
        self.emit_behind(context, sink, head, &out)
    }

    /// Goes on with what the client has missed, and then with what came meanwhile. Tells whether there was any.
    #[cold]
    pub(super) fn emit_more(&mut self, context: &mut Context<'_>, sink: &Transport) -> Result<bool, PumpError> {
        let Some(events) = &mut self.events else { return Ok(false) };
        if events.owes_missed() {
            self.emit_missed(context, sink, &[])?;
            return Ok(true);
        }
        let (payload, done) = std::mem::take(&mut events.waiting);
        if payload.is_empty() && !done {
            return Ok(false);
        }
        self.complete |= done;
        self.emit_events(context, sink, &[], &payload)?;
        Ok(true)
    }

    fn emit_missed(&mut self, context: &mut Context<'_>, sink: &Transport, head: &[u8]) -> Result<(), PumpError> {
        let mut portion = Vec::new();
        if let Some(events) = &mut self.events
            && let Some(resumed) = &mut events.resumed
            && !resumed.missed(&mut portion)
        {
            // It is no longer there. The client comes back and is told so by the endpoint.
            portion = sse::retry(1000);
            events.left = true;
            self.complete = true;
        }
        self.emit_behind(context, sink, head, &portion)
    }

    fn emit_behind(
        &mut self,
        context: &mut Context<'_>,
        sink: &Transport,
        head: &[u8],
        payload: &[u8],
    ) -> Result<(), PumpError> {
        if !head.is_empty() && sink.takes_heads() {
            return self.start_frames(context, sink, head, payload);
        }
        self.emit(context, sink, head, payload)
    }

    /// Gives the client of an event stream a sign of life, where one may stand. Tells whether it did.
    ///
    /// # Errors
    /// When the sink failed.
    pub fn beat(&mut self, context: &mut Context<'_>, sink: &Transport) -> Result<bool, PumpError> {
        let may = self.events.as_ref().is_some_and(|events| events.scanner.is_between() && !events.left);
        if !may || self.owes() || self.complete {
            return Ok(false);
        }
        self.emit(context, sink, &[], sse::HEARTBEAT)?;
        Ok(true)
    }

    /// Ends an event stream as soon as it stands between two events, behind these last words (never empty). Ready when
    /// the sink has taken them; until then [`Pump::poll`] goes on.
    pub fn poll_leave(
        &mut self,
        context: &mut Context<'_>,
        sink: &Transport,
        last_words: &[u8],
    ) -> Poll<Result<(), PumpError>> {
        let Some(events) = &mut self.events else { return Poll::Pending };
        if !events.is_leaving() {
            events.last_words.extend_from_slice(last_words);
        }
        if !self.complete && !self.owes() {
            self.emit_events(context, sink, &[], &[])?;
        }
        if !self.complete {
            return Poll::Pending;
        }
        ready!(self.poll_flush(context, sink))?;
        Poll::Ready(self.say_end(sink))
    }
}
