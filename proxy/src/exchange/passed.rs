//! Requests that a rule sends to this process itself: marked as they go, and refused where they come back to it.
//!
//! `admit` asks once the rule is known; whoever writes a head for an endpoint says. Elsewhere nothing is marked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use switchboard_core::forwarding::{self, Hop, Mark};
use switchboard_core::message::Fields;
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::Rule;

use super::bond;
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::http::Connection;
use crate::live::EndpointLive;
use crate::transport::Transport;

/// Refuses what this very rule has sent to this process. `came` is the request: its fields and the bytes of its head.
///
/// # Errors
/// `loop`.
#[inline]
pub fn refuse(connection: &Connection, rule: &Rule, hop: &Hop, came: (&Fields, &[u8])) -> Result<(), ProxyError> {
    if hop.passed { refuse_own(connection, rule, came) } else { Ok(()) }
}

#[cold]
fn refuse_own(connection: &Connection, rule: &Rule, (fields, bytes): (&Fields, &[u8])) -> Result<(), ProxyError> {
    match forwarding::marks(fields, bytes).is_some_and(|marks| mark(connection, rule).is_in(marks)) {
        true => Err(ProxyError::own(Reason::Loop, "The endpoint of this route is this proxy itself.")),
        false => Ok(()),
    }
}

/// Whether an endpoint is one of our own listeners.
pub fn concerns(live: &Arc<EndpointLive>) -> bool {
    live.is_own.load(Ordering::Relaxed)
}

/// Adds the rule's mark to the head in `desk.output`, which goes to one of our own listeners.
#[cold]
pub fn say(connection: &Connection, rule: &Rule, desk: &mut Desk) {
    let line = line(connection, rule, desk);
    bond::add(&mut desk.output, &line);
}

/// The line with the rule's mark, for what is asked because of the request on this desk.
#[cold]
pub fn line(connection: &Connection, rule: &Rule, came: &Desk) -> Vec<u8> {
    mark(connection, rule).line(forwarding::marks(&came.request.fields, came.input.filled()))
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
