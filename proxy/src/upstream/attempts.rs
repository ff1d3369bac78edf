//! The attempts at one request: which endpoint is next, and whether there may be another (SECURITY §3.3).

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::balance::{Ask, Refusal, Standing};
use switchboard_core::config;
use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::{Rule, Upstream, UpstreamId};

use super::line::{Terms, Ticket};
use crate::error::{ProxyError, Retry};
use crate::generation::Current;
use crate::live::{Permit, UpstreamLive};
use crate::worker::Worker;

/// Endpoints that are remembered as tried: of more attempts than these, the earliest is forgotten.
const REMEMBERED: usize = 4;

/// What a failed attempt counts as, beside the time it took, where latency decides: a refusal is quick, and must not
/// look good for it. Chosen.
const PENALTY: Duration = Duration::from_secs(1);

/// Which endpoints a request was tried at, and what it is chosen by.
#[derive(Debug)]
pub struct Attempts {
    generation: Rc<Current>,
    upstream: UpstreamId,
    key: Option<u64>,
    /// The place that the client is bound to.
    pub bound: Option<usize>,
    /// Places among the upstream's endpoints, in the order of the attempts.
    tried: [usize; REMEMBERED],
    made: usize,
    last: Option<ProxyError>,
    /// When the attempt began, where latency decides.
    began: Option<Moment>,
    /// The same of an attempt that goes on beside the last one.
    began_before: Option<Moment>,
    /// An endpoint found the request to come too early (425), and was believed once.
    was_early: bool,
    /// The next attempt is one that the budget counts.
    repeats: bool,
    /// Its place in a line, while it waits and until it is served.
    pub hold: Option<Hold>,
}

/// That a request waits.
#[derive(Debug)]
pub struct Hold {
    /// Where.
    pub ticket: Ticket,
    /// How long.
    pub until: Moment,
}

/// What is known of a request that failed.
#[derive(Clone, Copy, Debug)]
pub struct Nature {
    /// Sending it twice does no more than sending it once, and it is no upgrade.
    pub repeatable: bool,
    /// All that was sent of it is still there.
    pub replayable: bool,
}

impl Attempts {
    /// Begins, for a request with this key: [`Balancer::key`](switchboard_core::balance::Balancer::key).
    pub fn new(generation: &Rc<Current>, upstream: UpstreamId, key: Option<u64>) -> Self {
        Self {
            generation: Rc::clone(generation),
            upstream,
            key,
            bound: None,
            tried: [0; REMEMBERED],
            made: 0,
            last: None,
            began: None,
            began_before: None,
            was_early: false,
            repeats: false,
            hold: None,
        }
    }

    /// The generation that the request reads.
    pub const fn generation(&self) -> &Rc<Current> {
        &self.generation
    }

    /// The upstream that is asked.
    pub const fn upstream(&self) -> UpstreamId {
        self.upstream
    }

    /// On which terms the request waits there.
    pub fn terms(&self) -> Terms {
        Terms::of(self.generation.snapshot.upstream(self.upstream))
    }

    /// Its live state.
    pub fn live(&self) -> Option<&Arc<UpstreamLive>> {
        self.generation.upstreams.get(self.upstream.index())
    }

