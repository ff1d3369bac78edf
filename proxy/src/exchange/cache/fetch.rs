//! Asks the upstream, on a rule with `cache:`, and does with its answer what is to be done: stores it on its way, takes it
//! for a stored one's renewal, or gives the stored one in its place.

use std::sync::Arc;

use switchboard_core::cache::freshness::Arrival;
use switchboard_core::cache::merge::{Fate, Renewal};
use switchboard_core::cache::reuse::is_error;
use switchboard_core::cache::status::{Course, Forwarded, write};
use switchboard_core::cache::{Entry, Plan, Verdict, invalid, key, merge, store};
use switchboard_core::forwarding;
use switchboard_core::http1::{Framing, ResponseHead};
use switchboard_core::message::{Fields, Name};
use switchboard_core::moment::Moment;
use switchboard_core::snapshot::UpstreamId;

use super::super::admit::Admitted;
use super::super::record::Record;
use super::super::upload::Upload;
use super::super::{Next, answer, body_of, keep, mirror, reach};
use super::asked::{Asked, Kind};
use super::{Found, give};
use crate::cache::fill::{self, Destined};
use crate::cache::{Fill, Lead, Outcome, Page, Store, Stored};
use crate::desk::Desk;
use crate::error::{ProxyError, Side};
use crate::http::Connection;
use crate::upstream::interim::Interim;

/// Fields that ask about what the client has. Where the proxy asks about what it has itself, they wait until it knows.
const CONDITIONS: [&[u8]; 4] = [b"if-none-match", b"if-modified-since", b"range", b"if-range"];

/// One request on its way through the cache.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) asked: Asked,
    pub(super) plan: Arc<Plan>,
    pub(super) store: Arc<Store>,
    pub(super) upstream: UpstreamId,
    pub(super) page: Option<Arc<Page>>,
    /// What is stored for it.
    pub(super) found: Found,
    /// It goes for others too.
    pub(super) lead: Option<Lead>,
    /// The era in which it began.
    pub(super) era: u64,
    /// It has waited for another one.
    pub(super) collapsed: bool,
    pub(super) why: Forwarded,
}

impl Fetch {
    /// Begins.
    pub(super) fn new(record: &Record, asked: Asked, plan: Arc<Plan>, upstream: UpstreamId) -> Self {
        let store = Arc::clone(&record.generation.cache);
        let why = if asked.kind == Kind::Change { Forwarded::Method } else { Forwarded::Bypass };
        let era = store.era();
        Self { asked, plan, store, upstream, page: None, found: None, lead: None, era, collapsed: false, why }
    }

    /// Asks, and answers.
    pub(super) async fn run(
        mut self,
        connection: &mut Connection,
        desk: &mut Desk,
        record: &mut Record,
        admitted: &mut Admitted,
        upload: &mut Option<Upload>,
    ) -> Result<Next, ProxyError> {
        let asks = self.condition(desk, admitted);
        admitted.shared = self.lead.is_some();
        let upload = upload.insert(body_of(desk, record, admitted));
        let mirror = mirror::wanted(desk, admitted, upload);
        let mut interim = Interim::new(desk.request.version, admitted.hop.expect_continue);
        let begun = connection.worker.deadlines.about_now();
        let reached = reach(connection, desk, record, admitted, self.upstream, upload, &mut interim).await;
        let reached = reached.map_err(|error| interim.or(error));
        if reached.is_ok() {
            mirror::begin(mirror, connection, desk, record, admitted, upload);
        }
        restore(desk);
        let now = connection.worker.deadlines.about_now();
        let upstream = match reached {
            Ok(upstream) => upstream,
            Err(error) if error.side != Side::Downstream && self.stands_in(now) => {
                drop(self.lead.take());
                return self.hit(connection, desk, record, admitted, now, "stale-if-error").await;
            }
            Err(error) => return Err(error),
        };
        upload.forget();
        record.upstream_status = desk.answer.status;
        if desk.answer.status == 304 && asks {
            let whole = desk.answer_input.filled().len() == desk.answer.len;
            if desk.answer.keep_alive && whole && upload.is_whole() {
                keep(connection, upstream);
            }
            interim.settled()?;
            return self.renewed(connection, desk, record, admitted, begun).await;
        }
        if is_error(desk.answer.status) && self.stands_in(now) && !interim.owes() {
            drop(self.lead.take());
            return self.hit(connection, desk, record, admitted, now, "stale-if-error").await;
        }
        let relayed = match self.take(connection, desk, record, upstream, begun) {
            Ok(upstream) => answer::relay(connection, desk, record, admitted, upload, upstream, &mut interim).await,
            Err(error) => Err(error),
        };
        relayed.map_err(|error| interim.or(error))
    }

