//! Opens a connection to an endpoint, within `timeouts.connect` for all of its places.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use switchboard_core::config::Bind;
use switchboard_core::moment::Moment;
use switchboard_core::proxy_header::{self, Ends};
use switchboard_core::reason::Reason;

use super::pool::Connection;
use super::race::{self, Failure};
use crate::deadline::Deadline;
use crate::error::{ProxyError, Retry};
use crate::live::{EndpointLive, Place};
use crate::tls::endpoints;
use crate::transport::Transport;
use crate::worker::Worker;

/// Connects; `alone` where an endpoint over TLS may not choose HTTP/2. The deadline is the exchange's; a client that goes
/// away meanwhile ends the wait, where one is given.
///
/// # Errors
/// `connect_refused`, `connect_timeout` or `tls_failed`, all safe to try elsewhere: not a byte of a request was sent.
/// `overloaded` where this machine lacks what it takes.
pub async fn connect(
    worker: &Worker,
    endpoint: &EndpointLive,
    client: Option<&Transport>,
    deadline: &Deadline,
    patience: Option<Duration>,
    ends: Option<Ends>,
    alone: bool,
) -> Result<Connection, ProxyError> {
    let begun = endpoint.tls.as_ref().map(|_| worker.deadlines.about_now());
    let mut connection = connect_raw(worker, endpoint, client, deadline, patience, ends).await?;
    if let (Some(tls), Some(begun)) = (&endpoint.tls, begun) {
        let until = patience.map_or(Moment::NEVER, |patience| begun + with_tls(patience));
        connection.transport = secured(connection.transport, tls, alone, client, deadline, until).await?;
        connection.opened = worker.deadlines.now();
    }
    Ok(connection)
}

/// The same without TLS, for bytes that have theirs.
///
/// # Errors
/// `connect_refused` or `connect_timeout`.
pub async fn connect_raw(
    worker: &Worker,
    endpoint: &EndpointLive,
    client: Option<&Transport>,
    deadline: &Deadline,
    patience: Option<Duration>,
    ends: Option<Ends>,
) -> Result<Connection, ProxyError> {
    let doubts = &worker.process.doubts;
    let mut outcome = race::connect(endpoint, worker.turn(), doubts, client, deadline, patience).await;
    if matches!(outcome, Err(Failure::Exhausted(_))) {
        // Connections that wait for use are a luxury: here at once, in other workers soon.
        worker.spare_descriptors();
        outcome = race::connect(endpoint, worker.turn(), doubts, client, deadline, patience).await;
    }
    let refused = match outcome {
        Ok((transport, version)) => {
            worker.counters.upstream_connects.add(1);
            note_own(worker, endpoint, &transport);
            introduce(&transport, endpoint, ends)?;
            let opened = worker.deadlines.now();
            return Ok(Connection { transport, version, opened, reused: false });
        }
        Err(Failure::TimedOut) => {
            let detail = "The endpoint did not accept a connection in time.";
            return Err(ProxyError::upstream(Reason::ConnectTimeout, detail).retry(Retry::Unsent));
        }
        Err(Failure::Exhausted(source)) => {
            worker.process.say_exhausted("connect to an endpoint", &source);
            let detail = "The proxy has no descriptor, local port or memory left to connect with.";
            return Err(ProxyError::own(Reason::Overloaded, detail).because(source));
        }
        Err(Failure::ClientGone) => return Err(ProxyError::gone()),
        Err(Failure::Refused(error)) => error,
    };
    let error = ProxyError::upstream(Reason::ConnectRefused, "The endpoint does not accept connections.");
    let error = error.retry(Retry::Unsent);
    Err(match refused {
        Some(source) => error.because(source),
        None => error,
    })
}

/// Takes note of an endpoint that is a listener of this process, so that what is sent there says so: the next request, for
/// this one's head is written. Only where the port is one of ours is the system asked for the two ends.
fn note_own(worker: &Worker, endpoint: &EndpointLive, transport: &Transport) {
    let sockets = worker.process.sockets.load();
    let ours = |place: &Place| match place {
        Place::Ip(at) => sockets.iter().any(|own| own.address.is_some_and(|own| own.port() == at.port())),
        Place::Unix(path) => sockets.iter().any(|own| matches!(&own.bind, Bind::Unix(bound) if bound == path)),
    };
    if endpoint.is_own.load(Ordering::Relaxed) || !endpoint.places.load().iter().any(ours) {
        return;
    }
    let is_own = match (transport.local_address(), transport.remote_address()) {
        (Some(here), Some(there)) => {
            let (from, to) = (here.ip().to_canonical(), there.ip().to_canonical());
            // From an address of this machine to itself, or between two that never leave it.
            let stays = from == to || from.is_loopback() && to.is_loopback();
            let meets = |own: SocketAddr| {
                own.port() == there.port() && (own.ip().is_unspecified() || own.ip().to_canonical() == to)
            };
            stays && sockets.iter().filter_map(|own| own.address).any(meets)
        }
        // A unix socket: the path was compared.
        _ => true,
    };
    endpoint.is_own.store(is_own, Ordering::Relaxed);
}

/// Says on a fresh connection who the client is, where the endpoint wants to know.
fn introduce(transport: &Transport, endpoint: &EndpointLive, ends: Option<Ends>) -> Result<(), ProxyError> {
    let (Some(version), Transport::Plain(socket)) = (endpoint.send_proxy_protocol, transport) else { return Ok(()) };
    let header = proxy_header::write(version, ends);
    if socket.try_write(&header).is_ok_and(|written| written == header.len()) {
        return Ok(());
    }
    let detail = "The endpoint closed the connection before it was told who the client is.";
    Err(ProxyError::upstream(Reason::UpstreamReset, detail).retry(Retry::Unsent))
}

/// How long a connection may take with its handshake, where it may take `patience` without: 5 s of 3 (SECURITY §4.2).
fn with_tls(patience: Duration) -> Duration {
    patience.saturating_mul(5) / 3
}

async fn secured(
    transport: Transport,
    tls: &endpoints::ClientTls,
    alone: bool,
    client: Option<&Transport>,
    deadline: &Deadline,
    until: Moment,
) -> Result<Transport, ProxyError> {
    deadline.set(until);
    endpoints::connect(transport, tls, alone, client, deadline).await.map_err(|failure| match failure {
        endpoints::Failure::ClientGone => ProxyError::gone(),
        endpoints::Failure::TimedOut => {
            let detail = "The endpoint did not finish the TLS handshake in time.";
            ProxyError::upstream(Reason::ConnectTimeout, detail).retry(Retry::Unsent)
        }
        endpoints::Failure::Refused(detail, source) => {
            ProxyError::upstream(Reason::TlsFailed, detail).because(source).retry(Retry::Unsent)
        }
    })
}

/// Whether the endpoint accepts a connection, which is closed at once.
pub async fn accepts(worker: &Worker, endpoint: &EndpointLive, deadline: &Deadline, patience: Duration) -> bool {
    race::connect(endpoint, worker.turn(), &worker.process.doubts, None, deadline, Some(patience)).await.is_ok()
}
