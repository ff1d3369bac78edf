//! The compact form of a signed token (RFC 7515 §3.1): three parts of base64url with dots between.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::Fault;
use crate::config::TokenAlgorithm;
use crate::policy::claims::Claims;

/// The longest token that is read. A head has no room for much more.
const LONGEST: usize = 16 * 1024;

/// A token whose head was read. Its payload is nobody's word yet.
#[derive(Debug)]
pub struct Unverified<'t> {
    /// What the signature is of.
    pub signed: &'t [u8],
    /// The signature, in base64url.
    pub signature: &'t str,
    /// By what it claims to be signed; one that counts.
    pub algorithm: TokenAlgorithm,
    /// The name of the key (`kid`), if it has one.
    pub key: Option<String>,
    payload: &'t str,
}

impl<'t> Unverified<'t> {
    pub(super) fn read(token: &'t [u8], allowed: &[TokenAlgorithm]) -> Result<Self, Fault> {
        let text = std::str::from_utf8(token).ok().filter(|text| text.len() <= LONGEST).ok_or(Fault::Malformed)?;
        let (signed, signature) = text.rsplit_once('.').ok_or(Fault::Malformed)?;
        let (head, payload) = signed.split_once('.').ok_or(Fault::Malformed)?;
        // Five parts are an encrypted token; an empty one is no signature at all.
        if payload.contains('.') {
            return Err(Fault::Malformed);
        }
        let head = object(head)?;
        let name = head.get("alg").and_then(Value::as_str).ok_or(Fault::Malformed)?;
        let algorithm = TokenAlgorithm::find(name).filter(|found| allowed.contains(found)).ok_or(Fault::Algorithm)?;
        if head.get("crit").is_some() {
            return Err(Fault::Critical);
        }
        if signature.is_empty() {
            return Err(Fault::Signature);
        }
        let key = head.get("kid").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { signed: signed.as_bytes(), signature, algorithm, key, payload })
    }

    /// Opens the payload. Only who has verified the signature may call it.
    ///
    /// # Errors
    ///
    /// [`Fault::Malformed`] where it is no object.
    pub fn open(&self) -> Result<Claims, Fault> {
        Ok(Claims::new(object(self.payload)?))
    }
}

/// Reads a part as a JSON object. Depth is bounded by the reader.
fn object(part: &str) -> Result<Value, Fault> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Fault::Malformed)?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|_| Fault::Malformed)?;
    if value.is_object() { Ok(value) } else { Err(Fault::Malformed) }
}
