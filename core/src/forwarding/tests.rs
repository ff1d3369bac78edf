//! Whole heads in, whole heads out. Tests are named after the cases of SECURITY.md.

mod cases;
mod chains;
mod responses;

use std::net::SocketAddr;

use super::*;
use crate::config::{Cidr, Forwarded};
use crate::http1::{HeadLimits, Progress, RequestHead, ResponseHead};
use crate::reason::Reason;

const PLAIN: Forwarded = Forwarded { x_forwarded: true, rfc7239: false, via: false };
const ALL: Forwarded = Forwarded { x_forwarded: true, rfc7239: true, via: true };
const OFF: Forwarded = Forwarded { x_forwarded: false, rfc7239: false, via: false };

/// The lines of [`stranger`], and those that every request gets.
const STRANGERS: &str = "x-forwarded-for: 203.0.113.9\r\nx-real-ip: 203.0.113.9\r\nx-forwarded-proto: http\r\n\
    x-forwarded-port: 8080\r\nx-forwarded-host: a.example\r\nx-request-id: id1\r\n\r\n";

fn limits() -> HeadLimits {
    HeadLimits { head: 32 << 10, field: 16 << 10, fields: 100, target: 8 << 10 }
}

fn peer(address: &str, trusted: bool, forwarded: Forwarded) -> Peer {
    let address: SocketAddr = address.parse().unwrap();
    let networks = networks();
    Peer::new(Some(address), Some(8080), Scheme::Http, if trusted { &networks } else { &[] }, forwarded)
}

fn stranger() -> Peer {
    peer("203.0.113.9:4711", false, PLAIN)
}

fn balancer() -> Peer {
    peer("10.0.0.1:4711", true, PLAIN)
}

/// 10.0.0.0/8 and fd00::/8.
fn networks() -> [Cidr; 2] {
    [Cidr { address: "10.0.0.0".parse().unwrap(), bits: 8 }, Cidr { address: "fd00::".parse().unwrap(), bits: 8 }]
}

/// A request as `examine` leaves it.
struct Passed {
    head: RequestHead,
    bytes: Vec<u8>,
    hop: Hop,
}

fn pass(text: &[u8], peer: &Peer) -> Result<Passed, Rejected> {
    let mut head = RequestHead::default();
    assert_eq!(head.parse(text, &limits()), Ok(Progress::Complete), "{}", text.escape_ascii());
    let networks = networks();
    let method = head.method.of(text);
    let arrival = Arrival { method, version: head.version, peer, trusted_proxies: &networks };
    let hop = examine(&mut head.fields, text, &arrival)?;
    Ok(Passed { head, bytes: text.to_vec(), hop })
}

impl Passed {
    fn plan(&self) -> RequestPlan<'_> {
        RequestPlan {
            edits: None,
            method: self.head.method.of(&self.bytes),
            target: self.head.target.of(&self.bytes),
            host: self.hop.host.unwrap_or_default().of(&self.bytes),
            framing: self.head.framing.into(),
            upgrade: None,
            request_id: b"id1",
            expect_continue: self.hop.expect_continue,
            close: false,
            version: self.head.version,
        }
    }

    fn write(&self, peer: &Peer, plan: &RequestPlan<'_>) -> String {
        let mut out = Vec::new();
        write_request(&mut out, &self.head.fields, &self.bytes, peer, &self.hop, plan);
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// The head that goes up for a GET of a.example with these lines.
fn sent(lines: &str, peer: &Peer) -> String {
    let passed = pass(format!("GET / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n").as_bytes(), peer).unwrap();
    passed.write(peer, &passed.plan())
}

/// Of a stranger's request with `lines`, `kept` go up, and then what the proxy says of a stranger.
#[track_caller]
fn check(lines: &str, kept: &str) {
    let expected = format!("GET / HTTP/1.1\r\nhost: a.example\r\n{kept}{STRANGERS}");
    assert_eq!(sent(lines, &stranger()), expected, "{lines:?}");
}

#[track_caller]
fn check_refused(lines: &str, peer: &Peer) {
    let text = format!("GET / HTTP/1.1\r\nHost: a.example\r\n{lines}\r\n");
    let refused = pass(text.as_bytes(), peer).err();
    assert_eq!(refused.map(|refused| refused.reason), Some(Reason::BadRequest), "{lines:?}");
}

/// A small generator, so that a failure can be repeated from its seed.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}
