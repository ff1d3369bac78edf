//! Requests for the same thing at the same time: one goes to the origin, the others wait for what it brings (case 138).
//!
//! A flight ends in one of three ways, and all who wait learn it at once: the answer is stored, it is for nobody else, or
//! nothing came of it and somebody else should try. Whoever leads holds a [`Lead`]; dropping it is the third. Where that takes
//! too long, one of those who have waited leads besides, and what either brings is for all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use switchboard_core::moment::Moment;
use tokio::sync::watch;

/// Parts of the table, each with its lock.
const SHARDS: usize = 32;

/// How a flight stands, or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is under way.
    Open,
    /// What was asked for is stored.
    Stored,
    /// It is not for storing: everybody asks for himself.
    Private,
    /// Nothing came of it.
    Failed,
}

/// All flights.
#[derive(Debug, Default)]
pub struct Flights([Mutex<HashMap<u64, Flight>>; SHARDS]);

/// One of them.
#[derive(Debug)]
struct Flight {
    /// Who waits is told by this how it ended.
    told: Arc<watch::Sender<Outcome>>,
    /// How many still go for all.
    leads: usize,
    /// When the last of them began.
    since: Moment,
}

/// A place in a flight.
#[derive(Debug)]
pub enum Join {
    /// Nobody fetches it: go.
    Lead(Lead),
    /// Somebody does.
    Wait(watch::Receiver<Outcome>),
}

/// Who fetches for all.
#[derive(Debug)]
pub struct Lead {
    flights: Arc<Flights>,
    hash: u64,
    told: Arc<watch::Sender<Outcome>>,
    outcome: Outcome,
}

impl Flights {
    /// Joins the flight of this number, or begins it.
    pub fn join(self: &Arc<Self>, hash: u64, now: Moment) -> Join {
        let mut shard = self.shard(hash);
        match shard.entry(hash) {
            Entry::Occupied(flight) => Join::Wait(flight.get().told.subscribe()),
            Entry::Vacant(place) => {
                let told = Arc::new(watch::Sender::new(Outcome::Open));
                place.insert(Flight { told: Arc::clone(&told), leads: 1, since: now });
                Join::Lead(self.lead(hash, told))
            }
        }
    }

    /// Lets somebody who has waited lead besides, where nobody began to in the last `patience`: each time one of all who
    /// have waited.
    pub fn second(self: &Arc<Self>, hash: u64, now: Moment, patience: Duration) -> Option<Lead> {
        let mut shard = self.shard(hash);
        let flight = shard.get_mut(&hash).filter(|flight| flight.since + patience <= now)?;
        (flight.leads, flight.since) = (flight.leads + 1, now);
        Some(self.lead(hash, Arc::clone(&flight.told)))
    }

    fn lead(self: &Arc<Self>, hash: u64, told: Arc<watch::Sender<Outcome>>) -> Lead {
        Lead { flights: Arc::clone(self), hash, told, outcome: Outcome::Failed }
    }

    fn shard(&self, hash: u64) -> std::sync::MutexGuard<'_, HashMap<u64, Flight>> {
        // The low bits alone, of which there are as many as shards.
        let [low, ..] = hash.to_le_bytes();
        self.0[usize::from(low) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead {
    /// Whether anybody waits.
    pub fn is_awaited(&self) -> bool {
        self.told.receiver_count() > 0
    }

    /// Ends the flight.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let mut shard = self.flights.shard(self.hash);
        let Entry::Occupied(mut entry) = shard.entry(self.hash) else { return };
        let flight = entry.get_mut();
        // Another who led has ended it, and what goes by this number now is the next.
        if !Arc::ptr_eq(&flight.told, &self.told) {
            return;
        }
        flight.leads -= 1;
        if self.outcome == Outcome::Failed && flight.leads > 0 {
            return;
        }
        // First out of the table, so that who comes now begins anew rather than join what has ended.
        entry.remove();
        drop(shard);
        self.told.send_replace(self.outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_leads_and_all_learn_how_it_ended() {
        let flights = Arc::new(Flights::default());
        for outcome in [Outcome::Stored, Outcome::Private, Outcome::Failed] {
            let Join::Lead(lead) = flights.join(7, Moment::ZERO) else { panic!("nobody led") };
            assert!(!lead.is_awaited());
            let waiting: Vec<_> = (0..10)
                .map(|_| match flights.join(7, Moment::ZERO) {
                    Join::Wait(outcome) => outcome,
                    Join::Lead(_) => panic!("two led"),
                })
                .collect();
            assert!(lead.is_awaited());
            assert!(matches!(flights.join(8, Moment::ZERO), Join::Lead(_)));
            match outcome {
                Outcome::Failed => drop(lead),
                outcome => lead.end(outcome),
            }
            assert!(waiting.iter().all(|one| *one.borrow() == outcome));
        }
    }
    #[test]
    fn who_has_waited_long_enough_leads_besides() {
        let flights = Arc::new(Flights::default());
        let patience = Duration::from_secs(5);
        let at = |seconds| Moment::ZERO + Duration::from_secs(seconds);
        let join = |seconds| flights.join(7, at(seconds));
        let check = |told: &watch::Receiver<Outcome>, expect| assert_eq!(*told.borrow(), expect);
        let Join::Lead(first) = join(0) else { panic!("nobody led") };
        assert!(flights.second(7, at(4), patience).is_none());
        let second = flights.second(7, at(5), patience).expect("the time has come");
        assert!(flights.second(7, at(5), patience).is_none(), "two of those who waited led");
        let third = flights.second(7, at(10), patience).expect("the time has come again");
        let Join::Wait(told) = join(11) else { panic!("it has ended") };
        // One that fails ends nothing while others go; what one brings is for all; who comes last changes nothing.
        drop(first);
        check(&told, Outcome::Open);
        second.end(Outcome::Stored);
        check(&told, Outcome::Stored);
        let Join::Lead(next) = join(12) else { panic!("it goes on") };
        drop(third);
        check(&told, Outcome::Stored);
        let Join::Wait(told) = join(12) else { panic!("the next flight was ended by the last one's") };
        drop(next);
        check(&told, Outcome::Failed);
    }
}
