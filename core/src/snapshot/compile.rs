//! From [`Config`] to [`Snapshot`], piece by piece: one rule, one upstream, one endpoint. `compiler` puts them together.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::identity::{fingerprint, fingerprint_of_when};
use super::{
    Action, Endpoint, EndpointId, EndpointIdentity, HostSent, Rule, RuleIdentity, Site, Snapshot, Upstream, UpstreamId,
    UpstreamIdentity,
};
use crate::balance::{Balancer, Sticky};
use crate::cache::Plan;
use crate::config::{self, Address, Config, EndpointScheme, HostHeader, HostPattern, PathEdit, RouteKey};
use crate::policy::Chain;
use crate::policy::limits::LimitPlace;
use crate::route::{Networks, RouteTable};
use crate::slots::Slots;
use crate::target::{canonical_host, canonical_key_path};

/// What only a configuration can have that was never checked.
#[derive(Clone, Debug, PartialEq)]
pub enum CompileError {
    /// A rule names an upstream that is not there.
    UnknownUpstream {
        /// The key of the route.
        route: String,
        /// The name.
        upstream: String,
    },
    /// A regular expression does not compile.
    Regex {
        /// The key of the route.
        route: String,
        /// What is wrong with it.
        source: regex::Error,
    },
    /// A host that no request can name.
    Host {
        /// The key of the route.
        route: String,
    },
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownUpstream { route, upstream } => write!(f, "route {route}: no upstream is named {upstream}"),
            Self::Regex { route, .. } => write!(f, "route {route}: a regular expression does not compile"),
            Self::Host { route } => write!(f, "route {route}: no request can name this host"),
        }
    }
}

impl std::error::Error for CompileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Regex { source, .. } => Some(source),
            Self::UnknownUpstream { .. } | Self::Host { .. } => None,
        }
    }
}

/// Everything but routes and upstreams, which the compiler puts in one by one.
pub(super) fn without_routes(config: &Config) -> Result<Snapshot, CompileError> {
    Ok(Snapshot {
        routes: RouteTable::default(),
        trusted_proxies: Networks::new(&config.trusted_proxies),
        forwarded: config.forwarded,
        timeouts: config.timeouts,
        limits: config.limits,
        drain: config.drain,
        access_log: config.access_log.clone(),
        tracing: config.tracing.otlp.is_some().then_some(config.tracing.sample),
        listeners: config.listeners.clone(),
        listener_policies: listener_policies(config)?.into(),
        unrouted: unrouted(config)?,
        listener_timeouts: listener_timeouts(config),
        rules: Slots::default(),
        upstreams: Slots::default(),
        endpoints: Slots::default(),
    })
}

/// An upstream whose endpoints have these numbers.
pub(super) fn upstream(name: Arc<str>, written: &config::Upstream, endpoints: Vec<EndpointId>) -> Upstream {
    Upstream {
        sticky: Sticky::compile(&name, written),
        default_origin: written
            .default_origin
            .as_ref()
            .map(|origin| format!("origin: {origin}\r\n").into_bytes().into()),
        identity: UpstreamIdentity(name),
        endpoints,
        pool: written.pool,
        balancer: Balancer::compile(written),
        limits: written.limits,
    }
}

/// An endpoint of an upstream.
pub(super) fn endpoint(
    upstream: UpstreamId,
    name: &Arc<str>,
    group: &config::Upstream,
    written: &config::Endpoint,
) -> Endpoint {
    Endpoint {
        identity: EndpointIdentity { upstream: Arc::clone(name), address: written.written.as_str().into() },
        upstream,
        address: written.address.clone(),
        authority: authority(&written.address, written.scheme),
        host: written.host.as_ref().or(group.host.as_ref()).map(host_sent),
        tls: (written.scheme == EndpointScheme::Https).then(|| group.tls.clone()),
        send_proxy_protocol: group.send_proxy_protocol,
    }
}

/// How answers look that no route gives.
fn unrouted(config: &Config) -> Result<Option<Arc<Chain>>, CompileError> {
    let compile =
        |policies| Chain::compile(policies, &config.listeners, &LimitPlace { route: "", rule: 0 }).map(Arc::new);
    let chain = config.unrouted.as_deref().map(compile).transpose();
    chain.map_err(|source| CompileError::Regex { route: "defaults".to_owned(), source })
}

/// The time-outs of each listener; nothing where none has its own.
fn listener_timeouts(config: &Config) -> Arc<[config::Timeouts]> {
    if config.listeners.iter().all(|listener| listener.timeouts.is_none()) {
        return Arc::default();
    }
    config.listeners.iter().map(|listener| listener.timeouts.unwrap_or(config.timeouts)).collect()
}

fn listener_policies(config: &Config) -> Result<Vec<Option<Chain>>, CompileError> {
    if config.listeners.iter().all(|listener| listener.policies.is_none()) {
        return Ok(Vec::new());
    }
    let compile = |listener: &config::Listener| {
        let chain = listener
            .policies
            .as_ref()
            .map(|policies| Chain::compile(policies, &config.listeners, &LimitPlace { route: "", rule: 0 }));
        chain.transpose().map_err(|source| CompileError::Regex { route: listener.name.clone(), source })
    };
    config.listeners.iter().map(compile).collect()
}

