//! TLS to endpoints: what a handshake with one needs, compiled with a generation, and the handshake itself.
//!
//! Endpoints are verified unless the configuration says otherwise in so many words. `upstream::connect` calls it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::task::Poll;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, UnbufferedClientConnection, WantsClientCert};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, WantsVerifier,
};
use switchboard_core::config::{Address, CertificateFiles, Config, EndpointScheme, Upstream, UpstreamTls};

use super::accept::timed;
use super::handshake::Handshake;
use super::provider::provider;
use super::session::{Session, broken};
use super::{alpn, files};
use crate::deadline::Deadline;
use crate::transport::{Gone, Transport};

/// What a handshake with an endpoint needs.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
    /// The same, offering HTTP/1.1 alone.
    alone: Arc<ClientConfig>,
    /// The name that is asked for and verified.
    name: ServerName<'static>,
}

impl ClientTls {
    /// The same settings for one connection of another kind, offering this protocol alone.
    pub fn offering(&self, protocol: &[u8]) -> (Arc<ClientConfig>, ServerName<'static>) {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![protocol.to_vec()];
        (Arc::new(config), self.name.clone())
    }
}

impl PartialEq for ClientTls {
    /// The same settings have one configuration: see [`Clients`].
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config) && self.name == other.name
    }
}

/// The compiled settings, kept by the control thread: those of many endpoints are one, with one cache of sessions.
#[derive(Debug, Default)]
pub struct Clients(HashMap<UpstreamTls, Pair>);

/// Settings, and the same for connections that have to be HTTP/1's.
type Pair = (Arc<ClientConfig>, Arc<ClientConfig>);

fn pair_of(config: ClientConfig) -> Pair {
    let mut alone = config.clone();
    alone.alpn_protocols = alpn::to_endpoints_alone();
    (Arc::new(config), Arc::new(alone))
}

impl Clients {
    /// Compiles the settings of all upstreams of a configuration.
    ///
    /// # Errors
    /// In words, where their files can't be used.
    pub fn prepare(&mut self, config: &Config) -> Result<(), String> {
        let speaks = |upstream: &&Upstream| upstream.endpoints.iter().any(|one| one.scheme == EndpointScheme::Https);
        for upstream in config.upstreams.values().filter(speaks) {
            if !self.0.contains_key(&upstream.tls) {
                self.0.insert(upstream.tls.clone(), pair_of(compiled(&upstream.tls)?));
            }
        }
        Ok(())
    }

    /// What a handshake with an endpoint needs. Where files can't be used any more, nobody is trusted: never is it plain.
    pub fn of(&mut self, settings: &UpstreamTls, address: &Address) -> ClientTls {
        let (config, alone) = self.0.entry(settings.clone()).or_insert_with(|| {
            pair_of(compiled(settings).unwrap_or_else(|error| {
                tracing::error!(%error, "an endpoint can't be verified, and is not spoken to");
                builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
            }))
        });
        let name = settings.server_name.clone().unwrap_or_else(|| name_of(address));
        let name = ServerName::try_from(name).unwrap_or(ServerName::IpAddress(Ipv4Addr::UNSPECIFIED.into()));
        ClientTls { config: Arc::clone(config), alone: Arc::clone(alone), name }
    }

    /// Forgets what no endpoint uses any more.
    pub fn forget_unused(&mut self) {
        self.0.retain(|_, (config, _)| Arc::strong_count(config) > 1);
    }
}

fn name_of(address: &Address) -> String {
    match address {
        Address::Loopback(_) | Address::Unix(_) => "localhost".to_owned(),
        Address::Ip(ip, _) => ip.to_string(),
        Address::Name(name, _) => name.clone(),
        // A service is verified by the name that was asked for, not by one that the DNS gave (RFC 6125 §6.2).
        Address::Srv(name) => name.split('.').skip_while(|label| label.starts_with('_')).collect::<Vec<_>>().join("."),
    }
}

fn builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions")
}

