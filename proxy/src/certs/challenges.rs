//! Proofs that we answer for a name, while an order waits for them: tokens for HTTP-01 (RFC 8555 §8.3), certificates for
//! TLS-ALPN-01 (RFC 8737).
//!
//! An order puts one in and takes it out again by dropping what it got. What no order waits for is not answered at all:
//! such a request is an ordinary one, and meets every rule of its route (case 172).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::sign::CertifiedKey;

/// Where an authority asks for tokens.
pub const PATH: &[u8] = b"/.well-known/acme-challenge/";

/// The proofs of all orders under way.
#[derive(Debug, Default)]
pub struct Challenges {
    table: Mutex<Table>,
    /// Tokens that somebody may ask for: what a request reads, and nearly always finds none.
    tokens: AtomicUsize,
}

#[derive(Debug, Default)]
struct Table {
    /// Token → name and answer.
    tokens: HashMap<String, (String, String)>,
    /// Name → certificate.
    certificates: HashMap<String, Arc<CertifiedKey>>,
}

/// A proof that is given as long as this lives.
#[derive(Debug)]
pub struct Pending {
    certs: Arc<super::Certs>,
    key: Key,
}

#[derive(Debug)]
enum Key {
    Token(String),
    Name(String),
}

impl Challenges {
    /// Whether some order waits for a token to be asked for.
    pub fn are_pending(&self) -> bool {
        self.tokens.load(Ordering::Relaxed) > 0
    }

    /// What to answer to a request for `path` at `host`, where an order for that very host waits for that very token.
    pub fn answer(&self, host: &[u8], path: &[u8]) -> Option<String> {
        let token = std::str::from_utf8(path.strip_prefix(PATH)?).ok()?;
        let table = self.table();
        let (name, answer) = table.tokens.get(token)?;
        (name.as_bytes() == host).then(|| answer.clone())
    }

    pub(super) fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.table().certificates.get(name).cloned()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl super::Certs {
    /// Answers a token. Nothing where its letters are not those of one (RFC 8555 §8.3).
    pub fn prove_by_token(self: &Arc<Self>, name: &str, token: &str, answer: &str) -> Option<Pending> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if token.is_empty() || !token.bytes().all(fits) {
            return None;
        }
        let entry = (name.to_owned(), answer.to_owned());
        if self.challenges.table().tokens.insert(token.to_owned(), entry).is_none() {
            self.challenges.tokens.fetch_add(1, Ordering::Relaxed);
        }
        Some(Pending { certs: Arc::clone(self), key: Key::Token(token.to_owned()) })
    }

    /// Shows a certificate to whoever asks by `acme-tls/1`.
    pub fn prove_by_certificate(self: &Arc<Self>, name: &str, certificate: Arc<CertifiedKey>) -> Pending {
        self.challenges.table().certificates.insert(name.to_owned(), certificate);
        Pending { certs: Arc::clone(self), key: Key::Name(name.to_owned()) }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let challenges = &self.certs.challenges;
        match &self.key {
            Key::Token(token) => {
                if challenges.table().tokens.remove(token).is_some() {
                    challenges.tokens.fetch_sub(1, Ordering::Relaxed);
                }
            }
            Key::Name(name) => drop(challenges.table().certificates.remove(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Certs;

    #[test]
    fn case_173_answers_the_token_of_its_own_host_alone() {
        let (certs, _inbox) = Certs::new();
        let check = |host: &str, path: &str, expect: Option<&str>| {
            assert_eq!(certs.challenges.answer(host.as_bytes(), path.as_bytes()).as_deref(), expect, "{host} {path}");
        };
        let path = "/.well-known/acme-challenge/to-K_en";
        check("a.com", path, None);
        let pending = certs.prove_by_token("a.com", "to-K_en", "to-K_en.thumb").unwrap();
        check("a.com", path, Some("to-K_en.thumb"));
        check("b.com", path, None);
        check("a.com", "/.well-known/acme-challenge/", None);
        check("a.com", "/.well-known/acme-challenge/to-K_en/", None);
        check("a.com", "/.well-known/acme-challenge/../to-K_en", None);
        check("a.com", "/.well-known/acme-challenge/other", None);
        drop(pending);
        check("a.com", path, None);
        assert!(certs.prove_by_token("a.com", "../x", "y").is_none());
        assert!(certs.prove_by_token("a.com", "", "y").is_none());
    }
}
