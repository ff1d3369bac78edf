//! How many WebSockets a rule and each of its clients have open: `websocket.max_tunnels`.
//!
//! The exchange takes a place before it dials, so that two that come together can't both have the last one. Where no
//! such limit is set nothing is counted.

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
use crate::live::RuleLive;
use crate::process::client_key;

/// What a rule counts.
#[derive(Debug, Default)]
pub struct Quota {
    open: AtomicU32,
    /// A lock per handshake, and only where a limit for clients is set.
    clients: Mutex<HashMap<IpAddr, u32>>,
}

/// A place in the count, until it is dropped.
#[derive(Debug)]
pub struct Place {
    rule: Arc<RuleLive>,
    client: Option<IpAddr>,
}

/// Takes a place for the WebSocket that a request asks for; nothing for other requests, or where there is no limit.
///
/// # Errors
/// `overloaded` where the rule has as many as it may, `rate_limited` where the client has.
pub fn enter(record: &Record, admitted: &Admitted) -> Result<Option<Box<Place>>, ProxyError> {
    let (Upgrade::WebSocket(_), Some(limits)) = (&admitted.upgrade, &admitted.rule.websocket) else { return Ok(None) };
    let MaxTunnels { route, client } = limits.max_tunnels;
    let live = record.rule.and_then(|id| record.generation.rules.get(id.index()));
    let Some(live) = live.filter(|_| route.is_some() || client.is_some()) else { return Ok(None) };
    let counted = live.tunnels.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
        (route.is_none_or(|most| open < most)).then_some(open + 1)
    });
    if counted.is_err() {
        let detail = "This route has as many WebSockets as websocket.max_tunnels allows.";
        return Err(ProxyError::own(Reason::Overloaded, detail));
    }
    let mut place = Box::new(Place { rule: Arc::clone(live), client: None });
    if let (Some(most), Some(ip)) = (client, record.client) {
        let key = client_key(ip);
        let mut clients = live.tunnels.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let open = clients.entry(key).or_insert(0);
        if *open >= most {
            drop(clients);
            let detail = "This client has as many WebSockets as websocket.max_tunnels allows.";
            return Err(ProxyError::client(Reason::RateLimited, detail));
        }
        *open += 1;
        place.client = Some(key);
    }
    Ok(Some(place))
}

impl Drop for Place {
    fn drop(&mut self) {
        self.rule.tunnels.open.fetch_sub(1, Ordering::Relaxed);
        let Some(key) = self.client else { return };
        let mut clients = self.rule.tunnels.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = clients.get_mut(&key) {
            *open -= 1;
            if *open == 0 {
                clients.remove(&key);
            }
        }
    }
}
