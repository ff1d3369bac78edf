//! The fault experiments of SECURITY.md §3.4 that concern endpoints (1 to 15 and 43) and memory (19), by number. Those that fit beside a
//! feature stand there: 4, 13 and 14 in `names`, 5 and 43 in `balance::retry`, 12 in `health::outlier`.

mod load;
mod memory;
mod namespaces;
mod peers;

use crate::harness::{Proxy, Wire};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What became of one request.
pub(crate) struct Sample {
    pub(crate) post: bool,
    pub(crate) status: u16,
    pub(crate) text: String,
    /// Whether it says when to come again.
    pub(crate) later: bool,
    pub(crate) took: Duration,
}

/// Clients that ask at a fixed rate, whatever the answers take, as far as their connections are free.
pub(crate) struct Load {
    clients: Vec<JoinHandle<Vec<Sample>>>,
    answered: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

const CLIENTS: usize = 20;

impl Load {
    /// Begins to ask `t.test` so often a second; where `posts`, every fifth request is a POST with an id of its own.
    pub(crate) fn start(proxy: &Proxy, per_second: u32, posts: bool) -> Self {
        let (answered, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let step = Duration::from_secs(1) * u32::try_from(CLIENTS).unwrap() / per_second;
        let address = proxy.address();
        let client = |number: usize| {
            let (answered, over) = (Arc::clone(&answered), Arc::clone(&over));
            std::thread::spawn(move || {
                let mut wire = Wire::connect(address);
                let (start, mut samples) = (Instant::now(), Vec::new());
                while !over.load(Ordering::SeqCst) {
                    let turn = u32::try_from(samples.len()).unwrap();
                    std::thread::park_timeout((start + step * turn).saturating_duration_since(Instant::now()));
                    let post = posts && turn % 5 == 4;
                    let method = if post { "POST" } else { "GET" };
                    let asked = Instant::now();
                    wire.send(format!(
                        "{method} /{number}-{turn} HTTP/1.1\r\nHost: t.test\r\nContent-Length: {0}\r\n\r\n{1:.0$}",
                        if post { 3 } else { 0 },
                        "abc"
                    ));
                    let answer = wire.response();
                    answered.fetch_add(1, Ordering::SeqCst);
                    if answer.field("connection") == Some("close") {
                        wire = Wire::connect(address);
                    }
                    let (status, text, later) = (answer.status(), answer.text(), answer.has("retry-after"));
                    samples.push(Sample { post, status, text, later, took: asked.elapsed() });
                }
                samples
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        Self { clients, answered, over }
    }

    /// How many were answered so far.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::SeqCst)
    }

    /// Ends it, and tells what became of all requests.
    pub(crate) fn stop(self) -> Vec<Sample> {
        self.over.store(true, Ordering::SeqCst);
        self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    }
}
