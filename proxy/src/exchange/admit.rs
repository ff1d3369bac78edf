//! From a head to the rule that answers it: checked, stripped, routed, within its limits. Nothing here waits.

use std::rc::Rc;
use std::sync::Arc;

use switchboard_core::answer;
use switchboard_core::forwarding::{self, Arrival, Framing as Outgoing, Hop, RequestPlan};
use switchboard_core::http1::RequestHead;
use switchboard_core::message::{Fields, Name, Version};
use switchboard_core::onward;
use switchboard_core::policy::Notes;
use switchboard_core::policy::claims::{Claims, NONE};
use switchboard_core::policy::cors::Preflight;
use switchboard_core::policy::identity::Identity;
use switchboard_core::route::{Facts, NoTrace};
use switchboard_core::snapshot::{Action, Rule, Snapshot, UpstreamId};
use switchboard_core::target::{Destination, named_host};
use switchboard_core::template;
use switchboard_core::websocket::Upgrade;

use super::record::Record;
use super::resume::Session;
use super::secure;
use super::upload::Upload;
use super::{bond, passed, policy};
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::http::Connection;
use crate::upstream::attempts::Nature;

/// A request that may be answered.
#[derive(Debug)]
pub struct Admitted {
    /// The rule that answers.
    pub rule: Arc<Rule>,
    /// What the request says to this hop.
    pub hop: Hop,
    /// What it would upgrade to.
    pub upgrade: Upgrade,
    /// Whether sending it twice does no more than sending it once (RFC 9110 §9.2.2).
    pub idempotent: bool,
    /// Whether it is gRPC, whose streams may rest as long as they like on either side.
    pub grpc: bool,
    /// What its endpoint is chosen by, where the upstream asks for that.
    pub key: Option<u64>,
    /// The answer to a preflight that the rule's `cors` gives.
    pub preflight: Option<Preflight>,
    /// A store has to be asked about limits before anything else is.
    pub asks_stores: bool,
    /// The session of an event stream that may be resumed.
    pub session: Option<Rc<Session>>,
    /// Others wait for its answer: it goes on where its client leaves.
    pub shared: bool,
    /// What the cache adds to the request: a line that asks about what it has.
    pub condition: Vec<u8>,
    /// The most bytes that its body may have.
    pub max_body: Option<u64>,
}

