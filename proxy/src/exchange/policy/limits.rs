//! Asks the limits of a request: all of them look before any of them counts, so that one that refuses does not cost what
//! others would have given. Those that machines share are asked in one question a store, and only behind the others.

use std::sync::Arc;

use switchboard_core::policy::Chain;
use switchboard_core::policy::limits::Rate;
use switchboard_core::policy::places::Occupied;
use switchboard_core::reason::Reason;
use switchboard_core::route::Facts;
use switchboard_core::snapshot::Rule;

use super::hash;
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::exchange::admit::Admitted;
use crate::exchange::record::Record;
use crate::http::Connection;
use crate::live::outside::Outside;
use crate::store::{Question, Store};
use crate::worker::Worker;

/// Which limits are asked: those whose keys are known before anybody asks who it is, or the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// By address, route, field or cookie.
    Address,
    /// By a claim of a verified token.
    Identity,
}

/// The limits of listener and rule, with what they ask outside.
#[derive(Clone, Copy)]
struct Levels<'a>([Option<(&'a Chain, Option<&'a Outside>)>; 2]);

impl<'a> Levels<'a> {
    fn of(record: &'a Record, rule: &'a Rule, facts: &Facts<'_>) -> Self {
        let generation = &record.generation;
        let listener = match rule.inherit {
            true => generation.snapshot.listener_policy(facts.listener),
            false => None,
        };
        let of_listener = || generation.listener_outsides.get(facts.listener.0 as usize)?.as_deref();
        let of_rule = || generation.outsides.get(record.rule?.index()).map(Arc::as_ref);
        Self([listener.map(|chain| (chain, of_listener())), rule.policy.as_deref().map(|chain| (chain, of_rule()))])
    }

    fn chains(self) -> impl Iterator<Item = (&'a Chain, Option<&'a Outside>)> {
        self.0.into_iter().flatten()
    }

    fn rates(self, stage: Stage) -> impl Iterator<Item = (&'a Rate, Option<&'a Arc<Store>>)> {
        let each = |(chain, outside): (&'a Chain, Option<&'a Outside>)| {
            chain.rates().iter().enumerate().map(move |(at, rate)| {
                (rate, outside.and_then(|outside| outside.stores.get(at)).and_then(Option::as_ref))
            })
        };
        self.chains().flat_map(each).filter(move |(rate, _)| rate.is_by_identity() == (stage == Stage::Identity))
    }
}

/// Looks at what is counted here, and takes it where nobody else has to be asked. Returns whether a store has to be: then
/// [`questions`] are put, and [`take`] follows. What is to be counted while the exchange lasts is left in `occupied`.
///
/// # Errors
/// `rate_limited`
pub fn look(
    record: &Record,
    rule: &Rule,
    facts: &Facts<'_>,
    stage: Stage,
    key: &mut Vec<u8>,
    occupied: &mut Vec<Occupied>,
    worker: &Worker,
) -> Result<bool, ProxyError> {
    let levels = Levels::of(record, rule, facts);
    let (mut count, mut shared) = (0, false);
    for (rate, _) in levels.rates(stage) {
        count += 1;
        shared |= rate.store.is_some();
    }
    let places = || levels.chains().flat_map(|(chain, _)| chain.concurrency());
    let places = || places().filter(|limit| limit.is_by_identity() == (stage == Stage::Identity));
    if count > 1 || shared || places().next().is_some() {
        for (rate, _) in levels.rates(stage).filter(|(rate, _)| !rate.dry_run) {
            rate.look(facts, record.started, key, hash)?;
        }
    }
    for limit in places() {
        occupied.extend(limit.take(facts, key, hash)?);
    }
    if !shared {
        take(record, rule, facts, stage, key, worker)?;
    }
    Ok(shared)
}

