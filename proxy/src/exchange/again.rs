//! What follows a failed attempt: another one at once, one after a moment, a wait for an endpoint, or an error.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use switchboard_core::moment::Moment;
use switchboard_core::snapshot::Rule;

use super::hold::{self, Failed};
use super::upload::Upload;
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::http::Connection;
use crate::upstream::Attempts;
use crate::upstream::attempts::Nature;

use super::admit::Admitted;

/// Between attempts that may meet the same trouble: at least, and by chance so much more (SECURITY §3.3).
const PAUSE: Duration = Duration::from_millis(25);
const SPREAD_MILLIS: u64 = 225;

/// Prepares the next attempt.
///
/// # Errors
/// `error` where there is to be none; `client_gone`.
pub async fn again(
    connection: &Connection,
    desk: &Desk,
    admitted: &Admitted,
    attempts: &mut Attempts,
    upload: &mut Upload,
    ends: Moment,
    error: ProxyError,
) -> Result<(), ProxyError> {
    let nature = admitted.nature(upload);
    let replayable = nature.replayable;
    match attempts.again(error, &admitted.rule, nature) {
        Ok(later) => repeat(connection, upload, later, ends).await,
        Err(error) if replayable => {
            hold::wait(connection, desk, &admitted.rule, attempts, ends, (Failed::Attempt, error)).await?;
            upload.rewind();
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Whether the answer on `desk` is given up for another attempt: its status is one of the rule's, or says that the
/// request came too early, which no request does that its client had not marked so.
pub fn is_wanted(desk: &Desk, attempts: &mut Attempts, rule: &Rule, nature: Nature) -> bool {
    if attempts.again_for(desk.answer.status, rule, nature) {
        return true;
    }
    desk.answer.status == 425
        && desk.request.fields.matching(desk.input.filled(), b"early-data").next().is_none()
        && attempts.again_for_early(rule, nature)
}

/// Counts a retry and prepares for it; where `later`, after a moment.
///
/// # Errors
/// `client_gone`.
pub async fn repeat(connection: &Connection, upload: &mut Upload, later: bool, ends: Moment) -> Result<(), ProxyError> {
    connection.worker.counters.retries.add(1);
    if later {
        pause(connection, ends).await?;
    }
    upload.rewind();
    Ok(())
}

/// Waits a moment that differs from request to request.
async fn pause(connection: &Connection, ends: Moment) -> Result<(), ProxyError> {
    let worker = &connection.worker;
    let mut draw = worker.draw.get();
    let spread = Duration::from_millis(draw.number() % SPREAD_MILLIS);
    worker.draw.set(draw);
    connection.deadline.set((worker.deadlines.about_now() + PAUSE + spread).min(ends));
    poll_fn(|context| {
        connection.deadline.register(context);
        match connection.transport.poll_gone(context) {
            Poll::Ready(crate::transport::Gone::Reset) => Poll::Ready(Err(ProxyError::gone())),
            Poll::Ready(crate::transport::Gone::Fin) | Poll::Pending if connection.deadline.has_come() => {
                Poll::Ready(Ok(()))
            }
            Poll::Ready(crate::transport::Gone::Fin) | Poll::Pending => Poll::Pending,
        }
    })
    .await
}
