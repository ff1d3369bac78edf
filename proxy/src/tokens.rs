//! Key sets of `jwt`: public keys (RFC 7517) from a text or a URL, and whether one of them has signed a token.
//!
//! A set of a URL is fetched beside the workers ([`crate::aside`]), again every few minutes, and once more where a token names
//! a key that it does not have: keys rotate. While it can't be fetched, the last one holds.

mod fetch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::Value;
use switchboard_core::config::{TokenAlgorithm, TokenKeys};
use switchboard_core::policy::jwt::{Fault, Unverified};
use tokio::sync::{Notify, watch};

use crate::worker::Worker;

/// Keys of one set at most: each may have to be tried.
const MOST: usize = 64;

/// Between two fetches because of unknown keys: whoever sends tokens must not make us ask.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long a request waits for keys that are being fetched.
const PATIENCE: Duration = Duration::from_secs(3);

/// The keys whose signatures count.
#[derive(Debug)]
pub struct KeySet {
    keys: ArcSwap<Vec<Key>>,
    /// Whether there is a URL to ask again.
    fetched: bool,
    /// Somebody misses a key, or nobody wants the set any more.
    missed: Arc<Notify>,
    /// Counts the attempts to fetch.
    turns: watch::Sender<u64>,
    /// When the last attempt ended, in milliseconds since `opened`; 0 for none yet.
    tried: AtomicU64,
    opened: Instant,
}

/// One public key.
struct Key {
    name: Option<String>,
    algorithms: Vec<TokenAlgorithm>,
    key: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("name", &self.name).field("algorithms", &self.algorithms).finish()
    }
}

impl KeySet {
    /// Reads a text, or begins to fetch a URL.
    pub fn open(source: &TokenKeys) -> Arc<Self> {
        let set = Arc::new(Self {
            keys: ArcSwap::default(),
            fetched: matches!(source, TokenKeys::Url(_)),
            missed: Arc::default(),
            turns: watch::Sender::new(0),
            tried: AtomicU64::new(0),
            opened: Instant::now(),
        });
        match source {
            TokenKeys::Text(text) => match keys(text.as_bytes()) {
                Ok(keys) => set.keys.store(Arc::new(keys)),
                Err(words) => tracing::error!("jwt: the key set of a file can't be used: {words}"),
            },
            TokenKeys::Url(url) => {
                let missed = Arc::clone(&set.missed);
                crate::aside::spawn(fetch::keep(Arc::downgrade(&set), missed, url.clone()));
            }
        }
        set
    }

    /// Whether there is no key at all: then nobody can be known.
    pub fn is_empty(&self) -> bool {
        self.keys.load().is_empty()
    }

    /// Checks the signature of a token.
    ///
    /// # Errors
    /// [`Fault::UnknownKey`] where a newer set may know the key, [`Fault::Signature`] where it is wrong.
    pub fn check(&self, token: &Unverified<'_>) -> Result<(), Fault> {
        let keys = self.keys.load();
        let mut fits = keys
            .iter()
            .filter(|key| key.algorithms.contains(&token.algorithm) && (token.key.is_none() || token.key == key.name));
        let right = |key: &Key| {
            crypto::verify(token.signature, token.signed, &key.key, algorithm(token.algorithm)).unwrap_or(false)
        };
        match token.key {
            // Any of them may have signed it, and a key that is not here yet.
            None if fits.any(right) => Ok(()),
            None => Err(Fault::UnknownKey),
            Some(_) => {
                let mut known = false;
                for key in fits {
                    known = true;
                    if right(key) {
                        return Ok(());
                    }
                }
                Err(if known { Fault::Signature } else { Fault::UnknownKey })
            }
        }
    }

    /// Has the set fetched again, unless that was done a moment ago, or it is a file's: a reload reads that. Returns whether
    /// it is worth another look.
    pub async fn renew(&self, worker: &Worker) -> bool {
        if !self.fetched {
            return false;
        }
        let tried = Duration::from_millis(self.tried.load(Ordering::Relaxed));
        if !tried.is_zero() && self.opened.elapsed().saturating_sub(tried) < INTERVAL {
            return false;
        }
        let mut turn = self.turns.subscribe();
        self.missed.notify_one();
        let patience = std::pin::pin!(worker.deadlines.sleep(PATIENCE));
        tokio::select! {
            biased;
            changed = turn.changed() => changed.is_ok(),
            () = patience => false,
        }
    }

    /// Ends an attempt to fetch; with new keys, or with what there was.
    fn tried(&self, keys: Option<Vec<Key>>) {
        if let Some(keys) = keys {
            self.keys.store(Arc::new(keys));
        }
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        self.tried.store(now, Ordering::Relaxed);
        self.turns.send_modify(|turn| *turn += 1);
    }
}

impl Drop for KeySet {
    fn drop(&mut self) {
        self.missed.notify_one();
    }
}

/// Reads a key set. Keys that can't check a signature are left out, shared secrets above all.
fn keys(text: &[u8]) -> Result<Vec<Key>, String> {
    let set: Value = serde_json::from_slice(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let list = set.get("keys").and_then(Value::as_array).ok_or("it has no list `keys`")?;
    let keys: Vec<Key> = list.iter().take(MOST).filter_map(key).collect();
    if keys.is_empty() { Err("it has no public key that can be used".to_owned()) } else { Ok(keys) }
}

fn key(written: &Value) -> Option<Key> {
    use TokenAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    let is = |name: &str, wanted: &str| written.get(name).is_none_or(|value| value.as_str() == Some(wanted));
    let verifies = written
        .get("key_ops")
        .is_none_or(|list| list.as_array().is_some_and(|list| list.iter().any(|one| one.as_str() == Some("verify"))));
    if !is("use", "sig") || !verifies {
        return None;
    }
    let jwk: Jwk = serde_json::from_value(written.clone()).ok()?;
    let mut algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => vec![Rs256, Rs384, Rs512, Ps256, Ps384, Ps512],
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => vec![Es256],
            EllipticCurve::P384 => vec![Es384],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => vec![EdDsa],
        // A shared secret is nothing to check others by; whatever else there is, nobody here knows.
        _ => return None,
    };
    if let Some(named) = written.get("alg") {
        let named = named.as_str().and_then(TokenAlgorithm::find);
        algorithms.retain(|algorithm| Some(*algorithm) == named);
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    (!algorithms.is_empty()).then_some(Key { name: jwk.common.key_id, algorithms, key })
}

const fn algorithm(of: TokenAlgorithm) -> Algorithm {
    match of {
        TokenAlgorithm::Rs256 => Algorithm::RS256,
        TokenAlgorithm::Rs384 => Algorithm::RS384,
        TokenAlgorithm::Rs512 => Algorithm::RS512,
        TokenAlgorithm::Ps256 => Algorithm::PS256,
        TokenAlgorithm::Ps384 => Algorithm::PS384,
        TokenAlgorithm::Ps512 => Algorithm::PS512,
        TokenAlgorithm::Es256 => Algorithm::ES256,
        TokenAlgorithm::Es384 => Algorithm::ES384,
        TokenAlgorithm::EdDsa => Algorithm::EdDSA,
    }
}
