//! The client for requests to an authority and to `ask`: small, seldom, bounded in time by whoever waits.

use std::path::Path;
use std::time::Duration;

use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pooled;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::BodyWrapper;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// A client that keeps its connections for a while.
pub(crate) type Client = Pooled<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Makes a client that trusts the roots of a file, or those of the system.
///
/// # Errors
/// In words, where there are none.
pub(crate) fn client(ca: Option<&Path>) -> Result<Client, String> {
    with_roots(roots(ca)?)
}

/// Makes a client for one URL: a system without roots is good enough for plain HTTP.
///
/// # Errors
/// In words, where roots are needed and there are none.
pub(crate) fn client_for(url: &str) -> Result<Client, String> {
    if url.starts_with("https:") { client(None) } else { with_roots(RootCertStore::empty()) }
}

fn with_roots(roots: RootCertStore) -> Result<Client, String> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("no TLS: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_connect_timeout(Some(CONNECT));
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().wrap_connector(connector);
    Ok(Pooled::builder(TokioExecutor::new()).pool_idle_timeout(CONNECT).build(connector))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let told = |why: &str| format!("acme.ca {}: {why}", path.display());
            let found = CertificateDer::pem_file_iter(path).map_err(|error| told(&error.to_string()))?;
            for root in found {
                let root = root.map_err(|error| told(&error.to_string()))?;
                roots.add(root).map_err(|error| told(&error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(told("it holds no certificate in PEM"));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                return Err("this system has no roots to check an authority by; install ca-certificates".to_owned());
            }
        }
    }
    Ok(roots)
}
