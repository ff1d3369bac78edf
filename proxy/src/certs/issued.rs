//! A certificate with its key and what we have to know of it, read from PEM.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate in hand.
#[derive(Debug)]
pub struct Issued {
    /// What a handshake needs.
    pub key: Arc<CertifiedKey>,
    /// Who issued it, as its certificate calls itself.
    pub issuer: String,
    /// From when it holds, in seconds since 1970.
    pub not_before: u64,
    /// Until when.
    pub not_after: u64,
    /// Whether it is of our own authority.
    pub local: bool,
}

impl Issued {
    /// Reads a private key and the chain that belongs to it from one PEM text, leaf first.
    ///
    /// # Errors
    /// In words, without any part of the key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, String> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| "it holds no private key")?;
        let chain: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|_| "a certificate in it is broken")?;
        // A reader of PEM passes over what has no end.
        if !pem.trim_ascii_end().ends_with(b"-----END CERTIFICATE-----") {
            return Err("it is cut off".to_owned());
        }
        Self::new(chain, &key, false)
    }

    /// Joins a chain and its key.
    ///
    /// # Errors
    /// Where they don't belong together, or can't be read.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: &PrivateKeyDer<'_>, local: bool) -> Result<Self, String> {
        let leaf = chain.first().ok_or("it holds no certificate")?;
        let Facts { issuer, not_before, not_after } = facts(leaf)?;
        let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(key).map_err(|_| "its key can't be used")?;
        let key = CertifiedKey::new(chain, signer);
        key.keys_match().map_err(|_| "its key belongs to another certificate")?;
        Ok(Self { key: Arc::new(key), issuer, not_before, not_after, local })
    }

    /// The leaf.
    pub fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.key.cert.first()
    }
}

struct Facts {
    issuer: String,
    not_before: u64,
    not_after: u64,
}

fn facts(leaf: &CertificateDer<'_>) -> Result<Facts, String> {
    let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| "its certificate is broken")?;
    let name = leaf.issuer();
    let word = name.iter_organization().chain(name.iter_common_name()).find_map(|part| part.as_str().ok());
    let common = name.iter_common_name().find_map(|part| part.as_str().ok());
    let issuer = match (word, common) {
        (Some(organization), Some(common)) if organization != common => format!("{organization} {common}"),
        (Some(word), _) => word.to_owned(),
        (None, _) => name.to_string(),
    };
    let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
    let validity = leaf.validity();
    Ok(Facts { issuer, not_before: seconds(validity.not_before), not_after: seconds(validity.not_after) })
}
