//! A request on a rule with `cache:`: answered from the store, or from its upstream and stored on the way.
//!
//! The exchange comes here in the place of its own last steps, which this uses. What may be stored and given is decided in
//! `core::cache`; here is the order of things: look, wait for who fetches the same, ask, give.

mod asked;
pub mod background;
mod fetch;
mod give;

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use switchboard_core::cache::reuse::{Ask, Reuse, may_stand_in, reuse};
use switchboard_core::cache::status::{Course, Forwarded};
use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::UpstreamId;
use tokio::sync::watch;

use super::Next;
use super::admit::Admitted;
use super::record::Record;
use super::upload::Upload;
use crate::cache::{Join, Lead, Outcome, Stored, select};
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::http::Connection;
use crate::transport::Gone;

use asked::{Asked, Kind};
use fetch::Fetch;

/// Whether a request goes through the cache at all: an upgrade and gRPC pass as on any other rule.
pub fn applies(admitted: &Admitted) -> bool {
    admitted.rule.cache.is_some() && admitted.upgrade.token().is_none() && !admitted.grpc
}

/// Answers the request on `desk`.
///
/// # Errors
/// `not_cached` where only a stored answer was wanted; what can go wrong with an upstream.
pub async fn serve(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &mut Record,
    mut admitted: Admitted,
    upstream: UpstreamId,
    upload: &mut Option<Upload>,
) -> Result<Next, ProxyError> {
    let Some(plan) = admitted.rule.cache.clone() else { return Err(ProxyError::own(Reason::Internal, "")) };
    let asked = Asked::read(connection, desk, &admitted, &plan)?;
    let mut fetch = Fetch::new(record, asked, plan, upstream);
    match fetch.asked.kind {
        Kind::Read => {}
        Kind::Change | Kind::Other => return fetch.run(connection, desk, record, &mut admitted, upload).await,
    }
    let ends = fetch.plan.rules.lock.map_or(Moment::ZERO, |lock| connection.worker.deadlines.about_now() + lock);
    fetch.recall(connection, desk).await;
    loop {
        let now = connection.worker.deadlines.about_now();
        fetch.look(desk);
        let meanwhile = match fetch.found.as_ref().map(|found| reuse(&found.entry, &fetch.asked.control, now)) {
            Some(Reuse::Fresh) => return fetch.hit(connection, desk, record, &admitted, now, "").await,
            Some(Reuse::Accepted) => return fetch.hit(connection, desk, record, &admitted, now, "max-stale").await,
            Some(Reuse::Meanwhile) => true,
            Some(Reuse::Ask(ask)) => {
                fetch.why = why(ask);
                false
            }
            None => false,
        };
        if meanwhile {
            fetch.refresh(connection, desk, record, &admitted);
            return fetch.hit(connection, desk, record, &admitted, now, "stale-while-revalidate").await;
        }
        if fetch.asked.control.only_if_cached {
            return Err(ProxyError::client(Reason::NotCached, ""));
        }
        if !fetch.may_wait(ends, now) {
            break;
        }
        match connection.worker.generation().cache.flights.join(fetch.flight(desk), now) {
            Join::Lead(lead) => {
                fetch.lead = Some(lead);
                break;
            }
            Join::Wait(outcome) => {
                connection.worker.counters.cache_collapsed.add(1);
                fetch.collapsed = true;
                match wait(connection, outcome, ends).await? {
                    Outcome::Stored => {}
                    // Who went has failed already: no need to see for oneself where something stale will do.
                    Outcome::Failed => {
                        let now = connection.worker.deadlines.about_now();
                        if fetch.stands_in(now) {
                            return fetch.hit(connection, desk, record, &admitted, now, "stale-if-error").await;
                        }
                        fetch.collapsed = false;
                    }
                    Outcome::Private => break,
                    Outcome::Open => {
                        fetch.lead = fetch.second(connection, desk);
                        break;
                    }
                }
            }
        }
    }
    fetch.run(connection, desk, record, &mut admitted, upload).await
}

/// Waits until somebody else's flight has ended; `Open` where that took too long.
async fn wait(
    connection: &Connection,
    mut outcome: watch::Receiver<Outcome>,
    ends: Moment,
) -> Result<Outcome, ProxyError> {
    connection.deadline.set(ends);
    let mut ended = pin!(outcome.wait_for(|outcome| *outcome != Outcome::Open));
    poll_fn(|context| {
        connection.deadline.register(context);
        if let Poll::Ready(ended) = ended.as_mut().poll(context) {
            // Who leads tells the outcome before it lets go of the channel.
            return Poll::Ready(Ok(ended.map_or(Outcome::Failed, |outcome| *outcome)));
        }
        match connection.transport.poll_gone(context) {
            Poll::Ready(Gone::Reset | Gone::Fin) => return Poll::Ready(Err(ProxyError::gone())),
            Poll::Pending => {}
        }
        if connection.deadline.has_come() { Poll::Ready(Ok(Outcome::Open)) } else { Poll::Pending }
    })
    .await
}