    /// Makes the request ask about what is stored, where that is possible. What the client asks itself is kept for then.
    fn condition(&self, desk: &mut Desk, admitted: &mut Admitted) -> bool {
        admitted.condition.clear();
        let Some(found) = self.found.as_ref().filter(|_| !self.asked.head) else { return false };
        let Some(validator) = found.entry.validator() else { return false };
        validator.write(&mut admitted.condition);
        let Desk { input, request, set_aside, .. } = desk;
        let bytes = input.filled();
        for (index, field) in request.fields.all_mut().iter_mut().enumerate() {
            let name = field.name.of(bytes);
            if field.name_id == Name::Other
                && !field.dropped
                && CONDITIONS.iter().any(|one| name.eq_ignore_ascii_case(one))
            {
                field.dropped = true;
                set_aside.push(index);
            }
        }
        true
    }

    /// Gives what is stored, which the upstream says is good.
    async fn renewed(
        mut self,
        connection: &mut Connection,
        desk: &mut Desk,
        record: &mut Record,
        admitted: &Admitted,
        begun: Moment,
    ) -> Result<Next, ProxyError> {
        let (Some(found), now) = (self.found.take(), connection.worker.deadlines.about_now()) else {
            return Err(ProxyError::own(switchboard_core::reason::Reason::Internal, ""));
        };
        let bytes = desk.answer_input.filled();
        forwarding::examine_response(&mut desk.answer.fields, bytes)
            .map_err(|rejected| ProxyError::upstream(rejected.reason, rejected.detail))?;
        let arrival = arrival(begun, now);
        let (input, request) = (desk.input.filled(), &desk.request);
        let asked = self.asked_of(request.method.of(input), &request.fields, input);
        let renewal = merge::freshened(&found.entry, &asked, &desk.answer, bytes, &arrival, &self.plan.rules);
        let (fate, given) = self.settle(&found, renewal);
        let (stored, detail) = match fate {
            Fate::Renewed => (true, ""),
            Fate::Stays(why) | Fate::Goes(why) => (false, why),
        };
        if let Some(lead) = self.lead.take() {
            lead.end(if stored { Outcome::Stored } else { Outcome::Private });
        }
        connection.worker.counters.cache_revalidations.add(1);
        record.cache = "revalidated";
        let course = Course::Forward { why: self.why, status: Some(304), stored, collapsed: self.collapsed, detail };
        give::give(connection, desk, record, admitted, &given, now, &course).await
    }

    /// Looks at an answer that goes to the client: stores it on its way, or lets go of who waits for it.
    fn take(
        &mut self,
        connection: &Connection,
        desk: &mut Desk,
        record: &mut Record,
        mut upstream: answer::Upstream,
        begun: Moment,
    ) -> Result<answer::Upstream, ProxyError> {
        let Desk { input, request, answer, answer_input, .. } = desk;
        let (bytes, asking) = (answer_input.filled(), input.filled());
        forwarding::examine_response(&mut answer.fields, bytes)
            .map_err(|rejected| ProxyError::upstream(rejected.reason, rejected.detail))?;
        let now = connection.worker.deadlines.about_now();
        let method = request.method.of(asking);
        let arrival = arrival(begun, now);
        if self.asked.kind == Kind::Change {
            let query = &self.plan.rules.query;
            invalid::targets(self.asked.url(), answer, bytes, |url| {
                key::spellings(&narrowed(url, query)).iter().for_each(|key| self.store.invalidate(key));
            });
            // The answer itself is of after the change.
            self.era = self.store.era();
        }
        let asked = self.asked_of(method, &request.fields, asking);
        let verdict = match self.asked.kind {
            Kind::Other => Verdict::Pass(""),
            Kind::Read | Kind::Change => store::judge(&asked, answer, bytes, &arrival, &self.plan.rules),
        };
        let framing = answer.framing(method).unwrap_or(Framing::Close);
        let detail = match sized(verdict, framing, self.plan.rules.max_object) {
            Ok((entry, length)) => {
                upstream.fill = Some(Box::new(self.fill(entry, length)));
                ""
            }
            Err(detail) => {
                let renewal = self.renewal_by_head(&asked, answer, bytes, &arrival);
                self.passed(answer.status, renewal, now);
                detail
            }
        };
        let stored = upstream.fill.is_some();
        if self.asked.kind == Kind::Read {
            connection.worker.counters.cache_misses.add(1);
        }
        if !stored {
            connection.worker.counters.cache_bypassed.add(1);
        }
        record.cache = match (self.asked.kind, stored) {
            (Kind::Read, true) => "miss",
            (Kind::Read, false) => "pass",
            (Kind::Change | Kind::Other, _) => "bypass",
        };
        let course = Course::Forward { why: self.why, status: None, stored, collapsed: self.collapsed, detail };
        write(&mut upstream.cookie, &course);
        Ok(upstream)
    }

