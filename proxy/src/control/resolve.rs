//! Names of endpoints to addresses, again when an answer's time is over. A name that does not resolve makes its route
//! answer 503 with the reason; it never stops a start or a reload, and the last good answer stays while the resolver
//! fails.
//!
//! A task of the control thread; no worker ever waits for it. A worker that is refused, or waits in vain, at the address
//! of a name says so ([`Doubts`]), and the name is asked for at once: Docker's resolver gives answers a TTL of ten
//! minutes and hands the address to another container meanwhile.

mod ask;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use switchboard_core::config::{Address, Dns};
use switchboard_core::moment::Moment;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::generation::Generation;
use crate::live::EndpointLive;
use crate::process::{Command, Process};
use ask::{Answer, Asker, Question};

/// How long a start or a reload waits for names that nobody has asked for yet. Most resolvers need a tenth of it.
const FIRST: Duration = Duration::from_millis(250);

/// How soon a question that failed is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// How often the system's settings are looked at, at most.
const LOOK: Duration = Duration::from_secs(1);

/// Where workers say that an address may be another's by now.
#[derive(Debug, Default)]
pub struct Doubts(Notify);

impl Doubts {
    /// Doubts the addresses of an endpoint, if they come from a name. Wakes the resolver at the first doubt alone.
    pub fn raise(&self, endpoint: &EndpointLive) {
        if endpoint.places.doubt() {
            self.0.notify_one();
        }
    }
}

/// The names of the configuration in force, and how asking for them goes. Cloned freely: it is one table.
#[derive(Clone)]
pub struct Names {
    table: Arc<Mutex<Table>>,
    process: Arc<Process>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Table {
    dns: Dns,
    asker: Option<Asker>,
    looked: Option<Instant>,
    names: HashMap<Question, State>,
}

struct State {
    /// Who goes by this name, each with its port.
    endpoints: Vec<(Arc<EndpointLive>, u16)>,
    asking: bool,
    asked: Instant,
    due: Instant,
    failing: bool,
}

impl Names {
    /// An empty table, and a task on the calling thread's runtime that keeps it: the control thread's.
    pub fn start(process: Arc<Process>) -> Self {
        let names = Self { table: Arc::default(), process, changed: Arc::default() };
        tokio::spawn(names.clone().watch());
        names
    }

    /// Asks again and again, for ever.
    async fn watch(self) {
        loop {
            let next = self.ask_due();
            let pause = next.map_or(Duration::from_hours(1), |at| at.saturating_duration_since(Instant::now()));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.changed.notified() => {}
                () = self.process.doubts.0.notified() => self.heed_doubts(),
            }
        }
    }

    /// Follows a generation: asks for the names that are new, and waits for those without an address, at most
    /// [`FIRST`], so that the first request to a new route does not come too early. Later answers are taken just the same.
    pub async fn follow(&self, generation: &Generation) {
        let asked = self.adopt(generation);
        self.changed.notify_one();
        let all = async {
            for answer in asked {
                let _ = answer.await;
            }
        };
        let _ = tokio::time::timeout(FIRST, all).await;
    }

    fn adopt(&self, generation: &Generation) -> Vec<JoinHandle<()>> {
        let mut names: HashMap<Question, Vec<(Arc<EndpointLive>, u16)>> = HashMap::new();
        for (live, endpoint) in generation.endpoints.iter().zip(generation.snapshot.endpoints()) {
            let (question, port) = match &endpoint.address {
                Address::Name(name, port) => (Question::Host(name.clone()), *port),
                Address::Srv(name) => (Question::Service(name.clone()), 0),
                Address::Loopback(_) | Address::Ip(..) | Address::Unix(_) => continue,
            };
            names.entry(question).or_default().push((Arc::clone(live), port));
        }
        let mut table = self.table();
        if table.dns != generation.config.dns {
            table.dns = generation.config.dns.clone();
            table.asker = None;
        }
        let now = Instant::now();
        table.names.retain(|question, _| names.contains_key(question));
        for (question, endpoints) in names {
            match table.names.get_mut(&question) {
                Some(state) => state.endpoints = endpoints,
                None => {
                    let state = State { endpoints, asking: false, asked: now, due: now, failing: false };
                    table.names.insert(question, state);
                }
            }
        }
        let nowhere = |state: &State| state.endpoints.iter().any(|(endpoint, _)| endpoint.places.version() == 0);
        let new: Vec<Question> = table
            .names
            .iter()
            .filter(|(_, state)| !state.asking && !state.failing && nowhere(state))
            .map(|(question, _)| question.clone())
            .collect();
        new.into_iter().filter_map(|question| self.ask(&mut table, question)).collect()
    }

