//! One direction of a tunnel: read what is there, write it at once, keep what the sink does not take, wait.

use std::io::IoSlice;
use std::task::{Context, Poll};
use std::time::Duration;

use switchboard_core::moment::Moment;
use switchboard_core::websocket::frame::Scanner;

use super::lane::Lane;
use crate::deadline::Deadlines;
use crate::transport::Transport;

/// One record of TLS (RFC 8446 §5.1).
const LITTLE: usize = 16 * 1024;

/// One direction.
#[derive(Debug)]
pub(super) struct Flow {
    /// What the sink has still to take. While there is any, nothing is read: back-pressure reaches the source.
    pending: Vec<u8>,
    /// Bytes that came.
    pub(super) moved: u64,
    /// Since when the sink takes nothing.
    pub(super) stalled_since: Option<Moment>,
    /// The longest that it took nothing.
    pub(super) lag: Duration,
    /// When the source ended.
    pub(super) ended_at: Option<Moment>,
    /// The source's end was passed on.
    finished: bool,
}

/// Why a flow has stopped for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The source ended, all was taken, and the sink has been told.
    Ended,
    /// The source failed.
    SourceFailed,
    /// The sink failed.
    SinkFailed,
}

impl Flow {
    pub(super) const fn new(pending: Vec<u8>) -> Self {
        Self { pending, moved: 0, stalled_since: None, lag: Duration::ZERO, ended_at: None, finished: false }
    }

    pub(super) fn take_pending(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.ended_at.is_some()
    }

    /// Whether the sink has been told of the source's end: nothing may follow that.
    pub(super) const fn has_told_end(&self) -> bool {
        self.finished
    }

    /// Whether what the source sends is read as it comes.
    pub(super) fn is_read(&self, lane: &Lane) -> bool {
        self.ended_at.is_none() && !lane.is_paused() && (self.owes_nothing() || self.reads_on(Some(lane)))
    }

    /// Whether what the proxy says itself gets to the sink at once.
    pub(super) const fn is_free(&self) -> bool {
        self.ended_at.is_none() && self.owes_nothing()
    }

    /// Whether all that came has gone on.
    pub(super) const fn owes_nothing(&self) -> bool {
        self.pending.is_empty()
    }

    /// How many bytes wait for the sink.
    pub(super) const fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Where the proxy's own frames go, behind what the source sent before.
    pub(super) const fn own_frames(&mut self) -> &mut Vec<u8> {
        &mut self.pending
    }

