//! What a connection is after an upgrade: two sockets and the bytes between them.
//!
//! A tunnel is a value (seam 6): a struct with a hand-written `poll` that holds no buffer while nothing flows, no timer
//! while nothing waits, and at each return can be taken apart into what another process would need to go on with it.

mod facts;
mod flow;
mod frames;
mod goodbye;
mod keep;
pub mod lag;
mod lane;
mod patience;
pub mod quota;

use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use switchboard_core::message::Name;
use switchboard_core::policy::places::Occupied;
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::Rule;
use switchboard_core::websocket::Upgrade;

use switchboard_core::websocket::frame;

use crate::deadline::Deadline;
use crate::desk::Desk;
use crate::error::Side;
use crate::exchange::answer::Upstream;
use crate::exchange::record::Record;
use crate::http::{Connection, Held};
use crate::live::LongPermit;
use crate::streams::Listed;
use crate::streams::view::Passed;
use crate::transport::Transport;
use crate::worker::Worker;

use facts::Facts;
use flow::{Flow, Stop};
use frames::Frames;
use goodbye::Goodbye;
pub use goodbye::PATIENCE as GOODBYE;
use quota::Place;

/// Why a tunnel ended, where neither side simply ended it.
type End = Option<(Side, Reason)>;

/// A tunnel that has not begun: the client's socket still belongs to its connection.
#[derive(Debug)]
pub struct Tunnel {
    upstream: Transport,
    up: Flow,
    down: Flow,
    permit: LongPermit,
    listed: Option<Listed>,
    facts: Box<Facts>,
    frames: Option<Box<Frames>>,
    place: Option<Box<Place>>,
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
    frames: Option<Box<Frames>>,
    /// What it holds for slow readers, as far as that is counted.
    counted: u32,
    _held: (Option<Held>, Vec<Occupied>),
    _place: Option<Box<Place>>,
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
        upgrade: &Upgrade,
        ahead: Vec<u8>,
        upstream: Upstream,
    ) -> Box<Self> {
        let Upstream { connection: kept, permit, place, .. } = upstream;
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
        let listed = live.map(|live| worker.streams.list(live, permit.endpoint(), &kept.transport));
        worker.counters.tunnels_opened.add(1);
        worker.counters.tunnels.add(1);
        Box::new(Self {
            upstream: kept.transport,
            up: Flow::new(ahead),
            down: Flow::new(to_client),
            listed,
            facts: Box::new(Facts::pack(
                desk,
                record,
                rule,
                upgrade.token().unwrap_or_default(),
                worker.deadlines.now(),
            )),
            frames: matches!(upgrade, Upgrade::WebSocket(_)).then(|| {
                let head = desk.answer_input.filled();
                let agreed = desk.answer.fields.named(Name::SecWebSocketExtensions);
                let bits = agreed.fold(0, |bits, field| bits | frame::extension_bits(field.value.of(head)));
                let clock = &worker.deadlines;
                let buffer = record.generation.snapshot.limits.tunnel_buffer as usize;
                Box::new(Frames::new(bits, rule.websocket.as_deref(), buffer, clock.about_now(), clock))
            }),
            permit: permit.outlive(),
            place,
        })
    }

    /// Gives the tunnel its client and a task of its own; the connection's task ends.
    pub fn launch(self, worker: Rc<Worker>, connection: Connection) {
        let Self { upstream, up, down, permit, listed, facts, frames, place } = self;
        let (client, held) = connection.into_parts();
        let running = Running {
            client,
            upstream,
            up,
            down,
            deadline: None,
            worker,
            listed,
            permit,
            facts,
            frames,
            counted: 0,
            _place: place,
            _held: held,
        };
        crate::reactor::spawn(running);
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

    fn poll_flows(&mut self, context: &mut Context<'_>) -> Poll<End> {
        if let Some(code) = self.listed.as_ref().and_then(|listed| listed.heed(context))
            && (self.worker.is_quitting() || !self.say_goodbye(code, Side::Proxy, Reason::Draining))
        {
            return Poll::Ready(Some((Side::Proxy, Reason::Draining)));
        }
        let (up, down) = loop {
            let stops = self.poll_both(context);
            self.count_held();
            if !self.frames.as_ref().is_some_and(|frames| frames.is_noted()) {
                break stops;
            }
            self.heed_frames();
        };
        if let Some(listed) = &self.listed {
            let messages = self.frames.as_ref().map(|frames| frames.messages());
            listed.note(Passed { bytes: [self.up.moved, self.down.moved], messages });
        }
        match (up, down) {
            (Poll::Ready(Stop::SourceFailed), _) => self.fail(Side::Downstream, Reason::ClientGone),
            (_, Poll::Ready(Stop::SourceFailed)) => self.fail(Side::Upstream, Reason::UpstreamReset),
            (Poll::Ready(Stop::SinkFailed), _) => self.fail(Side::Upstream, Reason::UpstreamReset),
            (_, Poll::Ready(Stop::SinkFailed)) => self.fail(Side::Downstream, Reason::ClientGone),
            (Poll::Ready(Stop::Ended), Poll::Ready(Stop::Ended)) => Poll::Ready(self.goodbye()),
            (Poll::Ready(Stop::Ended), Poll::Pending) | (Poll::Pending, Poll::Ready(Stop::Ended) | Poll::Pending) => {
                self.poll_patience(context)
            }
        }
    }

    #[inline]
    fn poll_both(&mut self, context: &mut Context<'_>) -> (Poll<Stop>, Poll<Stop>) {
        let worker = &*self.worker;
        let mut scratch = worker.scratch.borrow_mut();
        let room = scratch.len().min(self.facts.buffer());
        let room = worker.process.tunnels_held.room(room, self.facts.memory());
        let scratch = scratch.get_mut(..room).unwrap_or_default();
        let (up, down) = match &mut self.frames {
            Some(frames) => (Some(&mut frames.up), Some(&mut frames.down)),
            None => (None, None),
        };
        (
            self.up.poll(context, &self.client, &self.upstream, scratch, &worker.deadlines, up),
            self.down.poll(context, &self.upstream, &self.client, scratch, &worker.deadlines, down),
        )
    }

    /// Counts what is held for slow readers, where that has changed: nearly always nothing, before and after.
    #[inline]
    fn count_held(&mut self) {
        let now = self.up.pending() + self.down.pending();
        if now != self.counted as usize {
            let now = u32::try_from(now).unwrap_or(u32::MAX);
            self.worker.process.tunnels_held.change(self.counted, now);
            self.counted = now;
        }
    }

    /// Does what the frames that have just passed ask for: a lane that was sealed owes its sink a Close.
    #[cold]
    fn heed_frames(&mut self) {
        let Some(frames) = &mut self.frames else { return };
        frames.heed(&self.worker.deadlines);
        if let (None, Some(keep)) = (frames.goodbye, &mut frames.keep) {
            let lanes = [&mut frames.up, &mut frames.down];
            if let Some(goodbye) = keep.count([&self.up, &self.down], lanes, &self.worker.deadlines) {
                frames.begin_goodbye(goodbye);
            }
            return;
        }
        let Some(Goodbye { code, .. }) = frames.goodbye else { return };
        let owed = frames.take_owed();
        // Behind our FIN a Close would be an error.
        if owed.upstream && !frames.up.has_closed_sink() && !self.up.has_told_end() {
            frame::write_close(self.up.own_frames(), code, Some(self.worker.mask()));
        }
        if owed.client && !frames.down.has_closed_sink() && !self.down.has_told_end() {
            frame::write_close(self.down.own_frames(), code, None);
        }
    }

    /// Begins to end a WebSocket with a Close. A tunnel whose protocol is unknown has none to say: `false`.
    #[cold]
    fn say_goodbye(&mut self, code: u16, side: Side, reason: Reason) -> bool {
        let since = self.worker.deadlines.about_now();
        let Some(frames) = &mut self.frames else { return false };
        frames.begin_goodbye(Goodbye { code, side, reason, since });
        true
    }

    /// Why the tunnel ends by the proxy's doing, where it does.
    fn goodbye(&self) -> End {
        let goodbye = self.frames.as_ref()?.goodbye?;
        Some((goodbye.side, goodbye.reason))
    }

    /// The side that did not fail must not take it for an end: it is reset too (case 112).
    fn fail(&self, side: Side, reason: Reason) -> Poll<End> {
        // A peer that is gone after its Close, or ours, has failed at nothing.
        if self.frames.as_ref().is_some_and(|frames| frames.is_over(&self.up, &self.down)) {
            return Poll::Ready(self.goodbye());
        }
        self.client.reset_on_close();
        self.upstream.reset_on_close();
        Poll::Ready(self.goodbye().or(Some((side, reason))))
    }

    fn close(&mut self, end: End) {
        let worker = &self.worker;
        worker.counters.tunnels.sub(1);
        worker.process.tunnels_held.change(self.counted, 0);
        self.facts.close(worker, self.permit.endpoint(), [&self.up, &self.down], self.frames.as_deref(), end);
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
