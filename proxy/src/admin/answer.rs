//! The form of answers: JSON, and one form for everything that is refused.

use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Why something was refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    status: StatusCode,
    body: Value,
}

impl Refusal {
    /// A code for programs, a sentence for people that names the mend.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self { status, body: json!({ "error": { "code": code, "message": message } }) }
    }

    /// Adds what is known besides.
    #[must_use]
    pub fn with(mut self, key: &str, value: Value) -> Self {
        if let Some(Value::Object(error)) = self.body.get_mut("error") {
            error.insert(key.to_owned(), value);
        }
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, axum::Json(self.body)).into_response()
    }
}

/// Answers where the control thread is gone or going.
pub(super) fn stopping() -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the proxy is stopping; nothing is changed any more")
}

/// Answers a path that there isn't.
pub(super) async fn nothing_here(uri: Uri) -> Refusal {
    let words = format!("there is nothing at {}; docs/admin-api.md lists what there is", uri.path());
    Refusal::new(StatusCode::NOT_FOUND, "not_found", words)
}

/// Answers a method that a path doesn't know.
pub(super) async fn not_allowed() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path doesn't know this method")
}
