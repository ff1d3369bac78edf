//! `GET /v1/openapi.json`: the document that describes this API. A file, served as it stands; a test compares it with the
//! router, path by path and method by method.

use axum::http::header;
use axum::response::IntoResponse;

/// The document.
pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}

const DOCUMENT: &str = include_str!("openapi.json");

#[cfg(test)]
mod tests {
    use super::DOCUMENT;
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// What the page of the dashboard is made of, which is no API.
    const PAGE: &[&str] = &["/", "/dashboard.js", "/dashboard.css", "/dashboard.svg", "/v1/events", "/v1/picture"];

    #[test]
    fn it_says_what_the_router_does() {
        // axum doesn't list its routes; the source of the router does, one call to `route` each.
        let source = include_str!("../admin.rs");
        let mut routed = BTreeSet::new();
        for call in source.split(".route(\"").skip(1) {
            let (path, rest) = call.split_once('"').unwrap();
            let methods = rest.split(".route(").next().unwrap().split(".fallback(").next().unwrap();
            for method in ["get", "put", "post", "delete", "patch"] {
                let called = |lead: &str| methods.contains(&format!("{lead}{method}("));
                if (called(" ") || called(".")) && !PAGE.contains(&path) {
                    routed.insert((path.to_owned(), method.to_owned()));
                }
            }
        }
        assert!(routed.len() > 15, "the router is read wrongly: {routed:?}");
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut told = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                if method == "parameters" {
                    continue;
                }
                assert!(operation["summary"].is_string() && operation["operationId"].is_string(), "{method} {path}");
                assert!(operation["responses"].is_object(), "{method} {path}");
                told.insert((path.clone(), method.clone()));
            }
            let wanted = path.matches('{').count();
            let parameters = operations["parameters"].as_array().map_or(0, Vec::len);
            assert_eq!(parameters, wanted, "the parameters of {path}");
        }
        assert_eq!(told, routed);
    }

    #[test]
    fn references_lead_somewhere() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        for part in DOCUMENT.split("\"$ref\"").skip(1) {
            let reference = part.split('"').nth(1).unwrap();
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }
}