/// Finds the rule for the request on `desk` and checks what can be checked before anything is sent. The target as it
/// goes upstream, or the location of a redirect, is then in `desk.target`, the request's id in `desk.request_id`.
///
/// # Errors
/// What is refused, with its reason and a sentence.
pub fn admit(connection: &mut Connection, desk: &mut Desk, record: &mut Record) -> Result<Admitted, ProxyError> {
    let generation = std::rc::Rc::clone(&record.generation);
    connection.refresh_peer(&generation);
    record.client = connection.peer.ip();
    let Desk { input, request, request_id, target, path, notes, .. } = desk;
    let bytes = input.filled();
    let method = request.method.of(bytes);
    let arrival = Arrival {
        method,
        version: request.version,
        peer: &connection.peer,
        trusted_proxies: &generation.config.trusted_proxies,
    };
    request_id.clear();
    request_id.extend_from_slice(record.id.as_bytes());
    // A target that cannot be read is refused before anything is believed.
    let hosts = first_two_hosts(&request.fields, bytes).into_iter().flatten();
    let destination = Destination::parse(method, request.target.of(bytes), hosts, request.version)
        .map_err(|error| ProxyError::client(error.reason(), error.detail()))?;
    let mut hop = forwarding::examine(&mut request.fields, bytes, &arrival)
        .map_err(|rejected| ProxyError::client(rejected.reason, rejected.detail))?;
    hop.host = hop.host.or_else(|| named_host(request.target, bytes));
    record.client = hop.client;
    if let Some(id) = hop.request_id {
        request_id.clear();
        request_id.extend_from_slice(id.of(bytes));
    }
    let facts = facts(connection, request, bytes, request_id, &hop, &destination, &NONE);
    if let Some(rule) = secure::look(connection, &generation, &facts, target)? {
        return Ok(Admitted::new(rule, hop));
    }
    let id = generation
        .snapshot
        .find(&facts, &mut NoTrace)
        .map_err(|error| ProxyError::client(error.reason(), error.detail()))?;
    record.rule = Some(id);
    let rule = Arc::clone(generation.snapshot.rule(id));
    passed::refuse(connection, &rule, &hop, (&request.fields, bytes))?; // 508
    let as_ruled = onward::destination(&rule, &destination)?;
    let facts = Facts { destination: as_ruled.as_ref().unwrap_or(&destination), ..facts };
    if let Some(chain) = &rule.policy {
        policy::note(chain, &facts, notes)?;
    }
    let max_body = onward::max_body(&generation.snapshot, &rule, connection.listener);
    onward::fits(max_body, request.framing.into())?;
    let mut asks_stores = false;
    if rule.policy.is_some() || generation.snapshot.has_listener_policies() {
        let occupied = &mut connection.occupied;
        asks_stores = policy::screen(record, &rule, &facts, notes, occupied, &connection.worker)?;
    }
    let idempotent = matches!(method, b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE");
    let grpc = is_grpc_head(request, bytes);
    let mut admitted = Admitted { idempotent, grpc, asks_stores, max_body, ..Admitted::new(rule, hop) };
    if let Some(chain) = &admitted.rule.policy {
        admitted.preflight = policy::preflight(chain, &facts, notes)?;
        // The rest comes when it is known who asks: `resume`.
        if admitted.preflight.is_some() || chain.identity().is_some() {
            return Ok(admitted);
        }
    }
    if asks_stores {
        return Ok(admitted);
    }
    admitted.settle(&generation.snapshot, &facts, request, notes, (target, path))?;
    if let Some(chain) = &admitted.rule.policy {
        chain.edit_request(&mut request.fields, bytes, notes);
    }
    Ok(admitted)
}

/// What an authority waits for, where this request asks for the token of an order under way (RFC 8555 §8.3). Anything
/// else is an ordinary request, whatever its path (case 172).
pub fn token(connection: &Connection, desk: &Desk, record: &mut Record) -> Option<String> {
    let challenges = &connection.worker.process.certs.challenges;
    let bytes = desk.input.filled();
    let method = desk.request.method.of(bytes);
    if !challenges.are_pending() || !matches!(method, b"GET" | b"HEAD") {
        return None;
    }
    let hosts = first_two_hosts(&desk.request.fields, bytes).into_iter().flatten();
    let target = desk.request.target.of(bytes);
    let destination = Destination::parse(method, target, hosts, desk.request.version).ok()?;
    record.client = connection.peer.ip();
    challenges.answer(destination.host(), destination.path())
}

fn facts<'a>(
    connection: &Connection,
    request: &'a RequestHead,
    bytes: &'a [u8],
    request_id: &'a [u8],
    hop: &Hop,
    destination: &'a Destination<'a>,
    claims: &'a Claims,
) -> Facts<'a> {
    Facts {
        method: request.method.of(bytes),
        destination,
        fields: &request.fields,
        head: bytes,
        client_ip: hop.client,
        listener: connection.listener,
        listener_port: connection.peer.local_port().unwrap_or(0),
        scheme: hop.scheme(bytes, &connection.peer),
        request_id,
        claims,
        client_cert: connection.secure.as_ref().is_some_and(|secure| secure.certificate.is_some()),
    }
}

/// All that the target's parser has to see of `Host`: none, one, or that there are several.
fn first_two_hosts<'a>(fields: &Fields, bytes: &'a [u8]) -> [Option<&'a [u8]>; 2] {
    let mut hosts = fields.named(Name::Host).map(|field| field.value.of(bytes));
    [hosts.next(), hosts.next()]
}

