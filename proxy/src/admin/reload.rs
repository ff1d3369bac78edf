//! `POST /v1/reload`: reads the configuration again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::Plane;
use super::answer::{Refusal, stopping};
use crate::control::{Ask, Reloaded};

/// Asks the control thread, and waits for what comes of it.
pub(super) async fn reload(State(plane): State<Arc<Plane>>) -> Result<Json<Value>, Refusal> {
    let (sender, result) = oneshot::channel();
    plane.asks.send(Ask::Reload(sender)).await.map_err(|_| stopping())?;
    let (outcome, lines) = match result.await.map_err(|_| stopping())? {
        Reloaded::Changed(diff, mut lines) => {
            lines.extend(diff.to_string().lines().map(str::to_owned));
            ("reloaded", lines)
        }
        Reloaded::Same(lines) => ("nothing has changed", lines),
        Reloaded::Refused(errors) => {
            let words = "refused: the old configuration stays in force";
            return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "refused", words).with("lines", json!(errors)));
        }
    };
    Ok(Json(json!({ "outcome": outcome, "lines": lines })))
}
