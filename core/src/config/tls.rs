//! TLS as an operator says it: what a listener does with it, and how endpoints are spoken to.
//!
//! `raw/tls` reads these out of a file, the proxy makes configurations of a TLS library out of them. What certificate
//! files hold never comes here, only a digest of it: a reload is a diff of values, and a key must not be one.

use super::HostPattern;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// `tls:` of a listener.
#[derive(Clone, Debug, PartialEq)]
pub enum ListenerTls {
    /// `passthrough`: nothing is decrypted; the name that a client asks for says where its bytes go.
    Passthrough,
    /// Connections are decrypted here.
    Terminate {
        /// Which certificates are shown.
        certificates: Certificates,
        /// What is asked of clients whose name is not under `hosts`.
        policy: TlsPolicy,
        /// By the name that a client asks for.
        hosts: BTreeMap<HostPattern, HostTls>,
    },
}

/// What is done for one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostTls {
    /// Its bytes go to its route's address as they came.
    Passthrough,
    /// Decrypted, with this policy.
    Terminate(TlsPolicy),
}

/// Where certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificates {
    /// They are made or ordered for the names of routes.
    Auto,
    /// Files, in order; the first is shown to who asks for no name, or for one that none is for. Never empty.
    Files(Vec<CertificateFiles>),
}

/// A certificate with its chain, its key, and what may be stapled to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CertificateFiles {
    /// The certificate, its issuers behind it (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM: PKCS#8, PKCS#1 or SEC1).
    pub key: PathBuf,
    /// An OCSP response (DER).
    pub ocsp: Option<PathBuf>,
    /// Of all that the files held when they were read.
    pub digest: Digest,
}

/// A file of certificates in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PemFile {
    /// The file.
    pub path: PathBuf,
    /// Of what it held when it was read.
    pub digest: Digest,
}

/// SHA-256 of the contents of files. All zeros where nobody looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// SHA-256 of one content; of several, that of their digests.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        use sha2::{Digest as _, Sha256};
        if let [one] = parts {
            return Self(Sha256::digest(one).into());
        }
        let mut hash = Sha256::new();
        parts.iter().for_each(|part| hash.update(Sha256::digest(part)));
        Self(hash.finalize().into())
    }
}

/// What is asked of a client before a request of it is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsPolicy {
    /// The oldest version.
    pub min_version: TlsVersion,
    /// Whether clients show certificates.
    pub client_auth: ClientAuth,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// 1.2
    V12,
    /// 1.3
    V13,
}

/// Whether clients show certificates, and who must have issued them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// They are not asked.
    Off,
    /// They are asked; one that is shown must be sound.
    Request(PemFile),
    /// Without one there is no connection.
    Require(PemFile),
}

/// What somebody who can read certificates found in files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Of all that they hold.
    pub digest: Digest,
    /// What is allowed and probably not meant, in words.
    pub warnings: Vec<String>,
}

/// Which file of a pair is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairPart {
    /// The certificate.
    Cert,
    /// The private key.
    Key,
    /// The OCSP response.
    Ocsp,
}

impl TlsPolicy {
    /// How much it asks for: what is shown to who asks for no name is the strictest of a listener.
    #[must_use]
    pub const fn strictness(&self) -> (u8, TlsVersion) {
        let auth = match self.client_auth {
            ClientAuth::Off => 0,
            ClientAuth::Request(_) => 1,
            ClientAuth::Require(_) => 2,
        };
        (auth, self.min_version)
    }
}

impl ListenerTls {
    /// Whether some of its names are decrypted here.
    #[must_use]
    pub const fn terminates(&self) -> bool {
        matches!(self, Self::Terminate { .. })
    }
}

impl super::Listener {
    /// Whether its certificates are made and ordered for the names of routes.
    #[must_use]
    pub const fn orders_certificates(&self) -> bool {
        matches!(self.tls, Some(ListenerTls::Terminate { certificates: Certificates::Auto, .. }))
    }

    /// Whether it asks clients for certificates, whatever the name or for some.
    #[must_use]
    pub fn asks_for_certificates(&self) -> bool {
        let Some(ListenerTls::Terminate { policy, hosts, .. }) = &self.tls else { return false };
        let asks = |policy: &TlsPolicy| policy.client_auth != ClientAuth::Off;
        asks(policy) || hosts.values().any(|host| matches!(host, HostTls::Terminate(policy) if asks(policy)))
    }

    /// Whether the bytes of a host go on as they come.
    #[must_use]
    pub fn passes_through(&self, host: &HostPattern) -> bool {
        match &self.tls {
            Some(ListenerTls::Terminate { hosts, .. }) => matches!(hosts.get(host), Some(HostTls::Passthrough)),
            Some(ListenerTls::Passthrough) => true,
            None => false,
        }
    }
}

/// How an endpoint is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointScheme {
    /// Plain: `http://`, `ws://`, or no scheme.
    Http,
    /// Over TLS: `https://`, `wss://`.
    Https,
}

impl EndpointScheme {
    /// The scheme of an address that was read already.
    #[must_use]
    pub fn of(address: &str) -> Self {
        match address.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).as_deref() {
            Some("https" | "wss") => Self::Https,
            Some(_) | None => Self::Http,
        }
    }
}

/// How TLS to the endpoints of an upstream is done. The default is how the Web does it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// Who must have issued the endpoint's certificate; `None` is whom this system trusts.
    pub ca: Option<PemFile>,
    /// The name that is asked for and that the certificate must be for; `None` is the name in the address.
    pub server_name: Option<String>,
    /// What we show.
    pub identity: Option<CertificateFiles>,
    /// Take whatever certificate comes.
    pub insecure_skip_verify: bool,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// A line of text.
    V1,
    /// Binary.
    V2,
}
