//! Who is fit: sends the probes that are due, judges who fails his traffic, sets the flags that picks read, and says so.
//!
//! A task of the control thread, with one table by identity: what is known of an endpoint outlives a reload. What answers
//! come to is decided in `core::health`; workers are told by flags alone and tell by counts alone.

mod members;
pub mod view;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use switchboard_core::balance::Flag;
use switchboard_core::health::active::{Course, Probed, Seen, Transition};
use switchboard_core::health::passive::{self, Cause, Record, Verdict};
use switchboard_core::moment::Moment;
use switchboard_core::snapshot::EndpointIdentity;
use tokio::sync::Notify;

use super::probe::{self, Probe, Target};
use crate::generation::Generation;
use crate::live::passive::Suspects;
use members::{Group, Member};

/// Probes under way at once, at most: a hundred endpoints that hang must not cost the descriptors of clients.
const MOST: usize = 64;

/// How often latencies are compared.
const COMPARE: Duration = Duration::from_secs(1);

/// The health of every endpoint. Cloned freely: it is one table.
#[derive(Clone)]
pub struct Health {
    table: Arc<Mutex<Table>>,
    changed: Arc<Notify>,
    suspects: Arc<Suspects>,
    origin: Instant,
    seed: u64,
}

/// What an operator wants of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// It serves.
    Ready,
    /// It ends what it has, and takes those who are bound to it.
    Drain,
    /// It takes nobody.
    Maint,
}

#[derive(Default)]
struct Table {
    groups: Vec<Group>,
    courses: HashMap<EndpointIdentity, Course>,
    records: HashMap<EndpointIdentity, Record>,
    asking: usize,
    seeds: u64,
    compared: Moment,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}

impl Health {
    /// An empty table. Moments count from `origin`.
    pub fn new(suspects: Arc<Suspects>, origin: Instant, seed: u64) -> Self {
        Self { table: Arc::default(), changed: Arc::default(), suspects, origin, seed }
    }

    /// Begins, with a task on the calling thread's runtime: the control thread's.
    pub fn start(&self, generation: &Generation) {
        self.follow(generation);
        tokio::spawn(self.clone().watch());
    }

    /// Probes and judges, for ever.
    async fn watch(self) {
        loop {
            let next = self.step();
            let pause = match next {
                Moment::NEVER => Duration::from_hours(1),
                next => next.since(self.now()),
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.changed.notified() => {}
                () = self.suspects.reported() => {}
            }
        }
    }

    /// Follows a generation: who is new is probed at once, who is known keeps what is known.
    pub fn follow(&self, generation: &Generation) {
        let now = self.now();
        let mut table = self.table();
        let table = &mut *table;
        table.groups = members::groups(generation);
        let mut known = (HashMap::new(), HashMap::new());
        for group in &table.groups {
            for member in &group.members {
                let identity = &member.identity;
                if group.probe.is_some() {
                    table.seeds += 1;
                    let new = || Course::new(self.seed ^ table.seeds, now);
                    let course = table.courses.remove(identity).unwrap_or_else(new);
                    known.0.insert(identity.clone(), course);
                } else if member.live.standing.clear(Flag::Failing) {
                    group.changed();
                }
                let mut record = table.records.remove(identity).unwrap_or_default();
                if group.rules.is_none() && record.pardon() && member.live.standing.clear(Flag::Ejected) {
                    group.changed();
                }
                known.1.insert(identity.clone(), record);
            }
        }
        (table.courses, table.records) = known;
        for group in &table.groups {
            group.survey();
        }
        self.changed.notify_one();
    }

    /// Sets what an operator wants of an endpoint, until the process ends; tells whether there is one of that name.
    pub fn set(&self, upstream: &str, endpoint: &str, wanted: Option<Wanted>) -> bool {
        let table = self.table();
        let named = |member: &&Member| &*member.identity.upstream == upstream && &*member.identity.address == endpoint;
        let find = |group| Option::zip(Some(group), Group::members(group).find(named));
        let Some((group, member)) = table.groups.iter().find_map(find) else { return false };
        let Some(wanted) = wanted else { return true };
        let standing = &member.live.standing;
        for (flag, state) in [(Flag::Drain, Wanted::Drain), (Flag::Maint, Wanted::Maint)] {
            if wanted == state {
                standing.set(flag);
            } else {
                group.bring_up(member, flag, self.now());
            }
        }
        group.survey();
        tracing::info!(upstream, endpoint, state = ?wanted, "the state was changed at run time");
        true
    }

    /// Does what is due, and tells when to look again.
    fn step(&self) -> Moment {
        let now = self.now();
        let mut table = self.table();
        let next = self.send_due(&mut table, now);
        table.judge_failures(now);
        let compare = table.judge_latencies(now);
        table.let_back(now).min(next).min(compare)
    }

    /// Sends the probes that are due, as many as may be under way.
    fn send_due(&self, table: &mut Table, now: Moment) -> Moment {
        let mut next = Moment::NEVER;
        for group in &table.groups {
            let Some((probe, pace)) = &group.probe else { continue };
            for member in &group.members {
                let Some(course) = table.courses.get_mut(&member.identity) else { continue };
                if course.is_asked() {
                    continue;
                }
                if course.due() > now {
                    next = next.min(course.due());
                } else if table.asking < MOST {
                    table.asking += 1;
                    course.send(pace, now);
                    tokio::spawn(self.clone().ask(member.identity.clone(), Arc::clone(probe), member.target()));
                }
            }
        }
        next
    }

