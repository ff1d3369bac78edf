//! What is counted of each route, endpoint and upstream.
//!
//! A page tells of [`MOST`] of each at most, the others together under [`OTHERS`]: whoever adds routes doesn't make
//! somebody else's database grow without end (case 188). No label comes from a request.

use std::collections::{BTreeMap, HashSet};

use switchboard_core::reason::Reason;

use super::page::{Kind, Page, number};
use crate::generation::Generation;
use crate::process::Process;
use crate::telemetry::counters::Counter;
use crate::telemetry::meter::{EndpointCounts, Meter, RouteCounts, Sum, UpstreamCounts};

/// Things of one kind that have lines of their own.
const MOST: usize = 1000;

/// What the rest is called: no route, upstream or endpoint can have this name.
const OTHERS: &str = "(others)";

const CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts of one thing, of all workers together.
#[derive(Debug, Default)]
struct Totals {
    classes: [u64; 6],
    bytes: [u64; 2],
    failed: u64,
    idle: u64,
    retries: u64,
    exhausted: u64,
    reasons: BTreeMap<usize, u64>,
    /// The durations of a route; from endpoints: until the first byte.
    first: Sum,
    /// Of connects; of an upstream's own: how long requests were held.
    second: Sum,
}

impl Totals {
    fn classes(&mut self, classes: &[Counter; 6]) {
        self.classes.iter_mut().zip(classes).for_each(|(total, counter)| *total += counter.read());
    }

    fn route(&mut self, meter: &Meter<RouteCounts>) {
        for part in meter.parts() {
            self.classes(&part.answers);
            self.bytes[0] += part.bytes_in.read();
            self.bytes[1] += part.bytes_out.read();
            self.first.add(&part.duration);
            for (index, counter) in part.reasons.iter().enumerate().filter(|(_, counter)| counter.read() > 0) {
                *self.reasons.entry(index).or_default() += counter.read();
            }
        }
    }

    fn endpoint(&mut self, meter: &Meter<EndpointCounts>) {
        for part in meter.parts() {
            self.classes(&part.answers);
            self.failed += part.failed.read();
            self.idle = self.idle.wrapping_add(part.idle.read());
            self.first.add(&part.first_byte);
            self.second.add(&part.connect);
        }
    }

    fn upstream(&mut self, meter: &Meter<UpstreamCounts>) {
        for part in meter.parts() {
            self.retries += part.retries.read();
            self.second.add(&part.held);
        }
    }
}

/// Lets each of the first [`MOST`] names have totals of its own; the others share.
fn place<K: Ord>(table: &mut BTreeMap<K, Totals>, own: K, others: K) -> &mut Totals {
    let known = table.contains_key(&own) || table.len() < MOST;
    table.entry(if known { own } else { others }).or_default()
}

/// What is counted of routes. Those that nobody asked for yet are left out.
pub(super) fn routes(page: &mut Page, generation: &Generation) {
    let mut table: BTreeMap<&str, Totals> = BTreeMap::new();
    // The rules of a route share their counts.
    let mut seen = HashSet::new();
    for rule in &generation.rules {
        if rule.meter.parts().next().is_some() && seen.insert(&rule.route) {
            place(&mut table, &*rule.route, OTHERS).route(&rule.meter);
        }
    }
    page.family("switchboard_route_responses_total", Kind::Counter, "Exchanges of a route by class of status.");
    each(&table, |route, totals| {
        for (class, count) in CLASSES.iter().zip(totals.classes) {
            if count > 0 {
                page.sample("switchboard_route_responses_total", &[("route", route), ("class", class)], number(count));
            }
        }
    });
    page.family("switchboard_route_reasons_total", Kind::Counter, "Exchanges of a route that the proxy ended itself.");
    each(&table, |route, totals| {
        for (&index, &count) in &totals.reasons {
            let code = Reason::ALL.get(index).map_or("", |reason| reason.code());
            page.sample("switchboard_route_reasons_total", &[("route", route), ("reason", code)], number(count));
        }
    });
    let directions = [("in", "Bytes of bodies from clients"), ("out", "Bytes of answers to clients")];
    for (index, (direction, help)) in directions.into_iter().enumerate() {
        let name = format!("switchboard_route_{direction}_bytes_total");
        page.family(&name, Kind::Counter, &format!("{help}, by route."));
        each(&table, |route, totals| {
            let bytes = totals.bytes.get(index).copied().unwrap_or(0);
            page.sample(&name, &[("route", route)], number(bytes));
        });
    }
    page.family("switchboard_route_duration_seconds", Kind::Histogram, "How long exchanges of a route took.");
    each(&table, |route, totals| {
        page.histogram("switchboard_route_duration_seconds", &[("route", route)], &totals.first);
    });
}

