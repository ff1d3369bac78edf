//! A rule's `when`, compiled: names resolved, regular expressions built, networks sorted.
//!
//! The table asks [`Condition::check`] for each rule that it tries. The answer names the first part that does not hold,
//! as a reference that costs nothing; only `explain` turns it into words.

use std::fmt;

use memchr::memmem;
use regex::bytes::Regex;

use crate::config::{self, Cidr, Protocol};
use crate::message::Name;
use crate::route::{Facts, ListenerId, Networks, values};
use crate::target::canonical_key_path;

/// What must hold for a rule to answer. All parts; within a part any of its values.
#[derive(Debug, Default)]
pub struct Condition {
    methods: Box<[String]>,
    listeners: Option<Listeners>,
    protocols: Box<[Protocol]>,
    clients: Option<(Networks, Box<[Cidr]>)>,
    paths: Box<[PathTest]>,
    headers: Box<[(Name, Test)]>,
    query: Box<[Test]>,
    cookies: Box<[Test]>,
    not: Option<Box<Condition>>,
    any: Box<[Condition]>,
}

#[derive(Debug)]
struct Listeners {
    ids: Box<[ListenerId]>,
    names: Box<[String]>,
}

/// A name and the forms that one of its values must have. Probes judge answers by the same.
#[derive(Debug)]
pub(crate) struct Test {
    name: String,
    forms: Box<[TextTest]>,
}

#[derive(Debug)]
enum TextTest {
    Exact(String),
    Prefix(String),
    Contains(String),
    Regex(Regex),
    Present(bool),
}

#[derive(Debug)]
pub(crate) enum PathTest {
    Prefix(String),
    Exact(String),
    Regex(Regex),
}

/// The first part of a condition that does not hold.
#[derive(Clone, Copy, Debug)]
pub struct Mismatch<'c>(Part<'c>);

