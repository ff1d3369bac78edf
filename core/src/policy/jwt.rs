//! `jwt`: finds a request's token, reads it, and judges what it says. Whether its signature is right is found elsewhere:
//! nothing of a payload is read before.
//!
//! Strict where leniency was attacked: no algorithm but those of the configuration (never `none`, never a shared secret),
//! no critical extension, one token and not two, an end of its time that is always there.

mod token;

use super::Refusal;
use super::claims::Claims;
use super::edits::line;
use super::identity::scheme;
use super::who::Who;
use crate::config::{self, Protocol, TokenAlgorithm, TokenKeys, TokenPlace};
use crate::message::{Field, Fields, Name};
use crate::reason::Reason;
use crate::route::{Facts, values};

pub use token::Unverified;

/// The member of `Sec-WebSocket-Protocol` that says that the next one is a token.
pub const BEARER: &str = "bearer";

/// What a token must be and say.
#[derive(Debug)]
pub struct Jwt {
    /// Where the keys come from.
    pub keys: TokenKeys,
    algorithms: Box<[TokenAlgorithm]>,
    issuer: Box<[String]>,
    audience: Box<[String]>,
    claims: Box<[(String, Vec<String>)]>,
    told: Box<[(String, Name, Box<str>)]>,
    from: Box<[TokenPlace]>,
    leeway: f64,
}

/// A token, and whether it stood among subprotocols.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// As it came.
    pub text: Vec<u8>,
    /// It has to be taken out of what the upstream is offered.
    pub subprotocol: bool,
}

/// Why a token does not count: `error_description` of RFC 6750 §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no token in three parts (RFC 7519 §7.2).
    Malformed,
    /// Its algorithm does not count here.
    Algorithm,
    /// It asks for an extension that must be understood.
    Critical,
    /// No key of the set has signed it.
    UnknownKey,
    /// Its signature is wrong.
    Signature,
    /// It has no `exp`.
    Endless,
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    Early,
    /// Somebody else issued it.
    Issuer,
    /// It is meant for somebody else.
    Audience,
}

impl Fault {
    /// In words, for `WWW-Authenticate`.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Malformed => "the token is malformed",
            Self::Algorithm => "the token is signed by an algorithm that does not count here",
            Self::Critical => "the token has a critical extension",
            Self::UnknownKey => "the token is signed by a key that is not known",
            Self::Signature => "the token's signature is wrong",
            Self::Endless => "the token has no exp",
            Self::Expired => "the token has expired",
            Self::Early => "the token does not hold yet",
            Self::Issuer => "the token is of another issuer",
            Self::Audience => "the token is meant for another audience",
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        let challenge = format!("Bearer error=\"invalid_token\", error_description=\"{}\"", fault.words());
        let fields = vec![("www-authenticate", challenge)];
        Self { reason: Reason::Unauthorized, detail: "This route asks for another token than this one.", fields }
    }
}

impl Jwt {
    pub(super) fn compile(written: &config::Jwt) -> Self {
        let told =
            |(claim, name): (&String, &String)| (claim.clone(), Name::find(name.as_bytes()), name.as_str().into());
        Self {
            keys: written.keys.clone(),
            algorithms: written.algorithms.as_slice().into(),
            issuer: written.issuer.as_slice().into(),
            audience: written.audience.as_slice().into(),
            claims: written.claims.clone().into_iter().collect(),
            told: written.claims_to_headers.iter().map(told).collect(),
            from: written.from.as_slice().into(),
            leeway: written.leeway.as_secs_f64(),
        }
    }

    /// Whether a line of the request says what only claims may say.
    pub(super) fn tells(&self, field: &Field, bytes: &[u8]) -> bool {
        self.told.iter().any(|(_, id, name)| field.is_called(bytes, *id, name))
    }

