//! Names of endpoints to addresses, again and again. A name that does not resolve makes its route answer 503 with the
//! reason; it never stops a start or a reload, and the last good answer stays while the resolver fails.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::generation::Generation;
use crate::live::{EndpointLive, Place};

/// How often names are resolved again.
pub const EVERY: Duration = Duration::from_secs(10);

/// Addresses of one name that are used at most: a resolver that answers with thousands must not fill our memory.
const MOST: usize = 64;

/// How long one question may take. The system's resolver has its own idea, which can be half a minute.
const PATIENCE: Duration = Duration::from_secs(5);

/// Starts a look-up for each named endpoint of a generation. Nobody waits for them.
pub fn all(generation: &Generation) {
    for (endpoint, name, port) in generation.named_endpoints() {
        tokio::spawn(one(Arc::clone(endpoint), name.to_owned(), port));
    }
}

async fn one(endpoint: Arc<EndpointLive>, name: String, port: u16) {
    let answer = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((name.as_str(), port))).await;
    let places: Vec<Place> = match answer {
        Ok(Ok(found)) => unique(found).into_iter().take(MOST).map(Place::Ip).collect(),
        Ok(Err(error)) => return tracing::warn!(%name, %error, "the name of an endpoint does not resolve"),
        Err(_) => return tracing::warn!(%name, "the name of an endpoint did not resolve in time"),
    };
    if !places.is_empty() && **endpoint.places.load() != places {
        tracing::info!(%name, addresses = places.len(), "the name of an endpoint resolved");
        endpoint.places.store(Arc::new(places));
    }
}

fn unique(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = found.collect();
    // IPv4 first: a name like `localhost` often has both, and servers that listen on one listen on that.
    addresses.sort_by_key(|address| (address.is_ipv6(), *address));
    addresses.dedup();
    addresses
}
