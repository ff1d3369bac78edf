//! What a rule makes of a request on its way to an upstream: the size it may have, its target, the change of protocol.
//!
//! The data path's `exchange` asks it for each request, and `explain` for the one that it is told about: so that both
//! say the same.

use crate::config::{EncodedSlash, PathEdit};
use crate::forwarding::{Framing, Hop};
use crate::message::{Fields, Version};
use crate::policy::{Refusal, cors};
use crate::reason::Reason;
use crate::route::{Facts, ListenerId};
use crate::snapshot::{Action, Rule, Snapshot, Upstream, edit_path};
use crate::target::{Destination, TargetError};
use crate::websocket::{self, Handshake, Upgrade};

/// The most bytes that a request's body may have: what the rule says, or its listener, if that is less and binds it.
pub fn max_body(snapshot: &Snapshot, rule: &Rule, listener: ListenerId) -> Option<u64> {
    match snapshot.max_body_of(listener).filter(|_| rule.inherit) {
        Some(most) => Some(rule.max_body.map_or(most, |own| own.min(most))),
        None => rule.max_body,
    }
}

/// Refuses a body that says itself that it is too large. One that does not say is counted as it comes.
///
/// # Errors
///
/// [`Reason::BodyTooLarge`].
pub const fn fits(most: Option<u64>, framing: Framing) -> Result<(), Refusal> {
    match (framing, most) {
        (Framing::Length(length), Some(most)) if length > most => {
            Err(Refusal::new(Reason::BodyTooLarge, "The request's body is larger than this route's max_body."))
        }
        _ => Ok(()),
    }
}

/// What a rule makes of where a request wants to go, before anything else of it is asked: `None` is nothing, the
/// destination is as the parser made it.
///
/// # Errors
///
/// An encoded slash, where the rule takes none.
pub fn destination<'a>(rule: &Rule, parsed: &Destination<'a>) -> Result<Option<Destination<'a>>, Refusal> {
    if rule.paths.encoded_slash == EncodedSlash::Reject && parsed.decoded_path().is_some() {
        const WORDS: &str =
            "The path has an encoded slash (%2F), and this route takes none (paths: {encoded_slash: reject}).";
        return Err(Refusal::new(Reason::BadRequest, WORDS));
    }
    // Files and redirects are found by the path that routes see: `//host/x` as a `Location` would lead to another site.
    let keeps = !rule.paths.merge_slashes && matches!(rule.action, Action::Proxy(_));
    Ok(if keeps { parsed.with_empty_segments() } else { None })
}

/// Writes the target of a request as it goes up behind what `out` holds.
///
/// # Errors
///
/// What an edit leads to is none that a client could have sent.
pub fn target(rule: &Rule, facts: &Facts<'_>, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let forward = facts.destination.forward();
    let chain = rule.policy.as_ref().filter(|chain| chain.edits_target());
    if rule.path_edit == PathEdit::Keep && chain.is_none() {
        out.extend_from_slice(forward);
        return Ok(());
    }
    let refused = |error: TargetError| Refusal::new(error.reason(), error.detail());
    let Some(chain) = chain else { return edit_path(&rule.path_edit, forward, out).map_err(refused) };
    let mut edited = Vec::new();
    edit_path(&rule.path_edit, forward, &mut edited).map_err(refused)?;
    chain.target(facts, &edited, out)
}

/// Tells what a request would upgrade to, where its rule lets it.
///
/// # Errors
///
/// A WebSocket handshake that breaks RFC 6455 §4.1, or one of a page that may open none here.
pub fn upgrade(
    rule: &Rule,
    facts: &Facts<'_>,
    hop: &Hop,
    version: Version,
    framing: Framing,
) -> Result<Upgrade, Refusal> {
    let handshake = Handshake { method: facts.method, version, framing };
    let upgrade = websocket::examine(facts.fields, facts.head, hop, &handshake, &rule.upgrade)
        .map_err(|rejected| Refusal::new(rejected.reason, rejected.detail))?;
    if upgrade.token().is_some()
        && let Some(origins) = rule.websocket.as_ref().and_then(|limits| limits.allowed_origins.as_ref())
        && !cors::may_open(origins, facts)
    {
        return Err(Refusal::denied("Pages of this origin may not open a WebSocket here (allowed_origins)."));
    }
    Ok(upgrade)
}

/// The `Origin` line that a handshake gets where it has none and the upstream has one for it (`default_origin`).
pub fn origin_line<'a>(upstream: &'a Upstream, upgrade: &Upgrade, fields: &Fields, bytes: &[u8]) -> Option<&'a [u8]> {
    let line = upstream.default_origin.as_deref()?;
    (upgrade.token().is_some() && fields.matching(bytes, b"origin").next().is_none()).then_some(line)
}
