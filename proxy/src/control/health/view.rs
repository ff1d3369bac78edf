//! What is known of every endpoint, for whoever looks at the proxy.

use std::time::Duration;

use switchboard_core::balance::Flag;
use switchboard_core::health::active::{Probed, Seen};

use super::Health;
use crate::live::EndpointLive;

/// One endpoint as it stands.
#[derive(Debug)]
pub struct View {
    /// The upstream's name.
    pub upstream: String,
    /// The address as written.
    pub endpoint: String,
    /// `up`, or everything that speaks against it.
    pub state: Vec<&'static str>,
    /// Its share beside the others'.
    pub weight: u32,
    /// Exchanges and tunnels that it serves.
    pub active: u32,
    /// Where it is now.
    pub places: Vec<String>,
    /// What probes have come to, where it is probed.
    pub probed: Option<Probed>,
    /// The last answer to a probe, and how long ago it came.
    pub last: Option<(Seen, Duration)>,
    /// How often it was ejected.
    pub ejections: u64,
    /// How long it is still ejected.
    pub ejected_for: Option<Duration>,
}

impl Health {
    /// The endpoints in the order of the configuration.
    pub fn view(&self) -> Vec<View> {
        let now = self.now();
        let table = self.table();
        let members = table.groups.iter().flat_map(|group| &group.members);
        let view = |member: &super::Member| {
            let live = &member.live;
            let course = table.courses.get(&member.identity);
            let record = table.records.get(&member.identity);
            View {
                upstream: member.identity.upstream.to_string(),
                endpoint: member.identity.address.to_string(),
                state: state(live),
                weight: member.weight,
                active: live.standing.active(),
                places: live.places.load().iter().map(ToString::to_string).collect(),
                probed: course.map(switchboard_core::health::active::Course::state),
                last: course.and_then(|course| course.last()).map(|(seen, at)| (seen.clone(), now.since(at))),
                ejections: record.map_or(0, switchboard_core::health::passive::Record::total),
                ejected_for: record.and_then(|record| record.until()).map(|until| until.since(now)),
            }
        };
        members.map(view).collect()
    }
}

/// The states of an endpoint.
fn state(live: &EndpointLive) -> Vec<&'static str> {
    let flags = [
        (Flag::Failing, "failing"),
        (Flag::Ejected, "ejected"),
        (Flag::Drain, "drain"),
        (Flag::Maint, "maint"),
        (Flag::Unresolved, "unresolved"),
        (Flag::Ramp, "slow_start"),
    ];
    let mut states: Vec<_> = flags.iter().filter(|(flag, _)| live.standing.has(*flag)).map(|(_, name)| *name).collect();
    if live.standing.is_up() {
        states.insert(0, "up");
    }
    states
}
