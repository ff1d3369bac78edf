//! Requests that a rule sends to this process itself: marked as they go, and refused where they come back to it.
//!
//! `admit` asks once the rule is known; whoever writes a head for an endpoint says. Elsewhere nothing is marked.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use switchboard_core::forwarding::{Hop, Mark};
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::Rule;

use super::admit::Admitted;
use super::bond;
use crate::error::ProxyError;
use crate::http::Connection;
use crate::live::EndpointLive;
use crate::transport::Transport;

/// Refuses what this very rule has sent to this process. `bytes` are the head's.
///
/// # Errors
/// `loop`.
pub fn refuse(connection: &Connection, rule: &Rule, hop: &Hop, bytes: &[u8]) -> Result<(), ProxyError> {
    match hop.passed {
        Some(passed) if mark(connection, rule).is_in(passed.of(bytes)) => {
            Err(ProxyError::own(Reason::Loop, "The endpoint of this route is this proxy itself."))
        }
        Some(_) | None => Ok(()),
    }
}

/// Adds the rule's mark to a head for an endpoint that is one of our own listeners. `bytes` are of the head that came.
pub fn say(connection: &Connection, admitted: &Admitted, live: &EndpointLive, bytes: &[u8], head: &mut Vec<u8>) {
    if live.is_own.load(Ordering::Relaxed) {
        let before = admitted.hop.passed.map(|passed| passed.of(bytes));
        bond::add(head, &mark(connection, &admitted.rule).line(before));
    }
}

/// Refuses a connection of TLS that is not ours to read where it would go to the listener that it came to: there the same
/// name leads to the same rule again, and nothing in it can be marked.
///
/// # Errors
/// `loop`.
pub fn refuse_way_back(client: &Transport, live: &EndpointLive, endpoint: &Transport) -> Result<(), ProxyError> {
    let port = |at: Option<SocketAddr>| at.map(|at| at.port());
    if live.is_own.load(Ordering::Relaxed) && port(client.local_address()) == port(endpoint.remote_address()) {
        return Err(ProxyError::own(Reason::Loop, "The endpoint of this route is this listener itself."));
    }
    Ok(())
}

fn mark(connection: &Connection, rule: &Rule) -> Mark {
    Mark::of(connection.worker.process.mark, &rule.identity)
}
