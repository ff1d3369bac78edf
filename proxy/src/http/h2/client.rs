//! An HTTP/2 connection to an endpoint: many exchanges of one worker share it.
//!
//! `upstream` keeps them in its pools and asks for a stream per exchange. A connection ends by itself when nobody holds
//! it and no stream is open; one whose peer falls silent under open streams is found by a PING.

use std::cell::Cell;
use std::future::{Future as _, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use switchboard_core::config::Http2;
use switchboard_core::forwarding::Scheme;
use switchboard_core::moment::Moment;

use super::Stream;
use super::io::{Io, Pulse};
use super::place::{Open, Place};
use super::server::SEND_BUFFER;
use crate::deadline::Deadline;
use crate::transport::Transport;
use crate::worker::Worker;

/// How long a peer may say nothing under open streams before it is asked, and how long it has to answer. Chosen: long
/// beside any round trip, short beside the patience of people.
const SILENCE: Duration = Duration::from_secs(15);

impl AsRef<Transport> for Transport {
    fn as_ref(&self) -> &Transport {
        self
    }
}

/// A connection that takes streams.
#[derive(Debug)]
pub struct Link {
    requests: SendRequest<Bytes>,
    scheme: Scheme,
    open: Rc<Open>,
    ended: Rc<Cell<bool>>,
    /// Which list of places it was opened by: another list may lead elsewhere.
    pub version: u32,
    /// When it was opened.
    pub opened: Moment,
}

impl Link {
    /// Begins HTTP/2 on a connected transport, and waits until the peer has said that it speaks it.
    ///
    /// # Errors
    /// When it doesn't, or the deadline comes.
    pub async fn begin(
        worker: &Worker,
        transport: Transport,
        scheme: Scheme,
        version: u32,
        deadline: &Deadline,
    ) -> io::Result<Self> {
        let (http2, head) = {
            let generation = worker.generation();
            (generation.config.http2, generation.snapshot.limits.head)
        };
        let pulse = Pulse::unmetered(Rc::clone(&worker.deadlines));
        let io = Io { owner: transport, came: Vec::new(), pulse: Rc::clone(&pulse) };
        let (requests, frames) = settings(&http2, head).handshake(io).await.map_err(io::Error::other)?;
        let mut frames = Box::pin(frames);
        // The first thing that a peer says is SETTINGS: what it allows is known before it is asked for anything.
        poll_fn(|context| {
            deadline.register(context);
            match frames.as_mut().poll(context) {
                Poll::Ready(Ok(())) => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Err(error)) => Poll::Ready(Err(io::Error::other(error))),
                Poll::Pending if pulse.read() > 0 => Poll::Ready(Ok(())),
                Poll::Pending if deadline.has_come() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await?;
        let (open, ended) = (Rc::new(Open::default()), Rc::new(Cell::new(false)));
        let mut liveness = Liveness {
            pings: frames.ping_pong(),
            pulse,
            open: Rc::clone(&open),
            deadline: worker.deadlines.place(),
            read: 0,
            asked: false,
        };
        let over = Rc::clone(&ended);
        tokio::task::spawn_local(async move {
            let result = poll_fn(|context| match frames.as_mut().poll(context) {
                Poll::Ready(result) => Poll::Ready(result.map_err(io::Error::other)),
                Poll::Pending => liveness.poll(context),
            })
            .await;
            over.set(true);
            if let Err(error) = result {
                tracing::debug!(%error, "an HTTP/2 connection to an endpoint broke");
            }
        });
        let opened = worker.deadlines.now();
        Ok(Self { requests, scheme, open, ended, version, opened })
    }

    /// Whether it is of no use any more.
    pub fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Whether the peer would take one more stream now.
    pub fn has_room(&self) -> bool {
        !self.ended.get() && (self.open.count() as usize) < self.requests.current_max_send_streams()
    }

    /// Whether no stream is open on it.
    pub fn is_idle(&self) -> bool {
        self.open.count() == 0
    }

    /// A stream for one exchange; it opens with its head.
    pub fn stream(&self) -> Stream {
        Stream::of_link(self.requests.clone(), self.scheme, Place::take(&self.open))
    }
}

fn settings(http2: &Http2, head: u32) -> Builder {
    let mut settings = Builder::new();
    settings
        .initial_window_size(http2.stream_window)
        .initial_connection_window_size(http2.connection_window)
        .max_header_list_size(head)
        .max_send_buffer_size(SEND_BUFFER)
        .enable_push(false);
    settings
}

/// Asks a peer that has said nothing for long while streams are open.
struct Liveness {
    pings: Option<h2::PingPong>,
    pulse: Rc<Pulse>,
    open: Rc<Open>,
    deadline: Deadline,
    read: u64,
    asked: bool,
}

impl Liveness {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.deadline.register(context);
        let Some(pings) = &mut self.pings else { return Poll::Pending };
        if self.asked && pings.poll_pong(context).is_ready() {
            self.asked = false;
        }
        let read = self.pulse.read();
        if self.open.count() == 0 || self.read != read {
            self.read = read;
            self.asked = false;
            self.deadline.set(if self.open.count() == 0 {
                Moment::NEVER
            } else {
                self.deadline.clock().about_now() + SILENCE
            });
            self.open.wake_when_turning(context);
            return Poll::Pending;
        }
        if !self.deadline.has_come() {
            return Poll::Pending;
        }
        if self.asked {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.asked = pings.send_ping(h2::Ping::opaque()).is_ok();
        self.deadline.set_in(Some(SILENCE));
        // The frame layer has to be polled again to send it.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
