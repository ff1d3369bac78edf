//! The TLS of a generation: for each listener, which policy holds for which name, and what a handshake needs for it.
//!
//! The control thread makes it from a checked configuration; handshakes and requests read it. One function resolves a
//! name to its policy ([`Names::find`]), for SNI and for authorities alike.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use rustls::server::{NoServerSessionStorage, ProducesTickets, ResolvesServerCert, ServerConfig, WebPkiClientVerifier};
use switchboard_core::config::{
    Certificates, ClientAuth, Config, Digest, HostPattern, HostTls, Listener, ListenerTls, PemFile, TlsPolicy,
    TlsVersion,
};

use switchboard_core::snapshot::{Rule, Snapshot};
use switchboard_core::target::Destination;

use super::alpn;
use super::files::{self, Pair};
use super::provider::provider;
use super::table::Table;

/// The TLS of all listeners.
#[derive(Debug, Default)]
pub struct Setup {
    /// In the order of the configuration; `None` is a plain listener.
    listeners: Vec<Option<Arc<Endpoint>>>,
    /// Whether some listener has TLS: what a plain request asks first.
    pub any: bool,
    /// The rule that answers who is sent there.
    pub redirect: Option<Arc<Rule>>,
}

/// The TLS of one listener.
#[derive(Debug)]
pub struct Endpoint {
    names: Names,
    /// What is done for who asks for no name.
    nameless: Treatment,
    /// The certificates, where they come from files.
    pub table: Option<Arc<Table>>,
    /// The port that it has bound, once it has.
    port: AtomicU16,
}

/// What is done with a connection.
#[derive(Clone, Debug)]
pub enum Treatment {
    /// Its bytes go on as they came.
    Passthrough,
    /// It is decrypted.
    Terminate(Arc<Policy>),
}

/// What is asked of a client, compiled.
#[derive(Debug)]
pub struct Policy {
    /// By what it is the same policy: nothing else may share a session with it.
    pub id: Digest,
    /// For rustls. Where certificates come by themselves, each handshake puts its own in.
    pub config: Arc<ServerConfig>,
}

/// Names and what is done for them.
#[derive(Debug)]
struct Names {
    exact: HashMap<Box<str>, Treatment>,
    /// By suffix with its dot, the longest first.
    suffixes: Vec<(Box<str>, Treatment)>,
    other: Treatment,
}

impl Names {
    /// What is done for a name: exact, then the longest suffix, then what holds for all.
    fn find(&self, name: &str) -> &Treatment {
        let by_suffix =
            || self.suffixes.iter().find(|(suffix, _)| name.len() > suffix.len() && name.ends_with(&**suffix));
        self.exact.get(name).or_else(|| by_suffix().map(|(_, treatment)| treatment)).unwrap_or(&self.other)
    }
}

/// The keys of session tickets by policy, kept by the control thread from one generation to the next: a session is
/// taken up only where the very same is asked of the client (cases 163 and 164).
#[derive(Debug, Default)]
pub struct Tickets(HashMap<Digest, Arc<dyn ProducesTickets>>);

impl Setup {
    /// Compiles the TLS of a configuration.
    ///
    /// # Errors
    /// In words, where files are not what they were when they were checked.
    pub fn new(config: &Config, tickets: &mut Tickets) -> Result<Arc<Self>, String> {
        let mut kept = Tickets::default();
        let listeners = config.listeners.iter().map(|listener| {
            listener.tls.as_ref().map(|tls| endpoint(listener, tls, tickets, &mut kept).map(Arc::new)).transpose()
        });
        let listeners: Vec<_> = listeners.collect::<Result<_, _>>()?;
        *tickets = kept;
        let any = listeners.iter().any(Option::is_some);
        Ok(Arc::new(Self { any, listeners, redirect: if any { redirect() } else { None } }))
    }

    /// The TLS of the listener with this place in the configuration.
    pub fn listener(&self, place: usize) -> Option<&Arc<Endpoint>> {
        self.listeners.get(place)?.as_ref()
    }

