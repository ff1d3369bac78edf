//! Certificates, keys and authorities out of files, and what can be said about them before they are needed.
//!
//! `check`, the start and a reload have files looked at through this; a generation is made from them by it again. What a
//! key holds is never quoted, and is wiped once the library has it.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use switchboard_core::config::{CertificateFiles, Digest, Inspected, PairPart};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};
use zeroize::{Zeroize as _, Zeroizing};

use super::provider::provider;

/// More than any file of certificates has: the system's whole trust is a quarter of it.
const MOST_BYTES: u64 = 1 << 20;

/// What is left of a certificate's life when it counts as near its end: two weeks, or a third of a shorter one.
const NEAR_END: u64 = 14 * 24 * 3600;

/// A certificate that can be shown.
#[derive(Debug)]
pub struct Pair {
    /// What a handshake needs.
    pub key: Arc<CertifiedKey>,
    /// The names that it is for, in lower case; a wildcard begins with `*.`.
    pub names: Vec<String>,
    /// Until when it holds, in seconds since 1970.
    pub not_after: u64,
    /// Of the files.
    pub digest: Digest,
}

/// Reads a certificate, its key and what is stapled.
///
/// # Errors
/// Which file is at fault, and in words why.
pub fn pair(files: &CertificateFiles) -> Result<(Pair, Vec<String>), (PairPart, String)> {
    let cert = |words: String| (PairPart::Cert, words);
    let cert_pem = read(&files.cert).map_err(cert)?;
    let chain = certificates(&files.cert, &cert_pem).map_err(cert)?;
    let name = files.cert.display();
    let leaf = chain.first().ok_or_else(|| cert(format!("{name} holds no certificate")))?;
    let leaf = Leaf::read(leaf).map_err(|words| cert(format!("the certificate in {name} {words}")))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let warnings = leaf.holds(now).map_err(|words| cert(format!("the certificate in {name} {words}")))?;
    let key_pem = Zeroizing::new(read(&files.key).map_err(|words| (PairPart::Key, words))?);
    let (mut parts, mut stapled) = (vec![cert_pem.as_slice(), key_pem.as_slice()], None);
    if let Some(path) = &files.ocsp {
        stapled = Some(read(path).map_err(|words| (PairPart::Ocsp, words))?);
    }
    parts.extend(stapled.as_deref());
    let digest = Digest::of(&parts);
    let signer = private_key(&files.key, &key_pem).map_err(|words| (PairPart::Key, words))?;
    let mut key = CertifiedKey::new(chain, signer);
    key.keys_match().map_err(|_| {
        let words = format!("the key in {} is not the one of the certificate in {name}", files.key.display());
        (PairPart::Key, words)
    })?;
    key.ocsp = stapled;
    let warnings = warnings.into_iter().map(|words| format!("the certificate in {name} {words}")).collect();
    Ok((Pair { key: Arc::new(key), names: leaf.names, not_after: leaf.not_after, digest }, warnings))
}

/// Looks at a certificate and its key.
///
/// # Errors
/// As [`pair`].
pub fn inspect_pair(files: &CertificateFiles) -> Result<Inspected, (PairPart, String)> {
    pair(files).map(|(pair, warnings)| Inspected { digest: pair.digest, warnings })
}

/// Reads those who issue certificates.
///
/// # Errors
/// In words, where there is none, or one that can't be used. Fewer than the file names would be a gap nobody sees.
pub fn authorities(path: &Path) -> Result<(RootCertStore, Digest), String> {
    let pem = read(path)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, &pem)? {
        roots
            .add(certificate)
            .map_err(|_| format!("a certificate in {} can't be used as an authority", path.display()))?;
    }
    if roots.is_empty() {
        return Err(format!("{} holds no certificate", path.display()));
    }
    Ok((roots, Digest::of(&[&pem])))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| {
        let text = error.to_string();
        format!("{} can't be read: {}", path.display(), text.split(" (os error").next().unwrap_or_default())
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    // Room for all of it at once: a vector that grows leaves copies of a key behind.
    let size = file.metadata().map_or(0, |about| about.len().min(MOST_BYTES));
    let mut bytes = Vec::with_capacity(usize::try_from(size + 2).unwrap_or_default());
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("{} is larger than {} KiB", path.display(), MOST_BYTES >> 10));
    }
    Ok(bytes)
}

fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    all.map_err(|_| format!("{} is no PEM file: a part of it is broken", path.display()))
}

fn private_key(path: &Path, pem: &[u8]) -> Result<Arc<dyn rustls::sign::SigningKey>, String> {
    let path = path.display();
    let mut key =
        PrivateKeyDer::from_pem_slice(pem).map_err(|_| match pem.windows(9).any(|at| at == b"ENCRYPTED") {
            true => format!("the key in {path} is encrypted; decrypt it: `openssl pkey -in {path} -out plain.key`"),
            false => format!("{path} holds no private key in PEM"),
        })?;
    let signer = provider().key_provider.load_private_key(key.clone_key());
    key.zeroize();
    signer.map_err(|_| format!("the key in {path} is of a kind that can't be used; take ECDSA P-256 or RSA 2048"))
}

/// What a certificate says of itself.
struct Leaf {
    names: Vec<String>,
    not_before: u64,
    not_after: u64,
}

impl Leaf {
    fn read(der: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| "is broken".to_owned())?;
        let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
        let named = certificate.subject_alternative_name().ok().flatten();
        let names = named.map(|names| names.value.general_names.iter().filter_map(name).collect()).unwrap_or_default();
        let validity = certificate.validity();
        Ok(Self { names, not_before: seconds(validity.not_before), not_after: seconds(validity.not_after) })
    }

    /// Whether it holds at `now`; what there is to say besides.
    fn holds(&self, now: u64) -> Result<Vec<String>, String> {
        let mut warnings = Vec::new();
        let left = self.not_after.saturating_sub(now);
        if left == 0 {
            return Err(format!("has expired {} ago; renew it", span(now - self.not_after)));
        }
        if now < self.not_before {
            warnings.push(format!("does not hold yet, only in {}", span(self.not_before - now)));
        } else if left < NEAR_END.min(self.not_after.saturating_sub(self.not_before) / 3) {
            warnings.push(format!("expires in {}; renew it", span(left)));
        }
        if self.names.is_empty() {
            warnings.push("names no host (subjectAltName): no client will accept it".to_owned());
        }
        Ok(warnings)
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.trim_end_matches('.').to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => match *bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(*a, *b, *c, *d).to_string()),
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::Leaf;

    #[test]
    fn the_end_of_a_certificate_is_seen_coming() {
        let day = 86_400;
        let check = |not_before: u64, not_after: u64, now: u64, expect: Result<&str, &str>| {
            let leaf = Leaf { names: vec!["a".to_owned()], not_before, not_after };
            let said = leaf.holds(now).map(|warnings| warnings.concat());
            assert_eq!(said.as_deref().map_err(String::as_str), expect);
        };
        check(0, 90 * day, day, Ok(""));
        check(0, 90 * day, 80 * day, Ok("expires in 10 days; renew it"));
        check(0, 6 * day, 3 * day, Ok(""));
        check(0, 6 * day, 5 * day, Ok("expires in 24 hours; renew it"));
        check(0, 90 * day, 90 * day, Err("has expired 0 minutes ago; renew it"));
        check(0, 90 * day, 93 * day, Err("has expired 3 days ago; renew it"));
        check(2 * day, 90 * day, day, Ok("does not hold yet, only in 24 hours"));
    }
}
