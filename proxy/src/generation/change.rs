//! A generation that differs from the one before in a few routes: it costs what they cost, however many others there are.
//!
//! The control thread makes one for each batch of changes to registered routes. A reload makes a whole one.

use std::collections::HashSet;
use std::sync::Arc;

use switchboard_core::moment::Moment;
use switchboard_core::snapshot::{Compiler, EndpointIdentity, Touched};

use super::{Generation, Registry};

/// So many things come and go before the dead are looked for; that costs by the number of the living.
const FORGET_AFTER: usize = 4096;

/// A generation that was made out of the one before.
#[derive(Debug)]
pub struct Changed {
    /// It.
    pub generation: Generation,
    /// Whether something was taken away whose streams have to end.
    pub removes: bool,
    /// Whether endpoints came or went.
    pub endpoints: bool,
}

impl Registry {
    /// Lets `change` work on what the last generation was made with; `previous` is that. Nothing, where it has changed
    /// nothing.
    pub fn change<R>(
        &mut self,
        previous: &Generation,
        now: Moment,
        change: impl FnOnce(&mut Compiler) -> R,
    ) -> Option<(R, Option<Changed>)> {
        let compiler = self.compiler.as_mut()?;
        let result = change(compiler);
        let touched = compiler.take_touched();
        let snapshot = compiler.snapshot();
        if touched.rules.is_empty() && touched.upstreams.is_empty() && touched.endpoints.is_empty() {
            return Some((result, None));
        }
        self.number += 1;
        let mut next = Generation { number: self.number, snapshot, ..previous.clone() };
        self.retie(&mut next, &touched, now);
        let removes = self.retire(previous, &next, &touched, now);
        self.touched += touched.rules.len() + touched.endpoints.len();
        if self.touched > FORGET_AFTER.max(self.rules.len() / 2) {
            self.forget_dead();
        }
        Some((result, Some(Changed { generation: next, removes, endpoints: !touched.endpoints.is_empty() })))
    }

    /// Ties what was touched to its live things.
    fn retie(&mut self, next: &mut Generation, touched: &Touched, now: Moment) {
        let snapshot = next.snapshot.clone();
        for at in touched.rules.iter().map(|id| id.index()) {
            let rule = snapshot.rules().get(at);
            next.outsides.set(at, self.outsides.of(rule.and_then(|rule| rule.policy.as_deref())));
            next.rules.set(at, rule.map(|rule| self.rule(rule, snapshot.drain.code)));
        }
        for at in touched.upstreams.iter().map(|id| id.index()) {
            let upstream = snapshot.upstreams().get(at);
            next.upstreams.set(at, upstream.map(|upstream| self.upstream(&upstream.identity)));
        }
        for at in touched.endpoints.iter().map(|id| id.index()) {
            let endpoint = snapshot.endpoints().get(at).map(|endpoint| {
                let group = Arc::clone(&next.upstreams[endpoint.upstream.index()]);
                self.endpoint(endpoint, snapshot.upstream(endpoint.upstream), &group, now)
            });
            next.endpoints.set(at, endpoint);
        }
    }

    /// Tells what is gone that it is, and what is there that it stays. Returns whether anything is gone.
    fn retire(&self, previous: &Generation, next: &Generation, touched: &Touched, now: Moment) -> bool {
        let identities = |generation: &Generation| -> HashSet<EndpointIdentity> {
            let endpoints = touched.endpoints.iter().filter_map(|id| generation.snapshot.endpoints().get(id.index()));
            endpoints.map(|endpoint| endpoint.identity.clone()).collect()
        };
        let (before, kept) = (identities(previous), identities(next));
        let mut removes = false;
        for gone in before.difference(&kept) {
            removes = true;
            self.alive(gone).for_each(|endpoint| endpoint.removal.remove(now));
        }
        kept.iter().flat_map(|kept| self.alive(kept)).for_each(|endpoint| endpoint.removal.restore());
        for rule in touched.gone.iter().filter_map(|id| previous.rules.get(id.index())) {
            removes = true;
            self.rules_of(&rule.route).for_each(|rule| rule.removal.remove(now));
        }
        let stay = touched.rules.iter().filter_map(|id| next.rules.get(id.index()));
        stay.flat_map(|rule| self.rules_of(&rule.route)).for_each(|rule| rule.removal.restore());
        removes
    }
}
