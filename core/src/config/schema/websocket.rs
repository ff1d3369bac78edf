//! The keys that are about WebSockets.

use super::Kind;

/// A code of RFC 6455 §7.4, as far as one may be sent.
pub(super) const CLOSE_CODE: Kind = Kind::Count(1000, 4999);
