//! What is noted of an exchange while it goes on, and the one place where it is closed: counters and access line.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use switchboard_core::access::redact::without_user;
use switchboard_core::access::{self, Tunnel};
use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::request_id::RequestId;
use switchboard_core::route::RuleId;
use switchboard_core::snapshot::Rule;

use super::trace::Trace;
use crate::desk::Desk;
use crate::error::Side;
use crate::generation::Current;
use crate::telemetry::counters::Counters;
use crate::telemetry::failures::{self, Failure};
use crate::telemetry::meter::{EndpointCounts, Measured, class};
use crate::tls::Secure;
use crate::worker::Worker;

/// How an exchange ended, when it did not simply end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Whose doing it was.
    pub side: Side,
    /// Why.
    pub reason: Reason,
}

/// The notes.
#[derive(Clone, Debug)]
pub struct Record {
    /// The generation that the exchange reads: names in the access line come from it.
    pub generation: Rc<Current>,
    /// The request's id.
    pub id: RequestId,
    /// The id as it goes upstream and into the log: ours, or a trusted peer's.
    pub trusted_id: bool,
    /// When its head was whole.
    pub started: Moment,
    /// The rule that answers.
    pub rule: Option<RuleId>,
    /// The endpoint of the last attempt, by its place in the generation.
    pub endpoint: Option<usize>,
    /// Attempts made.
    pub attempts: u32,
    /// The trace that it is a part of, where traces are on.
    pub trace: Option<Box<Trace>>,
    /// What is known of the client's TLS.
    pub secure: Option<Rc<Secure>>,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The status that the client got; 0 if none.
    pub status: u16,
    /// The status that the endpoint gave; 0 if none.
    pub upstream_status: u16,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer, head included.
    pub bytes_out: u64,
    /// How it ended.
    pub end: Option<End>,
    /// It ended before its time: somebody broke it off.
    pub broken: bool,
    /// What a rule that answers by itself is called in the log.
    pub answered: &'static str,
    /// What was wrong in particular, where an error became the answer; else empty.
    pub detail: &'static str,
    /// What the cache did, in a word for the log; empty where there is none.
    pub cache: &'static str,
    attempted: Option<Moment>,
    connect: Option<Duration>,
    first_byte: Option<Moment>,
}

impl Record {
    /// Begins.
    pub fn start(worker: &Worker) -> Self {
        Self {
            generation: worker.generation(),
            id: worker.next_id(),
            trusted_id: false,
            started: if worker.is_timed() { worker.deadlines.now() } else { worker.deadlines.about_now() },
            rule: None,
            endpoint: None,
            attempts: 0,
            trace: None,
            secure: None,
            client: None,
            status: 0,
            upstream_status: 0,
            bytes_in: 0,
            bytes_out: 0,
            end: None,
            broken: false,
            answered: "",
            detail: "",
            cache: "",
            attempted: None,
            connect: None,
            first_byte: None,
        }
    }

    /// Begins one of what is asked beside this exchange. A reload may have come since it began: endpoints and rules have the
    /// numbers of its own generation.
    pub fn beside(&self, worker: &Worker) -> Self {
        Self { generation: Rc::clone(&self.generation), ..Self::start(worker) }
    }

    /// The compiled rule, once it is found.
    pub fn rule(&self) -> Option<&Arc<Rule>> {
        self.rule.map(|id| self.generation.snapshot.rule(id))
    }

    /// The time, as exactly as somebody will read it.
    pub fn clock(&self, worker: &Worker) -> Moment {
        if worker.is_timed() { worker.deadlines.now() } else { worker.deadlines.about_now() }
    }

    /// An attempt begins: the first at the start, as no time has passed; later ones now.
    pub fn attempt(&mut self, endpoint: usize, worker: &Worker) {
        if self.attempts > 0 {
            self.count_failed_attempt(worker);
        }
        self.attempt_beside(endpoint, worker);
    }

