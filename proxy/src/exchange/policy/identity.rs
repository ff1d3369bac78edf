//! Asks who is there, between the two halves of the chain: keys on the spot, passwords beside the loop, services by a
//! request of our own. Nothing of the request has been sent when this ends, and no 101 was given.

use switchboard_core::answer::Answer;
use switchboard_core::http1::{BodyDecoder, Framing, HeadLimits};
use switchboard_core::message::Version;
use switchboard_core::moment::Moment;
use switchboard_core::policy::forward::{Forward, prove, told_lines};
use switchboard_core::policy::identity::{Identity, Way};
use switchboard_core::reason::Reason;

use super::{passwords, token};
use crate::deadline::Deadline;
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::exchange::admit::Admitted;
use crate::exchange::record::Record;
use crate::exchange::upload::Upload;
use crate::exchange::{bond, passed};
use crate::http::Connection;
use crate::tls::ClientCertificate;
use crate::upstream::Attempts;
use crate::upstream::interim::Interim;
use crate::upstream::send::{Attempt, send};

/// How much of a service's refusal is passed on.
const MOST_BODY: usize = 64 * 1024;

/// Why a way to prove who asks does not hold.
enum Refused {
    /// For a reason of ours.
    Error(ProxyError),
    /// The service says so itself.
    Answer(Box<Answer>),
}

impl<E: Into<ProxyError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Asks for what the rule wants proved. `Some` is a service's own answer to the client.
///
/// # Errors
/// `unauthorized`, `rate_limited`; what can go wrong with a service.
pub async fn identify(
    connection: &Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &Admitted,
    identity: &Identity,
) -> Result<Option<Box<Answer>>, ProxyError> {
    // Whatever comes of it, what a client says of itself in these fields never counts.
    desk.claims.clear();
    identity.forget_claims(&mut desk.request.fields, desk.input.filled(), false);
    let verdict = prove_all(connection, desk, record, admitted, identity).await;
    identity.forget_claims(&mut desk.request.fields, desk.input.filled(), true);
    verdict
}

async fn prove_all(
    connection: &Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &Admitted,
    identity: &Identity,
) -> Result<Option<Box<Answer>>, ProxyError> {
    for way in &identity.all {
        if let Err(why) = ask(connection, desk, record, admitted, way).await {
            return told(why);
        }
    }
    let mut refused = None;
    for way in &identity.any {
        let mark = desk.notes.who.mark();
        match ask(connection, desk, record, admitted, way).await {
            Ok(()) => return Ok(None),
            Err(why) => refused = Some(why),
        }
        desk.notes.who.go_back(mark);
    }
    refused.map_or(Ok(None), told)
}

fn told(refused: Refused) -> Result<Option<Box<Answer>>, ProxyError> {
    match refused {
        Refused::Error(error) => Err(error),
        Refused::Answer(answer) => Ok(Some(answer)),
    }
}

async fn ask(
    connection: &Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &Admitted,
    way: &Way,
) -> Result<(), Refused> {
    match way {
        Way::Certificate(certificate) => {
            let shown = connection.secure.as_ref().and_then(|secure| secure.certificate.as_ref());
            Ok(certificate.check(shown.map(ClientCertificate::shown))?)
        }
        Way::Keys(keys) => {
            let Desk { input, request, notes, .. } = desk;
            Ok(keys.check(&mut request.fields, input.filled(), &mut notes.who)?)
        }
        Way::Jwt(jwt) => Ok(token::verify(connection, desk, record, admitted, jwt).await?),
        Way::Basic(basic) => Ok(passwords::verify(connection, desk, record, basic).await?),
        Way::Forward(forward) => forwarded(connection, desk, record, admitted, forward).await,
    }
}

/// Asks a service, on a desk of its own, by the pools and endpoints that exchanges use.
async fn forwarded(
    connection: &Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &Admitted,
    forward: &Forward,
) -> Result<(), Refused> {
    let worker = &connection.worker;
    let mut asked = worker.desks.lend();
    asked.output.clear();
    let write = |facts: &switchboard_core::route::Facts<'_>| forward.write_head(facts, &mut asked.output);
    admitted.with_facts(connection, desk, write)?;
    let result = question(connection, record, admitted, forward, desk, &mut asked).await;
    let verdict = result.map(|body| {
        let status = asked.answer.status;
        let bytes = asked.answer_input.filled();
        if (200..300).contains(&status) {
            forward.copy(&asked.answer.fields, bytes, &mut desk.notes.who);
            prove(&desk.request.fields, desk.input.filled(), &mut desk.notes.who);
            return None;
        }
        let mut lines = Vec::new();
        told_lines(&asked.answer.fields, bytes, &mut lines);
        let mut answer = Answer::new();
        answer.pass_on(status, &lines, &body, &String::from_utf8_lossy(&desk.request_id));
        Some(Box::new(answer))
    });
    worker.desks.take_back(asked);
    match verdict? {
        None => Ok(()),
        Some(answer) => Err(Refused::Answer(answer)),
    }
}

