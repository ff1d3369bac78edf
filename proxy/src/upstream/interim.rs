//! Interim answers (1xx, RFC 9110 §15.2): relayed at once, never counted as the answer, bounded (case 40).

use std::io::IoSlice;
use std::task::{Context, Poll};

use switchboard_core::forwarding::{self, Framing, Persistence, ResponsePlan};
use switchboard_core::message::Version;
use switchboard_core::reason::Reason;

use crate::desk::Desk;
use crate::error::ProxyError;
use crate::transport::Transport;

/// Interim answers to one request at most, and bytes of them.
const MOST: u32 = 32;
const MOST_BYTES: usize = 64 * 1024;

/// What of the interim answers is on its way to the client.
#[derive(Debug)]
pub struct Interim {
    /// HTTP/1.0 clients don't know them.
    understood: bool,
    /// The client waits for a 100 before it sends its body.
    expected: bool,
    count: u32,
    bytes: usize,
    pending: Vec<u8>,
}

impl Interim {
    /// For a client of this version that may wait for a 100.
    pub const fn new(version: Version, expected: bool) -> Self {
        Self { understood: !matches!(version, Version::Http10), expected, count: 0, bytes: 0, pending: Vec::new() }
    }

    /// For nobody: they are counted and go no further.
    pub const fn deaf() -> Self {
        Self::new(Version::Http10, false)
    }

    /// Whether the client still waits for a 100.
    pub const fn expected(&self) -> bool {
        self.expected
    }

    /// Relays the interim head that stands in `desk.answer`.
    ///
    /// # Errors
    /// `upstream_bad_response` beyond the bounds.
    pub fn relay(&mut self, context: &mut Context<'_>, client: &Transport, desk: &mut Desk) -> Result<(), ProxyError> {
        self.count += 1;
        self.bytes += desk.answer.len;
        if self.count > MOST || self.bytes > MOST_BYTES {
            let detail = "The endpoint sent interim answers without end.";
            return Err(ProxyError::upstream(Reason::UpstreamBadResponse, detail));
        }
        if desk.answer.status == 100 {
            self.expected = false;
        }
        if !self.understood {
            return Ok(());
        }
        let bytes = desk.answer_input.filled();
        forwarding::examine_response(&mut desk.answer.fields, bytes)
            .map_err(|rejected| ProxyError::upstream(rejected.reason, rejected.detail))?;
        let plan = ResponsePlan {
            lines: b"",
            status: desk.answer.status,
            phrase: desk.answer.reason.of(bytes),
            framing: Framing::None,
            persistence: Persistence::Implied,
            upgrade: None,
            via: None,
            request_id: None,
        };
        forwarding::write_response(&mut self.pending, &desk.answer.fields, bytes, &plan);
        if client.takes_heads() {
            let head = std::mem::take(&mut self.pending);
            return client.send_head(&head, false).map_err(|error| ProxyError::gone().because(error));
        }
        self.poll_flush(context, client)
    }

    /// Sends what is waiting, as far as the client takes it.
    ///
    /// # Errors
    /// `client_gone`
    pub fn poll_flush(&mut self, context: &mut Context<'_>, client: &Transport) -> Result<(), ProxyError> {
        while !self.pending.is_empty() {
            match client.poll_write(context, &[IoSlice::new(&self.pending)]) {
                Poll::Pending => break,
                Poll::Ready(Ok(taken)) => drop(self.pending.drain(..taken)),
                Poll::Ready(Err(error)) => return Err(ProxyError::gone().because(error)),
            }
        }
        Ok(())
    }

    /// Whether the client has still to take something.
    pub const fn owes(&self) -> bool {
        !self.pending.is_empty()
    }

    /// What becomes of an error: an answer about it would begin in the middle of an interim head that the client does not
    /// take, and so would anything else that is not written behind it. Then the client is as good as gone.
    pub fn or(&self, error: ProxyError) -> ProxyError {
        if self.owes() { ProxyError::gone() } else { error }
    }

    /// Makes sure that the client has taken everything, before an answer that does not begin with what it has not taken.
    ///
    /// # Errors
    /// `client_gone`
    pub fn settled(&self) -> Result<(), ProxyError> {
        if self.owes() { Err(ProxyError::gone()) } else { Ok(()) }
    }

    /// What the client has not taken yet: it stands before the final head.
    pub fn take_pending(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }
}