/// Whether the request on `desk` is gRPC, which HTTP/2 alone carries.
pub fn is_grpc(desk: &Desk) -> bool {
    is_grpc_head(&desk.request, desk.input.filled())
}

fn is_grpc_head(request: &RequestHead, bytes: &[u8]) -> bool {
    request.version == Version::Http2
        && request.fields.named(Name::ContentType).any(|field| answer::is_grpc(field.value.of(bytes)))
}

impl Admitted {
    const fn new(rule: Arc<Rule>, hop: Hop) -> Self {
        Self {
            rule,
            hop,
            upgrade: Upgrade::None,
            idempotent: false,
            grpc: false,
            key: None,
            preflight: None,
            asks_stores: false,
            session: None,
            shared: false,
            condition: Vec::new(),
            max_body: None,
        }
    }

    /// The same request once more, with nothing of the cache's.
    pub fn again(&self) -> Self {
        let Self { rule, hop, upgrade, idempotent, grpc, key, max_body, .. } = self;
        let plain = Self::new(Arc::clone(rule), *hop);
        let (upgrade, max_body) = (upgrade.clone(), *max_body);
        Self { upgrade, idempotent: *idempotent, grpc: *grpc, key: *key, max_body, ..plain }
    }

    /// Whether and how the request could be sent again, as far as `upload` has come.
    pub fn nature(&self, upload: &Upload) -> Nature {
        // A handshake that was sent has begun something at the endpoint.
        let repeatable = self.idempotent && self.upgrade.token().is_none();
        Nature { repeatable, replayable: upload.is_replayable() }
    }

    /// Whether somebody has to be asked before the request goes on by [`Admitted::resume`].
    pub fn waits(&self) -> bool {
        self.asks_stores || self.identity().is_some()
    }

    /// What the request has to prove before it goes on by [`Admitted::resume`].
    pub fn identity(&self) -> Option<&Identity> {
        self.rule.policy.as_ref()?.identity().filter(|_| self.preflight.is_none())
    }

    /// Goes on once it is known who asks: as `admit` ends where nothing has to be proved.
    ///
    /// # Errors
    /// What is refused, with its reason and a sentence.
    pub fn resume(&mut self, connection: &Connection, desk: &mut Desk, record: &Record) -> Result<(), ProxyError> {
        let Desk { input, request, request_id, target, path, notes, claims, .. } = desk;
        let bytes = input.filled();
        let destination = self.destination(request, bytes)?;
        let claims = self.claims(claims);
        let facts = facts(connection, request, bytes, request_id, &self.hop, &destination, claims);
        if let Some(chain) = self.rule.policy.as_ref().filter(|_| self.has_token()) {
            chain.note_claims(&facts, notes)?;
        }
        self.settle(&record.generation.snapshot, &facts, request, notes, (target, path))?;
        if let Some(chain) = &self.rule.policy {
            chain.edit_request(&mut request.fields, bytes, notes);
        }
        Ok(())
    }

