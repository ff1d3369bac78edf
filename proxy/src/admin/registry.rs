//! Registered routes: what stands beside the file, who owns it, and how long it lives.
//!
//! The control thread holds it. A change is checked here, written to the journal, and only then put in force and
//! acknowledged; a batch is written and published once.

mod entry;
mod journal;
mod members;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::{Value, json};
use switchboard_core::config::{Clash, Config, Route, RouteKey, Scope};
use switchboard_core::snapshot::Compiler;

use super::answer::Refusal;
pub(super) use entry::mask;
pub(crate) use entry::{Entry, State};
use journal::{Journal, framed};
pub(crate) use members::{Member, Members, Place};
pub use members::{NoChange, Wish};

/// All registered routes.
#[derive(Debug)]
pub struct Registry {
    entries: BTreeMap<RouteKey, Entry>,
    /// When leases end, in order. Not by the clock on the wall: a step of it would end them all.
    ends: BTreeSet<(Instant, RouteKey)>,
    members: Members,
    scope: Scope,
    version: u64,
    journal: Journal,
    /// What the entries would take in a file of their own.
    live: u64,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Change {
    /// The route.
    pub key: String,
    /// What is to be done with it.
    pub what: What,
    /// Only if it is this version: the `If-Match` of the request.
    pub only_if: Option<String>,
    /// Only if there is none: `If-None-Match: *`.
    pub only_if_none: bool,
    /// Say what would come of it, and change nothing.
    pub dry_run: bool,
}

/// What can be done with a registered route.
#[derive(Clone, Debug)]
pub enum What {
    /// Puts it there, with this body.
    Put(Vec<u8>),
    /// Takes it away.
    Remove,
    /// Lets its lease begin anew.
    Renew,
    /// Takes it away because its lease is over.
    End,
}

/// What came of a change.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// 200 or 201.
    pub status: StatusCode,
    /// The route as it is now, or as it was last.
    pub body: Value,
    /// Its version.
    pub etag: Option<String>,
}

/// What a batch changes, until it is written.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<u8>,
    /// Entries as they were before.
    before: Vec<(RouteKey, Option<Entry>)>,
    /// Routes that have to be compiled again.
    pub touched: BTreeSet<RouteKey>,
}