/// Sends the question and waits for its answer; gives the body of a refusal.
async fn question(
    connection: &Connection,
    record: &Record,
    admitted: &Admitted,
    forward: &Forward,
    came: &Desk,
    asked: &mut Desk,
) -> Result<Vec<u8>, ProxyError> {
    const UNKNOWN: &str = "The service that knows who may ask is not configured.";
    let upstream = forward.upstream.ok_or_else(|| ProxyError::own(Reason::Internal, UNKNOWN))?;
    let worker = &connection.worker;
    let rule = &admitted.rule;
    let mut notes = record.beside(worker);
    let mut attempts = Attempts::new(&record.generation, upstream, None);
    let permit = attempts.pick(worker, rule, record.started)?;
    notes.attempt(permit.index(), worker);
    if passed::concerns(permit.endpoint()) {
        bond::add(&mut asked.output, &passed::line(connection, rule, came));
    }
    let limits = HeadLimits::from(&record.generation.snapshot.limits);
    let attempt = Attempt {
        worker,
        peer: &connection.peer,
        client: &connection.transport,
        shared: false,
        deadline: &connection.deadline,
        timeouts: &rule.timeouts,
        per_try: None,
        limits: &limits,
        ends: Moment::NEVER,
        upgrades: false,
    };
    // Interim answers of a service are nobody's.
    let mut interim = Interim::new(Version::Http10, false);
    let trailers = record.generation.snapshot.limits.trailers as usize;
    let kept = loop {
        let mut upload = Upload::new(Framing::None, None, trailers, None, record.started);
        match send(&attempt, permit.endpoint(), asked, &mut upload, &mut interim, &mut notes).await {
            Ok(kept) => break kept,
            // A kept connection that was closed meanwhile says nothing: a fresh one will do.
            Err(error) if error.retry == crate::error::Retry::Stale => {}
            Err(error) => return Err(error),
        }
    };
    let framing = asked
        .answer
        .framing(b"GET")
        .map_err(|error| ProxyError::upstream(Reason::UpstreamBadResponse, error.detail()))?;
    let mut body = BodyDecoder::new(framing, trailers);
    let deadline = &connection.deadline;
    let read = read_body(deadline, asked, &kept.transport, &mut body, rule.timeouts.idle).await?;
    if read.is_clean && asked.answer.keep_alive && framing != Framing::Close {
        let spent =
            crate::exchange::answer::Upstream { connection: kept, permit, cookie: Vec::new(), place: None, fill: None };
        crate::exchange::keep(connection, spent);
    }
    Ok(read.bytes)
}

/// What was read of a body.
pub(in crate::exchange) struct ReadBody {
    /// As much of it as was taken.
    bytes: Vec<u8>,
    /// It came whole, and nothing behind it: the connection is where the next answer begins.
    pub(in crate::exchange) is_clean: bool,
}

/// Reads what there is of a body, up to [`MOST_BODY`]; a longer one is cut off, and its connection is not used again.
pub(in crate::exchange) async fn read_body(
    deadline: &Deadline,
    asked: &mut Desk,
    transport: &crate::transport::Transport,
    body: &mut BodyDecoder,
    patience: Option<std::time::Duration>,
) -> Result<ReadBody, ProxyError> {
    let bad = || ProxyError::upstream(Reason::UpstreamBadResponse, "The answer about who asks is malformed.");
    let mut whole = Vec::new();
    let mut piece = asked.answer_input.filled().get(asked.answer.len..).unwrap_or_default().to_vec();
    loop {
        let decoded = body.decode(&mut piece).map_err(|_| bad())?;
        whole.extend_from_slice(piece.get(..decoded.produced).unwrap_or_default());
        if decoded.done || whole.len() >= MOST_BODY {
            let is_clean = decoded.done && decoded.consumed == piece.len();
            whole.truncate(MOST_BODY);
            return Ok(ReadBody { bytes: whole, is_clean });
        }
        piece.resize(8 * 1024, 0);
        deadline.set_in(patience);
        let read = std::future::poll_fn(|context| {
            deadline.register(context);
            match transport.poll_read(context, &mut piece) {
                std::task::Poll::Pending if deadline.has_come() => {
                    std::task::Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()))
                }
                other => other,
            }
        });
        let read = read.await.map_err(|error| bad().because(error))?;
        piece.truncate(read);
        if read == 0 {
            return if body.finish_on_eof() { Ok(ReadBody { bytes: whole, is_clean: false }) } else { Err(bad()) };
        }
    }
}