    /// The same while the attempt before it goes on: of two, who loses is counted when that is known.
    pub fn attempt_beside(&mut self, endpoint: usize, worker: &Worker) {
        self.endpoint = Some(endpoint);
        self.attempts += 1;
        self.attempted = Some(if self.attempts == 1 { self.started } else { self.clock(worker) });
        self.first_byte = None;
        self.connect = None;
        let began = self.attempted();
        if let Some(trace) = &mut self.trace {
            trace.attempt(endpoint, began, worker);
        }
    }

    /// When the attempt began.
    pub fn attempted(&self) -> Moment {
        self.attempted.unwrap_or(self.started)
    }

    /// A connection had to be opened, and took this long.
    pub const fn connected_in(&mut self, time: Duration) {
        self.connect = Some(time);
    }

    /// The first byte of an answer came.
    pub const fn first_byte(&mut self, at: Moment) {
        self.first_byte = Some(at);
    }

    /// Takes over what was noted of an attempt that ran beside others, and was the one that counts.
    pub const fn adopt(&mut self, attempt: &Self) {
        self.endpoint = attempt.endpoint;
        self.attempted = attempt.attempted;
        self.connect = attempt.connect;
        self.first_byte = attempt.first_byte;
    }

    /// Notes how it ended, if nothing was noted before: the first cause is the cause.
    pub fn ended(&mut self, side: Side, reason: Reason) {
        self.end.get_or_insert(End { side, reason });
    }

    /// Closes an exchange: counts it, and writes its line where the rule wants one. The head is still on the desk.
    pub fn close(&self, worker: &Worker, desk: &Desk) {
        let now = worker.is_timed().then(|| worker.deadlines.now());
        self.count(worker, now);
        if self.end.is_some() {
            worker.process.failures.add(|| self.kept(worker, desk));
        } else if worker.counters.requests.read().is_multiple_of(failures::SAMPLE) {
            worker.process.samples.add(|| self.kept(worker, desk));
        }
        if worker.access.is_on() && self.rule().is_none_or(|rule| rule.access_log) {
            let now = now.unwrap_or_else(|| worker.deadlines.now());
            worker.access.write(self.line(desk, now, None), &self.generation);
        }
    }

    #[cold]
    fn kept(&self, worker: &Worker, desk: &Desk) -> Failure {
        let line = self.line(desk, worker.deadlines.now(), None);
        Failure {
            at: SystemTime::now(),
            id: String::from_utf8_lossy(line.request_id).into_owned(),
            status: self.status,
            reason: self.end.map(|end| end.reason),
            route: line.route.to_owned(),
            upstream: line.upstream.to_owned(),
            request: failures::request(line.method, line.host, line.path),
            endpoint: line.endpoint.to_owned(),
            upstream_status: self.upstream_status,
            attempts: self.attempts,
            total: line.total,
            connect: line.connect,
            first_byte: line.first_byte,
        }
    }

    /// Counts what there is to count, for the whole proxy, the route and the endpoint. Without `now` no durations.
    fn count(&self, worker: &Worker, now: Option<Moment>) {
        self.count_all(&worker.counters);
        let took = now.map(|now| Measured::between(self.started, now));
        if let Some(took) = took {
            worker.counters.duration.add(took);
        }
        if let Some(live) = self.rule.and_then(|id| self.generation.rules.get(id.index()))
            && let Some(route) = live.meter.of(worker)
        {
            class(&route.answers, self.status);
            route.bytes_in.add(self.bytes_in);
            route.bytes_out.add(self.bytes_out);
            if let Some(took) = took {
                route.duration.add(took);
            }
            if let Some(counter) = self.end.and_then(|end| route.reasons.get(end.reason as usize)) {
                counter.add(1);
            }
        }
        if let Some(counts) = self.endpoint_counts(worker) {
            if self.upstream_status != 0 {
                class(&counts.answers, self.upstream_status);
            } else if self.end.is_some_and(|end| end.side == Side::Upstream) {
                counts.failed.add(1);
            }
            if now.is_some() {
                if let Some(at) = self.first_byte {
                    counts.first_byte.add(Measured::between(self.started, at));
                }
                if let Some(connect) = self.connect {
                    counts.connect.add(Measured::of(connect));
                }
            }
        }
    }

