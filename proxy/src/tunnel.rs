//! What a connection is after an upgrade: two sockets and the bytes between them.
//!
//! A tunnel is a value (seam 6): a struct with a hand-written `poll` that holds no buffer while nothing flows, no timer
//! while nothing waits, and at each return can be taken apart into what another process would need to go on with it.

mod facts;
mod flow;

use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::Rule;

use crate::deadline::Deadline;
use crate::desk::Desk;
use crate::error::Side;
use crate::exchange::answer::Upstream;
use crate::exchange::record::Record;
use crate::http::{Connection, Held};
use crate::live::LongPermit;
use crate::streams::Listed;
use crate::transport::Transport;
use crate::worker::Worker;

use facts::Facts;
use flow::{Flow, Stop};

/// A tunnel that has not begun: the client's socket still belongs to its connection.
#[derive(Debug)]
pub struct Tunnel {
    upstream: Transport,
    up: Flow,
    down: Flow,
    permit: LongPermit,
    listed: Option<Listed>,
    facts: Box<Facts>,
}

/// A tunnel at work. One per WebSocket: its size is memory, and a test holds it to its budget.
#[derive(Debug)]
pub struct Running {
    client: Transport,
    upstream: Transport,
    up: Flow,
    down: Flow,
    deadline: Option<Deadline>,
    worker: Rc<Worker>,
    listed: Option<Listed>,
    permit: LongPermit,
    facts: Box<Facts>,
    _held: Option<Held>,
}

/// All that is needed to go on with a tunnel elsewhere: its sockets, and what each still has to be given.
#[derive(Debug)]
pub struct TunnelRecord {
    /// The client's socket.
    pub client: OwnedFd,
    /// The endpoint's socket.
    pub upstream: OwnedFd,
    /// Bytes that the client has not taken yet.
    pub to_client: Vec<u8>,
    /// Bytes that the endpoint has not taken yet.
    pub to_upstream: Vec<u8>,
    /// Whether the client has ended its side.
    pub client_ended: bool,
    /// Whether the endpoint has ended its side.
    pub upstream_ended: bool,
}

impl Tunnel {
    /// Prepares the tunnel of the exchange on `desk`: the 101 in `desk.output` goes to the client, what it sent
    /// `ahead` goes to the endpoint.
    pub fn begin(
        connection: &Connection,
        desk: &Desk,
        record: &Record,
        rule: &Arc<Rule>,
        token: &[u8],
        ahead: Vec<u8>,
        upstream: Upstream,
    ) -> Box<Self> {
        let Upstream { connection: kept, permit } = upstream;
        let mut to_client = Vec::new();
        if connection.transport.takes_heads() {
            // A client that is gone is found by the first use of the tunnel.
            let _ = connection.transport.send_head(&desk.output, false);
        } else {
            to_client.extend_from_slice(&desk.output);
        }
        to_client.extend_from_slice(desk.answer_input.filled().get(desk.answer.len..).unwrap_or_default());
        let live = record.rule.and_then(|id| record.generation.rules.get(id.index()));
        let worker = &connection.worker;
        worker.counters.tunnels_opened.add(1);
        worker.counters.tunnels.add(1);
        Box::new(Self {
            upstream: kept.transport,
            up: Flow::new(ahead),
            down: Flow::new(to_client),
            listed: live.map(|live| worker.streams.list(live, permit.endpoint())),
            facts: Box::new(Facts::pack(desk, record, rule, token, worker.deadlines.now())),
            permit: permit.outlive(),
        })
    }

    /// Gives the tunnel its client and a task of its own; the connection's task ends.
    pub fn launch(self, worker: Rc<Worker>, connection: Connection) {
        let Self { upstream, up, down, permit, listed, facts } = self;
        let (client, held) = connection.into_parts();
        let running =
            Running { client, upstream, up, down, deadline: None, worker, listed, permit, facts, _held: held };
        tokio::task::spawn_local(running);
    }
}

impl Running {
    /// Takes the tunnel apart. Only between two polls, so nothing is half done. `None` where an end of it is a stream of
    /// an HTTP/2 connection: that can't be had without its connection.
    pub fn park(mut self) -> Option<TunnelRecord> {
        let (to_client, to_upstream) = (self.down.take_pending(), self.up.take_pending());
        let (client_ended, upstream_ended) = (self.up.has_ended(), self.down.has_ended());
        // What is left of `self` only counts; its sockets are moved out.
        let Self { client, upstream, .. } = self;
        Some(TunnelRecord {
            client: client.into_descriptor()?,
            upstream: upstream.into_descriptor()?,
            to_client,
            to_upstream,
            client_ended,
            upstream_ended,
        })
    }

