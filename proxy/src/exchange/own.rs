//! Answers of the proxy's own: what a rule says itself, and what every error becomes.
//!
//! Whatever of the request's body is still to come is read to its end here, within bounds, or the connection is closed:
//! bytes of a body are never taken for a request (case 33).

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use switchboard_core::answer::{
    Answer, BUILTIN, Explanation, FORWARD_AUTH, Form, PREFLIGHT, REDIRECT, RESPOND, TOKEN, Wire,
};
use switchboard_core::config::Builtin;
use switchboard_core::http1::{BodyDecoder, Framing};
use switchboard_core::message::Name;
use switchboard_core::policy::Chain;
use switchboard_core::policy::cors::Preflight;
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::Action;
use switchboard_core::stamp::Stamp;

use super::admit::{self, Admitted};
use super::record::Record;
use super::upload::Upload;
use super::{Next, must_close};
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::http::Connection;
use crate::process::Process;

/// How much of an unwanted body is read, and for how long, before the connection is closed instead.
const DRAIN_BYTES: u64 = 64 * 1024;
const DRAIN: Duration = Duration::from_secs(1);

/// Turns an error into an answer, logs its cause, and decides what becomes of the connection.
pub async fn refuse(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    upload: Option<&Upload>,
    error: ProxyError,
) -> Next {
    record.ended(error.side, error.reason);
    record.detail = error.detail;
    if let Some(upload) = upload {
        record.bytes_in = upload.received();
    }
    if let Some(source) = &error.source {
        tracing::debug!(reason = error.reason.code(), id = record.id.as_str(), error = %source, "an exchange failed");
    }
    if error.reason == Reason::ClientGone {
        record.broken = true;
        return Next::Close;
    }
    // Nothing that follows a broken head, or a body cut off in its middle, can be told from the rest of it.
    let refused_by_rule = error.reason == Reason::MethodNotAllowed && record.rule.is_some();
    let broken = desk.request.len == 0 || (breaks_connection(error.reason) && !refused_by_rule);
    let known = if connection.worker.process.names_hosts && error.reason == Reason::NoRoute {
        known_hosts(connection, record)
    } else {
        Vec::new()
    };
    let id = String::from_utf8_lossy(if desk.request_id.is_empty() { record.id.as_bytes() } else { &desk.request_id });
    let mut answer = Answer::new();
    answer.explain(&Explanation {
        reason: error.reason,
        request_id: &id,
        form: form_for(desk),
        detail: error.detail,
        known_hosts: &known,
        retry_after: None,
    });
    for (name, value) in error.fields.iter().flatten() {
        answer.set(name, value.as_bytes());
    }
    if let Some(page) = policy_of(record).and_then(|chain| chain.page(answer.status(), form_for(desk))) {
        answer.show(page);
    }
    finish(connection, desk, record, answer, upload, broken).await.unwrap_or(Next::Close)
}

/// The hosts that are served, as a link from here names them.
fn known_hosts(connection: &Connection, record: &Record) -> Vec<String> {
    let port = connection.peer.local_port().filter(|port| *port != 80);
    let with_port = |host: String| match port {
        Some(port) => format!("{host}:{port}"),
        None => host,
    };
    let mut hosts: Vec<String> = record.generation.snapshot.routes.hosts().map(with_port).collect();
    hosts.sort();
    hosts
}

/// Reasons after which the rest of the connection can't be trusted or has no time left.
const fn breaks_connection(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::BadRequest
            | Reason::HeadTooLarge
            | Reason::TargetTooLong
            | Reason::BodyTooLarge
            | Reason::HeadTimeout
            | Reason::BodyTimeout
            | Reason::UnsupportedVersion
            // Another connection has to be made, by another handshake.
            | Reason::Misdirected
            // What follows a CONNECT is meant for a tunnel that is not there (CVE-2025-64763).
            | Reason::MethodNotAllowed
    )
}