    fn fill(&mut self, entry: Box<Entry>, length: Option<u64>) -> Fill {
        let destined = Destined {
            store: Arc::clone(&self.store),
            key: self.asked.key.as_slice().into(),
            era: self.era,
            lead: self.lead.take(),
        };
        Fill::new(destined, entry, length, self.plan.rules.max_object)
    }

    /// What storing goes by of the request with these lines.
    fn asked_of<'a>(&'a self, method: &'a [u8], fields: &'a Fields, bytes: &'a [u8]) -> store::Asked<'a> {
        store::Asked {
            method,
            authorized: self.asked.authorized,
            no_store: self.asked.control.no_store,
            url: self.asked.url(),
            fields,
            bytes,
            space: self.asked.space,
        }
    }

    /// Does with what is stored as a head without a body says; gives back what is to be given.
    fn settle(&self, found: &Arc<Stored>, renewal: Renewal) -> (Fate, Arc<Stored>) {
        let Renewal { entry, fate } = renewal;
        let next = Arc::new(Stored { entry, body: found.body.clone(), forms: found.forms.clone() });
        match fate {
            Fate::Renewed => self.store.replace(&self.asked.key, found, Arc::clone(&next), self.era),
            Fate::Stays(_) => {}
            Fate::Goes(_) => self.store.forget(&self.asked.key, found),
        }
        (fate, next)
    }

    /// What a HEAD makes of what is stored, where its answer speaks of that.
    fn renewal_by_head(
        &self,
        asked: &store::Asked<'_>,
        answer: &ResponseHead,
        bytes: &[u8],
        arrival: &Arrival,
    ) -> Option<Renewal> {
        let found = self.found.as_ref().filter(|_| self.asked.kind == Kind::Read && self.asked.head)?;
        let speaks = answer.status < 400 && merge::describes(&found.entry, answer, bytes);
        speaks.then(|| merge::freshened(&found.entry, asked, answer, bytes, arrival, &self.plan.rules))
    }

    /// An answer that is not stored: what it says of what is.
    fn passed(&mut self, status: u16, renewal: Option<Renewal>, now: Moment) {
        fill::pass(&self.store, &self.asked.key, self.lead.take(), now);
        let Some(found) = self.found.as_ref().filter(|_| self.asked.kind == Kind::Read) else { return };
        if let Some(renewal) = renewal {
            self.settle(found, renewal);
            return;
        }
        // What was stale and has now got an answer that is not for storing is over.
        let own = self.asked.is_plain && !self.asked.control.no_store;
        if self.why == Forwarded::Stale && status < 500 && own {
            self.store.forget(&self.asked.key, found);
        }
    }
}

/// What may be stored of an answer that is framed so: one whose end can't be told from a broken connection may not, nor
/// one that says itself that it is too large.
fn sized(verdict: Verdict, framing: Framing, most: u64) -> Result<(Box<Entry>, Option<u64>), &'static str> {
    let entry = match verdict {
        Verdict::Store(entry) => entry,
        Verdict::Pass(detail) => return Err(detail),
    };
    match framing {
        Framing::Close => Err("framing"),
        Framing::Length(length) | Framing::Frames(Some(length)) if length > most => Err("size"),
        Framing::Length(length) | Framing::Frames(Some(length)) => Ok((entry, Some(length))),
        Framing::None => Ok((entry, Some(0))),
        Framing::Chunked | Framing::Frames(None) => Ok((entry, None)),
    }
}

/// A URL as the rule's keys have it.
fn narrowed(url: &[u8], query: &switchboard_core::config::QueryKey) -> Vec<u8> {
    let mut key = Vec::with_capacity(url.len());
    let after = url.windows(3).position(|three| three == b"://").map_or(0, |at| at + 3);
    let rest = url.get(after..).unwrap_or_default();
    let (authority, forward) = rest.split_at(rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len()));
    let scheme = url.get(..after.saturating_sub(3)).and_then(|scheme| std::str::from_utf8(scheme).ok());
    key::write(&mut key, scheme.unwrap_or_default(), authority, forward, query);
    key
}

/// Gives the client's own conditions back to its request.
pub(super) fn restore(desk: &mut Desk) {
    let Desk { request, set_aside, .. } = desk;
    for index in set_aside.drain(..) {
        if let Some(field) = request.fields.all_mut().get_mut(index) {
            field.dropped = false;
        }
    }
}

fn arrival(asked: Moment, at: Moment) -> Arrival {
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Arrival { asked, at, wall: wall.as_secs() }
}
