//! The way of a request from its head to what is sent or answered: the steps of `exchange::admit`, one by one, with a
//! trace in the search and without a connection.
//!
//! Each step is the data path's own function. Where `admit` gains a step, it belongs here too.

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use switchboard_core::config::{Builtin, Config};
use switchboard_core::content::path;
use switchboard_core::forwarding::{self, Framing, Hop, Peer, RequestPlan, Scheme};
use switchboard_core::http1::{HeadLimits, Progress, RequestHead};
use switchboard_core::message::Name;
use switchboard_core::onward;
use switchboard_core::policy::cors::Preflight;
use switchboard_core::policy::{Notes, Refusal};
use switchboard_core::reason::Reason;
use switchboard_core::route::{Facts, ListenerId, RuleId};
use switchboard_core::snapshot::{Action, Explanation, Rule, Site, Snapshot, UpstreamId};
use switchboard_core::target::{Destination, named_host};
use switchboard_core::template;

use super::tls::{Tls, decrypts};

/// What stands for the id that each request gets.
pub(super) const REQUEST_ID: &[u8] = b"<its-id>";

/// How the request comes in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// The other end of the connection.
    pub(super) client: IpAddr,
    /// The listener.
    pub(super) listener: ListenerId,
    /// Its port; `None` for a unix socket.
    pub(super) port: Option<u16>,
}

/// What became of a request.
#[derive(Debug)]
pub(super) struct Course {
    /// The search for a rule; `None` where it was refused before.
    pub(super) search: Option<Explanation>,
    /// Who the client is, by what trusted peers say.
    pub(super) client: Option<IpAddr>,
    /// The listener that it came in by.
    pub(super) listener: ListenerId,
    /// How it ends.
    pub(super) end: End,
}

/// How it ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The proxy refuses it: the reason, and a clause or sentence.
    Refused(Reason, &'static str),
    /// A file answers: the path on this machine that is looked for, where there can be one.
    File(Option<PathBuf>),
    /// It goes to an upstream.
    Sent {
        /// Which.
        upstream: UpstreamId,
        /// The head as the first endpoint gets it.
        head: Vec<u8>,
        /// The target before it was edited, where it was.
        edited: Option<Vec<u8>>,
        /// The protocol that a 101 would change to.
        upgrade: Option<Vec<u8>>,
    },
    /// The client is sent elsewhere.
    Redirected(u16, Vec<u8>),
    /// The rule answers with a text.
    Responded(u16, Arc<str>),
    /// The rule answers about the proxy itself.
    Builtin(Builtin),
    /// The host has TLS at another listener, where this one sends who came without.
    Secured(Vec<u8>),
    /// The proxy answers an OPTIONS that may go no further.
    Options,
    /// The rule's `cors` answers a preflight, with these lines.
    Preflight(Vec<u8>),
}

impl Course {
    /// The rule that answers, where one does.
    pub(super) fn rule(&self) -> Option<RuleId> {
        self.search.as_ref()?.answer.as_ref().ok().copied()
    }

    /// The upstream that would be asked.
    pub(super) const fn upstream(&self) -> Option<UpstreamId> {
        match &self.end {
            End::Sent { upstream, .. } => Some(*upstream),
            _ => None,
        }
    }

    /// The head of a handshake as the first endpoint gets it.
    pub(super) fn handshake(&self) -> Option<Vec<u8>> {
        match &self.end {
            End::Sent { head, upgrade: Some(_), .. } => Some(head.clone()),
            _ => None,
        }
    }

    /// Whether a rule answers.
    pub(super) const fn is_answered(&self) -> bool {
        !matches!(self.end, End::Refused(..))
    }
}

/// Follows a request, whose whole head is `head`.
pub(super) fn follow(config: &Config, snapshot: &Snapshot, tls: &Tls, head: &[u8], arrival: &Arrival) -> Course {
    let mut course =
        Course { search: None, client: Some(arrival.client), listener: arrival.listener, end: End::Options };
    course.end = end((config, snapshot, tls), head, arrival, &mut course)
        .unwrap_or_else(|Refused(reason, detail)| End::Refused(reason, detail));
    course
}

