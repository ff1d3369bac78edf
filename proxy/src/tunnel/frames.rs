//! What a WebSocket's tunnel knows of the frames in it: both lanes, who closed first, how long Pings take.
//!
//! One allocation per WebSocket, reached in passing. Tunnels of other protocols have none.

use std::time::Duration;

use switchboard_core::access;
use switchboard_core::config::WebSocket;
use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::websocket::frame::{Halt, Sender, Until};

use super::flow::Flow;
use super::goodbye::{Goodbye, meaning};
use super::keep::{self, Keep};
use super::lag::Lag;
use super::lane::{Lane, Noted};
use crate::deadline::Deadlines;
use crate::error::Side;
use crate::telemetry::counters::Counters;

/// What a side that is too slow is closed with: try again later.
const TRY_LATER: u16 = 1013;

/// Both directions.
#[derive(Debug)]
pub(super) struct Frames {
    /// From the client.
    pub(super) up: Lane,
    /// From the endpoint.
    pub(super) down: Lane,
    /// What its rule asks of it by the clock.
    pub(super) keep: Option<Box<Keep>>,
    /// An end that the proxy has decided on.
    pub(super) goodbye: Option<Goodbye>,
    /// Whether the endpoint, and the client, have been given the proxy's Close.
    said: [bool; 2],
    /// Messages' ends are waited for no longer.
    hurried: bool,
    /// One side has broken RFC 6455, and the other may still answer what came before that.
    last_words: bool,
    /// Who sent a Close first, and with which code.
    pub(super) closed: Option<(Side, u16)>,
    /// The longest that a Pong took, from either side.
    pub(super) slowest_pong: Option<Duration>,
    /// When the last Ping passed that has no Pong yet, from the client and from the endpoint.
    pings: [Option<Moment>; 2],
}

/// Who is to be given a Close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    /// The endpoint.
    pub(super) upstream: bool,
    /// The client.
    pub(super) client: bool,
}

impl Frames {
    /// Begins `now`, held to a rule's `limits`. `extensions` is what the handshake agreed on.
    pub(super) fn new(
        extensions: u8,
        limits: Option<&WebSocket>,
        buffer: usize,
        now: Moment,
        clock: &Deadlines,
    ) -> Self {
        let [client, server] = keep::bounds(limits);
        let mut up = Lane::new(Sender::Client, extensions, client, Lag::new(limits, buffer));
        let mut down = Lane::new(Sender::Server, extensions, server, Lag::new(limits, buffer));
        let keep = Keep::new(limits, now, clock);
        if let Some(keep) = &keep {
            keep.attach(&mut up, &mut down);
        }
        Self {
            up,
            down,
            keep,
            goodbye: None,
            said: [false; 2],
            hurried: false,
            last_words: false,
            closed: None,
            slowest_pong: None,
            pings: [None; 2],
        }
    }

    /// Whether there is something for [`Self::heed`].
    #[inline]
    pub(super) const fn is_noted(&self) -> bool {
        self.up.is_noted() || self.down.is_noted()
    }

    /// Decides to end the tunnel, unless that is decided already.
    pub(super) fn begin_goodbye(&mut self, goodbye: Goodbye) {
        if self.goodbye.is_none() {
            self.goodbye = Some(goodbye);
            self.closed = self.closed.or(Some((Side::Proxy, goodbye.code)));
            self.up.pause(false);
            self.down.pause(false);
            self.last_words = goodbye.reason == Reason::FrameFault;
            match goodbye.side {
                Side::Downstream if self.last_words => self.down.await_last_words(),
                Side::Upstream if self.last_words => self.up.await_last_words(),
                Side::Downstream | Side::Upstream | Side::Proxy => self.seal(),
            }
        }
    }

    fn seal(&mut self) {
        self.up.seal_at(Until::Message);
        self.down.seal_at(Until::Message);
    }

    /// Whether [`Self::cut_short`] has still to be called.
    pub(super) const fn has_last_words(&self) -> bool {
        self.last_words
    }

    /// Waits for nobody's last words any longer.
    pub(super) fn cut_short(&mut self) {
        // Once: a later call would wait for the ends of messages again.
        if std::mem::take(&mut self.last_words) {
            self.seal();
        }
    }

    /// Whether there is nothing left to say or to hear: both sides have had a Close and given one, or have ended.
    pub(super) fn is_over(&self, up: &Flow, down: &Flow) -> bool {
        let over = |lane: &Lane, flow: &Flow| {
            let closed = lane.tally().close.is_some();
            flow.owes_nothing() && (closed || (lane.is_sealed() && flow.has_ended()))
        };
        over(&self.up, up) && over(&self.down, down)
    }