    fn poll_flows(&mut self, context: &mut Context<'_>) -> Poll<Option<(Side, Reason)>> {
        if self.listed.as_ref().is_some_and(|listed| listed.must_end(context)) {
            return Poll::Ready(Some((Side::Proxy, Reason::Draining)));
        }
        let worker = Rc::clone(&self.worker);
        let mut scratch = worker.scratch.borrow_mut();
        let room = scratch.len().min(self.facts.buffer());
        let scratch = scratch.get_mut(..room).unwrap_or_default();
        let up = self.up.poll(context, &self.client, &self.upstream, scratch, &worker.deadlines);
        let down = self.down.poll(context, &self.upstream, &self.client, scratch, &worker.deadlines);
        match (up, down) {
            (Poll::Ready(Stop::SourceFailed), _) => self.fail(Side::Downstream, Reason::ClientGone),
            (_, Poll::Ready(Stop::SourceFailed)) => self.fail(Side::Upstream, Reason::UpstreamReset),
            (Poll::Ready(Stop::SinkFailed), _) => self.fail(Side::Upstream, Reason::UpstreamReset),
            (_, Poll::Ready(Stop::SinkFailed)) => self.fail(Side::Downstream, Reason::ClientGone),
            (Poll::Ready(Stop::Ended), Poll::Ready(Stop::Ended)) => Poll::Ready(None),
            (Poll::Ready(Stop::Ended), Poll::Pending) | (Poll::Pending, Poll::Ready(Stop::Ended) | Poll::Pending) => {
                self.poll_patience(context)
            }
        }
    }

    /// The side that did not fail must not take it for an end: it is reset too (case 112).
    fn fail(&self, side: Side, reason: Reason) -> Poll<Option<(Side, Reason)>> {
        self.client.reset_on_close();
        self.upstream.reset_on_close();
        Poll::Ready(Some((side, reason)))
    }

    /// A tunnel has a timer only while somebody takes nothing, or while one side has ended.
    fn poll_patience(&mut self, context: &Context<'_>) -> Poll<Option<(Side, Reason)>> {
        // The side that has stalled for longest: the other may come and go meanwhile.
        let stalled = [self.up.stalled_since, self.down.stalled_since].into_iter().flatten().min();
        let ended = self.up.ended_at.max(self.down.ended_at);
        if stalled.is_none() && ended.is_none() {
            self.deadline = None;
            return Poll::Pending;
        }
        let clock = &self.worker.deadlines;
        let timeouts = self.facts.timeouts();
        let latest = |since: Option<Moment>, patience: Option<std::time::Duration>| match (since, patience) {
            (Some(since), Some(patience)) => since + patience,
            _ => Moment::NEVER,
        };
        let (by_write, by_fin) = (latest(stalled, timeouts.write), latest(ended, timeouts.tunnel_fin));
        let deadline = self.deadline.get_or_insert_with(|| clock.place());
        deadline.register(context);
        deadline.set(by_write.min(by_fin));
        if !deadline.has_come() {
            return Poll::Pending;
        }
        if by_write > by_fin {
            return Poll::Ready(None);
        }
        let side = if self.down.stalled_since == stalled { Side::Downstream } else { Side::Upstream };
        self.fail(side, if side == Side::Downstream { Reason::ClientGone } else { Reason::UpstreamReset })
    }

    fn close(&mut self, end: Option<(Side, Reason)>) {
        let worker = &self.worker;
        worker.counters.tunnels.sub(1);
        let (up, down) = (self.up.moved, self.down.moved);
        self.facts.close(worker, self.permit.endpoint(), up, down, end);
    }
}

impl Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        match this.poll_flows(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(end) => {
                this.close(end);
                Poll::Ready(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DESIGN: at most 512 bytes for a tunnel, 256 for what its log line needs.
    #[test]
    fn a_tunnel_stays_within_its_budget() {
        assert!(size_of::<Running>() <= 512, "a tunnel takes {} bytes", size_of::<Running>());
        assert!(size_of::<Facts>() <= 256, "its facts take {} bytes", size_of::<Facts>());
    }
}
