//! Sends one attempt and reads the head of its answer, while the request's body goes on flowing.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use switchboard_core::config::Timeouts;
use switchboard_core::forwarding::Peer;
use switchboard_core::http1::{HeadLimits, Progress};
use switchboard_core::moment::Moment;
use switchboard_core::proxy_header::Ends;
use switchboard_core::reason::Reason;

use super::connect::connect;
use super::interim::Interim;
use super::link;
use super::pool::Connection;
use crate::deadline::Deadline;
use crate::desk::Desk;
use crate::error::{ProxyError, Retry};
use crate::exchange::record::Record;
use crate::exchange::upload::Upload;
use crate::http::h2::Unprocessed;
use crate::live::EndpointLive;
use crate::reactor;
use crate::relay::{PumpError, Waits};
use crate::transport::{Gone, Transport};
use crate::worker::Worker;

/// What an attempt works with.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The worker.
    pub worker: &'a Worker,
    /// Who the client is.
    pub peer: &'a Peer,
    /// The client's socket: the body comes from it, interim answers go to it.
    pub client: &'a Transport,
    /// Others wait for the answer too: it does not matter whether the client stays.
    pub shared: bool,
    /// The connection's time-out.
    pub deadline: &'a Deadline,
    /// The rule's time-outs.
    pub timeouts: &'a Timeouts,
    /// How long this attempt may wait for its first byte, where it is not the last that there may be.
    pub per_try: Option<Duration>,
    /// Bounds on the answer's head.
    pub limits: &'a HeadLimits,
    /// When the whole exchange has to be over.
    pub ends: Moment,
    /// It asks for an upgrade, which HTTP/2 has only where an endpoint says so (RFC 8441).
    pub upgrades: bool,
}

/// Sends the head in `desk.output` with what of the body is there, and returns the connection when `desk.answer` is
/// a final head or a 101.
///
/// # Errors
/// Everything that can go wrong before an answer begins, on either side.
pub async fn send(
    attempt: &Attempt<'_>,
    endpoint: &EndpointLive,
    desk: &mut Desk,
    upload: &mut Upload,
    interim: &mut Interim,
    record: &mut Record,
) -> Result<Connection, ProxyError> {
    let worker = attempt.worker;
    let now = record.attempted();
    let mut kept = worker.pools.borrow_mut().take(endpoint, now, attempt.upgrades);
    // Who follows an answer within its turn would open a connection beside one that is good a moment later.
    if kept.is_none() && !attempt.upgrades && worker.pools.borrow().will_have(endpoint) {
        reactor::next_turn().await;
        kept = worker.pools.borrow_mut().take(endpoint, now, attempt.upgrades);
    }
    let connection = match kept {
        Some(connection) => {
            worker.counters.upstream_reused.add(1);
            connection
        }
        None => {
            let left = (attempt.ends != Moment::NEVER).then(|| attempt.ends.since(record.clock(worker)));
            let patience = [attempt.timeouts.connect, left].into_iter().flatten().min();
            let ends = endpoint.send_proxy_protocol.and_then(|_| attempt.ends_of_client());
            let fresh = if endpoint.h2c {
                Box::pin(link::open(attempt, endpoint, patience, ends, now)).await?
            } else {
                let alone = attempt.upgrades || endpoint.send_proxy_protocol.is_some();
                let fresh =
                    connect(worker, endpoint, attempt.watched(), attempt.deadline, patience, ends, alone).await?;
                link::share(attempt, endpoint, fresh, now).await?
            };
            record.connected_in(fresh.opened.since(now));
            fresh
        }
    };
    desk.answer_input.clear();
    desk.answer.clear();
    // The request goes out now: the way to the endpoint had a time-out of its own.
    let since = now.max(connection.opened);
    let mut state = Sending { attempt, begun: false, since, moved: 0, heard: false, held_back: false };
    let result = poll_fn(|context| state.poll(context, &connection.transport, desk, upload, interim, record)).await;
    match result {
        Ok(()) => Ok(connection),
        // Before a byte came back, nothing has been answered: it can be asked again, if that does no harm.
        Err(error) if error.reason == Reason::UpstreamReset && error.retry == Retry::Never && !state.heard => {
            // A stream that was reset is no connection that had been closed.
            let kept = connection.reused && !connection.transport.takes_heads();
            Err(error.retry(match (kept, upload.sent()) {
                (true, 0) => Retry::Unwritten,
                (true, _) => Retry::Stale,
                (false, _) => Retry::Lost,
            }))
        }
        Err(error) if error.reason == Reason::ResponseTimeout && !state.heard => Err(error.retry(Retry::Late)),
        Err(error) => Err(error),
    }
}

