//! Bodies and answers of the routes API, as the command line writes and shows them.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};
use switchboard_core::config::duration_text;

use super::Answer;
use crate::admin::registry::mask;
use crate::cli::table::table;

/// What a proxy answered.
#[derive(Clone, Debug)]
pub struct Json(Value);

impl Json {
    /// The body of an answer.
    pub fn of(answer: &Answer) -> Self {
        Self(answer.json())
    }

    /// The body of a registration: `target` is an address, a name, or a rule as JSON.
    ///
    /// # Errors
    /// In words, where it looks like JSON and is none.
    pub fn route(target: &str, owner: Option<&str>, ttl: Option<&str>) -> Result<String, String> {
        let mut body = match target.trim_start().chars().next() {
            Some('{' | '[') => {
                match serde_json::from_str(target).map_err(|error| format!("the rule is no JSON: {error}"))? {
                    Value::Object(map) => map,
                    rules => Map::from_iter([("rules".to_owned(), rules)]),
                }
            }
            Some(_) | None => Map::from_iter([("to".to_owned(), json!(target))]),
        };
        for (name, value) in [("owner", owner), ("ttl", ttl)] {
            if let Some(value) = value {
                body.insert(name.to_owned(), json!(value));
            }
        }
        Ok(Value::Object(body).to_string())
    }

    /// As it is, for people.
    pub fn pretty(&self) -> String {
        pretty(&self.0)
    }

    /// An explanation: the exit code, and the text.
    pub fn told(&self) -> (u8, String) {
        let code = self.0["code"].as_u64().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        (code, self.0["text"].as_str().unwrap_or_default().to_owned())
    }

    /// An exchange of the past, for people.
    pub fn exchange(&self) -> String {
        let word = |name: &str| match &self.0[name] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut text = format!("{}\n  {} at {}\n", word("request"), word("id"), word("time"));
        let mut line = |name: &str, value: String| {
            if !value.is_empty() {
                let _ = writeln!(text, "  {name:<11} {value}");
            }
        };
        line("answered", format!("{} after {} ms", word("status"), word("total_ms")));
        line("reason", word("reason"));
        line("route", word("route"));
        line("upstream", word("upstream"));
        line(
            "endpoint",
            match word("upstream_status") {
                status if status.is_empty() => word("endpoint"),
                status => format!("{}, which gave {status}", word("endpoint")),
            },
        );
        line("attempts", Some(word("attempts")).filter(|count| count != "0").unwrap_or_default());
        let millis = |name| Some(word(name)).filter(|time| !time.is_empty()).map(|time| format!("{time} ms"));
        line("connect", millis("connect_ms").unwrap_or_default());
        line("first byte", millis("first_byte_ms").unwrap_or_default());
        line("means", word("means"));
        text
    }

    /// A list of routes with headings.
    pub fn table_of_routes(&self) -> String {
        let rows: Vec<Vec<String>> = self.routes().map(|route| cells(route).to_vec()).collect();
        table(&["key", "source", "state", "owner", "lease", "target"], &rows)
    }

    /// The line of one route.
    pub fn line_of_route(&self) -> String {
        line(&self.0) + "\n"
    }

    /// What registered routes add to those of the file, and what they stand before or behind.
    pub fn difference(&self) -> String {
        let of_file = |key: &Value| self.routes().any(|other| other["source"] == "file" && other["key"] == *key);
        let mut text = String::new();
        for route in self.routes().filter(|route| route["source"] == "registry") {
            let sign = match (route["state"].as_str(), of_file(&route["key"])) {
                (Some("in_force"), false) => "+",
                (Some("in_force"), true) => "~",
                _ => "!",
            };
            let _ = writeln!(text, "{sign} {}", line(route));
        }
        text
    }

    /// The registered routes as a configuration: JSON is YAML.
    pub fn export(&self) -> String {
        let mut text = "routes:\n".to_owned();
        for route in self.routes() {
            let _ = writeln!(text, "  {}: {}", route["key"], route["route"]);
        }
        if self.routes().next().is_none() { "routes: {}\n".to_owned() } else { text }
    }

    fn routes(&self) -> impl Iterator<Item = &Value> {
        self.0["routes"].as_array().into_iter().flatten()
    }
}

/// `key  source  state  owner  lease  target`
fn line(route: &Value) -> String {
    let [key, source, state, owner, lease, target] =
        cells(route).map(|cell| if cell.is_empty() { "-".to_owned() } else { cell });
    let lease = if lease == "-" { lease } else { lease + " left" };
    let dry = if route["dry_run"] == true { "  (dry run: nothing has changed)" } else { "" };
    format!("{key}  {source}  {state}  {owner}  {lease}  {target}{dry}")
}

/// A route's cells; empty where there is nothing to say.
fn cells(route: &Value) -> [String; 6] {
    let word = |name: &str| word_of(&route[name]);
    let left = route["ends_in_seconds"].as_f64().and_then(|left| Duration::try_from_secs_f64(left.round()).ok());
    let said = match (&route["route"], route["rules"].as_array().map(Vec::as_slice)) {
        (Value::Null, Some([only])) => only,
        (Value::Null, _) => &route["rules"],
        (route, _) => route,
    };
    let target = match said {
        Value::Object(map) if map.len() == 1 && map.get("to").is_some_and(Value::is_string) => word_of(&said["to"]),
        _ => {
            // One line among others, on whoever's screen: `show` and `export` have it whole.
            let mut said = said.clone();
            mask(&mut said);
            said.to_string()
        }
    };
    let lease = left.map(duration_text).unwrap_or_default();
    [word("key"), word("source"), word("state"), word("owner"), lease, target]
}

/// JSON for people, and for programs as well.
pub fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn word_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
