//! The admin plane: who may ask, what it answers, and that the data plane doesn't depend on it.

mod bars;
mod change;
mod counted;
mod drains;
mod guard;
mod look;
mod metrics;
mod registry;

use crate::harness::{Message, Proxy, Wire};
use serde_json::Value;

/// An admin plane on a port of its own.
const ADMIN: &str = "admin: 127.0.0.1:0\n";

/// One request over TCP, with header lines as given.
#[track_caller]
fn ask(proxy: &Proxy, line: &str, headers: &[&str]) -> Message {
    let mut wire = Wire::connect(proxy.admin());
    let host =
        if headers.iter().any(|h| h.to_ascii_lowercase().starts_with("host:")) { "" } else { "Host: localhost\r\n" };
    let headers: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
    wire.offer(format!("{line} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n"));
    wire.response()
}

/// One request with a body, bearing the token.
#[track_caller]
fn change(proxy: &Proxy, line: &str, body: &str) -> Message {
    let mut wire = Wire::connect(proxy.admin());
    wire.offer(format!(
        "{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        proxy.token(),
        body.len()
    ));
    wire.response()
}

#[track_caller]
fn json(message: &Message) -> Value {
    let text = String::from_utf8_lossy(&message.body).into_owned();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}
