//! One exchange as a part of a trace: its context is read, passed on, and where it is sampled recorded as spans.
//!
//! Where traces are off (the default) `begin` is one branch, and a request's own `traceparent` passes as it came.

use std::time::{SystemTime, UNIX_EPOCH};

use switchboard_core::access;
use switchboard_core::config::Share;
use switchboard_core::message::Fields;
use switchboard_core::moment::Moment;
use switchboard_core::trace::otlp::{Kind, Span, Value};
use switchboard_core::trace::{Context, LINE, SpanId, TraceId};

use super::record::Record;
use crate::desk::Desk;
use crate::error::Side;
use crate::http::Connection;
use crate::worker::Worker;

/// What is noted of a traced exchange.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The trace, and the span of this exchange in it.
    context: Context,
    /// The span that the client is in.
    parent: Option<SpanId>,
    attempts: Vec<Attempt>,
}

#[derive(Clone, Debug)]
struct Attempt {
    span: SpanId,
    endpoint: usize,
    began: Moment,
}

/// Takes up the trace of the request on `desk`, or begins one.
#[inline]
pub fn begin(connection: &Connection, desk: &mut Desk, record: &mut Record) {
    if let Some(sample) = record.generation.snapshot.tracing {
        record.trace = Some(take_up(connection, desk, record, sample));
    }
}

#[cold]
fn take_up(connection: &Connection, desk: &mut Desk, record: &Record, sample: Share) -> Box<Trace> {
    let worker = &connection.worker;
    let bytes = desk.input.filled();
    let fields = &mut desk.request.fields;
    let (first, second) = {
        let mut found = fields.matching(bytes, b"traceparent").map(|field| field.value.of(bytes));
        (found.next(), found.next())
    };
    let came = first.filter(|_| second.is_none()).and_then(Context::parse);
    remove(fields, bytes, b"traceparent");
    if came.is_none() {
        // What belongs to a context that nobody can read belongs to none (W3C Trace Context §3.3).
        remove(fields, bytes, b"tracestate");
    }
    let trusted = record.generation.trusts_peer(connection.socket_peer());
    // A stranger may say which trace it is, but not how much we record.
    let sampled = match came {
        Some(context) if trusted => context.sampled,
        Some(_) | None => worker.number() % u64::from(Share::WHOLE.0) < u64::from(sample.0),
    };
    let trace = came.map_or_else(|| TraceId(number(worker)), |context| context.trace);
    Box::new(Trace {
        context: Context { trace, span: SpanId(number(worker)), sampled },
        parent: came.map(|context| context.span),
        attempts: Vec::new(),
    })
}

fn remove(fields: &mut Fields, bytes: &[u8], name: &[u8]) {
    let named = |field: &switchboard_core::message::Field| field.name.of(bytes).eq_ignore_ascii_case(name);
    fields.all_mut().iter_mut().filter(|field| named(field)).for_each(|field| field.dropped = true);
}

/// Bytes that nobody else has; never all zero.
fn number<const N: usize>(worker: &Worker) -> [u8; N] {
    let mut bytes = [0; N];
    for part in bytes.chunks_mut(8) {
        let drawn = worker.number().max(1).to_be_bytes();
        part.iter_mut().zip(drawn).for_each(|(byte, drawn)| *byte = drawn);
    }
    bytes
}

impl Trace {
    /// Its number, for the access line.
    pub const fn id(&self) -> TraceId {
        self.context.trace
    }

    /// An attempt begins.
    pub fn attempt(&mut self, endpoint: usize, began: Moment, worker: &Worker) {
        self.attempts.push(Attempt { span: SpanId(number(worker)), endpoint, began });
    }

    /// What the endpoint of the last attempt is told.
    pub fn line(&self) -> [u8; LINE] {
        let span = self.attempts.last().map_or(self.context.span, |attempt| attempt.span);
        Context { span, ..self.context }.line()
    }

    /// Hands over what was recorded: the exchange, and within it each attempt.
    pub fn close(&self, worker: &Worker, record: &Record, desk: &Desk) {
        if self.context.sampled {
            worker.spans.add(self.spans(record, desk, worker.deadlines.now()));
        }
    }

    #[cold]
    fn spans(&self, record: &Record, desk: &Desk, now: Moment) -> Vec<Span> {
        let line = record.line(desk, now, None);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let wall = u64::try_from(wall).unwrap_or(u64::MAX);
        let time = |at: Moment| wall.saturating_sub(now.as_nanos().saturating_sub(at.as_nanos()));
        let method = text(line.method);
        let name = if line.route.is_empty() { method.clone() } else { format!("{method} {}", line.route) };
        let span = |id, parent, kind, name: &str, start, end, attributes, failed| Span {
            trace: self.context.trace,
            id,
            parent,
            kind,
            name: name.to_owned(),
            start,
            end,
            attributes,
            failed,
        };
        let failed = record.status >= 500 || record.end.is_some_and(|end| end.side != Side::Downstream);
        let own =
            span(self.context.span, self.parent, Kind::Server, &name, time(record.started), wall, about(&line), failed);
        let mut spans = vec![own];
        for (index, attempt) in self.attempts.iter().enumerate() {
            let next = self.attempts.get(index + 1);
            let end = next.map_or(wall, |next| time(next.began));
            let attributes = asked(record, attempt, next.is_none(), index);
            let failed = next.is_some() || record.upstream_status >= 500 || record.upstream_status == 0;
            let parent = Some(self.context.span);
            spans.push(span(attempt.span, parent, Kind::Client, &method, time(attempt.began), end, attributes, failed));
        }
        spans
    }
}

/// What is said of an exchange. No query: it may carry what nobody shall read.
fn about(line: &access::Record<'_>) -> Vec<(&'static str, Value)> {
    let mut about = vec![
        ("http.request.method", Value::Text(text(line.method))),
        ("url.path", Value::Text(text(line.path))),
        ("url.scheme", Value::Text(if line.tls.is_empty() { "http" } else { "https" }.to_owned())),
        ("server.address", Value::Text(text(line.host))),
        ("network.protocol.version", Value::Text(line.protocol.trim_start_matches("HTTP/").to_owned())),
        ("switchboard.request_id", Value::Text(text(line.request_id))),
    ];
    let mut more = |name, value: &str| {
        if !value.is_empty() {
            about.push((name, Value::Text(value.to_owned())));
        }
    };
    more("http.route", line.route);
    more("client.address", &line.client.map(|ip| ip.to_string()).unwrap_or_default());
    more("user_agent.original", &text(line.user_agent));
    more("error.type", line.reason);
    if line.status != 0 {
        about.push(("http.response.status_code", Value::Number(line.status.into())));
    }
    about
}

/// What is said of an attempt.
fn asked(record: &Record, attempt: &Attempt, last: bool, index: usize) -> Vec<(&'static str, Value)> {
    let mut asked = Vec::new();
    if let Some(endpoint) = record.generation.endpoints.get(attempt.endpoint) {
        asked.push(("server.address", Value::Text(endpoint.name.to_string())));
        asked.push(("switchboard.upstream", Value::Text(endpoint.upstream.to_string())));
    }
    if last && record.upstream_status != 0 {
        asked.push(("http.response.status_code", Value::Number(record.upstream_status.into())));
    }
    if index > 0 {
        asked.push(("http.request.resend_count", Value::Number(index as u64)));
    }
    asked
}

/// The most bytes of a text that came from outside.
const MOST: usize = 512;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..MOST).unwrap_or(bytes)).into_owned()
}
