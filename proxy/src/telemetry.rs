//! What the proxy says of itself: counters, access lines, its own log.

pub mod access_log;
pub mod counters;
pub mod export;
pub mod failures;
pub mod latency;
pub mod log;
pub mod meter;
pub mod sink;
pub mod spans;
