//! Registered routes on the control thread: changes come in batches, are written, published once, and acknowledged.
//!
//! A change is in force when its answer goes: every worker looks at the published generation for each request.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use switchboard_core::config::{Config, Scope};
use switchboard_core::moment::Moment;
use tokio::sync::{mpsc, oneshot};

use super::{Ask, Control};
use crate::admin::answer::Refusal;
use crate::admin::journal_of;
use crate::admin::registry::{self, Batch, Change, GATHER, Member, NoChange, Outcome, Place, Registry};
use crate::generation::Changed;
use crate::process::Command;

/// Changes that are made in one go.
const MOST: usize = 512;

/// How long others wait, so that the answer goes first.
const ANSWER_FIRST: Duration = Duration::from_millis(2);

/// How far apart they look at least: each look of a worker costs by the number of its streams.
const APART: Duration = Duration::from_millis(20);

/// Replaced generations that may wait for an idle worker to let go of them.
const RETIRED: usize = 16;

/// A change, and where to say what came of it.
#[derive(Debug)]
pub struct Asked {
    /// The change.
    pub change: Change,
    /// Whether to wait until the disk has it.
    pub sync: bool,
    /// Where to answer.
    pub reply: Reply,
}

/// Where to answer.
pub type Reply = oneshot::Sender<Result<Outcome, Refusal>>;

/// An answer that waits for the disk.
#[derive(Debug)]
pub(super) enum Owed {
    /// To who changed a route.
    Route(Reply, Outcome),
    /// To who changed an upstream.
    Member(super::members::Reply),
}

/// The registered routes, and what is on its way to the disk.
#[derive(Debug)]
pub struct Routes {
    pub(crate) registry: Registry,
    /// Something was written that the disk may not have.
    dirty: bool,
    syncing: bool,
    /// Who waits for the next sync to end, and who for the one after it.
    waiting: Vec<Owed>,
    next: Vec<Owed>,
    /// When those follow who look after endpoints, and not before when.
    follow_at: Option<Instant>,
    follow_next: Instant,
    /// Whether workers have to look whose streams end.
    tells: bool,
}

impl Routes {
    /// Opens the journal of a configuration.
    ///
    /// # Errors
    /// In words, when it can't be used.
    pub fn open(config: &Config, scope: &Scope) -> Result<Self, String> {
        let path = journal_of(config);
        let registry = Registry::open(&path, scope.clone(), Instant::now())
            .map_err(|error| format!("registered routes: {}: {error}", path.display()))?;
        if !registry.is_empty() {
            tracing::info!(routes = registry.len(), "registered routes were taken up again");
        }
        Ok(Self {
            registry,
            dirty: false,
            syncing: false,
            waiting: Vec::new(),
            next: Vec::new(),
            follow_at: None,
            follow_next: Instant::now(),
            tells: false,
        })
    }

    /// Writes what became of an endpoint; gives what was kept of it before.
    pub(super) fn keep_member(&mut self, at: &Place, member: Option<Member>) -> std::io::Result<Option<Member>> {
        let before = self.registry.keep_member(at, member)?;
        self.dirty = true;
        Ok(before)
    }

    /// Takes note of the file that is in force, beneath what was changed at run time.
    pub(super) fn follow_file(&mut self, file: &Config) {
        match self.registry.follow_file(file) {
            Ok(wrote) => self.dirty |= wrote,
            Err(error) => tracing::error!(%error, "registered endpoints: the journal can't be written"),
        }
    }

    /// Answers once the disk has what was written.
    pub(super) fn owe(&mut self, owed: Owed) {
        self.next.push(owed);
    }

    /// Waits until it is time for [`Control::follow`]; for ever where nothing changed.
    pub(super) async fn follow_is_due(&self) {
        match self.follow_at {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }

    /// Waits until a lease is over; for ever where none ends.
    pub(super) async fn lease_ends(&self) {
        match self.registry.next_end() {
            Some(end) => tokio::time::sleep_until(end.into()).await,
            None => std::future::pending().await,
        }
    }
}

impl Control {
    /// Makes a change and all that wait behind it. Returns what else was asked in between.
    pub(super) fn change_routes(&mut self, first: Asked, more: &mut mpsc::Receiver<Ask>) -> Option<Ask> {
        let mut batch = vec![first];
        let mut other = None;
        while batch.len() < MOST {
            match more.try_recv() {
                Ok(Ask::Change(asked)) => batch.push(*asked),
                Ok(ask) => {
                    other = Some(ask);
                    break;
                }
                Err(_) => break,
            }
        }
        self.make(batch);
        other
    }

    /// Ends the leases that are over.
    pub(super) fn end_leases(&mut self) {
        let over = self.routes.registry.over(Instant::now());
        for change in &over {
            tracing::info!(route = %change.key, "the lease of a route is over");
        }
        let asked = |change| Asked { change, sync: false, reply: oneshot::channel().0 };
        self.make(over.into_iter().map(asked).collect());
    }

