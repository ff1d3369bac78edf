//! A configuration in force: what was said, what it compiles to, and the live things that it points at.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Weak};

use switchboard_core::balance::{Flag, Standing, StickyKey};
use switchboard_core::config::{Address, Config, is_h2c};
use switchboard_core::moment::Moment;
use switchboard_core::route::ListenerId;
use switchboard_core::slots::Slots;
use switchboard_core::snapshot::{
    CompileError, Compiler, Endpoint, EndpointIdentity, Rule, RuleIdentity, Snapshot, Upstream, UpstreamIdentity,
};

use crate::cache::Store;
use crate::live::limits::Limits;
use crate::live::outside::{Outside, Outsides};
use crate::live::{EndpointLive, Place, Places, PoolId, Removal, RuleLive, UpstreamLive};
use crate::telemetry::meter::{Meter, RouteCounts};
use crate::tls;

mod change;

pub use change::Changed;

/// One generation. A request reads one; a reload publishes another (invariant 2). To clone it costs little.
#[derive(Clone, Debug)]
pub struct Generation {
    /// Counts up from 1.
    pub number: u64,
    /// As the operator said it, without the routes that are registered besides.
    pub config: Arc<Config>,
    /// As the data path reads it.
    pub snapshot: Snapshot,
    /// Whether authorities may ask for tokens by plain HTTP: what an exchange reads before its route.
    pub proves_by_token: bool,
    /// What signs sticky sessions, where an upstream has them.
    pub sticky_key: Option<Arc<StickyKey>>,
    /// Answers that are kept.
    pub cache: Arc<Store>,
    /// By rule id.
    pub rules: Slots<Arc<RuleLive>>,
    /// What policies of rules ask outside of the proxy, by rule id; a hole where they ask nothing.
    pub outsides: Slots<Arc<Outside>>,
    /// The same of listeners, by their place.
    pub listener_outsides: Arc<[Option<Arc<Outside>>]>,
    /// By upstream id.
    pub upstreams: Slots<Arc<UpstreamLive>>,
    /// By endpoint id.
    pub endpoints: Slots<Arc<EndpointLive>>,
    /// What listeners do with TLS.
    pub tls: Arc<tls::setup::Setup>,
}

/// Why a checked configuration can't be put in force.
#[derive(Debug)]
pub enum GenerationError {
    /// It does not compile.
    Compile(CompileError),
    /// Its certificates can't be used (any more); in words.
    Tls(String),
}

impl std::fmt::Display for GenerationError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Compile(error) => error.fmt(f),
            Self::Tls(words) => f.write_str(words),
        }
    }
}

/// A generation as a worker holds it: behind an `Rc` of its own, so that a request takes it without an atomic
/// instruction.
#[derive(Debug)]
pub struct Current(pub Arc<Generation>);

impl Deref for Current {
    type Target = Generation;

    fn deref(&self) -> &Generation {
        &self.0
    }
}

/// The live things by identity, kept by the control thread from one generation to the next.
#[derive(Debug, Default)]
pub struct Registry {
    rules: HashMap<RuleIdentity, Weak<RuleLive>>,
    /// The same by route: those in force, and those of before whose streams go on.
    routes: HashMap<Arc<str>, Vec<Weak<RuleLive>>>,
    /// By route: a rule that is changed goes on counting.
    meters: HashMap<Arc<str>, Weak<Meter<RouteCounts>>>,
    upstreams: HashMap<UpstreamIdentity, Weak<UpstreamLive>>,
    /// Several where the bounds of a pool were changed while streams go on: the last is in force.
    endpoints: HashMap<EndpointIdentity, Vec<Weak<EndpointLive>>>,
    free_slots: Vec<u32>,
    next_slot: u32,
    next_serial: u64,
    number: u64,
    tickets: tls::setup::Tickets,
    /// What the last generation was made with.
    compiler: Option<Compiler>,
    /// Things that came or went since the dead were forgotten.
    touched: usize,
    clients: tls::endpoints::Clients,
    limits: Limits,
    outsides: Outsides,
    sticky_key: Option<Arc<StickyKey>>,
    cache: Option<Arc<Store>>,
}