    /// The parameters of a query in which a token may stand.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.from.iter().filter_map(|place| match place {
            TokenPlace::Query(name) => Some(name.as_str()),
            TokenPlace::Header | TokenPlace::Cookie(_) | TokenPlace::Subprotocol => None,
        })
    }

    /// Finds the token, in the first of its places that has one.
    ///
    /// # Errors
    ///
    /// `unauthorized` where there is none, or where a place has several.
    pub fn find(&self, facts: &Facts<'_>) -> Result<Found, Refusal> {
        for place in &self.from {
            let mut found = tokens_at(place, facts);
            match (found.pop(), found.is_empty()) {
                (None, _) => {}
                (Some(text), true) => return Ok(Found { text, subprotocol: *place == TokenPlace::Subprotocol }),
                (Some(_), false) => return Err(Fault::Malformed.into()),
            }
        }
        let fields = vec![("www-authenticate", "Bearer".to_owned())];
        Err(Refusal { reason: Reason::Unauthorized, detail: "This route asks for a token.", fields })
    }

    /// Reads a token's head. Its payload stays closed until it is verified.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read<'t>(&self, token: &'t [u8]) -> Result<Unverified<'t>, Fault> {
        Unverified::read(token, &self.algorithms)
    }

    /// Judges what a verified token says, at `now` in seconds since 1970.
    ///
    /// # Errors
    ///
    /// `unauthorized` with what is wrong; `denied` where a claim is not as the route asks (RFC 6750 §3.1).
    pub fn judge(&self, claims: &Claims, now: f64) -> Result<(), Refusal> {
        let Some(ends) = claims.time("exp") else { return Err(Fault::Endless.into()) };
        if now >= ends + self.leeway {
            return Err(Fault::Expired.into());
        }
        if claims.has("nbf") && claims.time("nbf").is_none_or(|begins| now + self.leeway < begins) {
            return Err(Fault::Early.into());
        }
        let any = |name: &str, allowed: &[String]| {
            allowed.is_empty() || claims.values(name).iter().any(|value| allowed.contains(value))
        };
        if !any("iss", &self.issuer) {
            return Err(Fault::Issuer.into());
        }
        if !any("aud", &self.audience) {
            return Err(Fault::Audience.into());
        }
        if !self.claims.iter().all(|(name, allowed)| any(name, allowed)) {
            let challenge =
                "Bearer error=\"insufficient_scope\", error_description=\"a claim is not as this route asks\"";
            let detail = "The token does not say what this route asks for (claims).";
            let fields = vec![("www-authenticate", challenge.to_owned())];
            return Err(Refusal { reason: Reason::Denied, detail, fields });
        }
        Ok(())
    }

    /// Writes the claims that the upstream gets, each as a line.
    ///
    /// # Errors
    ///
    /// `internal` where one is no value of a field (case 76).
    pub fn tell(&self, claims: &Claims, who: &mut Who) -> Result<(), Refusal> {
        for (claim, _, name) in &self.told {
            let Some(text) = claims.text(claim) else { continue };
            // All that RFC 9110 §5.5 forbids in a value, and not only what would end its line.
            if text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
                let detail = "A claim has a control character in it, and was not sent.";
                return Err(Refusal::new(Reason::Internal, detail));
            }
            line(&mut who.lines, name.as_bytes(), text.trim().as_bytes());
        }
        Ok(())
    }
}

/// Notes whose token was verified: its subject, which is one of its issuer's alone (RFC 7519 §4.1.2). One that names nobody
/// stands for itself.
pub fn prove(claims: &Claims, token: &[u8], who: &mut Who) {
    match claims.text("sub").filter(|subject| !subject.is_empty()) {
        Some(subject) => who.prove(&[claims.text("iss").unwrap_or_default().as_bytes(), subject.as_bytes()]),
        None => who.prove(&[token]),
    }
}

/// The tokens that stand in a place.
fn tokens_at(place: &TokenPlace, facts: &Facts<'_>) -> Vec<Vec<u8>> {
    match place {
        TokenPlace::Header => {
            let lines = facts.fields.named(Name::Authorization);
            lines.filter_map(|field| scheme(field.value.of(facts.head), b"bearer")).map(<[u8]>::to_vec).collect()
        }
        TokenPlace::Cookie(name) => values::cookie(facts, name.as_bytes()).map(<[u8]>::to_vec).collect(),
        // A URL is written into logs and histories: only where nothing else can be said.
        TokenPlace::Query(_) if !matches!(facts.protocol(), Protocol::Websocket | Protocol::Sse) => Vec::new(),
        TokenPlace::Query(name) => {
            let query = facts.destination.query().unwrap_or_default();
            values::query(query, name.as_bytes()).map(|value| value.into_owned()).collect()
        }
        TokenPlace::Subprotocol => {
            let mut offered = protocols(facts.fields, facts.head);
            let announced = offered.by_ref().any(|member| member == BEARER.as_bytes());
            offered.next().filter(|_| announced).map(<[u8]>::to_vec).into_iter().collect()
        }
    }
}

fn protocols<'a>(fields: &'a Fields, bytes: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let lines = fields.matching(bytes, b"sec-websocket-protocol");
    lines.flat_map(|field| values::members(field.value.of(bytes)))
}

/// Takes `bearer` and the token behind it out of what the upstream is offered, and writes what is left as a line.
/// Returns whether the client is to be told that `bearer` was agreed upon: where nothing else was offered.
pub fn hide_subprotocol(fields: &mut Fields, bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let mut left: Vec<Vec<u8>> = Vec::new();
    let mut offered = protocols(fields, bytes);
    while let Some(member) = offered.next() {
        if member == BEARER.as_bytes() {
            offered.next();
        } else {
            left.push(member.to_vec());
        }
    }
    drop(offered);
    for field in fields.all_mut() {
        field.dropped |= field.name.of(bytes).eq_ignore_ascii_case(b"sec-websocket-protocol");
    }
    if left.is_empty() {
        return true;
    }
    line(out, b"sec-websocket-protocol", &left.join(&b", "[..]));
    false
}

#[cfg(test)]
mod tests;
