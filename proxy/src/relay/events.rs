//! The event stream in a pump: what the proxy may say between two events, and where it may end the stream.
//!
//! An answer that is no event stream has none of this. What passes is looked at, never held back.

use std::task::{Context, Poll, ready};

use switchboard_core::sse::{self, Scanner};

use super::{Pump, PumpError};
use crate::transport::Transport;

/// What is known of the stream.
#[derive(Debug, Default)]
pub struct Events {
    scanner: Scanner,
    /// What the proxy says before it ends the stream, between two events; empty while nobody wants that.
    last_words: Vec<u8>,
    /// The proxy has ended it.
    left: bool,
}

impl Events {
    /// Looks at payload that has come. Returns how much of it goes on: less than all where the stream ends.
    fn pass(&mut self, payload: &[u8]) -> usize {
        let mut at = 0;
        while let Some(rest @ [_, ..]) = payload.get(at..) {
            if self.is_leaving() && self.scanner.is_between() {
                break;
            }
            at += self.scanner.next(rest);
            // Nobody asks for ids.
            self.scanner.take_id();
        }
        self.left = self.is_leaving() && self.scanner.is_between();
        at
    }

    const fn is_leaving(&self) -> bool {
        !self.last_words.is_empty()
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

    /// Frames and offers payload of an event stream.
    #[cold]
    pub(super) fn emit_events(
        &mut self,
        context: &mut Context<'_>,
        sink: &Transport,
        head: &[u8],
        payload: &[u8],
    ) -> Result<(), PumpError> {
        let Some(events) = &mut self.events else { return Ok(()) };
        let passed = events.pass(payload);
        let payload = payload.get(..passed).unwrap_or_default();
        if !events.left {
            return self.emit_behind(context, sink, head, payload);
        }
        let last = [payload, &events.last_words].concat();
        self.complete = true;
        self.emit_behind(context, sink, head, &last)
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

    /// Gives the client of an event stream a sign of life, where one may stand.
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
