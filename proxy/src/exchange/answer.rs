//! An upstream's answer on its way to the client: its head rewritten, its body relayed, both ends left in order.

mod events;
mod failure;
mod framing;

use std::future::poll_fn;
use std::task::{Context, Poll};

use switchboard_core::answer::phrase;
use switchboard_core::forwarding::{self, Framing as Outgoing, Persistence, ResponsePlan};
use switchboard_core::http1::{BodyDecoder, Framing};
use switchboard_core::message::Version;
use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;

use super::admit::Admitted;
use super::compress::Transform;
use super::record::Record;
use super::upload::Upload;
use super::{Next, keep, knows_chunks, must_close};
use super::{bond, cache, policy};
use crate::cache::Fill;
use crate::desk::Desk;
use crate::error::{ProxyError, Side};
use crate::http::Connection;
use crate::live::Permit;
use crate::relay::pace::Pace;
use crate::relay::{Coding, Pump, PumpError, Waits};
use crate::streams::Listed;
use crate::streams::view::Passed;
use crate::transport::Gone;
use crate::tunnel::quota::Place;
use crate::upstream::interim::Interim;
use crate::upstream::pool;
use events::Course;
pub(super) use failure::during_answer;
use framing::{declared, framing_of};
pub(super) use framing::{declared_length, ends_connection};

/// The connection that answers, and whose it is.
#[derive(Debug)]
pub struct Upstream {
    /// The connection.
    pub connection: pool::Connection,
    /// Its place in the endpoint's count.
    pub permit: Permit,
    /// Lines of ours for the client: what binds it to the endpoint, what the cache did; nearly always none.
    pub cookie: Vec<u8>,
    /// Its place among the rule's WebSockets, where these are counted.
    pub place: Option<Box<Place>>,
    /// Where its body is stored on its way.
    pub fill: Option<Box<Fill>>,
}

/// Relays the answer on `desk`. Once its head is on its way nothing can be answered any more: what goes wrong then
/// cuts the connection, and is noted in the record.
///
/// # Errors
/// `upstream_bad_response` where the head says what cannot be.
pub async fn relay(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    admitted: &Admitted,
    upload: &mut Upload,
    mut upstream: Upstream,
    interim: &mut Interim,
) -> Result<Next, ProxyError> {
    let framing = framing_of(desk)?;
    // A client that was never told to go on may send its body or not: nobody can tell what comes next.
    let undecided = interim.expected() && !upload.is_received();
    let close = must_close(connection, desk, record) || undecided;
    // Without a declared length it is a stream: listed, and held to no time-out of requests.
    let streams = !matches!(framing, Framing::None | Framing::Length(_) | Framing::Frames(Some(_)));
    let course =
        if streams || admitted.session.is_some() { events::course(desk, record, admitted, streams)? } else { None }; // 429, 502, 503
    let mut transform = Transform::of_answer(connection, desk, framing, admitted);
    let coding = write_head(desk, record, admitted, (framing, &transform), close)?;
    bond::add(&mut desk.output, &upstream.cookie);
    record.status = desk.answer.status;
    let trailers = record.generation.snapshot.limits.trailers as usize;
    let body = BodyDecoder::new(framing, trailers);
    let listed = streams.then(|| list(connection, record, &upstream)).flatten();
    let pump = Pump::new(body, coding, None).filling(upstream.fill.take()).compressing(transform.encoder.take());
    let mut download = Download::new((connection, &upstream, admitted), (pump, listed, course), record.started);
    if let Some(course) = &download.course {
        download.pump.watch(course.events());
    }
    let result = poll_fn(|context| download.poll(context, desk, upload, interim)).await;
    let Download { pump, excess, course, .. } = download;
    record.bytes_in = upload.received();
    record.bytes_out = pump.sent;
    if streams {
        connection.worker.counters.streams.sub(1);
    }
    if let Err(error) = result {
        let next = cut(connection, record, &error, coding, framing);
        cache::background::carry_on(connection, upstream, pump, &error);
        return Ok(next);
    }
    let left = pump.has_left();
    if left {
        let Broken { side, reason } = course.as_ref().map_or(Course::DRAINED, Course::cause);
        record.ended(side, reason);
        record.broken = true;
    }
    let reusable =
        !left && desk.answer.keep_alive && framing != Framing::Close && excess.is_empty() && upload.is_whole();
    if reusable {
        keep(connection, upstream);
    }
    if ends_connection(desk, framing, close) {
        return Ok(goodbye(connection, desk, upload));
    }
    Ok(Next::Request)
}

/// How a connection ends whose client knows that it does. What it sent behind its last request would make the close a
/// reset, which takes our answer with it.
fn goodbye(connection: &Connection, desk: &Desk, upload: &Upload) -> Next {
    let unread = || desk.input.filled().len() > desk.request.len + upload.consumed || !connection.transport.is_quiet();
    if desk.request.keep_alive || !upload.is_received() || unread() { Next::Linger } else { Next::Close }
}

