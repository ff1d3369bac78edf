//! Which version a client speaks that was not asked in TLS: HTTP/2 with prior knowledge begins with its preface
//! (RFC 9113 §3.3, §3.4), on listeners that allow it.

use std::future::poll_fn;
use std::task::{Context, Poll};

use switchboard_core::http2::PREFACE;

use crate::desk::Desk;
use crate::http::Connection;

/// Reads until the first bytes tell. They stay on `desk`; a client that says nothing takes none.
pub(in crate::http) async fn begins(connection: &Connection, desk: &mut Option<Box<Desk>>) -> bool {
    connection.deadline.set_in(connection.worker.generation().snapshot.timeouts_of(connection.listener).head);
    poll_fn(|context| poll(context, connection, desk)).await
}

fn poll(context: &mut Context<'_>, connection: &Connection, desk: &mut Option<Box<Desk>>) -> Poll<bool> {
    connection.deadline.register(context);
    let mut held = desk.take().unwrap_or_else(|| connection.worker.desks.lend());
    let verdict = loop {
        let came = held.input.filled();
        if came.len() >= PREFACE.len() || !PREFACE.starts_with(came) {
            break Some(came.starts_with(PREFACE));
        }
        match connection.transport.poll_read(context, held.input.space(usize::MAX)) {
            Poll::Ready(Ok(read)) if read > 0 => held.input.fill(read),
            // HTTP/1 knows what to make of an end, an error or silence.
            Poll::Ready(_) => break Some(false),
            Poll::Pending if connection.deadline.has_come() || connection.worker.is_draining() => break Some(false),
            Poll::Pending => break None,
        }
    };
    if held.input.is_empty() {
        connection.worker.desks.take_back(held);
    } else {
        *desk = Some(held);
    }
    verdict.map_or(Poll::Pending, Poll::Ready)
}
