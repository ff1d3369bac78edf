//! HTTP/2: connections of clients, and the streams that stand as transports on either side of an exchange.
//!
//! The only module that sees types of the `h2` crate. It hands heads on in the form of `core::message`, and takes them as
//! lines; the exchange above can't tell which version brought a request.

mod client;
mod fields;
mod head;
mod io;
mod place;
mod preface;
mod server;
mod stream;

pub use client::Link;
pub(super) use preface::begins;
pub(super) use server::serve;
pub use stream::{Stream, Unprocessed};
