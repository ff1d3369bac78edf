//! `routes:` keys, their rules, and what can be said about all of them together.

use super::rule::Defaults;
use super::{Walk, acme, rule};
use crate::config::text::{Entry, Mark, Node, Value};
use crate::config::value::host;
use crate::config::{ErrorKind, HostPattern, Listener, Route, RouteKey, Rule, WarningKind};
use std::collections::{BTreeMap, HashMap};

/// Reads `routes:`.
pub(super) fn routes(walk: &mut Walk<'_>, node: &Node, defaults: &Defaults) -> BTreeMap<RouteKey, Route> {
    let mut routes = BTreeMap::new();
    let Some(map) = walk.map(node, "routes by host and path, as in `example.com: 127.0.0.1:3000`") else {
        return routes;
    };
    let mut taken = Taken::default();
    for entry in &map.entries {
        let key = match host::key(&entry.key) {
            Ok(key) => key,
            Err(fault) => {
                // The rules below are still worth checking.
                let written = Node { at: entry.key_at, value: Value::Scalar(scalar(&entry.key)) };
                walk.fault(&written, &entry.key, fault);
                let key = RouteKey { host: HostPattern::Any, path: "/?".to_owned() };
                let _ = route(walk, entry, &key, defaults);
                continue;
            }
        };
        let first = taken.take(walk, &key, entry.key_at);
        acme::check_wildcard(walk, &key.host, entry.key_at);
        let (rules, also) = route(walk, entry, &key, defaults);
        for (host, place) in &also {
            acme::check_wildcard(walk, host, place.at);
            taken.take(walk, &RouteKey { host: host.clone(), path: key.path.clone() }, place.at);
        }
        if first && !rules.is_empty() {
            let also = also.into_iter().map(|(host, _)| host).collect();
            routes.insert(key, Route { rules, also });
        }
    }
    routes
}

pub(super) fn scalar(text: &str) -> crate::config::text::Scalar {
    crate::config::text::Scalar { text: text.to_owned(), plain: false }
}

/// Keys and further hosts that were seen, normalised, with their places.
#[derive(Default)]
struct Taken(HashMap<RouteKey, Mark>);

impl Taken {
    /// Takes a key; reports it and gives `false` where it is taken.
    fn take(&mut self, walk: &mut Walk<'_>, key: &RouteKey, at: Mark) -> bool {
        match self.0.get(key) {
            Some(first) => {
                let first = walk.report.place(*first);
                walk.report.error(at, ErrorKind::DuplicateRoute { route: key.to_string(), first });
                false
            }
            None => {
                self.0.insert(key.clone(), at);
                true
            }
        }
    }
}

type Also = Vec<(HostPattern, Node)>;

/// Reads what stands under a key: an address or name, a list of addresses, a rule, or a list of rules.
fn route(walk: &mut Walk<'_>, entry: &Entry, key: &RouteKey, defaults: &Defaults) -> (Vec<Rule>, Also) {
    let mut also = Vec::new();
    let node = &entry.value;
    let rules = match &node.value {
        _ if node.is_empty() => {
            walk.no_value(entry);
            Vec::new()
        }
        Value::Scalar(_) => rule::short(walk, node, defaults).into_iter().collect(),
        Value::Map(_) => rule::long(walk, node, key, defaults, &mut also).into_iter().collect(),
        Value::List(items) if items.is_empty() => {
            let words = "the list is empty; write addresses or rules, or leave the route out";
            walk.report.error(node.at, ErrorKind::Missing(words));
            Vec::new()
        }
        Value::List(items) => match items.iter().any(|item| matches!(item.value, Value::Map(_))) {
            false => rule::short(walk, node, defaults).into_iter().collect(),
            true => items.iter().filter_map(|item| rule::long(walk, item, key, defaults, &mut also)).collect(),
        },
    };
    match (&node.value, rules.is_empty()) {
        (Value::List(items), false) => warn_order(walk, items, entry, key),
        (Value::Map(_), false) => warn_order(walk, std::slice::from_ref(node), entry, key),
        (Value::List(_) | Value::Map(_) | Value::Scalar(_), _) => {}
    }
    (rules, also)
}

/// Warns of rules behind one that always answers, and of a route that doesn't always answer. It looks at what is written:
/// a `when` that can't be read is one.
fn warn_order(walk: &mut Walk<'_>, items: &[Node], entry: &Entry, key: &RouteKey) {
    let asks = |item: &Node| matches!(&item.value, Value::Map(map) if map.entries.iter().any(|one| one.key == "when"));
    let Some(always) = items.iter().position(|item| !asks(item)) else {
        return walk.report.warn(entry.key_at, WarningKind::NothingAnswers(key.to_string()));
    };
    // A list of addresses is one rule; one with both is refused elsewhere.
    let rules = items.iter().all(|item| matches!(item.value, Value::Map(_)));
    if let (Some(item), true) = (items.get(always + 1), rules) {
        let conditions = items.iter().skip(always + 1).any(asks);
        let kind = WarningKind::NeverAsked { before: always + 1, first: always + 2, last: items.len(), conditions };
        walk.report.warn(item.at, kind);
    }
}

/// Warns of listeners on which no rule can answer.
pub(super) fn warn_unreached(walk: &mut Walk<'_>, listeners: &[(Mark, Listener)], routes: &BTreeMap<RouteKey, Route>) {
    let reaches = |rule: &Rule, name: &String| {
        rule.when.as_ref().is_none_or(|when| when.listener.is_empty() || when.listener.contains(name))
    };
    for (at, listener) in listeners {
        let reached = routes.values().flat_map(|route| &route.rules).any(|rule| reaches(rule, &listener.name));
        if !reached && !routes.is_empty() {
            walk.report.warn(*at, WarningKind::Unreached(listener.name.clone()));
        }
    }
}
