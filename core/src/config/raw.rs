//! The walk of a tree by the schema: from what is written to a [`Config`].
//!
//! `load` calls it with the joined tree of all files. Everything is optional, unknown keys are refused, and it never
//! stops at the first error: what can't be read is reported and left out, and `load` throws the result away.
//! What is here finds keys, texts and the shapes of values; `words` has the words of the language (a switch, a time-out),
//! the other submodules are its sentences.

mod acme;
mod admin;
mod balance;
mod cache;
mod condition;
mod dns;
mod health;
mod http2;
mod listen;
mod paths;
mod patience;
mod policy;
pub(super) mod reference;
mod route;
mod rule;
mod settings;
mod site;
mod sse;
mod store;
mod tags;
mod tls;
mod tracing;
mod upstream;
mod websocket;
mod words;

use super::report::Report;
use super::schema::{self, Object, Status};
use super::suggest::{self, nearest};
use super::text::{Entry, Map, Mark, Node, Value};
use super::value::{Fault, Read, foreign};
use super::{Bind, Cidr, Config, ErrorKind, Redis, Source, Template, Upstream, WarningKind};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How many unknown names get a "did you mean": each is compared with every known one.
const MOST_SUGGESTIONS: usize = 200;

/// An unknown key is answered by all keys where there are no more than this, which fit on a line or two; else by a few.
const MOST_KEYS: usize = 15;
const NEAR_KEYS: usize = 5;

/// Everything that the readers share.
pub(super) struct Walk<'a> {
    pub(super) report: &'a mut Report,
    pub(super) source: &'a mut dyn Source,
    /// Files that `${file:…}` named, for the file watch.
    pub(super) files: Vec<std::path::PathBuf>,
    /// Names under `upstreams:`, whether they could be read or not.
    named: BTreeSet<String>,
    /// Upstreams that could be read, and those that rules give by address.
    upstreams: BTreeMap<String, Upstream>,
    /// Names of listeners.
    listeners: Vec<String>,
    /// Where they bind, in the same order.
    binds: Vec<Bind>,
    /// Some listener asks clients for certificates.
    asks_for_certificates: bool,
    /// Names under wildcards would be ordered at a public authority, and nobody is asked whether they may.
    orders_freely: bool,
    /// Networks by the name of their list. Shared, since each name that is read looks here.
    lists: Arc<BTreeMap<String, Arc<[Cidr]>>>,
    /// Policies by name.
    policies: BTreeMap<String, policy::Level>,
    /// Where limits with `store: redis` count.
    redis: Option<Redis>,
    suggestions: usize,
}

/// What routes stand in, kept so that others can be read in it later.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Context {
    defaults: rule::Defaults,
    named: BTreeSet<String>,
    listeners: Vec<String>,
    binds: Vec<Bind>,
    asks_for_certificates: bool,
    orders_freely: bool,
    lists: Arc<BTreeMap<String, Arc<[Cidr]>>>,
    policies: BTreeMap<String, policy::Level>,
    redis: Option<Redis>,
}

/// The values of a mapping by their keys, checked against its object.
struct Fields<'n> {
    object: &'static Object,
    at: Mark,
    entries: Vec<(&'static str, &'n Entry)>,
    /// A key stands here that can't be used: what seems to be missing may be that.
    refused: bool,
}

impl<'n> Fields<'n> {
    fn entry(&self, key: &str) -> Option<&'n Entry> {
        debug_assert!(self.object.key(key).is_some(), "{key} is not in the schema of {}", self.object.what);
        self.entries.iter().find(|(name, _)| *name == key).map(|(_, entry)| *entry)
    }

    fn value(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The first of some keys that stands here.
    fn first(&self, keys: &[&str]) -> Option<(&'static str, &'n Entry)> {
        self.entries.iter().find(|(name, _)| keys.contains(name)).copied()
    }
}

/// Reads a tree as a configuration. What is wrong goes to the report.
pub(super) fn config(walk: &mut Walk<'_>, root: &Node) -> (Config, Context) {
    settings::config(walk, root)
}

impl<'a> Walk<'a> {
    pub(super) fn new(report: &'a mut Report, source: &'a mut dyn Source) -> Self {
        Self {
            report,
            source,
            files: Vec::new(),
            named: BTreeSet::new(),
            upstreams: BTreeMap::new(),
            listeners: Vec::new(),
            binds: Vec::new(),
            asks_for_certificates: false,
            orders_freely: false,
            lists: Arc::default(),
            policies: BTreeMap::new(),
            redis: None,
            suggestions: MOST_SUGGESTIONS,
        }
    }

