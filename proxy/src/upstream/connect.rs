//! Opens a connection to an endpoint: each place in turn, within `timeouts.connect` for all of them.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, ipproto, sockopt};
use switchboard_core::reason::Reason;

use super::pool::Connection;
use crate::deadline::Deadline;
use crate::error::{ProxyError, Retry};
use crate::live::{EndpointLive, Place};
use crate::transport::Transport;
use crate::worker::Worker;

/// Connects. The deadline is the exchange's; a client that goes away meanwhile ends the wait.
///
/// # Errors
/// `connect_refused` or `connect_timeout`, both safe to try elsewhere: not a byte was sent.
pub async fn connect(
    worker: &Worker,
    endpoint: &EndpointLive,
    client: &Transport,
    deadline: &Deadline,
    patience: Option<Duration>,
) -> Result<Connection, ProxyError> {
    deadline.set_in(patience);
    let mut refused = None;
    let version = endpoint.places.version();
    for place in endpoint.places.load().iter() {
        match try_place(place, client, deadline).await {
            Ok(transport) => {
                worker.counters.upstream_connects.add(1);
                let opened = worker.deadlines.now();
                return Ok(Connection { transport, version, opened, reused: false });
            }
            Err(Failure::TimedOut) => {
                let detail = "The endpoint did not accept a connection in time.";
                return Err(ProxyError::upstream(Reason::ConnectTimeout, detail).retry(Retry::Unsent));
            }
            Err(Failure::ClientGone) => return Err(ProxyError::gone()),
            Err(Failure::Refused(error)) => refused = Some(error),
        }
    }
    let error = ProxyError::upstream(Reason::ConnectRefused, "The endpoint does not accept connections.");
    let error = error.retry(Retry::Unsent);
    Err(match refused {
        Some(source) => error.because(source),
        None => error,
    })
}

enum Failure {
    Refused(io::Error),
    TimedOut,
    ClientGone,
}

async fn try_place(place: &Place, client: &Transport, deadline: &Deadline) -> Result<Transport, Failure> {
    let transport = begin(place).and_then(Transport::plain).map_err(Failure::Refused)?;
    poll_fn(|context| {
        deadline.register(context);
        if let Poll::Ready(result) = transport.poll_connected(context) {
            return Poll::Ready(result.map_err(Failure::Refused));
        }
        if deadline.has_come() {
            return Poll::Ready(Err(Failure::TimedOut));
        }
        match client.poll_gone(context) {
            Poll::Ready(crate::transport::Gone::Reset) => Poll::Ready(Err(Failure::ClientGone)),
            Poll::Ready(crate::transport::Gone::Fin) | Poll::Pending => Poll::Pending,
        }
    })
    .await?;
    Ok(transport)
}

/// Starts a connect without waiting for its end.
fn begin(place: &Place) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, begun) = match place {
        Place::Ip(address) => {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
            sockopt::set_tcp_nodelay(&socket, true)?;
            let begun = rustix::net::connect(&socket, address);
            (socket, begun)
        }
        Place::Unix(path) => {
            let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
            let begun = rustix::net::connect(&socket, &SocketAddrUnix::new(path.as_path())?);
            (socket, begun)
        }
    };
    match begun {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}
