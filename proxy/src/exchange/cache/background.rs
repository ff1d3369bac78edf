//! What is fetched though no client waits for it: something stale anew, and the rest of an answer whose client has left
//! while others wait for it.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use super::super::admit::Admitted;
use super::super::answer::{Broken, Upstream};
use super::super::record::Record;
use super::fetch::Fetch;
use super::worker_of;
use crate::desk::Desk;
use crate::error::Side;
use crate::http::Connection;
use crate::relay::{Coding, Pump};
use crate::transport::Transport;

/// How long the rest of an answer may take that nobody is sent. Chosen: those who wait have given up long before.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks anew for what was given stale.
pub(super) fn refresh(connection: &Connection, desk: &Desk, record: &Record, admitted: &Admitted, fetch: Fetch) {
    let worker = worker_of(connection);
    let mut ghost = connection.beside(Transport::Nobody);
    let mut own = worker.desks.lend();
    let head = desk.input.filled().get(..desk.request.len).unwrap_or_default();
    own.input.clear();
    own.input.put(head);
    own.request = desk.request.clone();
    own.request_id.clone_from(&desk.request_id);
    own.target.clone_from(&desk.target);
    own.notes.up_lines.clone_from(&desk.notes.up_lines);
    own.notes.who.lines.clone_from(&desk.notes.who.lines);
    let mut notes = record.beside(&worker);
    notes.rule = record.rule;
    let mut admitted = admitted.again();
    worker.counters.cache_refreshes.add(1);
    crate::reactor::spawn(async move {
        // What comes of it is stored or not; there is nobody to tell.
        let _ = Box::pin(fetch.run(&mut ghost, &mut own, &mut notes, &mut admitted, &mut None)).await;
        ghost.worker.desks.take_back(own);
    });
}

/// Reads the rest of an answer that is being stored and that others wait for, where only its client has left.
pub(in crate::exchange) fn carry_on(connection: &Connection, upstream: Upstream, mut pump: Pump, broken: &Broken) {
    if broken.side != Side::Downstream || !pump.is_awaited() {
        return;
    }
    let ghost = connection.beside(Transport::Nobody);
    pump.turn(Coding::Plain);
    crate::reactor::spawn(async move {
        ghost.deadline.set_in(Some(PATIENCE));
        let mut behind = Vec::new();
        // What is whole stores itself; what is not is dropped, and who waits tries again.
        poll_fn(|context| {
            ghost.deadline.register(context);
            let mut scratch = ghost.worker.scratch.borrow_mut();
            let source = &upstream.connection.transport;
            match pump.poll(context, source, &ghost.transport, &mut scratch, &mut behind) {
                Poll::Pending if !ghost.deadline.has_come() => Poll::Pending,
                Poll::Ready(_) | Poll::Pending => Poll::Ready(()),
            }
        })
        .await;
    });
}
