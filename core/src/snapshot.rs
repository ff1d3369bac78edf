//! The configuration as the data path reads it: the last of its three forms, immutable, with ids.
//!
//! The control thread compiles one from each [`Config`] and publishes it; a request uses one from its beginning to its
//! end. Live state (health, counters, pools) stands outside, keyed by the identities given here.

use std::sync::Arc;
use std::time::Duration;

use crate::balance::{Balancer, Sticky};
use crate::config::{self, Address, Config, PathEdit, Template, Timeouts};
use crate::policy::{Chain, identity::Identity};
use crate::route::{Facts, FindError, ListenerId, Networks, RouteTable, RuleId, Trace};
use crate::slots::Slots;

mod compile;
mod compiler;
mod explain;
#[cfg(test)]
pub(crate) mod fixture;
mod identity;
mod path_edit;
#[cfg(test)]
mod tests;

pub use compile::CompileError;
pub use compiler::{Compiler, Touched};
pub use explain::{Candidate, Explanation, Fate};
pub use identity::{EndpointIdentity, Identities, RuleIdentity, UpstreamIdentity};
pub(crate) use path_edit::checked_path;
pub use path_edit::edit_path;

/// An upstream of one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamId(u32);

/// An endpoint of one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(u32);

impl UpstreamId {
    /// Its place among the upstreams of its snapshot.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl EndpointId {
    /// Its place among the endpoints of its snapshot.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A compiled configuration. To clone it costs little: routes, rules, upstreams and endpoints are shared.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Which rule answers.
    pub routes: RouteTable,
    /// Peers whose forwarded headers and PROXY headers are believed.
    pub trusted_proxies: Networks,
    /// Which forwarding headers are written.
    pub forwarded: config::Forwarded,
    /// The time-outs outside of rules.
    pub timeouts: Timeouts,
    /// Limits of connections and heads.
    pub limits: config::Limits,
    /// How long a shutdown waits.
    pub drain: config::Drain,
    /// Where access lines go, and without what: the parameters besides in which rules look for credentials.
    pub access_log: config::AccessLog,
    /// The share of requests that is traced; `None` where traces go nowhere.
    pub tracing: Option<config::Share>,
    /// In the order of the configuration: [`ListenerId`] counts them.
    pub listeners: Vec<config::Listener>,
    /// By listener; empty where no listener has policies.
    listener_policies: Arc<[Option<Chain>]>,
    unrouted: Option<Arc<Chain>>,
    listener_timeouts: Arc<[config::Timeouts]>,
    rules: Slots<Arc<Rule>>,
    upstreams: Slots<Arc<Upstream>>,
    endpoints: Slots<Arc<Endpoint>>,
}

/// A compiled rule. A stream or tunnel that outlives its snapshot keeps its `Arc`, never the snapshot.
#[derive(Debug)]
pub struct Rule {
    /// The key of its route: the route's id in logs, metrics and the admin plane.
    pub key: Arc<str>,
    /// Its place in the route's list, from 0.
    pub index: u32,
    /// What it does.
    pub action: Action,
    /// The `Host` that an upstream sees, unless upstream or endpoint say otherwise: see [`Endpoint::host_for`].
    pub host: HostSent,
    /// How the path changes on its way up: for [`edit_path`].
    pub path_edit: PathEdit,
    /// How paths are read that can be read in two ways.
    pub paths: config::Paths,
    /// Upgrade tokens that may become tunnels, lower case.
    pub upgrade: Vec<String>,
    /// Largest request body in bytes; `None` is no limit.
    pub max_body: Option<u64>,
    /// Its time-outs, merged with the outer levels.
    pub timeouts: Timeouts,
    /// Whether its exchanges appear in the access log.
    pub access_log: bool,
    /// What happens to its streams and tunnels when it is removed.
    pub on_remove: config::OnRemove,
    /// When a request is sent again.
    pub retry: config::Retry,
    /// How requests are held while no endpoint can take them.
    pub wait: Option<config::Wait>,
    /// What of its answers is kept; `None` is nothing.
    pub cache: Option<Arc<crate::cache::Plan>>,
    /// Limits of its WebSockets; `None` where it has none.
    pub websocket: Option<Box<config::WebSocket>>,
    /// Limits of its event streams; `None` where it has none.
    pub sse: Option<Box<config::Sse>>,
    /// By what its live state is found again in the next snapshot.
    pub identity: RuleIdentity,
    /// What is compressed on the way to the client; `None` where nothing is.
    pub compress: Option<Box<config::Compression>>,
    /// Its policies; most rules have none.
    pub policy: Option<Box<Chain>>,
    /// Whether what its listener forbids binds it too: [`Snapshot::listener_policy`].
    pub inherit: bool,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Asks an upstream.
    Proxy(UpstreamId),
    /// Sends the client elsewhere.
    Redirect {
        /// The `Location`.
        to: Template,
        /// 301, 302, 303, 307 or 308.
        status: u16,
    },
    /// Answers with the files of a directory.
    Files(Arc<Site>),
    /// Answers with a fixed text.
    Respond {
        /// The text.
        body: Arc<str>,
        /// The status.
        status: u16,
    },
    /// Answers about the proxy itself.
    Builtin(config::Builtin),
}

