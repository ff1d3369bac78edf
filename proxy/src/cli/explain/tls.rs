//! What TLS has to do with the request that is explained: whether its listener decrypts, and whether it is sent to HTTPS.
//!
//! A running proxy gives its own; for a file it is compiled as at a start, and certificates of public authorities are
//! taken to be in hand.

use std::sync::Arc;

use switchboard_core::certificate::{Issuer, Names, issuer_of};
use switchboard_core::config::{Bind, Config, Listener, ListenerTls};
use switchboard_core::route::{Facts, ListenerId};

use crate::certs::Certs;
use crate::tls::setup::{Setup, Tickets};

/// The TLS of a configuration.
pub(crate) struct Tls {
    setup: Arc<Setup>,
    /// Whether a handshake for a name gets a certificate where they come by themselves.
    comes: Box<dyn Fn(&str) -> bool + Send>,
}

impl Tls {
    /// That of a running proxy.
    pub(crate) fn in_force(setup: &Arc<Setup>, certs: &Arc<Certs>) -> Self {
        let certs = Arc::clone(certs);
        Self { setup: Arc::clone(setup), comes: Box::new(move |name| certs.serves(name)) }
    }

    /// That of a file.
    ///
    /// # Errors
    /// In words, where files are not what they were when they were checked.
    pub(crate) fn of(config: &Config) -> Result<Self, String> {
        let setup = Setup::new(config, &mut Tickets::default())?;
        for (place, listener) in config.listeners.iter().enumerate() {
            match listener.bind {
                Bind::Any(port) | Bind::Ip(_, port) if port != 0 => setup.bound(place, port),
                // Chosen by the system, or by who hands the socket over.
                Bind::Any(_) | Bind::Ip(..) | Bind::Fd(_) | Bind::Default => setup.bound(place, 443),
                Bind::Unix(_) => {}
            }
        }
        let names = Names::of(config);
        let comes = move |name: &str| issuer_of(name) != Issuer::Nobody && names.cover(name).is_some();
        Ok(Self { setup, comes: Box::new(comes) })
    }

    /// Where a request on a plain listener is sent instead of being routed, as the data path has it.
    pub(super) fn elsewhere(&self, listener: &Listener, facts: &Facts<'_>, port: Option<u16>) -> Option<Vec<u8>> {
        let is_asked = self.setup.any && listener.tls.is_none() && listener.https_redirect;
        if !is_asked || facts.scheme == "https" || port.is_none() {
            return None;
        }
        let mut location = Vec::new();
        self.setup.elsewhere(facts.destination, &self.comes, &mut location).then_some(location)
    }

    /// Whether a listener has a certificate for a host.
    pub(super) fn serves(&self, listener: ListenerId, host: &str) -> bool {
        self.setup.listener(listener.0 as usize).is_some_and(|endpoint| endpoint.serves(host, &self.comes))
    }

    /// Whether a listener passes on what comes for a host, and reads nothing of it.
    pub(super) fn passes(&self, listener: ListenerId, host: &str) -> bool {
        let endpoint = self.setup.listener(listener.0 as usize);
        endpoint.is_some_and(|endpoint| endpoint.policy(Some(host)).is_none())
    }
}

/// Whether a listener decrypts what comes.
pub(super) const fn decrypts(listener: &Listener) -> bool {
    matches!(listener.tls, Some(ListenerTls::Terminate { .. }))
}
