//! Which certificate is shown for which name: exact names, then wildcards of one label, then the first of the list.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::files::Pair;

/// The certificates of a listener.
#[derive(Debug, Default)]
pub struct Table {
    /// By name; a wildcard stands under its suffix, with the dot in front. Several where their keys are of several kinds.
    names: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    first: Vec<Arc<CertifiedKey>>,
    /// The first name of each, and until when it holds, in seconds since 1970.
    ends: Vec<(Box<str>, u64)>,
}

impl Table {
    /// Makes it of all pairs, in order.
    pub fn new(pairs: &[Pair]) -> Self {
        let mut table = Self::default();
        for pair in pairs {
            for name in &pair.names {
                let name = name.strip_prefix('*').unwrap_or(name);
                table.names.entry(name.into()).or_default().push(Arc::clone(&pair.key));
            }
            table.first.push(Arc::clone(&pair.key));
            table.ends.push((pair.names.first().map_or("", String::as_str).into(), pair.not_after));
        }
        table
    }

    /// The first name of each certificate, and until when it holds, in seconds since 1970.
    pub fn ends(&self) -> &[(Box<str>, u64)] {
        &self.ends
    }

    /// The certificates for a name; `None` where none is for it.
    fn named(&self, name: &str) -> Option<&[Arc<CertifiedKey>]> {
        // A wildcard stands for one label (RFC 9525 §6.3).
        let wild = || self.names.get(name.get(name.find('.')?..)?);
        self.names.get(name).or_else(wild).map(Vec::as_slice)
    }

    /// Whether some certificate is for a name.
    pub fn covers(&self, name: &str) -> bool {
        self.named(name).is_some()
    }

    /// Whether who was shown a certificate for one name was shown one for another as well.
    pub fn cover_both(&self, one: &str, other: &str) -> bool {
        match (self.named(one), self.named(other)) {
            (Some(one), Some(other)) => one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other)),
            _ => false,
        }
    }

    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let named = name.and_then(|name| self.named(name)).unwrap_or(&self.first);
        // Where no key is of a kind that the client knows, the handshake fails and says so.
        named.iter().find(fits).or_else(|| named.first()).cloned()
    }
}

impl ResolvesServerCert for Table {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(canonical);
        self.choose(name.as_deref(), hello.signature_schemes())
    }
}

/// A name as tables have it: in lower case, without the root's dot.
pub(super) fn canonical(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// One certificate, whatever the client asks for.
#[derive(Debug)]
pub(super) struct Only(pub(super) Arc<CertifiedKey>);

impl ResolvesServerCert for Only {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}