impl Registry {
    /// Opens the journal. Leases begin anew: nobody could renew them while no proxy ran.
    ///
    /// # Errors
    /// When the file can't be read or written.
    pub fn open(path: &Path, scope: Scope, now: Instant) -> io::Result<Self> {
        let (journal, found) = Journal::open(path)?;
        if let Some(complaint) = found.complaint {
            tracing::warn!("registered routes: {complaint}");
        }
        let (entries, ends, members) = Default::default();
        let mut registry = Self { entries, ends, members, scope, version: 0, journal, live: 0 };
        for record in found.records {
            registry.replay(&record, now);
        }
        registry.version = registry.version.max(entry::first_version());
        Ok(registry)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// What registered routes are read in.
    pub fn scope(&self) -> Scope {
        self.scope.clone()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries, in order of key.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&RouteKey, &Entry)> {
        self.entries.iter()
    }

    /// The routes that answer.
    pub(crate) fn in_force(&self) -> impl Iterator<Item = (&RouteKey, &Route)> {
        let answers = self.entries.iter().filter(|(_, entry)| entry.state == State::InForce);
        answers.filter_map(|(key, entry)| Some((key, &entry.read.as_ref()?.route)))
    }

    /// One entry.
    pub(crate) fn entry(&self, key: &RouteKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// When the next lease ends.
    pub fn next_end(&self) -> Option<Instant> {
        self.ends.first().map(|(at, _)| *at)
    }

    /// The changes that end leases which are over.
    pub fn over(&self, now: Instant) -> Vec<Change> {
        let over = self.ends.iter().take_while(|(at, _)| *at <= now);
        over.map(|(_, key)| Change {
            key: key.to_string(),
            what: What::End,
            only_if: None,
            only_if_none: false,
            dry_run: false,
        })
        .collect()
    }

    /// Checks one change, and makes it unless it is a dry run. It counts once the batch is written.
    ///
    /// # Errors
    /// Why it can't be.
    pub fn apply(
        &mut self,
        change: &Change,
        batch: &mut Batch,
        config: &Config,
        now: Instant,
    ) -> Result<Outcome, Refusal> {
        let key = RouteKey::parse(&change.key)
            .map_err(|words| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", words))?;
        let there = self.entries.get(&key);
        precondition(change, there)?;
        let before = there.cloned();
        let after = match &change.what {
            What::Put(body) => {
                if config.registry.clash == Clash::Refuse && config.routes.contains_key(&key) {
                    let words = format!(
                        "{key} stands in the configuration file; change it there, or say `registry: {{clash: overlay}}`"
                    );
                    return Err(Refusal::new(StatusCode::CONFLICT, "clash", words));
                }
                let read = self.scope.read(&change.key, body).map_err(|errors| entry::invalid(&errors))?;
                self.version += 1;
                Some(Entry::new(String::from_utf8_lossy(body).into_owned(), read, self.version, now))
            }
            What::Remove | What::End => None,
            What::Renew => Some(before.clone().ok_or_else(|| entry::missing(&key, config))?.renewed(now)),
        };
        if before.is_none() && after.is_none() {
            return Err(entry::missing(&key, config));
        }
        let outcome = match (&before, &after) {
            (None, Some(new)) => (StatusCode::CREATED, new),
            (_, Some(new)) => (StatusCode::OK, new),
            (Some(old), None) => (StatusCode::OK, old),
            (None, None) => return Err(entry::missing(&key, config)),
        };
        let etag = after.as_ref().map(Entry::etag);
        let mut outcome = Outcome { status: outcome.0, body: outcome.1.shown(&key, now, true), etag };
        if change.dry_run {
            if let Value::Object(body) = &mut outcome.body {
                body.insert("dry_run".to_owned(), json!(true));
            }
            outcome.status = StatusCode::OK;
            return Ok(outcome);
        }
        // A renewal needs no record: leases begin anew with the proxy.
        if !matches!(change.what, What::Renew) {
            batch.records.extend(framed(&entry::record(&key, after.as_ref())));
            batch.touched.insert(key.clone());
        }
        self.set(key.clone(), after);
        batch.before.push((key, before));
        Ok(outcome)
    }

    /// Writes a batch.
    ///
    /// # Errors
    /// When it can't be written: everything is as it was before then.
    pub fn write(&mut self, batch: &mut Batch) -> io::Result<()> {
        if let Err(error) = self.journal.append(&batch.records) {
            for (key, before) in std::mem::take(&mut batch.before).into_iter().rev() {
                self.set(key, before);
            }
            batch.touched.clear();
            return Err(error);
        }
        Ok(())
    }

    /// Puts in force what is right for a route: the registered one, the file's, or none.
    pub fn settle(&mut self, key: &RouteKey, compiler: &mut Compiler, config: &Config) {
        let in_file = config.routes.get(key);
        let registered = self.entries.get_mut(key);
        let result = match (in_file, registered) {
            (Some(_), Some(entry)) if config.registry.clash == Clash::Refuse => {
                entry.state = State::Hidden;
                return;
            }
            (_, Some(entry)) => match entry.read.as_ref() {
                Some(read) => {
                    entry.state = State::InForce;
                    let result = compiler.put(key, &read.route, &read.upstreams);
                    if let Err(error) = &result {
                        entry.state = State::Invalid(vec![error.to_string()]);
                    }
                    result
                }
                None => return,
            },
            (Some(route), None) => compiler.put(key, route, &BTreeMap::new()),
            (None, None) => {
                compiler.remove(key);
                Ok(())
            }
        };
        if let Err(error) = result {
            tracing::error!(route = %key, %error, "a route could not be put in force");
        }
    }

    /// Puts all registered routes over a configuration that is about to be put in force, read in its scope. Returns what
    /// there is to say about those that are not in force.
    pub fn overlay(&mut self, compiler: &mut Compiler, config: &Config, scope: &Scope) -> Vec<String> {
        self.scope = scope.clone();
        let keys: Vec<RouteKey> = self.entries.keys().cloned().collect();
        let mut notes = Vec::new();
        for key in keys {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.read_in(&key, scope);
            self.settle(&key, compiler, config);
            match self.entries.get(&key).map(|entry| &entry.state) {
                Some(State::Hidden) => {
                    notes.push(format!("the registered route {key} waits: the file has it too (`registry: clash`)"));
                }
                Some(State::Invalid(errors)) => {
                    notes.push(format!("the registered route {key} is not in force: {}", errors.join("; ")))
                }
                Some(State::InForce) | None => {}
            }
        }
        notes
    }

    /// Endpoints that were added or taken out.
    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    /// Writes what became of an endpoint, and keeps it. Gives what was kept of it before.
    ///
    /// # Errors
    /// When it can't be written: all is as it was before then.
    pub(crate) fn keep_member(&mut self, at: &Place, member: Option<Member>) -> io::Result<Option<Member>> {
        let (before, record) = self.members.keep(at, member);
        if let Err(error) = self.journal.append(&record) {
            self.members.keep(at, before);
            return Err(error);
        }
        Ok(before)
    }

    /// Takes note of the file that is in force, and forgets what it has done of that itself. Tells whether something was
    /// written.
    ///
    /// # Errors
    /// When it can't be written: it would be told again at the next start.
    pub(crate) fn follow_file(&mut self, file: &Config) -> io::Result<bool> {
        let records = self.members.follow(file);
        self.journal.append(&records)?;
        Ok(!records.is_empty())
    }

    /// The file, for an `fdatasync` elsewhere.
    pub fn file(&self) -> std::sync::Arc<std::fs::File> {
        self.journal.file()
    }

    /// Begins a smaller file where that is worth it: returns where, and what to write.
    pub fn compaction(&mut self) -> Option<(std::path::PathBuf, Vec<u8>)> {
        if !self.journal.wants_compaction(self.live + self.members.live()) {
            return None;
        }
        let path = self.journal.begin_compaction();
        let records = self.entries.iter().flat_map(|(key, entry)| framed(&entry::record(key, Some(entry))));
        Some((path, records.chain(self.members.records()).collect()))
    }

    /// Takes the smaller file for the old one.
    ///
    /// # Errors
    /// When it could not be written; the old one stays.
    pub fn compacted(&mut self, written: io::Result<std::fs::File>) -> io::Result<()> {
        self.journal.end_compaction(written)
    }

    fn set(&mut self, key: RouteKey, entry: Option<Entry>) {
        let size = |entry: &Entry| entry.body.len() as u64 + 200;
        let new = entry.as_ref().map_or(0, size);
        let end = entry.as_ref().and_then(|entry| entry.ends);
        let old = match entry {
            Some(entry) => self.entries.insert(key.clone(), entry),
            None => self.entries.remove(&key),
        };
        self.live = self.live + new - old.as_ref().map_or(0, size);
        if let Some(at) = old.and_then(|old| old.ends) {
            self.ends.remove(&(at, key.clone()));
        }
        if let Some(at) = end {
            self.ends.insert((at, key));
        }
    }

    /// Takes a record of the journal.
    fn replay(&mut self, record: &[u8], now: Instant) {
        if self.members.replay(record) {
            return;
        }
        let Some((key, body, version)) = entry::replayed(record) else {
            tracing::error!("registered routes: a record of the journal says nothing that this version knows");
            return;
        };
        self.version = self.version.max(version);
        let entry = body.map(|body| Entry::replayed(&key, body, version, &self.scope, now));
        self.set(key, entry);
    }
}

/// Writes a smaller file, elsewhere than on the loop.
///
/// # Errors
/// When it can't be written.
pub fn write_new(path: &Path, records: &[u8]) -> io::Result<std::fs::File> {
    journal::write_new(path, records)
}

/// How long syncs are gathered.
pub const GATHER: Duration = Duration::from_millis(10);

fn precondition(change: &Change, there: Option<&Entry>) -> Result<(), Refusal> {
    let etag = there.map(Entry::etag);
    let holds = match &change.only_if {
        None => true,
        Some(list) => match &etag {
            Some(etag) => list.split(',').any(|one| one.trim() == "*" || one.trim() == etag),
            None => false,
        },
    };
    if holds && !(change.only_if_none && there.is_some()) {
        return Ok(());
    }
    let words = "the route is another than the one that was meant; look at it again";
    Err(Refusal::new(StatusCode::PRECONDITION_FAILED, "changed_meanwhile", words).with("etag", json!(etag)))
}
