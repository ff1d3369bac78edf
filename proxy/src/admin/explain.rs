//! `GET /v1/explain`: `switchboard explain` for what is in force here and now: registered routes too, with the lease of the
//! route and how the endpoints stand.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use switchboard_core::config::RouteKey;
use switchboard_core::snapshot::Upstream;

use super::answer::Refusal;
use super::{Plane, routes};
use crate::cli::explain::{Question, Tls, Told, tell};
use crate::cli::paint::Paint;
use crate::generation::Generation;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    url: String,
    #[serde(default = "get")]
    method: String,
    #[serde(default = "this_machine")]
    client_ip: IpAddr,
    /// One a line.
    #[serde(default)]
    headers: String,
    listener: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

const fn this_machine() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

/// Explains a request.
pub(super) async fn explain(
    State(plane): State<Arc<Plane>>,
    asked: Result<Query<Asked>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let wrong = |words: String| Refusal::new(StatusCode::BAD_REQUEST, "bad_query", words);
    let Query(asked) = asked.map_err(|error| wrong(error.body_text()))?;
    let headers: Vec<&str> = asked.headers.lines().collect();
    let question =
        Question::read(&asked.url, &asked.method, &headers, asked.client_ip, asked.listener).map_err(wrong)?;
    let generation = plane.process.generation.load_full();
    let tls = Tls::in_force(&generation.tls, &plane.process.certs);
    let Told { code, mut text, rule, upstream, .. } =
        tell(&generation.config, &generation.snapshot, &tls, &question, Paint::NEVER);
    if code == 2 {
        return Err(wrong(text));
    }
    let key = rule.map(|id| generation.snapshot.rule(id).key.to_string());
    if let Some(key) = &key {
        let lease = lease(&plane, key).await?;
        let _ = writeln!(text, "\nNow:\n  {key} {lease}");
    }
    if rule.is_some_and(|id| generation.snapshot.rule(id).cache.is_some()) {
        let (urls, bytes) = generation.cache.size();
        let _ =
            writeln!(text, "  the cache keeps answers of {urls} URLs of all routes, in about {bytes} bytes of memory");
    }
    if let Some(upstream) = upstream {
        standing(&plane, &generation, generation.snapshot.upstream(upstream), &mut text);
    }
    Ok(Json(json!({ "code": code, "route": key, "text": text })))
}

/// Where a route comes from, and how long it stays.
async fn lease(plane: &Plane, key: &str) -> Result<String, Refusal> {
    let Ok(key) = RouteKey::parse(key) else { return Ok(String::new()) };
    routes::look(plane, move |registry, _| {
        let Some(entry) = registry.entry(&key) else { return "stands in the configuration file".to_owned() };
        let owner = entry.owner.as_ref().map_or_else(String::new, |owner| format!(" by {owner}"));
        match entry.ends.map(|ends| ends.saturating_duration_since(Instant::now())) {
            Some(left) => format!("is registered{owner}; its lease ends in {} s unless renewed", left.as_secs()),
            None => format!("is registered{owner}, until it is removed"),
        }
    })
    .await
}

/// How the endpoints of an upstream stand, and how much goes on there.
fn standing(plane: &Plane, generation: &Generation, upstream: &Upstream, text: &mut String) {
    let name = &*upstream.identity.0;
    for view in plane.process.health.view().iter().filter(|view| view.upstream == name) {
        let last = view.last.as_ref().map(|(seen, ago)| format!("; probed {} s ago: {}", ago.as_secs(), seen.words));
        let held = view.ejected_for.map(|rest| format!("; tried again in {} s", rest.as_secs()));
        let _ = writeln!(
            text,
            "  {} is {}; {} in flight{}{}",
            view.endpoint,
            view.state.join(", "),
            view.active,
            last.unwrap_or_default(),
            held.unwrap_or_default()
        );
    }
    let live = generation.endpoints.iter().find(|live| &*live.upstream == name);
    if let Some(live) = live {
        if let Some(most) = upstream.limits.connections {
            let _ = writeln!(text, "  {} of at most {most} requests are there at once", live.group.tally.active());
        }
        let (turns, held) = (live.group.queue.len(), live.group.held.len());
        let _ = writeln!(text, "  {turns} wait for a turn there, {held} for an endpoint to come up");
    }
}