/// Takes one request from each limit that is counted here.
///
/// # Errors
/// `rate_limited`, where another took the last in between.
pub fn take(
    record: &Record,
    rule: &Rule,
    facts: &Facts<'_>,
    stage: Stage,
    key: &mut Vec<u8>,
    worker: &Worker,
) -> Result<(), ProxyError> {
    let levels = Levels::of(record, rule, facts);
    for (rate, _) in levels.rates(stage).filter(|(rate, _)| rate.store.is_none()) {
        match rate.take(facts, record.started, key, hash) {
            Ok(()) => {}
            Err(_) if rate.dry_run => worker.counters.rate_limit_dry_runs.add(1),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Ok(())
}

/// What is to be asked about one request: each store once, with the limits that the questions are of.
pub struct Asked<'a>(Vec<(&'a Arc<Store>, Vec<&'a Rate>, Vec<Question>)>);

/// Makes the questions for the stores.
pub fn questions<'a>(
    record: &'a Record,
    rule: &'a Rule,
    facts: &Facts<'_>,
    stage: Stage,
    key: &mut Vec<u8>,
) -> Asked<'a> {
    let mut asked: Vec<(&Arc<Store>, Vec<&Rate>, Vec<Question>)> = Vec::new();
    for (rate, store) in Levels::of(record, rule, facts).rates(stage) {
        let Some(store) = store else { continue };
        let (name, pace) = rate.question(facts, key);
        let question = Question { key: name, pace, dry_run: rate.dry_run };
        match asked.iter_mut().find(|(known, ..)| Arc::ptr_eq(known, store)) {
            Some((_, rates, questions)) => {
                rates.push(rate);
                questions.push(question);
            }
            None => asked.push((store, vec![rate], vec![question])),
        }
    }
    Asked(asked)
}

impl Asked<'_> {
    /// Puts the questions. The stores count where they let pass.
    ///
    /// # Errors
    /// `rate_limited`; `overloaded` where a store is down and `on_error` is `deny`.
    pub async fn put(self, worker: &Worker) -> Result<(), ProxyError> {
        for (store, rates, questions) in self.0 {
            match store.ask(worker, questions).await {
                Ok(verdict) => {
                    worker.counters.rate_limit_dry_runs.add(verdict.dry_runs);
                    if let Some((rate, wait)) = verdict.refused.and_then(|(at, wait)| Some((rates.get(at)?, wait))) {
                        return Err(rate.refusal(wait).into());
                    }
                }
                Err(_) => {
                    worker.counters.rate_limit_store_failures.add(1);
                    if !store.allows_on_error() {
                        let detail = "The store that counts this route's limits does not answer (on_error: deny).";
                        let fields = vec![("retry-after", "1".to_owned())];
                        return Err(ProxyError::own(Reason::Overloaded, detail).with(fields));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Asks the stores about a request that was looked at, and takes what is counted here.
///
/// # Errors
/// As [`Asked::put`] and [`take`].
pub async fn ask_stores(
    connection: &Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &Admitted,
    stage: Stage,
) -> Result<(), ProxyError> {
    let (rule, worker) = (&admitted.rule, &connection.worker);
    let mut key = std::mem::take(&mut desk.notes.key);
    let make = |facts: &Facts<'_>| questions(record, rule, facts, stage, &mut key);
    admitted.with_facts(connection, desk, make)?.put(worker).await?;
    admitted.with_facts(connection, desk, |facts| take(record, rule, facts, stage, &mut key, worker))??;
    desk.notes.key = key;
    Ok(())
}

/// Asks the limits that go by what a token says.
///
/// # Errors
/// As [`look`] and [`ask_stores`].
pub async fn by_identity(
    connection: &mut Connection,
    desk: &mut Desk,
    record: &Record,
    admitted: &Admitted,
) -> Result<(), ProxyError> {
    let mut key = std::mem::take(&mut desk.notes.key);
    let mut occupied = std::mem::take(&mut connection.occupied);
    let (rule, stage, worker) = (&admitted.rule, Stage::Identity, &connection.worker);
    let looked = admitted
        .with_facts(connection, desk, |facts| look(record, rule, facts, stage, &mut key, &mut occupied, worker));
    desk.notes.key = key;
    connection.occupied = occupied;
    if looked?? {
        ask_stores(connection, desk, record, admitted, stage).await?;
    }
    Ok(())
}
