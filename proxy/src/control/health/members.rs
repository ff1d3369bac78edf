//! The endpoints of a generation by upstream, with what their health goes by.

use std::sync::Arc;

use switchboard_core::balance::Flag;
use switchboard_core::config;
use switchboard_core::health::active::Pace;
use switchboard_core::health::passive::Rules;
use switchboard_core::moment::Moment;
use switchboard_core::snapshot::{EndpointIdentity, HostSent, Upstream};

use crate::control::probe::{Probe, Target};
use crate::generation::Generation;
use crate::live::{EndpointLive, UpstreamLive};

/// One upstream.
pub(super) struct Group {
    pub(super) probe: Option<(Arc<Probe>, Pace)>,
    /// What ejects; `None` where nothing does.
    pub(super) rules: Option<Rules>,
    pub(super) members: Vec<Member>,
    live: Arc<UpstreamLive>,
    compiled: Arc<Upstream>,
}

/// One endpoint.
pub(super) struct Member {
    pub(super) identity: EndpointIdentity,
    pub(super) live: Arc<EndpointLive>,
    pub(super) weight: u32,
    host: Arc<str>,
}

/// The upstreams of a generation. What traffic counts is told to the endpoints here.
pub(super) fn groups(generation: &Generation) -> Vec<Group> {
    let snapshot = &generation.snapshot;
    let upstreams = snapshot.upstreams().iter().zip(&generation.upstreams);
    let group = |(compiled, live): (&Arc<Upstream>, &Arc<UpstreamLive>)| {
        let written = generation.config.upstreams.get(&*compiled.identity.0);
        // With one endpoint there is nobody to take its place.
        let outlier = written.and_then(|written| written.outlier).filter(|_| compiled.endpoints.len() > 1);
        let member = |id: &switchboard_core::snapshot::EndpointId| {
            let endpoint = snapshot.endpoint(*id);
            let live = generation.endpoints.get(id.index())?;
            live.passive.follow(
                outlier.and_then(|outlier| outlier.failures),
                outlier.is_some_and(|outlier| outlier.latency.is_some()),
            );
            let host = match &endpoint.host {
                Some(HostSent::Fixed(name)) => name.as_ref().into(),
                Some(HostSent::AsReceived | HostSent::Endpoint) | None => endpoint.authority.as_ref().into(),
            };
            let said = written
                .and_then(|written| written.endpoints.iter().find(|one| *one.written == *endpoint.identity.address));
            let weight = said.map_or(1, |endpoint| endpoint.weight);
            Some(Member { identity: endpoint.identity.clone(), weight, live: Arc::clone(live), host })
        };
        Group {
            probe: written.and_then(|written| written.health.as_ref()).and_then(compiled_probe),
            rules: outlier.map(|outlier| Rules {
                hold: outlier.hold,
                max_hold: outlier.max_hold,
                max_ejected: outlier.max_ejected,
                latency: outlier.latency,
            }),
            members: compiled.endpoints.iter().filter_map(member).collect(),
            live: Arc::clone(live),
            compiled: Arc::clone(compiled),
        }
    };
    upstreams.map(group).collect()
}

fn compiled_probe(health: &config::Health) -> Option<(Arc<Probe>, Pace)> {
    let pace = Pace { interval: health.interval, fails: health.fails, passes: health.passes };
    Some((Arc::new(Probe::compile(health)?), pace))
}

impl Group {
    /// Its endpoints.
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// Clears a flag of a member; where that brings it up, it begins slowly if its upstream says so.
    pub(super) fn bring_up(&self, member: &Member, flag: Flag, now: Moment) {
        let standing = &member.live.standing;
        if standing.clear(flag) {
            if standing.is_up() && !self.compiled.balancer.slow_start().is_zero() {
                standing.ramp(now);
            }
            self.survey();
            self.changed();
        }
    }

    /// Tells those who wait that somebody may be up.
    pub(super) fn changed(&self) {
        self.live.changed();
    }

    /// Lets picks know who may be picked. Called after each change of a flag.
    pub(super) fn survey(&self) {
        self.compiled.balancer.survey(&self.live.tally, |place| &self.members[place].live.standing);
    }
}

impl Member {
    /// Whom a probe of it asks.
    pub(super) fn target(&self) -> Target {
        Target { places: self.live.places.load(), host: Arc::clone(&self.host), tls: self.live.tls.clone() }
    }
}
