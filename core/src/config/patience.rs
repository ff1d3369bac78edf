//! What a rule does where an attempt fails or no endpoint is up: try again, or hold the request for a while.

use std::time::Duration;

use super::Share;

/// When and how often a request is sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// What may be tried again.
    pub causes: Causes,
    /// Attempts after the first (2); 0 is `off`.
    pub retries: u8,
    /// How long an attempt may wait for its first byte before it counts as failed; `None` is `off`.
    pub per_try: Option<Duration>,
    /// How long an endpoint may take to answer before another is asked as well, and the first answer taken; `None` is
    /// `off`. Only requests without a body that may be sent twice.
    pub hedge: Option<Duration>,
    /// Retries beside the requests of an upstream (20 %), for what adds load: connects that failed added none.
    pub budget: Share,
}

/// Why an attempt may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Causes {
    /// No connection came about: nothing was sent.
    pub connect: bool,
    /// A kept connection was closed before a byte came back, of a request that may be sent twice.
    pub reset: bool,
    /// No first byte in time, of a request that may be sent twice.
    pub timeout: bool,
    /// Answers with these statuses, to a request that may be sent twice.
    pub statuses: Vec<u16>,
}

/// How requests are held while no endpoint can take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// How long one is held.
    pub patience: Duration,
    /// How many of one upstream are held at once (100).
    pub requests: u32,
    /// How many bytes of them (1 MiB).
    pub bytes: u64,
}

impl Default for Retry {
    fn default() -> Self {
        let causes = Causes { connect: true, reset: true, timeout: false, statuses: Vec::new() };
        Self { causes, retries: 2, per_try: None, hedge: None, budget: Share(200_000) }
    }
}

impl Retry {
    /// Whether its retries are paid from what requests earn: those that add load for certain.
    #[must_use]
    pub const fn earns(&self) -> bool {
        self.retries > 0 && (self.causes.timeout || !self.causes.statuses.is_empty() || self.hedge.is_some())
    }
}

impl Wait {
    /// Holds for this long, within the usual bounds.
    #[must_use]
    pub const fn of(patience: Duration) -> Self {
        Self { patience, requests: 100, bytes: 1 << 20 }
    }
}
