//! An HTTP/2 connection to an endpoint: many exchanges of one worker share it.
//!
//! `upstream` keeps them in its pools and asks for a stream per exchange. A connection ends by itself when nobody holds
//! it and no stream is open; one whose peer falls silent under open streams is found by a PING.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use switchboard_core::forwarding::Scheme;
use switchboard_core::http2::{Block, Code, Connection as Core, Event, Role};
use switchboard_core::moment::Moment;

use super::Stream;
use super::shared::Shared;
use super::wire::{End, Wire};
use crate::deadline::Deadline;
use crate::transport::Transport;
use crate::worker::Worker;

/// How long a peer may say nothing under open streams before it is asked, and how long it has to answer. Chosen: long
/// beside any round trip, short beside the patience of people.
const SILENCE: Duration = Duration::from_secs(15);

/// A connection that takes streams.
#[derive(Debug)]
pub struct Link {
    shared: Rc<Shared>,
    scheme: Scheme,
    ended: Rc<Cell<bool>>,
    /// Nobody will ask for streams any more.
    left: Rc<Cell<bool>>,
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
        let core = {
            let generation = worker.generation();
            let now = worker.deadlines.about_now();
            Core::new(Role::Client, generation.config.http2, generation.snapshot.limits.head, now)
        };
        let now = worker.deadlines.about_now();
        let (shared, left) = (Shared::new(core, transport.remote_address()), Rc::new(Cell::new(false)));
        let mut running = Running {
            transport,
            shared: Rc::clone(&shared),
            wire: Wire::new(Vec::new(), now),
            left: Rc::clone(&left),
            deadline: worker.deadlines.place(),
            read: 0,
            idle: true,
        };
        // The first thing that a peer says is SETTINGS: what it allows is known before it is asked for anything.
        poll_fn(|context| {
            deadline.register(context);
            match running.poll_frames(context) {
                Poll::Ready(result) => Poll::Ready(result.and(Err(io::ErrorKind::UnexpectedEof.into()))),
                Poll::Pending if shared.core.borrow().has_begun() => Poll::Ready(Ok(())),
                Poll::Pending if deadline.has_come() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await?;
        let ended = Rc::new(Cell::new(false));
        let over = Rc::clone(&ended);
        crate::reactor::spawn(async move {
            let result = poll_fn(|context| running.poll(context)).await;
            over.set(true);
            let lost = running.shared.core.borrow_mut().lose_all();
            running.shared.tell(lost);
            running.transport.finish();
            if let Err(error) = result {
                tracing::debug!(%error, "an HTTP/2 connection to an endpoint broke");
            }
        });
        let opened = worker.deadlines.now();
        Ok(Self { shared, scheme, ended, left, version, opened })
    }

    /// Whether it is of no use any more.
    pub fn has_ended(&self) -> bool {
        self.ended.get()
    }

    /// Whether the peer would take one more stream now.
    pub fn has_room(&self) -> bool {
        !self.ended.get() && self.shared.core.borrow().may_open()
    }

    /// Whether the peer takes tunnels (RFC 8441 §3).
    pub fn takes_tunnels(&self) -> bool {
        self.shared.core.borrow().takes_tunnels()
    }

    /// Whether no stream is open on it.
    pub fn is_idle(&self) -> bool {
        self.shared.core.borrow().held() == 0
    }

    /// A stream for one exchange; it opens with its head.
    pub fn stream(&self) -> Stream {
        Stream::of_link(Rc::clone(&self.shared), self.scheme)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.left.set(true);
        self.shared.wake_task();
    }
}

/// The task of a connection.
struct Running {
    transport: Transport,
    shared: Rc<Shared>,
    wire: Wire,
    left: Rc<Cell<bool>>,
    deadline: Deadline,
    /// Bytes that had come when the peer was last heard of.
    read: u64,
    /// No stream was open when that was looked at.
    idle: bool,
}

impl Running {
    /// Ready when the connection is over.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.left.get() && self.shared.core.borrow().held() == 0 {
            self.shared.core.borrow_mut().leave_at_once();
        }
        if let Poll::Ready(result) = self.poll_frames(context) {
            return Poll::Ready(result);
        }
        self.poll_silence(context)
    }

    fn poll_frames(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.register_task(context);
        let now = self.deadline.clock().about_now();
        let shared = &self.shared;
        let end = self.wire.receive(context, &self.transport, shared, now, |core, event| match event {
            Event::Answer(key, ended) => {
                let block = core.take_block(Block::default());
                if !shared.put_head(key, block, ended) {
                    core.reset(key, Code::Calm);
                }
                shared.tell(event);
            }
            Event::Request(..) | Event::Came(_) | Event::Room(_) | Event::RoomForAll | Event::LostMany => {
                shared.tell(event);
            }
        });
        let sent = self.wire.send(context, &self.transport, &self.shared, now);
        match end {
            Poll::Ready(End::Closed(error)) => Poll::Ready(Err(error)),
            Poll::Ready(End::Fault(fault)) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, format!("{:?}", fault.code))))
            }
            Poll::Pending => {
                let core = self.shared.core.borrow();
                match sent {
                    Ok(()) if core.is_over() && core.outgoing().is_empty() => Poll::Ready(Ok(())),
                    Ok(()) => Poll::Pending,
                    Err(error) => Poll::Ready(Err(error)),
                }
            }
        }
    }

    /// Asks a peer that has said nothing for long while streams are open.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.deadline.register(context);
        let held = self.shared.core.borrow().held();
        if held == 0 {
            self.deadline.set(Moment::NEVER);
            self.idle = true;
            return Poll::Pending;
        }
        if std::mem::take(&mut self.idle) || self.read != self.wire.read {
            self.read = self.wire.read;
            self.deadline.set_in(Some(SILENCE));
            return Poll::Pending;
        }
        if !self.deadline.has_come() {
            return Poll::Pending;
        }
        if !self.shared.core.borrow_mut().ask() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.deadline.set_in(Some(SILENCE));
        // It has still to be sent.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