    /// A walk that begins where the routes of another file were read.
    pub(super) fn within(context: &Context, report: &'a mut Report, source: &'a mut dyn Source) -> Self {
        Self {
            named: context.named.clone(),
            listeners: context.listeners.clone(),
            binds: context.binds.clone(),
            asks_for_certificates: context.asks_for_certificates,
            orders_freely: context.orders_freely,
            lists: Arc::clone(&context.lists),
            policies: context.policies.clone(),
            redis: context.redis.clone(),
            ..Self::new(report, source)
        }
    }

    /// What the routes of this walk stand in.
    fn context(&self, defaults: rule::Defaults) -> Context {
        Context {
            defaults,
            named: self.named.clone(),
            listeners: self.listeners.clone(),
            binds: self.binds.clone(),
            asks_for_certificates: self.asks_for_certificates,
            orders_freely: self.orders_freely,
            lists: Arc::clone(&self.lists),
            policies: self.policies.clone(),
            redis: self.redis.clone(),
        }
    }

    /// Reads one route, and takes the upstreams that it brings.
    pub(super) fn registered(
        &mut self,
        context: &Context,
        entry: Entry,
    ) -> Option<(super::RouteKey, super::Route, BTreeMap<String, Upstream>)> {
        let map = Map { entries: vec![entry], flow: false };
        let node = Node { at: Mark::default(), value: Value::Map(map) };
        let (key, route) = route::routes(self, &node, &context.defaults).pop_first()?;
        Some((key, route, std::mem::take(&mut self.upstreams)))
    }

    /// Reads a mapping with the keys of an object; reports those that can't stand there.
    fn fields<'n>(&mut self, node: &'n Node, object: &'static Object) -> Option<Fields<'n>> {
        let Value::Map(map) = &node.value else {
            self.no_mapping(node, object);
            return None;
        };
        for entry in map.entries.iter().filter(|entry| entry.value.is_empty()) {
            if object.built().any(|key| key == entry.key) {
                self.no_value(entry);
            }
        }
        Some(self.known(node.at, map, object))
    }

    /// The keys of a mapping that may stand there and have a value; reports those that may not.
    fn known<'n>(&mut self, at: Mark, map: &'n Map, object: &'static Object) -> Fields<'n> {
        let mut fields = Fields { object, at, entries: Vec::new(), refused: false };
        for entry in &map.entries {
            let Some(key) = object.key(&entry.key) else {
                fields.refused = true;
                self.unknown_key(entry, object, map.flow);
                continue;
            };
            fields.refused |= key.status != Status::Built || entry.value.is_empty();
            match key.status {
                Status::Built if entry.value.is_empty() => {}
                Status::Built => fields.entries.push((key.name, entry)),
                Status::Elsewhere(mend) => {
                    self.report.error(entry.key_at, ErrorKind::Misplaced { key: entry.key.clone(), mend });
                }
            }
        }
        fields
    }

    /// Reports what stands where a mapping with the keys of an object was expected, with an example of one.
    fn no_mapping(&mut self, node: &Node, object: &'static Object) {
        let words = schema::example(object.name);
        match (&node.value, words) {
            // A slip in its form is worth more than an example.
            (Value::Scalar(scalar), Some(example)) if !scalar.text.contains(':') => {
                let found = if scalar.text.is_empty() { "nothing" } else { "a text" };
                self.report.error(node.at, ErrorKind::Shape { expected: object.what, found, mend: example.to_owned() });
            }
            (Value::Scalar(_) | Value::List(_) | Value::Map(_), _) => self.shape(node, object.what),
        }
    }

    fn no_value(&mut self, entry: &Entry) {
        let kind =
            ErrorKind::Misplaced { key: entry.key.clone(), mend: "has no value; write one, or leave the key out" };
        self.report.error(entry.key_at, kind);
    }

    fn unknown_key(&mut self, entry: &Entry, object: &'static Object, flow: bool) {
        // In braces `{to:3000}` is a key without a value; elsewhere the line would not have been a key at all.
        if let Some((key, value)) = entry.key.split_once(':').filter(|_| flow && entry.value.is_empty()) {
            let words = format!("after the colon of `{key}:` a space is missing; write `{key}: {value}`");
            return self.report.error(entry.key_at, ErrorKind::Syntax(words));
        }
        let names = object.keys.iter().filter(|key| !matches!(key.status, Status::Elsewhere(_))).map(|key| key.name);
        let guess = self.may_suggest();
        let meant = if guess { nearest(&entry.key, names) } else { None };
        let mut known: Vec<&'static str> = object.built().collect();
        let all = known.len() <= MOST_KEYS;
        match (all, guess) {
            (true, _) => {}
            (false, true) => known = suggest::near(&entry.key, known, NEAR_KEYS),
            (false, false) => known.truncate(NEAR_KEYS),
        }
        let kind = ErrorKind::UnknownKey { key: entry.key.clone(), within: object.what, meant, known, all };
        self.report.error(entry.key_at, kind);
    }

