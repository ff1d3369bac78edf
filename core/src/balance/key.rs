//! What of a request its endpoint is chosen by, where the upstream balances by hash.

use std::net::IpAddr;

use super::draw::hash;
use super::{Balancer, Method};
use crate::config::HashKey;
use crate::message::Name;
use crate::route::{Facts, values};

impl Balancer {
    /// The hash of a request's key; `None` where the balancer asks for none or the request has no such thing. Those
    /// without take turns: sent to one endpoint, they would be all its load.
    #[must_use]
    pub fn key(&self, facts: &Facts<'_>) -> Option<u64> {
        if let Some(key) = self.app_cookie.as_ref().and_then(|by| key(by, facts)) {
            return Some(key);
        }
        match &self.method {
            Method::Hash { by, .. } => key(by, facts),
            Method::Only | Method::RoundRobin | Method::Random | Method::LeastRequests | Method::PeakEwma => None,
        }
    }
}

/// The hash of what `by` names; `None` where the request has no such thing.
pub(crate) fn key(by: &HashKey, facts: &Facts<'_>) -> Option<u64> {
    match by {
        HashKey::ClientIp => facts.client_ip.map(|ip| match ip.to_canonical() {
            IpAddr::V4(ip) => hash(&ip.octets()),
            IpAddr::V6(ip) => hash(&ip.octets()),
        }),
        HashKey::Header(name) => {
            let id = Name::find(name.as_bytes());
            values::header(facts, id, name.as_bytes()).next().map(hash)
        }
        HashKey::Cookie(name) => values::cookie(facts, name.as_bytes()).next().map(hash),
        HashKey::Path => Some(hash(facts.destination.path())),
        HashKey::Query(name) => {
            let query = facts.destination.query().unwrap_or_default();
            values::query(query, name.as_bytes()).next().map(|value| hash(value.as_ref()))
        }
    }
}
