//! TLS on both sides: who is at the other end, which policy holds for a name, and the streams that carry it.
//!
//! `http` hands over an accepted socket and gets a connection back, `upstream` does the same with a connected one. What is
//! configured is compiled with a generation ([`setup`]); nothing here sees HTTP.

use rustls::{CommonState, ProtocolVersion};
use switchboard_core::config::Digest;
use switchboard_core::policy::identity::Shown;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

pub mod accept;
pub mod alpn;
pub mod endpoints;
pub mod failures;
pub mod files;
mod handshake;
mod owed;
pub mod provider;
mod session;
pub mod setup;
pub mod stream;
mod table;

use setup::Endpoint;

/// What is known of a client's connection over TLS.
#[derive(Debug)]
pub struct Secure {
    /// The name that the client asked for, in canonical form.
    pub name: Option<Box<str>>,
    /// The version, as logs have it.
    pub version: &'static str,
    /// The protocol that was agreed upon.
    pub alpn: Alpn,
    /// The certificate that the client has shown, verified.
    pub certificate: Option<ClientCertificate>,
    policy: Digest,
}

/// A protocol above TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// HTTP/1.1, also where nothing was agreed upon.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Who a client has proved to be.
#[derive(Debug)]
pub struct ClientCertificate {
    /// The subject, as RFC 4514 writes it.
    pub subject: String,
    /// DNS names, in lower case, and URIs of its `subjectAltName`.
    pub names: Box<[Box<str>]>,
    /// SHA-256 of the certificate.
    pub fingerprint: Digest,
}

impl Secure {
    fn of(session: &CommonState, name: Option<String>, policy: Digest) -> Self {
        Self {
            name: name.map(String::into_boxed_str),
            version: version(session.protocol_version()),
            alpn: Alpn::of(session.alpn_protocol()),
            certificate: session.peer_certificates().and_then(<[_]>::first).map(|leaf| ClientCertificate::of(leaf)),
            policy,
        }
    }

    /// Of a connection that is not decrypted.
    pub fn passed(name: Option<&str>) -> Self {
        let policy = Digest::default();
        Self { name: name.map(Into::into), version: "passthrough", alpn: Alpn::Http1, certificate: None, policy }
    }

    /// Whether a request for `host` may be answered on this connection, by what `endpoint` says now (RFC 9110 §7.4):
    /// the same must be asked of clients for both names, and the certificate that was shown must be for both.
    pub fn speaks_for(&self, host: &str, endpoint: Option<&Endpoint>) -> bool {
        // Its listener was taken away: what was agreed upon holds for what was asked for.
        let Some(endpoint) = endpoint else { return self.name.as_deref() == Some(host) };
        let same_policy = |name| endpoint.policy(name).is_some_and(|policy| policy.id == self.policy);
        match self.name.as_deref() {
            // Also after a reload: who was let in by an easier policy has to come again.
            Some(name) if name == host => same_policy(Some(name)),
            Some(name) => {
                let covered = endpoint.table.as_ref().is_some_and(|table| table.cover_both(name, host));
                covered && same_policy(Some(name)) && same_policy(Some(host))
            }
            None => same_policy(None) && same_policy(Some(host)),
        }
    }
}

fn version(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(_) | None => "TLS",
    }
}

impl ClientCertificate {
    /// Reads what was verified. A part that can't be read says nothing.
    fn of(leaf: &[u8]) -> Self {
        let fingerprint = Digest::of(&[leaf]);
        let Ok((_, parsed)) = X509Certificate::from_der(leaf) else {
            return Self { subject: String::new(), names: Box::default(), fingerprint };
        };
        let alternative = parsed.subject_alternative_name().ok().flatten();
        let name = |name: &GeneralName<'_>| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase().into_boxed_str()),
            GeneralName::URI(name) => Some((*name).into()),
            _ => None,
        };
        let names = alternative.iter().flat_map(|names| &names.value.general_names).filter_map(name).collect();
        Self { subject: parsed.subject().to_string(), names, fingerprint }
    }

    /// The same, as policies read it.
    pub const fn shown(&self) -> Shown<'_> {
        Shown { subject: self.subject.as_str(), names: &self.names, fingerprint: self.fingerprint.0 }
    }
}
