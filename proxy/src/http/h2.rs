//! HTTP/2: connections of clients, and the streams that stand as transports on either side of an exchange.
//!
//! The frame layer is `core::http2`; here its connections get sockets and tasks. It hands heads on in the form of
//! `core::message`, and takes them as lines; the exchange above can't tell which version brought a request.

mod client;
mod preface;
mod runner;
mod server;
mod shared;
mod stream;
mod wire;

pub use client::Link;
pub(super) use preface::begins;
pub use runner::Runners;
pub(super) use server::serve;
pub use stream::{Stream, Unprocessed};
