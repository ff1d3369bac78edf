//! What the configuration says of traces, and the answers that are built in.
//!
//! `raw` reads it; the proxy's `telemetry` and `exchange` follow it.

use super::Share;

/// Where traces go. Without a receiver nothing is made: a request's own context passes as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracing {
    /// The URL that spans are posted to, by OTLP over HTTP; `None` is `off`.
    pub otlp: Option<String>,
    /// The share of requests that is recorded, where nobody who is trusted has decided before.
    pub sample: Share,
}

impl Default for Tracing {
    fn default() -> Self {
        Self { otlp: None, sample: Share(10_000) }
    }
}

/// An answer of the proxy about itself, for load balancers and scrapers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// It lives.
    Health,
    /// Whether new traffic is welcome.
    Ready,
    /// What Prometheus reads.
    Metrics,
}

impl Builtin {
    /// All of them, by the word that stands for each.
    pub const ALL: [(&'static str, Self); 3] =
        [("health", Self::Health), ("ready", Self::Ready), ("metrics", Self::Metrics)];

    /// The word.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Health => "health",
            Self::Ready => "ready",
            Self::Metrics => "metrics",
        }
    }
}
