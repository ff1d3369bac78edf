//! What is done to an exchange besides its rule's action: the policies of a rule, merged from every level above it.
//!
//! `raw::policy` makes them, `policy::Chain` compiles them. Their order in a file never counts: the chain's is fixed.

use super::{
    ApiKeys, BasicAuth, ClientCert, Condition, Fact, ForwardAuth, Jwt, Redis, Share, Template, TemplatePart, WayKind,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The policies of one rule, or of one listener. A rule without any has none of these, not an empty one.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Policies {
    /// Refused where any of these holds: of every level.
    pub deny: Vec<Condition>,
    /// By level: of each at least one must hold.
    pub allow: Vec<Vec<Condition>>,
    /// Everything is answered 503.
    pub maintenance: bool,
    /// Methods that pass; empty is all. `GET` lets `HEAD` pass.
    pub methods: Vec<String>,
    /// Which pages of other origins may read answers.
    pub cors: Option<Cors>,
    /// The path anew, by a regular expression.
    pub rewrite: Option<Rewrite>,
    /// Parameters of the query on its way up.
    pub query: QueryEdits,
    /// Fields of the request on its way up, by lower-case name.
    pub request_headers: BTreeMap<String, HeaderEdit>,
    /// Fields of every answer, by lower-case name.
    pub response_headers: BTreeMap<String, HeaderEdit>,
    /// Fields that tell browsers to be careful.
    pub security_headers: Option<SecurityHeaders>,
    /// Attributes that cookies get.
    pub cookies: CookieFlags,
    /// What the proxy's own answers show instead of its own page.
    pub error_pages: BTreeMap<PageStatus, ErrorPage>,
    /// How often: of every level.
    pub rates: Vec<RateLimit>,
    /// How many at once: of every level.
    pub concurrency: Vec<Concurrency>,
    /// A name and a password.
    pub basic_auth: Option<BasicAuth>,
    /// A key.
    pub api_keys: Option<ApiKeys>,
    /// The word of another service.
    pub forward_auth: Option<ForwardAuth>,
    /// Bytes a second of each answer's body.
    pub bandwidth: Option<u64>,
    /// What is looked for in requests.
    pub detect: Option<Detect>,
    /// Who gets a copy of requests.
    pub mirror: Option<Mirror>,
    /// A token that somebody else has signed.
    pub jwt: Option<Jwt>,
    /// A certificate that the handshake has verified.
    pub client_cert: Option<ClientCert>,
    /// Ways of which one is enough; each other one that is given must hold.
    pub auth_any: Vec<WayKind>,
}

/// `detect:` what looks like an attack, and what becomes of it; `None` is not looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Detect {
    /// SQL injection.
    pub sqli: Option<Verdict>,
    /// Scripts for other people's browsers.
    pub xss: Option<Verdict>,
}

/// What becomes of a request that looks like an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is refused.
    Block,
    /// It is logged, and passes.
    Log,
}

/// `mirror:` an upstream that gets copies, and whose answers nobody reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The upstream, by its name in `Config::upstreams`.
    pub upstream: String,
    /// Of how many requests (default: of all).
    pub share: Share,
}

/// `rate_limit:` how often a key may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The level that says so: all rules that have it from there are counted together.
    pub scope: LimitScope,
    /// Its place among the limits of that level.
    pub index: u32,
    /// What is counted apart.
    pub key: LimitKey,
    /// So many requests …
    pub count: u32,
    /// … in this time.
    pub per: Duration,
    /// How many at once from rest (default: those of a second, at least one).
    pub burst: u32,
    /// Counts, and lets pass.
    pub dry_run: bool,
    /// Where it is counted together with other machines; `None` is here.
    pub store: Option<Redis>,
}

/// `concurrency:` and `max_connections:` how many exchanges of a key may be under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concurrency {
    /// The level that says so.
    pub scope: LimitScope,
    /// Its place among the limits of that level.
    pub index: u32,
    /// What is counted apart.
    pub key: LimitKey,
    /// How many.
    pub max: u32,
}

