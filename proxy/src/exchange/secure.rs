//! What TLS has to do with a request: whether its authority may be asked for on this connection, and where to send who
//! came without.

use std::sync::Arc;

use switchboard_core::reason::Reason;
use switchboard_core::route::Facts;
use switchboard_core::snapshot::Rule;

use crate::error::ProxyError;
use crate::generation::Generation;
use crate::http::Connection;
use crate::tls::Secure;

/// Looks at a request before it is routed. Gives the rule that answers in the place of a route's, where one does; its
/// location is then in `target`.
///
/// # Errors
/// `misdirected`
pub fn look(
    connection: &Connection,
    generation: &Generation,
    facts: &Facts<'_>,
    target: &mut Vec<u8>,
) -> Result<Option<Arc<Rule>>, ProxyError> {
    match &connection.secure {
        Some(secure) => check(secure, connection, generation, facts).map(|()| None),
        None if generation.tls.any => Ok(redirect(connection, generation, facts, target)),
        None => Ok(None),
    }
}

/// Refuses a request for an authority that this connection does not speak for (RFC 9110 §7.4, case 165).
fn check(
    secure: &Secure,
    connection: &Connection,
    generation: &Generation,
    facts: &Facts<'_>,
) -> Result<(), ProxyError> {
    let host = facts.destination.host();
    let endpoint = generation.tls.listener(connection.listener.0 as usize);
    let speaks = host.is_empty()
        || std::str::from_utf8(host).is_ok_and(|host| secure.speaks_for(host, endpoint.map(|endpoint| &**endpoint)));
    if speaks {
        return Ok(());
    }
    let detail = "This connection was made for another host; a new one has to be made for this host.";
    Err(ProxyError::client(Reason::Misdirected, detail))
}

/// Where a request on a plain listener has to go instead: the host has TLS, and nobody in front of us has it already.
fn redirect(
    connection: &Connection,
    generation: &Generation,
    facts: &Facts<'_>,
    target: &mut Vec<u8>,
) -> Option<Arc<Rule>> {
    let listener = generation.config.listeners.get(connection.listener.0 as usize)?;
    if !listener.https_redirect || facts.scheme == "https" || connection.socket.port() == 0 {
        return None;
    }
    let certs = &connection.worker.process.certs;
    let is_sent = generation.tls.elsewhere(facts.destination, |name| certs.serves(name), target);
    generation.tls.redirect.clone().filter(|_| is_sent)
}