/// A directory that a rule serves.
#[derive(Debug, PartialEq)]
pub struct Site {
    /// The directory, and how it is served.
    pub written: config::Site,
    /// Bytes of a canonical path that are the route's own key: what is below them is looked for in the directory.
    pub skip: usize,
    /// The upstream that is asked where there is no file.
    pub then: Option<UpstreamId>,
}

/// The `Host` that an upstream sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostSent {
    /// As the client sent it.
    AsReceived,
    /// The endpoint's own name and port: [`Endpoint::authority`].
    Endpoint,
    /// This text.
    Fixed(Box<str>),
}

/// A group of endpoints.
#[derive(Debug)]
pub struct Upstream {
    /// By what its live state is found again, and its name in logs and metrics.
    pub identity: UpstreamIdentity,
    /// Its endpoints, in the order of the configuration. Never empty.
    pub endpoints: Vec<EndpointId>,
    /// Bounds on kept connections.
    pub pool: config::Pool,
    /// How one of them is chosen.
    pub balancer: Balancer,
    /// How much they do at once.
    pub limits: config::Bounds,
    /// What ties clients to them, where that is a cookie of ours.
    pub sticky: Option<Sticky>,
    /// The `Origin` of a WebSocket handshake that has none, as a line.
    pub default_origin: Option<Box<[u8]>>,
}

/// One address of an upstream.
#[derive(Debug)]
pub struct Endpoint {
    /// By what its live state is found again. Has the address as written, for logs and metrics.
    pub identity: EndpointIdentity,
    /// The upstream that it belongs to.
    pub upstream: UpstreamId,
    /// Where to connect.
    pub address: Address,
    /// Its own name and port, as a `Host` names it: without the port of its scheme; `localhost` where there is no name.
    pub authority: Box<str>,
    /// The `Host` that it or its upstream asks for; `None` leaves it to the rule.
    pub host: Option<HostSent>,
    /// How TLS to it is done; `None` is not at all.
    pub tls: Option<config::UpstreamTls>,
    /// Whether connections to it begin with who the client is.
    pub send_proxy_protocol: Option<config::ProxyVersion>,
}

impl Snapshot {
    /// Compiles a configuration. Work for the control thread: microseconds per route.
    ///
    /// # Errors
    ///
    /// What a checked configuration does not have: an unknown upstream, a regular expression that does not compile.
    pub fn compile(config: &Config) -> Result<Self, CompileError> {
        Ok(Compiler::new(config)?.snapshot())
    }

    /// Has the values of those parameters masked in which a rule looks for credentials: in whatever request they stand. They
    /// stay masked if the rule is taken out: what was sent to it may still come.
    fn hide_credentials(&mut self, rule: &Rule) {
        let identity = rule.policy.as_deref().and_then(Chain::identity);
        for name in identity.into_iter().flat_map(Identity::parameters) {
            if !self.access_log.redact.iter().any(|known| known == name) {
                self.access_log.redact.push(name.to_owned());
            }
        }
    }

