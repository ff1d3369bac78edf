//! What an operator asks of the health of an upstream's endpoints, and of the resolver of their names.
//!
//! A part of `Config`: valid by construction, defaults filled in. `core::health` and the control thread act on it.

use super::{Share, TextMatch};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// `health:` how endpoints are probed. All checks must pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// Never empty.
    pub checks: Vec<Check>,
    /// From one probe to the next (5 s), at least 100 ms.
    pub interval: Duration,
    /// For a whole probe (2 s).
    pub timeout: Duration,
    /// Failures in a row that take an endpoint out (3).
    pub fails: u32,
    /// Successes in a row that bring it back (2).
    pub passes: u32,
}

/// One check of a probe.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The port to ask at; `None` is the endpoint's own.
    pub port: Option<u16>,
    /// What is asked.
    pub kind: CheckKind,
}

/// What a check asks.
#[derive(Clone, Debug, PartialEq)]
pub enum CheckKind {
    /// An HTTP request.
    Http(HttpCheck),
    /// A WebSocket handshake.
    WebSocket(WebSocketCheck),
    /// That a connection is accepted.
    Tcp,
    /// The health service of gRPC, for a service by name; empty for the server as a whole.
    Grpc(String),
}

/// An HTTP request as a check.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpCheck {
    /// Path and query.
    pub path: String,
    /// The method (GET).
    pub method: String,
    /// Further header fields, in order; a `Host` among them replaces the endpoint's own.
    pub headers: Vec<(String, String)>,
    /// What is sent as a body.
    pub body: Option<String>,
    /// Basic authentication.
    pub login: Option<Login>,
    /// What must be answered (status 200 to 399).
    pub expect: Expect,
}

/// A WebSocket handshake as a check.
#[derive(Clone, Debug, PartialEq)]
pub struct WebSocketCheck {
    /// Path and query.
    pub path: String,
    /// Further header fields, in order; a `Host` among them replaces the endpoint's own.
    pub headers: Vec<(String, String)>,
    /// Basic authentication.
    pub login: Option<Login>,
    /// What must be answered (status 101, and then a true one).
    pub expect: Expect,
}

/// A name and a password for an upstream.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// `match:` what an answer must look like.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// Ranges of statuses, both ends included; any of them.
    pub status: Vec<(u16, u16)>,
    /// Header fields by name, lower case: any of the forms of each.
    pub headers: BTreeMap<String, Vec<TextMatch>>,
    /// Any of these forms; empty asks nothing of the body.
    pub body: Vec<TextMatch>,
}

impl Expect {
    /// Asks for a status between the two and nothing else.
    #[must_use]
    pub fn status(low: u16, high: u16) -> Self {
        Self { status: vec![(low, high)], headers: BTreeMap::new(), body: Vec::new() }
    }
}

impl Default for Health {
    /// Without a check, which is added to it.
    fn default() -> Self {
        Self {
            checks: Vec::new(),
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(2),
            fails: 3,
            passes: 2,
        }
    }
}

/// `outlier:` when traffic itself takes an endpoint out for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlier {
    /// Failures in a row that eject (5); `None` is `off`.
    pub failures: Option<u32>,
    /// A mean time to the first byte beyond this ejects who is far behind the others; `None` is `off`, the default.
    pub latency: Option<Duration>,
    /// How long a first ejection lasts (10 s); each one in a row twice as long.
    pub hold: Duration,
    /// How long one may last (5 min).
    pub max_hold: Duration,
    /// How much of the upstream may be ejected at once (50 %).
    pub max_ejected: Share,
    /// Where less of the upstream than this is up, the ejected serve too (30 %).
    pub panic: Share,
}

impl Default for Outlier {
    fn default() -> Self {
        Self {
            failures: Some(5),
            latency: None,
            hold: Duration::from_secs(10),
            max_hold: Duration::from_mins(5),
            max_ejected: Share(Share::WHOLE.0 / 2),
            panic: Share(Share::WHOLE.0 / 10 * 3),
        }
    }
}

/// `dns:` who is asked for the names of endpoints, and for how long an answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// The servers to ask; empty asks those of the system (`/etc/resolv.conf`).
    pub servers: Vec<SocketAddr>,
    /// An answer holds at least so long, whatever its TTL (1 s).
    pub min_ttl: Duration,
    /// And at most so long (30 s).
    pub max_ttl: Duration,
}

impl Default for Dns {
    fn default() -> Self {
        Self { servers: Vec::new(), min_ttl: Duration::from_secs(1), max_ttl: Duration::from_secs(30) }
    }
}
