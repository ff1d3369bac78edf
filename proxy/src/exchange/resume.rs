//! `sse.resume`: a client that comes back gets the events that it missed, from what the proxy has kept of its session.
//!
//! Nobody is given what another one's requests have brought (`core::sse::session`), and nothing is given before the
//! endpoint has answered this very request with an event stream: it decides anew whether the client may see it.

pub mod shelf;

use std::rc::Rc;
use std::sync::Arc;

use switchboard_core::answer::Answer;
use switchboard_core::config::sse::Resume;
use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::sse;
use switchboard_core::sse::ring::Bounds;
use switchboard_core::sse::session::{Asker, SessionId};

use super::Next;
use super::admit::Admitted;
use super::own;
use super::record::Record;
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::http::Connection;
use crate::live::RuleKeeps;
use crate::worker::Worker;

/// What one exchange knows of its session.
#[derive(Debug)]
pub struct Session {
    rule: Arc<RuleKeeps>,
    id: SessionId,
    bounds: Bounds,
    memory: usize,
    worker: Rc<Worker>,
    /// What the client has missed: numbers of events in the session's ring.
    missed: Option<(u64, u64)>,
    /// The line by which the endpoint is asked to go on behind the newest of them.
    line: Vec<u8>,
}

/// Finds the session of a request for an event stream; nothing where its rule keeps none, or the request names none.
pub fn session(connection: &Connection, desk: &mut Desk, record: &Record, admitted: &Admitted) -> Option<Rc<Session>> {
    let resume = admitted.rule.sse.as_ref()?.resume.as_ref()?;
    Session::open(connection, desk, record, admitted, resume).map(Rc::new)
}

impl Session {
    #[cold]
    fn open(
        connection: &Connection,
        desk: &mut Desk,
        record: &Record,
        admitted: &Admitted,
        resume: &Resume,
    ) -> Option<Self> {
        let worker = &connection.worker;
        let rule = record.rule.and_then(|id| record.generation.rules.get(id.index()))?;
        let bytes = desk.input.filled();
        let fields = &desk.request.fields;
        if desk.request.method.of(bytes) != b"GET" {
            return None;
        }
        let certificate = connection.secure.as_ref().and_then(|secure| secure.certificate.as_ref());
        let asker = Asker {
            fields,
            head: bytes,
            target: desk.request.target.of(bytes),
            who: admitted.identity().map(|_| &desk.notes.who),
            certificate: certificate.map_or(&[], |certificate| &certificate.fingerprint.0),
        };
        let id = sse::session::session(&asker, &resume.key)?;
        let mut session = Self {
            rule: Arc::clone(&rule.keeps),
            id,
            bounds: Bounds { events: resume.events as usize, age: resume.age, bytes: resume.memory as usize / 8 },
            memory: resume.memory as usize,
            worker: Rc::clone(worker),
            missed: None,
            line: Vec::new(),
        };
        let last: Vec<&[u8]> = fields.matching(bytes, LAST_EVENT_ID).map(|field| field.value.of(bytes)).collect();
        if let [last] = *last {
            session.look_for(last);
        }
        // What is compressed could neither be kept nor continued.
        let replaced = if session.line.is_empty() { ACCEPT_ENCODING } else { LAST_EVENT_ID };
        for field in desk.request.fields.all_mut() {
            let name = field.name.of(bytes);
            field.dropped |= [replaced, ACCEPT_ENCODING].iter().any(|other| name.eq_ignore_ascii_case(other));
        }
        Some(session)
    }

    /// Looks what came behind the event `last`, the last that the client has had.
    fn look_for(&mut self, last: &[u8]) {
        let now = self.now();
        let found = self.rule.shelf.with(&self.id, now, |ring| {
            ring.age(now, self.bounds.age);
            let number = ring.number_of(last)?;
            Some((number + 1, ring.end(), ring.newest()?.to_vec()))
        });
        if let Some((from, to, newest)) = found.flatten() {
            self.missed = Some((from, to));
            self.line = [b"last-event-id: ", newest.as_slice(), b"\r\n"].concat();
        }
    }

    /// The line that goes up in the place of the client's `Last-Event-ID`; empty where that goes as it came.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// What the client has missed, as numbers of events from and to.
    pub const fn missed(&self) -> Option<(u64, u64)> {
        self.missed
    }

    /// Writes events from number `from` on, before `to`, until `out` has `most` bytes. Returns the number of the next;
    /// `None` where they are no longer there.
    pub fn replay(&self, from: u64, to: u64, most: usize, out: &mut Vec<u8>) -> Option<u64> {
        let next = self.rule.shelf.with(&self.id, self.now(), |ring| ring.replay(from, to, most, out)).flatten()?;
        self.worker.counters.events_replayed.add(next - from);
        Some(next)
    }

    /// Whether the client has had the event with this id, or has been given it: it stands before number `to`.
    pub fn has(&self, id: &[u8], to: u64) -> bool {
        let number = self.rule.shelf.with(&self.id, self.now(), |ring| ring.number_of(id));
        number.flatten().is_some_and(|number| number < to)
    }

    /// Keeps an event.
    pub fn keep(&self, id: &[u8], text: &[u8]) {
        self.rule.shelf.keep(&self.id, id, text, self.now(), &self.bounds, self.memory);
    }

    /// An event could not be kept: nothing is given across the gap.
    pub fn forget(&self) {
        self.rule.shelf.forget(&self.id, self.now());
    }

    fn now(&self) -> Moment {
        self.worker.deadlines.about_now()
    }

    /// How many bytes one event may have.
    pub const fn most(&self) -> usize {
        self.bounds.bytes
    }
}

const LAST_EVENT_ID: &[u8] = b"last-event-id";
const ACCEPT_ENCODING: &[u8] = b"accept-encoding";

/// What a client that comes back is told while no endpoint can be asked: to come again. Browsers take any error for the
/// end of the stream for good.
///
/// # Errors
/// `error`, where the exchange has no session that has begun, or it was no endpoint's failing; `client_gone`.
pub async fn instead(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    session: Option<&Session>,
    error: ProxyError,
) -> Result<Next, ProxyError> {
    let Some(session) = session else { return Err(error) };
    let passing = matches!(
        error.reason,
        Reason::NoEndpoint | Reason::ConnectRefused | Reason::ConnectTimeout | Reason::UpstreamReset
    );
    if !passing || session.rule.shelf.with(&session.id, session.now(), |_| ()).is_none() {
        return Err(error);
    }
    record.ended(error.side, error.reason);
    let mut answer = Answer::new();
    let words = sse::retry(1000 + 4 * u32::from(connection.worker.deadlines.chance()));
    let id = String::from_utf8_lossy(&desk.request_id).into_owned();
    answer.respond(200, &String::from_utf8_lossy(&words), &id);
    answer.set("content-type", b"text/event-stream");
    answer.set("cache-control", b"no-store");
    answer.set("x-switchboard-reason", error.reason.code().as_bytes());
    own::answer_for_stream(connection, desk, record, answer).await
}
