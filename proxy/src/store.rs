//! Limits that several machines count together: one question to Redis (or Valkey) a request, by a script that decides
//! and counts in one step. A store that fails costs a request its time-out at most, and then what `on_error` says.
//!
//! The connection lives beside the workers ([`crate::aside`]); workers ask through a channel and wait by their own clock.

mod link;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::config::Redis;
use tokio::sync::{mpsc, oneshot};

use crate::deadline::GRAIN;
use crate::worker::Worker;

/// Questions that wait for the connection at most; more are answered as if it were down.
const WAITING: usize = 4096;

/// One cell that a request is counted in.
#[derive(Debug)]
pub struct Question {
    /// Its name in the store.
    pub key: String,
    /// Interval and tolerance in microseconds.
    pub pace: [f64; 2],
    /// It counts, and lets pass.
    pub dry_run: bool,
}

/// What a store says to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The question that refuses it, by its place, and for how long.
    pub refused: Option<(usize, Duration)>,
    /// How many would have refused it that only count.
    pub dry_runs: u64,
}

/// The store does not answer, or not in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Down;

/// A store, and the way to its connection.
#[derive(Debug)]
pub struct Store {
    settings: Redis,
    asks: mpsc::Sender<Ask>,
}

#[derive(Debug)]
struct Ask {
    questions: Vec<Question>,
    reply: oneshot::Sender<Result<Verdict, Down>>,
}

impl Store {
    /// Begins to connect. The connection ends with the store.
    pub fn open(settings: &Redis) -> Arc<Self> {
        let (asks, inbox) = mpsc::channel(WAITING);
        crate::aside::spawn(link::serve(settings.clone(), inbox));
        Arc::new(Self { settings: settings.clone(), asks })
    }

    /// Whether a request passes while the store is down.
    pub const fn allows_on_error(&self) -> bool {
        self.settings.allow_on_error
    }

    /// Asks about one request, for as long as the configuration says.
    ///
    /// # Errors
    /// [`Down`]
    pub async fn ask(&self, worker: &Worker, questions: Vec<Question>) -> Result<Verdict, Down> {
        let (reply, answer) = oneshot::channel();
        self.asks.try_send(Ask { questions, reply }).map_err(|_| Down)?;
        // A worker's clock may be late by a grain: the time-out is a promise.
        let patience = pin!(worker.deadlines.sleep(self.settings.timeout.saturating_sub(GRAIN)));
        tokio::select! {
            biased;
            answer = answer => answer.unwrap_or(Err(Down)),
            () = patience => Err(Down),
        }
    }
}

impl Ask {
    fn refuse(self) {
        let _ = self.reply.send(Err(Down));
    }
}
