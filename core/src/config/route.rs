//! Routes as they were checked: a key, its rules in order, what each does, and the facts that its texts may name.
//!
//! `raw::route` makes them, `Snapshot` compiles them. They are values: nothing here reads or judges.

use std::time::Duration;

use super::value;
use super::{Builtin, Cache, Compression, Condition, Paths, Policies, Retry, Site, Sse, Timeouts, Wait, WebSocket};

/// The key of a route, normalised: host in lower case without trailing dot, path without trailing slash.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteKey {
    /// Which hosts.
    pub host: HostPattern,
    /// The path prefix, on segment boundaries. Empty for "the whole host", else starts with `/`.
    pub path: String,
}

impl RouteKey {
    /// Reads `host[/path]`, normalised.
    ///
    /// # Errors
    /// In words that name the mend.
    pub fn parse(text: &str) -> Result<Self, String> {
        value::host::key(text).map_err(|fault| match fault {
            value::Fault::Value { expected, mend } => format!("`{text}` is not {expected}: {mend}"),
        })
    }
}

impl std::fmt::Display for RouteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            HostPattern::Exact(name) => write!(f, "{name}{}", self.path),
            HostPattern::Suffix(suffix) => write!(f, "*.{suffix}{}", self.path),
            HostPattern::Any => write!(f, "*{}", self.path),
        }
    }
}

/// Which hosts a key stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// One name (or IP literal).
    Exact(String),
    /// `*.suffix`: any depth below, not the suffix itself. Stored without `*.`.
    Suffix(String),
    /// `*`
    Any,
}

/// A key's rules, in order. Never empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Tried in order; the first whose `when` holds answers.
    pub rules: Vec<Rule>,
    /// Further hosts that the same rules serve (`also:`).
    pub also: Vec<HostPattern>,
}

/// One rule of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// When it holds; `None` is always.
    pub when: Option<Condition>,
    /// What it does.
    pub action: Action,
    /// The `Host` that the upstream sees.
    pub host: HostHeader,
    /// How the path changes on its way up.
    pub path_edit: PathEdit,
    /// How paths are read that can be read in two ways.
    pub paths: Paths,
    /// Upgrade tokens that may become tunnels, lower case. Default: `websocket` alone.
    pub upgrade: Vec<String>,
    /// Largest request body in bytes; `None` is `unlimited`. Default 100 MiB.
    pub max_body: Option<u64>,
    /// Time-outs, already merged with the outer levels.
    pub timeouts: Timeouts,
    /// Whether exchanges of this rule appear in the access log.
    pub access_log: bool,
    /// What happens to streams and tunnels when the rule is removed.
    pub on_remove: OnRemove,
    /// Limits of its WebSockets; `None` where it has none.
    pub websocket: Option<WebSocket>,
    /// Limits of its event streams; `None` where it has none.
    pub sse: Option<Sse>,
    /// Its policies, merged with those of the levels around it; `None` where there is none.
    pub policies: Option<Box<Policies>>,
    /// Whether what its listener forbids binds it too (`inherit`).
    pub inherit: bool,
    /// When a request is sent again.
    pub retry: Retry,
    /// How requests are held while no endpoint can take them; `None` is not at all.
    pub wait: Option<Wait>,
    /// What is compressed on the way to the client.
    pub compress: Compression,
    /// What of its answers is kept; `None` is nothing.
    pub cache: Option<Box<Cache>>,
}

impl Rule {
    /// The names of the upstreams that it asks.
    pub fn upstreams(&self) -> impl Iterator<Item = &str> {
        match &self.action {
            Action::Proxy(name) => Some(name.as_str()),
            Action::Files { then, .. } => then.as_deref(),
            Action::Redirect { .. } | Action::Respond { .. } | Action::Builtin(_) => None,
        }
        .into_iter()
    }
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Action {
    /// `to:` the upstream of that name in `Config::upstreams`.
    Proxy(String),
    /// `redirect:` to a template, with a status of 301, 302, 303, 307 or 308 (default 308).
    Redirect {
        /// The `Location` template, facts as `{name}`.
        to: Template,
        /// The status.
        status: u16,
    },
    /// `files:` of a directory.
    Files {
        /// The directory, and how it is served.
        site: Site,
        /// The upstream that is asked where there is no file (`try: [files, to]`).
        then: Option<String>,
    },
    /// `respond:` a fixed text, with a status (default 200).
    Respond {
        /// The body.
        body: String,
        /// The status.
        status: u16,
    },
    /// `builtin:` an answer about the proxy itself.
    Builtin(Builtin),
}

/// A text with facts in braces, checked when it was read: `https://example.com{uri}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Template {
    /// Literal pieces and facts, in order.
    pub parts: Vec<TemplatePart>,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TemplatePart {
    /// Text as it is.
    Literal(String),
    /// A fact of the request.
    Fact(Fact),
}

/// A fact of the request that templates may name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// `{host}` without port
    Host,
    /// `{path}` as received
    Path,
    /// `{query}` without `?`, empty where there is none
    Query,
    /// `{uri}`: path and query as received
    Uri,
    /// `{scheme}`
    Scheme,
    /// `{port}` of the listener that the client asked for
    Port,
    /// `{client_ip}`
    ClientIp,
    /// `{request_id}`
    RequestId,
    /// `{header.NAME}`, lower case; the first value
    Header(String),
    /// `{cookie.NAME}`
    Cookie(String),
    /// `{claim.NAME}` of a token that `jwt` has verified
    Claim(String),
    /// `{1}`: a group of the expression of `rewrite`
    Group(u8),
}

/// How the path changes on its way to the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathEdit {
    /// Forwarded as received.
    Keep,
    /// `strip_prefix`: the prefix (starts with `/`, no trailing slash) is taken off on a segment boundary; `/` where nothing is left.
    Strip(String),
    /// `add_prefix`
    Add(String),
    /// `replace_prefix`: the key's own path is replaced by this.
    Replace {
        /// The key's own path (may be empty).
        from: String,
        /// What stands there instead.
        to: String,
    },
}

/// The `Host` that an upstream sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// As the client sent it.
    Preserve,
    /// The endpoint's own name and port.
    Upstream,
    /// This name.
    Name(String),
}

/// What happens to a rule's streams and tunnels when a reload removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnRemove {
    /// Nothing: they end by themselves.
    Keep,
    /// They are ended after this time (default 5 min).
    Drain(Duration),
    /// They are ended at once, WebSockets with this code.
    Close(u16),
}