/// What is counted of endpoints, and how they stand.
pub(super) fn endpoints(page: &mut Page, generation: &Generation, process: &Process) {
    let mut table: BTreeMap<(&str, &str), Totals> = BTreeMap::new();
    for endpoint in &generation.endpoints {
        let name = (&*endpoint.upstream, &*endpoint.name);
        place(&mut table, name, (OTHERS, OTHERS)).endpoint(&endpoint.meter);
    }
    page.family("switchboard_endpoint_responses_total", Kind::Counter, "Attempts at an endpoint by class of status.");
    for ((upstream, endpoint), totals) in &table {
        for (class, count) in CLASSES.iter().zip(totals.classes).filter(|(_, count)| *count > 0) {
            let labels = [("upstream", *upstream), ("endpoint", *endpoint), ("class", class)];
            page.sample("switchboard_endpoint_responses_total", &labels, number(count));
        }
    }
    page.family(
        "switchboard_endpoint_failures_total",
        Kind::Counter,
        "Attempts that came to nothing or were repeated.",
    );
    for ((upstream, endpoint), totals) in &table {
        let labels = [("upstream", *upstream), ("endpoint", *endpoint)];
        page.sample("switchboard_endpoint_failures_total", &labels, number(totals.failed));
    }
    let help = "Connections kept for an endpoint and idle, as of the last second.";
    page.family("switchboard_endpoint_idle_connections", Kind::Gauge, help);
    for ((upstream, endpoint), totals) in &table {
        let labels = [("upstream", *upstream), ("endpoint", *endpoint)];
        page.sample("switchboard_endpoint_idle_connections", &labels, number(totals.idle));
    }
    let views = process.health.view();
    page.family(
        "switchboard_endpoint_ejections_total",
        Kind::Counter,
        "Times that an endpoint was left alone because its traffic failed.",
    );
    for view in views.iter().take(MOST) {
        let labels = [("upstream", &*view.upstream), ("endpoint", &*view.endpoint)];
        page.sample("switchboard_endpoint_ejections_total", &labels, number(view.ejections));
    }
    page.family("switchboard_endpoint_up", Kind::Gauge, "Whether an endpoint may be asked.");
    for view in views.iter().take(MOST) {
        let labels = [("upstream", &*view.upstream), ("endpoint", &*view.endpoint)];
        let up = view.state.iter().all(|state| matches!(*state, "up" | "ramp"));
        page.sample("switchboard_endpoint_up", &labels, f64::from(u8::from(up)));
    }
    page.family("switchboard_endpoint_in_flight", Kind::Gauge, "Exchanges, streams and tunnels at an endpoint now.");
    for view in views.iter().take(MOST) {
        let labels = [("upstream", &*view.upstream), ("endpoint", &*view.endpoint)];
        page.sample("switchboard_endpoint_in_flight", &labels, f64::from(view.active));
    }
}

/// What is counted of upstreams: what their endpoints have in common, and what happens before one is chosen.
pub(super) fn upstreams(page: &mut Page, generation: &Generation) {
    let mut table: BTreeMap<&str, (Totals, Totals)> = BTreeMap::new();
    let mut waiting: BTreeMap<&str, u32> = BTreeMap::new();
    for endpoint in &generation.endpoints {
        let known = table.contains_key(&*endpoint.upstream);
        let name = if known || table.len() < MOST { &*endpoint.upstream } else { OTHERS };
        let (endpoints, own) = table.entry(name).or_default();
        endpoints.endpoint(&endpoint.meter);
        if !known {
            own.upstream(&endpoint.group.meter);
            own.exhausted += endpoint.group.budget.refused();
            *waiting.entry(name).or_default() += endpoint.group.queue.len() + endpoint.group.held.len();
        }
    }
    page.family("switchboard_upstream_retries_total", Kind::Counter, "Attempts after the first.");
    each(&table, |upstream, (_, own)| {
        page.sample("switchboard_upstream_retries_total", &[("upstream", upstream)], number(own.retries));
    });
    let name = "switchboard_upstream_retry_budget_exhausted_total";
    page.family(name, Kind::Counter, "Attempts that were not made because the budget of retries was used up.");
    each(&table, |upstream, (_, own)| page.sample(name, &[("upstream", upstream)], number(own.exhausted)));
    page.family("switchboard_upstream_waiting", Kind::Gauge, "Requests that wait for a turn or for an endpoint.");
    each(&waiting, |upstream, count| {
        page.sample("switchboard_upstream_waiting", &[("upstream", upstream)], f64::from(*count));
    });
    let name = "switchboard_upstream_first_byte_seconds";
    page.family(name, Kind::Histogram, "From a request's whole head to the first byte of an endpoint's answer.");
    each(&table, |upstream, (endpoints, _)| page.histogram(name, &[("upstream", upstream)], &endpoints.first));
    let name = "switchboard_upstream_connect_seconds";
    page.family(name, Kind::Histogram, "How long it took to open connections for exchanges.");
    each(&table, |upstream, (endpoints, _)| page.histogram(name, &[("upstream", upstream)], &endpoints.second));
    let name = "switchboard_upstream_held_seconds";
    page.family(name, Kind::Histogram, "How long requests were held, for a turn or for an endpoint.");
    each(&table, |upstream, (_, own)| page.histogram(name, &[("upstream", upstream)], &own.second));
}

fn each<T>(table: &BTreeMap<&str, T>, mut write: impl FnMut(&str, &T)) {
    table.iter().for_each(|(name, totals)| write(name, totals));
}
