//! By what a thing is the same thing in the next configuration.
//!
//! The control thread matches the identities of two snapshots and carries live state from one to the other. A rule is
//! the same while its route, `when` and target are: changing its policies keeps its streams and counters. What it counts
//! against limits goes on while its route and `when` stay: another target lets nobody begin anew.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::{EndpointId, Snapshot, UpstreamId};
use crate::config;
use crate::route::RuleId;

/// A rule: its route, and a fingerprint of `when` and target among the rules of that route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleIdentity {
    /// The key of the route.
    pub route: Arc<str>,
    /// 64 bits of `when` and target. Stable within a version of the program.
    pub fingerprint: u64,
    /// 64 bits of `when` alone. Two rules of a route that have the same share what is counted: the first answers for both.
    pub when: u64,
}

/// An upstream: its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamIdentity(pub Arc<str>);

/// An endpoint: its upstream and its address as written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointIdentity {
    /// The name of the upstream.
    pub upstream: Arc<str>,
    /// The address as written.
    pub address: Arc<str>,
}

/// Everything in a snapshot, by identity. Where two things have one identity, the first has it.
#[derive(Debug)]
pub struct Identities<'s> {
    /// Rules.
    pub rules: HashMap<&'s RuleIdentity, RuleId>,
    /// Upstreams.
    pub upstreams: HashMap<&'s UpstreamIdentity, UpstreamId>,
    /// Endpoints.
    pub endpoints: HashMap<&'s EndpointIdentity, EndpointId>,
}

impl<'s> Identities<'s> {
    pub(super) fn of(snapshot: &'s Snapshot) -> Self {
        Self {
            rules: indexed(snapshot.rules.pairs().map(|(at, rule)| (at, &rule.identity)), RuleId),
            upstreams: indexed(snapshot.upstreams.pairs().map(|(at, one)| (at, &one.identity)), UpstreamId),
            endpoints: indexed(snapshot.endpoints.pairs().map(|(at, one)| (at, &one.identity)), EndpointId),
        }
    }
}

fn indexed<K: Eq + Hash, V>(identities: impl Iterator<Item = (usize, K)>, id: impl Fn(u32) -> V) -> HashMap<K, V> {
    let mut map = HashMap::new();
    for (at, identity) in identities {
        map.entry(identity).or_insert_with(|| id(u32::try_from(at).unwrap_or(u32::MAX)));
    }
    map
}

/// The fingerprint of a rule's `when` and target.
pub(super) fn fingerprint(rule: &config::Rule) -> u64 {
    let mut hash = Fnv::default();
    rule.when.hash(&mut hash);
    rule.action.hash(&mut hash);
    hash.finish()
}

/// The fingerprint of a rule's `when`.
pub(super) fn fingerprint_of_when(rule: &config::Rule) -> u64 {
    let mut hash = Fnv::default();
    rule.when.hash(&mut hash);
    hash.finish()
}

/// FNV-1a: the same in every process, which the hash of the standard library does not promise.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
