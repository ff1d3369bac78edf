//! Two attempts side by side (`retry.hedge`): where an endpoint has not answered in time another one is asked as well, and
//! the first answer is the client's. The other request is given up with its connection.
//!
//! Called by the exchange for requests without a body that may be sent twice, and for no others. Each attempt works on a
//! desk and a record of its own; what the winner has is taken over. Never more than two, and both are paid from the budget.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use switchboard_core::http1::Framing;
use switchboard_core::snapshot::Rule;

use super::admit::Admitted;
use super::bond::{self, Bonds};
use super::record::Record;
use super::upload::Upload;
use crate::desk::Desk;
use crate::error::{ProxyError, Side};
use crate::http::Connection;
use crate::live::{EndpointLive, Permit};
use crate::upstream::attempts::Nature;
use crate::upstream::interim::Interim;
use crate::upstream::send::{Attempt, send};
use crate::upstream::{Attempts, outcome, pool};

/// Whether a request may be asked of two endpoints. A session is at one of them alone.
pub fn may(desk: &Desk, nature: Nature, attempts: &Attempts) -> bool {
    nature.repeatable && nature.replayable && desk.request.framing == Framing::None && attempts.bound.is_none()
}

/// What both attempts have in common.
#[derive(Debug)]
pub struct Pair<'a> {
    /// The client's connection.
    pub connection: &'a Connection,
    /// The request.
    pub admitted: &'a Admitted,
    /// Its session, where the upstream has such.
    pub bonds: Option<&'a Bonds<'a>>,
    /// How the first attempt is made.
    pub attempt: &'a Attempt<'a>,
    /// How long it is alone.
    pub after: Duration,
}

/// One attempt's own things.
struct Lane {
    desk: Box<Desk>,
    record: Record,
}

/// An attempt that is over: the connection with the answer's status, or why there is none.
type Outcome = Result<(pool::Connection, u16), ProxyError>;