#[derive(Clone, Copy, Debug)]
enum Part<'c> {
    Method(&'c [String]),
    Listener(&'c [String]),
    Protocol(&'c [Protocol]),
    Client(&'c [Cidr]),
    Path(&'c [PathTest]),
    Header(Name, &'c Test),
    Query(&'c Test),
    Cookie(&'c Test),
    Not,
    Any(&'c [Condition]),
}

impl Condition {
    /// Compiles a condition. `listeners` are all of the configuration, in its order.
    ///
    /// # Errors
    ///
    /// A regular expression that does not compile or grows too large.
    pub fn compile(written: &config::Condition, listeners: &[config::Listener]) -> Result<Self, regex::Error> {
        let clients = (Networks::new(&written.client_ip), written.client_ip.as_slice().into());
        let each = |tests: &std::collections::BTreeMap<String, Vec<config::TextMatch>>| {
            tests.iter().map(|(name, forms)| Test::compile(name, forms)).collect::<Result<Box<[_]>, _>>()
        };
        let headers = each(&written.headers)?.into_iter().map(|test| (Name::find(test.name.as_bytes()), test));
        Ok(Self {
            methods: written.methods.as_slice().into(),
            listeners: (!written.listener.is_empty()).then(|| Listeners::compile(&written.listener, listeners)),
            protocols: written.protocol.as_slice().into(),
            clients: (!written.client_ip.is_empty()).then_some(clients),
            paths: written.path.iter().map(PathTest::compile).collect::<Result<_, _>>()?,
            headers: headers.collect(),
            query: each(&written.query)?,
            cookies: each(&written.cookies)?,
            not: written.not.as_deref().map(|not| Self::compile(not, listeners).map(Box::new)).transpose()?,
            any: written.any.iter().map(|any| Self::compile(any, listeners)).collect::<Result<_, _>>()?,
        })
    }

    /// Tells whether it holds, else which part does not. `path` is the canonical path, or its second reading.
    ///
    /// # Errors
    ///
    /// The first part that does not hold; cheap parts are asked first.
    pub fn check(&self, facts: &Facts<'_>, path: &[u8]) -> Result<(), Mismatch<'_>> {
        let mismatch = |part| Err(Mismatch(part));
        if !self.methods.is_empty() && !self.methods.iter().any(|method| method.as_bytes() == facts.method) {
            return mismatch(Part::Method(&self.methods));
        }
        if let Some(listeners) = &self.listeners
            && !listeners.ids.contains(&facts.listener)
        {
            return mismatch(Part::Listener(&listeners.names));
        }
        if !self.protocols.is_empty() && !self.protocols.contains(&facts.protocol()) {
            return mismatch(Part::Protocol(&self.protocols));
        }
        if let Some((networks, written)) = &self.clients
            && !facts.client_ip.is_some_and(|ip| networks.contains(ip))
        {
            return mismatch(Part::Client(written));
        }
        if !self.paths.is_empty() && !self.paths.iter().any(|test| test.holds(path)) {
            return mismatch(Part::Path(&self.paths));
        }
        if let Some((id, test)) = self.headers.iter().find(|(id, test)| !test.holds_for_header(facts, *id)) {
            return mismatch(Part::Header(*id, test));
        }
        let query = facts.destination.query().unwrap_or_default();
        if let Some(test) = self.query.iter().find(|test| !test.holds(values::query(query, test.name.as_bytes()))) {
            return mismatch(Part::Query(test));
        }
        if let Some(test) = self.cookies.iter().find(|test| !test.holds(values::cookie(facts, test.name.as_bytes()))) {
            return mismatch(Part::Cookie(test));
        }
        if self.not.as_ref().is_some_and(|not| not.check(facts, path).is_ok()) {
            return mismatch(Part::Not);
        }
        if !self.any.is_empty() && !self.any.iter().any(|any| any.check(facts, path).is_ok()) {
            return mismatch(Part::Any(&self.any));
        }
        Ok(())
    }
}

impl Listeners {
    fn compile(names: &[String], listeners: &[config::Listener]) -> Self {
        let named = (0..).zip(listeners).filter(|(_, listener)| names.contains(&listener.name));
        Self { ids: named.map(|(at, _)| ListenerId(at)).collect(), names: names.into() }
    }
}

impl Test {
    pub(crate) fn compile(name: &str, forms: &[config::TextMatch]) -> Result<Self, regex::Error> {
        Ok(Self { name: name.to_owned(), forms: forms.iter().map(TextTest::compile).collect::<Result<_, _>>()? })
    }

    /// Asks each line as a whole and each member of a list: `a, b` is `a` and `b` as well.
    fn holds_for_header(&self, facts: &Facts<'_>, id: Name) -> bool {
        self.holds(values::header(facts, id, self.name.as_bytes()).flat_map(|value| {
            let list = value.contains(&b',').then(|| values::members(value));
            std::iter::once(value).chain(list.into_iter().flatten())
        }))
    }

    pub(crate) fn holds<V: AsRef<[u8]>>(&self, values: impl Iterator<Item = V> + Clone) -> bool {
        self.forms.iter().any(|form| match form {
            TextTest::Present(wanted) => values.clone().next().is_some() == *wanted,
            TextTest::Exact(text) => values.clone().any(|value| value.as_ref() == text.as_bytes()),
            TextTest::Prefix(text) => values.clone().any(|value| value.as_ref().starts_with(text.as_bytes())),
            TextTest::Contains(text) => {
                values.clone().any(|value| memmem::find(value.as_ref(), text.as_bytes()).is_some())
            }
            TextTest::Regex(regex) => values.clone().any(|value| regex.is_match(value.as_ref())),
        })
    }
}

impl Test {
    /// The name, as written.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl TextTest {
    fn compile(form: &config::TextMatch) -> Result<Self, regex::Error> {
        Ok(match form {
            config::TextMatch::Exact(text) => Self::Exact(text.clone()),
            config::TextMatch::Prefix(text) => Self::Prefix(text.clone()),
            config::TextMatch::Contains(text) => Self::Contains(text.clone()),
            config::TextMatch::Regex(text) => Self::Regex(Regex::new(text)?),
            config::TextMatch::Present(wanted) => Self::Present(*wanted),
        })
    }

    /// What it asks of a value, for a sentence that ends in "must …".
    fn wanted(&self) -> String {
        match self {
            Self::Exact(text) => format!("be \"{text}\""),
            Self::Prefix(text) => format!("begin with \"{text}\""),
            Self::Contains(text) => format!("contain \"{text}\""),
            Self::Regex(regex) => format!("match '{regex}'"),
            Self::Present(true) => "be there".to_owned(),
            Self::Present(false) => "not be there".to_owned(),
        }
    }
}

impl PathTest {
    fn compile(form: &config::PathMatch) -> Result<Self, regex::Error> {
        Ok(match form {
            config::PathMatch::Prefix(text) => Self::Prefix(canonical_key_path(text).trim_end_matches('/').to_owned()),
            config::PathMatch::Exact(text) => Self::Exact(canonical_key_path(text)),
            config::PathMatch::Regex(text) => Self::Regex(Regex::new(text)?),
        })
    }

    fn holds(&self, path: &[u8]) -> bool {
        match self {
            Self::Prefix(prefix) => path
                .strip_prefix(prefix.as_bytes())
                .is_some_and(|rest| prefix.is_empty() || matches!(rest.first(), None | Some(b'/'))),
            Self::Exact(exact) => path == exact.as_bytes(),
            Self::Regex(regex) => regex.is_match(path),
        }
    }
}

impl Mismatch<'_> {
    /// Says what the rule asks for and what the request has.
    #[must_use]
    pub fn words(&self, facts: &Facts<'_>, path: &[u8]) -> String {
        match self.0 {
            Part::Method(wanted) => format!("the method is {}, not {}", text(facts.method), wanted.join(" or ")),
            Part::Listener(wanted) => format!("the request came in by another listener than {}", wanted.join(" or ")),
            Part::Protocol(wanted) => {
                let wanted: Vec<_> = wanted.iter().map(|protocol| protocol_name(*protocol)).collect();
                format!("the protocol is {}, not {}", protocol_name(facts.protocol()), wanted.join(" or "))
            }
            Part::Client(wanted) => {
                let wanted: Vec<_> = wanted.iter().map(|net| format!("{}/{}", net.address, net.bits)).collect();
                let client = facts.client_ip.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
                format!("the client is {client}, not in {}", wanted.join(" or "))
            }
            Part::Path(wanted) => format!("the path is {}, which {}", text(path), alternatives(wanted)),
            Part::Header(id, test) => {
                test.words("header", values::header(facts, id, test.name.as_bytes()).map(text).collect())
            }
            Part::Query(test) => {
                let query = facts.destination.query().unwrap_or_default();
                let values = values::query(query, test.name.as_bytes());
                test.words("query parameter", values.map(|value| text(&value)).collect())
            }
            Part::Cookie(test) => test.words("cookie", values::cookie(facts, test.name.as_bytes()).map(text).collect()),
            Part::Not => "what its `not` excludes holds".to_owned(),
            Part::Any(wanted) => {
                let because: Vec<_> = wanted.iter().filter_map(|any| any.check(facts, path).err()).collect();
                let because: Vec<_> = because.iter().map(|mismatch| mismatch.words(facts, path)).collect();
                format!("nothing of its `any` holds: {}", because.join("; "))
            }
        }
    }
}

impl Test {
    pub(crate) fn words(&self, kind: &str, values: Vec<String>) -> String {
        match values.as_slice() {
            [] => {
                let wanted: Vec<_> = self.forms.iter().map(TextTest::wanted).collect();
                format!("the {kind} {} is not there, but must {}", self.name, wanted.join(" or "))
            }
            values => {
                let values = values.join("\" and \"");
                format!("the {kind} {} is \"{values}\", which {}", self.name, alternatives(&self.forms))
            }
        }
    }
}

/// Says what the forms ask for, for a sentence that ends in "which …".
fn alternatives<T: fmt::Display>(forms: &[T]) -> String {
    let forms: Vec<_> = forms.iter().map(ToString::to_string).collect();
    forms.join(" and ")
}

impl fmt::Display for TextTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => write!(f, "is not \"{text}\""),
            Self::Prefix(text) => write!(f, "does not begin with \"{text}\""),
            Self::Contains(text) => write!(f, "does not contain \"{text}\""),
            Self::Regex(regex) => write!(f, "does not match '{regex}'"),
            Self::Present(true) => f.write_str("must be there"),
            Self::Present(false) => f.write_str("must not be there"),
        }
    }
}

impl fmt::Display for PathTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => write!(f, "is not below {}", if prefix.is_empty() { "/" } else { prefix }),
            Self::Exact(exact) => write!(f, "is not {exact}"),
            Self::Regex(regex) => write!(f, "does not match '{regex}'"),
        }
    }
}

const fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http => "http",
        Protocol::Websocket => "websocket",
        Protocol::Sse => "sse",
        Protocol::Grpc => "grpc",
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