    /// The certificates out of files, by first name, and until when they hold, in seconds since 1970.
    pub fn ends(&self) -> impl Iterator<Item = (&str, u64)> {
        let tables = self.listeners.iter().flatten().filter_map(|endpoint| endpoint.table.as_ref());
        tables.flat_map(|table| table.ends().iter().map(|(name, end)| (&**name, *end)))
    }

    /// Writes where who came without TLS finds the same with it: at the first listener with a certificate for the host;
    /// `comes` tells whether one that comes by itself is there. `false` where there is none.
    pub fn elsewhere(
        &self,
        destination: &Destination<'_>,
        comes: impl Fn(&str) -> bool,
        location: &mut Vec<u8>,
    ) -> bool {
        let Ok(host) = std::str::from_utf8(destination.host()) else { return false };
        let mut having = self.listeners.iter().flatten().filter(|endpoint| endpoint.serves(host, &comes));
        let port = having.next().map(|endpoint| endpoint.port.load(Ordering::Relaxed)).filter(|port| *port != 0);
        let Some(port) = port else { return false };
        location.clear();
        location.extend_from_slice(b"https://");
        location.extend_from_slice(host.as_bytes());
        if port != 443 {
            location.extend_from_slice(format!(":{port}").as_bytes());
        }
        location.extend_from_slice(destination.forward());
        true
    }

    /// Notes the port that a listener has bound.
    pub fn bound(&self, place: usize, port: u16) {
        if let Some(endpoint) = self.listener(place) {
            endpoint.port.store(port, Ordering::Relaxed);
        }
    }
}

impl Endpoint {
    /// What is done for the name that a client asks for, in canonical form.
    pub fn treatment(&self, name: Option<&str>) -> &Treatment {
        match name {
            Some(name) => self.names.find(name),
            None => &self.nameless,
        }
    }

    /// The policy that holds for a name; `None` where nothing is decrypted.
    pub fn policy(&self, name: Option<&str>) -> Option<&Arc<Policy>> {
        match self.treatment(name) {
            Treatment::Terminate(policy) => Some(policy),
            Treatment::Passthrough => None,
        }
    }

    /// Whether HTTPS for a host is served here.
    pub fn serves(&self, host: &str, comes: impl Fn(&str) -> bool) -> bool {
        match (self.treatment(Some(host)), &self.table) {
            (Treatment::Terminate(_), Some(table)) => table.covers(host),
            (Treatment::Terminate(_), None) => comes(host),
            (Treatment::Passthrough, _) => false,
        }
    }
}

/// The rule of a redirect whose location is written by hand: what every redirect has besides is as its defaults say.
fn redirect() -> Option<Arc<Rule>> {
    let config = Config::from_text("routes: {\"*\": {redirect: \"https://{host}{uri}\"}}").ok()?;
    Snapshot::compile(&config).ok()?.rules().iter().next().cloned()
}

fn endpoint(listener: &Listener, tls: &ListenerTls, old: &Tickets, kept: &mut Tickets) -> Result<Endpoint, String> {
    let ListenerTls::Terminate { certificates, policy, hosts } = tls else {
        let names = Names { exact: HashMap::new(), suffixes: Vec::new(), other: Treatment::Passthrough };
        return Ok(Endpoint { names, nameless: Treatment::Passthrough, table: None, port: AtomicU16::new(0) });
    };
    let table = match certificates {
        Certificates::Auto => None,
        Certificates::Files(all) => {
            let pairs = all.iter().map(|files| {
                let (pair, _) = files::pair(files).map_err(|(_, words)| words)?;
                same(files.digest, pair.digest, &files.cert)?;
                Ok::<Pair, String>(pair)
            });
            Some(Arc::new(Table::new(&pairs.collect::<Result<Vec<_>, _>>()?)))
        }
    };
    let mut compile = |policy: &TlsPolicy| -> Result<Treatment, String> {
        Ok(Treatment::Terminate(Arc::new(compiled(listener, policy, table.as_ref(), old, kept)?)))
    };
    let mut names = Names { exact: HashMap::new(), suffixes: Vec::new(), other: compile(policy)? };
    let mut strictest = (policy, names.other.clone());
    for (host, tls) in hosts {
        let treatment = match tls {
            HostTls::Passthrough => Treatment::Passthrough,
            HostTls::Terminate(policy) => {
                let treatment = compile(policy)?;
                if policy.strictness() > strictest.0.strictness() {
                    strictest = (policy, treatment.clone());
                }
                treatment
            }
        };
        match host {
            HostPattern::Exact(name) => drop(names.exact.insert(name.as_str().into(), treatment)),
            HostPattern::Suffix(suffix) => names.suffixes.push((format!(".{suffix}").into(), treatment)),
            HostPattern::Any => names.other = treatment,
        }
    }
    names.suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
    Ok(Endpoint { names, nameless: strictest.1, table, port: AtomicU16::new(0) })
}

