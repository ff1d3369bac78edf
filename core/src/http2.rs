//! HTTP/2 without a socket (RFC 9113, RFC 7541, RFC 8441): our own, strict and without buffers while idle.
//!
//! `frame` is what stands on the wire, `hpack` the compression of heads, `read` and `lines` lead from and to the form in
//! which all versions meet, `meter` counts what serves nobody, and `connection` puts them together: bytes in, events and
//! bytes out.

mod frame;

mod hpack;

mod head;

mod read;

mod lines;

mod meter;

mod connection;

pub use connection::{Connection, Event, Fault, Key, Loss, Read, Role, Unsent};
pub use frame::{Code, PREFACE};
pub use head::{Builder, Malformed};
pub use hpack::{Block, Decoder, Piece, Undecodable};
pub use lines::Request;
pub use meter::Breach;
pub use read::{Terms, answer, declared, request};

use crate::http1;
use crate::message::Name;

/// Whether a field speaks of an HTTP/1 connection and has no place in HTTP/2 (RFC 9113 §8.2.2). `TE` is not among them:
/// it may say `trailers`.
#[must_use]
pub const fn is_of_http1(name: Name) -> bool {
    matches!(name, Name::Connection | Name::KeepAlive | Name::ProxyConnection | Name::TransferEncoding | Name::Upgrade)
}

/// Whether a field may come behind a body (SECURITY case 31): not one that frames, routes, authenticates or controls.
#[must_use]
pub fn may_trail(name: &[u8]) -> bool {
    !http1::is_dropped_trailer(name)
}

/// One field line of an outgoing head: where its parts lie in the lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The name.
    pub name: std::ops::Range<usize>,
    /// The value, without the white space around it.
    pub value: std::ops::Range<usize>,
}

/// Goes through lines that our own writers made, up to the blank one or the end. What is no line with a colon ends it.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = Line> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let line = line_at(bytes, at)?;
        let colon = memchr::memchr(b':', line)?;
        let value = line.get(colon + 1..)?;
        let start = at + line.len() - value.trim_ascii_start().len();
        let found = Line { name: at..at + colon, value: start..start + value.trim_ascii().len() };
        at += line.len() + 2;
        Some(found)
    })
}

/// The line that begins at `at`, without its CRLF; `None` where there is none.
#[must_use]
pub fn line_at(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    rest.get(..memchr::memchr(b'\r', rest)?)
}

#[cfg(test)]
mod tests;