fn compiled(settings: &UpstreamTls) -> Result<ClientConfig, String> {
    let builder = builder();
    let builder = if settings.insecure_skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider())))
    } else {
        let roots = match &settings.ca {
            Some(ca) => files::authorities(&ca.path)?.0,
            None => system_roots(),
        };
        builder.with_root_certificates(roots)
    };
    let mut config = match &settings.identity {
        Some(files) => with_identity(builder, files)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn::to_endpoints();
    config.enable_secret_extraction = true;
    Ok(config)
}

fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    files: &CertificateFiles,
) -> Result<ClientConfig, String> {
    let (pair, _) = files::pair(files).map_err(|(_, words)| words)?;
    Ok(builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(pair.key))))
}

/// Whom this system trusts. What can't be read there is left out, as every program does.
fn system_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::warn!(
            "this system has no certificates of authorities: no https:// endpoint will be accepted without `tls: {{ca: …}}`; \
             install ca-certificates"
        );
    }
    roots
}

/// Why a handshake with an endpoint failed.
#[derive(Debug)]
pub enum Failure {
    /// Not within its time.
    TimedOut,
    /// The client does not wait any more.
    ClientGone,
    /// TLS was not agreed upon: a sentence, and the cause for the log.
    Refused(&'static str, io::Error),
}

/// Does the handshake with an endpoint over a connected socket; `alone` where what it carries has to be HTTP/1. The
/// deadline is the exchange's.
///
/// # Errors
/// See [`Failure`]. Not a byte of a request was sent.
pub async fn connect(
    transport: Transport,
    tls: &ClientTls,
    alone: bool,
    client: Option<&Transport>,
    deadline: &Deadline,
) -> Result<Transport, Failure> {
    let Transport::Plain(socket) = transport else {
        return Err(refused(io::ErrorKind::Unsupported.into()));
    };
    let session =
        UnbufferedClientConnection::new(Arc::clone(if alone { &tls.alone } else { &tls.config }), tls.name.clone());
    let session = session.map_err(|error| refused(broken(error)))?;
    let mut handshake = Handshake::new(Session::Client(session), Vec::new());
    let done = poll_fn(|context| {
        if let Poll::Ready(done) = timed(context, deadline, |context| handshake.poll(context, &socket)) {
            return Poll::Ready(done.map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => Failure::TimedOut,
                _ => refused(error),
            }));
        }
        match client.map(|client| client.poll_gone(context)) {
            Some(Poll::Ready(Gone::Reset)) => Poll::Ready(Err(Failure::ClientGone)),
            Some(Poll::Ready(Gone::Fin) | Poll::Pending) | None => Poll::Pending,
        }
    });
    done.await?;
    Ok(Transport::Tls(handshake.finish(socket)))
}

fn refused(error: io::Error) -> Failure {
    let words = match error.get_ref().and_then(|error| error.downcast_ref::<Error>()) {
        Some(error) => sentence(error),
        None => "The endpoint closed the connection during the TLS handshake.",
    };
    Failure::Refused(words, error)
}

/// What failed, for the person who reads the answer.
fn sentence(error: &Error) -> &'static str {
    match error {
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "The certificate of the endpoint has expired."
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "The certificate of the endpoint does not hold yet."
        }
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "The certificate of the endpoint is for another name; `server_name` says which one to verify.",
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "The certificate of the endpoint was issued by nobody who is trusted here; `ca` says who may issue it."
        }
        // webpki's own word for it does not come as a type.
        Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "The certificate of the endpoint is an authority's (CA:TRUE), as a hand-made self-signed one is: make one with \
             CA:FALSE."
        }
        Error::InvalidCertificate(_) => "The certificate of the endpoint is not valid.",
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "The endpoint does not speak TLS there."
        }
        Error::AlertReceived(_) => "The endpoint refused the TLS handshake.",
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => {
            "The endpoint has no version, cipher or protocol in common with the proxy."
        }
        _ => "The TLS handshake with the endpoint failed.",
    }
}

/// Takes whatever certificate comes; that who shows it has its key is still proved.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
