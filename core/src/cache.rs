//! A shared cache's rules (RFC 9111, RFC 9211, RFC 5861): what may be stored, how long it is fresh, who may get it.
//!
//! The exchange asks in this order: [`key`], [`reuse`] for what is stored, [`store`] for an answer that comes, [`merge`]
//! where it is a 304, [`invalid`] where a method was unsafe. Nothing here holds a body, reads a clock or waits; the
//! store itself is the proxy's.

pub mod control;
pub mod date;
pub mod entry;
pub mod freshness;
pub mod image;
pub mod invalid;
pub mod key;
pub mod merge;
pub mod reuse;
pub mod status;
pub mod store;
pub mod tags;
pub mod targeted;
pub mod vary;

pub use entry::Entry;
pub use reuse::Reuse;
pub use store::Verdict;

use crate::config;
use crate::message::Fields;

/// What a rule keeps, compiled.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// As it was configured.
    pub rules: config::Cache,
    /// Tells its answers from those of other rules under the same URL. The same in the next start.
    pub space: u64,
}

impl Plan {
    /// Makes the plan of the rule with this fingerprint of the route with this key.
    #[must_use]
    pub fn new(rules: &config::Cache, route: &str, fingerprint: u64) -> Self {
        Self { rules: rules.clone(), space: tags::hash(route.as_bytes()) ^ fingerprint.rotate_left(1) }
    }
}

/// The values of the lines with this name that are not dropped, in order.
fn lines<'a>(fields: &'a Fields, bytes: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    fields.matching(bytes, name).map(|field| field.value.of(bytes))
}

#[cfg(test)]
mod tests;
