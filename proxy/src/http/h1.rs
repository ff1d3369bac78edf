//! One HTTP/1 connection: read a head, let the exchange answer it, and again, until one side has had enough.
//!
//! Between requests it holds no buffer. What is refused before a request exists (bad heads, time-outs) is answered here
//! through the same one place as everything else: `exchange::refuse`.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::task::{Context, Poll};
use std::time::Duration;

use switchboard_core::config::ProxyProtocol;
use switchboard_core::http1::{HeadLimits, Progress};
use switchboard_core::proxy_header::{self, BadProxyHeader, Header, Parsed};
use switchboard_core::reason::Reason;

use super::Connection;
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::exchange::{self, Next};
use crate::listener::drops::Cause;

/// How long a connection that is closed by us may go on sending before it is cut, and how much it may send.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 * 1024;

/// How long a connection that has not asked anything yet may still begin once the proxy drains.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Serves one connection; `desk` holds what was read of it already.
pub async fn serve(mut connection: Connection, mut desk: Option<Box<Desk>>) {
    loop {
        let next = match next_request(&connection, &mut desk).await {
            Ok(Some(lent)) => exchange::serve(&mut connection, lent, &mut desk).await,
            Ok(None) => Next::Close,
            Err(error) => Box::pin(exchange::refuse_head(&mut connection, &mut desk, error)).await,
        };
        match next {
            Next::Request => {}
            Next::Close => break,
            Next::Linger => {
                linger(&connection).await;
                break;
            }
            Next::Tunnel(tunnel) => {
                let worker = std::rc::Rc::clone(&connection.worker);
                tunnel.launch(worker, connection);
                return;
            }
        }
    }
    if let Some(desk) = desk.take() {
        connection.worker.desks.take_back(desk);
    }
}

/// Waits for the next request. The desk may hold bytes that were sent ahead; an idle connection has none.
///
/// `None` when the client closed, or the connection has been idle for long enough, or the proxy drains.
async fn next_request(connection: &Connection, desk: &mut Option<Box<Desk>>) -> Result<Option<Box<Desk>>, ProxyError> {
    let generation = connection.worker.generation();
    let timeouts = generation.snapshot.timeouts_of(connection.listener);
    let first = connection.served == 0;
    // The first head has to come within its time from accept on; later ones from their first byte on.
    let begun = first || desk.as_ref().is_some_and(|desk| !desk.input.is_empty());
    connection.deadline.set_in(if begun { timeouts.head } else { timeouts.keep_alive });
    let limits = HeadLimits::from(&generation.snapshot.limits);
    let mut waiting = Waiting { limits, head_patience: timeouts.head, first, begun, hurried: false };
    // An idle connection must not keep a generation alive.
    drop(generation);
    poll_fn(|context| waiting.poll(context, connection, desk)).await
}

/// A connection that waits for a head.
struct Waiting {
    limits: HeadLimits,
    head_patience: Option<Duration>,
    /// Nothing has been asked on this connection before.
    first: bool,
    /// The time-out of heads runs.
    begun: bool,
    /// The proxy drains, and the client was given its last call.
    hurried: bool,
}