impl Registry {
    /// Compiles `config` and what `overlay` puts over it, and ties it to the live things it shares with what is in
    /// force. What `previous` has and the new one has not is told that it was removed at `now`.
    ///
    /// # Errors
    /// What a checked configuration does not have.
    pub fn generation(
        &mut self,
        config: Config,
        overlay: impl FnOnce(&mut Compiler),
        previous: Option<&Generation>,
        now: Moment,
    ) -> Result<Generation, GenerationError> {
        let mut compiler = Compiler::new(&config).map_err(GenerationError::Compile)?;
        overlay(&mut compiler);
        compiler.take_touched();
        let snapshot = compiler.snapshot();
        let tls = tls::setup::Setup::new(&config, &mut self.tickets).map_err(GenerationError::Tls)?;
        self.clients.prepare(&config).map_err(GenerationError::Tls)?;
        self.compiler = Some(compiler);
        self.number += 1;
        self.forget_dead();
        snapshot.listener_policies().for_each(|chain| self.limits.tie(chain));
        let generation = self.tie(config, snapshot, tls, now);
        if let Some(previous) = previous {
            self.retire_rules(previous, &generation, now);
            self.retire_endpoints(previous, &generation, now);
        }
        Ok(generation)
    }

    /// The key of sticky sessions, read or made when an upstream first has them.
    fn sticky_key(&mut self, snapshot: &Snapshot, state_dir: &Path) -> Option<Arc<StickyKey>> {
        if self.sticky_key.is_none() && snapshot.upstreams().iter().any(|upstream| upstream.sticky.is_some()) {
            let key = crate::control::sticky_key::key(state_dir);
            let complain =
                |error: &_| tracing::error!(%error, "sticky sessions are off: the system gives no random bytes");
            self.sticky_key = key.inspect_err(complain).ok().map(Arc::new);
        }
        self.sticky_key.clone()
    }

    /// The store of answers: the one of before, unless it is to be another.
    fn cache(&mut self, config: &Config) -> Arc<Store> {
        let old = self.cache.take();
        let kept = old.clone().filter(|store| store.settings() == config.cache);
        let store = kept.unwrap_or_else(|| Store::new(config.cache, &config.state_dir, old.as_deref()));
        Arc::clone(self.cache.insert(store))
    }

    /// Ties a snapshot to the live things of its parts.
    fn tie(&mut self, config: Config, snapshot: Snapshot, tls: Arc<tls::setup::Setup>, now: Moment) -> Generation {
        let mut rules = Slots::default();
        for (at, rule) in snapshot.rules().pairs() {
            rules.set(at, Some(self.rule(rule, snapshot.drain.code)));
        }
        let mut outsides = Slots::default();
        for (at, rule) in snapshot.rules().pairs() {
            outsides.set(at, self.outsides.of(rule.policy.as_deref()));
        }
        let listeners = 0..u32::try_from(config.listeners.len()).unwrap_or(u32::MAX);
        let listener_outsides =
            listeners.map(|at| self.outsides.of(snapshot.listener_policy(ListenerId(at)))).collect();
        let mut upstreams: Slots<Arc<UpstreamLive>> = Slots::default();
        for (at, upstream) in snapshot.upstreams().pairs() {
            upstreams.set(at, Some(self.upstream(&upstream.identity)));
        }
        let mut endpoints = Slots::default();
        for (at, endpoint) in snapshot.endpoints().pairs() {
            let group = &upstreams[endpoint.upstream.index()];
            let live = self.endpoint(endpoint, snapshot.upstream(endpoint.upstream), group, now);
            endpoints.set(at, Some(live));
        }
        let proves_by_token = crate::certs::keeper::proves_by_token(&config);
        let sticky_key = self.sticky_key(&snapshot, &config.state_dir);
        let cache = self.cache(&config);
        let config = Arc::new(config);
        let number = self.number;
        Generation {
            number,
            config,
            snapshot,
            proves_by_token,
            sticky_key,
            cache,
            rules,
            outsides,
            listener_outsides,
            upstreams,
            endpoints,
            tls,
        }
    }

