//! What makes snapshots: it keeps what was compiled, and compiles again only what changes.
//!
//! The control thread holds one. A reload starts anew; a registered route is put in or taken out, and costs what is its
//! own, however many others there are. A snapshot of the result is a clone that shares everything else.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::compile::{CompileError, canonical_pattern, canonical_prefix, compiled, endpoint, upstream, without_routes};
use super::{EndpointId, Snapshot, UpstreamId};
use crate::config::{self, Config, RouteKey};
use crate::route::{Candidate, Candidates, Condition, RuleId};

/// The compiled form of a configuration, ready to be changed.
#[derive(Debug)]
pub struct Compiler {
    draft: Snapshot,
    /// What conditions may ask for.
    listeners: Arc<[config::Listener]>,
    routes: HashMap<RouteKey, Held>,
    /// Who wants to answer at a place, in order; the first does.
    places: HashMap<RouteKey, Vec<Claim>>,
    upstreams: HashMap<String, Group>,
    rule_ids: Ids,
    upstream_ids: Ids,
    endpoint_ids: Ids,
    touched: Touched,
}

/// What changed since it was last asked. Numbers may stand in it twice.
#[derive(Debug, Default)]
pub struct Touched {
    /// Rules that came, went or were replaced.
    pub rules: Vec<RuleId>,
    /// Rules of before whose route is gone.
    pub gone: Vec<RuleId>,
    /// Upstreams.
    pub upstreams: Vec<UpstreamId>,
    /// Endpoints.
    pub endpoints: Vec<EndpointId>,
    /// Routes that were taken out, with their rules.
    removed: Vec<(RouteKey, Vec<RuleId>)>,
}

/// A route that was compiled.
#[derive(Debug)]
struct Held {
    rules: Vec<RuleId>,
    candidates: Candidates,
    places: Vec<RouteKey>,
    upstreams: Vec<String>,
}

/// A route that wants to answer at a place: by its own key before those that do it by `also:`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    also: bool,
    key: RouteKey,
}

/// An upstream that was compiled, and how often it is used. The file's own use never ends.
#[derive(Debug)]
struct Group {
    id: UpstreamId,
    uses: u32,
}

/// Numbers that are free. One that was given back is given out again only in the next version.
#[derive(Debug, Default)]
struct Ids {
    free: Vec<u32>,
    given_back: Vec<u32>,
    next: u32,
}

impl Ids {
    fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        })
    }

    fn settle(&mut self) {
        self.free.append(&mut self.given_back);
    }
}

impl Compiler {
    /// Compiles a configuration.
    ///
    /// # Errors
    /// What a checked configuration does not have.
    pub fn new(config: &Config) -> Result<Self, CompileError> {
        let mut compiler = Self {
            draft: without_routes(config)?,
            listeners: config.listeners.clone().into(),
            routes: HashMap::with_capacity(config.routes.len()),
            places: HashMap::with_capacity(config.routes.len()),
            upstreams: HashMap::with_capacity(config.upstreams.len()),
            rule_ids: Ids::default(),
            upstream_ids: Ids::default(),
            endpoint_ids: Ids::default(),
            touched: Touched::default(),
        };
        for (name, written) in &config.upstreams {
            compiler.enter(name, written);
        }
        for (key, route) in &config.routes {
            compiler.put(key, route, &BTreeMap::new())?;
        }
        compiler.take_touched();
        Ok(compiler)
    }

