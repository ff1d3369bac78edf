//! Asks for the token of a request: `core` finds it and judges what it says, the key set checks its signature. A key that
//! nobody knows has the set fetched once more, and the request waits for that.

use std::time::{SystemTime, UNIX_EPOCH};

use switchboard_core::policy::claims::{Claims, NONE};
use switchboard_core::policy::jwt::{Fault, Jwt, hide_subprotocol, prove};
use switchboard_core::reason::Reason;

use crate::desk::Desk;
use crate::error::ProxyError;
use crate::exchange::admit::Admitted;
use crate::exchange::record::Record;
use crate::http::Connection;
use crate::tokens::KeySet;
use crate::worker::Worker;

/// Asks for the token. What it says is then in `desk.claims`, and the lines for the upstream in `desk.notes.who`.
///
/// # Errors
/// `unauthorized` with the reason, `denied` where a claim is not as asked; `upstream_bad_response` where there are no keys.
pub async fn verify(
    connection: &Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &Admitted,
    jwt: &Jwt,
) -> Result<(), ProxyError> {
    let found = admitted.with_facts(connection, desk, |facts| jwt.find(facts))??;
    let outside = record.rule.and_then(|rule| record.generation.outsides.get(rule.index()));
    let keys =
        outside.and_then(|outside| outside.keys.as_ref()).ok_or_else(|| ProxyError::own(Reason::Internal, ""))?;
    let claims = checked(&connection.worker, jwt, keys, &found.text).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    jwt.judge(&claims, now)?;
    jwt.tell(&claims, &mut desk.notes.who)?;
    prove(&claims, &found.text, &mut desk.notes.who);
    if found.subprotocol {
        let Desk { input, request, notes, .. } = &mut *desk;
        notes.bearer = hide_subprotocol(&mut request.fields, input.filled(), &mut notes.who.lines);
    }
    desk.claims = claims;
    Ok(())
}

async fn checked(worker: &Worker, jwt: &Jwt, keys: &KeySet, token: &[u8]) -> Result<Claims, ProxyError> {
    let token = jwt.read(token).map_err(refused)?;
    let mut checked = keys.check(&token);
    if checked == Err(Fault::UnknownKey) && keys.renew(worker).await {
        checked = keys.check(&token);
    }
    if checked.is_err() && keys.is_empty() {
        let detail = "The keys that tokens of this route are checked by can't be had (jwt: jwks).";
        return Err(ProxyError::upstream(Reason::UpstreamBadResponse, detail));
    }
    checked.map_err(refused)?;
    token.open().map_err(refused)
}

fn refused(fault: Fault) -> ProxyError {
    switchboard_core::policy::Refusal::from(fault).into()
}

impl Admitted {
    /// Whether the rule asks for a token.
    pub fn has_token(&self) -> bool {
        self.identity().is_some_and(|identity| identity.jwt().is_some())
    }

    /// What the request's token says, where the rule asks for one: on a desk there may be another's.
    pub fn claims<'a>(&self, claims: &'a Claims) -> &'a Claims {
        if self.has_token() { claims } else { &NONE }
    }
}