    fn rule(&mut self, rule: &Rule, code: u16) -> Arc<RuleLive> {
        rule.policy.iter().for_each(|chain| self.limits.tie(chain));
        let entry = self.rules.entry(rule.identity.clone()).or_default();
        let live = entry.upgrade().unwrap_or_else(|| {
            let route = &rule.identity.route;
            let kept = self.meters.entry(Arc::clone(route)).or_default();
            let meter = kept.upgrade().unwrap_or_default();
            *kept = Arc::downgrade(&meter);
            let live = Arc::new(RuleLive::new(route, meter, self.limits.of_rule(&rule.identity)));
            *entry = Arc::downgrade(&live);
            let lives = self.routes.entry(Arc::clone(route)).or_default();
            lives.retain(|live| live.strong_count() > 0);
            lives.push(Arc::downgrade(&live));
            live
        });
        live.set_on_remove(rule.on_remove, code);
        live
    }

    fn upstream(&mut self, identity: &UpstreamIdentity) -> Arc<UpstreamLive> {
        let entry = self.upstreams.entry(identity.clone()).or_default();
        entry.upgrade().unwrap_or_else(|| {
            let upstream = Arc::new(UpstreamLive::default());
            *entry = Arc::downgrade(&upstream);
            upstream
        })
    }

    fn endpoint(
        &mut self,
        endpoint: &Endpoint,
        upstream: &Upstream,
        group: &Arc<UpstreamLive>,
        now: Moment,
    ) -> Arc<EndpointLive> {
        let bounds = upstream.pool;
        let tls = endpoint.tls.as_ref().map(|settings| self.clients.of(settings, &endpoint.address));
        let send_proxy_protocol = endpoint.send_proxy_protocol;
        let same = |live: &EndpointLive| {
            live.bounds == bounds && live.tls == tls && live.send_proxy_protocol == send_proxy_protocol
        };
        let old = self.endpoints.get(&endpoint.identity).and_then(|lives| lives.last()).and_then(Weak::upgrade);
        let meter = old.as_ref().map(|live| Arc::clone(&live.meter)).unwrap_or_default();
        let (places, standing) = match old {
            Some(live) if same(&live) => return live,
            // Other bounds or another TLS make another pool: the idle connections of the old one are closed as they age.
            Some(live) => (Arc::clone(&live.places), Arc::clone(&live.standing)),
            None => {
                let places = fixed_places(&endpoint.address);
                let standing = Arc::new(newcomer(&places, upstream, self.number > 1, now));
                (Arc::new(Places::new(places)), standing)
            }
        };
        self.next_serial += 1;
        let slot = self.free_slots.pop().unwrap_or_else(|| {
            self.next_slot += 1;
            self.next_slot - 1
        });
        let live = Arc::new(EndpointLive {
            upstream: Arc::clone(&endpoint.identity.upstream),
            name: Arc::clone(&endpoint.identity.address),
            group: Arc::clone(group),
            places,
            pool: PoolId { slot, serial: self.next_serial },
            is_own: false.into(),
            h2c: is_h2c(&endpoint.identity.address),
            bounds,
            tls,
            send_proxy_protocol,
            standing,
            passive: Default::default(),
            meter,
            removal: Removal::default(),
        });
        self.endpoints.entry(endpoint.identity.clone()).or_default().push(Arc::downgrade(&live));
        live
    }