/// The level that a limit stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitScope {
    /// `defaults:`
    Defaults,
    /// A listener, by its name.
    Listener(String),
    /// A policy, by its name.
    Named(String),
    /// A rule.
    Rule,
}

/// What a limit counts apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LimitKey {
    /// The client's address; an IPv6 one by its /64.
    ClientIp,
    /// The route.
    Route,
    /// Facts of the request. Requests that lack them count together.
    Template(Template),
}

impl LimitKey {
    /// Whether it goes by what a token says, which is known only once it was verified.
    #[must_use]
    pub fn is_by_identity(&self) -> bool {
        let Self::Template(template) = self else { return false };
        template.parts.iter().any(|part| matches!(part, TemplatePart::Fact(Fact::Claim(_))))
    }
}

/// What becomes of the field lines with one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderEdit {
    /// They go, and one line with this value comes.
    Set(Template),
    /// They stay, and a line for each of these comes.
    Add(Vec<Template>),
    /// They go.
    Remove,
    /// One line with this value comes where there is none.
    Default(Template),
}

impl HeaderEdit {
    /// The values that it writes.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        match self {
            Self::Set(value) | Self::Default(value) => std::slice::from_ref(value).iter(),
            Self::Add(values) => values.iter(),
            Self::Remove => [].iter(),
        }
    }
}

/// `query:` what becomes of parameters, by decoded name.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct QueryEdits {
    /// Every value goes, and this one comes.
    pub set: BTreeMap<String, Template>,
    /// Every value goes.
    pub remove: Vec<String>,
}

/// `rewrite:` a path that the expression matches becomes another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// A regular expression on the canonical path (checked; linear time).
    pub regex: String,
    /// The new path, with groups as `{1}`; with a `?` in it the new query too.
    pub to: Template,
}

/// `cors:` answers that pages of other origins may read (Fetch standard).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Whose pages. Never empty.
    pub origins: Vec<OriginPattern>,
    /// Methods that a preflight may ask for; empty is all.
    pub methods: Vec<String>,
    /// Fields that a preflight may ask for, lower case; empty is all.
    pub headers: Vec<String>,
    /// Fields of answers that pages may read.
    pub expose: Vec<String>,
    /// Whether requests with cookies count. Never with [`OriginPattern::Any`].
    pub credentials: bool,
    /// How long browsers may remember a preflight (default 10 min).
    pub max_age: Duration,
}

/// An origin, as `cors` and `websocket` name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OriginPattern {
    /// `*`
    Any,
    /// `https://app.example.com`, lower case, without a default port.
    Exact(String),
    /// `https://*.example.com`: the scheme with `://`, and the suffix with its dot and perhaps a port.
    Suffix {
        /// `https://`
        scheme: String,
        /// `.example.com`
        suffix: String,
    },
}

/// `security_headers:` each field comes only where the answer does not have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityHeaders {
    /// `Strict-Transport-Security`, on answers over TLS (default 365 d); `None` is off.
    pub hsts: Option<Duration>,
    /// `Content-Security-Policy`, if given.
    pub csp: Option<String>,
    /// `X-Frame-Options` (default `SAMEORIGIN`).
    pub frame: Option<&'static str>,
    /// `Referrer-Policy` (default `strict-origin-when-cross-origin`).
    pub referrer: Option<String>,
    /// `Permissions-Policy` (default: no camera, place, microphone, payment or USB).
    pub permissions: Option<String>,
}

/// `cookies:` attributes that an upstream's cookies get where they have none of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CookieFlags {
    /// `Secure`
    pub secure: bool,
    /// `HttpOnly`
    pub http_only: bool,
    /// `SameSite`
    pub same_site: Option<&'static str>,
}

/// For which statuses a page stands. A status of its own goes before its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageStatus {
    /// This one.
    One(u16),
    /// `4xx`: by its first digit.
    Class(u8),
}

/// A page of the site's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// For clients that take this form: by the name's ending, `.html`, `.json` or `.txt`.
    pub form: PageForm,
    /// What it says.
    pub body: Arc<str>,
}

/// The form of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageForm {
    /// `.html`
    Html,
    /// `.json`
    Json,
    /// `.txt`
    Text,
}
