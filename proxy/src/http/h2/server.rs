//! A client's HTTP/2 connection: it is one task that moves frames, and a task for each of its streams.
//!
//! A stream is answered by the same `exchange::serve` as a request of HTTP/1. This file knows when the connection has
//! to end: floods, silence, age, a drain. It never looks into a request beyond its head.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason as Code;
use h2::server::{Builder, SendResponse};
use switchboard_core::config::Http2;
use switchboard_core::http2::{Malformed, Meter};
use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;

use super::Stream;
use super::head::{self, Terms};
use super::io::{Io, Pulse};
use super::place::{Open, Place};
use crate::error::ProxyError;
use crate::exchange::{self, Next};
use crate::http::Connection;
use crate::transport::Transport;
use crate::worker::caught;

/// How many streams count as one request of HTTP/1 towards `limits.requests_per_connection` (SECURITY §3.3: 10,000).
const STREAMS_PER_REQUEST: u32 = 10;

/// Bytes that one stream may have waiting for the socket.
pub(super) const SEND_BUFFER: usize = 64 * 1024;

/// How long a connection that was told to end may take for it when nothing is open on it.
const GOODBYE: Duration = Duration::from_secs(2);

/// The connection as its frame layer holds it.
#[derive(Debug)]
struct Shared(Rc<Connection>);

impl AsRef<Transport> for Shared {
    fn as_ref(&self) -> &Transport {
        &self.0.transport
    }
}

/// Serves a connection whose client speaks HTTP/2. `came` was read of it already, preface included.
pub(in crate::http) async fn serve(connection: Connection, came: Vec<u8>) {
    let connection = Rc::new(connection);
    let worker = Rc::clone(&connection.worker);
    let (http2, head) = {
        let generation = worker.generation();
        (generation.config.http2, generation.snapshot.limits.head)
    };
    let meter = Meter::server(http2.resets, worker.deadlines.about_now());
    let pulse = Pulse::metered(meter, Rc::clone(&worker.deadlines));
    let io = Io { owner: Shared(Rc::clone(&connection)), came, pulse: Rc::clone(&pulse) };
    let mut handshake = pin!(settings(&http2, head).handshake::<_, Bytes>(io));
    connection.deadline.set_in(worker.generation().snapshot.timeouts.head);
    let frames = poll_fn(|context| {
        connection.deadline.register(context);
        match handshake.as_mut().poll(context) {
            Poll::Pending if connection.deadline.has_come() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            polled => polled.map_err(io::Error::other),
        }
    })
    .await;
    match frames {
        Ok(frames) => Serving::new(connection, frames, pulse).run().await,
        Err(error) => tracing::debug!(%error, "an HTTP/2 connection did not begin"),
    }
}

fn settings(http2: &Http2, head: u32) -> Builder {
    let mut settings = Builder::new();
    settings
        .initial_window_size(http2.stream_window)
        .initial_connection_window_size(http2.connection_window)
        .max_concurrent_streams(http2.streams)
        .max_header_list_size(head)
        .max_send_buffer_size(SEND_BUFFER)
        .max_local_error_reset_streams(Some(http2.resets as usize))
        .enable_connect_protocol();
    settings
}

/// A connection at work.
struct Serving {
    connection: Rc<Connection>,
    frames: h2::server::Connection<Io<Shared>, Bytes>,
    pulse: Rc<Pulse>,
    open: Rc<Open>,
    served: u32,
    /// Since when no stream has been open.
    idle: Option<Moment>,
    /// When the client was told to open no more streams.
    leaving: Option<Moment>,
    /// It did what no connection may, and is read no more.
    cut: bool,
}

impl Serving {
    fn new(connection: Rc<Connection>, frames: h2::server::Connection<Io<Shared>, Bytes>, pulse: Rc<Pulse>) -> Self {
        let open = Rc::new(Open::default());
        Self { connection, frames, pulse, open, served: 0, idle: None, leaving: None, cut: false }
    }

