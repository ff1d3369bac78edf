//! One direction of a tunnel: read what is there, write it at once, keep what the sink does not take, wait.

use std::io::IoSlice;
use std::task::{Context, Poll};

use switchboard_core::moment::Moment;

use crate::deadline::Deadlines;
use crate::transport::Transport;

/// One direction.
#[derive(Debug)]
pub(super) struct Flow {
    /// What the sink has still to take. While there is any, nothing is read: back-pressure reaches the source.
    pending: Vec<u8>,
    /// Bytes that came.
    pub(super) moved: u64,
    /// Since when the sink takes nothing.
    pub(super) stalled_since: Option<Moment>,
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
        Self { pending, moved: 0, stalled_since: None, ended_at: None, finished: false }
    }

    pub(super) fn take_pending(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.ended_at.is_some()
    }

    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        source: &Transport,
        sink: &Transport,
        scratch: &mut [u8],
        clock: &Deadlines,
    ) -> Poll<Stop> {
        loop {
            while !self.pending.is_empty() {
                match sink.poll_write(context, &[IoSlice::new(&self.pending)]) {
                    Poll::Pending => {
                        self.stalled_since.get_or_insert_with(|| clock.now());
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(Stop::SinkFailed),
                    Poll::Ready(Ok(taken)) => {
                        self.stalled_since = None;
                        self.pending.drain(..taken);
                        if self.pending.is_empty() {
                            self.pending = Vec::new();
                        }
                    }
                }
            }
            if self.ended_at.is_some() {
                if !self.finished {
                    self.finished = true;
                    sink.finish();
                }
                return Poll::Ready(Stop::Ended);
            }
            match source.poll_read(context, scratch) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Stop::SourceFailed),
                Poll::Ready(Ok(0)) => self.ended_at = Some(clock.now()),
                Poll::Ready(Ok(read)) => {
                    self.moved += read as u64;
                    let bytes = scratch.get(..read).unwrap_or_default();
                    let taken = match sink.poll_write(context, &[IoSlice::new(bytes)]) {
                        Poll::Pending => 0,
                        Poll::Ready(Err(_)) => return Poll::Ready(Stop::SinkFailed),
                        Poll::Ready(Ok(taken)) => taken,
                    };
                    if taken < read {
                        self.pending.extend_from_slice(bytes.get(taken..).unwrap_or_default());
                    }
                }
            }
        }
    }
}