    async fn ask(self, identity: EndpointIdentity, probe: Arc<Probe>, target: Target) {
        let seen = probe::run(probe, target).await;
        let mut table = self.table();
        table.asking -= 1;
        table.take(&identity, seen, self.now());
        drop(table);
        self.changed.notify_one();
    }

    fn now(&self) -> Moment {
        Moment::ZERO + self.origin.elapsed()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Takes an answer: a probe of a configuration that is gone is forgotten.
    fn take(&mut self, identity: &EndpointIdentity, seen: Seen, now: Moment) {
        let find = |group: &Group| group.members.iter().position(|member| member.identity == *identity);
        let Some((group, at)) = self.groups.iter().find_map(|group| Some((group, find(group)?))) else { return };
        let (Some(course), Some((_, pace))) = (self.courses.get_mut(identity), &group.probe) else { return };
        let Some(member) = group.members.get(at) else { return };
        if let Some(change) = course.answer(pace, seen, now) {
            match change.to {
                Probed::Failing => drop(member.live.standing.set(Flag::Failing)),
                Probed::Passing | Probed::Unproven => group.bring_up(member, Flag::Failing, now),
            }
            group.survey();
            say(member, &change);
        }
    }

    /// Ejects those who failed too often in a row.
    fn judge_failures(&mut self, now: Moment) {
        for group in &self.groups {
            let Some(rules) = &group.rules else { continue };
            for at in 0..group.members.len() {
                let Some(failures) = group.members.get(at).and_then(|member| member.live.passive.suspect()) else {
                    continue;
                };
                report(&mut self.records, group, rules, at, Cause::Failures(failures), now);
            }
        }
    }

    /// Ejects who is far slower than the others. Tells when to compare again.
    fn judge_latencies(&mut self, now: Moment) -> Moment {
        let timed = |group: &&Group| group.rules.as_ref().is_some_and(|rules| rules.latency.is_some());
        if !self.groups.iter().any(|group| timed(&group)) {
            return Moment::NEVER;
        }
        if now.since(self.compared) < COMPARE {
            return self.compared + COMPARE;
        }
        self.compared = now;
        for group in self.groups.iter().filter(timed) {
            let Some(rules) = &group.rules else { continue };
            let means: Vec<_> = group.members.iter().map(|member| member.live.passive.mean()).collect();
            if let Some((at, cause)) = passive::slowest(rules, &means) {
                report(&mut self.records, group, rules, at, cause, now);
            }
            // Few requests in a second say little: they are counted on until they say something.
            if means.iter().any(|(_, answers)| *answers >= passive::ENOUGH) {
                group.members.iter().for_each(|member| member.live.passive.forget());
            }
        }
        now + COMPARE
    }

    /// Lets those back in whose time is over. Tells when the next one's is.
    fn let_back(&mut self, now: Moment) -> Moment {
        let mut next = Moment::NEVER;
        for group in &self.groups {
            for member in &group.members {
                let Some(record) = self.records.get_mut(&member.identity) else { continue };
                if record.come_back(now) {
                    // Its first failure is enough to eject it again, for twice as long.
                    member.live.passive.begin(true);
                    group.bring_up(member, Flag::Ejected, now);
                    group.survey();
                    tracing::info!(upstream = %member.identity.upstream, endpoint = %member.identity.address,
                        "the time of its ejection is over: the endpoint is asked again");
                }
                next = next.min(record.until().unwrap_or(Moment::NEVER));
            }
        }
        next
    }
}

/// Reports a member of a group to the judge, and carries out the verdict.
fn report(
    records: &mut HashMap<EndpointIdentity, Record>,
    group: &Group,
    rules: &passive::Rules,
    at: usize,
    cause: Cause,
    now: Moment,
) {
    let Some(member) = group.members.get(at) else { return };
    let identity = |member: &Member| member.identity.clone();
    let mut list: Vec<Record> =
        group.members.iter().map(|member| records.get(&member.identity).copied().unwrap_or_default()).collect();
    let up = group.members.iter().filter(|member| member.live.standing.is_up()).count();
    let verdict = passive::report(rules, &mut list, at, up, now);
    member.live.passive.begin(false);
    let (upstream, endpoint) = (&member.identity.upstream, &member.identity.address);
    let cause = match cause {
        Cause::Failures(count) => format!("{count} failures in a row"),
        Cause::Slow(mean) => format!("{mean:?} to the first byte on average, far more than the others"),
    };
    match verdict {
        Verdict::Ejected(hold) => {
            records.extend(list.get(at).map(|record| (identity(member), *record)));
            member.live.standing.set(Flag::Ejected);
            group.survey();
            tracing::warn!(%upstream, %endpoint, cause, ?hold, "the endpoint is ejected");
        }
        Verdict::Enough => tracing::warn!(%upstream, %endpoint, cause, "not ejected: max_ejected is reached"),
        Verdict::LastOne => tracing::warn!(%upstream, %endpoint, cause, "not ejected: no other endpoint is up"),
        Verdict::Already => {}
    }
}

fn say(member: &Member, change: &Transition) {
    let (upstream, endpoint) = (&member.identity.upstream, &member.identity.address);
    let (answers, last) = (change.streak, &change.last);
    match change.to {
        Probed::Failing => tracing::warn!(%upstream, %endpoint, answers, %last, "probes fail: the endpoint is out"),
        Probed::Passing | Probed::Unproven => {
            tracing::info!(%upstream, %endpoint, answers, %last, "probes pass: the endpoint is up");
        }
    }
}
