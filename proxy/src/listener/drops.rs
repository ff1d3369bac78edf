//! Connections dropped for their PROXY header, by cause: counted for metrics, and said now and then.
//!
//! Who is dropped gets no answer, so nothing else would tell why. `http` calls it where a listener wants a header.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use switchboard_core::proxy_header::BadProxyHeader;

use crate::process::Quiet;

/// How far apart two warnings of one listener are that say the same. A choice: often enough to be seen, and a scan of the
/// whole net fills no disk.
const APART: Duration = Duration::from_secs(60);

/// All causes.
const CAUSES: [Cause; 4] = [Cause::Untrusted, Cause::Absent, Cause::Malformed, Cause::Incomplete];

/// Why a connection is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A header is required, and the peer may not give one.
    Untrusted,
    /// It began with something else.
    Absent,
    /// What came is no header that could be.
    Malformed,
    /// It closed, or fell silent, before there was a whole one. Load balancers that only look whether a port is open do
    /// so all the time: it is counted, and not said.
    Incomplete,
}

impl From<BadProxyHeader> for Cause {
    fn from(bad: BadProxyHeader) -> Self {
        match bad {
            BadProxyHeader::Absent => Self::Absent,
            BadProxyHeader::Line | BadProxyHeader::Block | BadProxyHeader::Tlv => Self::Malformed,
        }
    }
}

impl Cause {
    /// Its name in metrics.
    const fn name(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Absent => "absent",
            Self::Malformed => "malformed",
            Self::Incomplete => "incomplete",
        }
    }
}

/// How many were dropped, by cause.
#[derive(Debug, Default)]
pub struct Drops([(AtomicU64, Quiet); CAUSES.len()]);

impl Drops {
    /// Counts one of `listener`, and says so unless that was said of late.
    pub fn add(&self, cause: Cause, listener: &str, peer: Option<SocketAddr>) {
        let place = CAUSES.iter().position(|known| *known == cause);
        let Some((count, quiet)) = place.and_then(|place| self.0.get(place)) else { return };
        count.fetch_add(1, Ordering::Relaxed);
        if cause != Cause::Incomplete && quiet.may_after(APART) {
            tracing::warn!("connections to listener {listener} are dropped: {}", Why(cause, peer));
        }
    }

    /// Each cause, and how many there were.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CAUSES.iter().zip(&self.0).map(|(cause, (count, _))| (cause.name(), count.load(Ordering::Relaxed)))
    }
}

/// A cause in words.
struct Why(Cause, Option<SocketAddr>);

impl fmt::Display for Why {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(peer) => write!(out, "{} ", peer.ip().to_canonical())?,
            None => out.write_str("a local process ")?,
        }
        out.write_str(match self.0 {
            Cause::Untrusted => "is not in trusted_proxies",
            Cause::Absent => "sent no PROXY header",
            Cause::Malformed => "sent a malformed PROXY header",
            Cause::Incomplete => "sent no whole PROXY header in time",
        })
    }
}
