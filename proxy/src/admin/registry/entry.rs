//! One registered route: as it was sent, as it was read, and as it is shown.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use switchboard_core::config::{Config, ConfigError, Registered, RouteKey, Scope};

use crate::admin::answer::Refusal;

/// Names of fields whose values are nobody's business (case 184).
const SECRETS: &[&str] =
    &["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "password", "token", "secret"];

/// Names of what holds names and values: no one knows which of them are keys of somebody, so no value is shown.
const HOLDERS: &[&str] = &["request_headers", "response_headers", "headers", "cookies", "query", "claims"];

const MASK: &str = "•••";

const HIDDEN_ERRORS: &str =
    "what is wrong may quote what is hidden here; `switchboard route show KEY` says it over the proxy's socket";

/// A registered route.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// As it was sent.
    pub(crate) body: String,
    /// As it was read; nothing where it can't be read in the configuration that is in force.
    pub(crate) read: Option<Registered>,
    pub(crate) owner: Option<String>,
    pub(crate) ttl: Option<Duration>,
    /// When its lease ends.
    pub(crate) ends: Option<Instant>,
    pub(crate) state: State,
    version: u64,
}

/// Whether it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It does.
    InForce,
    /// The file has the route too, and goes before it.
    Hidden,
    /// What is in force has not what it names, or the like.
    Invalid(Vec<String>),
}

impl Entry {
    pub(super) fn new(body: String, read: Registered, version: u64, now: Instant) -> Self {
        let (owner, ttl) = (read.owner.clone(), read.ttl);
        Self { body, read: Some(read), owner, ttl, ends: ttl.map(|ttl| now + ttl), state: State::InForce, version }
    }

    /// An entry of the journal.
    pub(super) fn replayed(key: &RouteKey, body: String, version: u64, scope: &Scope, now: Instant) -> Self {
        let mut entry =
            Self { body, read: None, owner: None, ttl: None, ends: None, state: State::Invalid(Vec::new()), version };
        entry.read_in(key, scope);
        entry.ends = entry.ttl.map(|ttl| now + ttl);
        entry
    }

    /// Reads it again: what it stands in has changed.
    pub(super) fn read_in(&mut self, key: &RouteKey, scope: &Scope) {
        match scope.read(&key.to_string(), self.body.as_bytes()) {
            Ok(read) => {
                self.owner.clone_from(&read.owner);
                self.ttl = read.ttl;
                self.read = Some(read);
            }
            Err(errors) => {
                self.read = None;
                self.state = State::Invalid(errors.iter().map(ToString::to_string).collect());
            }
        }
    }

    pub(super) fn renewed(mut self, now: Instant) -> Self {
        self.ends = self.ttl.map(|ttl| now + ttl);
        self
    }

    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", self.version)
    }

    /// For people and programs. Secrets are shown to whoever could read the journal anyway.
    pub(crate) fn shown(&self, key: &RouteKey, now: Instant, masked: bool) -> Value {
        let mut route: Value = serde_json::from_str(&self.body).unwrap_or(Value::Null);
        if let Value::Object(map) = &mut route {
            map.remove("owner");
            map.remove("ttl");
            if map.len() == 1
                && let Some(rules) = map.remove("rules")
            {
                route = rules;
            }
        }
        let hides = masked && {
            let whole = route.clone();
            mask(&mut route);
            // A body that is no JSON has nothing that could be told apart.
            route != whole || whole.is_null()
        };
        let left = self.ends.map(|ends| ends.saturating_duration_since(now).as_secs_f64());
        let (state, errors) = match &self.state {
            State::InForce => ("in_force", None),
            State::Hidden => ("hidden", None),
            State::Invalid(errors) => ("invalid", Some(errors)),
        };
        let mut shown = json!({
            "key": key.to_string(),
            "source": "registry",
            "state": state,
            "owner": self.owner,
            "ttl_seconds": self.ttl.map(|ttl| ttl.as_secs_f64()),
            "ends_in_seconds": left,
            "etag": self.etag(),
            "route": route,
        });
        if let (Some(errors), Value::Object(map)) = (errors, &mut shown) {
            // Errors quote what they are about.
            let errors = if hides { json!([HIDDEN_ERRORS]) } else { json!(errors) };
            map.insert("errors".to_owned(), errors);
        }
        shown
    }
}

