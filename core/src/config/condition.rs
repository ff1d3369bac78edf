//! Conditions as they were checked: what `when`, `allow` and `deny` ask of a request.
//!
//! `raw::condition` makes them, `route::condition` compiles them. Patterns are known to be sound; nothing is compiled here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::ShareOf;

/// A condition. All parts must hold; within a part any of the values.
#[derive(Clone, Debug, PartialEq, Default, Hash)]
pub struct Condition {
    /// Methods, as written (they are case-sensitive).
    pub methods: Vec<String>,
    /// Field name in lower case → forms.
    pub headers: BTreeMap<String, Vec<TextMatch>>,
    /// Query parameter (decoded) → forms.
    pub query: BTreeMap<String, Vec<TextMatch>>,
    /// Cookie → forms.
    pub cookies: BTreeMap<String, Vec<TextMatch>>,
    /// Client addresses.
    pub client_ip: Vec<Cidr>,
    /// Listener names.
    pub listener: Vec<String>,
    /// Kinds of exchange.
    pub protocol: Vec<Protocol>,
    /// Paths.
    pub path: Vec<PathMatch>,
    /// This share of the requests.
    pub share: Option<ShareOf>,
    /// `tls: {client_cert: …}`: whether the client has shown a certificate that was verified.
    pub client_cert: Option<bool>,
    /// `not:` this must not hold.
    pub not: Option<Box<Condition>>,
    /// `any:` at least one of these must hold; empty is no demand.
    pub any: Vec<Condition>,
}

/// A form of text in a condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TextMatch {
    /// Exactly this.
    Exact(String),
    /// Begins with this.
    Prefix(String),
    /// Has this somewhere.
    Contains(String),
    /// A regular expression (checked; linear time) that matches somewhere.
    Regex(String),
    /// There at all (`true`) or not there (`false`).
    Present(bool),
}

/// A form of path in a condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PathMatch {
    /// On segment boundaries, as in a key.
    Prefix(String),
    /// Exactly this.
    Exact(String),
    /// A regular expression on the canonical path.
    Regex(String),
}

/// The kind of an exchange, as `when: {protocol: …}` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Anything that is none of the others.
    Http,
    /// An upgrade request for `websocket`.
    Websocket,
    /// A request that accepts `text/event-stream`.
    Sse,
    /// A request whose content type begins with `application/grpc`.
    Grpc,
}

/// A network: an address and the number of leading bits that count. Host bits are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    /// The network's address.
    pub address: IpAddr,
    /// Leading bits: 0–32 or 0–128.
    pub bits: u8,
}

impl Cidr {
    /// Tells whether `ip` lies in the network. An IPv4 address that came in IPv6 dress (`::ffff:a.b.c.d`) is the IPv4 one.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.address, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                u32::from(ip) & mask == u32::from(net)
            }
            (IpAddr::V6(net), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                u128::from(ip) & mask == u128::from(net)
            }
            _ => false,
        }
    }
}