    /// Lends the facts of the request on `desk`.
    ///
    /// # Errors
    /// None that `admit` has not found.
    pub fn with_facts<T>(
        &self,
        connection: &Connection,
        desk: &Desk,
        lend: impl FnOnce(&Facts<'_>) -> T,
    ) -> Result<T, ProxyError> {
        let bytes = desk.input.filled();
        let destination = self.destination(&desk.request, bytes)?;
        let claims = self.claims(&desk.claims);
        Ok(lend(&facts(connection, &desk.request, bytes, &desk.request_id, &self.hop, &destination, claims)))
    }

    /// The destination, which `admit` has read before.
    fn destination<'a>(&self, request: &RequestHead, bytes: &'a [u8]) -> Result<Destination<'a>, ProxyError> {
        let host = self.hop.host.map(|host| host.of(bytes));
        let parsed = Destination::parse(request.method.of(bytes), request.target.of(bytes), host, request.version)
            .map_err(|error| ProxyError::client(error.reason(), error.detail()))?;
        Ok(onward::destination(&self.rule, &parsed)?.unwrap_or(parsed))
    }

    /// Asks what comes behind the identity, and settles where the request goes and as what.
    fn settle(
        &mut self,
        snapshot: &Snapshot,
        facts: &Facts<'_>,
        request: &RequestHead,
        notes: &mut Notes,
        (target, path): (&mut Vec<u8>, &mut Vec<u8>),
    ) -> Result<(), ProxyError> {
        let rule = &self.rule;
        if let Some(chain) = &rule.policy {
            policy::settle(chain, facts, notes)?;
        }
        target.clear();
        let upstream = match &rule.action {
            Action::Redirect { to, .. } => {
                template::render(to, facts, target).map_err(|error| ProxyError::own(error.reason(), error.detail()))?;
                None
            }
            Action::Respond { .. } | Action::Builtin(_) => None,
            Action::Files(site) => {
                path.clear();
                path.extend_from_slice(facts.destination.path());
                site.then
            }
            Action::Proxy(upstream) => Some(*upstream),
        };
        match upstream {
            Some(upstream) => self.forward(snapshot, upstream, facts, request, target),
            None => Ok(()),
        }
    }

    /// Settles what an upstream is asked, and whether it is asked to change the protocol.
    fn forward(
        &mut self,
        snapshot: &Snapshot,
        upstream: UpstreamId,
        facts: &Facts<'_>,
        request: &RequestHead,
        target: &mut Vec<u8>,
    ) -> Result<(), ProxyError> {
        self.key = snapshot.upstream(upstream).balancer.key(facts);
        onward::target(&self.rule, facts, target)?;
        self.upgrade = onward::upgrade(&self.rule, facts, &self.hop, request.version, request.framing.into())?;
        Ok(())
    }

    /// Writes the head for the endpoint at `index` into `desk.output`.
    pub fn write_head(&self, connection: &Connection, desk: &mut Desk, record: &Record, index: usize) {
        let framing = desk.request.framing.into();
        self.write_head_as(connection, desk, record, index, framing, self.hop.expect_continue);
    }

    /// The same with a framing of its own.
    pub fn write_head_as(
        &self,
        connection: &Connection,
        desk: &mut Desk,
        record: &Record,
        index: usize,
        framing: Outgoing,
        expect_continue: bool,
    ) {
        let bytes = desk.input.filled();
        let endpoint = record.generation.snapshot.endpoints().get(index);
        let host = endpoint.and_then(|endpoint| endpoint.host_for(&self.rule)).map(str::as_bytes);
        let plan = RequestPlan {
            method: desk.request.method.of(bytes),
            target: &desk.target,
            host: host.or_else(|| self.hop.host.map(|host| host.of(bytes))).unwrap_or_default(),
            framing,
            upgrade: self.upgrade.token(),
            request_id: &desk.request_id,
            expect_continue,
            close: false,
            version: desk.request.version,
            edits: self.rule.policy.as_ref().map(|chain| (chain.up(), desk.notes.up_lines.as_slice())),
        };
        desk.output.clear();
        forwarding::write_request(&mut desk.output, &desk.request.fields, bytes, &connection.peer, &self.hop, &plan);
        bond::add(&mut desk.output, &self.condition);
        if let Some(session) = &self.session {
            bond::add(&mut desk.output, session.line());
        }
        if let Some(trace) = &record.trace {
            bond::add(&mut desk.output, &trace.line());
        }
        let upstream = endpoint.map(|endpoint| record.generation.snapshot.upstream(endpoint.upstream));
        if let Some(line) = upstream.and_then(|it| onward::origin_line(it, &self.upgrade, &desk.request.fields, bytes))
        {
            bond::add(&mut desk.output, line);
        }
        if record.generation.endpoints.get(index).is_some_and(passed::concerns) {
            passed::say(connection, &self.rule, desk);
        }
    }
}
