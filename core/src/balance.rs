//! Which endpoint of an upstream gets a request.
//!
//! A [`Balancer`] is compiled into the snapshot: tables that never change. What changes (who is up, how much each does)
//! stands in a [`Standing`] per endpoint and a [`Tally`] per upstream, which outlive it; a pick reads them and skips.
//! Takes no lock, allocates nothing, draws its numbers from a [`Draw`] of the caller's.

mod budget;
mod choose;
mod draw;
mod fit;
mod key;
mod ring;
mod schedule;
mod standing;
mod sticky;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::config::{self, Balance, HashKey, Share};
use crate::moment::Moment;
use fit::Fit;
use ring::Ring;

pub use budget::Budget;
pub(crate) use draw::mix;
pub use draw::{Draw, hash};
pub(crate) use key::key;
pub use standing::{FULL, Flag, Standing};
pub use sticky::{Bond, Key as StickyKey, Sticky};

/// Endpoints from which on two are compared instead of all: the least of two is nearly as good, and costs the same
/// for a thousand.
const COMPARED: usize = 8;

/// What is known about an upstream while it serves; kept through reloads.
#[derive(Debug, Default)]
pub struct Tally {
    cursor: AtomicU32,
    active: AtomicU32,
    panic: AtomicBool,
}

/// How an upstream's endpoints are chosen.
#[derive(Debug)]
pub struct Balancer {
    method: Method,
    /// By place among the upstream's endpoints.
    members: Box<[Member]>,
    first: Group,
    /// Endpoints that serve while none of the others can.
    backup: Group,
    slow_start: Duration,
    /// Where less than this share of the endpoints is up, the ejected serve too.
    panic: Option<Share>,
    /// Some endpoint has a `max_requests`.
    capped: bool,
    /// The application's cookie, whose hash decides before anything else.
    app_cookie: Option<HashKey>,
}

#[derive(Debug)]
enum Method {
    /// One endpoint and nothing to weigh.
    Only,
    RoundRobin,
    Random,
    LeastRequests,
    PeakEwma,
    Hash {
        by: config::HashKey,
        most: Option<Share>,
    },
}

#[derive(Debug)]
struct Member {
    weight: u32,
    most: u32,
}

/// Endpoints of one priority.
#[derive(Debug, Default)]
struct Group {
    places: Box<[u32]>,
    /// Turns by weight; empty where all weigh the same.
    schedule: Box<[u32]>,
    /// The weight of those who were not out at the last survey.
    weight: AtomicU64,
    ring: Option<Ring>,
    fit: Fit,
}

/// What a request brings to a pick.
#[derive(Debug)]
pub struct Ask<'a> {
    /// The hash of what its endpoint is chosen by; `None` where it has no such thing, or the balancer asks for none.
    pub key: Option<u64>,
    /// The place that it is bound to by a sticky session.
    pub bound: Option<usize>,
    /// Places that were tried already: taken again only where nothing else is left.
    pub tried: &'a [usize],
    /// The time, for slow starts and for what was measured long ago.
    pub now: Moment,
}

/// Why there is no endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// None is up.
    NoneUp,
    /// Those that are up do all that they may.
    Full,
}

impl Tally {
    /// Exchanges and tunnels of all endpoints; counted only where somebody asks: [`Balancer::needs_total`].
    #[must_use]
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::SeqCst)
    }

    /// Counts one more, and tells how many there were.
    pub fn enter(&self) -> u32 {
        self.active.fetch_add(1, Ordering::SeqCst)
    }

    /// Counts one less.
    pub fn leave(&self) {
        self.active.fetch_sub(1, Ordering::SeqCst);
    }

    fn turn(&self) -> usize {
        self.cursor.fetch_add(1, Ordering::Relaxed) as usize
    }
}

impl Balancer {
    /// Compiles the balancer of an upstream.
    #[must_use]
    pub fn compile(upstream: &config::Upstream) -> Self {
        let member = |endpoint: &config::Endpoint| Member {
            weight: endpoint.weight,
            most: endpoint.max_requests.unwrap_or(u32::MAX),
        };
        let members: Box<[Member]> = upstream.endpoints.iter().map(member).collect();
        let method = match &upstream.balance {
            _ if members.len() == 1 => Method::Only,
            Balance::RoundRobin => Method::RoundRobin,
            Balance::Random | Balance::WeightedRandom => Method::Random,
            Balance::LeastRequests => Method::LeastRequests,
            Balance::PeakEwma => Method::PeakEwma,
            Balance::Hash { by, max_load } => Method::Hash { by: by.clone(), most: *max_load },
        };
        Self {
            capped: members.iter().any(|member| member.most != u32::MAX),
            first: Group::compile(upstream, false),
            backup: Group::compile(upstream, true),
            slow_start: upstream.slow_start.unwrap_or(Duration::ZERO),
            app_cookie: app_cookie(upstream),
            panic: upstream.outlier.map(|outlier| outlier.panic).filter(|share| share.0 > 0),
            method,
            members,
        }
    }

    /// Whether picks want to know how many exchanges all endpoints have: only then anybody counts.
    #[must_use]
    pub const fn needs_total(&self) -> bool {
        matches!(self.method, Method::Hash { most: Some(_), .. })
    }

    /// Whether some endpoint may have only so many exchanges at once.
    #[must_use]
    pub const fn is_capped(&self) -> bool {
        self.capped
    }