    /// Asks for what is due, and tells when to look again.
    fn ask_due(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut table = self.table();
        let due = table.names.iter().filter(|(_, state)| !state.asking && state.due <= now);
        let due: Vec<Question> = due.map(|(question, _)| question.clone()).collect();
        due.into_iter().for_each(|question| drop(self.ask(&mut table, question)));
        table.names.values().filter(|state| !state.asking).map(|state| state.due).min()
    }

    /// Makes doubted names due, but none more often than `min_ttl` allows.
    fn heed_doubts(&self) {
        let mut table = self.table();
        let least = table.dns.min_ttl;
        for state in table.names.values_mut() {
            // Every doubt is taken back, so that the next one wakes us.
            let doubted = state.endpoints.iter().filter(|(endpoint, _)| endpoint.places.take_doubt()).count();
            if doubted > 0 {
                state.due = state.due.min(state.asked + least);
            }
        }
    }

    fn ask(&self, table: &mut Table, question: Question) -> Option<JoinHandle<()>> {
        let asker = table.asker();
        let state = table.names.get_mut(&question)?;
        state.asking = true;
        state.asked = Instant::now();
        let names = self.clone();
        Some(tokio::spawn(async move {
            let answer = match asker {
                Ok(asker) => asker.ask(&question).await,
                Err(error) => Err(error),
            };
            names.take(&question, answer);
        }))
    }

    /// Takes an answer. What is said again and again is said once.
    fn take(&self, question: &Question, answer: Result<Answer, String>) {
        let mut table = self.table();
        let (least, most) = (table.dns.min_ttl, table.dns.max_ttl);
        let Some(state) = table.names.get_mut(question) else { return };
        state.asking = false;
        let (Question::Host(name) | Question::Service(name)) = question;
        let holds = match &answer {
            Ok(answer) => answer.ttl.clamp(least, most.max(least)),
            Err(_) => AGAIN.clamp(least, most.max(least)),
        };
        state.due = Instant::now() + holds;
        match answer {
            Ok(answer) => {
                if std::mem::take(&mut state.failing) {
                    tracing::info!(%name, "the name of an endpoint resolves again");
                }
                let now = Moment::ZERO + self.process.origin.elapsed();
                let apply = |(endpoint, port): &(Arc<EndpointLive>, u16)| apply(name, &answer, endpoint, *port, now);
                if state.endpoints.iter().map(apply).fold(false, |dropped, more| dropped | more) {
                    self.tell_workers();
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut state.failing, true) {
                    let kept = state.endpoints.iter().any(|(endpoint, _)| endpoint.places.version() != 0);
                    let so = if kept { "its last addresses stay in use" } else { "its endpoint is out until it does" };
                    tracing::warn!(%name, %error, "the name of an endpoint does not resolve; {so}");
                }
            }
        }
        drop(table);
        self.changed.notify_one();
    }

    /// Streams over an address that was dropped end as their rules say: whoever has some looks.
    fn tell_workers(&self) {
        for worker in &self.process.workers {
            // A worker that is gone has no streams.
            let _ = worker.inbox.send(Command::Generation);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Whom to ask by the settings of now.
    fn asker(&mut self) -> Result<Asker, String> {
        let look = self.looked.is_none_or(|looked| looked.elapsed() >= LOOK);
        if look && self.asker.as_ref().is_some_and(Asker::is_stale) {
            self.asker = None;
        }
        if look {
            self.looked = Some(Instant::now());
        }
        match &self.asker {
            Some(asker) => Ok(asker.clone()),
            None => Ok(self.asker.insert(Asker::new(&self.dns)?).clone()),
        }
    }
}

/// Follows an endpoint to where its name leads now; tells whether an address was dropped.
fn apply(name: &str, answer: &Answer, endpoint: &EndpointLive, port: u16, now: Moment) -> bool {
    let places = ask::places(answer, port);
    // Other bounds of a pool make another endpoint, with a copy of the list that nobody follows yet.
    if **endpoint.places.load() == places && endpoint.places.lead() == answer.lead {
        return false;
    }
    let first = places.first().map_or_else(String::new, ToString::to_string);
    tracing::info!(%name, addresses = places.len(), %first, "the name of an endpoint resolved");
    endpoint.moved_to(Arc::new(places), answer.lead, (!answer.is_cut()).then_some(now))
}
