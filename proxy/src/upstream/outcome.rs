//! What an attempt says of its endpoint's health: the one place where the data path speaks to `live::passive`.
//!
//! Called once per attempt. Where nothing is ejected for failures it comes to a load and a branch.

use crate::error::{ProxyError, Retry, Side};
use crate::exchange::record::Record;
use crate::live::EndpointLive;
use crate::worker::Worker;

/// Takes note of an attempt: of its error, or else of the status that was answered.
#[inline]
pub fn note(worker: &Worker, endpoint: &EndpointLive, record: &Record, error: Option<&ProxyError>, status: u16) {
    match error {
        None if is_failure(status) => endpoint.passive.failed(&worker.process.suspects),
        None => {
            endpoint.passive.answered();
            if endpoint.passive.is_timed() {
                endpoint.passive.took(worker.deadlines.now().since(record.attempted()));
            }
        }
        Some(error) if is_its_doing(error) => endpoint.passive.failed(&worker.process.suspects),
        Some(_) => {}
    }
}

/// A server says 501 and 505 of what it was asked, not of itself; 500, 502, 503 and 504 of itself.
const fn is_failure(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}

/// A kept connection that was closed while it was idle is nobody's failure.
const fn is_its_doing(error: &ProxyError) -> bool {
    matches!(error.side, Side::Upstream) && !matches!(error.retry, Retry::Stale | Retry::Unwritten)
}
