//! `GET /health`, `/ready` and `/v1/status`: whether it lives, whether it takes traffic, and how it is.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use switchboard_core::reason::Reason;
use switchboard_core::stamp::Stamp;

use super::{Plane, endpoints};
use crate::listener::Socket;
use crate::process::Process;
use crate::telemetry::counters::Counter;

/// The proxy lives: this thread answers.
pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Whether a load balancer should send traffic here.
pub(super) async fn ready(State(plane): State<Arc<Plane>>) -> (StatusCode, &'static str) {
    match plane.process.is_ready() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

/// The state of the whole.
pub(super) async fn status(State(plane): State<Arc<Plane>>) -> Json<Value> {
    let process = &plane.process;
    let generation = process.generation.load();
    let reload = process.reload.load();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "started": time(process.started),
        "uptime_seconds": process.origin.elapsed().as_secs(),
        "ready": process.is_ready(),
        "draining": process.draining.load(Ordering::Relaxed),
        "generation": generation.number,
        "configuration": generation.config.files.first().map(|file| file.display().to_string()),
        "last_reload": reload.at.map(|at| json!({ "at": time(at), "ok": reload.ok })),
        "workers": process.workers.len(),
        "connections": { "open": process.admission.open(), "most": process.admission.most },
        "listeners": process.sockets.load().iter().map(|socket| listener(socket)).collect::<Vec<_>>(),
        "endpoints": endpoints::all(process),
        "totals": totals(process),
        "reasons": reasons(process),
        "access_lines_dropped": process.access.load().as_ref().as_ref().map_or(0, |access| access.sink.dropped()),
    }))
}

fn listener(socket: &Socket) -> Value {
    let settings = socket.settings.load();
    json!({ "name": settings.name, "address": socket.describe(), "tls": settings.tls.is_some(), "open": socket.open.load(Ordering::Relaxed) })
}

/// The counters of all workers, added up.
pub(super) fn totals(process: &Process) -> Map<String, Value> {
    let mut totals = Map::new();
    for worker in &process.workers {
        for (name, _, value) in worker.counters.each() {
            let before = totals.get(name).and_then(Value::as_u64).unwrap_or(0);
            totals.insert(name.to_owned(), json!(before.wrapping_add(value)));
        }
    }
    totals
}

/// Answers of the proxy's own by reason; those that there were.
pub(super) fn reasons(process: &Process) -> Map<String, Value> {
    let count = |index| {
        let counters = process.workers.iter().filter_map(|worker| worker.counters.reasons.get(index));
        counters.map(Counter::read).sum::<u64>()
    };
    let all = Reason::ALL.iter().enumerate().map(|(index, reason)| (reason.code().to_owned(), count(index)));
    all.filter(|(_, count)| *count > 0).map(|(code, count)| (code, json!(count))).collect()
}

/// A time as RFC 3339, in UTC with milliseconds.
pub(super) fn time(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    String::from_utf8_lossy(Stamp::new().rfc3339(since.as_secs(), since.subsec_nanos())).into_owned()
}