    /// Picks the endpoint for the next attempt, and counts it as begun there.
    ///
    /// # Errors
    /// `no_endpoint` when none is up, `overloaded` when those that are have enough to do; the last attempt's error
    /// where there was one.
    pub fn pick(&mut self, worker: &Worker, rule: &Rule, now: Moment) -> Result<Permit, ProxyError> {
        let generation = &self.generation;
        let upstream = generation.snapshot.upstream(self.upstream);
        let Some(live) = generation.upstreams.get(self.upstream.index()) else { return Err(none_up()) };
        if rule.wait.is_some() && live.trials.goes_on(Terms::of(upstream)) {
            return Err(refused());
        }
        let bounded = upstream.balancer.is_capped() || upstream.limits.connections.is_some();
        if bounded && self.hold.is_none() && live.queue.has(Terms::of(upstream)) {
            return Err(full());
        }
        let place = match self.place(upstream, live, worker, now) {
            Ok(place) => place,
            Err(Refusal::NoneUp) => return Err(self.last.take().unwrap_or_else(none_up)),
            Err(Refusal::Full) => return Err(self.last.take().unwrap_or_else(full)),
        };
        let counted = upstream.limits.connections.is_some() || upstream.balancer.needs_total();
        let permit = Permit::take(&self.generation, upstream.endpoints[place].index(), counted, self.repeats);
        if bounded && permit.is_above(upstream.limits.connections, upstream.balancer.most_at(place)) {
            // Another worker was quicker. What was counted is taken back with the permit.
            return Err(full());
        }
        if let Some(tried) = self.tried.get_mut(self.made % REMEMBERED) {
            *tried = place;
        }
        self.made += 1;
        self.hold = None;
        if upstream.balancer.needs_latency() {
            self.began = Some(worker.deadlines.now());
        }
        if self.made == 1 && rule.retry.earns() {
            live.budget.earn(rule.retry.budget);
        }
        Ok(permit)
    }

    fn place(&self, upstream: &Upstream, live: &UpstreamLive, worker: &Worker, now: Moment) -> Result<usize, Refusal> {
        if upstream.limits.connections.is_some_and(|most| live.tally.active() >= most) {
            return Err(Refusal::Full);
        }
        let generation = &self.generation;
        let standing =
            |place: usize| -> &Standing { &generation.endpoints[upstream.endpoints[place].index()].standing };
        let tried = self.tried.get(..self.made.min(REMEMBERED)).unwrap_or_default();
        let ask = Ask { key: self.key, bound: self.bound, tried, now };
        let mut draw = worker.draw.get();
        let picked = upstream.balancer.pick(&live.tally, standing, &ask, &mut draw);
        worker.draw.set(draw);
        picked
    }

    /// Takes note of how long an attempt took to answer or to fail, where latency decides.
    pub fn measure(&self, worker: &Worker, permit: &Permit, failed: bool) {
        if let Some(began) = self.began {
            let now = worker.deadlines.now();
            let took = now.since(began) + if failed { PENALTY } else { Duration::ZERO };
            permit.endpoint().standing.measure(took, now);
        }
    }

    /// Takes note of a failed attempt, and tells whether to wait a moment before the next one.
    ///
    /// # Errors
    /// The error itself, where the request may not be sent again.
    pub fn again(&mut self, error: ProxyError, rule: &Rule, nature: Nature) -> Result<bool, ProxyError> {
        let endpoints = self.generation.snapshot.upstream(self.upstream).endpoints.len();
        let causes = &rule.retry.causes;
        // What failed to connect added no load: it is free, and at once, but pointless at the same endpoint. Nor did the
        // first try on a kept connection that had been closed: all that a server has when it dies go elsewhere at once.
        let (allowed, free) = match error.retry {
            Retry::Never => (false, false),
            Retry::Unsent => (causes.connect && self.made < endpoints, true),
            Retry::Unwritten => (causes.reset, true),
            Retry::Stale => (causes.reset && nature.repeatable, self.made == 1),
            Retry::Lost => (causes.reset && nature.repeatable && self.made < endpoints, false),
            Retry::Late => (causes.timeout && nature.repeatable, false),
        };
        if !allowed || !nature.replayable || !self.has_tries(&rule.retry) || !(free || self.pays(rule)) {
            return Err(error);
        }
        // A kept connection that ended says little of its endpoint: a session is worth a second look there.
        let stale = matches!(error.retry, Retry::Stale | Retry::Unwritten);
        if stale && self.bound == Some(self.last_place()) {
            self.tried[(self.made - 1) % REMEMBERED] = usize::MAX;
        }
        self.repeats = !free;
        self.last = Some(error);
        Ok(!free && self.made > 1)
    }

