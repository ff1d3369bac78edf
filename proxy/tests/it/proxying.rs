//! What a user of any reverse proxy expects of HTTP/1.0 and 1.1, on both sides.

mod answers;
mod bodies;
mod interim;
mod loops;
mod peers;
mod routing;
mod transport;
