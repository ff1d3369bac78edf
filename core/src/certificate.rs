//! Certificates that nobody has to fetch: which names need one, who may issue it, when it is renewed, when a failure is
//! tried again.
//!
//! `proxy::certs` asks; it has the clock, the keys and the network. Nothing here knows what a certificate looks like.

mod names;
mod schedule;

pub use names::{Cover, Issuer, Names, PRIVATE_NETWORKS, PRIVATE_SUFFIXES, issuer_of};
pub use schedule::{Cause, SOON, renewal, retry_after, within};