    /// Moves what can be moved. With a lane, only what that lets pass; it stops where the lane has something to tell.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        source: &Transport,
        sink: &Transport,
        scratch: &mut [u8],
        clock: &Deadlines,
        mut lane: Option<&mut Lane>,
    ) -> Poll<Stop> {
        loop {
            if !self.pending.is_empty() {
                match self.poll_pending(context, sink, clock, lane.as_deref_mut()) {
                    Poll::Pending if self.reads_on(lane.as_deref()) => {}
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(stop)) => return Poll::Ready(stop),
                    Poll::Ready(Ok(())) => {}
                }
            }
            if self.ended_at.is_some() {
                if !self.finished {
                    self.finished = true;
                    sink.finish();
                }
                return Poll::Ready(Stop::Ended);
            }
            let held = match &lane {
                None => 0,
                Some(lane) if lane.is_paused() => return Poll::Pending,
                Some(lane) => lane.lead_in(scratch),
            };
            match source.poll_read(context, scratch.get_mut(held..).unwrap_or_default()) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Stop::SourceFailed),
                Poll::Ready(Ok(0)) => {
                    if self.note_end(clock, lane.as_deref_mut()) {
                        return Poll::Pending;
                    }
                }
                Poll::Ready(Ok(read)) => {
                    self.moved += read as u64;
                    let mut bytes = scratch.get(..held + read).unwrap_or_default();
                    if let Some(lane) = lane.as_mut().filter(|lane| lane.awaits_pong()) {
                        let Some(ours) = lane.swallow(bytes) else { continue };
                        bytes = bytes.get(ours..).unwrap_or_default();
                    }
                    let before = lane.as_ref().and_then(|lane| lane.mark());
                    let passed = lane.as_mut().map_or(bytes.len(), |lane| lane.pass(bytes));
                    let bytes = bytes.get(..passed).unwrap_or_default();
                    if let (Some(before), Some(lane)) = (before, lane.as_deref_mut()) {
                        match self.offer_lossy(context, sink, bytes, &before, lane) {
                            Err(stop) => return Poll::Ready(stop),
                            // One read at a time, whatever the source has: nobody else is to wait for what is left out.
                            Ok(true) => {
                                context.waker().wake_by_ref();
                                return Poll::Pending;
                            }
                            Ok(false) => {}
                        }
                    } else if let Err(stop) = self.offer(context, sink, bytes) {
                        return Poll::Ready(stop);
                    }
                    if lane.as_ref().is_some_and(|lane| lane.is_noted()) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    /// The source has ended. Tells whether its lane has something to tell of that.
    #[cold]
    fn note_end(&mut self, clock: &Deadlines, lane: Option<&mut Lane>) -> bool {
        self.ended_at = Some(clock.now());
        let Some(lane) = lane else { return false };
        let told = lane.ends_last_words();
        // Half a head, and no more will come: the sink is to see what there was.
        if !lane.is_sealed() {
            self.pending.extend_from_slice(lane.held());
        }
        told
    }

    /// Offers bytes to the sink, and keeps what it does not take.
    #[inline]
    fn offer(&mut self, context: &mut Context<'_>, sink: &Transport, bytes: &[u8]) -> Result<(), Stop> {
        if bytes.is_empty() {
            return Ok(());
        }
        let taken = match sink.poll_write(context, &[IoSlice::new(bytes)]) {
            Poll::Pending => 0,
            Poll::Ready(Err(_)) => return Err(Stop::SinkFailed),
            Poll::Ready(Ok(taken)) => taken,
        };
        if taken < bytes.len() {
            self.pending.extend_from_slice(bytes.get(taken..).unwrap_or_default());
        }
        Ok(())
    }

    /// Whether more is read although the sink owes: not by default.
    #[cold]
    fn reads_on(&self, lane: Option<&Lane>) -> bool {
        self.ended_at.is_none() && lane.is_some_and(|lane| lane.reads_on(self.pending.len()))
    }

    /// As [`Self::offer`], where the rule says what is to be left out once the sink is slow. Tells whether it is.
    #[cold]
    fn offer_lossy(
        &mut self,
        context: &mut Context<'_>,
        sink: &Transport,
        bytes: &[u8],
        before: &Scanner,
        lane: &mut Lane,
    ) -> Result<bool, Stop> {
        let mut taken = 0;
        while self.pending.is_empty() && taken < bytes.len() {
            let rest = bytes.get(taken..).unwrap_or_default();
            match sink.poll_write(context, &[IoSlice::new(at_once(rest, lane.is_lossy()))]) {
                Poll::Pending => break,
                Poll::Ready(Err(_)) => return Err(Stop::SinkFailed),
                Poll::Ready(Ok(more)) => taken += more,
            }
        }
        if taken < bytes.len() {
            lane.keep(before, &mut self.pending, bytes, taken, sink.under_way());
        }
        Ok(!self.pending.is_empty())
    }

    /// Gets rid of what the sink has not taken yet.
    #[cold]
    fn poll_pending(
        &mut self,
        context: &mut Context<'_>,
        sink: &Transport,
        clock: &Deadlines,
        mut lane: Option<&mut Lane>,
    ) -> Poll<Result<(), Stop>> {
        let lossy = lane.as_ref().is_some_and(|lane| lane.is_lossy());
        while !self.pending.is_empty() {
            match sink.poll_write(context, &[IoSlice::new(at_once(&self.pending, lossy))]) {
                Poll::Pending => {
                    self.stalled_since.get_or_insert_with(|| clock.now());
                    return Poll::Pending;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Stop::SinkFailed)),
                Poll::Ready(Ok(taken)) => {
                    if let Some(since) = self.stalled_since.take() {
                        self.lag = self.lag.max(clock.now().since(since));
                    }
                    self.pending.drain(..taken);
                    if let Some(lane) = &mut lane {
                        lane.took(taken, self.pending.len());
                    }
                }
            }
        }
        // Freed at once: an idle tunnel holds no buffer.
        self.pending = Vec::new();
        Poll::Ready(Ok(()))
    }
}

/// What is offered at once. Little where some may be left out later: what TLS has encrypted by then can't be.
#[inline]
fn at_once(bytes: &[u8], lossy: bool) -> &[u8] {
    let most = if lossy { LITTLE } else { bytes.len() };
    bytes.get(..most).unwrap_or(bytes)
}