    /// Finds the rule that answers: [`RouteTable::find`].
    ///
    /// # Errors
    ///
    /// Says why none does.
    pub fn find<T: Trace>(&self, facts: &Facts<'_>, trace: &mut T) -> Result<RuleId, FindError> {
        self.routes.find(facts, trace)
    }

    /// A rule, by an id of this snapshot.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> &Arc<Rule> {
        &self.rules[id.index()]
    }

    /// An upstream, by an id of this snapshot.
    #[must_use]
    pub fn upstream(&self, id: UpstreamId) -> &Arc<Upstream> {
        &self.upstreams[id.index()]
    }

    /// An endpoint, by an id of this snapshot.
    #[must_use]
    pub fn endpoint(&self, id: EndpointId) -> &Arc<Endpoint> {
        &self.endpoints[id.index()]
    }

    /// All rules, by [`RuleId::index`].
    #[must_use]
    pub const fn rules(&self) -> &Slots<Arc<Rule>> {
        &self.rules
    }

    /// All upstreams, by [`UpstreamId::index`].
    #[must_use]
    pub const fn upstreams(&self) -> &Slots<Arc<Upstream>> {
        &self.upstreams
    }

    /// All endpoints, by [`EndpointId::index`].
    #[must_use]
    pub const fn endpoints(&self) -> &Slots<Arc<Endpoint>> {
        &self.endpoints
    }

    /// What a listener forbids to the rules that inherit.
    #[must_use]
    pub fn listener_policy(&self, listener: ListenerId) -> Option<&Chain> {
        self.listener_policies.get(listener.0 as usize)?.as_ref()
    }

    /// How answers look that no route gives, where `defaults:` says so.
    #[must_use]
    pub fn unrouted(&self) -> Option<&Chain> {
        self.unrouted.as_deref()
    }

    /// The time-outs of a listener's connections.
    #[must_use]
    pub fn timeouts_of(&self, listener: ListenerId) -> &config::Timeouts {
        self.listener_timeouts.get(listener.0 as usize).unwrap_or(&self.timeouts)
    }

    /// The largest body of a request on a listener, where that is bounded there.
    #[must_use]
    pub fn max_body_of(&self, listener: ListenerId) -> Option<u64> {
        self.listeners.get(listener.0 as usize)?.max_body
    }

    /// Whether any listener has policies.
    #[must_use]
    pub fn has_listener_policies(&self) -> bool {
        !self.listener_policies.is_empty()
    }

    /// What listeners forbid, in no order.
    pub fn listener_policies(&self) -> impl Iterator<Item = &Chain> {
        self.listener_policies.iter().flatten()
    }

    /// Indexes everything by identity, so that live state can be carried over from the snapshot before.
    #[must_use]
    pub fn identities(&self) -> Identities<'_> {
        Identities::of(self)
    }
}

impl Endpoint {
    /// The `Host` to send to this endpoint for an exchange of `rule`; `None` is the client's own, as received.
    ///
    /// Of rule, upstream and endpoint the one nearest the endpoint wins.
    #[must_use]
    pub fn host_for<'s>(&'s self, rule: &'s Rule) -> Option<&'s str> {
        match self.host.as_ref().unwrap_or(&rule.host) {
            HostSent::AsReceived => None,
            HostSent::Endpoint => Some(&self.authority),
            HostSent::Fixed(name) => Some(name),
        }
    }
}

impl Rule {
    /// How long its streams and tunnels may go on once it is removed; `None` is as long as they like.
    #[must_use]
    pub const fn drain_after_removal(&self) -> Option<Duration> {
        match self.on_remove {
            config::OnRemove::Keep => None,
            config::OnRemove::Drain(time) => Some(time),
            config::OnRemove::Close(_) => Some(Duration::ZERO),
        }
    }
}