impl Pair<'_> {
    /// Sends the head in `desk.output` to the endpoint of `permit`, and where that is slow to another one too. Leaves
    /// the answer on the desk, and the permit and the notes of the attempt that gave it.
    ///
    /// # Errors
    /// Those of the attempt that was left last.
    pub async fn send(
        &self,
        desk: &mut Desk,
        record: &mut Record,
        attempts: &mut Attempts,
        permit: &mut Permit,
        upload: &mut Upload,
        interim: &mut Interim,
    ) -> Result<pool::Connection, ProxyError> {
        let worker = &self.connection.worker;
        let rule = &self.admitted.rule;
        let mut first = self.lane(desk, record);
        let endpoint = Arc::clone(permit.endpoint());
        let mut sending = Box::pin(run(self.attempt, &endpoint, &mut first, upload, interim));
        let early = self.alone(sending.as_mut()).await;
        let other = if early.is_none() { attempts.beside(worker, rule, record.started) } else { None };
        let Some(other) = other else {
            let outcome = match early {
                Some(outcome) => outcome,
                None => sending.as_mut().await,
            };
            drop(sending);
            return self.take(outcome, first, desk, record);
        };
        worker.counters.hedges.add(1);
        record.attempt_beside(other.index(), worker);
        bond::write_head(self.bonds, self.connection, desk, record, self.admitted, other.index());
        let mut second = self.lane(desk, record);
        let deadline = worker.deadlines.place();
        let attempt = Attempt { deadline: &deadline, ..*self.attempt };
        // No body, and interim answers are the first attempt's to relay.
        let mut second_upload = Upload::new(Framing::None, None, 0, None, record.started);
        let mut nothing = Interim::deaf();
        let race = {
            let sending_too = pin!(run(&attempt, other.endpoint(), &mut second, &mut second_upload, &mut nothing));
            both(sending.as_mut(), sending_too, rule).await
        };
        drop(sending);
        let (won, lost) = if race.second_won { (second, first) } else { (first, second) };
        if race.second_won {
            attempts.turn();
            self.note_loser(attempts, permit, race.loser.as_ref(), &lost.record);
            attempts.turn();
            *upload = second_upload;
            *permit = other;
        } else {
            self.note_loser(attempts, &other, race.loser.as_ref(), &lost.record);
            attempts.turn();
        }
        lost.record.count_failed_attempt(worker);
        worker.desks.take_back(lost.desk);
        self.take(race.outcome, won, desk, record)
    }

    /// Lends an attempt what it needs; the head that was written goes with it.
    fn lane(&self, desk: &mut Desk, record: &Record) -> Lane {
        let mut own = self.connection.worker.desks.lend();
        std::mem::swap(&mut own.output, &mut desk.output);
        Lane { desk: own, record: record.clone() }
    }

    /// Waits for the first attempt as long as it is alone.
    async fn alone(&self, mut sending: Pin<&mut impl Future<Output = Outcome>>) -> Option<Outcome> {
        let alarm = self.connection.worker.deadlines.place();
        alarm.set_in(Some(self.after));
        poll_fn(|context| {
            alarm.register(context);
            match sending.as_mut().poll(context) {
                Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                Poll::Pending if alarm.has_come() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Takes note of the attempt that was given up: of the time that it had, and of a failure.
    fn note_loser(&self, attempts: &Attempts, permit: &Permit, outcome: Option<&Outcome>, record: &Record) {
        let worker = &self.connection.worker;
        attempts.measure(worker, permit, matches!(outcome, Some(Err(_))));
        match outcome {
            Some(Ok((_, status))) => outcome::note(worker, permit.endpoint(), record, None, *status),
            Some(Err(error)) => outcome::note(worker, permit.endpoint(), record, Some(error), 0),
            None => {}
        }
    }

    /// Puts what an attempt has onto the exchange's desk and record.
    fn take(
        &self,
        outcome: Outcome,
        mut lane: Lane,
        desk: &mut Desk,
        record: &mut Record,
    ) -> Result<pool::Connection, ProxyError> {
        std::mem::swap(&mut desk.answer, &mut lane.desk.answer);
        std::mem::swap(&mut desk.answer_input, &mut lane.desk.answer_input);
        record.adopt(&lane.record);
        self.connection.worker.desks.take_back(lane.desk);
        outcome.map(|(connection, _)| connection)
    }
}

/// One attempt.
async fn run(
    attempt: &Attempt<'_>,
    endpoint: &EndpointLive,
    lane: &mut Lane,
    upload: &mut Upload,
    interim: &mut Interim,
) -> Outcome {
    let connection = send(attempt, endpoint, &mut lane.desk, upload, interim, &mut lane.record).await?;
    Ok((connection, lane.desk.answer.status))
}

/// How the race ended.
struct Race {
    second_won: bool,
    outcome: Outcome,
    /// What the other came to, where it came to something.
    loser: Option<Outcome>,
}

/// Waits for the first answer that the rule does not try again for, or for the second of two failures. A client that
/// is gone ends it.
async fn both(
    mut first: Pin<&mut impl Future<Output = Outcome>>,
    mut second: Pin<&mut impl Future<Output = Outcome>>,
    rule: &Rule,
) -> Race {
    let decides = |outcome: &Outcome| match outcome {
        Ok((_, status)) => !rule.retry.causes.statuses.contains(status),
        Err(error) => error.side == Side::Downstream,
    };
    let mut over: Option<(bool, Outcome)> = None;
    poll_fn(|context: &mut Context<'_>| {
        for is_second in [false, true] {
            if over.as_ref().is_some_and(|(was_second, _)| *was_second == is_second) {
                continue;
            }
            let polled = if is_second { second.as_mut().poll(context) } else { first.as_mut().poll(context) };
            let Poll::Ready(outcome) = polled else { continue };
            match over.take() {
                None if !decides(&outcome) => over = Some((is_second, outcome)),
                None => return Poll::Ready(Race { second_won: is_second, outcome, loser: None }),
                // Any answer is more than an error.
                Some((before, earlier)) if earlier.is_ok() && !decides(&outcome) && outcome.is_err() => {
                    return Poll::Ready(Race { second_won: before, outcome: earlier, loser: Some(outcome) });
                }
                Some((_, earlier)) => {
                    return Poll::Ready(Race { second_won: is_second, outcome, loser: Some(earlier) });
                }
            }
        }
        Poll::Pending
    })
    .await
}