    /// The snapshot of what stands now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.draft.clone()
    }

    /// Whether a route of this key stands.
    #[must_use]
    pub fn has(&self, key: &RouteKey) -> bool {
        self.routes.contains_key(key)
    }

    /// Puts a route in, in the place of what had its key before. `upstreams` are those that it brings with it.
    ///
    /// # Errors
    /// What a checked route does not have; nothing has changed then.
    pub fn put(
        &mut self,
        key: &RouteKey,
        route: &config::Route,
        upstreams: &BTreeMap<String, config::Upstream>,
    ) -> Result<(), CompileError> {
        let places = places_of(key, route)?;
        let conditions = (0..).zip(&route.rules).map(|(index, rule)| {
            let compile = |when| Condition::compile(when, &self.listeners).map(|when| when.salted(index));
            let when = rule.when.as_ref().map(compile);
            when.transpose().map_err(|source| CompileError::Regex { route: key.to_string(), source })
        });
        let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
        let used: Vec<String> = route.rules.iter().flat_map(config::Rule::upstreams).map(str::to_owned).collect();
        let unknown = |name: &&String| !self.upstreams.contains_key(*name) && !upstreams.contains_key(*name);
        if let Some(name) = used.iter().find(unknown) {
            return Err(CompileError::UnknownUpstream { route: key.to_string(), upstream: name.clone() });
        }
        used.iter().for_each(|name| self.use_upstream(name, upstreams));
        let name: Arc<str> = key.to_string().into();
        let ids = |name: &str| self.upstreams.get(name).map(|group| group.id);
        let rules = (0..).zip(&route.rules).map(|(index, rule)| compiled(rule, &name, index, ids, &self.listeners));
        let rules = match rules.collect::<Result<Vec<_>, _>>() {
            Ok(rules) => rules,
            Err(error) => {
                used.iter().for_each(|name| self.leave(name));
                return Err(error);
            }
        };
        let before = self.take_out(key);
        let numbers: Vec<RuleId> = rules.iter().map(|_| RuleId(self.rule_ids.take())).collect();
        for (id, rule) in numbers.iter().zip(rules) {
            self.draft.hide_credentials(&rule);
            self.draft.rules.set(id.index(), Some(Arc::new(rule)));
        }
        self.touched.rules.extend(&numbers);
        let candidates = numbers.iter().zip(conditions).map(|(&rule, condition)| Candidate { rule, condition });
        let held = Held { candidates: candidates.collect(), rules: numbers, places, upstreams: used };
        let claims = held.places.clone();
        self.routes.insert(key.clone(), held);
        for (index, place) in claims.iter().enumerate() {
            self.claim(place, Claim { also: index > 0, key: key.clone() });
        }
        // After the new ones are used: what both use keeps its number.
        before.iter().flat_map(|held| &held.upstreams).for_each(|name| self.leave(name));
        Ok(())
    }

    /// Takes a route out. Tells whether there was one.
    pub fn remove(&mut self, key: &RouteKey) -> bool {
        let Some(held) = self.take_out(key) else { return false };
        held.upstreams.iter().for_each(|name| self.leave(name));
        true
    }

    /// Gives a named upstream other endpoints. Tells whether there is one of the name.
    pub fn change_upstream(&mut self, name: &str, written: &config::Upstream) -> bool {
        let Some(id) = self.upstreams.get(name).map(|group| group.id) else { return false };
        self.clear_upstream(id);
        self.fill_upstream(id, name, written);
        true
    }

    /// What changed since this was last asked; a number that came free is given out again only from now on.
    pub fn take_touched(&mut self) -> Touched {
        self.rule_ids.settle();
        self.upstream_ids.settle();
        self.endpoint_ids.settle();
        let mut touched = std::mem::take(&mut self.touched);
        for (key, rules) in std::mem::take(&mut touched.removed) {
            if !self.routes.contains_key(&key) {
                touched.gone.extend(rules);
            }
        }
        touched
    }

    fn take_out(&mut self, key: &RouteKey) -> Option<Held> {
        let held = self.routes.remove(key)?;
        for place in &held.places {
            self.disclaim(place, key);
        }
        for id in &held.rules {
            self.draft.rules.set(id.index(), None);
            self.rule_ids.given_back.push(id.0);
        }
        self.touched.rules.extend(&held.rules);
        self.touched.removed.push((key.clone(), held.rules.clone()));
        Some(held)
    }

    fn claim(&mut self, place: &RouteKey, claim: Claim) {
        let claims = self.places.entry(place.clone()).or_default();
        if let Err(at) = claims.binary_search(&claim) {
            claims.insert(at, claim);
        }
        self.settle_place(place);
    }

    fn disclaim(&mut self, place: &RouteKey, key: &RouteKey) {
        if let Some(claims) = self.places.get_mut(place) {
            claims.retain(|claim| claim.key != *key);
            if claims.is_empty() {
                self.places.remove(place);
            }
        }
        self.settle_place(place);
    }

    /// Lets the first of those that want a place answer there.
    fn settle_place(&mut self, place: &RouteKey) {
        let first = self.places.get(place).and_then(|claims| claims.first());
        let held = first.and_then(|claim| self.routes.get(&claim.key));
        self.draft.routes.set(place, held.map(|held| Arc::clone(&held.candidates)));
    }

    fn use_upstream(&mut self, name: &str, brought: &BTreeMap<String, config::Upstream>) {
        match (self.upstreams.get_mut(name), brought.get(name)) {
            (Some(group), _) => group.uses += 1,
            (None, Some(written)) => self.enter(name, written),
            (None, None) => {}
        }
    }

    fn enter(&mut self, name: &str, written: &config::Upstream) {
        let id = UpstreamId(self.upstream_ids.take());
        self.fill_upstream(id, name, written);
        self.upstreams.insert(name.to_owned(), Group { id, uses: 1 });
    }

    fn leave(&mut self, name: &str) {
        let Some(group) = self.upstreams.get_mut(name) else { return };
        group.uses -= 1;
        if group.uses == 0 {
            let id = group.id;
            self.upstreams.remove(name);
            self.clear_upstream(id);
            self.draft.upstreams.set(id.index(), None);
            self.upstream_ids.given_back.push(id.0);
        }
    }

    fn fill_upstream(&mut self, id: UpstreamId, name: &str, written: &config::Upstream) {
        let identity: Arc<str> = name.into();
        let mut endpoints = Vec::with_capacity(written.endpoints.len());
        for one in &written.endpoints {
            let number = EndpointId(self.endpoint_ids.take());
            self.draft.endpoints.set(number.index(), Some(Arc::new(endpoint(id, &identity, written, one))));
            endpoints.push(number);
        }
        self.touched.endpoints.extend(&endpoints);
        self.touched.upstreams.push(id);
        self.draft.upstreams.set(id.index(), Some(Arc::new(upstream(identity, written, endpoints))));
    }

    fn clear_upstream(&mut self, id: UpstreamId) {
        let endpoints = self.draft.upstreams.get(id.index()).map(|upstream| upstream.endpoints.clone());
        for number in endpoints.unwrap_or_default() {
            self.draft.endpoints.set(number.index(), None);
            self.endpoint_ids.given_back.push(number.0);
            self.touched.endpoints.push(number);
        }
        self.touched.upstreams.push(id);
    }
}

/// Where a route wants to answer: its own place first, then its path on the hosts of `also:`.
fn places_of(key: &RouteKey, route: &config::Route) -> Result<Vec<RouteKey>, CompileError> {
    let path = canonical_prefix(&key.path);
    let hosts = std::iter::once(&key.host).chain(&route.also);
    hosts.map(|host| Ok(RouteKey { host: canonical_pattern(host, key)?, path: path.clone() })).collect()
}

#[cfg(test)]
mod tests;
