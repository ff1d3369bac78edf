//! What an upstream says of how its endpoints are chosen, and how much they do.

use std::time::Duration;

/// A share of a whole, in millionths: `5%` is 50,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share(pub u32);

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self(1_000_000);

    /// This share of `amount`, rounded down.
    #[must_use]
    pub fn of(self, amount: u64) -> u64 {
        u64::try_from(u128::from(amount) * u128::from(self.0) / u128::from(Self::WHOLE.0)).unwrap_or(u64::MAX)
    }
}

/// A share of the requests, as a condition asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ShareOf {
    /// How many.
    pub of: Share,
    /// What stays on one side: the same for the same. `None` lets each request fall as it may.
    pub by: Option<HashKey>,
}

/// How an endpoint is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Balance {
    /// By turns, as often as their weights say.
    #[default]
    RoundRobin,
    /// By chance, weights or not.
    Random,
    /// By chance, as often as their weights say.
    WeightedRandom,
    /// The one with the fewest exchanges and streams for its weight.
    LeastRequests,
    /// The one whose requests wait the shortest: latency by load.
    PeakEwma,
    /// By what the request says, the same for the same.
    Hash {
        /// What.
        by: HashKey,
        /// The most load of one endpoint, of the average (`max_load: 125%`); `None` is no bound.
        max_load: Option<Share>,
    },
}

/// What of a request decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HashKey {
    /// The client's address.
    ClientIp,
    /// A field's first value, by its name in lower case.
    Header(String),
    /// A cookie's value.
    Cookie(String),
    /// The canonical path.
    Path,
    /// A query parameter's value.
    Query(String),
}

/// How much an upstream does at once, and who waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Exchanges and tunnels at once, each with a connection of its own; `None` is `unlimited`.
    pub connections: Option<u32>,
    /// Requests that wait for their turn (1024); 0 is `off`.
    pub queue: u32,
    /// How long one waits (5 s).
    pub queue_timeout: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections: None, queue: 1024, queue_timeout: Duration::from_secs(5) }
    }
}

/// What ties a client to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// A cookie of ours.
    Ours {
        /// Its name.
        cookie: String,
        /// How long it binds (2 h).
        ttl: Duration,
        /// It is set where the application sets this one; `None` is at once.
        when_set: Option<String>,
        /// Upstreams with the same group share it.
        group: Option<String>,
    },
    /// The hash of a cookie of the application's.
    App {
        /// Its name.
        cookie: String,
    },
}
