//! `redis:` where several machines count together, and what holds while nobody can count there.

use super::Secret;
use std::time::Duration;

/// A store that limits share.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Redis {
    /// `redis://[user:password@]host[:port][/db]` or `redis+unix:///path`. It may hold a password.
    pub url: Secret,
    /// How long a request waits for it (default 50 ms).
    pub timeout: Duration,
    /// Whether a request passes while it does not answer (default: it does).
    pub allow_on_error: bool,
}