fn form_for(desk: &Desk) -> Form {
    let bytes = desk.input.filled();
    if admit::is_grpc(desk) {
        return Form::Grpc;
    }
    Form::choose(desk.request.fields.named(Name::Accept).map(|field| field.value.of(bytes)))
}

/// Answers a `respond` or `redirect` rule.
///
/// # Errors
/// `internal` where a location can't be sent; `client_gone`.
pub async fn answer_rule(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    admitted: &Admitted,
) -> Result<Next, ProxyError> {
    let mut answer = Answer::new();
    let id = String::from_utf8_lossy(&desk.request_id).into_owned();
    match &admitted.rule.action {
        Action::Respond { body, status } => {
            record.answered = RESPOND;
            answer.respond(*status, body, &id);
        }
        Action::Redirect { status, .. } => {
            record.answered = REDIRECT;
            answer.redirect(*status, &desk.target, &id).map_err(|reason| {
                ProxyError::own(reason, "The location of this redirect holds a control character and was not sent.")
            })?;
        }
        Action::Builtin(what) => {
            record.answered = BUILTIN;
            builtin(&connection.worker.process, *what, &mut answer, &id).await?;
        }
        Action::Proxy(_) | Action::Files(_) => return Err(ProxyError::own(Reason::Internal, "")),
    }
    finish(connection, desk, record, answer, None, false).await
}

/// Fills an answer about the proxy itself. Metrics are written by another thread: a page may take its time.
async fn builtin(process: &Process, what: Builtin, answer: &mut Answer, id: &str) -> Result<(), ProxyError> {
    let plain = Form::Text.content_type();
    match what {
        Builtin::Health => answer.builtin(200, "ok\n", plain, id),
        Builtin::Ready if process.is_ready() => answer.builtin(200, "ready\n", plain, id),
        Builtin::Ready => answer.builtin(503, "draining\n", plain, id),
        Builtin::Metrics => {
            let busy = || ProxyError::own(Reason::Overloaded, "Too many ask for the metrics at once.");
            let page = process.exporter.page().await.ok_or_else(busy)?;
            answer.builtin(200, &page, crate::admin::metrics::CONTENT_TYPE, id);
        }
    }
    Ok(())
}

/// Answers an authority that asks for a token.
///
/// # Errors
/// `client_gone`
pub async fn answer_token(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    token: &str,
) -> Result<Next, ProxyError> {
    let mut answer = Answer::new();
    record.answered = TOKEN;
    answer.respond(200, token, record.id.as_str());
    finish(connection, desk, record, answer, None, false).await
}

/// Answers an OPTIONS that may go no further (`Max-Forwards: 0`, RFC 9110 §7.6.2).
///
/// # Errors
/// `client_gone`
pub async fn answer_options(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
) -> Result<Next, ProxyError> {
    let mut answer = Answer::new();
    answer.respond(204, "", &String::from_utf8_lossy(&desk.request_id));
    finish(connection, desk, record, answer, None, false).await
}

/// Passes on what the service of `forward_auth` says to the client.
///
/// # Errors
/// `client_gone`
pub async fn answer_for_service(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    answer: Answer,
) -> Result<Next, ProxyError> {
    record.answered = FORWARD_AUTH;
    finish(connection, desk, record, answer, None, false).await
}

/// Tells the client of an event stream to come again.
///
/// # Errors
/// `client_gone`
pub async fn answer_for_stream(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    answer: Answer,
) -> Result<Next, ProxyError> {
    finish(connection, desk, record, answer, None, false).await
}

/// Answers a preflight as the rule's `cors` says.
///
/// # Errors
/// `client_gone`
pub async fn answer_preflight(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    preflight: &Preflight,
) -> Result<Next, ProxyError> {
    let mut answer = Answer::new();
    record.answered = PREFLIGHT;
    answer.preflight(&preflight.lines, &String::from_utf8_lossy(&desk.request_id));
    finish(connection, desk, record, answer, None, false).await
}

