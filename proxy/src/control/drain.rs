//! The end: stop accepting, let what is under way finish, within bounds, and leave.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::Ends;
use crate::process::{Command, Process};
use crate::tunnel::GOODBYE;

/// How often the remaining work is looked at.
const STEP: Duration = Duration::from_millis(20);

/// How long logs may take to be written at the end.
const FLUSH: Duration = Duration::from_secs(1);

/// Drains and returns the exit code: 0 also where bounds cut something off, as the operator set them; 130 for a second
/// signal.
pub(crate) async fn drain(process: &Process, ends: &mut Ends) -> u8 {
    process.leaving.store(true, Ordering::Relaxed);
    let bounds = process.generation.load().snapshot.drain;
    if !bounds.announce.is_zero() {
        tracing::info!(announce = ?bounds.announce, "going away: still serving, no longer ready");
        tokio::select! {
            () = ends.recv() => return 130,
            () = tokio::time::sleep(bounds.announce) => {}
        }
    }
    process.draining.store(true, Ordering::Relaxed);
    tracing::info!(open = process.admission.open(), "draining: no new connections, answers end theirs");
    tell(process, || Command::Drain);
    // A goodbye has its time, but none that is longer than what its stream had: who is in a hurry stays so.
    let last_ends = bounds.tunnels.min(GOODBYE) + Duration::from_secs(1);
    let start = Instant::now();
    let mut cut = false;
    let code = loop {
        tokio::select! {
            () = ends.recv() => break 130,
            () = tokio::time::sleep(STEP) => {}
        }
        let streams: u64 = process.workers.iter().map(|w| w.counters.tunnels.read() + w.counters.streams.read()).sum();
        let open = process.admission.open();
        // Until the queues of the listening sockets are empty, nobody knows who is still to be served.
        let accepting: u64 = process.workers.iter().map(|worker| worker.accepting.load(Ordering::Relaxed)).sum();
        if open == 0 && accepting == 0 {
            break 0;
        }
        let elapsed = start.elapsed();
        if elapsed >= bounds.tunnels && !cut {
            cut = true;
            tell(process, || Command::CloseStreams);
        }
        // Requests have their own, shorter bound; a stream that is still allowed to go on keeps the process alive.
        let requests_over = elapsed >= bounds.http;
        let streams_over = streams == 0 || elapsed >= bounds.tunnels + last_ends;
        if requests_over && streams_over {
            tracing::warn!(open, "the time to drain is over; what is left is cut");
            break 0;
        }
    };
    tell(process, || Command::Quit);
    // Workers hand over their last lines when they quit.
    let quitting = Instant::now();
    while process.workers.iter().any(|worker| !worker.inbox.is_closed()) && quitting.elapsed() < FLUSH {
        tokio::time::sleep(STEP).await;
    }
    if let Some(access) = process.access.load().as_ref() {
        access.sink.flush(FLUSH);
    }
    tracing::info!("stopped");
    crate::telemetry::log::flush(FLUSH);
    code
}

fn tell(process: &Process, command: impl Fn() -> Command) {
    for worker in &process.workers {
        let _ = worker.inbox.send(command());
    }
}
