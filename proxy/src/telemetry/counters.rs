//! Counters with a single writer each: a worker adds with a relaxed load and a relaxed store, no locked instruction.
//! Readers merge the workers' counters when they are asked.

use std::sync::atomic::{AtomicU64, Ordering};

use switchboard_core::reason::Reason;

use super::meter::Histogram;

/// A number that one thread adds to and any thread may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`. Only the worker that owns the counter may call this.
    pub fn add(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    /// Takes `amount` off. Only the worker that owns the counter may call this.
    pub fn sub(&self, amount: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_sub(amount), Ordering::Relaxed);
    }

    /// Sets it: for what goes up and down and is known as a whole. Only the worker that owns the counter may call this.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it stands at.
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter for each reason.
#[derive(Debug)]
pub struct Reasons([Counter; Reason::ALL.len()]);

impl Default for Reasons {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl std::ops::Deref for Reasons {
    type Target = [Counter];

    fn deref(&self) -> &[Counter] {
        &self.0
    }
}

macro_rules! counters {
    ($(#[doc = $doc:literal] $name:ident,)*) => {
        /// The counters of one worker.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(#[doc = $doc] pub $name: Counter,)*
            /// Answers of the proxy's own, by reason.
            pub reasons: Reasons,
            /// How long exchanges took; tunnels are not in it.
            pub duration: Histogram,
            /// How long the worker took to look at something that it was told.
            pub lag: Histogram,
        }

        impl Counters {
            /// Each counter but the reasons: its name, what it counts, and what it stands at.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
                [$((stringify!($name), $doc.trim_ascii(), self.$name.read()),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Client connections accepted.
    accepted,
    /// Client connections open.
    connections,
    /// TLS handshakes of clients that were finished.
    tls_handshakes,
    /// TLS handshakes of clients that failed.
    tls_failed,
    /// Requests whose head came whole.
    requests,
    /// Requests that came by HTTP/2; the others came by HTTP/1.
    http2_requests,
    /// Client connections that speak HTTP/2, open.
    http2_connections,
    /// HTTP/2 streams that clients reset.
    http2_resets_received,
    /// HTTP/2 streams that were reset for what their client did.
    http2_resets_sent,
    /// HTTP/2 connections cut because their client broke the protocol.
    http2_faults,
    /// Interim answers.
    status_1xx,
    /// Answers with a status of 2xx.
    status_2xx,
    /// Answers with a status of 3xx.
    status_3xx,
    /// Answers with a status of 4xx.
    status_4xx,
    /// Answers with a status of 5xx.
    status_5xx,
    /// Bytes of bodies from clients.
    bytes_in,
    /// Bytes of answers to clients.
    bytes_out,
    /// Connections opened to endpoints.
    upstream_connects,
    /// Exchanges on a kept connection.
    upstream_reused,
    /// Exchanges that were tried again.
    retries,
    /// Requests that another endpoint was asked beside a slow one (retry.hedge).
    hedges,
    /// Requests that a rate limit with dry_run would have refused.
    rate_limit_dry_runs,
    /// Requests that looked like an attack (`detect`), refused or logged.
    detections,
    /// Requests of which something could not be looked at that should be (`detect`), refused or logged.
    uninspected,
    /// Requests whose body was looked at in part or not at all: what is longer than `detect` looks, pictures, archives.
    inspected_in_part,
    /// Copies of requests that were sent (`mirror`).
    mirrored,
    /// Copies of requests that were dropped: too large, too many at once, or failed.
    mirrors_dropped,
    /// Questions about limits that a shared store did not answer in time.
    rate_limit_store_failures,
    /// HTTP/2 connections cut because their client flooded them.
    floods,
    /// Tunnels opened.
    tunnels_opened,
    /// Tunnels open.
    tunnels,
    /// WebSocket messages of clients, counted when their tunnel ends.
    messages_in,
    /// The same of endpoints.
    messages_out,
    /// WebSocket frames that break RFC 6455 and passed.
    frame_faults,
    /// WebSocket messages left out because their reader was too slow, counted when their tunnel ends.
    messages_dropped,
    /// Streams (answers without a declared length) opened.
    streams_opened,
    /// Streams open.
    streams,
    /// Comments that kept silent event streams alive.
    heartbeats,
    /// Events given to clients that came back.
    events_replayed,
    /// Access lines that the sink could not take.
    log_dropped,
    /// Times that no descriptor was left for a connection.
    accept_exhausted,
    /// Times that connections had to wait because half of the open-file limit was in use.
    accept_full,
    /// Tasks that there are: connections, HTTP/2 streams and what the workers do beside them.
    tasks,
    /// Panics that cost one connection each.
    panics,
    /// Requests answered with what is stored and fresh.
    cache_hits,
    /// Requests answered with what is stored and stale, as origin, rule or client allow.
    cache_stale,
    /// Requests that might have been answered from the cache and were not.
    cache_misses,
    /// Stored answers that their origin said are still good.
    cache_revalidations,
    /// Stale answers that were given and are asked for anew.
    cache_refreshes,
    /// Requests that waited for the answer to another one for the same.
    cache_collapsed,
    /// Requests of cached routes whose method or answer is not for the cache.
    cache_bypassed,
    /// Bytes of answers given from the cache, heads included.
    bytes_from_cache,
}

impl Counters {
    /// Counts one answer.
    pub fn status(&self, status: u16) {
        match status {
            100..200 => self.status_1xx.add(1),
            200..300 => self.status_2xx.add(1),
            300..400 => self.status_3xx.add(1),
            400..500 => self.status_4xx.add(1),
            _ => self.status_5xx.add(1),
        }
    }

    /// Counts one answer of the proxy's own.
    pub fn reason(&self, reason: Reason) {
        if let Some(counter) = self.reasons.get(reason as usize) {
            counter.add(1);
        }
    }
}
