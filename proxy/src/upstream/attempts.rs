//! The attempts at one request: which endpoint is next, and whether there may be another.

use std::rc::Rc;

use switchboard_core::balance::{Ask, Refusal, Standing};
use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::snapshot::UpstreamId;

use crate::error::{ProxyError, Retry};
use crate::generation::Current;
use crate::live::Permit;
use crate::worker::Worker;

/// Attempts at one request at most: the first and two more (SECURITY §3.3).
const ATTEMPTS: usize = 3;

/// Which endpoints a request was tried at, and what it is chosen by.
#[derive(Debug)]
pub struct Attempts {
    generation: Rc<Current>,
    upstream: UpstreamId,
    key: Option<u64>,
    /// Places among the upstream's endpoints, in the order of the attempts.
    tried: [usize; ATTEMPTS],
    made: usize,
    last: Option<ProxyError>,
}

impl Attempts {
    /// Begins, for a request with this key: [`Balancer::key`](switchboard_core::balance::Balancer::key).
    pub fn new(generation: &Rc<Current>, upstream: UpstreamId, key: Option<u64>) -> Self {
        Self { generation: Rc::clone(generation), upstream, key, tried: [0; ATTEMPTS], made: 0, last: None }
    }

    /// Picks the endpoint for the next attempt, and counts it as begun there.
    ///
    /// # Errors
    /// `no_endpoint` when none is up, `overloaded` when those that are have enough to do; the last attempt's error
    /// where there was one.
    pub fn pick(&mut self, worker: &Worker, now: Moment) -> Result<Permit, ProxyError> {
        let generation = &self.generation;
        let upstream = generation.snapshot.upstream(self.upstream);
        let Some(live) = generation.upstreams.get(self.upstream.index()) else { return Err(none_up()) };
        let standing =
            |place: usize| -> &Standing { &generation.endpoints[upstream.endpoints[place].index()].standing };
        let tried = self.tried.get(..self.made).unwrap_or_default();
        let ask = Ask { key: self.key, bound: None, tried, now };
        let mut draw = worker.draw.get();
        let picked = upstream.balancer.pick(&live.tally, standing, &ask, &mut draw);
        worker.draw.set(draw);
        let place = match picked {
            Ok(place) => place,
            Err(refusal) => {
                return Err(self.last.take().unwrap_or_else(|| match refusal {
                    Refusal::NoneUp => none_up(),
                    Refusal::Full => {
                        ProxyError::own(Reason::Overloaded, "Every endpoint of this route has as much to do as it may.")
                    }
                }));
            }
        };
        if let Some(tried) = self.tried.get_mut(self.made) {
            *tried = place;
        }
        self.made += 1;
        Ok(Permit::take(generation, upstream.endpoints[place].index()))
    }

    /// Takes note of a failed attempt.
    ///
    /// # Errors
    /// The error itself, where the request may not be sent again.
    pub fn again(&mut self, error: ProxyError, idempotent: bool, replayable: bool) -> Result<(), ProxyError> {
        let endpoints = self.generation.snapshot.upstream(self.upstream).endpoints.len();
        let allowed = match error.retry {
            Retry::Never => false,
            Retry::Unsent => self.made < endpoints,
            Retry::Stale => idempotent,
        };
        if !allowed || !replayable || self.made >= ATTEMPTS {
            return Err(error);
        }
        self.last = Some(error);
        Ok(())
    }
}

fn none_up() -> ProxyError {
    ProxyError::upstream(Reason::NoEndpoint, "No endpoint of this route is up.")
}
