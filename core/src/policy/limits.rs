//! `rate_limit`, `concurrency`, `max_connections`: how often and how many at once, by key.
//!
//! The chain knows the limit and how a request's key reads; where it is counted is live and outlives the snapshot, so the
//! control thread ties it in. Without that (`explain`) nothing is counted and nothing refused.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::Refusal;
use super::cells::{Cells, Pace};
use super::places::{Occupied, Places};
use crate::config::{self, LimitKey, LimitScope, Redis};
use crate::moment::Moment;
use crate::reason::Reason;
use crate::route::Facts;
use crate::template::render;

/// A limit on how often.
#[derive(Debug)]
pub struct Rate {
    /// By what its cells are found again in the next snapshot.
    pub identity: Arc<str>,
    /// Counts, and lets pass.
    pub dry_run: bool,
    /// Where it counts together with other machines; nothing is taken here then.
    pub store: Option<Redis>,
    by_identity: bool,
    key: Key,
    pace: Pace,
    burst: u32,
    window: Duration,
    cells: OnceLock<Arc<Cells>>,
}

/// A limit on how many at once.
#[derive(Debug)]
pub struct Concurrency {
    /// By what its places are found again in the next snapshot.
    pub identity: Arc<str>,
    by_identity: bool,
    key: Key,
    most: u32,
    places: OnceLock<Arc<Places>>,
}

/// What is counted apart.
#[derive(Debug)]
enum Key {
    Client,
    /// A text of the configuration: the route's key.
    Fixed(Box<str>),
    Template(config::Template),
}

impl Key {
    fn new(written: &LimitKey, route: &str) -> Self {
        match written {
            LimitKey::ClientIp => Self::Client,
            LimitKey::Route => Self::Fixed(route.into()),
            LimitKey::Template(template) => Self::Template(template.clone()),
        }
    }

    /// Writes the key of a request. One IPv6 site is one client: its /64 (case 161).
    fn write(&self, facts: &Facts<'_>, out: &mut Vec<u8>) {
        out.clear();
        match self {
            Self::Client => match facts.client_ip.map(|ip| ip.to_canonical()) {
                Some(IpAddr::V4(ip)) => out.extend_from_slice(&ip.octets()),
                Some(IpAddr::V6(ip)) => out.extend_from_slice(ip.octets().get(..8).unwrap_or_default()),
                None => {}
            },
            Self::Fixed(text) => out.extend_from_slice(text.as_bytes()),
            // A fact that no line could hold makes no key of its own.
            Self::Template(template) => drop(render(template, facts, out)),
        }
    }
}

impl Rate {
    pub(super) fn compile(written: &config::RateLimit, at: &LimitPlace<'_>) -> Self {
        Self {
            identity: at.identity(&written.scope, "rate", written.index),
            dry_run: written.dry_run,
            store: written.store.clone(),
            by_identity: written.key.is_by_identity(),
            key: Key::new(&written.key, at.route),
            pace: Pace::new(written.count, written.per, written.burst),
            burst: written.burst,
            window: written.per,
            cells: OnceLock::new(),
        }
    }

    /// Lets it count in cells that outlive the snapshot. The first word holds.
    pub fn tie(&self, cells: impl FnOnce() -> Arc<Cells>) {
        let _ = self.cells.get_or_init(cells);
    }

    /// Whether its key is known only once it is known who asks.
    #[must_use]
    pub const fn is_by_identity(&self) -> bool {
        self.by_identity
    }

    /// Looks whether one request more would be let pass, and takes nothing: a request that another limit refuses is not
    /// to be paid for here.
    ///
    /// # Errors
    ///
    /// As [`Rate::take`].
    pub fn look(
        &self,
        facts: &Facts<'_>,
        now: Moment,
        key: &mut Vec<u8>,
        hash: impl FnOnce(&[u8]) -> u64,
    ) -> Result<(), Refusal> {
        let Some(cells) = self.cells.get() else { return Ok(()) };
        self.key.write(facts, key);
        cells.wait(hash(key), self.pace, now).map_or(Ok(()), |wait| Err(self.refusal(wait)))
    }

    /// What a store is asked for one request: the name of the key's cell, which says nothing about the key, and the pace
    /// in microseconds (interval, tolerance).
    pub fn question(&self, facts: &Facts<'_>, key: &mut Vec<u8>) -> (String, [f64; 2]) {
        self.key.write(facts, key);
        let mut digest = Sha256::new();
        digest.update(self.identity.as_bytes());
        digest.update([0]);
        digest.update(&key);
        let mut name = "switchboard:rate:".to_owned();
        for byte in digest.finalize().iter().take(16) {
            let _ = write!(name, "{byte:02x}");
        }
        (name, self.pace.micros())
    }

