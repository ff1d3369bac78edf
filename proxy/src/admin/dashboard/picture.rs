//! What the dashboard is told once a second, and what `switchboard top` shows: one JSON object, bounded.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use switchboard_core::moment::Moment;
use switchboard_core::snapshot::Action;

use crate::admin::{exchanges, status};
use crate::certs;
use crate::control::health::view::View;
use crate::generation::Generation;
use crate::process::Process;
use crate::streams::view::{Passed, Seen};
use crate::telemetry::latency::Percentiles;

/// Rows of a table at most: a page with ten thousand helps nobody.
const ROWS: usize = 500;

/// Streams at most.
const STREAMS: usize = 100;

/// Failures at most.
const FAILURES: usize = 20;

const DAY: u64 = 86_400;

/// The picture of this moment.
pub(super) fn of(process: &Process) -> Value {
    let generation = process.generation.load();
    let failures = process.failures.list();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "clock_ms": u64::try_from(process.origin.elapsed().as_millis()).unwrap_or(u64::MAX),
        "uptime_seconds": process.origin.elapsed().as_secs(),
        "ready": process.is_ready(),
        "draining": process.draining.load(Ordering::Relaxed),
        "generation": generation.number,
        "latency": process.latency.percentiles(process).map(latency),
        "connections": { "open": process.admission.open(), "most": process.admission.most },
        "totals": status::totals(process),
        "reasons": status::reasons(process),
        "routes": routes(&generation),
        "upstreams": upstreams(process),
        "flows": flows(process),
        "failures": failures.iter().take(FAILURES).map(exchanges::shown).collect::<Vec<_>>(),
        "certificates": certificates(process, &generation),
    })
}

fn latency(times: Percentiles) -> Value {
    // Hundredths of a millisecond are enough to read.
    let millis = |time: Duration| (time.as_secs_f64() * 100_000.0).round() / 100.0;
    json!({ "p50_ms": millis(times.p50), "p90_ms": millis(times.p90), "p99_ms": millis(times.p99) })
}

fn routes(generation: &Generation) -> Vec<Value> {
    let rules = generation.snapshot.rules().iter().take(ROWS);
    let answers = |action: &Action| match action {
        Action::Proxy(upstream) => generation.snapshot.upstream(*upstream).identity.0.to_string(),
        Action::Files(site) => format!("files of {}", site.written.dir.display()),
        Action::Respond { status, .. } => format!("says {status} itself"),
        Action::Builtin(what) => format!("says its {}", what.code()),
        Action::Redirect { status, .. } => format!("redirects with {status}"),
    };
    let written: HashSet<String> = generation.config.routes.keys().map(ToString::to_string).collect();
    let from = |key: &str| if written.contains(key) { "file" } else { "registry" };
    let route = |key: &str, action: &Action| json!({ "key": key, "answers": answers(action), "from": from(key) });
    rules.map(|rule| route(&rule.key, &rule.action)).collect()
}

/// Each upstream with its endpoints, as health sees them.
fn upstreams(process: &Process) -> Vec<Value> {
    let mut upstreams: Vec<(String, Vec<Value>)> = Vec::new();
    for view in process.health.view().iter().take(ROWS) {
        let (state, why) = state(view);
        let endpoint = json!({ "name": &*view.endpoint, "state": state, "why": why, "in_flight": view.active });
        match upstreams.last_mut() {
            Some((name, endpoints)) if **name == *view.upstream => endpoints.push(endpoint),
            Some(_) | None => upstreams.push((view.upstream.to_string(), vec![endpoint])),
        }
    }
    let shown = upstreams.into_iter().map(|(name, endpoints)| json!({ "name": name, "endpoints": endpoints }));
    shown.collect()
}

/// Tunnels and streams that were open when the workers last listed them, those first that are open longest.
fn flows(process: &Process) -> Vec<Value> {
    let now = Moment::ZERO + process.origin.elapsed();
    process.ask_for_streams();
    let lists: Vec<_> = process.workers.iter().map(|worker| worker.streams.load_full()).collect();
    let mut open: Vec<&Seen> = lists.iter().flat_map(|list| list.iter()).collect();
    open.sort_by_key(|seen| seen.opened);
    let flow = |seen: &&Seen| {
        let Passed { bytes: [bytes_in, bytes_out], messages } = seen.passed;
        json!({
            "route": &*seen.route,
            "endpoint": &*seen.endpoint,
            "kind": if messages.is_some() { "WebSocket" } else { "stream" },
            "open_seconds": now.since(seen.opened).as_secs(),
            "messages_in": messages.map(|[count, _]| count),
            "messages_out": messages.map(|[_, count]| count),
            "bytes_in": bytes_in,
            "bytes_out": bytes_out,
        })
    };
    open.iter().take(STREAMS).map(flow).collect()
}

/// A word for what an endpoint is, and why.
fn state(view: &View) -> (&str, String) {
    let state = view.state.first().map_or("up", |state| state);
    let why = match state {
        "maint" => "taken out by the operator".to_owned(),
        "drain" => "ends what it has, by the operator".to_owned(),
        "unresolved" => "its name does not resolve".to_owned(),
        "failing" => match &view.last {
            Some((seen, ago)) => format!("{} ({} s ago)", seen.words, ago.as_secs()),
            None => "its probes fail".to_owned(),
        },
        "ejected" => match view.ejected_for {
            Some(rest) => format!("it failed requests; tried again in {} s", rest.as_secs()),
            None => "it failed requests".to_owned(),
        },
        "ramp" => "it came up lately and gets less at first".to_owned(),
        _ => String::new(),
    };
    (state, why)
}

/// Those out of files, by name and which ends first, and those that come by themselves.
fn certificates(process: &Process, generation: &Generation) -> Vec<Value> {
    let mut files: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, end) in generation.tls.ends() {
        files.entry(name).and_modify(|first| *first = end.min(*first)).or_insert(end);
    }
    let of_file = |(name, end): (&str, u64)| json!({ "name": name, "issuer": "from a file", "days": days(end) });
    let by_themselves = process.certs.status();
    files.into_iter().map(of_file).chain(by_themselves.iter().map(certificate)).take(ROWS).collect()
}

/// The days until a time, in seconds since 1970; 0 where it is over.
fn days(end: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    end.saturating_sub(now) / DAY
}

fn certificate(status: &certs::Status) -> Value {
    let days = status.not_after.map(days);
    let trouble = status.trouble.as_ref().map(|trouble| trouble.error.as_str());
    json!({ "name": status.name, "issuer": status.issuer, "days": days, "trouble": trouble })
}