impl<'a> Attempt<'a> {
    /// Whose leaving ends it.
    pub const fn watched(&self) -> Option<&'a Transport> {
        if self.shared { None } else { Some(self.client) }
    }

    /// The two ends of the client's connection, as far as they have addresses.
    fn ends_of_client(&self) -> Option<Ends> {
        let source = self.peer.address()?;
        let any = SocketAddr::new(if source.is_ipv4() { [0; 4].into() } else { [0; 16].into() }, 0);
        let reached = self.client.local_address().unwrap_or(any);
        let destination = SocketAddr::new(reached.ip(), self.peer.local_port().unwrap_or(reached.port()));
        Some(Ends { source, destination })
    }

    /// How long a first byte is waited for; once one has come, the rest of the head has the rule's whole time.
    fn first_byte(&self, heard: bool) -> Option<Duration> {
        let per_try = self.per_try.filter(|_| !heard);
        [self.timeouts.first_byte, per_try].into_iter().flatten().min()
    }
}

struct Sending<'a> {
    attempt: &'a Attempt<'a>,
    begun: bool,
    /// Since when nothing has moved.
    since: Moment,
    /// The upload's counters when something last moved.
    moved: u64,
    /// A byte of the answer has come.
    heard: bool,
    /// The client keeps the body back until it hears a 100.
    held_back: bool,
}

impl Sending<'_> {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        upstream: &Transport,
        desk: &mut Desk,
        upload: &mut Upload,
        interim: &mut Interim,
        record: &mut Record,
    ) -> Poll<Result<(), ProxyError>> {
        let attempt = self.attempt;
        attempt.deadline.register(context);
        if !self.begun {
            self.begun = true;
            upload.start(context, upstream, desk).map_err(before_answer)?;
            upload.begin_rate(self.since);
            self.held_back = interim.expected() && upload.received() == 0;
            self.moved = upload.moved();
        }
        if !upload.is_over()
            && let Poll::Ready(result) = upload.poll(context, attempt.client, upstream, attempt.worker)
        {
            result.map_err(before_answer)?;
        }
        interim.poll_flush(context, attempt.client)?;
        if let Poll::Ready(result) = self.poll_answer(context, upstream, desk, interim, record) {
            return Poll::Ready(result);
        }
        if upload.is_over() && !attempt.shared && attempt.client.poll_gone(context) == Poll::Ready(Gone::Reset) {
            return Poll::Ready(Err(ProxyError::gone()));
        }
        self.poll_patience(upload, interim)
    }

    /// Reads heads until a final one is whole.
    fn poll_answer(
        &mut self,
        context: &mut Context<'_>,
        upstream: &Transport,
        desk: &mut Desk,
        interim: &mut Interim,
        record: &mut Record,
    ) -> Poll<Result<(), ProxyError>> {
        let limits = self.attempt.limits;
        if upstream.takes_heads() {
            return self.poll_head(context, upstream, desk, interim, record);
        }
        loop {
            if !desk.answer_input.is_empty() {
                match desk.answer.parse(desk.answer_input.filled(), limits) {
                    Ok(Progress::Partial) => {}
                    Ok(Progress::Complete) if is_interim(desk.answer.status) => {
                        interim.relay(context, self.attempt.client, desk)?;
                        self.attempt.worker.counters.status(100);
                        desk.answer_input.consume(desk.answer.len);
                        desk.answer.clear();
                        self.since = self.attempt.worker.deadlines.about_now();
                        continue;
                    }
                    Ok(Progress::Complete) => return Poll::Ready(Ok(())),
                    Err(error) => {
                        let error = ProxyError::upstream(Reason::UpstreamBadResponse, error.detail());
                        return Poll::Ready(Err(error));
                    }
                }
            }
            let space = desk.answer_input.space(limits.head + 1);
            match upstream.poll_read(context, space) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(reset(None))),
                Poll::Ready(Ok(read)) => {
                    desk.answer_input.fill(read);
                    self.hear(record);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(reset(Some(error)))),
            }
        }
    }

    /// The same where heads come whole.
    fn poll_head(
        &mut self,
        context: &mut Context<'_>,
        upstream: &Transport,
        desk: &mut Desk,
        interim: &mut Interim,
        record: &mut Record,
    ) -> Poll<Result<(), ProxyError>> {
        loop {
            ready!(upstream.poll_head(context, desk, self.attempt.limits.fields))
                .map_err(|error| reset(Some(error)))?;
            self.hear(record);
            if !is_interim(desk.answer.status) {
                return Poll::Ready(Ok(()));
            }
            interim.relay(context, self.attempt.client, desk)?;
            self.attempt.worker.counters.status(100);
            self.since = self.attempt.worker.deadlines.about_now();
        }
    }

    /// Notes that something of the answer is there, and when the first of it was.
    fn hear(&mut self, record: &mut Record) {
        if !self.heard {
            self.heard = true;
            self.since = record.clock(self.attempt.worker);
            record.first_byte(self.since);
        }
    }

    /// Decides what is being waited for, and whether it has been waited for too long.
    fn poll_patience(&mut self, upload: &mut Upload, interim: &Interim) -> Poll<Result<(), ProxyError>> {
        let attempt = self.attempt;
        let moved = upload.moved();
        if moved != self.moved {
            self.moved = moved;
            self.since = attempt.deadline.clock().about_now();
        }
        if self.held_back && !(interim.expected() && upload.received() == 0) {
            self.held_back = false;
            upload.begin_rate(attempt.deadline.clock().about_now());
        }
        let sending = !upload.is_over() && !self.heard;
        let rated = sending && !self.held_back;
        let (patience, reason, detail) = match upload.waits() {
            _ if !sending => {
                (attempt.first_byte(self.heard), Reason::ResponseTimeout, "The endpoint did not answer in time.")
            }
            // A client that was promised a 100 sends nothing until the endpoint has spoken: the endpoint is waited for.
            Waits::Source if interim.expected() => {
                (attempt.first_byte(self.heard), Reason::ResponseTimeout, "The endpoint did not answer in time.")
            }
            // Nobody sets the pace of a request's body.
            Waits::Source | Waits::Pace => {
                (attempt.timeouts.body, Reason::BodyTimeout, "The request's body stopped before its end.")
            }
            Waits::Sink => {
                (attempt.timeouts.write, Reason::ResponseTimeout, "The endpoint stopped taking the request.")
            }
        };
        let until = patience.map_or(Moment::NEVER, |patience| self.since + patience).min(attempt.ends);
        let check = |upload: &Upload| if rated { upload.rate_check() } else { Moment::NEVER };
        attempt.deadline.set(until.min(check(upload)));
        if !attempt.deadline.has_come() {
            return Poll::Pending;
        }
        if attempt.worker.is_quitting() {
            return Poll::Ready(Err(ProxyError::own(
                Reason::Draining,
                "The proxy ends, and the time for its requests is over.",
            )));
        }
        let now = attempt.deadline.clock().now();
        if rated && upload.is_too_slow(now) {
            let detail = "The request's body came more slowly than limits.body_min_rate allows.";
            return Poll::Ready(Err(ProxyError::client(Reason::BodyTimeout, detail)));
        }
        if now < until {
            // The rate was looked at and is good enough: it is looked at again later.
            attempt.deadline.set(until.min(check(upload)));
            return Poll::Pending;
        }
        Poll::Ready(Err(match reason {
            Reason::BodyTimeout => ProxyError::client(reason, detail),
            _ => ProxyError::upstream(reason, detail),
        }))
    }
}

