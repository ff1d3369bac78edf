//! A route that is not in the file, read as if it stood there: the same walk, the same errors, with their places.
//!
//! A [`Scope`] is what the routes of a file stand in (defaults, names of upstreams, listeners, lists, policies). The proxy
//! keeps it, and reads the body of each registered route in it; such a body may name nothing outside: no file, no variable.

use super::load::NoSource;
use super::raw::{Context, Walk};
use super::report::Report;
use super::text::{Entry, Map, Node, Value, unique};
use super::value::amount;
use super::{Action, ConfigError, ErrorKind, Route, RouteKey, Upstream, Warning};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The longest name of an owner.
const MOST_OWNER: usize = 200;

/// What the routes of a configuration stand in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scope(pub(super) Context);

/// A route that was read in a scope.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Its key, normalised.
    pub key: RouteKey,
    /// Its rules.
    pub route: Route,
    /// Upstreams that it gives by address.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Whose it is.
    pub owner: Option<String>,
    /// How long it lives without being renewed; `None` is for ever.
    pub ttl: Option<Duration>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Warning>,
}

impl Scope {
    /// Reads the body of a registered route: what may stand under a key of `routes:`, as JSON, with `owner` and `ttl`
    /// beside it. A list of rules stands under `rules`.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place in the body.
    pub fn read(&self, key: &str, body: &[u8]) -> Result<Registered, Vec<ConfigError>> {
        let mut report = Report::default();
        let read = self.read_into(&mut report, key, body);
        let (errors, warnings) = report.finish();
        match read {
            Some(read) if errors.is_empty() => Ok(Registered { warnings, ..read }),
            Some(_) | None => Err(errors),
        }
    }

    fn read_into(&self, report: &mut Report, key: &str, body: &[u8]) -> Option<Registered> {
        let text = String::from_utf8_lossy(body).into_owned();
        let file = report.file(Path::new("body"), text);
        if let Err(error) = std::str::from_utf8(body) {
            let at = report.mark(file, error.valid_up_to());
            report.error(at, ErrorKind::NotUtf8);
            return None;
        }
        let mut node = match super::json::parse(report.text(file), file) {
            Ok(node) => node,
            Err((at, kind)) => {
                report.error(at, kind);
                return None;
            }
        };
        once(report, &mut node);
        let mut source = NoSource;
        let mut walk = Walk::within(&self.0, report, &mut source);
        let (owner, ttl) = lease(&mut walk, &mut node);
        let entry = Entry { key: key.to_owned(), key_at: node.at, value: node };
        let at = entry.key_at;
        let (key, route, upstreams) = walk.registered(&self.0, entry)?;
        if route.rules.iter().any(|rule| matches!(rule.action, Action::Files { .. })) {
            let mend = "names a directory of this machine, which a registered route may not; write it into the file";
            report.error(at, ErrorKind::Misplaced { key: "files".to_owned(), mend });
        }
        Some(Registered { key, route, upstreams, owner, ttl, warnings: Vec::new() })
    }
}

/// Reports keys that stand twice, at any depth; it is bounded by the reader of JSON.
fn once(report: &mut Report, node: &mut Node) {
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::List(items) => items.iter_mut().for_each(|item| once(report, item)),
        Value::Map(map) => {
            let mut twice = Vec::new();
            unique(map, &mut twice);
            for one in twice {
                let first = report.place(one.first);
                report.error(one.at, ErrorKind::DuplicateKey { key: one.key, first });
            }
            map.entries.iter_mut().for_each(|entry| once(report, &mut entry.value));
        }
    }
}

/// Takes what is not the route's own out of the body.
fn lease(walk: &mut Walk<'_>, node: &mut Node) -> (Option<String>, Option<Duration>) {
    let Value::Map(map) = &mut node.value else { return (None, None) };
    let owner = take(map, "owner").and_then(|entry| {
        walk.value(&entry.value, "an owner", |text| match text.chars().count() <= MOST_OWNER {
            true => Ok(text.to_owned()),
            false => super::value::fault("an owner", format!("write at most {MOST_OWNER} characters")),
        })
    });
    let ttl = take(map, "ttl").and_then(|entry| {
        walk.value(&entry.value, "a time to live", |text| match text {
            "off" | "false" => Ok(None),
            "0" | "0s" => super::value::fault("a time to live", "a route that lives for ever says `off`"),
            _ => amount::duration(text).map(Some),
        })
    });
    if let Some(rules) = take(map, "rules") {
        if let Some(other) = map.entries.first() {
            let mend = "stands in one of the `rules`, or without them";
            walk.report.error(other.key_at, ErrorKind::Misplaced { key: other.key.clone(), mend });
        }
        *node = rules.value;
    }
    (owner, ttl.flatten())
}

fn take(map: &mut Map, key: &str) -> Option<Entry> {
    let at = map.entries.iter().position(|entry| entry.key == key)?;
    Some(map.entries.remove(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_bytes;

    fn scope(text: &str) -> Scope {
        load_bytes(Path::new("switchboard.yaml"), text.as_bytes(), &mut NoSource).scope
    }

    #[test]
    fn a_body_is_read_as_if_it_stood_in_the_file() {
        let text = "defaults: { max_body: 1MB }\nupstreams: { api: :9 }\nroutes: {}\n";
        let body = br#"{"to": "api", "strip_prefix": true, "owner": "ann", "ttl": "30s"}"#;
        let read = scope(text).read("T.test/x", body).unwrap();
        let whole =
            crate::config::Config::from_text(&text.replace("{}", "{ t.test/x: { to: api, strip_prefix: true } }"))
                .unwrap();
        assert_eq!(whole.routes[&read.key], read.route);
        assert_eq!((read.owner.as_deref(), read.ttl), (Some("ann"), Some(Duration::from_secs(30))));
        assert!(read.upstreams.is_empty(), "what the file names it does not bring");
        for body in [r#"":3001""#, r#"[":3001"]"#, r#"{"to":":3001"}"#, r#"{"rules":[{"to":":3001"}],"ttl":"off"}"#] {
            let read = scope("").read("t.test", body.as_bytes()).unwrap();
            assert_eq!((read.route.rules.len(), read.upstreams.len(), read.ttl), (1, 1, None), "{body}");
        }
    }

    #[test]
    fn errors_have_their_place_and_name_the_mend() {
        for (key, body, expect) in [
            ("t.test", "{\n  \"tu\": \":1\"}", "body:2:3: `tu` is not a key of a rule; did you mean `to`?"),
            ("t.test", r#"{"to": "nobody"}"#, "body:1:8: there is no upstream `nobody`"),
            ("t.test", r#"{"to": ":1", "to": ":2"}"#, "body:1:14: `to` stands here a second time, first at body:1:2"),
            ("t.test", r#"{"to": ":1", "ttl": "soon"}"#, "body:1:21: `soon` is not"),
            ("t.test", r#"{"rules": [{"to": ":2"}], "to": ":1"}"#, "body:1:27: `to` stands in one of the `rules`"),
            ("t.test", r#"{"respond": "${HOME}"}"#, "body:1:13: "),
            ("t.test", r#"{"respond": "${file:/etc/passwd}"}"#, "body:1:13: "),
            ("/x", r#"":1""#, "body:1:1: `/x` is not the key of a route: the host is missing"),
            ("t.test", "{", "body:1:2: "),
        ] {
            let errors = scope("").read(key, body.as_bytes()).expect_err(body);
            assert!(errors[0].to_string().starts_with(expect), "{body}: {}", errors[0]);
        }
    }
}
