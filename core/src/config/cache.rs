//! What of an upstream's answers is kept, and where.

use std::time::Duration;

use super::{duration_text, size_text};

/// `cache:` of a rule: how its answers are stored and used again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// The largest body that is stored, in bytes (10 MiB). A larger one passes as without a cache.
    pub max_object: u64,
    /// Which parameters of the query tell one answer from another.
    pub query: QueryKey,
    /// How long answers are fresh whatever their origin says; `None` leaves it to the origin.
    pub override_ttl: Option<Duration>,
    /// How long a stale answer is given while it is asked for anew, where the origin says nothing.
    pub stale_while_revalidate: Option<Duration>,
    /// How long a stale answer is given where asking fails, where the origin says nothing.
    pub stale_if_error: Option<Duration>,
    /// Whether freshness is guessed from `Last-Modified` where the origin says nothing.
    pub heuristic: bool,
    /// Whether answers with `Set-Cookie` are stored, cookies and all.
    pub set_cookie: bool,
    /// Whether `no-cache`, `max-age` and the like of a request count.
    pub client_control: bool,
    /// How long a request waits for the answer to another one for the same; `None` is not at all.
    pub lock: Option<Duration>,
}

impl Cache {
    /// What is kept and for how long, for `explain`.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = match self.override_ttl {
            Some(ttl) => format!("answers are kept for {}", duration_text(ttl)),
            None if self.heuristic => "answers are kept as their origin says, or guessed from their age".to_owned(),
            None => "answers are kept as their origin says".to_owned(),
        };
        words.push_str(&format!(", bodies up to {}", size_text(self.max_object)));
        match &self.query {
            QueryKey::All => {}
            QueryKey::Only(names) if names.is_empty() => words.push_str("; the query doesn't count"),
            QueryKey::Only(names) => words.push_str(&format!("; of the query {} count", names.join(", "))),
            QueryKey::Without(names) => words.push_str(&format!("; of the query {} don't count", names.join(", "))),
        }
        if let Some(stale) = self.stale_while_revalidate {
            words.push_str(&format!("; stale for {} while they are asked for anew", duration_text(stale)));
        }
        words
    }
}

/// Which parameters of a query count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryKey {
    /// The whole query as it is.
    All,
    /// These, in any order; a name that ends in `*` is a prefix.
    Only(Vec<String>),
    /// All but these, in the order given.
    Without(Vec<String>),
}

/// `cache:` of the whole file: how much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheStore {
    /// Bytes of memory (64 MiB).
    pub memory: u64,
    /// Bytes in `state_dir/cache`; `None` is `off`.
    pub disk: Option<u64>,
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            max_object: 10 << 20,
            query: QueryKey::All,
            override_ttl: None,
            stale_while_revalidate: None,
            stale_if_error: None,
            heuristic: false,
            set_cookie: false,
            client_control: true,
            lock: Some(Duration::from_secs(5)),
        }
    }
}

impl Default for CacheStore {
    fn default() -> Self {
        Self { memory: 64 << 20, disk: None }
    }
}
