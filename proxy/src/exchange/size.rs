//! How large a request's body may be, and whether it says itself that it is larger. `upload` counts those that do not say.

use switchboard_core::http1::Framing;
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::{Rule, Snapshot};

use crate::error::ProxyError;
use crate::http::Connection;

/// The most bytes that a body may have: what the rule says, or its listener, if that is less and binds it.
pub(super) fn bound_of(connection: &Connection, snapshot: &Snapshot, rule: &Rule) -> Option<u64> {
    match snapshot.max_body_of(connection.listener).filter(|_| rule.inherit) {
        Some(most) => Some(rule.max_body.map_or(most, |own| own.min(most))),
        None => rule.max_body,
    }
}

/// Refuses a body that says itself that it is too large. One that does not say is counted as it comes.
pub(super) fn check(most: Option<u64>, framing: Framing) -> Result<(), ProxyError> {
    match (framing, most) {
        (Framing::Length(length) | Framing::Frames(Some(length)), Some(most)) if length > most => {
            Err(ProxyError::client(Reason::BodyTooLarge, "The request's body is larger than this route's max_body."))
        }
        _ => Ok(()),
    }
}
