//! HTTP/2: the frames (RFC 9113 case by case), the requests in them, floods, and real peers.

mod browser;
mod cases;
mod conformance;
mod cost;
mod floods;
mod grpc;
mod peers;
mod requests;
mod upstream;
mod websocket;

use crate::harness::h2::Frames;
use crate::harness::{Origin, Proxy};

/// A proxy that takes HTTP/2 without TLS, in front of an origin.
#[track_caller]
fn proxy(workers: usize, origin: &Origin, further: &str) -> Proxy {
    let yaml = format!(
        "listen: {{ bind: \"127.0.0.1:0\", h2c: true }}\nroutes: {{ t.test: \"{}\" }}\n{further}",
        origin.address()
    );
    Proxy::start(workers, &yaml)
}

/// Asserts that a client is served as if nothing had been.
#[track_caller]
fn assert_serves(proxy: &Proxy) {
    let mut client = Frames::begin(proxy);
    client.offer(crate::harness::h2::get(1));
    assert_eq!(client.status(1), 200);
}
