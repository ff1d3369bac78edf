//! `GET /v1/upstreams`: every endpoint as it stands: state, why, what the last probe was answered; and the changes that an
//! operator makes at run time.

use std::sync::Arc;

use axum::Json;
use axum::extract::{self, Path};
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use switchboard_core::health::active::Probed;

use tokio::sync::oneshot;

use super::Plane;
use super::answer::{Refusal, stopping};
use crate::control::health::Wanted;
use crate::control::health::view::View;
use crate::control::{Ask, Member, NoChange};
use crate::process::Process;

/// All endpoints.
pub(super) async fn list(extract::State(plane): extract::State<Arc<Plane>>) -> Json<Value> {
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
        "weight": view.weight,
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

/// What an endpoint may be told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    state: Option<State>,
    /// Present and null takes a change back.
    #[serde(default, deserialize_with = "present")]
    weight: Option<Option<u32>>,
}

/// The states that an operator sets.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ready,
    Drain,
    Maint,
}

/// Tells apart what is null and what is not there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The largest weight, as in the configuration.
const HEAVIEST: u32 = 65_536;

/// `POST /v1/upstreams/{upstream}/endpoints/{endpoint}`: changes state and weight at run time.
pub(super) async fn change(
    extract::State(plane): extract::State<Arc<Plane>>,
    Path((upstream, endpoint)): Path<(String, String)>,
    Json(change): Json<Change>,
) -> Result<Json<Value>, Refusal> {
    let wrong = |code, words: String| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, code, words);
    if change.weight.flatten().is_some_and(|weight| weight == 0 || weight > HEAVIEST) {
        return Err(wrong("weight", format!("a weight lies between 1 and {HEAVIEST}; to give it nothing set `state`")));
    }
    let state = change.state.map(|state| match state {
        State::Ready => Wanted::Ready,
        State::Drain => Wanted::Drain,
        State::Maint => Wanted::Maint,
    });
    let known = plane.process.health.set(&upstream, &endpoint, state);
    let missing = || Refusal::new(StatusCode::NOT_FOUND, "not_found", format!("no endpoint {endpoint} in {upstream}"));
    if !known {
        return Err(missing());
    }
    if let Some(weight) = change.weight {
        let (sender, result) = oneshot::channel();
        let ask = Ask::Weight { upstream: upstream.clone(), endpoint: endpoint.clone(), weight, reply: sender };
        plane.asks.send(ask).await.map_err(|_| stopping())?;
        result.await.map_err(|_| stopping())?.map_err(|words| wrong("weight", words))?;
    }
    let views = plane.process.health.view();
    let found = views.iter().find(|view| view.upstream == upstream && view.endpoint == endpoint);
    found.map(|view| Json(shown(view))).ok_or_else(missing)
}

/// An endpoint that is added.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Added {
    address: String,
    #[serde(default = "one")]
    weight: u32,
}

const fn one() -> u32 {
    1
}

/// `POST /v1/upstreams/{upstream}/endpoints`: adds an endpoint to a named upstream, until the process ends.
pub(super) async fn add(
    extract::State(plane): extract::State<Arc<Plane>>,
    Path(upstream): Path<String>,
    Json(added): Json<Added>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    if added.weight == 0 || added.weight > HEAVIEST {
        let words = format!("a weight lies between 1 and {HEAVIEST}");
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "weight", words));
    }
    member(&plane, &upstream, &added.address, Member::Added(added.weight)).await?;
    let shown = find(&plane, &upstream, &added.address);
    let shown = shown.unwrap_or_else(|| json!({ "upstream": upstream, "endpoint": added.address }));
    Ok((StatusCode::CREATED, Json(shown)))
}

/// `DELETE /v1/upstreams/{upstream}/endpoints/{endpoint}`: takes an endpoint out of a named upstream, until the process
/// ends. What it serves goes on as `on_remove` says.
pub(super) async fn remove(
    extract::State(plane): extract::State<Arc<Plane>>,
    Path((upstream, endpoint)): Path<(String, String)>,
) -> Result<Json<Value>, Refusal> {
    let shown = find(&plane, &upstream, &endpoint);
    member(&plane, &upstream, &endpoint, Member::Removed).await?;
    Ok(Json(shown.unwrap_or(Value::Null)))
}

fn find(plane: &Plane, upstream: &str, endpoint: &str) -> Option<Value> {
    let views = plane.process.health.view();
    views.iter().find(|view| view.upstream == upstream && view.endpoint == endpoint).map(shown)
}

async fn member(plane: &Plane, upstream: &str, endpoint: &str, member: Member) -> Result<(), Refusal> {
    let (reply, result) = oneshot::channel();
    let ask = Ask::Member { upstream: upstream.to_owned(), endpoint: endpoint.to_owned(), member, reply };
    plane.asks.send(ask).await.map_err(|_| stopping())?;
    result.await.map_err(|_| stopping())?.map_err(|why| match why {
        NoChange::Unknown(words) => Refusal::new(StatusCode::NOT_FOUND, "not_found", words),
        NoChange::Conflict(words) => Refusal::new(StatusCode::CONFLICT, "conflict", words),
        NoChange::Invalid(words) => Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", words),
    })
}
