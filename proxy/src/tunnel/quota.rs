//! How many WebSockets and event streams a rule and each of its clients have open: `websocket.max_tunnels` and
//! `sse.max_streams`.
//!
//! The exchange takes a WebSocket's place before it dials, and an event stream's when the answer shows that it is one:
//! two that come together can't both have the last. Where no such limit is set nothing is counted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_core::config::websocket::MaxTunnels;
use switchboard_core::reason::Reason;
use switchboard_core::websocket::Upgrade;

use crate::error::ProxyError;
use crate::exchange::admit::Admitted;
use crate::exchange::record::Record;
use crate::live::RuleKeeps;
use crate::process::client_key;

/// What a rule counts of one kind.
#[derive(Debug, Default)]
pub struct Quota {
    open: AtomicU32,
    /// A lock per handshake, and only where a limit for clients is set.
    clients: Mutex<HashMap<IpAddr, u32>>,
}

/// A place in the count, until it is dropped.
#[derive(Debug)]
pub struct Place {
    rule: Arc<RuleKeeps>,
    kind: Kind,
    client: Option<IpAddr>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    WebSockets,
    EventStreams,
}

impl Kind {
    const fn of(self, rule: &RuleKeeps) -> &Quota {
        match self {
            Self::WebSockets => &rule.tunnels,
            Self::EventStreams => &rule.event_streams,
        }
    }

    const fn full(self) -> &'static str {
        match self {
            Self::WebSockets => "This route has as many WebSockets as websocket.max_tunnels allows.",
            Self::EventStreams => "This route has as many event streams as sse.max_streams allows.",
        }
    }

    const fn full_for_client(self) -> &'static str {
        match self {
            Self::WebSockets => "This client has as many WebSockets as websocket.max_tunnels allows.",
            Self::EventStreams => "This client has as many event streams as sse.max_streams allows.",
        }
    }
}

/// Takes a place for the WebSocket that a request asks for; nothing for other requests, or where there is no limit.
///
/// # Errors
/// `overloaded` where the rule has as many as it may, `rate_limited` where the client has.
pub fn enter(record: &Record, admitted: &Admitted) -> Result<Option<Box<Place>>, ProxyError> {
    let (Upgrade::WebSocket(_), Some(limits)) = (&admitted.upgrade, &admitted.rule.websocket) else { return Ok(None) };
    take(record, Kind::WebSockets, limits.max_tunnels)
}

/// Takes a place for an event stream that an endpoint has begun.
///
/// # Errors
/// `overloaded` where the rule has as many as it may, `rate_limited` where the client has.
pub fn enter_stream(record: &Record, limits: MaxTunnels) -> Result<Option<Box<Place>>, ProxyError> {
    take(record, Kind::EventStreams, limits)
}

fn take(record: &Record, kind: Kind, limits: MaxTunnels) -> Result<Option<Box<Place>>, ProxyError> {
    let MaxTunnels { route, client } = limits;
    let live = record.rule.and_then(|id| record.generation.rules.get(id.index()));
    let Some(rule) = live.map(|live| &live.keeps).filter(|_| route.is_some() || client.is_some()) else {
        return Ok(None);
    };
    let quota = kind.of(rule);
    let counted = quota.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
        (route.is_none_or(|most| open < most)).then_some(open + 1)
    });
    if counted.is_err() {
        return Err(ProxyError::own(Reason::Overloaded, kind.full()));
    }
    let mut place = Box::new(Place { rule: Arc::clone(rule), kind, client: None });
    if let (Some(most), Some(ip)) = (client, record.client) {
        let key = client_key(ip);
        let mut clients = quota.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let open = clients.entry(key).or_insert(0);
        if *open >= most {
            drop(clients);
            return Err(ProxyError::client(Reason::RateLimited, kind.full_for_client()));
        }
        *open += 1;
        place.client = Some(key);
    }
    Ok(Some(place))
}

impl Drop for Place {
    fn drop(&mut self) {
        let quota = self.kind.of(&self.rule);
        quota.open.fetch_sub(1, Ordering::Relaxed);
        let Some(key) = self.client else { return };
        let mut clients = quota.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = clients.get_mut(&key) {
            *open -= 1;
            if *open == 0 {
                clients.remove(&key);
            }
        }
    }
}
