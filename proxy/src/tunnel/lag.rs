//! A side that takes less than the other sends: what `websocket.on_lag` does then, and what all tunnels together may hold.
//!
//! By default nothing is read while the sink owes (back-pressure). A rule that would rather lose messages, or the
//! connection, reads on into what is pending, up to `limits.tunnel_buffer` and one read more.

use std::sync::atomic::{AtomicU64, Ordering};

use switchboard_core::config::websocket::{OnLag, WebSocket};
use switchboard_core::websocket::frame::{Backlog, Scanner};

/// What is done for the sink of one direction. Only where a rule asks for it.
#[derive(Debug)]
pub(super) struct Lag {
    on_lag: OnLag,
    /// The most that may be pending.
    most: usize,
    /// What is pending, message by message.
    backlog: Option<Backlog>,
    /// Messages that were left out.
    pub(super) dropped: u64,
    /// More is pending than may be, and the rule wants the tunnel closed.
    over: bool,
}

impl Lag {
    /// What a rule asks for; nothing where its tunnels slow the sender down.
    pub(super) fn new(limits: Option<&WebSocket>, most: usize) -> Option<Box<Self>> {
        let on_lag = limits?.on_lag;
        (on_lag != OnLag::Backpressure).then(|| Box::new(Self { on_lag, most, backlog: None, dropped: 0, over: false }))
    }

    /// Whether some of what is pending may be left out.
    pub(super) fn is_lossy(&self) -> bool {
        self.on_lag == OnLag::DropOldest
    }

    /// Whether more may be read while `pending` bytes wait for the sink.
    pub(super) fn reads_on(&self, pending: usize) -> bool {
        match self.on_lag {
            OnLag::Backpressure => false,
            OnLag::Close => !self.over,
            OnLag::DropOldest => pending < self.most || self.backlog.as_ref().is_some_and(Backlog::is_lossy),
        }
    }

    /// Takes bytes that go on behind what is pending. `before` is where their scanner stood before them. Where nothing was
    /// pending, the sink may have `taken` some of them already. The first `under_way` bytes of what is pending then can't be
    /// left out.
    pub(super) fn add(
        &mut self,
        before: &Scanner,
        pending: &mut Vec<u8>,
        bytes: &[u8],
        taken: usize,
        under_way: usize,
    ) {
        let row = pending.len();
        pending.extend_from_slice(bytes.get(taken..).unwrap_or_default());
        match self.on_lag {
            OnLag::Backpressure => {}
            OnLag::Close => self.over |= pending.len() > self.most,
            OnLag::DropOldest => {
                let backlog = self.backlog.get_or_insert_with(|| Backlog::after(before));
                backlog.add(row, bytes);
                backlog.take(taken);
                backlog.pin(under_way);
                while pending.len() > self.most
                    && let Some(range) = backlog.leave_out()
                {
                    pending.drain(range);
                    self.dropped += 1;
                }
            }
        }
    }

    /// The sink has taken so much of what is pending, of which so much is left.
    pub(super) fn take(&mut self, taken: usize, left: usize) {
        match &mut self.backlog {
            Some(_) if left == 0 => self.backlog = None,
            Some(backlog) => backlog.take(taken),
            None => {}
        }
    }

    /// Whether the tunnel is to be closed.
    pub(super) const fn is_over(&self) -> bool {
        self.over
    }
}

/// What all tunnels of the proxy hold for slow readers, in bytes.
#[derive(Debug, Default)]
pub struct Held(AtomicU64);

/// What a tunnel may still read at once where that is all that may be held.
const LITTLE: usize = 1024;

impl Held {
    /// How much.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// How much of `room` a tunnel may read at once, where all may hold `most` bytes.
    #[inline]
    pub(super) fn room(&self, room: usize, most: u64) -> usize {
        if self.bytes() < most { room } else { room.min(LITTLE) }
    }

    /// A tunnel holds `now` bytes instead of `before`.
    pub(super) fn change(&self, before: u32, now: u32) {
        if now >= before {
            self.0.fetch_add(u64::from(now - before), Ordering::Relaxed);
        } else {
            self.0.fetch_sub(u64::from(before - now), Ordering::Relaxed);
        }
    }
}
