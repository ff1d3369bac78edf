//! Keeps certificates: makes and orders what handshakes and routes want, and renews it. Runs on the control thread.

use std::path::Path;
use std::sync::Arc;

use rustls::sign::CertifiedKey;
use switchboard_core::certificate::{Issuer, Names, issuer_of};
use switchboard_core::config::Config;
use tokio::sync::{mpsc, watch};

use super::local::Local;
use super::store::Store;
use super::{Certs, Wanted};

/// The control thread's end: tells the keeper what a configuration wants.
#[derive(Debug)]
pub struct Keeper {
    certs: Arc<Certs>,
    plans: watch::Sender<Arc<Plan>>,
}

/// What a configuration wants.
#[derive(Debug, Default, PartialEq)]
struct Plan {
    /// Some listener has `tls: auto`.
    auto: bool,
    names: Names,
}

impl Keeper {
    /// Starts it on this runtime; it ends when the handle is dropped. It wants nothing until it follows a configuration.
    #[must_use]
    pub fn start(certs: Arc<Certs>, inbox: mpsc::Receiver<Wanted>, state_dir: &Path) -> Self {
        let (plans, followed) = watch::channel(Arc::default());
        let task = Task {
            certs: Arc::clone(&certs),
            inbox,
            plans: followed,
            plan: Arc::default(),
            store: Store::below(state_dir),
            local: None,
        };
        tokio::spawn(task.run());
        Self { certs, plans }
    }

    /// Takes up a configuration that is about to be in force: its names are known before the first handshake.
    pub fn follow(&self, config: &Config) {
        let auto = wants_certificates(config);
        let names = if auto { Names::of(config) } else { Names::default() };
        self.certs.know(names.clone());
        self.plans.send_replace(Arc::new(Plan { auto, names }));
    }
}

/// Whether some listener has `tls: auto`.
const fn wants_certificates(_config: &Config) -> bool {
    false
}

struct Task {
    certs: Arc<Certs>,
    inbox: mpsc::Receiver<Wanted>,
    plans: watch::Receiver<Arc<Plan>>,
    plan: Arc<Plan>,
    store: Store,
    local: Option<Local>,
}

impl Task {
    async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                changed = self.plans.changed() => match changed {
                    Ok(()) => self.follow(),
                    Err(_) => return,
                },
                Some(wanted) = self.inbox.recv() => self.want(wanted),
            }
        }
    }

    fn follow(&mut self) {
        self.plan = Arc::clone(&self.plans.borrow_and_update());
        let names = &self.plan.names;
        self.certs.retain(|name, _| names.cover(name).is_some());
    }

    fn want(&mut self, Wanted { name, reply }: Wanted) {
        // Another handshake may have asked for the same a moment ago.
        let key = self.certs.held(&name).or_else(|| match (issuer_of(&name), self.plan.names.cover(&name)) {
            (Issuer::Local, Some(_)) => self.leaf(&name),
            _ => None,
        });
        let _ = reply.send(key);
    }

    /// Makes a certificate of our own authority, and the authority where there is none yet.
    fn leaf(&mut self, name: &str) -> Option<Arc<CertifiedKey>> {
        let made = self.authority().and_then(|local| local.leaf(name));
        match made {
            Ok(issued) => {
                let key = Arc::clone(&issued.key);
                self.certs.hold(name, issued);
                Some(key)
            }
            Err(error) => {
                tracing::error!("no certificate for {name}: {error}");
                self.certs.complain(name, error, 0);
                None
            }
        }
    }

    fn authority(&mut self) -> Result<&Local, String> {
        let local = match self.local.take() {
            Some(local) => local,
            None => {
                let local = Local::open(&self.store, self.plan.names.single_labels())?;
                if local.made {
                    let root = self.store.path(super::local::ROOT);
                    tracing::info!(
                        "a local root for private names was made ({}); `switchboard trust` lets browsers on this machine \
                         trust it",
                        root.display()
                    );
                }
                local
            }
        };
        Ok(self.local.insert(local))
    }
}
