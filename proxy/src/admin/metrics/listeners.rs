//! What is counted of listeners and of workers: few of either, each by name.

use std::sync::atomic::{AtomicU64, Ordering};

use switchboard_core::moment::Moment;

use super::page::{Kind, Page, number};
use crate::listener::{Counts, Socket};
use crate::process::Process;
use crate::telemetry::meter::Sum;

/// What is counted of listeners.
pub(super) fn listeners(page: &mut Page, process: &Process) {
    type Read = fn(&Counts) -> &AtomicU64;
    let sockets = process.sockets.load();
    let name = "switchboard_listener_connections";
    page.family(name, Kind::Gauge, "Client connections open, by listener.");
    for socket in sockets.iter() {
        sample(page, name, socket, None, socket.open.load(Ordering::Relaxed));
    }
    let counters: [(&str, &str, Read); 4] = [
        ("accepted", "Client connections accepted.", |counts| &counts.accepted),
        ("refused", "Client connections over connections_per_client.", |counts| &counts.refused),
        ("full", "Times that connections had to wait because max_connections was reached.", |counts| &counts.full),
        ("tls_handshakes", "TLS handshakes that were finished.", |counts| &counts.handshakes),
    ];
    for (name, help, read) in counters {
        let name = format!("switchboard_listener_{name}_total");
        page.family(&name, Kind::Counter, help);
        for socket in sockets.iter() {
            sample(page, &name, socket, None, read(&socket.counts).load(Ordering::Relaxed));
        }
    }
    let name = "switchboard_listener_tls_failures_total";
    page.family(
        name,
        Kind::Counter,
        "TLS handshakes that failed, by cause; what begins with client_ is an alert of the client.",
    );
    for socket in sockets.iter() {
        for (cause, count) in socket.counts.failed_handshakes.each().filter(|(_, count)| *count > 0) {
            sample(page, name, socket, Some(cause), count);
        }
    }
    let name = "switchboard_listener_proxy_header_drops_total";
    page.family(name, Kind::Counter, "Connections dropped for their PROXY header, by cause.");
    for socket in sockets.iter() {
        for (cause, count) in socket.counts.drops.each().filter(|(_, count)| *count > 0) {
            sample(page, name, socket, Some(cause), count);
        }
    }
}

fn sample(page: &mut Page, name: &str, socket: &Socket, cause: Option<&str>, count: u64) {
    let (settings, address) = (socket.settings.load(), socket.describe());
    let labels = [("listener", settings.name.as_str()), ("address", address.as_str())];
    let labels: Vec<_> = labels.into_iter().chain(cause.map(|cause| ("cause", cause))).collect();
    page.sample(name, &labels, number(count));
}

/// How far behind the workers are: each is asked once a second, from the first scrape on.
pub(super) fn lag(page: &mut Page, process: &Process) {
    let name = "switchboard_loop_lag_seconds";
    let mut sum = Sum::default();
    process.workers.iter().for_each(|worker| sum.add(&worker.counters.lag));
    page.family(name, Kind::Histogram, "How long workers took to look at what they were asked once a second.");
    page.histogram(name, &[], &sum);
    let name = "switchboard_worker_silent_seconds";
    page.family(
        name,
        Kind::Gauge,
        "How long a worker has owed an answer: more than a moment, and something blocks it.",
    );
    let now = Moment::ZERO + process.origin.elapsed();
    for (index, worker) in process.workers.iter().enumerate() {
        let silent = match worker.asked.load(Ordering::Relaxed) {
            0 => 0.0,
            asked => now.since(Moment::from_nanos(asked)).as_secs_f64(),
        };
        page.sample(name, &[("worker", &index.to_string())], silent);
    }
}