/// Hides what may be a secret: by the name that it stands under, by what holds it, and the user info of URLs.
pub(in crate::admin) fn mask(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, value) in map.iter_mut() {
                let name = name.to_ascii_lowercase();
                match value.is_object() {
                    true if HOLDERS.contains(&name.as_str()) => hide(value),
                    false if SECRETS.contains(&name.as_str()) => *value = json!(MASK),
                    true | false => mask(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::String(text) => {
            if let Some(cut) = without_user(text) {
                *text = cut;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Hides every value, and shows the names. Under `remove` stand names alone.
fn hide(value: &mut Value) {
    match value {
        Value::Object(map) => map.iter_mut().filter(|(name, _)| *name != "remove").for_each(|(_, value)| hide(value)),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::String(_) | Value::Number(_) => *value = json!(MASK),
        Value::Null | Value::Bool(_) => {}
    }
}

/// A URL without `user:password@`; `None` for what has none.
fn without_user(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (_, host) = authority.rsplit_once('@')?;
    Some(format!("{scheme}://{MASK}@{host}{path}"))
}

/// Says that a route is not registered, and where it stands instead.
pub(super) fn missing(key: &RouteKey, config: &Config) -> Refusal {
    if config.routes.contains_key(key) {
        let words =
            format!("{key} stands in the configuration file and is not registered; change it there, or take it out");
        return Refusal::new(StatusCode::CONFLICT, "clash", words);
    }
    Refusal::new(StatusCode::NOT_FOUND, "no_such_route", format!("no route {key} is registered"))
}

/// What is wrong with a body, each error with its place.
pub(super) fn invalid(errors: &[ConfigError]) -> Refusal {
    let place = |error: &ConfigError| json!({ "line": error.at.line, "column": error.at.column, "message": error.kind.to_string() });
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let words =
        format!("{} thing{} wrong with the route", errors.len(), if errors.len() == 1 { " is" } else { "s are" });
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", words)
        .with("errors", Value::Array(errors.iter().map(place).collect()))
        .with("lines", json!(lines))
}

/// Versions of routes that were removed are gone with a compaction, and must not be given again: an old `ETag` would mean
/// another route. A start begins above all that earlier ones can have reached, as no change takes less than a microsecond.
pub(super) fn first_version() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX >> 1))
}

/// An entry, or that there is none, as the journal has it.
pub(super) fn record(key: &RouteKey, entry: Option<&Entry>) -> Vec<u8> {
    let mut record = Map::from_iter([("key".to_owned(), json!(key.to_string()))]);
    if let Some(entry) = entry {
        record.insert("body".to_owned(), json!(entry.body));
        record.insert("version".to_owned(), json!(entry.version));
    }
    Value::Object(record).to_string().into_bytes()
}

/// What [`record`] wrote: the key, the body unless it was removed, the version.
pub(super) fn replayed(record: &[u8]) -> Option<(RouteKey, Option<String>, u64)> {
    let record: Value = serde_json::from_slice(record).ok()?;
    let key = RouteKey::parse(record["key"].as_str()?).ok()?;
    Some((key, record["body"].as_str().map(str::to_owned), record["version"].as_u64().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_184_values_that_may_be_secrets_are_masked() {
        let check = |body: &str, expect: &str| {
            let mut value: Value = serde_json::from_str(body).unwrap();
            mask(&mut value);
            assert_eq!(value.to_string(), serde_json::from_str::<Value>(expect).unwrap().to_string(), "{body}");
        };
        check(r#"{"to": ":9", "respond": "x", "status": 200}"#, r#"{"to": ":9", "respond": "x", "status": 200}"#);
        check(r#"{"password": "p", "Cookie": ["c"]}"#, r#"{"password": "•••", "Cookie": "•••"}"#);
        check(
            r#"{"request_headers": {"set": {"x-upstream-key": "S", "x-n": 1}, "add": {"a": ["S"]}, "remove": ["b"]}}"#,
            r#"{"request_headers": {"set": {"x-upstream-key": "•••", "x-n": "•••"}, "add": {"a": ["•••"]}, "remove": ["b"]}}"#,
        );
        check(
            r#"{"when": {"cookies": {"sid": "S"}, "headers": {"x-auth-token": {"regex": "S"}, "x": true}, "query": {"k": "S"}}}"#,
            r#"{"when": {"cookies": {"sid": "•••"}, "headers": {"x-auth-token": {"regex": "•••"}, "x": true}, "query": {"k": "•••"}}}"#,
        );
        check(r#"{"cors": {"headers": ["x-a"]}}"#, r#"{"cors": {"headers": ["x-a"]}}"#);
        for (url, expect) in [
            ("redis://:S@127.0.0.1:6379/1", "redis://•••@127.0.0.1:6379/1"),
            ("http://u:p@ss@h/x@y", "http://•••@h/x@y"),
            ("http://h/x@y", "http://h/x@y"),
            ("a@b", "a@b"),
        ] {
            check(&json!([{ "store": url }]).to_string(), &json!([{ "store": expect }]).to_string());
        }
    }

    #[test]
    fn case_184_errors_quote_nothing_that_is_hidden() {
        let shown = |body: &str, masked| {
            let key = RouteKey::parse("a.test").unwrap();
            let now = Instant::now();
            Entry::replayed(&key, body.to_owned(), 1, &Scope::default(), now).shown(&key, now, masked)["errors"].clone()
        };
        let (plain, keyed) = (r#"{"to": "gone"}"#, r#"{"to": "gone", "request_headers": {"set": {"x-key": 7}}}"#);
        for (body, masked, hides) in [(plain, true, false), (keyed, false, false), (keyed, true, true)] {
            let errors = shown(body, masked).to_string();
            assert_eq!(errors.contains("there is no upstream `gone`"), !hides, "{body} {masked}: {errors}");
            assert_eq!(errors.contains(HIDDEN_ERRORS), hides, "{body} {masked}: {errors}");
        }
        assert_eq!(shown("no JSON", true), json!([HIDDEN_ERRORS]));
    }
}
