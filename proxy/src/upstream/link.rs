//! Connections that exchanges share (HTTP/2): a stream of one that is open, or of a new one.
//!
//! Where many exchanges want the first stream at once, one opens the connection and the others wait for it.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use switchboard_core::forwarding::Scheme;
use switchboard_core::moment::Moment;
use switchboard_core::proxy_header::Ends;
use switchboard_core::reason::Reason;

use super::connect::connect;
use super::pool::Connection;
use super::send::Attempt;
use crate::error::{ProxyError, Retry};
use crate::http::h2::Link;
use crate::live::EndpointLive;
use crate::transport::{Gone, Transport};
use crate::worker::Worker;

/// Gives a stream to the endpoint.
///
/// # Errors
/// Those of a connect; `upstream_bad_response` where nobody there speaks HTTP/2. Nothing was sent in either case.
pub async fn open(
    attempt: &Attempt<'_>,
    endpoint: &EndpointLive,
    patience: Option<Duration>,
    ends: Option<Ends>,
    now: Moment,
) -> Result<Connection, ProxyError> {
    attempt.deadline.set_in(patience);
    // A connection that says who the client is serves that client alone.
    let alone = endpoint.send_proxy_protocol.is_some();
    if !alone && let Some(kept) = wait(attempt, endpoint, now).await? {
        return Ok(kept);
    }
    let claim = (!alone).then(|| Claim { worker: attempt.worker, endpoint });
    let fresh = connect(attempt.worker, endpoint, attempt.watched(), attempt.deadline, patience, ends, false).await?;
    let (link, connection) = begin(attempt, fresh, Scheme::Http).await?;
    if let Some(claim) = claim {
        claim.settle(link, now);
    }
    Ok(connection)
}

/// Makes a fresh connection one that exchanges share, where the endpoint chose HTTP/2 in its handshake.
///
/// # Errors
/// `upstream_bad_response` where it does not speak it after all. Nothing was sent.
pub async fn share(
    attempt: &Attempt<'_>,
    endpoint: &EndpointLive,
    fresh: Connection,
    now: Moment,
) -> Result<Connection, ProxyError> {
    if !fresh.transport.chose_http2() {
        return Ok(fresh);
    }
    let (link, connection) = Box::pin(begin(attempt, fresh, Scheme::Https)).await?;
    attempt.worker.pools.borrow_mut().settle(endpoint, Some((link, now)));
    Ok(connection)
}

/// Begins HTTP/2 on a connection, and opens its first stream.
async fn begin(attempt: &Attempt<'_>, fresh: Connection, scheme: Scheme) -> Result<(Link, Connection), ProxyError> {
    let Connection { transport, version, opened, .. } = fresh;
    let begun = Link::begin(attempt.worker, transport, scheme, version, attempt.deadline).await;
    let link = begun.map_err(|error| {
        let error = match error.kind() {
            io::ErrorKind::TimedOut => {
                ProxyError::upstream(Reason::ConnectTimeout, "The endpoint did not begin HTTP/2 in time.")
            }
            _ => {
                ProxyError::upstream(Reason::UpstreamBadResponse, "The endpoint does not speak HTTP/2.").because(error)
            }
        };
        error.retry(Retry::Unsent)
    })?;
    let transport = Transport::Stream(Box::new(link.stream()));
    Ok((link, Connection { transport, version, opened, reused: false }))
}

/// Waits while somebody else opens a connection. `None` is the claim to open one.
async fn wait(attempt: &Attempt<'_>, endpoint: &EndpointLive, now: Moment) -> Result<Option<Connection>, ProxyError> {
    poll_fn(|context| {
        attempt.deadline.register(context);
        let mut pools = attempt.worker.pools.borrow_mut();
        if let Some(kept) = pools.take(endpoint, now, false) {
            return Poll::Ready(Ok(Some(kept)));
        }
        if pools.claim(endpoint, context) {
            return Poll::Ready(Ok(None));
        }
        if attempt.deadline.has_come() {
            let detail = "The endpoint did not accept a connection in time.";
            return Poll::Ready(Err(ProxyError::upstream(Reason::ConnectTimeout, detail).retry(Retry::Unsent)));
        }
        match attempt.watched().map_or(Poll::Pending, |client| client.poll_gone(context)) {
            Poll::Ready(Gone::Reset) => Poll::Ready(Err(ProxyError::gone())),
            Poll::Ready(Gone::Fin) | Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// The claim to open a connection; given up when dropped, so that those who wait try themselves.
struct Claim<'a> {
    worker: &'a Worker,
    endpoint: &'a EndpointLive,
}

impl Claim<'_> {
    fn settle(self, link: Link, now: Moment) {
        self.worker.pools.borrow_mut().settle(self.endpoint, Some((link, now)));
        std::mem::forget(self);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.worker.pools.borrow_mut().settle(self.endpoint, None);
    }
}
