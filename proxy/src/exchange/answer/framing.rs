//! How the body of an answer is delimited, as it came and as it goes on.

use switchboard_core::forwarding::Framing as Outgoing;
use switchboard_core::http1::Framing;
use switchboard_core::message::Name;
use switchboard_core::reason::Reason;

use crate::desk::Desk;
use crate::error::ProxyError;
use crate::exchange::knows_chunks;

/// Whether an answer's end is the end of the connection: it was announced, or nothing else tells the end.
pub(in crate::exchange) fn ends_connection(desk: &Desk, framing: Framing, close: bool) -> bool {
    let unbounded = matches!(framing, Framing::Chunked | Framing::Close | Framing::Frames(None));
    close || (unbounded && !knows_chunks(desk.request.version))
}

/// How the body of the answer on `desk` is delimited.
pub(super) fn framing_of(desk: &Desk) -> Result<Framing, ProxyError> {
    let method = desk.request.method.of(desk.input.filled());
    desk.answer.framing(method).map_err(|error| ProxyError::upstream(Reason::UpstreamBadResponse, error.detail()))
}

/// What an answer without a body says of the length that it would have had: to HEAD, and in a 304.
pub(super) fn declared(desk: &Desk) -> Outgoing {
    if desk.answer.status == 204 || desk.answer.status < 200 {
        return Outgoing::None;
    }
    declared_length(desk).map_or(Outgoing::None, Outgoing::Length)
}

/// The length that the fields of the answer on `desk` name.
pub(in crate::exchange) fn declared_length(desk: &Desk) -> Option<u64> {
    let bytes = desk.answer_input.filled();
    let length = desk.answer.fields.named(Name::ContentLength).next()?.value.of(bytes);
    std::str::from_utf8(length).ok()?.parse().ok()
}