    /// Comparing costs time by the number of names, so only so many errors get a guess.
    fn may_suggest(&mut self) -> bool {
        self.suggestions = self.suggestions.saturating_sub(1);
        self.suggestions > 0
    }

    fn map<'n>(&mut self, node: &'n Node, what: &'static str) -> Option<&'n Map> {
        match &node.value {
            Value::Map(map) => Some(map),
            Value::Scalar(_) | Value::List(_) => {
                self.shape(node, what);
                None
            }
        }
    }

    /// The entries of a list; anything else is a list of itself.
    pub(super) fn one_or_list<'n>(&self, node: &'n Node) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            Value::Scalar(_) | Value::Map(_) => std::slice::from_ref(node),
        }
    }

    /// Reports a value of the wrong shape.
    fn shape(&mut self, node: &Node, expected: &'static str) {
        let (found, mend) = match &node.value {
            Value::Scalar(scalar) if scalar.plain && scalar.text.is_empty() => ("nothing", String::new()),
            Value::Scalar(scalar) => match scalar.text.split_once(':') {
                Some((key, value)) if scalar.plain && !value.is_empty() && super::value::is_token(key) => {
                    ("a text", format!("a space is missing after the colon: `{key}: {value}`"))
                }
                Some(_) | None => ("a text", String::new()),
            },
            Value::List(_) => ("a list", String::new()),
            // `{uri}` without quotes.
            Value::Map(map)
                if map.flow && !map.entries.is_empty() && map.entries.iter().all(|one| one.value.is_empty()) =>
            {
                let keys: Vec<&str> = map.entries.iter().map(|entry| entry.key.as_str()).collect();
                let mend = format!("a text that begins with `{{` needs quotes: \"{{{}}}\"", keys.join(", "));
                ("a mapping", mend)
            }
            Value::Map(_) => ("a mapping", String::new()),
        };
        self.report.error(node.at, ErrorKind::Shape { expected, found, mend });
    }

    /// Reads a text, `${…}` filled in.
    pub(super) fn text(&mut self, node: &Node, expected: &'static str) -> Option<String> {
        match &node.value {
            Value::Scalar(scalar) if !node.is_empty() => reference::fill(self, node.at, &scalar.text),
            Value::Scalar(_) | Value::List(_) | Value::Map(_) => {
                self.shape(node, expected);
                None
            }
        }
    }

    /// Reads a text as a value.
    pub(super) fn value<T>(
        &mut self,
        node: &Node,
        expected: &'static str,
        read: impl FnOnce(&str) -> Read<T>,
    ) -> Option<T> {
        let text = self.text(node, expected)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault(node, &text, fault);
                None
            }
        }
    }

    /// Reads a text with facts, and up to `groups` groups of an expression, as `read` has it; points out what is a variable
    /// of another proxy.
    fn template(
        &mut self,
        node: &Node,
        expected: &'static str,
        groups: usize,
        read: impl FnOnce(&str) -> Read<Template>,
    ) -> Option<Template> {
        let template = self.value(node, expected, read)?;
        if let Some((written, meant)) = foreign::variable(&written(node), groups) {
            self.report.warn(node.at, WarningKind::Variable { written, meant });
        }
        Some(template)
    }

    /// Reports why the text of a node is not what was expected. What `${…}` became is never shown.
    fn fault(&mut self, node: &Node, text: &str, fault: Fault) {
        let written = written(node);
        let secret = written != text;
        let kind = match fault {
            Fault::Value { expected, .. } if secret => {
                ErrorKind::Value { written, expected, mend: "look at what it stands for".to_owned() }
            }
            Fault::Value { expected, mend } => ErrorKind::Value { written, expected, mend },
        };
        self.report.error(node.at, kind);
    }

    /// Reports a text that is not what was expected.
    fn wrong(&mut self, node: &Node, expected: &'static str, mend: impl Into<String>) {
        let text = written(node);
        self.fault(node, &text, Fault::Value { expected, mend: mend.into() });
    }
}

/// The text of a node as the file has it, for reports.
fn written(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => scalar.text.clone(),
        Value::List(_) | Value::Map(_) => String::new(),
    }
}
