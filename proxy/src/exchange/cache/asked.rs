//! What a request says to the cache: under which key it looks, what it would take, and whether the cache is for it at all.

use std::hash::{DefaultHasher, Hasher as _};

use switchboard_core::cache::control::RequestControl;
use switchboard_core::cache::{Plan, invalid, key};
use switchboard_core::config::QueryKey;
use switchboard_core::content;
use switchboard_core::http1::Framing;
use switchboard_core::message::Name;

use super::super::admit::Admitted;
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::http::Connection;

/// What a request is to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It may be answered from the store.
    Read,
    /// Its method may change what is stored.
    Change,
    /// Neither.
    Other,
}

/// What a request asks.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    /// Where its answer is found.
    pub(super) key: Vec<u8>,
    /// Its URL with the whole query, where that is not the key.
    pub(super) url: Option<Vec<u8>>,
    /// Tells its answers from those of others under the same key.
    pub(super) space: u64,
    pub(super) control: RequestControl,
    /// HEAD
    pub(super) head: bool,
    /// It names somebody, or somebody was asked for.
    pub(super) authorized: bool,
    /// It has neither conditions nor a range.
    pub(super) is_plain: bool,
}

/// Fields by which some applications take a GET for something else: such a request is no read (case 135).
const OVERRIDES: [&[u8]; 3] = [b"x-http-method-override", b"x-http-method", b"x-method-override"];

impl Asked {
    /// Reads the request on `desk`.
    pub(super) fn read(
        connection: &Connection,
        desk: &Desk,
        admitted: &Admitted,
        plan: &Plan,
    ) -> Result<Self, ProxyError> {
        let bytes = desk.input.filled();
        let fields = &desk.request.fields;
        let content = content::Asked::read(fields, bytes);
        let control = RequestControl::read(fields.named(Name::CacheControl).map(|field| field.value.of(bytes)));
        let method = desk.request.method.of(bytes);
        let authority = admitted.hop.host.map(|host| host.of(bytes)).unwrap_or_default();
        let (mut key, mut url) = (Vec::with_capacity(128), None);
        admitted.with_facts(connection, desk, |facts| {
            let forward = facts.destination.forward();
            key::write(&mut key, facts.scheme, authority, forward, &plan.rules.query);
            if plan.rules.query != QueryKey::All {
                let mut whole = Vec::with_capacity(128);
                key::write(&mut whole, facts.scheme, authority, forward, &QueryKey::All);
                url = Some(whole);
            }
        })?;
        Ok(Self {
            kind: kind(desk, method, &content),
            key,
            url,
            space: space(connection, desk, admitted, plan),
            control: if plan.rules.client_control { control } else { control.unheard() },
            head: method == b"HEAD",
            authorized: fields.named(Name::Authorization).next().is_some() || admitted.identity().is_some(),
            is_plain: content.is_plain(),
        })
    }

    /// Its URL, whole.
    pub(super) fn url(&self) -> &[u8] {
        self.url.as_deref().unwrap_or(&self.key)
    }
}

fn kind(desk: &Desk, method: &[u8], content: &content::Asked<'_>) -> Kind {
    let bytes = desk.input.filled();
    let fields = &desk.request.fields;
    let overridden = || {
        fields.all().iter().any(|field| {
            field.name_id == Name::Other && OVERRIDES.iter().any(|name| field.name.of(bytes).eq_ignore_ascii_case(name))
        })
    };
    let streams = || fields.named(Name::Accept).any(|field| field.value.of(bytes).starts_with(b"text/event-stream"));
    match method {
        // A body may be part of what is asked, and is part of no key.
        b"GET" | b"HEAD" if desk.request.framing != Framing::None => Kind::Other,
        // An origin may refuse what is expected of it (417); without a body there is nothing else to expect.
        b"GET" | b"HEAD" if fields.all().iter().any(|field| field.name_id == Name::Expect) => Kind::Other,
        b"GET" | b"HEAD" if content.if_match || content.if_unmodified_since.is_some() => Kind::Other,
        b"GET" | b"HEAD" if overridden() || streams() => Kind::Other,
        b"GET" | b"HEAD" => Kind::Read,
        method if invalid::is_unsafe(method) => Kind::Change,
        _ => Kind::Other,
    }
}

/// What the upstream is told besides what the key has: where policies write the target or lines, or the proxy or a peer
/// that it trusts vouches for the client, an answer is only for requests of which the same is said.
fn space(connection: &Connection, desk: &Desk, admitted: &Admitted, plan: &Plan) -> u64 {
    let mut vouched = Vec::new();
    admitted.hop.vouched(&desk.request.fields, desk.input.filled(), &connection.peer, &mut vouched);
    if admitted.rule.policy.is_none() && vouched.is_empty() {
        return plan.space;
    }
    let mut hasher = DefaultHasher::new();
    if let Some(chain) = &admitted.rule.policy {
        if chain.edits_target() {
            hasher.write(&desk.target);
        }
        hasher.write(&[0]);
        hasher.write(&desk.notes.up_lines);
        hasher.write(&[0]);
        hasher.write(&desk.notes.who.lines);
    }
    hasher.write(&[0]);
    hasher.write(&vouched);
    plan.space ^ hasher.finish()
}