const fn is_interim(status: u16) -> bool {
    status >= 100 && status < 200 && status != 101
}

fn reset(source: Option<io::Error>) -> ProxyError {
    let error = ProxyError::upstream(Reason::UpstreamReset, "The endpoint closed the connection before it answered.");
    let Some(source) = source else { return error };
    let error = match source.kind() {
        io::ErrorKind::InvalidData => {
            ProxyError::upstream(Reason::UpstreamBadResponse, "The endpoint's answer breaks the rules of HTTP/2.")
        }
        io::ErrorKind::Unsupported => {
            let detail = "The endpoint takes no WebSocket over HTTP/2 (RFC 8441): write its address with http://.";
            ProxyError::upstream(Reason::UpgradeFailed, detail)
        }
        _ if source.get_ref().is_some_and(|source| source.is::<Unprocessed>()) => error.retry(Retry::Unwritten),
        _ => error,
    };
    error.because(source)
}

/// What a failure of the request's body means while no answer has begun.
fn before_answer(error: PumpError) -> ProxyError {
    match error {
        PumpError::Read(source) => ProxyError::gone().because(source),
        PumpError::Truncated => ProxyError::gone(),
        PumpError::Malformed(error) => ProxyError::client(error.reason(), error.detail()),
        PumpError::TooLarge => {
            ProxyError::client(Reason::BodyTooLarge, "The request's body is larger than this route's max_body.")
        }
        PumpError::Write(source) => reset(Some(source)),
    }
}
