//! `jwt:` tokens that somebody else has signed (RFC 7519): whose keys, what they must say, where they are looked for.
//!
//! `raw::policy::token` reads it, `policy::jwt` compiles it. Algorithms with a shared secret, and `none`, have no name here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What a token must be and say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// Whose signatures count.
    pub keys: TokenKeys,
    /// Who may have issued it; empty asks nothing.
    pub issuer: Vec<String>,
    /// Whom it must be meant for: any of these; empty asks nothing.
    pub audience: Vec<String>,
    /// Algorithms that count (default: all that have a name here).
    pub algorithms: Vec<TokenAlgorithm>,
    /// Claims that must have one of these values.
    pub claims: BTreeMap<String, Vec<String>>,
    /// Claims that the upstream gets, and in which fields, lower case.
    pub claims_to_headers: BTreeMap<String, String>,
    /// Where a token is looked for, in order (default: `Authorization: Bearer`).
    pub from: Vec<TokenPlace>,
    /// How far clocks may differ (default 30 s).
    pub leeway: Duration,
}

/// Where the keys are.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum TokenKeys {
    /// Fetched from this URL, and again as they change.
    Url(String),
    /// A key set (RFC 7517) from a file that the file watch follows.
    Text(Arc<str>),
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(url) => write!(f, "Url({url:?})"),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
        }
    }
}

/// Where a token may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// `Authorization: Bearer TOKEN`
    Header,
    /// A cookie of this name.
    Cookie(String),
    /// A parameter of the query, of WebSocket handshakes and event streams alone: browsers can set no field there.
    Query(String),
    /// `Sec-WebSocket-Protocol: bearer, TOKEN`
    Subprotocol,
}

/// How a token is signed (RFC 7518 §3.1, RFC 8037): with a private key, checked with a public one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512
    Rs512,
    /// RSASSA-PSS with SHA-256
    Ps256,
    /// RSASSA-PSS with SHA-384
    Ps384,
    /// RSASSA-PSS with SHA-512
    Ps512,
    /// ECDSA on P-256
    Es256,
    /// ECDSA on P-384
    Es384,
    /// Ed25519
    EdDsa,
}

impl TokenAlgorithm {
    /// All, by the name that tokens and configurations have for them.
    pub const ALL: [(&'static str, Self); 9] = [
        ("RS256", Self::Rs256),
        ("RS384", Self::Rs384),
        ("RS512", Self::Rs512),
        ("PS256", Self::Ps256),
        ("PS384", Self::Ps384),
        ("PS512", Self::Ps512),
        ("ES256", Self::Es256),
        ("ES384", Self::Es384),
        ("EdDSA", Self::EdDsa),
    ];

    /// The one with this name, to the letter.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
    }
}
