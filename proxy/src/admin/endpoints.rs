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
use super::registry::{Member, NoChange, Place, Wish};
use super::routes::{Durability, How, HowQuery, look};
use crate::control::Ask;
use crate::control::health::Wanted;
use crate::control::health::view::View;
use crate::control::members::Asked;
use crate::process::Process;

/// All endpoints.
pub(super) async fn list(extract::State(plane): extract::State<Arc<Plane>>) -> Result<Json<Value>, Refusal> {
    let process = Arc::clone(&plane.process);
    let (endpoints, removed) = look(&plane, move |registry, _| {
        let source = |view: &View| match registry.members().of(&(view.upstream.clone(), view.endpoint.clone())) {
            Some(Member::Added(_)) => "registry",
            Some(Member::Removed) | None => "file",
        };
        let with_source = |view: &View| {
            let mut shown = shown(view);
            shown["source"] = source(view).into();
            shown
        };
        let removed = registry.members().removed();
        let removed = removed.map(|(upstream, endpoint)| json!({ "upstream": upstream, "endpoint": endpoint }));
        (process.health.view().iter().map(with_source).collect::<Vec<_>>(), removed.collect::<Vec<_>>())
    })
    .await?;
    Ok(Json(json!({ "endpoints": endpoints, "removed": removed })))
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
    weight: Option<u32>,
}

/// `POST /v1/upstreams/{upstream}/endpoints`: adds an endpoint to a named upstream.
pub(super) async fn add(
    extract::State(plane): extract::State<Arc<Plane>>,
    Path(upstream): Path<String>,
    how: HowQuery,
    Json(added): Json<Added>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    if added.weight.is_some_and(|weight| weight == 0 || weight > HEAVIEST) {
        let words = format!("a weight lies between 1 and {HEAVIEST}");
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "weight", words));
    }
    let (at, how) = ((upstream, added.address), how_asked(how)?);
    member(&plane, &at, Wish::Add(added.weight), &how).await?;
    let shown = find(&plane, &at).unwrap_or_else(|| json!({ "upstream": at.0, "endpoint": at.1 }));
    Ok((if how.dry_run { StatusCode::OK } else { StatusCode::CREATED }, Json(marked(shown, &how))))
}

/// `DELETE /v1/upstreams/{upstream}/endpoints/{endpoint}`: takes an endpoint out of a named upstream. What it serves goes
/// on as `on_remove` says.
pub(super) async fn remove(
    extract::State(plane): extract::State<Arc<Plane>>,
    Path(at): Path<Place>,
    how: HowQuery,
) -> Result<Json<Value>, Refusal> {
    let (shown, how) = (find(&plane, &at), how_asked(how)?);
    member(&plane, &at, Wish::Remove, &how).await?;
    Ok(Json(marked(shown.unwrap_or_else(|| json!({ "upstream": at.0, "endpoint": at.1 })), &how)))
}

fn how_asked(how: HowQuery) -> Result<How, Refusal> {
    how.map(|query| query.0).map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "bad_query", error.body_text()))
}

fn marked(mut shown: Value, how: &How) -> Value {
    if how.dry_run {
        shown["dry_run"] = true.into();
    }
    shown
}

fn find(plane: &Plane, at: &Place) -> Option<Value> {
    let views = plane.process.health.view();
    views.iter().find(|view| view.upstream == at.0 && view.endpoint == at.1).map(shown)
}

async fn member(plane: &Plane, at: &Place, wish: Wish, how: &How) -> Result<(), Refusal> {
    let (reply, result) = oneshot::channel();
    let sync = how.durability == Some(Durability::Sync);
    let asked = Asked { at: at.clone(), wish, sync, dry_run: how.dry_run, reply };
    plane.asks.send(Ask::Member(asked)).await.map_err(|_| stopping())?;
    result.await.map_err(|_| stopping())?.map_err(|why| match why {
        NoChange::Unknown(words) => Refusal::new(StatusCode::NOT_FOUND, "not_found", words),
        NoChange::Conflict(words) => Refusal::new(StatusCode::CONFLICT, "conflict", words),
        NoChange::Invalid(words) => Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", words),
        NoChange::Unwritten(words) => {
            let words = format!("the change could not be written and is not in force: {words}");
            Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "not_written", words)
        }
    })
}