impl Fetch {
    /// Takes what lies on disk into memory, where nothing is there.
    async fn recall(&mut self, connection: &Connection, desk: &Desk) {
        self.look(desk);
        if self.found.is_none() {
            self.store.recall(&self.asked.key, connection.worker.deadlines.about_now()).await;
        }
    }

    /// Looks for what is stored for this request.
    fn look(&mut self, desk: &Desk) {
        let page = self.store.page(&self.asked.key);
        let request = (&desk.request.fields, desk.input.filled());
        let mut scratch = Vec::new();
        self.found = page.as_ref().and_then(|page| select(page, self.asked.space, request, &mut scratch)).cloned();
        self.page = page;
        let others = self.page.as_ref().is_some_and(|page| !page.answers().is_empty());
        self.why = if others { Forwarded::VaryMiss } else { Forwarded::UriMiss };
    }

    /// Whether to go with the others: not where the answer is likely to be for this client alone, nor where it wants its
    /// own, nor twice.
    fn may_wait(&self, ends: Moment, now: Moment) -> bool {
        let plain = self.asked.is_plain || self.found.as_ref().is_some_and(|found| found.entry.validator().is_some());
        !self.asked.head
            && plain
            && !self.asked.authorized
            && !self.asked.control.no_store
            && !self.collapsed
            && self.why != Forwarded::Request
            && now < ends
            && !self.page.as_ref().is_some_and(|page| page.passes(now))
    }

    /// The number of the flight: requests that what is stored tells apart go apart.
    fn flight(&self, desk: &Desk) -> u64 {
        let mut number = self.store.hash(&self.asked.key) ^ self.asked.space;
        let newest = self.page.as_ref().and_then(|page| page.answers().first());
        if let Some(newest) = newest.filter(|newest| !newest.entry.vary.parts().is_empty()) {
            let mut chosen = Vec::new();
            newest.entry.vary.chosen((&desk.request.fields, desk.input.filled()), &mut chosen);
            number ^= self.store.hash(&chosen);
        }
        number
    }

    /// Whether what is stored may stand in for an answer that can't be had.
    fn stands_in(&self, now: Moment) -> bool {
        self.found.as_ref().is_some_and(|found| may_stand_in(&found.entry, &self.asked.control, now))
    }

    /// Gives what is stored.
    async fn hit(
        &self,
        connection: &mut Connection,
        desk: &mut Desk,
        record: &mut Record,
        admitted: &Admitted,
        now: Moment,
        detail: &'static str,
    ) -> Result<Next, ProxyError> {
        let Some(found) = &self.found else { return Err(ProxyError::own(Reason::Internal, "")) };
        let counters = &connection.worker.counters;
        if detail.is_empty() {
            counters.cache_hits.add(1);
            record.cache = "hit";
        } else {
            counters.cache_stale.add(1);
            record.cache = "stale";
        }
        let course = Course::Hit { ttl: found.entry.left(now), detail };
        let next = give::give(connection, desk, record, admitted, found, now, &course).await;
        connection.worker.counters.bytes_from_cache.add(record.bytes_out);
        next
    }

    /// Leads besides who does already and takes too long, where nobody else has begun that.
    fn second(&self, connection: &Connection, desk: &Desk) -> Option<Lead> {
        let now = connection.worker.deadlines.about_now();
        self.store.flights.second(self.flight(desk), now, self.plan.rules.lock?)
    }

    /// Asks anew for what is given stale, unless somebody does already.
    fn refresh(&mut self, connection: &Connection, desk: &Desk, record: &Record, admitted: &Admitted) {
        if self.asked.head {
            return;
        }
        let now = connection.worker.deadlines.about_now();
        let Join::Lead(lead) = self.store.flights.join(self.flight(desk), now) else { return };
        self.why = Forwarded::Stale;
        background::refresh(connection, desk, record, admitted, self.beside(lead));
    }

    /// The same for a task of its own.
    fn beside(&self, lead: Lead) -> Self {
        Self {
            asked: self.asked.clone(),
            plan: Arc::clone(&self.plan),
            store: Arc::clone(&self.store),
            upstream: self.upstream,
            page: None,
            found: self.found.clone(),
            lead: Some(lead),
            era: self.era,
            collapsed: false,
            why: self.why,
        }
    }
}

const fn why(ask: Ask) -> Forwarded {
    match ask {
        Ask::Stale => Forwarded::Stale,
        Ask::Request => Forwarded::Request,
    }
}

/// A stored answer that is asked about.
pub(super) type Found = Option<Arc<Stored>>;

/// The worker of a connection, for what outlives a borrow of it.
fn worker_of(connection: &Connection) -> Rc<crate::worker::Worker> {
    Rc::clone(&connection.worker)
}