    /// Takes one request. `hash` is a keyed one; `key` is memory to write in.
    ///
    /// # Errors
    ///
    /// `rate_limited`, with the time after which the key has its turn again.
    pub fn take(
        &self,
        facts: &Facts<'_>,
        now: Moment,
        key: &mut Vec<u8>,
        hash: impl FnOnce(&[u8]) -> u64,
    ) -> Result<(), Refusal> {
        let Some(cells) = self.cells.get() else { return Ok(()) };
        self.key.write(facts, key);
        cells.take(hash(key), self.pace, now).map_err(|wait| self.refusal(wait))
    }

    /// What a key is told that has to wait this long.
    ///
    /// The fields are those of RFC 9110 §10.2.3 and of the IETF's draft on `RateLimit`.
    #[must_use]
    pub fn refusal(&self, wait: Duration) -> Refusal {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let window = self.window.as_secs().max(1);
        Refusal {
            reason: Reason::RateLimited,
            detail: "This client asks more often than the route allows.",
            fields: vec![
                ("retry-after", seconds.to_string()),
                ("ratelimit-policy", format!("\"rate\";q={};w={window}", self.burst)),
                ("ratelimit", format!("\"rate\";r=0;t={seconds}")),
            ],
        }
    }
}

impl Concurrency {
    pub(super) fn compile(written: &config::Concurrency, at: &LimitPlace<'_>) -> Self {
        Self {
            identity: at.identity(&written.scope, "at once", written.index),
            by_identity: written.key.is_by_identity(),
            key: Key::new(&written.key, at.route),
            most: written.max,
            places: OnceLock::new(),
        }
    }

    /// Whether its key is known only once it is known who asks.
    #[must_use]
    pub const fn is_by_identity(&self) -> bool {
        self.by_identity
    }

    /// Lets it count in places that outlive the snapshot. The first word holds.
    pub fn tie(&self, places: impl FnOnce() -> Arc<Places>) {
        let _ = self.places.get_or_init(places);
    }

    /// Takes a place for an exchange, for as long as what comes back lives; nothing where nobody counts.
    ///
    /// # Errors
    ///
    /// `rate_limited` where the key has all its places.
    pub fn take(
        &self,
        facts: &Facts<'_>,
        key: &mut Vec<u8>,
        hash: impl FnOnce(&[u8]) -> u64,
    ) -> Result<Option<Occupied>, Refusal> {
        let Some(places) = self.places.get() else { return Ok(None) };
        self.key.write(facts, key);
        match places.take(hash(key), self.most) {
            Some(place) => Ok(Some(place)),
            None => Err(Refusal::new(Reason::RateLimited, "Too many requests of this kind are under way at once.")),
        }
    }
}

/// Where a chain stands: by what its own limits are told from others.
#[derive(Clone, Copy, Debug)]
pub struct LimitPlace<'a> {
    /// The route's key; empty on a listener.
    pub route: &'a str,
    /// What tells the rule from others of its route.
    pub rule: u64,
}

impl LimitPlace<'_> {
    fn identity(&self, scope: &LimitScope, kind: &str, index: u32) -> Arc<str> {
        match scope {
            LimitScope::Defaults => format!("defaults: {kind} {index}").into(),
            LimitScope::Listener(name) => format!("listener {name}: {kind} {index}").into(),
            LimitScope::Named(name) => format!("policy {name}: {kind} {index}").into(),
            LimitScope::Rule => format!("route {} {:x}: {kind} {index}", self.route, self.rule).into(),
        }
    }
}

impl Rate {
    pub(super) fn words(&self) -> String {
        let shadow = if self.dry_run { ", counted only" } else { "" };
        let store = if self.store.is_some() { ", in redis" } else { "" };
        let (burst, key) = (self.burst, self.key.words());
        let interval = crate::config::duration_text(self.pace.interval());
        format!("{burst} at once, then one each {interval}, by {key}{store}{shadow}")
    }
}

impl Concurrency {
    pub(super) fn words(&self) -> String {
        format!("{} at once, by {}", self.most, self.key.words())
    }
}

impl Key {
    const fn words(&self) -> &'static str {
        match self {
            Self::Client => "client address",
            Self::Fixed(_) => "route",
            Self::Template(_) => "a key of the request",
        }
    }
}