/// A file that has changed since it was checked is looked at again, by the reload that follows.
fn same(checked: Digest, read: Digest, path: &std::path::Path) -> Result<(), String> {
    if checked == read || checked == Digest::default() {
        return Ok(());
    }
    Err(format!("{} was changed while it was read", path.display()))
}

fn compiled(
    listener: &Listener,
    policy: &TlsPolicy,
    table: Option<&Arc<Table>>,
    old: &Tickets,
    kept: &mut Tickets,
) -> Result<Policy, String> {
    let id = identity(listener, policy);
    let versions: &[_] = match policy.min_version {
        TlsVersion::V12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::V13 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(|error| format!("listener {}: {error}", listener.name))?;
    let verifier = |ca: &PemFile| {
        let (roots, digest) = files::authorities(&ca.path)?;
        same(ca.digest, digest, &ca.path)?;
        Ok::<_, String>(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()))
    };
    let built = |error: rustls::client::VerifierBuilderError| format!("listener {}: {error}", listener.name);
    let builder = match &policy.client_auth {
        ClientAuth::Off => builder.with_no_client_auth(),
        ClientAuth::Request(ca) => {
            builder.with_client_cert_verifier(verifier(ca)?.allow_unauthenticated().build().map_err(built)?)
        }
        ClientAuth::Require(ca) => builder.with_client_cert_verifier(verifier(ca)?.build().map_err(built)?),
    };
    let resolver: Arc<dyn ResolvesServerCert> = match table {
        Some(table) => Arc::<Table>::clone(table),
        None => Arc::new(Table::default()),
    };
    let mut config = builder.with_cert_resolver(resolver);
    config.alpn_protocols = alpn::to_clients();
    // Ours is the order of suites: all are sound, and clients that don't care get the fastest here.
    config.ignore_client_order = true;
    // A live connection may be handed to a later process one day: its keys have to come with it.
    config.enable_secret_extraction = true;
    // All of a session is in its ticket: nothing is kept for clients that may never come back.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = tickets(id, old, kept)?;
    Ok(Policy { id, config: Arc::new(config) })
}

fn tickets(id: Digest, old: &Tickets, kept: &mut Tickets) -> Result<Arc<dyn ProducesTickets>, String> {
    if let Some(tickets) = kept.0.get(&id).or_else(|| old.0.get(&id)) {
        let tickets = Arc::clone(tickets);
        kept.0.insert(id, Arc::clone(&tickets));
        return Ok(tickets);
    }
    let fresh = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|error| format!("no randomness: {error}"))?;
    kept.0.insert(id, Arc::clone(&fresh));
    Ok(fresh)
}

/// Two policies are one where the same is asked of clients by the same listener, and the same may vouch for them.
fn identity(listener: &Listener, policy: &TlsPolicy) -> Digest {
    let version = [match policy.min_version {
        TlsVersion::V12 => 2,
        TlsVersion::V13 => 3,
    }];
    let nobody = Digest::default();
    let (auth, ca) = match &policy.client_auth {
        ClientAuth::Off => ([0], &nobody),
        ClientAuth::Request(ca) => ([1], &ca.digest),
        ClientAuth::Require(ca) => ([2], &ca.digest),
    };
    Digest::of(&[listener.name.as_bytes(), &version, &auth, &ca.0])
}