    /// Waits for the ends of messages no longer.
    pub(super) fn hurry(&mut self) {
        if std::mem::replace(&mut self.hurried, true) {
            return;
        }
        self.up.nudge();
        self.up.seal_at(Until::Frame);
        self.down.seal_at(Until::Frame);
    }

    /// Looks at what the lanes have noted.
    #[cold]
    pub(super) fn heed(&mut self, clock: &Deadlines) {
        // Sealing one lane by a fault seals the other where it stands at a boundary: that is noted in turn.
        while self.is_noted() {
            let (up, down) = (self.up.take_noted(), self.down.take_noted());
            self.note_pings(up, down, clock);
            self.note_close(up, down);
            for (lags, side) in [(up.lags, Side::Upstream), (down.lags, Side::Downstream)] {
                if lags {
                    let since = clock.about_now();
                    self.begin_goodbye(Goodbye { code: TRY_LATER, side, reason: Reason::SlowPeer, since });
                }
            }
            for (halt, side) in [(up.halt, Side::Downstream), (down.halt, Side::Upstream)] {
                self.note_halt(halt, side, clock);
            }
        }
    }

    /// Tells who is to be given the proxy's Close now, each once.
    ///
    /// A side that gets one sends no more of its own: in the middle of a message it would tear that. So where the proxy ends
    /// a tunnel by its own will, neither gets it before both are between two messages, unless that takes too long.
    pub(super) fn take_owed(&mut self) -> Owed {
        let at_once = self.hurried || self.goodbye.is_some_and(|goodbye| goodbye.side != Side::Proxy);
        let [to_upstream, to_client] = [self.up.is_sealed(), self.down.is_sealed()];
        let both = at_once || (to_upstream && to_client);
        let owed = Owed { upstream: to_upstream && both && !self.said[0], client: to_client && both && !self.said[1] };
        self.said = [self.said[0] | owed.upstream, self.said[1] | owed.client];
        owed
    }

    /// Messages that have passed, from the client and to it.
    #[inline]
    pub(super) const fn messages(&self) -> [u64; 2] {
        [self.up.tally().messages(), self.down.tally().messages()]
    }

    /// Adds what passed to what the worker counts.
    pub(super) fn count(&self, counters: &Counters) {
        let (up, down) = (self.up.tally(), self.down.tally());
        counters.messages_in.add(up.messages());
        counters.messages_out.add(down.messages());
        counters.messages_dropped.add(self.up.dropped() + self.down.dropped());
        counters.frame_faults.add(u64::from(up.faults) + u64::from(down.faults));
    }

    /// What the log is told.
    pub(super) fn facts(&self) -> access::Frames {
        let (up, down) = (self.up.tally(), self.down.tally());
        access::Frames {
            messages_in: up.messages(),
            messages_out: down.messages(),
            longest: up.longest.max(down.longest),
            faults: up.faults.saturating_add(down.faults),
            dropped: self.up.dropped() + self.down.dropped(),
            closed: self.closed.map(|(side, code)| (side.into(), code)),
            slowest_pong: self.slowest_pong,
        }
    }

    fn note_halt(&mut self, halt: Option<Halt>, side: Side, clock: &Deadlines) {
        if let Some((code, reason)) = halt.and_then(meaning) {
            self.begin_goodbye(Goodbye { code, side, reason, since: clock.about_now() });
        }
    }

    fn note_close(&mut self, up: Noted, down: Noted) {
        for (noted, side, lane) in [(up, Side::Downstream, &self.up), (down, Side::Upstream, &self.down)] {
            if let (true, None, Some(close)) = (noted.close, self.closed, lane.tally().close) {
                self.closed = Some((side, close.code()));
            }
        }
    }

    /// A Pong answers the last Ping (RFC 6455 §5.5.3): one without a Ping is a heartbeat and tells nothing.
    fn note_pings(&mut self, up: Noted, down: Noted, clock: &Deadlines) {
        if !(up.ping || up.pong || down.ping || down.pong) {
            return;
        }
        let now = clock.now();
        let [by_client, by_server] = &mut self.pings;
        for (ping, pong, sent) in [(up.ping, down.pong, by_client), (down.ping, up.pong, by_server)] {
            if ping {
                *sent = Some(now);
            }
            if pong && let Some(sent) = sent.take() {
                self.slowest_pong = self.slowest_pong.max(Some(now.since(sent)));
            }
        }
    }
}
