//! Certificates that come by themselves, for listeners with `tls: auto`: from public authorities by ACME, from an
//! authority of our own for names that mean something on this network alone.
//!
//! The TLS handshake asks [`Certs`], which is all that workers see: one atomic load where the certificate is in hand.
//! What has to be made or ordered is made by the [`keeper`] on the control thread; workers never hold a key that signs
//! certificates, and never wait longer than [`PATIENCE`].

pub mod acme;
pub mod ask;
pub mod challenges;
pub mod issued;
pub mod keeper;
pub mod local;
pub mod store;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;
use switchboard_core::certificate::{Issuer, Names, issuer_of};
use tokio::sync::{mpsc, oneshot};

use challenges::Challenges;
use issued::Issued;

/// How long a handshake waits for a certificate that is made or ordered only now. Less than clients wait for us.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// Handshakes that may wait for the keeper to hear them.
const WAITING: usize = 256;

/// Certificates held in memory. Those beyond are found again on disk, or made again.
const MOST_HELD: usize = 4096;

/// The certificates in hand, and the way to more. One for the whole proxy.
#[derive(Debug)]
pub struct Certs {
    held: ArcSwap<HashMap<Box<str>, Arc<Issued>>>,
    /// What routes know: other names are refused without asking the keeper (case 162).
    names: ArcSwap<Names>,
    /// Proofs that an authority is about to ask for.
    pub challenges: Challenges,
    wanted: mpsc::Sender<Wanted>,
    troubles: Mutex<HashMap<Box<str>, Trouble>>,
}

/// A handshake that waits.
#[derive(Debug)]
pub struct Wanted {
    /// The name that the client asks for.
    pub name: Box<str>,
    /// Where the certificate goes.
    pub reply: oneshot::Sender<Option<Arc<CertifiedKey>>>,
}

/// What went wrong the last time, and when it is tried again.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// In words: what failed, why, and what to check.
    pub error: String,
    /// Seconds since 1970.
    pub next_try: u64,
}

/// How it stands with the certificate of one name, for the admin plane.
#[derive(Clone, Debug)]
pub struct Status {
    /// The name.
    pub name: String,
    /// Who issued what is in hand; none where nothing is.
    pub issuer: Option<String>,
    /// When what is in hand ends, in seconds since 1970.
    pub not_after: Option<u64>,
    /// What went wrong the last time.
    pub trouble: Option<Trouble>,
}

impl Certs {
    /// Makes it empty. Who reads from the receiver is the keeper.
    #[must_use]
    pub fn new() -> (Arc<Self>, mpsc::Receiver<Wanted>) {
        let (wanted, inbox) = mpsc::channel(WAITING);
        let certs = Self {
            held: ArcSwap::default(),
            names: ArcSwap::default(),
            challenges: Challenges::default(),
            wanted,
            troubles: Mutex::default(),
        };
        (Arc::new(certs), inbox)
    }

    /// The certificate for a name, if it is in hand. One of our own authority that has ended is none; one of a public
    /// authority is still the best there is.
    pub fn held(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let held = self.held.load();
        let issued = held.get(name)?;
        (!issued.local || now() < issued.not_after).then(|| Arc::clone(&issued.key))
    }

    /// The certificate for a name that routes know: in hand, or made or ordered now. `None` where it can't be had, or
    /// not within [`PATIENCE`].
    pub async fn wanted(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        if let Some(key) = self.held(name) {
            return Some(key);
        }
        self.names.load().cover(name)?;
        let (reply, answer) = oneshot::channel();
        self.wanted.try_send(Wanted { name: name.into(), reply }).ok()?;
        // The keeper drops it when [`PATIENCE`] is over: workers have no timers of tokio's.
        answer.await.ok()?
    }

    /// Whether a handshake for a name gets a certificate: one of a public authority is in hand, one of our own is made.
    pub fn serves(&self, name: &str) -> bool {
        let known = self.names.load();
        match issuer_of(name) {
            Issuer::Local => known.cover(name).is_some(),
            Issuer::Public => known.cover(name).is_some() && self.held(name).is_some(),
            Issuer::Nobody => false,
        }
    }

    /// The certificate that proves to an authority that we answer for a name, for a handshake with ALPN `acme-tls/1`
    /// alone. `None` where no order waits for that (case 174).
    pub fn challenge(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.challenges.certificate(name)
    }

    /// How it stands with each name, in order.
    pub fn status(&self) -> Vec<Status> {
        let held = self.held.load();
        let troubles = self.troubles();
        let mut names: Vec<&str> = held.keys().chain(troubles.keys()).map(|name| &**name).collect();
        names.sort_unstable();
        names.dedup();
        let status = |name: &str| Status {
            name: name.to_owned(),
            issuer: held.get(name).map(|issued| issued.issuer.clone()),
            not_after: held.get(name).map(|issued| issued.not_after),
            trouble: troubles.get(name).cloned(),
        };
        names.into_iter().map(status).collect()
    }

    fn know(&self, names: Names) {
        self.names.store(Arc::new(names));
    }

    /// Puts a certificate in hand. Where there are too many, one goes: of our own
    /// authority first, then what ends first.
    fn hold(&self, name: &str, issued: Issued) {
        let mut held = HashMap::clone(&self.held.load());
        if held.len() >= MOST_HELD
            && let Some(first) =
                held.iter().min_by_key(|(_, issued)| (!issued.local, issued.not_after)).map(|(name, _)| name.clone())
        {
            held.remove(&first);
        }
        held.insert(name.into(), Arc::new(issued));
        self.held.store(Arc::new(held));
        self.forgive(name);
    }

    /// Lets go of what `stays` doesn't want.
    fn retain(&self, stays: impl Fn(&str, &Issued) -> bool) {
        let mut held = HashMap::clone(&self.held.load());
        let before = held.len();
        held.retain(|name, issued| stays(name, issued));
        if held.len() != before {
            self.held.store(Arc::new(held));
        }
    }

    fn issued(&self, name: &str) -> Option<Arc<Issued>> {
        self.held.load().get(name).cloned()
    }

    /// The names whose certificate in hand is of a public authority.
    fn public_in_hand(&self) -> Vec<Box<str>> {
        self.held.load().iter().filter(|(_, issued)| !issued.local).map(|(name, _)| name.clone()).collect()
    }

    /// Notes what went wrong with a name. Tells whether that is news.
    fn complain(&self, name: &str, error: &str, next_try: u64) -> bool {
        let mut troubles = self.troubles();
        let known = troubles.get(name).is_some_and(|trouble| trouble.error == error);
        if troubles.len() < MOST_HELD || known {
            troubles.insert(name.into(), Trouble { error: error.to_owned(), next_try });
        }
        !known
    }

    fn forgive(&self, name: &str) {
        self.troubles().remove(name);
    }

    fn forgive_all_but(&self, stays: impl Fn(&str) -> bool) {
        self.troubles().retain(|name, _| stays(name));
    }

    fn troubles(&self) -> MutexGuard<'_, HashMap<Box<str>, Trouble>> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds since 1970, by the system's clock: what certificates are measured by.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A number by chance, for jitter and serial numbers.
pub(crate) fn chance() -> u64 {
    let mut bytes = [0; 8];
    // A kernel without randomness is no place for keys either; jitter alone can do without.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}
