//! `GET /v1/exchanges`: what happened of late, and one exchange by the id that its answer carried.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use switchboard_core::answer::words;

use super::answer::Refusal;
use super::{Plane, status};
use crate::telemetry::failures::{Failure, SAMPLE};

/// The last failures, and a sample of the others.
pub(super) async fn list(State(plane): State<Arc<Plane>>) -> Json<Value> {
    let all = |list: &[Failure]| list.iter().map(shown).collect::<Vec<_>>();
    let process = &plane.process;
    Json(json!({ "failures": all(&process.failures.list()), "sample": all(&process.samples.list()) }))
}

/// One of them.
pub(super) async fn show(State(plane): State<Arc<Plane>>, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let process = &plane.process;
    let found = process.failures.find(&id).or_else(|| process.samples.find(&id));
    found.map(|one| Json(shown(&one))).ok_or_else(|| {
        let words = format!(
            "nothing is known of {id}: the last 200 failures are kept, and one in {SAMPLE} of what went well; the \
             access log has the rest"
        );
        Refusal::new(StatusCode::NOT_FOUND, "not_found", words)
    })
}

/// An exchange as the dashboard shows it too.
pub(super) fn shown(one: &Failure) -> Value {
    // Microseconds are as exact as anybody reads them.
    let millis = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let means = one.reason.map(words).map(|words| format!("{} {}", words.what, words.look));
    json!({
        "time": status::time(one.at),
        "id": one.id,
        "status": one.status,
        "reason": one.reason.map(|reason| reason.code()),
        "request": one.request,
        "route": one.route,
        "upstream": one.upstream,
        "endpoint": one.endpoint,
        "upstream_status": (one.upstream_status != 0).then_some(one.upstream_status),
        "attempts": one.attempts,
        "total_ms": millis(one.total),
        "connect_ms": one.connect.map(millis),
        "first_byte_ms": one.first_byte.map(millis),
        "means": means,
    })
}
