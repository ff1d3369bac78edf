//! Requests for the same thing at the same time: one goes to the origin, the others wait for what it brings (case 138).
//!
//! A flight ends in one of three ways, and all who wait learn it at once: the answer is stored, it is for nobody else, or
//! nothing came of it and somebody else should try. Whoever leads holds a [`Lead`]; dropping it is the third.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

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
pub struct Flights([Mutex<HashMap<u64, Arc<Flight>>>; SHARDS]);

/// Who waits is told by this how it ended.
type Flight = watch::Sender<Outcome>;

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
    flight: Arc<Flight>,
    outcome: Outcome,
}

impl Flights {
    /// Joins the flight of this number, or begins it.
    pub fn join(self: &Arc<Self>, hash: u64) -> Join {
        let mut shard = self.shard(hash);
        match shard.entry(hash) {
            Entry::Occupied(flight) => Join::Wait(flight.get().subscribe()),
            Entry::Vacant(place) => {
                let flight = Arc::new(Flight::new(Outcome::Open));
                place.insert(Arc::clone(&flight));
                Join::Lead(Lead { flights: Arc::clone(self), hash, flight, outcome: Outcome::Failed })
            }
        }
    }

    fn shard(&self, hash: u64) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Flight>>> {
        // The low bits alone, of which there are as many as shards.
        let [low, ..] = hash.to_le_bytes();
        self.0[usize::from(low) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead {
    /// Whether anybody waits.
    pub fn is_awaited(&self) -> bool {
        self.flight.receiver_count() > 0
    }

    /// Ends the flight.
    pub fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        // First out of the table, so that who comes now begins anew rather than join what has ended.
        self.flights.shard(self.hash).remove(&self.hash);
        self.flight.send_replace(self.outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_leads_and_all_learn_how_it_ended() {
        let flights = Arc::new(Flights::default());
        for outcome in [Outcome::Stored, Outcome::Private, Outcome::Failed] {
            let Join::Lead(lead) = flights.join(7) else { panic!("nobody led") };
            assert!(!lead.is_awaited());
            let waiting: Vec<_> = (0..10)
                .map(|_| match flights.join(7) {
                    Join::Wait(outcome) => outcome,
                    Join::Lead(_) => panic!("two led"),
                })
                .collect();
            assert!(lead.is_awaited());
            assert!(matches!(flights.join(8), Join::Lead(_)));
            match outcome {
                Outcome::Failed => drop(lead),
                outcome => lead.end(outcome),
            }
            assert!(waiting.iter().all(|one| *one.borrow() == outcome));
        }
    }
}
