//! How the proxy ends a WebSocket: a Close to both sides between two messages, and a while for theirs.

use std::time::Duration;

use switchboard_core::moment::Moment;
use switchboard_core::reason::Reason;
use switchboard_core::websocket::frame::{Fault, Halt};

use crate::error::Side;

/// How long both sides have for the rest of their message and for their own Close. Chosen well above a round trip and
/// below a person's patience.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// When no message's end is waited for any more, only a frame's.
pub(super) const PATIENCE_FOR_MESSAGES: Duration = Duration::from_secs(3);

/// How long the other side of one that broke RFC 6455 may go on: what it says until its own Close answers what came before
/// the fault. Chosen for a round trip.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// An end that the proxy has decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Goodbye {
    /// The code of the Close frames (RFC 6455 §7.4.1).
    pub(super) code: u16,
    /// Whose doing it is, for the log.
    pub(super) side: Side,
    /// Why, for the log.
    pub(super) reason: Reason,
    /// Since when it goes on.
    pub(super) since: Moment,
}

/// What a lane's halt means: the code to close with, and the reason. Nothing for a boundary that was asked for.
pub(super) const fn meaning(halt: Halt) -> Option<(u16, Reason)> {
    match halt {
        Halt::Boundary => None,
        Halt::TooLong => Some((1009, Reason::MessageTooLong)),
        Halt::Fault(
            Fault::Reserved
            | Fault::Opcode
            | Fault::Mask
            | Fault::LengthForm
            | Fault::LongControl
            | Fault::SplitControl
            | Fault::Continuation
            | Fault::CloseCode
            | Fault::AfterClose,
        ) => Some((1002, Reason::FrameFault)),
    }
}