    fn make(&mut self, asked: Vec<Asked>) {
        let current = self.process.generation.load_full();
        let config = Arc::clone(&current.config);
        let mut batch = Batch::default();
        let mut results = Vec::with_capacity(asked.len());
        for asked in asked {
            let result = self.routes.registry.apply(&asked.change, &mut batch, &config, Instant::now());
            results.push((asked, result));
        }
        let written = self.routes.registry.write(&mut batch);
        if let Err(error) = &written {
            tracing::error!(%error, "registered routes can't be written; changes are refused");
        }
        let now = Moment::ZERO + self.process.origin.elapsed();
        let routes = &mut self.routes.registry;
        let settled = self.registry.change(&current, now, |compiler| {
            batch.touched.iter().for_each(|key| routes.settle(key, compiler, &config));
        });
        if let Some(changed) = settled.and_then(|(_, changed)| changed) {
            self.publish(changed);
        }
        for (asked, result) in results {
            let Asked { change, sync, reply } = asked;
            match (result, &written) {
                (Ok(outcome), Ok(())) if sync && !change.dry_run => self.routes.owe(Owed::Route(reply, outcome)),
                (Ok(outcome), Ok(())) => drop(reply.send(Ok(outcome))),
                (Ok(outcome), Err(_)) if change.dry_run => drop(reply.send(Ok(outcome))),
                (Ok(_), Err(error)) => drop(reply.send(Err(unwritten(error)))),
                (Err(refusal), _) => drop(reply.send(Err(refusal))),
            }
        }
        self.routes.dirty |= written.is_ok() && !batch.touched.is_empty();
        self.sync();
        self.compact();
    }

    fn publish(&mut self, changed: Changed) {
        let generation = Arc::new(changed.generation);
        let old = self.process.generation.swap(Arc::clone(&generation));
        self.retired.push(old);
        self.free_retired();
        // Workers that serve look by themselves. Those that don't are told now and then, so that they let go.
        self.routes.tells |= changed.removes || self.retired.len() > RETIRED;
        let rest = self.routes.follow_next.saturating_duration_since(Instant::now());
        let soon = Instant::now() + rest.max(ANSWER_FIRST);
        self.routes.follow_at.get_or_insert(soon);
    }

    /// Lets those follow who look after all endpoints and routes: names, health, certificates. That costs by their number,
    /// so it is done once for many changes, and takes a small share of this thread's time.
    pub(super) fn follow(&mut self) {
        self.routes.follow_at = None;
        let start = Instant::now();
        if std::mem::take(&mut self.routes.tells) {
            for worker in &self.process.workers {
                let _ = worker.inbox.send(Command::Generation);
            }
        }
        let generation = self.process.generation.load_full();
        self.process.health.follow(&generation);
        self.keeper.follow(&generation.config, self.routes.registry.in_force());
        let names = self.names.clone();
        tokio::spawn(async move { names.follow(&generation).await });
        self.routes.follow_next = Instant::now() + (start.elapsed() * 20).max(APART);
    }

    /// Lets the disk have what was written, once for all that comes within a moment.
    pub(super) fn sync(&mut self) {
        if self.routes.syncing || !self.routes.dirty && self.routes.next.is_empty() {
            return;
        }
        self.routes.syncing = true;
        self.routes.dirty = false;
        self.routes.waiting.append(&mut self.routes.next);
        let (file, asks) = (self.routes.registry.file(), self.admin.asks());
        tokio::spawn(async move {
            tokio::time::sleep(GATHER).await;
            let result = tokio::task::spawn_blocking(move || file.sync_data()).await;
            let _ = asks.send(Ask::Synced(result.unwrap_or_else(|error| Err(std::io::Error::other(error))))).await;
        });
    }

    pub(super) fn synced(&mut self, result: std::io::Result<()>) {
        self.routes.syncing = false;
        if let Err(error) = &result {
            tracing::error!(%error, "registered routes could not be brought to the disk");
        }
        for owed in self.routes.waiting.drain(..) {
            match (owed, &result) {
                (Owed::Route(reply, outcome), Ok(())) => drop(reply.send(Ok(outcome))),
                (Owed::Route(reply, _), Err(error)) => drop(reply.send(Err(unwritten(error)))),
                (Owed::Member(reply), Ok(())) => drop(reply.send(Ok(()))),
                (Owed::Member(reply), Err(error)) => {
                    drop(reply.send(Err(NoChange::Unwritten(error.to_string()))));
                }
            }
        }
        self.sync();
    }

    pub(super) fn compact(&mut self) {
        let Some((path, records)) = self.routes.registry.compaction() else { return };
        let asks = self.admin.asks();
        tokio::spawn(async move {
            let written = tokio::task::spawn_blocking(move || registry::write_new(&path, &records)).await;
            let written = written.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            let _ = asks.send(Ask::Compacted(written)).await;
        });
    }

    pub(super) fn compacted(&mut self, written: std::io::Result<std::fs::File>) {
        match self.routes.registry.compacted(written) {
            Ok(()) => tracing::debug!("the journal of registered routes was written anew, smaller"),
            Err(error) => tracing::error!(%error, "the journal of registered routes could not be made smaller"),
        }
    }
}

fn unwritten(error: &std::io::Error) -> Refusal {
    let words = format!("the change could not be written and is not in force: {error}");
    Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "not_written", words)
}