/// The policies of the rule that was found, if it has any; where none was found, what `defaults` says of answers.
fn policy_of(record: &Record) -> Option<&Chain> {
    match record.rule {
        Some(_) => record.rule()?.policy.as_deref(),
        None => record.generation.snapshot.unrouted(),
    }
}

/// Sends an answer and deals with what of the request is still to come.
///
/// # Errors
/// `client_gone`
pub async fn finish(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    mut answer: Answer,
    upload: Option<&Upload>,
    broken: bool,
) -> Result<Next, ProxyError> {
    if let Some(chain) = policy_of(record) {
        if record.rule.is_none() {
            // Nothing was noted of this request, and what stands there is another's: templates stay empty.
            desk.notes.forget(connection.secure.is_some());
        }
        answer.edit(chain, &desk.notes);
    }
    let whole = match upload {
        Some(upload) => upload.is_received(),
        None => body_is_there(desk),
    };
    // A client that waits for a 100 may send its body or not: nobody can tell what comes next.
    let close = broken || must_close(connection, desk, record) || (!whole && desk.request.expect_continue);
    record.status = answer.status();
    desk.output.clear();
    let mut stamp = Stamp::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let head = desk.request.method.of(desk.input.filled()) == b"HEAD";
    let wire = Wire { date: stamp.http_date(now.as_secs()), version: desk.request.version, close, head };
    answer.write(&mut desk.output, &wire);
    record.bytes_out = desk.output.len() as u64;
    let patience = record.generation.snapshot.timeouts.write;
    let body = if head { 0 } else { answer.body().len() };
    connection.answer(&desk.output, body, patience).await.map_err(|error| ProxyError::gone().because(error))?;
    Ok(if close { Next::Linger } else { Next::Request })
}

/// Whether the body of the request on the desk has come with its head, or there is none.
pub fn body_is_there(desk: &Desk) -> bool {
    let behind = desk.input.filled().len().saturating_sub(desk.request.len) as u64;
    match desk.request.framing {
        Framing::None => true,
        Framing::Length(length) => length <= behind,
        Framing::Chunked | Framing::Close | Framing::Frames(_) => false,
    }
}

/// Takes the request that was answered off the desk. What is left of its body comes back as a decoder, to be drained.
pub fn clear(desk: &mut Desk, record: &Record, upload: Option<Upload>) -> Option<BodyDecoder> {
    let (consumed, behind, body) = match upload {
        Some(mut upload) => (upload.consumed, std::mem::take(&mut upload.behind), upload.into_decoder()),
        None => {
            let trailers = record.generation.snapshot.limits.trailers as usize;
            (0, Vec::new(), BodyDecoder::new(desk.request.framing, trailers))
        }
    };
    desk.input.consume(desk.request.len + consumed);
    desk.request.len = 0;
    if !body.is_done() {
        return Some(body);
    }
    if !behind.is_empty() {
        desk.input.append(&behind);
    }
    None
}

/// Reads the rest of a request's body and throws it away, so that the next request can be found.
///
/// # Errors
/// When the body is broken, too long or too slow for that.
pub async fn drain(connection: &Connection, desk: &mut Desk, mut body: BodyDecoder) -> io::Result<()> {
    // A stream is no connection: nothing comes behind it.
    if connection.transport.takes_heads() {
        return Ok(());
    }
    connection.deadline.set_in(Some(DRAIN));
    let mut left = DRAIN_BYTES;
    poll_fn(|context| {
        connection.deadline.register(context);
        loop {
            let decoded = match body.decode(desk.input.filled_mut()) {
                Ok(decoded) => decoded,
                Err(_) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            };
            left = left.saturating_sub(decoded.consumed as u64);
            desk.input.consume(decoded.consumed);
            if decoded.done {
                return Poll::Ready(Ok(()));
            }
            if left == 0 || connection.deadline.has_come() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            match connection.transport.poll_read(context, desk.input.space(usize::MAX)) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Ok(read)) => desk.input.fill(read),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    })
    .await
}