    /// Whether picks want to know how long endpoints take to answer: only then anybody measures.
    #[must_use]
    pub const fn needs_latency(&self) -> bool {
        matches!(self.method, Method::PeakEwma)
    }

    /// How many exchanges the endpoint at a place may have at once; [`u32::MAX`] is no limit.
    #[must_use]
    pub fn most_at(&self, place: usize) -> u32 {
        self.members.get(place).map_or(u32::MAX, |member| member.most)
    }

    /// Whether a pick may take the endpoint at a place now, whatever of its weight it gets.
    #[must_use]
    pub fn may_take(&self, tally: &Tally, place: usize, standing: &Standing) -> bool {
        let up = standing.is_up() || standing.is_only_ejected() && tally.panic.load(Ordering::Relaxed);
        up && standing.active() < self.most_at(place)
    }

    fn weight(&self, place: u32) -> u64 {
        self.members.get(place as usize).map_or(1, |member| u64::from(member.weight))
    }

    /// How long an endpoint that came up gets less than its share; zero is not at all.
    #[must_use]
    pub const fn slow_start(&self) -> Duration {
        self.slow_start
    }

    /// Sees who may be picked, and whether so few are up that the ejected have to serve as well. Who changes a standing
    /// calls it then, one at a time: picks prefer whom it saw, and whom it saw out gets little before it is called again.
    pub fn survey<'s>(&self, tally: &Tally, standing: impl Fn(usize) -> &'s Standing) {
        let count = self.members.len();
        let up = (0..count).filter(|place| standing(*place).is_up()).count();
        let below = |share: Share| (up as u64) * u64::from(Share::WHOLE.0) < count as u64 * u64::from(share.0);
        let panic = self.panic.is_some_and(below);
        tally.panic.store(panic, Ordering::Relaxed);
        // A name that comes to resolve tells nobody: who waits for one is worth a look all the time.
        let is_out = |place: usize| place < count && !standing(place).is_fit(panic);
        for group in [&self.first, &self.backup] {
            group.survey(is_out, |place| self.weight(place));
        }
    }

    /// Picks the place of an endpoint. `standing` gives the live state of each place.
    ///
    /// # Errors
    ///
    /// When no endpoint is up, or all that are have enough to do.
    #[inline]
    pub fn pick<'s>(
        &self,
        tally: &Tally,
        standing: impl Fn(usize) -> &'s Standing,
        ask: &Ask<'_>,
        draw: &mut Draw,
    ) -> Result<usize, Refusal> {
        // The ordinary request: nothing to choose, nothing in the way.
        if matches!(self.method, Method::Only) && !self.capped && standing(0).is_plain() {
            return Ok(0);
        }
        choose::pick(self, tally, &standing, ask, draw)
    }
}

/// The cookie of the application's that ties clients to endpoints, as a thing to hash.
fn app_cookie(upstream: &config::Upstream) -> Option<HashKey> {
    match &upstream.sticky {
        Some(config::Sticky::App { cookie }) => Some(HashKey::Cookie(cookie.clone())),
        Some(config::Sticky::Ours { .. }) | None => None,
    }
}

impl Group {
    fn compile(upstream: &config::Upstream, backup: bool) -> Self {
        let members = (0..).zip(&upstream.endpoints).filter(|(_, endpoint)| endpoint.backup == backup);
        let weights: Vec<(u32, u32)> = members.clone().map(|(place, endpoint)| (place, endpoint.weight)).collect();
        let same = weights.iter().all(|(_, weight)| Some(*weight) == weights.first().map(|(_, first)| *first));
        let by_weight = !same && !matches!(upstream.balance, Balance::Random | Balance::Hash { .. });
        let hashed = matches!(upstream.balance, Balance::Hash { .. }) || app_cookie(upstream).is_some();
        let ring = hashed && !weights.is_empty();
        let places: Box<[u32]> = weights.iter().map(|(place, _)| *place).collect();
        let schedule = if by_weight { schedule::schedule(&weights) } else { Box::default() };
        let mut group = Self {
            weight: weights.iter().map(|(_, weight)| u64::from(*weight)).sum::<u64>().into(),
            ring: ring.then(|| Ring::new(members.map(|(place, endpoint)| (place, endpoint.weight, endpoint.seat())))),
            fit: Fit::default(),
            places,
            schedule,
        };
        // One alone is never passed over.
        if group.places.len() > 1 {
            group.fit = Fit::new(group.turns(), upstream.endpoints.len());
        }
        group
    }

    fn survey(&self, is_out: impl Fn(usize) -> bool, weight: impl Fn(u32) -> u64) {
        if !self.fit.mark(is_out) {
            return;
        }
        // The ring first: it is asked once the turns say that somebody is out.
        if let Some(ring) = &self.ring {
            ring.survey(|place| self.fit.may(place));
        }
        let may = self.places.iter().filter(|place| self.fit.may(**place));
        self.weight.store(may.map(|place| weight(*place)).sum(), Ordering::Relaxed);
        self.fit.settle(self.turns());
    }

    /// Places as often as their weight asks for.
    fn turns(&self) -> &[u32] {
        if self.schedule.is_empty() { &self.places } else { &self.schedule }
    }

    /// One of the turns of those who are worth a look; `number` is told how many there are and chooses.
    fn turn(&self, number: impl FnOnce(usize) -> usize) -> Option<u32> {
        self.fit.turn(self.turns(), number)
    }
}
