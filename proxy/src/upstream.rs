//! The upstream half of an exchange: pick an endpoint, get a connection, send the request, read the head of the answer.
//!
//! `send` leaves the request's body unfinished where the answer comes first: the relay goes on with it (seam 1 of
//! ARCHITECTURE.md). It never writes to the client, except interim answers (1xx), which cannot wait.

pub mod connect;
pub mod interim;
pub mod pool;
pub mod send;

use std::rc::Rc;
use std::sync::atomic::Ordering;

use switchboard_core::reason::Reason;
use switchboard_core::snapshot::UpstreamId;

use crate::error::{ProxyError, Retry};
use crate::generation::Current;

/// Attempts at one request at most: the first and two more (SECURITY §3.3).
const ATTEMPTS: u32 = 3;

/// Which endpoints a request has still to be tried at.
#[derive(Debug)]
pub struct Attempts {
    generation: Rc<Current>,
    upstream: UpstreamId,
    /// Where in the list the first attempt went.
    first: usize,
    /// How many were made.
    pub made: u32,
    last: Option<ProxyError>,
}

impl Attempts {
    /// Begins at the endpoint whose turn it is.
    pub fn new(generation: &Rc<Current>, upstream: UpstreamId) -> Self {
        let count = generation.snapshot.upstream(upstream).endpoints.len();
        let turn = match generation.upstreams.get(upstream.index()) {
            // One endpoint has every turn: no need to touch what all workers share.
            Some(live) if count > 1 => live.cursor.fetch_add(1, Ordering::Relaxed) as usize,
            Some(_) | None => 0,
        };
        Self { generation: Rc::clone(generation), upstream, first: turn % count.max(1), made: 0, last: None }
    }

    /// The place in the generation of the endpoint for the next attempt: those that can be reached, in turn.
    ///
    /// # Errors
    /// `no_endpoint` when no name resolves; the last attempt's error when all were tried.
    pub fn pick(&mut self) -> Result<usize, ProxyError> {
        let upstream = self.generation.snapshot.upstream(self.upstream);
        let count = upstream.endpoints.len();
        let tried = self.made as usize;
        // A second look at the same endpoint is sensible only where a kept connection was stale.
        for step in tried..tried + count {
            let Some(id) = upstream.endpoints.get((self.first + step) % count) else { break };
            if self.generation.endpoints.get(id.index()).is_some_and(|live| live.places.version() != 0) {
                self.made += 1;
                return Ok(id.index());
            }
        }
        Err(self.last.take().unwrap_or_else(|| {
            ProxyError::upstream(Reason::NoEndpoint, "The name of no endpoint of this route resolves.")
        }))
    }

    /// Takes note of a failed attempt.
    ///
    /// # Errors
    /// The error itself, where the request may not be sent again.
    pub fn again(&mut self, error: ProxyError, idempotent: bool, replayable: bool) -> Result<(), ProxyError> {
        let endpoints = self.generation.snapshot.upstream(self.upstream).endpoints.len();
        let allowed = match error.retry {
            Retry::Never => false,
            Retry::Unsent => (self.made as usize) < endpoints,
            Retry::Stale => idempotent,
        };
        if !allowed || !replayable || self.made >= ATTEMPTS {
            return Err(error);
        }
        self.last = Some(error);
        Ok(())
    }
}
