//! What changes in a head on its way through: hop-by-hop fields end here, trust headers are rebuilt.
//!
//! The exchange calls [`examine`] once per request, before any policy looks at its fields, and [`write_request`] once
//! per attempt; [`examine_response`] and [`write_response`] do the same on the way back. Nothing here parses a head,
//! decides a body's length or touches a socket, and in steady state nothing allocates.
//!
//! What never passes is one of two sorts. A line that nobody may believe (a trust header from an untrusted peer, an
//! alias, a field that `Connection` nominates) is marked `dropped`, so that conditions and policies don't see it. A
//! line that only this hop understands stays visible, and the writers leave it out by its name.

mod chain;
mod connection;
mod names;
mod passed;
mod peer;
mod request;
mod response;
mod write;

use crate::http1;
use crate::reason::Reason;

pub(crate) use names::{HOP_BY_HOP, Names};
pub use passed::{Mark, marks};
pub use peer::{Peer, Scheme};
pub use request::{Arrival, Hop, RequestPlan, examine, write_request};
pub use response::{Persistence, ResponseHop, ResponsePlan, examine_response, write_response};

/// What the proxy calls itself in `Via` (RFC 9110 §7.6.3): a pseudonym without a version.
const PSEUDONYM: &[u8] = b"switchboard";

/// Why a head can't be forwarded. Nothing of it has been sent anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The code for the answer.
    pub reason: Reason,
    /// One sentence that says what is wrong.
    pub detail: &'static str,
}

/// How the body behind an outgoing head is delimited (RFC 9112 §6). The writers write it anew, so that the next hop
/// sees what the codec understood, not what was written (`007` becomes `7`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No framing line: a request without a body, a 1xx, a 204, or an answer that ends with its connection.
    None,
    /// `content-length`, in bytes.
    Length(u64),
    /// `transfer-encoding: chunked`. Never towards HTTP/1.0.
    Chunked,
    /// The `Content-Length` that came, if one did, though no body follows: for answers to HEAD and for 304.
    Declared,
}

impl From<http1::Framing> for Framing {
    /// The framing that passes a body on as it came. Towards a client the caller chooses, by its version.
    fn from(received: http1::Framing) -> Self {
        match received {
            http1::Framing::None | http1::Framing::Close => Self::None,
            http1::Framing::Length(length) | http1::Framing::Frames(Some(length)) => Self::Length(length),
            http1::Framing::Chunked | http1::Framing::Frames(None) => Self::Chunked,
        }
    }
}

#[cfg(test)]
mod tests;
