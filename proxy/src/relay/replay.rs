//! A body that may have to be sent once more: what has passed of it is kept, within a bound, until an answer begins.

use std::task::Context;

use super::{Coding, Pump, PumpError};
use crate::transport::Transport;

/// The most that is kept of a body (DESIGN, seam 2). What grows beyond it can't be sent again.
pub const MOST: usize = 64 * 1024;

/// Payload that has passed.
#[derive(Debug, Default)]
pub(super) struct Replay(Vec<u8>);

/// Adds what passes; gives all of it up where it grows too long.
pub(super) fn keep(kept: &mut Option<Box<Replay>>, payload: &[u8]) {
    match kept {
        Some(replay) if replay.0.len() + payload.len() <= MOST => replay.0.extend_from_slice(payload),
        _ => *kept = None,
    }
}

impl Pump {
    /// Keeps what passes from now on.
    pub fn keep(&mut self) {
        self.kept = Some(Box::default());
    }

    /// Keeps nothing any more: an answer has begun.
    pub fn forget(&mut self) {
        self.kept = None;
    }

    /// Whether all that has passed is still here.
    pub const fn keeps(&self) -> bool {
        self.kept.is_some()
    }

    /// What has passed, while all of it is still here.
    pub fn kept(&self) -> Option<&[u8]> {
        self.kept.as_ref().map(|replay| replay.0.as_slice())
    }

    /// Turns to another sink, which has got nothing yet.
    pub fn turn(&mut self, coding: Coding) {
        self.coding = coding;
        self.pending = Vec::new();
        self.written = 0;
        self.sent = 0;
        self.owes_end = false;
    }

    /// Writes `head` and what has passed already to the new sink. The rest of the body follows by `poll`.
    pub fn restart(&mut self, context: &mut Context<'_>, sink: &Transport, head: &[u8]) -> Result<(), PumpError> {
        let kept = self.kept.take();
        let payload = kept.as_ref().map_or(&[][..], |replay| &replay.0);
        let result = if sink.takes_heads() {
            self.start_frames(context, sink, head, payload)
        } else {
            self.emit(context, sink, head, payload)
        };
        self.kept = kept;
        result
    }
}