/// Writes the answer's head into `desk.output`, and tells how its body is framed for this client.
pub(super) fn write_head(
    desk: &mut Desk,
    record: &Record,
    admitted: &Admitted,
    (framing, transform): (Framing, &Transform),
    close: bool,
) -> Result<Coding, ProxyError> {
    let framing = transform.framing(framing);
    let version = desk.request.version;
    // No endpoint has answered: what is on the desk was made here.
    let own = !record.answered.is_empty();
    let (coding, outgoing) = match framing {
        Framing::None if transform.changes_length() => (Coding::Plain, Outgoing::None),
        Framing::None => (Coding::Plain, declared(desk)),
        // Frames need no length: what the endpoint said of it stands, and nothing is added.
        Framing::Length(_) if version == Version::Http2 => (Coding::Plain, Outgoing::Declared),
        Framing::Length(length) | Framing::Frames(Some(length)) => (Coding::Plain, Outgoing::Length(length)),
        Framing::Chunked | Framing::Close | Framing::Frames(None) if knows_chunks(version) => {
            (Coding::Chunked, Outgoing::Chunked)
        }
        Framing::Chunked | Framing::Close | Framing::Frames(None) => (Coding::Plain, Outgoing::None),
    };
    let ends = ends_connection(desk, framing, close);
    let Desk { answer, answer_input, output, notes, request, input, .. } = desk;
    let bytes = answer_input.filled();
    forwarding::examine_response(&mut answer.fields, bytes)
        .map_err(|rejected| ProxyError::upstream(rejected.reason, rejected.detail))?;
    let mut lines = policy::answer_lines(&admitted.rule, &mut answer.fields, bytes, notes);
    transform.edit((&request.fields, input.filled()), &mut answer.fields, bytes, &mut lines);
    let plan = ResponsePlan {
        status: answer.status,
        phrase: if own { phrase(answer.status).as_bytes() } else { answer.reason.of(bytes) },
        framing: outgoing,
        persistence: match (ends, version) {
            (true, _) => Persistence::Close,
            (false, Version::Http10) => Persistence::KeepAlive,
            (false, Version::Http11 | Version::Http2) => Persistence::Implied,
        },
        upgrade: None,
        via: record.generation.snapshot.forwarded.via.then_some(answer.version).filter(|_| !own),
        request_id: None,
        lines: &lines,
    };
    output.clear();
    forwarding::write_response(output, &answer.fields, bytes, &plan);
    Ok(coding)
}

fn list(connection: &Connection, record: &Record, upstream: &Upstream) -> Option<Listed> {
    let rule = record.generation.rules.get(record.rule?.index())?;
    connection.worker.counters.streams_opened.add(1);
    connection.worker.counters.streams.add(1);
    Some(connection.worker.streams.list(rule, upstream.permit.endpoint(), &upstream.connection.transport))
}

/// Why an answer broke off.
#[derive(Clone, Copy, Debug)]
pub(super) struct Broken {
    pub(super) side: Side,
    pub(super) reason: Reason,
}

/// Ends a connection in the middle of an answer, so that the client can't take it for the whole.
pub(super) fn cut(
    connection: &Connection,
    record: &mut Record,
    broken: &Broken,
    coding: Coding,
    framing: Framing,
) -> Next {
    record.ended(broken.side, broken.reason);
    record.broken = true;
    // Neither a close nor a clean end of a stream may pass for the end of the body.
    let bounded = matches!(framing, Framing::Length(_) | Framing::Frames(Some(_)));
    if (coding == Coding::Plain && !bounded) || connection.transport.takes_heads() {
        connection.transport.reset_on_close();
    }
    Next::Close
}

/// Both directions while an answer flows.
struct Download<'a> {
    connection: &'a Connection,
    upstream: &'a Upstream,
    admitted: &'a Admitted,
    pump: Pump,
    listed: Option<Listed>,
    /// What it is besides, where it is an event stream.
    pace: Option<Pace>,
    course: Option<Course>,
    begun: bool,
    /// What the endpoint sent behind its answer. Such a connection is not used again (case 38).
    excess: Vec<u8>,
    since: Moment,
    moved: u64,
    ends: Moment,
}