struct Refused(Reason, &'static str);

fn end(
    (config, snapshot, tls): (&Config, &Snapshot, &Tls),
    bytes: &[u8],
    arrival: &Arrival,
    course: &mut Course,
) -> Result<End, Refused> {
    let mut head = RequestHead::default();
    match head.parse(bytes, &HeadLimits::from(&snapshot.limits)) {
        Ok(Progress::Complete) => {}
        Ok(Progress::Partial) => return Err(Refused(Reason::BadRequest, "the head has no end")),
        Err(error) => return Err(Refused(error.reason(), error.detail())),
    }
    let method = head.method.of(bytes);
    let hosts = head.fields.clone();
    let hosts = hosts.named(Name::Host).map(|field| field.value.of(bytes));
    let destination = Destination::parse(method, head.target.of(bytes), hosts, head.version)
        .map_err(|error| Refused(error.reason(), error.detail()))?;
    let address = arrival.port.map(|_| SocketAddr::new(arrival.client, 0));
    let listener = config.listeners.get(arrival.listener.0 as usize);
    let scheme = if listener.is_some_and(decrypts) { Scheme::Https } else { Scheme::Http };
    let peer = Peer::new(address, arrival.port, scheme, &config.trusted_proxies, snapshot.forwarded);
    let came =
        forwarding::Arrival { method, version: head.version, peer: &peer, trusted_proxies: &config.trusted_proxies };
    let mut hop = forwarding::examine(&mut head.fields, bytes, &came)
        .map_err(|rejected| Refused(rejected.reason, rejected.detail))?;
    hop.host = hop.host.or_else(|| named_host(head.target, bytes));
    course.client = hop.client;
    let facts = Facts {
        method,
        destination: &destination,
        fields: &head.fields,
        head: bytes,
        client_ip: hop.client,
        listener: arrival.listener,
        listener_port: arrival.port.unwrap_or(0),
        scheme: hop.scheme(bytes, &peer),
        client_cert: false,
        claims: &switchboard_core::policy::claims::NONE,
        request_id: hop.request_id.map_or(REQUEST_ID, |id| id.of(bytes)),
    };
    if let Some(location) = listener.and_then(|listener| tls.elsewhere(listener, &facts, arrival.port)) {
        return Ok(End::Secured(location));
    }
    let search = course.search.insert(snapshot.explain(&facts));
    let id = search.answer.map_err(|error| Refused(error.reason(), error.detail()))?;
    let rule = snapshot.rule(id);
    let refused = |refusal: Refusal| Refused(refusal.reason, refusal.detail);
    let as_ruled = onward::destination(rule, &destination).map_err(refused)?;
    let facts = Facts { destination: as_ruled.as_ref().unwrap_or(&destination), ..facts };
    answer(snapshot, rule, &facts, &head, &hop, &peer)
}

/// Asks the policies of listener and rule, in the chain's order.
fn policies(
    snapshot: &Snapshot,
    rule: &Rule,
    facts: &Facts<'_>,
    notes: &mut Notes,
) -> Result<Option<Preflight>, Refusal> {
    if let Some(chain) = snapshot.listener_policy(facts.listener).filter(|_| rule.inherit) {
        chain.screen(facts)?;
    }
    let Some(chain) = &rule.policy else { return Ok(None) };
    chain.screen(facts)?;
    if let Some(preflight) = chain.preflight(facts, notes)? {
        return Ok(Some(preflight));
    }
    chain.method(facts)?;
    chain.fill(facts, notes)?;
    Ok(None)
}

/// What the rule makes of the request.
fn answer(
    snapshot: &Snapshot,
    rule: &Rule,
    facts: &Facts<'_>,
    head: &RequestHead,
    hop: &Hop,
    peer: &Peer,
) -> Result<End, Refused> {
    let framing = Framing::from(head.framing);
    let mut notes = Notes::default();
    let refused = |refusal: Refusal| Refused(refusal.reason, refusal.detail);
    if let Some(chain) = &rule.policy {
        chain.note(facts, &mut notes).map_err(refused)?;
    }
    onward::fits(onward::max_body(snapshot, rule, facts.listener), framing).map_err(refused)?;
    if let Some(preflight) = policies(snapshot, rule, facts, &mut notes).map_err(refused)? {
        return Ok(End::Preflight(preflight.lines));
    }
    let upstream = match &rule.action {
        _ if hop.max_forwards == Some(0) => return Ok(End::Options),
        Action::Respond { body, status } => return Ok(End::Responded(*status, Arc::clone(body))),
        Action::Builtin(what) => return Ok(End::Builtin(*what)),
        Action::Redirect { to, status } => {
            let mut location = Vec::new();
            template::render(to, facts, &mut location).map_err(|error| Refused(error.reason(), error.detail()))?;
            return Ok(End::Redirected(*status, location));
        }
        Action::Files(site) => match (site.then, file_of(site, facts)) {
            (None, file) => return Ok(End::File(file)),
            (Some(upstream), _) => upstream,
        },
        Action::Proxy(upstream) => *upstream,
    };
    let forward = facts.destination.forward();
    let mut target = Vec::new();
    onward::target(rule, facts, &mut target).map_err(refused)?;
    let upgrade = onward::upgrade(rule, facts, hop, head.version, framing).map_err(refused)?;
    let mut fields = facts.fields.clone();
    if let Some(chain) = &rule.policy {
        chain.edit_request(&mut fields, facts.head, &mut notes);
    }
    let first = snapshot.upstream(upstream).endpoints.first().map(|id| snapshot.endpoint(*id));
    let host = first.and_then(|endpoint| endpoint.host_for(rule)).map(str::as_bytes);
    let plan = RequestPlan {
        method: facts.method,
        target: &target,
        host: host.or_else(|| hop.host.map(|host| host.of(facts.head))).unwrap_or_default(),
        framing,
        upgrade: upgrade.token(),
        request_id: facts.request_id,
        expect_continue: hop.expect_continue,
        close: false,
        version: head.version,
        edits: rule.policy.as_ref().map(|chain| (chain.up(), notes.up_lines.as_slice())),
    };
    let mut sent = Vec::new();
    forwarding::write_request(&mut sent, &fields, facts.head, peer, hop, &plan);
    if let Some(line) = onward::origin_line(snapshot.upstream(upstream), &upgrade, &fields, facts.head) {
        sent.truncate(sent.len().saturating_sub(2));
        sent.extend_from_slice(line);
        sent.extend_from_slice(b"\r\n");
    }
    let edited = (target != forward).then(|| forward.to_vec());
    Ok(End::Sent { upstream, head: sent, edited, upgrade: upgrade.token().map(<[u8]>::to_vec) })
}

/// The file that a request asks for, if there can be one.
fn file_of(site: &Site, facts: &Facts<'_>) -> Option<PathBuf> {
    let wanted = path::wanted(facts.destination.path(), site.skip).ok()?;
    let below = site.written.dir.join(OsStr::from_bytes(&wanted.path));
    let index = site.written.index.first().filter(|_| wanted.directory || wanted.path.is_empty());
    Some(index.map_or_else(|| below.clone(), |index| below.join(index)))
}
