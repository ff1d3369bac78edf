//! `POST /v1/cache/purge`: throws away what is kept, by URL, prefix or tag. `GET /v1/cache`: how much is kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Plane;
use super::answer::Refusal;
use crate::cache::purge::Purge;

/// What is asked: one of these.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// A whole URL, as clients ask for it.
    url: Option<String>,
    /// The beginning of URLs.
    prefix: Option<String>,
    /// A tag that origins gave by `Surrogate-Key` or `Cache-Tag`.
    tag: Option<String>,
    /// Everything.
    #[serde(default)]
    all: bool,
}

/// Throws away what is meant.
pub(super) async fn purge(
    State(plane): State<Arc<Plane>>,
    Json(Asked { url, prefix, tag, all }): Json<Asked>,
) -> Result<Json<Value>, Refusal> {
    let refuse = |words: &str| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", words);
    let what = match (url, prefix, tag, all) {
        (Some(url), None, None, false) => Purge::Url(url),
        (None, Some(prefix), None, false) => Purge::Prefix(prefix),
        (None, None, Some(tag), false) if !tag.is_empty() => Purge::Tag(tag),
        (None, None, None, true) => Purge::All,
        _ => return Err(refuse("say one of url, prefix, tag, or \"all\": true")),
    };
    if let Purge::Url(text) | Purge::Prefix(text) = &what
        && !["http", "https"]
            .iter()
            .any(|known| text.split("://").next().is_some_and(|it| it.eq_ignore_ascii_case(known)))
    {
        return Err(refuse("write it with its scheme, as clients ask for it: https://example.com/page"));
    }
    let store = Arc::clone(&plane.process.generation.load().cache);
    // It may look at every key: not on the thread that answers.
    let purged = tokio::task::spawn_blocking(move || store.purge(&what)).await.unwrap_or(0);
    tracing::info!(purged, "purged from the cache");
    Ok(Json(json!({ "purged": purged })))
}

/// Tells how much is kept.
pub(super) async fn show(State(plane): State<Arc<Plane>>) -> Json<Value> {
    let store = Arc::clone(&plane.process.generation.load().cache);
    let (urls, bytes) = store.size();
    Json(json!({ "urls": urls, "bytes": bytes, "memory": store.settings().memory, "disk_bytes": store.on_disk() }))
}
