//! A pump towards a sink that makes frames itself (HTTP/2): the head and the end of a body are told, not written.

use std::task::Context;

use switchboard_core::http1::BodyDecoder;

use super::{Coding, Pump, PumpError, Waits, taken};
use crate::transport::Transport;

impl Pump {
    /// Begins on a sink that makes frames: its head goes by itself, and says so where nothing follows it.
    pub(super) fn start_frames(
        &mut self,
        context: &mut Context<'_>,
        sink: &Transport,
        head: &[u8],
        payload: &[u8],
    ) -> Result<(), PumpError> {
        self.coding = Coding::Frames;
        self.owes_end = !(self.complete && payload.is_empty() && late_fields(&self.trailers, &self.body).is_empty());
        sink.send_head(head, !self.owes_end).map_err(PumpError::Write)?;
        self.sent += head.len() as u64;
        self.offer_frames(context, sink, payload)?;
        if self.complete && !self.owes() { self.say_end(sink) } else { Ok(()) }
    }

    /// Offers payload to a sink that makes frames; the last piece takes the end of the body with it.
    pub(super) fn offer_frames(
        &mut self,
        context: &mut Context<'_>,
        sink: &Transport,
        payload: &[u8],
    ) -> Result<(), PumpError> {
        if payload.is_empty() {
            return Ok(());
        }
        let last = self.complete && late_fields(&self.trailers, &self.body).is_empty();
        let taken = if self.pending.is_empty() { taken(sink.poll_send(context, payload, last))? } else { 0 };
        self.sent += taken as u64;
        match payload.get(taken..) {
            Some(rest @ [_, ..]) => {
                self.waits = Waits::Sink;
                self.pending.extend_from_slice(rest);
            }
            Some([]) | None => self.owes_end &= !last,
        }
        Ok(())
    }

    /// Tells the sink that the body has ended, where it has to be told and has taken all of it.
    pub(super) fn say_end(&mut self, sink: &Transport) -> Result<(), PumpError> {
        if std::mem::take(&mut self.owes_end) {
            sink.send_end(late_fields(&self.trailers, &self.body)).map_err(PumpError::Write)?;
        }
        Ok(())
    }
}

/// The trailers, whichever way they came.
pub(super) fn late_fields<'a>(beside: &'a [u8], body: &'a BodyDecoder) -> &'a [u8] {
    if beside.is_empty() { body.trailers() } else { beside }
}