impl<'a> Download<'a> {
    /// Nothing has moved yet.
    fn new(
        (connection, upstream, admitted): (&'a Connection, &'a Upstream, &'a Admitted),
        (pump, listed, course): (Pump, Option<Listed>, Option<Course>),
        started: Moment,
    ) -> Self {
        Self {
            connection,
            upstream,
            admitted,
            pump,
            listed,
            course,
            pace: policy::bandwidth(&admitted.rule).map(Pace::new),
            begun: false,
            excess: Vec::new(),
            since: Moment::ZERO,
            // No count is this one: the first look takes the time.
            moved: u64::MAX,
            ends: admitted.rule.timeouts.total.map_or(Moment::NEVER, |total| started + total),
        }
    }
}

impl Download<'_> {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        desk: &mut Desk,
        upload: &mut Upload,
        interim: &mut Interim,
    ) -> Poll<Result<(), Broken>> {
        self.connection.deadline.register(context);
        if !self.begun {
            self.begun = true;
            self.begin(context, desk, interim)?;
        }
        let (client, upstream) = (&self.connection.transport, &self.upstream.connection.transport);
        if !upload.is_over() {
            match upload.poll(context, client, upstream, &self.connection.worker) {
                Poll::Ready(Err(PumpError::Write(_))) | Poll::Ready(Ok(())) | Poll::Pending => {}
                Poll::Ready(Err(PumpError::TooLarge)) => return broken(Side::Downstream, Reason::BodyTooLarge),
                Poll::Ready(Err(PumpError::Malformed(_))) => return broken(Side::Downstream, Reason::BadRequest),
                Poll::Ready(Err(PumpError::Read(_) | PumpError::Truncated)) => {
                    return broken(Side::Downstream, Reason::ClientGone);
                }
            }
        }
        if let Some(pace) = &mut self.pace {
            self.pump.allowance = pace.allowance(self.connection.deadline.clock().about_now(), self.pump.received);
        }
        let mut scratch = self.connection.worker.scratch.borrow_mut();
        match self.pump.poll(context, upstream, client, &mut scratch, &mut self.excess) {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => return self.poll_lost(context, &error),
            Poll::Pending => {}
        }
        drop(scratch);
        self.poll_ends(context, upload)
    }

    /// Sends the head with what of the body came with it.
    fn begin(&mut self, context: &mut Context<'_>, desk: &mut Desk, interim: &mut Interim) -> Result<(), Broken> {
        let mut waiting = interim.take_pending();
        let head = if waiting.is_empty() {
            &mut desk.output
        } else {
            waiting.extend_from_slice(&desk.output);
            &mut waiting
        };
        let body = desk.answer_input.filled_mut().get_mut(desk.answer.len..).unwrap_or_default();
        let came = body.len();
        let client = &self.connection.transport;
        let mut consumed = 0;
        self.pump.start(context, client, head, body, &mut consumed).map_err(|error| during_answer(&error))?;
        if consumed < came {
            self.excess
                .extend_from_slice(desk.answer_input.filled().get(desk.answer.len + consumed..).unwrap_or_default());
        }
        if self.listed.is_some() {
            desk.tighten();
        }
        Ok(())
    }

    /// Looks for the reasons to stop while nothing moves: a client that is gone, an order, a time-out.
    fn poll_ends(&mut self, context: &mut Context<'_>, upload: &Upload) -> Poll<Result<(), Broken>> {
        let client = &self.connection.transport;
        if upload.is_over() {
            match client.poll_gone(context) {
                // Half of a connection is enough to read a file by; a stream has no end to wait for.
                Poll::Ready(Gone::Fin) if self.listed.is_some() => {
                    return broken(Side::Downstream, Reason::ClientGone);
                }
                Poll::Ready(Gone::Reset) => return broken(Side::Downstream, Reason::ClientGone),
                Poll::Ready(Gone::Fin) | Poll::Pending => {}
            }
        }
        if self.listed.as_ref().is_some_and(|listed| listed.heed(context).is_some()) {
            return self.poll_leave(context);
        }
        let timeouts = &self.admitted.rule.timeouts;
        let clock = self.connection.deadline.clock();
        // A client that is behind is waited for, whatever comes for the cache meanwhile.
        let behind = self.pump.owes();
        let received = if behind { 0 } else { self.pump.received };
        let moved = received.wrapping_add(self.pump.sent).wrapping_add(upload.moved());
        if moved != self.moved {
            self.moved = moved;
            self.since = clock.about_now();
            if let Some(listed) = &self.listed {
                listed.note(Passed { bytes: [upload.moved(), self.pump.sent], messages: None });
            }
        }
        let heartbeat = self.course.as_ref().and_then(Course::heartbeat);
        let waits = if behind { Waits::Sink } else { self.pump.waits };
        let (patience, side, reason) = match waits {
            Waits::Sink => (timeouts.write, Side::Downstream, Reason::ClientGone),
            Waits::Source if self.listed.is_some() => (heartbeat, Side::Upstream, Reason::ResponseTimeout),
            Waits::Source => (timeouts.idle, Side::Upstream, Reason::ResponseTimeout),
            Waits::Pace => return self.poll_pace(context),
        };
        let until = patience.map_or(Moment::NEVER, |patience| self.since + patience).min(self.ends);
        self.connection.deadline.set(until);
        if !self.connection.deadline.has_come() {
            return Poll::Pending;
        }
        if self.connection.worker.is_quitting() {
            return broken(Side::Proxy, Reason::Draining);
        }
        if heartbeat.is_some() && waits == Waits::Source && clock.about_now() < self.ends {
            self.beat(context)?;
            return Poll::Pending;
        }
        broken(side, reason)
    }

    /// Waits until the rule's bandwidth lets more pass.
    fn poll_pace(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let Some(pace) = &self.pace else { return Poll::Pending };
        match pace.poll(context, &self.connection.deadline, self.ends) {
            Poll::Ready(()) => broken(Side::Upstream, Reason::ResponseTimeout),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn broken(side: Side, reason: Reason) -> Poll<Result<(), Broken>> {
    Poll::Ready(Err(Broken { side, reason }))
}
