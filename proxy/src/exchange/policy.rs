//! Asks a rule's policies: the chain decides in `core`, this ties it to the exchange.
//!
//! `admit` calls it in the chain's order, and `answer` and `own` when a head is written. A rule without policies never
//! comes here.

use switchboard_core::message::Fields;
use switchboard_core::policy::cors::Preflight;
use switchboard_core::policy::{Chain, Notes, Refusal};
use switchboard_core::route::Facts;
use switchboard_core::snapshot::{Rule, Snapshot, edit_path};

use crate::error::ProxyError;

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

/// Asks what refuses, of the listener and of the rule, up to the identity.
///
/// # Errors
/// `denied`, `maintenance`.
pub fn screen(snapshot: &Snapshot, rule: &Rule, facts: &Facts<'_>) -> Result<(), ProxyError> {
    if rule.inherit
        && let Some(chain) = snapshot.listener_policy(facts.listener)
    {
        chain.screen(facts)?;
    }
    match &rule.policy {
        Some(chain) => Ok(chain.screen(facts)?),
        None => Ok(()),
    }
}

/// The answer to a preflight; else asks what is left after the identity, and fills in what goes up.
///
/// # Errors
/// `denied`, `method_not_allowed`; `internal` where a fact would break a line.
pub fn settle(chain: &Chain, facts: &Facts<'_>, notes: &mut Notes) -> Result<Option<Preflight>, ProxyError> {
    if let Some(preflight) = chain.preflight(facts, notes)? {
        return Ok(Some(preflight));
    }
    chain.method(facts)?;
    chain.fill(facts, notes)?;
    Ok(None)
}

/// Writes the target as it goes up.
///
/// # Errors
/// `bad_request` where no client could have sent it.
pub fn target(rule: &Rule, facts: &Facts<'_>, target: &mut Vec<u8>) -> Result<(), ProxyError> {
    let edit = |out: &mut Vec<u8>| {
        edit_path(&rule.path_edit, facts.destination.forward(), out)
            .map_err(|error| ProxyError::client(error.reason(), error.detail()))
    };
    match rule.policy.as_ref().filter(|chain| chain.edits_target()) {
        None => edit(target),
        Some(chain) => {
            let mut edited = Vec::new();
            edit(&mut edited)?;
            Ok(chain.target(facts, &edited, target)?)
        }
    }
}

/// Edits the fields of an upstream's answer, and gives the lines to add.
pub fn answer_lines(rule: &Rule, fields: &mut Fields, bytes: &[u8], notes: &Notes) -> Vec<u8> {
    let mut lines = Vec::new();
    if let Some(chain) = &rule.policy {
        chain.edit_answer(fields, bytes, notes, &mut lines);
    }
    lines
}
