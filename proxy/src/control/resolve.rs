//! Names of endpoints to addresses, again and again. A name that does not resolve makes its route answer 503 with the
//! reason; it never stops a start or a reload, and the last good answer stays while the resolver fails.
//!
//! The control thread asks, by the system's resolver on threads of its own; no worker ever waits for one.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::generation::Generation;
use crate::live::{EndpointLive, Place};

/// How often names without an address are asked for again.
pub const EVERY: Duration = Duration::from_secs(2);

/// Of so many rounds one asks for all names.
const ALL: u32 = 5;

/// How long a start or a reload waits for names that nobody has asked for yet. Most resolvers need a hundredth of it.
const FIRST: Duration = Duration::from_secs(1);

/// Addresses of one name that are used at most: a resolver that answers with thousands must not fill our memory.
const MOST: usize = 64;

/// The names that were asked for, and how that went.
#[derive(Clone, Debug, Default)]
pub struct Resolver {
    names: Arc<Mutex<HashMap<String, State>>>,
    round: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Questions that wait for their answer. The system's resolver may take half a minute.
    asking: u32,
    failing: bool,
}

/// The endpoints that one name stands for, each with its port.
type Endpoints = Vec<(Arc<EndpointLive>, u16)>;

impl Resolver {
    /// Asks for the names of a generation: in each round for those without an address, in some for all.
    pub fn refresh(&mut self, generation: &Generation) {
        let all = self.round.is_multiple_of(ALL);
        self.round = self.round.wrapping_add(1);
        let mut names = by_name(generation);
        self.states().retain(|name, state| state.asking > 0 || names.contains_key(name));
        names.retain(|name, endpoints| {
            let idle = self.states().get(name).is_none_or(|state| state.asking == 0);
            idle && (all || endpoints.iter().any(|(endpoint, _)| is_nowhere(endpoint)))
        });
        names.into_iter().for_each(|(name, endpoints)| drop(self.ask(name, endpoints)));
    }

    /// Asks for the names that have no address and did not fail before, and waits for the answers, at most [`FIRST`]:
    /// so that the first request to a new route does not come too early. Later answers are taken just the same.
    pub async fn first(&self, generation: &Generation) {
        let mut names = by_name(generation);
        names.retain(|name, endpoints| {
            endpoints.retain(|(endpoint, _)| is_nowhere(endpoint));
            !endpoints.is_empty() && !self.states().get(name).is_some_and(|state| state.failing)
        });
        let asked: Vec<_> = names.into_iter().map(|(name, endpoints)| self.ask(name, endpoints)).collect();
        let all = async {
            for answer in asked {
                let _ = answer.await;
            }
        };
        let _ = tokio::time::timeout(FIRST, all).await;
    }

    fn ask(&self, name: String, endpoints: Endpoints) -> JoinHandle<()> {
        self.states().entry(name.clone()).or_default().asking += 1;
        let resolver = self.clone();
        tokio::spawn(async move {
            // The port is each endpoint's own.
            let answer = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found = answer.map(|found| unique(found.map(|address| address.ip())));
            let error = match &found {
                Ok(ips) if ips.is_empty() => Some("it has no address".to_owned()),
                Ok(_) => None,
                Err(error) => Some(error.to_string()),
            };
            resolver.note(&name, error);
            found.into_iter().filter(|ips| !ips.is_empty()).for_each(|ips| apply(&name, &ips, &endpoints));
        })
    }

    /// Keeps how a question went. What is said again and again is said once.
    fn note(&self, name: &str, error: Option<String>) {
        let mut states = self.states();
        let state = states.entry(name.to_owned()).or_default();
        state.asking = state.asking.saturating_sub(1);
        let failed = std::mem::replace(&mut state.failing, error.is_some());
        drop(states);
        if let (Some(error), false) = (error, failed) {
            tracing::warn!(%name, %error, "the name of an endpoint does not resolve; it is asked for again");
        }
    }

    fn states(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn by_name(generation: &Generation) -> HashMap<String, Endpoints> {
    let mut names: HashMap<String, Endpoints> = HashMap::new();
    for (endpoint, name, port) in generation.named_endpoints() {
        names.entry(name.to_owned()).or_default().push((Arc::clone(endpoint), port));
    }
    names
}

fn is_nowhere(endpoint: &EndpointLive) -> bool {
    endpoint.places.load().is_empty()
}

fn apply(name: &str, ips: &[IpAddr], endpoints: &Endpoints) {
    for (endpoint, port) in endpoints {
        let places: Vec<Place> = ips.iter().map(|ip| Place::Ip(SocketAddr::new(*ip, *port))).collect();
        if **endpoint.places.load() != places {
            tracing::info!(%name, port, addresses = places.len(), "the name of an endpoint resolved");
            endpoint.moved_to(Arc::new(places));
        }
    }
}

fn unique(found: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = found.collect();
    // IPv4 first: a name like `localhost` often has both, and servers that listen on one listen on that.
    addresses.sort_by_key(|address| (address.is_ipv6(), *address));
    addresses.dedup();
    addresses.truncate(MOST);
    addresses
}
