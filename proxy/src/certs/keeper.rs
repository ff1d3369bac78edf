//! Keeps certificates: makes and orders what handshakes and routes want, and renews it. Runs on the control thread.
//!
//! One task owns all that is known of names; orders and questions are tasks of their own that report back to it. While
//! an authority is down, nothing happens to what is in hand.

mod order;
mod plan;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;
use switchboard_core::certificate::{Cover, Issuer, issuer_of};
use switchboard_core::config::{Config, Route, RouteKey};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::acme::Acme;
use super::ask::{Gate, Service};
use super::local::Local;
use super::store::Store;
use super::{Certs, PATIENCE, Wanted, now};
use order::Done;
use plan::Plan;
pub use plan::proves_by_token;

/// Handshakes that wait for one name at most.
const WAITING: usize = 64;

/// The longest sleep: a clock that was set, or a machine that slept, is noticed after it.
const LONGEST: Duration = Duration::from_secs(30);

/// The control thread's end: tells the keeper what a configuration wants.
#[derive(Debug)]
pub struct Keeper {
    certs: Arc<Certs>,
    plans: watch::Sender<Arc<Plan>>,
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
            acme: None,
            service: None,
            gate: Gate::default(),
            names: BTreeMap::new(),
            jobs: JoinSet::new(),
            ordering: 0,
        };
        tokio::spawn(task.run());
        Self { certs, plans }
    }

    /// Takes up a configuration that is about to be in force: its names are known before the first handshake.
    pub fn follow<'a>(&self, config: &Config, registered: impl Iterator<Item = (&'a RouteKey, &'a Route)>) {
        let plan = Plan::of(config, registered);
        self.certs.know(plan.names.clone());
        self.plans.send_if_modified(|known| {
            let differs = **known != plan;
            if differs {
                *known = Arc::new(plan);
            }
            differs
        });
    }
}

/// Where a handshake gets its certificate.
type Reply = oneshot::Sender<Option<Arc<CertifiedKey>>>;

struct Task {
    certs: Arc<Certs>,
    inbox: mpsc::Receiver<Wanted>,
    plans: watch::Receiver<Arc<Plan>>,
    plan: Arc<Plan>,
    store: Store,
    local: Option<Local>,
    acme: Option<Arc<Acme>>,
    service: Option<Service>,
    gate: Gate,
    /// Public names, and how it stands with each.
    names: BTreeMap<Box<str>, Name>,
    jobs: JoinSet<Done>,
    ordering: usize,
}

/// How it stands with a public name.
#[derive(Debug)]
struct Name {
    stage: Stage,
    cover: Cover,
    failures: u32,
    waiting: Vec<Reply>,
    /// When the authority is asked for the best time to renew, in seconds since 1970.
    suggested: u64,
}

/// What is done about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The operator's service is asked.
    Asking,
    /// An order is placed at this time, in seconds since 1970.
    Due(u64),
    /// An order is under way.
    Ordering,
}

/// Gives up on an answer after [`PATIENCE`]: who waits for it then hears that there is none.
fn in_time(reply: Reply) -> Reply {
    let (sender, answer) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        if let Ok(Ok(key)) = tokio::time::timeout(PATIENCE, answer).await {
            let _ = reply.send(key);
        }
    });
    sender
}

impl Task {
    async fn run(mut self) {
        loop {
            let pause = self.pause();
            tokio::select! {
                biased;
                changed = self.plans.changed() => match changed {
                    Ok(()) => self.follow(),
                    Err(_) => return,
                },
                Some(wanted) = self.inbox.recv() => self.want(wanted),
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => match done {
                    Ok(done) => self.take(done),
                    Err(error) => tracing::error!(%error, "an order for a certificate broke off"),
                },
                () = tokio::time::sleep(pause) => {}
            }
            self.start_due();
        }
    }

    /// Until something is due.
    fn pause(&self) -> Duration {
        let now = now();
        let due = self.names.values().filter_map(|name| match name.stage {
            Stage::Due(at) => Some(at.min(name.suggested)),
            Stage::Asking | Stage::Ordering => None,
        });
        let wait = due.min().map_or(LONGEST, |due| Duration::from_secs(due.saturating_sub(now)));
        // What is due and can't be started waits for an order to end.
        wait.clamp(Duration::from_millis(500), LONGEST)
    }

    fn want(&mut self, Wanted { name, reply }: Wanted) {
        let reply = in_time(reply);
        // Another handshake may have asked for the same a moment ago.
        if let Some(key) = self.certs.held(&name) {
            let _ = reply.send(Some(key));
            return;
        }
        match (issuer_of(&name), self.plan.names.cover(&name)) {
            (Issuer::Local, Some(_)) => drop(reply.send(self.leaf(&name))),
            (Issuer::Public, Some(cover)) => self.want_public(&name, cover, reply),
            (Issuer::Local | Issuer::Public | Issuer::Nobody, _) => {}
        }
    }

    fn want_public(&mut self, name: &str, cover: Cover, reply: Reply) {
        let now = now();
        if let Some(known) = self.names.get_mut(name) {
            // After a failure nobody waits: the next try may be hours away.
            let comes = match known.stage {
                Stage::Asking | Stage::Ordering => true,
                Stage::Due(at) => at <= now,
            };
            if comes && known.waiting.len() < WAITING {
                known.waiting.push(reply);
                return;
            }
        }
        if self.load(name, cover) {
            let _ = reply.send(self.certs.held(name));
        } else if !self.names.contains_key(name) && cover == Cover::Wildcard {
            self.ask(name, reply);
        }
    }

    /// Makes a certificate of our own authority, and the authority where there is none yet.
    fn leaf(&mut self, name: &str) -> Option<Arc<CertifiedKey>> {
        match self.authority().and_then(|local| local.leaf(name)) {
            Ok(issued) => {
                let key = Arc::clone(&issued.key);
                self.certs.hold(name, issued);
                Some(key)
            }
            Err(error) => {
                if self.certs.complain(name, &error, 0) {
                    tracing::error!("no certificate for {name}: {error}");
                }
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
                        "a local root for private names was made ({}); `switchboard trust` lets browsers on this \
                         machine trust it",
                        root.display()
                    );
                }
                local
            }
        };
        Ok(self.local.insert(local))
    }
}
