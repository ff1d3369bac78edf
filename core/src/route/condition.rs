//! A rule's `when`, compiled: names resolved, regular expressions built, networks sorted.
//!
//! The table asks [`Condition::check`] for each rule that it tries. The answer names the first part that does not hold,
//! as a reference that costs nothing; only `explain` turns it into words.

mod words;

use memchr::memmem;
use regex::bytes::Regex;

use crate::config::{self, Cidr, Protocol};
use crate::message::Name;
use crate::route::share::ShareTest;
use crate::route::{Facts, ListenerId, Networks, values};
use crate::target::canonical_key_path;

/// How many networks an explanation lists.
const SHOWN: usize = 8;

/// What must hold for a rule to answer. All parts; within a part any of its values.
#[derive(Debug, Default)]
pub struct Condition {
    methods: Box<[String]>,
    listeners: Option<Listeners>,
    protocols: Box<[Protocol]>,
    clients: Option<(Networks, Box<[Cidr]>)>,
    client_cert: Option<bool>,
    paths: Box<[PathTest]>,
    share: Option<ShareTest>,
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
    ClientCert(bool),
    Path(&'c [PathTest]),
    Share(&'c ShareTest),
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
            client_cert: written.client_cert,
            paths: written.path.iter().map(PathTest::compile).collect::<Result<_, _>>()?,
            share: written.share.clone().map(ShareTest::new),
            headers: headers.collect(),
            query: each(&written.query)?,
            cookies: each(&written.cookies)?,
            not: written.not.as_deref().map(|not| Self::compile(not, listeners).map(Box::new)).transpose()?,
            any: written.any.iter().map(|any| Self::compile(any, listeners)).collect::<Result<_, _>>()?,
        })
    }

    /// Lets the shares of a route's rules fall independently of each other: the second of two rules with `share: 50%`
    /// gets half of what the first leaves.
    #[must_use]
    pub fn salted(mut self, salt: u32) -> Self {
        self.share = self.share.map(|share| share.salted(salt));
        self.not = self.not.map(|not| Box::new(not.salted(salt)));
        self.any = self.any.into_iter().map(|any| any.salted(salt)).collect();
        self
    }

    /// Tells whether it holds, else which part does not. `path` is the canonical path, or its second reading.
    ///
    /// # Errors
    ///
    /// The first part that does not hold; cheap parts are asked first.
    pub fn check(&self, facts: &Facts<'_>, path: &[u8]) -> Result<(), Mismatch<'_>> {
        self.check_values(facts, path, Of::One)
    }

    /// Tells whether it holds for any value that the request has under a name; what it excludes by `not` must hold for
    /// each of them to save the request (case 75).
    #[must_use]
    pub fn denies(&self, facts: &Facts<'_>, path: &[u8]) -> bool {
        self.check_values(facts, path, Of::Any).is_ok()
    }

    /// Tells whether it holds for each value that the request has under a name, and not only for one of them: what a
    /// second line or a member of a list says must not let pass what the first one hides (case 75).
    #[must_use]
    pub fn allows(&self, facts: &Facts<'_>, path: &[u8]) -> bool {
        self.check_values(facts, path, Of::Every).is_ok()
    }

    fn check_values(&self, facts: &Facts<'_>, path: &[u8], of: Of) -> Result<(), Mismatch<'_>> {
        let mismatch = |part| Err(Mismatch(part));
        if !self.methods.is_empty() && !self.methods.iter().any(|method| of.is_method(method.as_bytes(), facts.method))
        {
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
        if let Some(wanted) = self.client_cert
            && wanted != facts.client_cert
        {
            return mismatch(Part::ClientCert(wanted));
        }
        if !self.paths.is_empty() && !self.paths.iter().any(|test| test.holds(path)) {
            return mismatch(Part::Path(&self.paths));
        }
        if let Some((id, test)) = self.headers.iter().find(|(id, test)| !test.holds_for_header(facts, *id, of)) {
            return mismatch(Part::Header(*id, test));
        }
        let query = facts.destination.query().unwrap_or_default();
        let judged = of.is_verdict();
        if let Some(test) = self.query.iter().find(|test| {
            let name = test.name.as_bytes();
            let others = judged.then(|| values::query_by_semicolons(query, name));
            !test.meets(values::query(query, name).chain(others.into_iter().flatten()), of)
        }) {
            return mismatch(Part::Query(test));
        }
        if let Some(test) = self.cookies.iter().find(|test| {
            let readings = |value| std::iter::once(value).chain(values::unquoted(value).filter(|_| judged));
            !test.meets(values::cookie(facts, test.name.as_bytes()).flat_map(readings), of)
        }) {
            return mismatch(Part::Cookie(test));
        }
        if let Some(test) = self.share.as_ref().filter(|test| !test.holds(facts)) {
            return mismatch(Part::Share(test));
        }
        if self.not.as_ref().is_some_and(|not| not.check_values(facts, path, of.within_not()).is_ok()) {
            return mismatch(Part::Not);
        }
        if !self.any.is_empty() && !self.any.iter().any(|any| any.check_values(facts, path, of).is_ok()) {
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
    fn holds_for_header(&self, facts: &Facts<'_>, id: Name, of: Of) -> bool {
        let lines = values::header(facts, id, self.name.as_bytes());
        let list = |value: &'_ [u8]| value.contains(&b',');
        match of {
            Of::One | Of::Any => self.meets(
                lines.flat_map(|value| {
                    let members = list(value).then(|| values::members(value));
                    std::iter::once(value).chain(members.into_iter().flatten())
                }),
                of,
            ),
            Of::Every => {
                let whole = |value: &[u8]| self.meets(std::iter::once(value), of);
                let mut all = lines.clone().peekable();
                if all.peek().is_none() {
                    return self.meets(lines, of);
                }
                all.all(|value| whole(value) || (list(value) && values::members(value).all(whole)))
            }
        }
    }

    /// Whether one of the values has one of the forms.
    pub(crate) fn holds<V: AsRef<[u8]>>(&self, values: impl Iterator<Item = V> + Clone) -> bool {
        self.meets(values, Of::One)
    }

    fn meets<V: AsRef<[u8]>>(&self, values: impl Iterator<Item = V> + Clone, of: Of) -> bool {
        match of {
            Of::One | Of::Any => self.forms.iter().any(|form| match form {
                TextTest::Present(wanted) => values.clone().next().is_some() == *wanted,
                form => values.clone().any(|value| form.fits(value.as_ref())),
            }),
            Of::Every => {
                let mut present = values.clone().peekable();
                if present.peek().is_none() {
                    return self.forms.iter().any(|form| matches!(form, TextTest::Present(false)));
                }
                present.all(|value| self.forms.iter().any(|form| form.fits(value.as_ref())))
            }
        }
    }
}

/// How many of the values under a name a condition must hold for.
#[derive(Clone, Copy)]
enum Of {
    /// One, and what `not` excludes no other: for choosing a rule.
    One,
    /// One, but what `not` excludes each of them: for `deny`.
    Any,
    /// Each, but what `not` excludes one: for `allow`.
    Every,
}

impl Of {
    /// Whether something is forbidden by it: then whatever some server reads counts.
    const fn is_verdict(self) -> bool {
        match self {
            Self::One => false,
            Self::Any | Self::Every => true,
        }
    }

    /// Whether a method is one of those that are meant. Some servers fold the case of `delete`, so `deny` does.
    fn is_method(self, wanted: &[u8], method: &[u8]) -> bool {
        match self {
            Self::One | Self::Every => wanted == method,
            Self::Any => wanted.eq_ignore_ascii_case(method),
        }
    }

    const fn within_not(self) -> Self {
        match self {
            Self::One => Self::One,
            Self::Any => Self::Every,
            Self::Every => Self::Any,
        }
    }
}

impl Test {
    /// The name, as written.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl TextTest {
    /// Whether a value that is there has this form.
    fn fits(&self, value: &[u8]) -> bool {
        match self {
            Self::Present(wanted) => *wanted,
            Self::Exact(text) => value == text.as_bytes(),
            Self::Prefix(text) => value.starts_with(text.as_bytes()),
            Self::Contains(text) => memmem::find(value, text.as_bytes()).is_some(),
            Self::Regex(regex) => regex.is_match(value),
        }
    }

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