/// A rule, with the numbers of the upstreams that it names.
pub(super) fn compiled(
    rule: &config::Rule,
    key: &Arc<str>,
    index: u32,
    upstreams: impl Fn(&str) -> Option<UpstreamId>,
    listeners: &[config::Listener],
) -> Result<Rule, CompileError> {
    let action = match &rule.action {
        config::Action::Proxy(name) => Action::Proxy(
            upstreams(name)
                .ok_or_else(|| CompileError::UnknownUpstream { route: key.to_string(), upstream: name.clone() })?,
        ),
        config::Action::Files { site, then } => {
            let unknown =
                |name: &String| CompileError::UnknownUpstream { route: key.to_string(), upstream: name.clone() };
            let then = then.as_ref().map(|name| upstreams(name).ok_or_else(|| unknown(name))).transpose()?;
            let path = key.find('/').and_then(|slash| key.get(slash..)).unwrap_or_default();
            Action::Files(Arc::new(Site { written: site.clone(), skip: canonical_prefix(path).len(), then }))
        }
        config::Action::Redirect { to, status } => Action::Redirect { to: to.clone(), status: *status },
        config::Action::Builtin(what) => Action::Builtin(*what),
        config::Action::Respond { body, status } => Action::Respond { body: body.as_str().into(), status: *status },
    };
    let place = LimitPlace { route: key, rule: fingerprint_of_when(rule) };
    let policy = rule.policies.as_ref().map(|policies| Chain::compile(policies, listeners, &place).map(Box::new));
    let mut policy = policy.transpose().map_err(|source| CompileError::Regex { route: key.to_string(), source })?;
    policy.iter_mut().for_each(|chain| chain.resolve(&upstreams));
    Ok(Rule {
        key: Arc::clone(key),
        index,
        action,
        host: host_sent(&rule.host),
        path_edit: canonical_edit(&rule.path_edit),
        paths: rule.paths,
        upgrade: rule.upgrade.clone(),
        max_body: rule.max_body,
        timeouts: rule.timeouts,
        access_log: rule.access_log,
        on_remove: rule.on_remove,
        retry: rule.retry.clone(),
        wait: rule.wait,
        compress: compression(rule),
        cache: rule.cache.as_ref().map(|rules| Arc::new(Plan::new(rules, key, fingerprint(rule)))),
        websocket: rule.websocket.clone().map(Box::new),
        sse: rule.sse.clone().map(Box::new),
        identity: RuleIdentity {
            route: Arc::clone(key),
            fingerprint: fingerprint(rule),
            when: fingerprint_of_when(rule),
        },
        policy,
        inherit: rule.inherit,
    })
}

/// What a rule compresses of what it answers, where that is anything.
fn compression(rule: &config::Rule) -> Option<Box<config::Compression>> {
    let compresses = match &rule.action {
        config::Action::Files { then: None, .. } => rule.compress.files.is_some(),
        config::Action::Files { then: Some(_), .. } => rule.compress.files.is_some() || rule.compress.answers.is_some(),
        config::Action::Proxy(_) => rule.compress.answers.is_some(),
        config::Action::Redirect { .. } | config::Action::Respond { .. } | config::Action::Builtin(_) => false,
    };
    compresses.then(|| Box::new(rule.compress.clone()))
}

pub(super) fn canonical_pattern(host: &HostPattern, key: &RouteKey) -> Result<HostPattern, CompileError> {
    let canonical = |name: &String| canonical_host(name).ok_or_else(|| CompileError::Host { route: key.to_string() });
    Ok(match host {
        HostPattern::Exact(name) => HostPattern::Exact(canonical(name)?),
        HostPattern::Suffix(suffix) => HostPattern::Suffix(canonical(suffix)?),
        HostPattern::Any => HostPattern::Any,
    })
}

/// Brings a prefix into the form of requests' canonical paths, without a trailing slash.
pub(super) fn canonical_prefix(path: &str) -> String {
    let mut path = canonical_key_path(path);
    path.truncate(path.trim_end_matches('/').len());
    path
}

fn canonical_edit(edit: &PathEdit) -> PathEdit {
    match edit {
        PathEdit::Keep => PathEdit::Keep,
        PathEdit::Strip(prefix) => PathEdit::Strip(canonical_prefix(prefix)),
        PathEdit::Add(prefix) => PathEdit::Add(canonical_prefix(prefix)),
        PathEdit::Replace { from, to } => PathEdit::Replace { from: canonical_prefix(from), to: canonical_prefix(to) },
    }
}

fn host_sent(host: &HostHeader) -> HostSent {
    match host {
        HostHeader::Preserve => HostSent::AsReceived,
        HostHeader::Upstream => HostSent::Endpoint,
        HostHeader::Name(name) => HostSent::Fixed(name.as_str().into()),
    }
}

/// What a client would write as `Host` to reach this address (RFC 9110 §7.2).
fn authority(address: &Address, scheme: EndpointScheme) -> Box<str> {
    let usual = match scheme {
        EndpointScheme::Http => 80,
        EndpointScheme::Https => 443,
    };
    let (host, port) = match address {
        Address::Loopback(port) => ("localhost".to_owned(), *port),
        Address::Ip(IpAddr::V4(ip), port) => (ip.to_string(), *port),
        Address::Ip(IpAddr::V6(ip), port) => (format!("[{ip}]"), *port),
        Address::Name(name, port) => (name.clone(), *port),
        // What a service is called in the DNS is no host; the name behind its labels is.
        Address::Srv(name) => {
            (name.split('.').skip_while(|label| label.starts_with('_')).collect::<Vec<_>>().join("."), 80)
        }
        Address::Unix(_) => ("localhost".to_owned(), usual),
    };
    if port == usual { host.into() } else { format!("{host}:{port}").into() }
}
