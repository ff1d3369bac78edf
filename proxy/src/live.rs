//! What must be true of the whole proxy and outlive a configuration: counters, cursors, addresses, removal.
//!
//! Keyed by identity (DESIGN: route, rule, upstream, endpoint), made by the control thread, reached by the data path
//! through the generation by index: never by a hash at request time, and never behind a lock.

pub mod limits;
pub mod outside;
pub mod passive;
pub mod places;

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use switchboard_core::balance::{Budget, Flag, Standing, Tally};
use switchboard_core::config::{OnRemove, Pool, ProxyVersion};
use switchboard_core::moment::Moment;

use crate::generation::Current;
use crate::telemetry::meter::{EndpointCounts, Meter, RouteCounts, UpstreamCounts};
use crate::tls::endpoints::ClientTls;
use crate::upstream::line::Line;
use crate::upstream::trial::Trials;
use passive::Passive;

pub use places::{Place, Places};

/// When a reload took something away.
#[derive(Debug)]
pub struct Removal(AtomicU64);

impl Default for Removal {
    fn default() -> Self {
        Self(AtomicU64::new(Moment::NEVER.as_nanos()))
    }
}

impl Removal {
    /// The moment; [`Moment::NEVER`] while it stays.
    pub fn at(&self) -> Moment {
        Moment::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// It was removed at `now`.
    pub fn remove(&self, now: Moment) {
        self.0.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// It is back.
    pub fn restore(&self) {
        self.0.store(Moment::NEVER.as_nanos(), Ordering::Relaxed);
    }
}

/// A rule, for as long as its route, condition and target stay the same.
#[derive(Debug)]
pub struct RuleLive {
    /// The route's key, for logs.
    pub route: Arc<str>,
    /// Set when a reload takes its route away. A rule that is only changed keeps its streams.
    pub removal: Removal,
    /// What is counted of its route.
    pub meter: Arc<Meter<RouteCounts>>,
    /// What it counts and keeps, whatever its target.
    pub keeps: Arc<RuleKeeps>,
    /// What it last said of its streams' end: nanoseconds that they may go on, `KEEP` for as long as they like.
    drain: AtomicU64,
    /// The code that its WebSockets are then closed with.
    code: AtomicU16,
}

/// What a rule counts and keeps of its streams, for as long as its route and condition stay the same.
#[derive(Debug, Default)]
pub struct RuleKeeps {
    /// WebSockets that it counts.
    pub tunnels: crate::tunnel::quota::Quota,
    /// Event streams that it counts.
    pub event_streams: crate::tunnel::quota::Quota,
    /// What it keeps of them for clients that come back.
    pub shelf: crate::exchange::resume::shelf::Shelf,
}

/// When streams have to end because something was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The moment.
    pub at: Moment,
    /// The code that WebSockets are closed with (RFC 6455 §7.4.1).
    pub code: u16,
}

/// `on_remove: keep` as a number.
const KEEP: u64 = u64::MAX;

impl RuleLive {
    /// Makes one for a route, with the counts of that, and what it goes on with.
    pub fn new(route: &Arc<str>, meter: Arc<Meter<RouteCounts>>, keeps: Arc<RuleKeeps>) -> Self {
        Self {
            route: Arc::clone(route),
            meter,
            removal: Removal::default(),
            drain: KEEP.into(),
            code: 1012.into(),
            keeps,
        }
    }

    /// Follows what the rule says now. `code` is what the whole proxy drains with.
    pub fn set_on_remove(&self, policy: OnRemove, code: u16) {
        let (nanos, code) = match policy {
            OnRemove::Keep => (KEEP, code),
            OnRemove::Drain(span) => (u64::try_from(span.as_nanos()).unwrap_or(KEEP), code),
            OnRemove::Close(code) => (0, code),
        };
        self.drain.store(nanos, Ordering::Relaxed);
        self.code.store(code, Ordering::Relaxed);
    }