    fn endpoint_counts(&self, worker: &Worker) -> Option<&EndpointCounts> {
        self.generation.endpoints.get(self.endpoint?)?.meter.of(worker)
    }

    /// Counts the attempt as one that came to nothing, or whose answer was thrown away.
    #[cold]
    pub fn count_failed_attempt(&self, worker: &Worker) {
        if let Some(counts) = self.endpoint_counts(worker) {
            counts.failed.add(1);
        }
        if let Some(endpoint) = self.endpoint.and_then(|index| self.generation.endpoints.get(index))
            && let Some(counts) = endpoint.group.meter.of(worker)
        {
            counts.retries.add(1);
        }
    }

    fn count_all(&self, counters: &Counters) {
        counters.requests.add(1);
        counters.bytes_in.add(self.bytes_in);
        counters.bytes_out.add(self.bytes_out);
        if self.status != 0 {
            counters.status(self.status);
        }
        if let Some(end) = self.end {
            counters.reason(end.reason);
        }
    }

    /// The access line of the request on `desk`, as of `now`.
    pub fn line<'a>(&'a self, desk: &'a Desk, now: Moment, tunnel: Option<Tunnel<'a>>) -> access::Record<'a> {
        let bytes = desk.input.filled();
        let head = &desk.request;
        let target = head.target.of(bytes);
        let cut = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
        let (path, query) = target.split_at(cut);
        let endpoint = self.endpoint.and_then(|index| self.generation.endpoints.get(index));
        let field =
            |name| head.fields.all().iter().find(|field| field.name_id == name).map(|field| field.value.of(bytes));
        let host = field(switchboard_core::message::Name::Host).unwrap_or_default();
        // What has a user before its host is refused before a rule is found.
        let (host, path) = match self.rule {
            Some(_) => (host, path),
            None if path.starts_with(b"/") => (without_user(host), path),
            None => (without_user(host), without_user(path)),
        };
        access::Record {
            time: [0; 24],
            request_id: if desk.request_id.is_empty() { self.id.as_bytes() } else { &desk.request_id },
            trace: self.trace.as_ref().map(|trace| trace.id()),
            client: self.client,
            route: self.rule().map_or("", |rule| &rule.key),
            upstream: endpoint.map_or("", |endpoint| &endpoint.upstream),
            endpoint: endpoint.map_or("", |endpoint| &endpoint.name),
            attempt: self.attempts,
            method: head.method.of(bytes),
            host,
            path,
            query: query.get(1..).unwrap_or_default(),
            protocol: match head.version {
                switchboard_core::message::Version::Http10 => "HTTP/1.0",
                switchboard_core::message::Version::Http11 => "HTTP/1.1",
                switchboard_core::message::Version::Http2 => "HTTP/2.0",
            },
            tls: self.secure.as_ref().map_or("", |secure| secure.version),
            sni: self.secure.as_ref().and_then(|secure| secure.name.as_deref()).map_or(b"", str::as_bytes),
            status: self.status,
            upstream_status: self.upstream_status,
            reason: self.end.map_or(self.answered, |end| end.reason.code()),
            detail: self.detail,
            cache: self.cache,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            total: now.since(self.started),
            connect: self.connect,
            first_byte: self.first_byte.map(|at| at.since(self.started)),
            upstream_total: self.attempted.map(|at| now.since(at)),
            user_agent: field(switchboard_core::message::Name::UserAgent).unwrap_or_default(),
            tunnel,
            ended_by: self.end.filter(|_| self.broken).map(|end| end.side.into()),
        }
    }
}
