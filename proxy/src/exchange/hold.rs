//! Holds a request that no endpoint takes now: in the queue for a turn, or until an endpoint is up again (`wait`).
//!
//! The exchange's loop comes here when a pick or an attempt failed, and goes round again when it returns. Nothing was
//! sent yet. A client that ends its side meanwhile is gone: nobody waits for somebody who does not.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::Rule;

use crate::desk::Desk;
use crate::error::ProxyError;
use crate::http::Connection;
use crate::telemetry::meter::Measured;
use crate::upstream::attempts::Hold;
use crate::upstream::line::Line;
use crate::upstream::{Attempts, trial};

/// What is waited for, and within which bounds.
struct Wish {
    line: Arc<Line>,
    patience: Duration,
    most: u32,
    room: u64,
    /// For a turn; else for an endpoint.
    turn: bool,
}

/// What failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// A pick: whoever ends an exchange calls those who wait for a turn.
    Pick,
    /// An attempt at an endpoint that was picked. What this machine lacked for it, nobody calls for.
    Attempt,
}

/// Waits until it makes sense to pick again.
///
/// # Errors
/// `error` itself, where there is nothing to wait for, or too long, or too many wait; `client_gone`.
pub async fn wait(
    connection: &Connection,
    desk: &Desk,
    rule: &Rule,
    attempts: &mut Attempts,
    ends: Moment,
    (failed, error): (Failed, ProxyError),
) -> Result<(), ProxyError> {
    let Some(wish) = wish(rule, attempts, failed, &error) else { return Err(error) };
    let worker = &connection.worker;
    let refused = error.reason == Reason::ConnectRefused;
    let hold = match attempts.hold.take().filter(|hold| hold.ticket.is_of(&wish.line)) {
        Some(hold) => hold,
        None => {
            let bytes = desk.input.filled().len() as u64;
            let Some((ticket, alone)) = wish.line.join(attempts.terms(), wish.most, bytes, wish.room, wish.turn) else {
                let detail = "Too many requests wait for this route already.";
                return Err(ProxyError::own(Reason::Overloaded, detail));
            };
            let until = (worker.deadlines.about_now() + wish.patience).min(ends);
            let hold = Hold { ticket, until };
            // What it waits for may have come between the pick and the joining. Behind others it can't be for us.
            if !refused && (alone || !wish.turn) {
                attempts.start_over(Some(hold));
                return Ok(());
            }
            hold
        }
    };
    if refused {
        trial::begin(worker, attempts.generation(), attempts.upstream());
    }
    connection.deadline.set(hold.until);
    let called = poll_fn(|context| {
        connection.deadline.register(context);
        if hold.ticket.poll_called(context).is_ready() {
            return Poll::Ready(Ok(true));
        }
        if connection.transport.poll_gone(context).is_ready() {
            return Poll::Ready(Err(ProxyError::gone()));
        }
        if connection.deadline.has_come() { Poll::Ready(Ok(false)) } else { Poll::Pending }
    });
    let since = worker.deadlines.now();
    let called = called.await;
    if let Some(counts) = attempts.live().and_then(|live| live.meter.of(worker)) {
        counts.held.add(Measured::between(since, worker.deadlines.now()));
    }
    if !called? {
        return Err(error);
    }
    hold.ticket.stay();
    attempts.start_over(Some(hold));
    Ok(())
}

/// What this request may wait for where it failed like this.
fn wish(rule: &Rule, attempts: &Attempts, failed: Failed, error: &ProxyError) -> Option<Wish> {
    let live = attempts.live()?;
    match error.reason {
        Reason::Overloaded if failed == Failed::Pick => {
            let bounds = attempts.generation().snapshot.upstream(attempts.upstream()).limits;
            let (most, patience) = (bounds.queue, bounds.queue_timeout);
            (most > 0).then(|| Wish { line: Arc::clone(&live.queue), patience, most, room: u64::MAX, turn: true })
        }
        Reason::NoEndpoint | Reason::ConnectRefused => rule.wait.map(|wait| Wish {
            line: Arc::clone(&live.held),
            patience: wait.patience,
            most: wait.requests,
            room: wait.bytes,
            turn: false,
        }),
        _ => None,
    }
}
