//! What an answer needs that is an event stream: a place among those of its rule, signs of life, and an end between two
//! events. Every other answer goes by this file.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use switchboard_core::message::Name;
use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::sse;

use super::{Broken, Download, during_answer};
use crate::desk::Desk;
use crate::error::{ProxyError, Side};
use crate::exchange::admit::Admitted;
use crate::exchange::record::Record;
use crate::exchange::resume::Session;
use crate::relay::PumpError;
use crate::relay::events::{Events, Resumed};
use crate::tunnel::quota::{self, Place};

/// How long an event may take to its end once the stream is to end. As long as a WebSocket's message may.
const PATIENCE: Duration = Duration::from_secs(5);

/// The earliest that a client is asked to come back, and over how much longer all of them come: both chosen, so that a
/// restart has time and a crowd no common beat.
const BACK: Duration = Duration::from_secs(1);
const SPREAD: Duration = Duration::from_secs(4);

/// An event stream under way.
#[derive(Debug)]
pub(super) struct Course {
    heartbeat: Option<Duration>,
    /// Since when it is to end.
    leaving: Option<Moment>,
    /// Why it ends before its source has ended.
    cause: Broken,
    session: Option<Rc<Session>>,
    _place: Option<Box<Place>>,
}

/// What the answer on `desk` needs where it is an event stream that can be read, and `streams`: without declared length.
///
/// # Errors
/// `overloaded` or `rate_limited` where the rule, or its client, has as many as it may; `upstream_bad_response` where the
/// client was to get what it missed, and can't.
pub(super) fn course(
    desk: &Desk,
    record: &Record,
    admitted: &Admitted,
    streams: bool,
) -> Result<Option<Course>, ProxyError> {
    let (fields, bytes) = (&desk.answer.fields, desk.answer_input.filled());
    let events = fields.named(Name::ContentType).any(|field| sse::is_event_stream(field.value.of(bytes)));
    // What is compressed can't be read, nor anything put into it.
    let coded = |value: &[u8]| !value.eq_ignore_ascii_case(b"identity");
    if !events || desk.answer.status != 200 {
        return Ok(None);
    }
    if !streams || fields.matching(bytes, b"content-encoding").any(|field| coded(field.value.of(bytes))) {
        // It was asked for what follows the newest event that is kept, and that can't be put in front.
        if admitted.session.as_ref().is_some_and(|session| session.missed().is_some()) {
            let detail = "The endpoint compressed an event stream that was to be resumed, or declared its length.";
            return Err(ProxyError::upstream(Reason::UpstreamBadResponse, detail));
        }
        return Ok(None);
    }
    let limits = admitted.rule.sse.as_deref();
    let place = limits.map(|limits| quota::enter_stream(record, limits.max_streams)).transpose()?.flatten();
    let heartbeat = limits.and_then(|limits| limits.heartbeat);
    let session = admitted.session.clone();
    Ok(Some(Course { heartbeat, leaving: None, cause: Course::DRAINED, session, _place: place }))
}

impl Course {
    /// The proxy, or its rule, is going.
    pub(super) const DRAINED: Broken = Broken { side: Side::Proxy, reason: Reason::Draining };

    /// What its pump has to know.
    pub(super) fn events(&self) -> Box<Events> {
        Events::new(self.session.as_ref().map(Resumed::new))
    }

    /// Why it ended before its source had.
    pub(super) const fn cause(&self) -> Broken {
        self.cause
    }

    /// How long it may be silent.
    pub(super) const fn heartbeat(&self) -> Option<Duration> {
        self.heartbeat
    }
}

impl Download<'_> {
    /// Ends the answer by the proxy's own will: an event stream between two events, with a word on when to come back;
    /// anything else at once.
    pub(super) fn poll_leave(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Some(course) = &mut self.course else { return Poll::Ready(Err(Course::DRAINED)) };
        let deadline = &self.connection.deadline;
        let clock = deadline.clock();
        let now = clock.about_now();
        let until = *course.leaving.get_or_insert(now) + PATIENCE;
        let back = BACK + SPREAD / 256 * u32::from(clock.chance());
        let words = sse::retry(u32::try_from(back.as_millis()).unwrap_or(u32::MAX));
        match self.pump.poll_leave(context, &self.connection.transport, &words) {
            Poll::Ready(result) => Poll::Ready(result.map_err(|error| during_answer(&error))),
            Poll::Pending if now >= until => Poll::Ready(Err(Course::DRAINED)),
            Poll::Pending => {
                deadline.set(until);
                Poll::Pending
            }
        }
    }

    /// The answer can't go on. An event stream that its client may resume ends as it should, if it stands between two
    /// events: then the client comes back sooner than after an error.
    pub(super) fn poll_lost(&mut self, context: &mut Context<'_>, error: &PumpError) -> Poll<Result<(), Broken>> {
        let cause = during_answer(error);
        let lost = matches!(error, PumpError::Read(_) | PumpError::Truncated);
        let Some(course) = self.course.as_mut().filter(|course| lost && course.session.is_some()) else {
            return Poll::Ready(Err(cause));
        };
        course.cause = cause;
        let left = self.pump.poll_leave(context, &self.connection.transport, &sse::retry(1000));
        if !self.pump.has_left() {
            return Poll::Ready(Err(cause));
        }
        left.map(|result| result.map_err(|error| during_answer(&error)))
    }

    /// The silence of an event stream has lasted: its client gets a sign of life, and the next silence begins.
    pub(super) fn beat(&mut self, context: &mut Context<'_>) -> Result<(), Broken> {
        let said = self.pump.beat(context, &self.connection.transport).map_err(|error| during_answer(&error))?;
        if said {
            self.connection.worker.counters.heartbeats.add(1);
        }
        self.since = self.connection.deadline.clock().about_now();
        // What it took has to be waited for, and the deadline to be set anew.
        context.waker().wake_by_ref();
        Ok(())
    }
}
