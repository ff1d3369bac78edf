//! `POST /v1/drains`: ends the streams of a route or an endpoint, one after the other. `GET /v1/drains/{id}`: how far it is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use switchboard_core::websocket::frame::is_sendable;

use super::Plane;
use super::answer::{Refusal, stopping};
use crate::process::Command;
use crate::streams::Which;
use crate::streams::draining::{Draining, KEPT};

/// The longest time over which ends may be spread.
const LONGEST: Duration = Duration::from_hours(24);

/// Those that were asked for.
#[derive(Debug, Default)]
pub(super) struct Drains(Mutex<(u64, BTreeMap<u64, Arc<Draining>>)>);

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// A route's key, an endpoint's address as written, or an upstream's name.
    name: String,
    /// Milliseconds; what `drain.spread` says where it is left out.
    spread_ms: Option<u64>,
    /// What `drain.code` says where it is left out.
    code: Option<u16>,
}

/// Tells all workers, and waits until each has looked whose streams are meant.
pub(super) async fn begin(
    State(plane): State<Arc<Plane>>,
    Json(Asked { name, spread_ms, code }): Json<Asked>,
) -> Result<Json<Value>, Refusal> {
    let bounds = plane.process.generation.load().snapshot.drain;
    let spread = spread_ms.map_or(bounds.spread, Duration::from_millis);
    let code = code.unwrap_or(bounds.code);
    if spread > LONGEST || !is_sendable(code) {
        let words = "spread_ms is a day at most; code is one that a Close may have, such as 1012 or 3000 to 4999";
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", words));
    }
    let draining = Draining::new(Which::Named(name.as_str().into()), spread, code);
    for worker in &plane.process.workers {
        worker.inbox.send(Command::DrainStreams(Arc::clone(&draining))).map_err(|_| stopping())?;
    }
    let workers = plane.process.workers.len() as u64;
    while draining.workers() < workers {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (matched, _) = draining.counts();
    if matched == 0 && !plane.knows(&name) {
        let words = format!("`{name}` is no route, endpoint or upstream, as the configuration writes them");
        return Err(Refusal::new(StatusCode::NOT_FOUND, "unknown", words));
    }
    tracing::info!(name, matched, ?spread, code, "draining streams");
    let shown = shown(&draining);
    let id = plane.drains.keep(draining);
    Ok(Json(json!({ "id": id, "drain": shown })))
}

/// Tells how far one is.
pub(super) async fn look(State(plane): State<Arc<Plane>>, Path(id): Path<u64>) -> Result<Json<Value>, Refusal> {
    match plane.drains.find(id) {
        Some(draining) => Ok(Json(json!({ "id": id, "drain": shown(&draining) }))),
        None => Err(Refusal::new(StatusCode::NOT_FOUND, "unknown", "there is no drain with this number any more")),
    }
}

fn shown(draining: &Draining) -> Value {
    let (matched, left) = draining.counts();
    json!({ "matched": matched, "left": left, "code": draining.code })
}

impl Plane {
    /// Whether a name stands for something that may have streams.
    fn knows(&self, name: &str) -> bool {
        let generation = self.process.generation.load();
        generation.rules.iter().any(|rule| &*rule.route == name)
            || generation.endpoints.iter().any(|one| &*one.name == name || &*one.upstream == name)
    }
}

impl Drains {
    fn keep(&self, draining: Arc<Draining>) -> u64 {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, drains) = &mut *kept;
        *last += 1;
        drains.insert(*last, draining);
        if drains.len() > KEPT {
            drains.pop_first();
        }
        *last
    }

    fn find(&self, id: u64) -> Option<Arc<Draining>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.get(&id).cloned()
    }
}
