//! From [`Config`] to [`Snapshot`]: names become ids, patterns become tables.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use super::identity::fingerprint;
use super::{
    Action, Endpoint, EndpointId, EndpointIdentity, HostSent, Rule, RuleIdentity, Snapshot, Upstream, UpstreamId,
    UpstreamIdentity,
};
use crate::balance::Balancer;
use crate::config::{self, Address, Config, HostHeader, HostPattern, PathEdit, RouteKey};
use crate::policy::Chain;
use crate::route::{Condition, Networks, RouteTable, TableBuilder};
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

pub(super) fn snapshot(config: &Config) -> Result<Snapshot, CompileError> {
    let (upstreams, endpoints, names) = upstreams(config);
    let (routes, rules) = routes(config, &names)?;
    Ok(Snapshot {
        routes,
        trusted_proxies: Networks::new(&config.trusted_proxies),
        forwarded: config.forwarded,
        timeouts: config.timeouts,
        limits: config.limits,
        drain: config.drain,
        access_log: config.access_log.clone(),
        listeners: config.listeners.clone(),
        listener_policies: listener_policies(config)?,
        rules,
        upstreams,
        endpoints,
    })
}

type Upstreams<'c> = (Vec<Arc<Upstream>>, Vec<Arc<Endpoint>>, HashMap<&'c str, UpstreamId>);

fn upstreams(config: &Config) -> Upstreams<'_> {
    let mut upstreams = Vec::with_capacity(config.upstreams.len());
    let mut endpoints = Vec::with_capacity(config.upstreams.len());
    let mut names = HashMap::with_capacity(config.upstreams.len());
    for (id, (name, written)) in (0..).map(UpstreamId).zip(&config.upstreams) {
        let upstream: Arc<str> = name.as_str().into();
        let first = next_id(&endpoints);
        endpoints.extend(written.endpoints.iter().map(|endpoint| {
            let address = endpoint.written.as_str().into();
            Arc::new(Endpoint {
                identity: EndpointIdentity { upstream: Arc::clone(&upstream), address },
                upstream: id,
                address: endpoint.address.clone(),
                authority: authority(&endpoint.address),
                host: endpoint.host.as_ref().or(written.host.as_ref()).map(host_sent),
            })
        }));
        upstreams.push(Arc::new(Upstream {
            identity: UpstreamIdentity(upstream),
            endpoints: (first..next_id(&endpoints)).map(EndpointId).collect(),
            pool: written.pool,
            balancer: Balancer::compile(written),
            limits: written.limits,
        }));
        names.insert(name.as_str(), id);
    }
    (upstreams, endpoints, names)
}

fn routes(
    config: &Config,
    upstreams: &HashMap<&str, UpstreamId>,
) -> Result<(RouteTable, Vec<Arc<Rule>>), CompileError> {
    let mut table = TableBuilder::default();
    let mut rules: Vec<Arc<Rule>> = Vec::with_capacity(config.routes.len());
    // Keys claim their places before `also:` hosts do, so that a host's own key is never hidden by another's list.
    let mut also = Vec::new();
    for (key, route) in &config.routes {
        let name: Arc<str> = key.to_string().into();
        let mut conditions = Vec::with_capacity(route.rules.len());
        for (index, rule) in (0..).zip(&route.rules) {
            let when = rule.when.as_ref().map(|when| Condition::compile(when, &config.listeners));
            let when = when.transpose().map_err(|source| CompileError::Regex { route: key.to_string(), source })?;
            conditions.push(when);
            let policy =
                rule.policies.as_ref().map(|policies| Chain::compile(policies, &config.listeners).map(Box::new));
            let policy = policy.transpose().map_err(|source| CompileError::Regex { route: key.to_string(), source })?;
            rules.push(Arc::new(Rule { policy, ..compiled(rule, &name, index, upstreams)? }));
        }
        let path = canonical_prefix(&key.path);
        let range = table.add(&canonical_pattern(&key.host, key)?, &path, conditions);
        for host in &route.also {
            also.push((canonical_pattern(host, key)?, path.clone(), range.clone()));
        }
    }
    for (host, path, range) in also {
        table.alias(&host, &path, range);
    }
    Ok((table.finish(), rules))
}

fn listener_policies(config: &Config) -> Result<Vec<Option<Chain>>, CompileError> {
    if config.listeners.iter().all(|listener| listener.policies.is_none()) {
        return Ok(Vec::new());
    }
    let compile = |listener: &config::Listener| {
        let chain = listener.policies.as_ref().map(|policies| Chain::compile(policies, &config.listeners));
        chain.transpose().map_err(|source| CompileError::Regex { route: listener.name.clone(), source })
    };
    config.listeners.iter().map(compile).collect()
}

fn compiled(
    rule: &config::Rule,
    key: &Arc<str>,
    index: u32,
    upstreams: &HashMap<&str, UpstreamId>,
) -> Result<Rule, CompileError> {
    let action = match &rule.action {
        config::Action::Proxy(name) => Action::Proxy(
            *upstreams
                .get(name.as_str())
                .ok_or_else(|| CompileError::UnknownUpstream { route: key.to_string(), upstream: name.clone() })?,
        ),
        config::Action::Redirect { to, status } => Action::Redirect { to: to.clone(), status: *status },
        config::Action::Respond { body, status } => Action::Respond { body: body.as_str().into(), status: *status },
    };
    Ok(Rule {
        key: Arc::clone(key),
        index,
        action,
        host: host_sent(&rule.host),
        path_edit: canonical_edit(&rule.path_edit),
        upgrade: rule.upgrade.clone(),
        max_body: rule.max_body,
        timeouts: rule.timeouts,
        access_log: rule.access_log,
        on_remove: rule.on_remove,
        retry: rule.retry.clone(),
        wait: rule.wait,
        identity: RuleIdentity { route: Arc::clone(key), fingerprint: fingerprint(rule) },
        policy: None,
        inherit: rule.inherit,
    })
}

fn canonical_pattern(host: &HostPattern, key: &RouteKey) -> Result<HostPattern, CompileError> {
    let canonical = |name: &String| canonical_host(name).ok_or_else(|| CompileError::Host { route: key.to_string() });
    Ok(match host {
        HostPattern::Exact(name) => HostPattern::Exact(canonical(name)?),
        HostPattern::Suffix(suffix) => HostPattern::Suffix(canonical(suffix)?),
        HostPattern::Any => HostPattern::Any,
    })
}

/// Brings a prefix into the form of requests' canonical paths, without a trailing slash.
fn canonical_prefix(path: &str) -> String {
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
fn authority(address: &Address) -> Box<str> {
    let (host, port) = match address {
        Address::Loopback(port) => ("localhost".to_owned(), *port),
        Address::Ip(IpAddr::V4(ip), port) => (ip.to_string(), *port),
        Address::Ip(IpAddr::V6(ip), port) => (format!("[{ip}]"), *port),
        Address::Name(name, port) => (name.clone(), *port),
        // What a service is called in the DNS is no host; the name behind its labels is.
        Address::Srv(name) => {
            (name.split('.').skip_while(|label| label.starts_with('_')).collect::<Vec<_>>().join("."), 80)
        }
        Address::Unix(_) => ("localhost".to_owned(), 80),
    };
    if port == 80 { host.into() } else { format!("{host}:{port}").into() }
}

fn next_id<T>(list: &[T]) -> u32 {
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}
