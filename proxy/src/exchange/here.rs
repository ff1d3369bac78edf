//! Gives an answer that comes from here: its head stands on the desk as if an endpoint had sent it, its body is bytes in
//! memory or a file.
//!
//! What serves files and stored answers calls it. Policies edit such an answer as they edit an endpoint's.

use std::future::poll_fn;
use std::task::{Context, Poll};

use switchboard_core::http1::{BodyDecoder, Framing};
use switchboard_core::moment::Moment;

use switchboard_core::answer::FILES;

use super::admit::Admitted;
use super::answer::{self, Broken, during_answer};
use super::compress::{Kept, Transform};
use super::own::body_is_there;
use super::record::Record;
use super::{Next, must_close, policy};
use crate::desk::Desk;
use crate::error::{ProxyError, Side};
use crate::http::Connection;
use crate::relay::here::Here;
use crate::relay::pace::Pace;
use crate::relay::{Pump, PumpError, Waits};
use switchboard_core::reason::Reason;

/// Sends the answer whose head is on `desk`, with `body`; `kept` is what that is a whole copy of, where encoded forms of it
/// may be held. Whether there is a body at all, the request's method and the status decide.
///
/// # Errors
/// `internal` where the head says what cannot be.
pub async fn give(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    admitted: &Admitted,
    (mut body, kept): (Here, Option<Kept<'_>>),
) -> Result<Next, ProxyError> {
    let bodiless = desk.request.method.of(desk.input.filled()) == b"HEAD" || matches!(desk.answer.status, 204 | 304);
    let mut framing = if bodiless { Framing::None } else { Framing::Length(body.left()) };
    let undecided = desk.request.expect_continue && !body_is_there(desk);
    let close = must_close(connection, desk, record) || undecided;
    let rule = admitted.rule.compress.as_deref();
    let of_files = record.answered == FILES;
    let compress = rule.and_then(|rule| if of_files { rule.files.as_ref() } else { rule.answers.as_ref() });
    let mut transform = Transform::decide(connection, desk, framing, compress, kept.as_ref());
    if let Some(form) = transform.form.take() {
        framing = Framing::Length(form.len() as u64);
        body = Here::bytes(form);
    }
    let coding = answer::write_head(desk, record, admitted, (framing, &transform), close)?;
    record.status = desk.answer.status;
    let mut giving = Giving {
        connection,
        admitted,
        pump: Pump::new(BodyDecoder::new(framing, 0), coding, None).compressing(transform.encoder.take()),
        pace: policy::bandwidth(&admitted.rule).map(Pace::new),
        begun: false,
        since: Moment::ZERO,
        // No count is this one: the first look takes the time.
        moved: u64::MAX,
        ends: admitted.rule.timeouts.total.map_or(Moment::NEVER, |total| record.started + total),
    };
    let result = poll_fn(|context| giving.poll(context, desk, &mut body)).await;
    record.bytes_out = giving.pump.sent;
    if let Err(error) = result {
        return Ok(answer::cut(connection, record, &error, coding, framing));
    }
    Ok(if answer::ends_connection(desk, framing, close) { Next::Linger } else { Next::Request })
}

/// What a failure of a body from here means: what can't be read of it, no endpoint has broken off.
fn broken(error: &PumpError) -> Broken {
    match error {
        PumpError::Read(_) | PumpError::Truncated => Broken { side: Side::Proxy, reason: Reason::FileChanged },
        PumpError::Malformed(_) | PumpError::TooLarge | PumpError::Write(_) => during_answer(error),
    }
}

/// An answer on its way.
struct Giving<'a> {
    connection: &'a Connection,
    admitted: &'a Admitted,
    pump: Pump,
    pace: Option<Pace>,
    begun: bool,
    since: Moment,
    moved: u64,
    ends: Moment,
}

impl Giving<'_> {
    fn poll(&mut self, context: &mut Context<'_>, desk: &mut Desk, body: &mut Here) -> Poll<Result<(), Broken>> {
        let client = &self.connection.transport;
        if let Some(pace) = &mut self.pace {
            self.pump.allowance = pace.allowance(self.connection.deadline.clock().about_now(), self.pump.received);
        }
        let mut scratch = self.connection.worker.scratch.borrow_mut();
        if !self.begun {
            self.begun = true;
            let started = self.pump.start_here(context, client, &mut desk.output, body, &mut scratch);
            started.map_err(|error| broken(&error))?;
        }
        if let Poll::Ready(done) = self.pump.poll_here(context, body, client, &mut scratch) {
            return Poll::Ready(done.map_err(|error| broken(&error)));
        }
        drop(scratch);
        self.poll_ends(context)
    }

    /// Looks for the reasons to stop while nothing moves: a client that takes nothing, or the end of its time.
    fn poll_ends(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let deadline = &self.connection.deadline;
        deadline.register(context);
        if self.pump.sent != self.moved {
            self.moved = self.pump.sent;
            self.since = deadline.clock().about_now();
        }
        let patience = match self.pump.waits {
            Waits::Sink => self.admitted.rule.timeouts.write,
            // The disk has no clock of ours.
            Waits::Source => None,
            Waits::Pace => {
                let Some(pace) = &self.pace else { return Poll::Pending };
                return pace
                    .poll(context, deadline, self.ends)
                    .map(|()| Err(Broken { side: Side::Proxy, reason: Reason::ResponseTimeout }));
            }
        };
        deadline.set(patience.map_or(Moment::NEVER, |patience| self.since + patience).min(self.ends));
        match deadline.has_come() {
            true => Poll::Ready(Err(Broken { side: Side::Downstream, reason: Reason::ClientGone })),
            false => Poll::Pending,
        }
    }
}
