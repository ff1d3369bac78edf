//! Who somebody is, as written: `client_cert`, `api_keys`, `jwt`, `basic_auth`, `forward_auth`, and which of them are enough.
//!
//! `raw::policy` makes these, `policy::identity` compiles them. Secrets stand here as hashes alone.

use super::Secret;

/// A way to prove who asks, by the name of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WayKind {
    /// `client_cert`
    ClientCert,
    /// `api_keys`
    ApiKeys,
    /// `jwt`
    Jwt,
    /// `basic_auth`
    BasicAuth,
    /// `forward_auth`
    ForwardAuth,
}

impl WayKind {
    /// All of them by their keys, those that cost least first.
    pub const ALL: [(&'static str, Self); 5] = [
        ("client_cert", Self::ClientCert),
        ("api_keys", Self::ApiKeys),
        ("jwt", Self::Jwt),
        ("basic_auth", Self::BasicAuth),
        ("forward_auth", Self::ForwardAuth),
    ];

    /// The key.
    #[must_use]
    pub fn key(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, kind)| *kind == self).map_or("", |(key, _)| key)
    }
}

/// `client_cert:` a certificate that the handshake has verified, and whose it must be. Nothing given is anybody's.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ClientCert {
    /// Names in its `subjectAltName`, DNS names in lower case, and URIs.
    pub names: Vec<String>,
    /// Subjects, as RFC 4514 writes them.
    pub subjects: Vec<String>,
    /// SHA-256 of the certificate.
    pub fingerprints: Vec<[u8; 32]>,
}

/// `basic_auth:` names and hashes of passwords (RFC 7617).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAuth {
    /// What a browser shows (default `restricted`).
    pub realm: String,
    /// From the file, in order; where a name stands twice, the last holds.
    pub users: Vec<(String, Secret)>,
}

/// `api_keys:` names and SHA-256 hashes of keys.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeys {
    /// The field that carries a key, lower case (default `x-api-key`).
    pub header: String,
    /// From the file.
    pub keys: Vec<(String, [u8; 32])>,
}

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.keys.iter().map(|(name, _)| name).collect();
        f.debug_struct("ApiKeys").field("header", &self.header).field("keys", &names).finish()
    }
}

/// `forward_auth:` a service that is asked before each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardAuth {
    /// The upstream in `Config::upstreams` that stands for its address.
    pub upstream: String,
    /// Its host and port.
    pub host: String,
    /// Path and query of the question.
    pub path: String,
    /// Fields of its answer that the upstream gets, lower case.
    pub copy_headers: Vec<String>,
}
