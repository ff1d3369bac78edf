//! `/v1/routes`: the routes that are registered, and those of the file.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use switchboard_core::config::{Action, Route, RouteKey};
use tokio::sync::oneshot;

use super::Plane;
use super::answer::{Refusal, stopping};
use super::registry::{Change, Registry, What};
use super::server::Via;
use crate::control::Ask;
use crate::control::routes::Asked;
use crate::generation::Generation;

/// What may stand behind the question mark of a change.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    #[serde(default)]
    pub(super) dry_run: bool,
    pub(super) durability: Option<Durability>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Durability {
    /// Written, and with the disk within some milliseconds.
    Written,
    /// With the disk.
    Sync,
}

/// Which routes are asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    owner: Option<String>,
    source: Option<String>,
    prefix: Option<String>,
}

pub(super) type HowQuery = Result<Query<How>, axum::extract::rejection::QueryRejection>;

/// `PUT /v1/routes/{key}`
pub(super) async fn put(
    State(plane): State<Arc<Plane>>,
    Path(key): Path<String>,
    how: HowQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    change(&plane, key, What::Put(body.to_vec()), how, &headers).await
}

/// `DELETE /v1/routes/{key}`
pub(super) async fn remove(
    State(plane): State<Arc<Plane>>,
    Path(key): Path<String>,
    how: HowQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    change(&plane, key, What::Remove, how, &headers).await
}

/// `POST /v1/routes/{key}/renew`
pub(super) async fn renew(
    State(plane): State<Arc<Plane>>,
    Path(key): Path<String>,
    how: HowQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    change(&plane, key, What::Renew, how, &headers).await
}

async fn change(
    plane: &Plane,
    key: String,
    what: What,
    how: HowQuery,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    let Query(how) = how.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "bad_query", error.body_text()))?;
    let word = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
    let change = Change {
        key,
        what,
        only_if: word(header::IF_MATCH),
        only_if_none: word(header::IF_NONE_MATCH).is_some_and(|value| value.trim() == "*"),
        dry_run: how.dry_run,
    };
    let (reply, result) = oneshot::channel();
    let asked = Asked { change, sync: how.durability == Some(Durability::Sync), reply };
    plane.asks.send(Ask::Change(Box::new(asked))).await.map_err(|_| stopping())?;
    let outcome = result.await.map_err(|_| stopping())??;
    let mut response = (outcome.status, Json(outcome.body)).into_response();
    if let Some(etag) = outcome.etag.and_then(|etag| HeaderValue::from_str(&etag).ok()) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

/// `GET /v1/routes`
pub(super) async fn list(
    State(plane): State<Arc<Plane>>,
    Extension(via): Extension<Via>,
    filter: Result<Query<Filter>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let Query(filter) =
        filter.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "bad_query", error.body_text()))?;
    let routes = look(&plane, move |registry, generation| all(registry, generation, &filter, via.is_tcp())).await?;
    Ok(Json(json!({ "routes": routes })))
}

/// `GET /v1/routes/{key}`
pub(super) async fn show(
    State(plane): State<Arc<Plane>>,
    Extension(via): Extension<Via>,
    Path(key): Path<String>,
) -> Result<Response, Refusal> {
    let key =
        RouteKey::parse(&key).map_err(|words| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", words))?;
    let name = key.to_string();
    let found = look(&plane, move |registry, generation| {
        let now = Instant::now();
        match (registry.entry(&key), generation.config.routes.get(&key)) {
            (Some(entry), _) => Some((entry.shown(&key, now, via.is_tcp()), Some(entry.etag()))),
            (None, Some(route)) => Some((of_file(&key, route), None)),
            (None, None) => None,
        }
    });
    let Some((body, etag)) = found.await? else {
        return Err(Refusal::new(StatusCode::NOT_FOUND, "no_such_route", format!("there is no route {name}")));
    };
    let mut response = Json(body).into_response();
    if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(&etag).ok()) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}

fn all(registry: &Registry, generation: &Generation, filter: &Filter, masked: bool) -> Vec<Value> {
    let now = Instant::now();
    let source = |name: &str| filter.source.as_ref().is_none_or(|wanted| wanted == name);
    let prefix = |key: &str| filter.prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix.as_str()));
    let file = generation.config.routes.iter().filter(|_| source("file") && filter.owner.is_none());
    let file = file.filter(|(key, _)| prefix(&key.to_string())).map(|(key, route)| of_file(key, route));
    let registered = registry.entries().filter(|(key, entry)| {
        let owned = filter.owner.as_ref().is_none_or(|owner| entry.owner.as_ref() == Some(owner));
        source("registry") && owned && prefix(&key.to_string())
    });
    file.chain(registered.map(|(key, entry)| entry.shown(key, now, masked))).collect()
}

/// A route of the file, in short: what each rule does.
fn of_file(key: &RouteKey, route: &Route) -> Value {
    let rule = |rule: &switchboard_core::config::Rule| {
        let mut shown = match &rule.action {
            Action::Proxy(name) => json!({ "to": name }),
            Action::Files { site, then } => json!({ "files": site.dir, "to": then }),
            Action::Redirect { status, .. } => json!({ "redirect": status }),
            Action::Respond { status, .. } => json!({ "respond": status }),
            Action::Builtin(what) => json!({ "builtin": what.code() }),
        };
        if let (Value::Object(map), true) = (&mut shown, rule.when.is_some()) {
            map.insert("when".to_owned(), json!(true));
        }
        shown
    };
    let rules: Vec<Value> = route.rules.iter().map(rule).collect();
    json!({ "key": key.to_string(), "source": "file", "state": "in_force", "rules": rules })
}

/// Lets `look` see registered routes and what is in force.
pub(super) async fn look<T: Send + 'static>(
    plane: &Plane,
    look: impl FnOnce(&Registry, &Generation) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let (reply, result) = oneshot::channel();
    let look =
        Box::new(move |registry: &Registry, generation: &Generation| drop(reply.send(look(registry, generation))));
    plane.asks.send(Ask::Look(look)).await.map_err(|_| stopping())?;
    result.await.map_err(|_| stopping())
}
