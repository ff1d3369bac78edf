//! Which rule answers a request.
//!
//! [`RouteTable::find`] is called once per request, by the data path with [`NoTrace`] and by `explain` with a trace that
//! writes down every candidate: one piece of code answers both. It takes no lock and allocates nothing, except that a
//! condition with a regular expression may.

use std::net::IpAddr;

use crate::config::Protocol;
use crate::message::{Fields, Name};
use crate::policy::claims::Claims;
use crate::reason::Reason;
use crate::target::Destination;

mod condition;
mod hash;
mod names;
mod networks;
mod share;
mod table;
#[cfg(test)]
mod tests;
mod trace;
pub(crate) mod values;

pub(crate) use condition::Test;
pub use condition::{Condition, Mismatch};
pub use networks::Networks;
pub(crate) use table::{Candidate, Candidates};
pub use table::{HostChoice, RouteTable};
pub use trace::{NoTrace, Trace, Trail, Tried};

/// A rule of one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId(pub(crate) u32);

impl RuleId {
    /// Its place among the rules of its snapshot.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A listener, by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub u32);

/// What is known about a request before it is routed: all that conditions and templates may look at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The method as written; methods are case-sensitive.
    pub method: &'a [u8],
    /// Host, path and query.
    pub destination: &'a Destination<'a>,
    /// The field lines. Lines marked as dropped are not seen.
    pub fields: &'a Fields,
    /// The buffer that `fields` point into.
    pub head: &'a [u8],
    /// The client, as forwarded headers of trusted peers tell it; `None` behind a unix socket.
    pub client_ip: Option<IpAddr>,
    /// The listener that accepted the connection.
    pub listener: ListenerId,
    /// The port of that listener; 0 for a unix socket.
    pub listener_port: u16,
    /// `http` or `https`, as the client used it.
    pub scheme: &'static str,
    /// The id of the request.
    pub request_id: &'a [u8],
    /// Whether the client has shown a certificate that was verified.
    pub client_cert: bool,
    /// What a token says that was verified.
    pub claims: &'a Claims,
}

impl<'a> Facts<'a> {
    /// The kind of exchange that the request asks for.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        if self.any_member(Name::Upgrade, |token| token.eq_ignore_ascii_case(b"websocket")) {
            return Protocol::Websocket;
        }
        let media = |text: &[u8], of: &[u8]| text.get(..of.len()).is_some_and(|head| head.eq_ignore_ascii_case(of));
        if self.any_member(Name::ContentType, |kind| media(kind, b"application/grpc")) {
            return Protocol::Grpc;
        }
        if self.any_member(Name::Accept, |kind| media(kind, b"text/event-stream")) {
            return Protocol::Sse;
        }
        Protocol::Http
    }

    /// Asks every member of every line of a list field. Dropped lines too: `Upgrade` is dropped on its way to be rebuilt.
    fn any_member(&self, name: Name, holds: impl Fn(&[u8]) -> bool) -> bool {
        let lines = self.fields.all().iter().filter(|field| field.name_id == name);
        lines.flat_map(|field| values::members(field.value.of(self.head))).any(holds)
    }
}

/// Why no rule answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindError {
    /// No route is for this host and path, or none whose conditions hold.
    NoRoute,
    /// HTTP/1.0 without `Host`, and no route is for every host.
    NoHost,
    /// An encoded slash in the path: with it decoded, another rule would answer.
    EncodedSlash,
}

impl FindError {
    /// The code of the answer.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::NoRoute => Reason::NoRoute,
            Self::NoHost | Self::EncodedSlash => Reason::BadRequest,
        }
    }

    /// One sentence for the person who made the request.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self {
            Self::NoRoute => "No route is for this host and path.",
            Self::NoHost => "The request names no host, and no route is for every host.",
            Self::EncodedSlash => "The path contains an encoded slash (%2f), and another rule would answer it decoded.",
        }
    }
}
