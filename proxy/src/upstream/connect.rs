//! Opens a connection to an endpoint, within `timeouts.connect` for all of its places.

use std::time::Duration;

use switchboard_core::reason::Reason;

use super::pool::Connection;
use super::race::{self, Failure};
use crate::deadline::Deadline;
use crate::error::{ProxyError, Retry};
use crate::live::EndpointLive;
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
    let turn = worker.turn();
    let refused = match race::connect(endpoint, turn, &worker.process.doubts, Some(client), deadline, patience).await {
        Ok((transport, version)) => {
            worker.counters.upstream_connects.add(1);
            let opened = worker.deadlines.now();
            return Ok(Connection { transport, version, opened, reused: false });
        }
        Err(Failure::TimedOut) => {
            let detail = "The endpoint did not accept a connection in time.";
            return Err(ProxyError::upstream(Reason::ConnectTimeout, detail).retry(Retry::Unsent));
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

/// Whether the endpoint accepts a connection, which is closed at once.
pub async fn accepts(worker: &Worker, endpoint: &EndpointLive, deadline: &Deadline, patience: Duration) -> bool {
    race::connect(endpoint, worker.turn(), &worker.process.doubts, None, deadline, Some(patience)).await.is_ok()
}