impl Waiting {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        connection: &Connection,
        desk: &mut Option<Box<Desk>>,
    ) -> Poll<Result<Option<Box<Desk>>, ProxyError>> {
        connection.deadline.register(context);
        loop {
            let mut held = desk.take().unwrap_or_else(|| connection.worker.desks.lend());
            if !held.input.is_empty() {
                match held.request.parse(held.input.filled(), &self.limits) {
                    Ok(Progress::Complete) => return Poll::Ready(Ok(Some(held))),
                    // A head that is whole at once, as nearly all are, needs no time-out of its own.
                    Ok(Progress::Partial) if !self.begun => {
                        self.begun = true;
                        connection.deadline.set_in(self.head_patience);
                    }
                    Ok(Progress::Partial) => {}
                    Err(error) => {
                        *desk = Some(held);
                        return Poll::Ready(Err(ProxyError::client(error.reason(), error.detail())));
                    }
                }
            }
            match connection.transport.poll_read(context, held.input.space(self.limits.head + 1)) {
                Poll::Ready(Ok(0)) if held.input.is_empty() => return Poll::Ready(Ok(None)),
                Poll::Ready(Ok(0)) => {
                    *desk = Some(held);
                    return Poll::Ready(Err(ProxyError::gone()));
                }
                Poll::Ready(Ok(read)) => {
                    held.input.fill(read);
                    *desk = Some(held);
                }
                // Many clients end TLS without a goodbye; between two requests nothing can have been cut.
                Poll::Ready(Err(error)) if held.input.is_empty() && error.kind() == ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Ok(None));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(ProxyError::gone().because(error))),
                Poll::Pending => return self.pend(connection, desk, held),
            }
        }
    }

    /// Nothing has come: puts the desk away and looks for reasons not to wait any longer.
    fn pend(
        &mut self,
        connection: &Connection,
        desk: &mut Option<Box<Desk>>,
        held: Box<Desk>,
    ) -> Poll<Result<Option<Box<Desk>>, ProxyError>> {
        let empty = held.input.is_empty();
        if empty {
            connection.worker.desks.take_back(held);
        } else {
            *desk = Some(held);
        }
        if connection.deadline.has_come() {
            let detail = "The head of the request did not arrive whole in time.";
            return Poll::Ready(if empty { Ok(None) } else { Err(ProxyError::client(Reason::HeadTimeout, detail)) });
        }
        if empty && connection.worker.is_draining() {
            // Who has just connected is about to ask; who was answered before knows how to ask again.
            if !self.first {
                return Poll::Ready(Ok(None));
            }
            if !self.hurried {
                self.hurried = true;
                connection.deadline.set_in(Some(LAST_CALL));
            }
        }
        Poll::Pending
    }
}

/// Reads the PROXY header where the listener expects one. What came behind it stays on the desk.
pub(super) async fn take_proxy_header(connection: &mut Connection) -> Result<Option<Box<Desk>>, Cause> {
    let wanted = connection.socket.settings.load().proxy_protocol;
    let generation = connection.worker.generation();
    let trusted = generation.trusts_peer(connection.socket_peer());
    match (wanted, trusted) {
        (ProxyProtocol::Off, _) | (ProxyProtocol::Accept, false) => return Ok(None),
        (ProxyProtocol::Require, false) => return Err(Cause::Untrusted),
        (ProxyProtocol::Accept | ProxyProtocol::Require, true) => {}
    }
    let patience = generation.snapshot.timeouts_of(connection.listener).head;
    connection.deadline.set_in(patience.map(|head| head.min(Duration::from_secs(5))));
    let mut desk = connection.worker.desks.lend();
    let parsed = poll_fn(|context| {
        connection.deadline.register(context);
        loop {
            match proxy_header::parse(desk.input.filled()) {
                Ok(Parsed::NeedMore) => {}
                Ok(Parsed::Done(header)) => return Poll::Ready(Ok(header)),
                Err(BadProxyHeader::Absent) if wanted == ProxyProtocol::Accept => {
                    return Poll::Ready(Ok(Header { consumed: 0, ends: None }));
                }
                Err(bad) => return Poll::Ready(Err(Cause::from(bad))),
            }
            match connection.transport.poll_read(context, desk.input.space(usize::MAX)) {
                Poll::Ready(Ok(read)) if read > 0 => desk.input.fill(read),
                Poll::Pending if !connection.deadline.has_come() => return Poll::Pending,
                Poll::Ready(_) | Poll::Pending => return Poll::Ready(Err(Cause::Incomplete)),
            }
        }
    })
    .await;
    let header = parsed?;
    desk.input.consume(header.consumed);
    connection.believe(header.ends, &generation);
    if desk.input.is_empty() {
        connection.worker.desks.take_back(desk);
        return Ok(None);
    }
    Ok(Some(desk))
}

/// Says goodbye so that the client can read our last answer: a close with unread bytes in the socket would reset it.
pub(super) async fn linger(connection: &Connection) {
    connection.transport.finish();
    connection.deadline.set_in(Some(LINGER));
    let mut left = LINGER_BYTES;
    poll_fn(|context| {
        connection.deadline.register(context);
        let mut scratch = connection.worker.scratch.borrow_mut();
        loop {
            match connection.transport.poll_read(context, &mut scratch) {
                Poll::Ready(Ok(read)) if read > 0 && read <= left => left -= read,
                Poll::Pending if !connection.deadline.has_come() => return Poll::Pending,
                Poll::Ready(_) | Poll::Pending => return Poll::Ready(()),
            }
        }
    })
    .await;
}
