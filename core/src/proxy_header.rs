//! The PROXY protocol, versions 1 and 2: the line or block with which a load balancer says who its client is.
//!
//! A listener with `proxy_protocol` calls [`parse`] on the first bytes of a connection whose peer is trusted, again
//! with more bytes while it asks for more. It never reads beyond the header: what follows belongs to HTTP or TLS.

mod v1;
mod v2;
mod write;

pub use write::write;

use std::net::SocketAddr;

/// What the bytes come to so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// They may become a header; ask again with more. A header is at most [`MAX_LENGTH`] bytes long.
    NeedMore,
    /// A whole header.
    Done(Header),
}

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its length in bytes. What stands behind it is the connection's first data.
    pub consumed: usize,
    /// The two ends of the client's connection; `None` where the sender speaks for itself (`LOCAL`) or can't name them
    /// in IP (`UNKNOWN`, unix sockets): then the ends of the socket count.
    pub ends: Option<Ends>,
}

/// The two ends of a client's connection to a load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The client.
    pub source: SocketAddr,
    /// What it connected to.
    pub destination: SocketAddr,
}

/// Why the first bytes of a connection are no header. The connection is dropped, except for [`BadProxyHeader::Absent`]
/// where the listener only accepts a header and doesn't require it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadProxyHeader {
    /// They are something else from the start.
    Absent,
    /// A header of version 1 with something wrong in its line, or longer than 107 bytes.
    Line,
    /// A header of version 2 with a version, command, family or length that can't be.
    Block,
    /// A header of version 2 whose additions don't fill it exactly.
    Tlv,
}

impl BadProxyHeader {
    /// One sentence for the log.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::Absent => "The connection does not begin with a PROXY header.",
            Self::Line => "The PROXY header's line is malformed.",
            Self::Block => "The PROXY header has an impossible version, command, family or length.",
            Self::Tlv => "The PROXY header's additions do not fill it exactly.",
        }
    }
}

/// The longest header that is read, in bytes: what a sender can rely on to arrive in one segment.
pub const MAX_LENGTH: usize = 536;

/// Reads a header at the start of `bytes`.
///
/// # Errors
///
/// As soon as the bytes can't become a header any more.
pub fn parse(bytes: &[u8]) -> Result<Parsed, BadProxyHeader> {
    if begins(bytes, v2::SIGNATURE) {
        v2::parse(bytes)
    } else if begins(bytes, v1::SIGNATURE) {
        v1::parse(bytes)
    } else {
        Err(BadProxyHeader::Absent)
    }
}

/// Tells whether `bytes` begin with `signature` or may yet.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(have, want)| have == want)
}

#[cfg(test)]
mod tests;