    async fn run(mut self) {
        poll_fn(|context| self.poll(context)).await;
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.connection.deadline.register(context);
        loop {
            match self.frames.poll_accept(context) {
                Poll::Ready(Some(Ok((request, respond)))) => self.answer(request, respond),
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "an HTTP/2 connection broke");
                    return Poll::Ready(());
                }
                Poll::Ready(None) => return Poll::Ready(()),
                // What changes here has still to be sent.
                Poll::Pending if self.must_say() => {}
                Poll::Pending => break,
            }
        }
        self.open.wake_when_turning(context);
        self.poll_patience()
    }

    /// Begins what has to be said to the client besides answers; true where something was begun.
    fn must_say(&mut self) -> bool {
        if self.cut {
            return false;
        }
        if let Some(breach) = self.pulse.breach() {
            self.cut = true;
            self.leave();
            let client = self.connection.peer.ip();
            tracing::debug!(?client, too_many = breach.what(), "an HTTP/2 connection was cut");
            self.connection.worker.counters.floods.add(1);
            self.frames.abrupt_shutdown(Code::from(breach.code()));
            return true;
        }
        if self.leaving.is_none() && self.must_leave() {
            self.leave();
            // In two steps: a GOAWAY that refuses nothing, and the real one when the client has seen it (§6.8).
            self.frames.graceful_shutdown();
            return true;
        }
        false
    }

    fn leave(&mut self) {
        self.leaving = Some(self.connection.worker.deadlines.about_now());
    }

    fn must_leave(&mut self) -> bool {
        let worker = &self.connection.worker;
        if worker.is_draining() {
            return true;
        }
        let generation = worker.generation();
        let limits = &generation.snapshot.limits;
        let now = worker.deadlines.about_now();
        let most = limits.requests_per_connection.map(|most| most.saturating_mul(STREAMS_PER_REQUEST));
        most.is_some_and(|most| self.served >= most)
            || limits.connection_age.is_some_and(|age| now.since(self.connection.opened) >= age)
            || self.silence_ends() <= now
    }

    /// When a client that asks nothing has had its time. The first head has to come as fast as any.
    fn silence_ends(&self) -> Moment {
        let timeouts = self.connection.worker.generation().snapshot.timeouts;
        let (since, patience) = match self.served {
            0 => (Some(self.connection.opened), timeouts.head),
            _ => (self.idle, timeouts.keep_alive),
        };
        after(since, patience)
    }

    /// Sets the time-out of what is waited for; ready when the connection has had its time.
    fn poll_patience(&mut self) -> Poll<()> {
        let worker = Rc::clone(&self.connection.worker);
        let now = worker.deadlines.about_now();
        if self.open.count() > 0 {
            self.idle = None;
        } else {
            self.idle.get_or_insert(now);
        }
        let timeouts = worker.generation().snapshot.timeouts;
        // Streams that are open may finish, unless the connection is cut.
        let goodbye = match (self.leaving, self.idle) {
            (Some(leaving), _) if self.cut => Some(leaving),
            (Some(leaving), Some(idle)) => Some(leaving.max(idle)),
            (Some(_) | None, _) => None,
        };
        let ends = after(self.pulse.stalled(), timeouts.write)
            .min(after(self.pulse.within(), timeouts.head))
            .min(after(goodbye, Some(GOODBYE)));
        if ends <= now {
            return Poll::Ready(());
        }
        let asks = if self.leaving.is_none() { self.silence_ends() } else { Moment::NEVER };
        self.connection.deadline.set(ends.min(asks));
        Poll::Pending
    }

    /// Gives a stream a task of its own.
    fn answer(&mut self, request: http::Request<h2::RecvStream>, mut respond: SendResponse<Bytes>) {
        self.served += 1;
        let worker = Rc::clone(&self.connection.worker);
        let (parts, body) = request.into_parts();
        let ended = body.is_end_stream();
        let terms = Terms {
            scheme: self.connection.peer.scheme(),
            trusted: self.connection.peer.trusted(),
            fields: worker.generation().snapshot.limits.fields as usize,
        };
        let id = worker.next_id();
        let nonce = id.as_bytes().first_chunk().copied().unwrap_or_default();
        let mut desk = worker.desks.lend();
        let refused = match head::request(&parts, ended, &terms, nonce, &mut desk) {
            Ok(()) => None,
            Err(Malformed::TooLarge) => {
                Some(ProxyError::client(Reason::HeadTooLarge, "The head has more fields than limits.fields allows."))
            }
            Err(malformed) => {
                tracing::debug!(?malformed, "a malformed request was reset");
                worker.counters.reason(Reason::BadRequest);
                worker.desks.take_back(desk);
                respond.send_reset(Code::PROTOCOL_ERROR);
                return;
            }
        };
        let stream = Stream::request(body, respond, Place::take(&self.open));
        let mut connection = self.connection.stream(Transport::Stream(Box::new(stream)));
        tokio::task::spawn_local(async move {
            let exchange = async move {
                let mut rest = None;
                let next = match refused {
                    None => exchange::serve(&mut connection, desk, &mut rest).await,
                    Some(error) => {
                        rest = Some(desk);
                        Box::pin(exchange::refuse_head(&mut connection, &mut rest, error)).await
                    }
                };
                if let Some(desk) = rest {
                    connection.worker.desks.take_back(desk);
                }
                if let Next::Tunnel(tunnel) = next {
                    tunnel.launch(Rc::clone(&connection.worker), connection);
                }
            };
            if caught(pin!(exchange)).await.is_err() {
                worker.counters.panics.add(1);
                tracing::error!("a stream was closed by a panic; this is a bug, please report it");
            }
        });
    }
}

/// The moment at which a patience that runs since then is over.
fn after(since: Option<Moment>, patience: Option<Duration>) -> Moment {
    since.zip(patience).map_or(Moment::NEVER, |(since, patience)| since + patience)
}
