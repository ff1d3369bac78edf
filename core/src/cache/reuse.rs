//! Whether a stored answer may be given to a request as it is (RFC 9111 §4, RFC 5861).

use super::control::{RequestControl, Seconds};
use super::entry::Entry;
use crate::moment::Moment;

/// What a stored answer is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// To be given as it is.
    Fresh,
    /// Stale, and the client said that it takes such.
    Accepted,
    /// Stale, to be given at once while it is asked for anew (RFC 5861 §3).
    Meanwhile,
    /// To be asked about first.
    Ask(Ask),
}

/// Why it is to be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// It is stale, or never to be used without.
    Stale,
    /// The request wants it.
    Request,
}

/// Decides.
#[must_use]
pub fn reuse(entry: &Entry, request: &RequestControl, now: Moment) -> Reuse {
    let left = entry.left(now);
    let terms = &entry.terms;
    if request.no_cache || too_old(entry, request, now) {
        return Reuse::Ask(Ask::Request);
    }
    if terms.no_cache {
        return Reuse::Ask(Ask::Stale);
    }
    if left > 0 {
        return match request.min_fresh {
            Seconds::Of(least) if left.unsigned_abs() < least => Reuse::Ask(Ask::Request),
            Seconds::Of(_) | Seconds::Invalid | Seconds::Absent => Reuse::Fresh,
        };
    }
    let stale = left.unsigned_abs();
    match request.max_stale {
        _ if terms.must_revalidate => Reuse::Ask(Ask::Stale),
        Some(most) if stale <= most => Reuse::Accepted,
        _ if stale <= terms.while_revalidate && terms.while_revalidate > 0 => Reuse::Meanwhile,
        Some(_) | None => Reuse::Ask(Ask::Stale),
    }
}

/// Whether it is older than the request wants. Nothing is 0 s old enough for `max-age=0`: it asks for an answer of now.
fn too_old(entry: &Entry, request: &RequestControl, now: Moment) -> bool {
    match request.max_age {
        Seconds::Of(most) => most == 0 || entry.age(now) > most,
        Seconds::Invalid | Seconds::Absent => false,
    }
}

/// Whether a stale answer may be given where asking has failed (RFC 5861 §4).
#[must_use]
pub fn may_stand_in(entry: &Entry, request: &RequestControl, now: Moment) -> bool {
    let terms = &entry.terms;
    if terms.no_cache || terms.must_revalidate {
        return false;
    }
    let left = entry.left(now);
    let most = terms.if_error.max(request.stale_if_error.number().unwrap_or(0));
    left > 0 || (most > 0 && left.unsigned_abs() <= most)
}

/// Whether an answer counts as failed for that: the origin itself is in trouble (RFC 5861 §4).
#[must_use]
pub const fn is_error(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}
