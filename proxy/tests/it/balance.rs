//! Which endpoint gets a request, what waits, what is sent again: with real origins that come and go.

mod hedge;
mod hold;
mod limits;
mod retry;
mod sticky;
mod ways;

use crate::harness::{Origin, Proxy, run};
use std::net::SocketAddr;

pub(super) const GET: &str = "GET / HTTP/1.1\r\nHost: t.test\r\n\r\n";
pub(super) const POST: &str = "POST / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 2\r\n\r\nok";
pub(super) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A port that nobody listens on, kept from others while the socket lives.
pub(super) fn dead() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// A proxy whose one route goes to a group of endpoints; `more` are further keys of the upstream, `rule` of the rule.
pub(super) fn group(workers: usize, endpoints: &[String], more: &str, rule: &str) -> Proxy {
    let list = endpoints.join(", ");
    let more = if more.is_empty() { String::new() } else { format!(", {more}") };
    let rule = if rule.is_empty() { String::new() } else { format!(", {rule}") };
    Proxy::start(
        workers,
        &format!("routes: {{ t.test: {{ to: g{rule} }} }}\nupstreams: {{ g: {{ endpoints: [{list}]{more} }} }}\n"),
    )
}

/// Puts another configuration in force, and returns when it is.
pub(super) fn reload(proxy: &Proxy, yaml: &str) {
    proxy.write_config(yaml);
    let output = run(proxy.dir().path(), &["reload", "-c", &proxy.config().display().to_string()]);
    assert!(output.status.success(), "{output:?}");
}

/// Origins that answer with their letter: a, b, c …
pub(super) fn letters(count: u8) -> Vec<Origin> {
    (0..count).map(|n| Origin::named(&char::from(b'a' + n).to_string())).collect()
}

pub(super) fn addresses(origins: &[Origin]) -> Vec<String> {
    origins.iter().map(Origin::address).collect()
}