    /// Forgets identities that nothing refers to any more. Their pool places may be used again: the serial number
    /// tells a worker that what it finds there is another's.
    fn forget_dead(&mut self) {
        self.touched = 0;
        self.clients.forget_unused();
        self.rules.retain(|_, rule| rule.strong_count() > 0);
        self.routes.retain(|_, lives| {
            lives.retain(|rule| rule.strong_count() > 0);
            !lives.is_empty()
        });
        self.meters.retain(|_, meter| meter.strong_count() > 0);
        self.limits.forget_dead();
        self.outsides.forget_dead();
        self.upstreams.retain(|_, upstream| upstream.strong_count() > 0);
        self.endpoints.retain(|_, lives| {
            lives.retain(|endpoint| endpoint.strong_count() > 0);
            !lives.is_empty()
        });
        let lives = self.endpoints.values().flatten();
        let used: HashSet<u32> = lives.filter_map(Weak::upgrade).map(|endpoint| endpoint.pool.slot).collect();
        self.free_slots = (0..self.next_slot).filter(|slot| !used.contains(slot)).collect();
    }

    /// Tells endpoints that `previous` had and `next` has not that they are removed, and those that are back that
    /// they stay, whichever bounds they have.
    fn retire_endpoints(&self, previous: &Generation, next: &Generation, now: Moment) {
        let identities = |generation: &Generation| -> HashSet<EndpointIdentity> {
            generation.snapshot.endpoints().iter().map(|endpoint| endpoint.identity.clone()).collect()
        };
        let kept = identities(next);
        for gone in identities(previous).difference(&kept) {
            self.alive(gone).for_each(|endpoint| endpoint.removal.remove(now));
        }
        kept.iter().flat_map(|kept| self.alive(kept)).for_each(|endpoint| endpoint.removal.restore());
    }

    /// Tells the rules of routes that `previous` had and `next` has not that they are removed, and those that are back
    /// that they stay. A rule that was changed is not a route that was taken away: its streams go on (DESIGN, Snapshot).
    fn retire_rules(&self, previous: &Generation, next: &Generation, now: Moment) {
        let routes = |generation: &Generation| -> HashSet<Arc<str>> {
            generation.rules.iter().map(|rule| Arc::clone(&rule.route)).collect()
        };
        let kept = routes(next);
        for gone in routes(previous).difference(&kept) {
            self.rules_of(gone).for_each(|rule| rule.removal.remove(now));
        }
        kept.iter().flat_map(|kept| self.rules_of(kept)).for_each(|rule| rule.removal.restore());
    }

    /// All rules that a route has, and has had, as far as somebody holds them.
    fn rules_of<'a>(&'a self, route: &str) -> impl Iterator<Item = Arc<RuleLive>> + use<'a> {
        self.routes.get(route).into_iter().flatten().filter_map(Weak::upgrade)
    }

    fn alive<'a>(&'a self, identity: &EndpointIdentity) -> impl Iterator<Item = Arc<EndpointLive>> + use<'a> {
        self.endpoints.get(identity).into_iter().flatten().filter_map(Weak::upgrade)
    }
}

impl Generation {
    /// Whether the forwarded headers and the PROXY header of this peer are believed. A peer without an address, on a
    /// unix socket, is not: nothing lists it.
    pub fn trusts_peer(&self, peer: Option<SocketAddr>) -> bool {
        peer.is_some_and(|peer| self.trusts(peer.ip()))
    }

    /// Whether an address is one of `trusted_proxies`.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        self.snapshot.trusted_proxies.contains(ip)
    }
}

/// How an endpoint stands that was not there before. One that a reload brings starts slowly, where its upstream says so.
fn newcomer(places: &[Place], upstream: &Upstream, reloaded: bool, now: Moment) -> Standing {
    let standing = Standing::default();
    if places.is_empty() {
        standing.set(Flag::Unresolved);
    }
    if reloaded && !upstream.balancer.slow_start().is_zero() {
        standing.ramp(now);
    }
    standing
}

/// Where an address leads that no resolver has to be asked for; nothing for a name.
fn fixed_places(address: &Address) -> Vec<Place> {
    match address {
        Address::Loopback(port) => vec![
            Place::Ip(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), *port)),
            Place::Ip(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), *port)),
        ],
        Address::Ip(ip, port) => vec![Place::Ip(SocketAddr::new(*ip, *port))],
        Address::Unix(path) => vec![Place::Unix(path.clone())],
        Address::Name(..) | Address::Srv(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
