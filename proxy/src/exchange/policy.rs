//! Asks a rule's policies: the chain decides in `core`, this ties it to the exchange.
//!
//! `admit` calls it in the chain's order, and `answer` and `own` when a head is written. A rule without policies never
//! comes here.

pub mod identity;
pub mod inspect;
pub mod limits;
pub mod passwords;
pub mod token;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;

use switchboard_core::message::Fields;
use switchboard_core::policy::cors::Preflight;
use switchboard_core::policy::places::Occupied;
use switchboard_core::policy::{Chain, Notes, Refusal};
use switchboard_core::route::Facts;
use switchboard_core::snapshot::Rule;

use super::record::Record;
use crate::error::ProxyError;
use crate::worker::Worker;
use limits::Stage;

impl From<Refusal> for ProxyError {
    fn from(refusal: Refusal) -> Self {
        Self::client(refusal.reason, refusal.detail).with(refusal.fields)
    }
}

/// Notes what the answer will need. Before anything can be refused: refusals are answers too.
///
/// # Errors
/// `internal` where a fact would break a line of the answer.
pub fn note(chain: &Chain, facts: &Facts<'_>, notes: &mut Notes) -> Result<(), ProxyError> {
    Ok(chain.note(facts, notes)?)
}

/// Asks what refuses, of the listener and of the rule, up to the identity. What is to be counted while the exchange
/// lasts is left in `occupied`. Returns whether a store has still to be asked about limits.
///
/// # Errors
/// `denied`, `maintenance`, `rate_limited`.
pub fn screen(
    record: &Record,
    rule: &Rule,
    facts: &Facts<'_>,
    notes: &mut Notes,
    occupied: &mut Vec<Occupied>,
    worker: &Worker,
) -> Result<bool, ProxyError> {
    let listener = match rule.inherit {
        true => record.generation.snapshot.listener_policy(facts.listener),
        false => None,
    };
    for chain in listener.into_iter().chain(rule.policy.as_deref()) {
        chain.screen(facts)?;
    }
    limits::look(record, rule, facts, Stage::Address, &mut notes.key, occupied, worker)
}

/// Hashes the key of a limit with what only this process knows: nobody outside can choose keys that meet.
fn hash(key: &[u8]) -> u64 {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    SEED.hash_one(key)
}

/// The answer to a preflight, where the request is one.
///
/// # Errors
/// `denied`
pub fn preflight(chain: &Chain, facts: &Facts<'_>, notes: &Notes) -> Result<Option<Preflight>, ProxyError> {
    Ok(chain.preflight(facts, notes)?)
}

/// Asks what is left after the identity, and fills in what goes up.
///
/// # Errors
/// `method_not_allowed`; `internal` where a fact would break a line.
pub fn settle(chain: &Chain, facts: &Facts<'_>, notes: &mut Notes) -> Result<(), ProxyError> {
    chain.method(facts)?;
    Ok(chain.fill(facts, notes)?)
}

/// Bytes a second of an answer's body, where the rule bounds them.
pub fn bandwidth(rule: &Rule) -> Option<u64> {
    rule.policy.as_ref()?.bandwidth()
}

/// Edits the fields of an upstream's answer, and gives the lines to add.
pub fn answer_lines(rule: &Rule, fields: &mut Fields, bytes: &[u8], notes: &Notes) -> Vec<u8> {
    let mut lines = Vec::new();
    if let Some(chain) = &rule.policy {
        chain.edit_answer(fields, bytes, notes, &mut lines);
    }
    lines
}

/// Tells a browser that `bearer` was agreed upon, where it offered that and a token and nothing else: it would close a
/// WebSocket whose server agrees to none of what it offered (WHATWG WebSockets §2).
pub fn agree(notes: &Notes, fields: &Fields, bytes: &[u8], lines: &mut Vec<u8>) {
    if notes.bearer && fields.matching(bytes, b"sec-websocket-protocol").next().is_none() {
        lines.extend_from_slice(b"sec-websocket-protocol: bearer\r\n");
    }
}