    /// The place of the last attempt among the upstream's endpoints.
    pub const fn last_place(&self) -> usize {
        self.tried[self.made.saturating_sub(1) % REMEMBERED]
    }

    /// Attempts made.
    pub const fn made(&self) -> usize {
        self.made
    }

    /// Whether an answer with this status is given up for another attempt.
    pub fn again_for(&mut self, status: u16, rule: &Rule, nature: Nature) -> bool {
        let wanted = !rule.retry.causes.statuses.is_empty() && rule.retry.causes.statuses.contains(&status);
        let again = wanted && nature.repeatable && nature.replayable && self.has_tries(&rule.retry) && self.pays(rule);
        self.repeats |= again;
        again
    }

    /// Picks another endpoint for a request whose last attempt goes on; `None` where there is no other, or what may be
    /// sent again is used up. That attempt is then the one before the last.
    pub fn beside(&mut self, worker: &Worker, rule: &Rule, now: Moment) -> Option<Permit> {
        if !self.has_tries(&rule.retry) {
            return None;
        }
        let (made, first, began) = (self.made, self.last_place(), self.began);
        let repeats = std::mem::replace(&mut self.repeats, true);
        let picked = self.pick(worker, rule, now);
        self.repeats = repeats;
        match picked {
            Ok(permit) if self.last_place() != first && self.pays(rule) => {
                self.began_before = began;
                Some(permit)
            }
            // The only one again, or nobody has room.
            Ok(_) | Err(_) => {
                (self.made, self.began) = (made, began);
                None
            }
        }
    }

    /// Swaps the last attempt and the one beside it: what is asked of the last is then asked of the other.
    pub const fn turn(&mut self) {
        let (last, before) = (self.made.saturating_sub(1) % REMEMBERED, self.made.saturating_sub(2) % REMEMBERED);
        self.tried.swap(last, before);
        std::mem::swap(&mut self.began, &mut self.began_before);
    }

    /// Whether a request is sent again that came too early for its endpoint: once, by any method, for it was not acted
    /// on (RFC 8470 §5.2). Nothing of ours was early data, so a second 425 is an answer like another.
    pub fn again_for_early(&mut self, rule: &Rule, nature: Nature) -> bool {
        let again = !self.was_early && nature.replayable && self.has_tries(&rule.retry) && self.pays(rule);
        self.was_early = true;
        self.repeats |= again;
        again
    }

    fn has_tries(&self, retry: &config::Retry) -> bool {
        self.made <= usize::from(retry.retries)
    }

    fn pays(&self, rule: &Rule) -> bool {
        let Some(live) = self.live() else { return false };
        if rule.retry.earns() {
            return live.budget.spend();
        }
        let endpoints = &self.generation.snapshot.upstream(self.upstream).endpoints;
        let active = |id: &switchboard_core::snapshot::EndpointId| {
            self.generation.endpoints.get(id.index()).map_or(0, |endpoint| u64::from(endpoint.standing.active()))
        };
        live.budget.allows(endpoints.iter().map(active).sum(), rule.retry.budget)
    }

    /// Forgets what was tried: after a wait all are worth another look. Keeps its place in the line until it is served.
    pub fn start_over(&mut self, hold: Option<Hold>) {
        self.made = 0;
        self.last = None;
        self.repeats = false;
        self.hold = hold;
    }
}

fn none_up() -> ProxyError {
    ProxyError::upstream(Reason::NoEndpoint, "No endpoint of this route is up.")
}

fn full() -> ProxyError {
    ProxyError::own(Reason::Overloaded, "Every endpoint of this route has as much to do as it may.")
}

/// What all found who tried, while a trial goes on.
fn refused() -> ProxyError {
    ProxyError::upstream(Reason::ConnectRefused, "No endpoint of this route accepts connections.")
}
