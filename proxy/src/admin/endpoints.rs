//! `GET /v1/upstreams`: every endpoint as it stands: state, why, what the last probe was answered.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use switchboard_core::health::active::Probed;

use super::Plane;
use crate::control::health::view::View;
use crate::process::Process;

/// All endpoints.
pub(super) async fn list(State(plane): State<Arc<Plane>>) -> Json<Value> {
    Json(json!({ "endpoints": all(&plane.process) }))
}

/// All endpoints, in the order of the configuration.
pub(super) fn all(process: &Process) -> Vec<Value> {
    process.health.view().iter().map(shown).collect()
}

fn shown(view: &View) -> Value {
    let mut shown = json!({
        "upstream": view.upstream,
        "endpoint": view.endpoint,
        "state": view.state,
        "active": view.active,
        "places": view.places,
    });
    if let Some(probed) = view.probed {
        let state = match probed {
            Probed::Unproven => "unproven",
            Probed::Passing => "passing",
            Probed::Failing => "failing",
        };
        let last = view.last.as_ref();
        shown["probes"] = json!({
            "state": state,
            "last": last.map(|(seen, _)| &*seen.words),
            "passed": last.map(|(seen, _)| seen.passed),
            "seconds_ago": last.map(|(_, ago)| ago.as_secs()),
        });
    }
    if let Some(rest) = view.ejected_for {
        shown["ejected_for_seconds"] = rest.as_secs().into();
    }
    shown
}
