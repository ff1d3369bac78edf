//! What the dashboard is told once a second, and what `switchboard top` shows: one JSON object, bounded.

use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use switchboard_core::answer::words;
use switchboard_core::balance::Flag;
use switchboard_core::snapshot::Action;

use crate::admin::status;
use crate::certs;
use crate::generation::Generation;
use crate::live::EndpointLive;
use crate::process::Process;
use crate::telemetry::failures::Failure;

/// Rows of a table at most: a page with ten thousand helps nobody.
const ROWS: usize = 500;

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
        "connections": { "open": process.admission.open(), "most": process.admission.most },
        "totals": status::totals(process),
        "reasons": status::reasons(process),
        "routes": routes(&generation),
        "upstreams": upstreams(&generation),
        "failures": failures.iter().take(FAILURES).map(failure).collect::<Vec<_>>(),
        "certificates": process.certs.status().iter().take(ROWS).map(certificate).collect::<Vec<_>>(),
    })
}

fn routes(generation: &Generation) -> Vec<Value> {
    let rules = generation.snapshot.rules().iter().take(ROWS);
    let answers = |action: &Action| match action {
        Action::Proxy(upstream) => generation.snapshot.upstream(*upstream).identity.0.to_string(),
        Action::Respond { status, .. } => format!("says {status} itself"),
        Action::Redirect { status, .. } => format!("redirects with {status}"),
    };
    let route = |key: &str, action: &Action| json!({ "key": key, "answers": answers(action), "from": "file" });
    rules.map(|rule| route(&rule.key, &rule.action)).collect()
}

fn upstreams(generation: &Generation) -> Vec<Value> {
    let endpoint = |index: usize| {
        let live = generation.endpoints.get(index)?;
        let (state, why) = state(live);
        Some(json!({ "name": &*live.name, "state": state, "why": why, "in_flight": live.standing.active() }))
    };
    let upstreams = generation.snapshot.upstreams().iter().take(ROWS);
    let upstream = upstreams.map(|upstream| {
        let endpoints = upstream.endpoints.iter().take(ROWS).filter_map(|id| endpoint(id.index()));
        json!({ "name": &*upstream.identity.0, "endpoints": endpoints.collect::<Vec<_>>() })
    });
    upstream.collect()
}

/// A word for what an endpoint is, and why.
fn state(live: &EndpointLive) -> (&'static str, String) {
    let flags = [
        (Flag::Maint, "maint", "taken out by the operator"),
        (Flag::Drain, "drain", "ends what it has, by the operator"),
        (Flag::Unresolved, "unresolved", "its name does not resolve"),
        (Flag::Failing, "failing", "its probes fail"),
        (Flag::Ejected, "ejected", "it failed requests lately"),
        (Flag::Ramp, "ramp", "it came up lately and gets less at first"),
    ];
    match flags.iter().find(|(flag, ..)| live.standing.has(*flag)) {
        Some((_, state, why)) => (state, (*why).to_owned()),
        None => ("up", String::new()),
    }
}

fn failure(failure: &Failure) -> Value {
    let words = words(failure.reason);
    json!({
        "time": status::time(failure.at),
        "id": failure.id,
        "status": failure.status,
        "reason": failure.reason.code(),
        "request": failure.request,
        "endpoint": failure.endpoint,
        "means": format!("{} {}", words.what, words.look),
    })
}

fn certificate(status: &certs::Status) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let days = status.not_after.map(|end| end.saturating_sub(now) / DAY);
    let trouble = status.trouble.as_ref().map(|trouble| trouble.error.as_str());
    json!({ "name": status.name, "issuer": status.issuer, "days": days, "trouble": trouble })
}
