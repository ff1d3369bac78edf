//! What a configuration wants of certificates.

use std::sync::Arc;

use tokio::task::JoinSet;

use switchboard_core::certificate::{Cover, Names};
use switchboard_core::config::{Acme as Settings, Challenge, Config, Listener, Route, RouteKey};

use super::{Name, Stage, Task};
use crate::certs::acme::Acme;
use crate::certs::ask::{Gate, Service};
use crate::certs::now;

/// What a configuration wants.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// The names of routes; none where no listener has `tls: auto`.
    pub(super) names: Names,
    /// Where public certificates come from; none where no listener has `tls: auto`.
    pub(super) acme: Option<Settings>,
    /// Some listener without TLS could answer HTTP-01.
    plain: bool,
}

impl Plan {
    pub(super) fn of<'a>(config: &Config, registered: impl Iterator<Item = (&'a RouteKey, &'a Route)>) -> Self {
        if !wants_certificates(config) {
            return Self::default();
        }
        let mut names = Names::of(config);
        registered.for_each(|(key, route)| names.add(config, key, route));
        Self { names, acme: Some(config.acme.clone()), plain: has_plain_listener(config) }
    }
}

/// Whether an authority may come to ask for a token.
pub fn proves_by_token(config: &Config) -> bool {
    wants_certificates(config) && config.acme.challenges.contains(&Challenge::Http01)
}

/// Whether some listener has `tls: auto`.
fn wants_certificates(config: &Config) -> bool {
    config.listeners.iter().any(Listener::orders_certificates)
}

fn has_plain_listener(config: &Config) -> bool {
    config.listeners.iter().any(|listener| listener.tls.is_none())
}

impl Task {
    /// Takes up another plan.
    pub(super) fn follow(&mut self) {
        let plan = Arc::clone(&self.plans.borrow_and_update());
        let same_authority = plan.acme == self.plan.acme && plan.plain == self.plan.plain;
        self.plan = Arc::clone(&plan);
        if !same_authority {
            // Another authority, or the same with what was missing: all that failed is tried again now.
            self.names.clear();
            // Orders under way are given up; what they left in the store is taken up by the next try.
            self.jobs = JoinSet::new();
            self.ordering = 0;
            self.gate = Gate::default();
            self.acme = plan.acme.clone().map(|acme| Arc::new(Acme::new(acme, self.store.clone(), plan.plain)));
            self.service = None;
            if let Some(url) = plan.acme.as_ref().and_then(|acme| acme.ask.as_ref()) {
                match Service::at(url) {
                    Ok(service) => self.service = Some(service),
                    Err(error) => tracing::error!("acme.ask {url}: {error}"),
                }
            }
        }
        let names = &plan.names;
        self.certs.retain(|name, _| names.cover(name).is_some());
        self.certs.forgive_all_but(|name| names.cover(name).is_some());
        self.names.retain(|name, known| names.cover(name) == Some(known.cover));
        if plan.acme.is_none() {
            return;
        }
        // What another authority issued stays in hand until there is one of this.
        let in_hand = self.certs.public_in_hand();
        let wanted = names.public().map(|name| (name, Cover::Exact));
        for (name, cover) in in_hand.iter().map(|name| (&**name, Cover::Wildcard)).chain(wanted) {
            let cover = names.cover(name).unwrap_or(cover);
            if !self.names.contains_key(name) && !self.load(name, cover) {
                self.names.insert(name.into(), Name::new(Stage::Due(now()), cover));
            }
        }
    }
}

impl Name {
    pub(super) const fn new(stage: Stage, cover: Cover) -> Self {
        Self { stage, cover, failures: 0, waiting: Vec::new(), suggested: u64::MAX }
    }
}
