//! What a failure of a body says of an answer: whose doing it was, and why it broke off.

use switchboard_core::reason::Reason;

use super::Broken;
use crate::error::Side;
use crate::relay::PumpError;

/// What a failure of the answer's body means.
pub(in crate::exchange) fn during_answer(error: &PumpError) -> Broken {
    match error {
        PumpError::Read(_) | PumpError::Truncated => Broken { side: Side::Upstream, reason: Reason::UpstreamReset },
        PumpError::Malformed(_) | PumpError::TooLarge => {
            Broken { side: Side::Upstream, reason: Reason::UpstreamBadResponse }
        }
        PumpError::Write(_) => Broken { side: Side::Downstream, reason: Reason::ClientGone },
    }
}
