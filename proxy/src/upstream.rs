//! The upstream half of an exchange: pick an endpoint, get a connection, send the request, read the head of the answer.
//!
//! `send` leaves the request's body unfinished where the answer comes first: the relay goes on with it (seam 1 of
//! ARCHITECTURE.md). It never writes to the client, except interim answers (1xx), which cannot wait.

pub mod attempts;
pub mod connect;
pub mod interim;
pub mod line;
pub mod link;
pub mod outcome;
pub mod pool;
pub mod race;
pub mod send;
pub mod trial;

pub use attempts::Attempts;