    /// When its streams with this endpoint, at this address, have to end; `None` while all stay, or where they may go on.
    pub fn ends(&self, endpoint: &EndpointLive, at: Option<&SocketAddr>) -> Option<Ending> {
        let removed = self.removal.at().min(endpoint.removal.at());
        let removed = at.map_or(removed, |at| removed.min(endpoint.places.dropped_at(at)));
        let code = self.code.load(Ordering::Relaxed);
        match self.drain.load(Ordering::Relaxed) {
            _ if removed == Moment::NEVER => None,
            KEEP => None,
            nanos => Some(Ending { at: removed + Duration::from_nanos(nanos), code }),
        }
    }
}

/// An upstream, for as long as its name stays.
#[derive(Debug, Default)]
pub struct UpstreamLive {
    /// Whose turn it is, and how much is going on.
    pub tally: Tally,
    /// What may be sent again.
    pub budget: Budget,
    /// Those who wait for a turn, where limits are reached.
    pub queue: Arc<Line>,
    /// Those who are held until an endpoint is up.
    pub held: Arc<Line>,
    /// What is counted of it.
    pub meter: Meter<UpstreamCounts>,
    /// All endpoints refused, and a trial finds out when one accepts again.
    pub trials: Trials,
}

/// An endpoint, for as long as its upstream and its address as written stay.
#[derive(Debug)]
pub struct EndpointLive {
    /// The upstream's name, for logs.
    pub upstream: Arc<str>,
    /// The address as written, for logs.
    pub name: Arc<str>,
    /// Its upstream, where those wait who want to be served.
    pub group: Arc<UpstreamLive>,
    /// Where it is; empty while a name does not resolve. Changed by [`EndpointLive::moved_to`].
    pub places: Arc<Places>,
    /// The place in each worker's list of pools, and the number that tells two users of one place apart.
    pub pool: PoolId,
    /// A connect to it ended at a listener of this process.
    pub is_own: AtomicBool,
    /// Whether it speaks HTTP/2 without TLS, as `h2c://` says.
    pub h2c: bool,
    /// Bounds on idle connections.
    pub bounds: Pool,
    /// What TLS with it needs; `None` is plain.
    pub tls: Option<ClientTls>,
    /// Whether a connection to it begins with who the client is: then it is that client's alone.
    pub send_proxy_protocol: Option<ProxyVersion>,
    /// Whether it may be picked, and how much it does. Kept where other bounds make another pool.
    pub standing: Arc<Standing>,
    /// What its traffic says of it.
    pub passive: Passive,
    /// What is counted of it. Kept where other bounds make another pool.
    pub meter: Arc<Meter<EndpointCounts>>,
    /// Set when a reload takes it away.
    pub removal: Removal,
}

impl UpstreamLive {
    /// An endpoint may have come up: who is held looks again, and so does the first who waits for a turn; who gets one
    /// calls the next. Who clears a flag of a standing calls it.
    pub fn changed(&self) {
        if !self.queue.is_empty() {
            self.queue.call_one();
        }
        if !self.held.is_empty() {
            self.held.call_all();
        }
    }
}

impl EndpointLive {
    /// Counts one less, and calls who waits for a turn.
    fn leave(&self, counted: bool) {
        self.standing.leave();
        if counted {
            self.group.tally.leave();
        }
        if !self.group.queue.is_empty() {
            self.group.queue.call_one();
        }
    }

    /// Follows it to where it is now: a list that is not empty, of which the first `lead` take turns. Where it is all that
    /// there is, what is no longer in it was dropped `now`; tells whether something was.
    pub fn moved_to(&self, places: Arc<Vec<Place>>, lead: usize, now: Option<Moment>) -> bool {
        let dropped = now.is_some_and(|now| self.places.drop_others(&places, now));
        self.places.store(places, lead);
        self.is_own.store(false, Ordering::Relaxed);
        self.standing.clear(Flag::Unresolved);
        self.group.changed();
        dropped
    }
}

/// Where a worker keeps the idle connections of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolId {
    /// The index in the worker's list.
    pub slot: u32,
    /// Never used twice.
    pub serial: u64,
}

/// One exchange in flight at an endpoint: it travels with the answer and counts until that ends (invariant 8).
///
/// It holds the generation of its worker rather than the endpoint: no atomic count but the one that is wanted.
#[derive(Debug)]
pub struct Permit {
    generation: Rc<Current>,
    index: usize,
    /// It is counted for the whole upstream too.
    counted: bool,
    /// It is a retry that the budget counts.
    repeats: bool,
}

/// One tunnel in flight: it outlives generations.
#[derive(Debug)]
pub struct LongPermit {
    endpoint: Arc<EndpointLive>,
    counted: bool,
}

impl Permit {
    /// Counts one more at the endpoint with this place in the generation, which the balancer took from there; where
    /// `counted`, for its upstream too; where it `repeats`, for the budget of retries.
    pub fn take(generation: &Rc<Current>, index: usize, counted: bool, repeats: bool) -> Self {
        let endpoint = &generation.endpoints[index];
        endpoint.standing.enter();
        if counted {
            endpoint.group.tally.enter();
        }
        if repeats {
            endpoint.group.budget.begin();
        }
        Self { generation: Rc::clone(generation), index, counted, repeats }
    }

    /// Whether it is more than its upstream or its endpoint may have.
    pub fn is_above(&self, upstream: Option<u32>, endpoint: u32) -> bool {
        let live = self.endpoint();
        live.standing.active() > endpoint || upstream.is_some_and(|most| live.group.tally.active() > most)
    }

    /// The endpoint's place in the generation.
    pub const fn index(&self) -> usize {
        self.index
    }

    /// Whose it is.
    pub fn endpoint(&self) -> &Arc<EndpointLive> {
        &self.generation.endpoints[self.index]
    }

    /// Lets go of the generation, for what will live longer than it should.
    pub fn outlive(self) -> LongPermit {
        let endpoint = Arc::clone(self.endpoint());
        endpoint.standing.enter();
        if self.counted {
            endpoint.group.tally.enter();
        }
        LongPermit { endpoint, counted: self.counted }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let endpoint = self.endpoint();
        if self.repeats {
            endpoint.group.budget.end();
        }
        endpoint.leave(self.counted);
    }
}

impl LongPermit {
    /// Whose it is.
    pub fn endpoint(&self) -> &EndpointLive {
        &self.endpoint
    }
}

impl Drop for LongPermit {
    fn drop(&mut self) {
        self.endpoint.leave(self.counted);
    }
}
