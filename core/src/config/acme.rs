//! `acme:` where public certificates come from, and how the proxy proves that it answers for a name.

use super::PemFile;
use std::fmt;

/// The directory of Let's Encrypt, and the one for trying out, whose certificates no browser trusts.
pub(super) const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
pub(super) const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// Where public certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The directory of the authority, an `https` URL; Let's Encrypt by default.
    pub directory: String,
    /// Where the authority may write to.
    pub email: Option<String>,
    /// Roots in PEM that the authority's own certificate is checked against, instead of the system's.
    pub ca: Option<PemFile>,
    /// How control over a name is proved, in the order in which it is tried. Never empty.
    pub challenges: Vec<Challenge>,
    /// Whom to ask about a name that only a wildcard knows: `GET URL?domain=NAME`, 200 is yes. Without it no public
    /// certificate is ordered for such names.
    pub ask: Option<String>,
    /// An account that the authority gave out beforehand (RFC 8555 §7.3.4).
    pub eab: Option<ExternalAccount>,
}

/// How control over a name is proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// A handshake on port 443 (RFC 8737).
    TlsAlpn01,
    /// A request on port 80 (RFC 8555 §8.3).
    Http01,
}

impl Challenge {
    /// As the configuration, the log and the standard call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Http01 => "http-01",
        }
    }
}

/// An account at an authority that wants to know its customers.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// How the authority calls the key.
    pub kid: String,
    /// The key.
    pub key: Vec<u8>,
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount").field("kid", &self.kid).field("key", &"…").finish()
    }
}

impl Default for Acme {
    fn default() -> Self {
        Self {
            directory: LETS_ENCRYPT.to_owned(),
            email: None,
            ca: None,
            challenges: vec![Challenge::TlsAlpn01, Challenge::Http01],
            ask: None,
            eab: None,
        }
    }
}
