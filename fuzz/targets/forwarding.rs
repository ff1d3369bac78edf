//! Heads on their way through: what is written parses, frames the body alike, and carries nothing that it must not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_core::config::Forwarded;
use switchboard_core::forwarding::{
    Arrival, Framing, Peer, Persistence, RequestPlan, ResponsePlan, Scheme, examine, examine_response, write_request,
    write_response,
};
use switchboard_core::http1::{HeadLimits, Progress, RequestHead, ResponseHead};
use switchboard_core::message::{Fields, Version};
use switchboard_fuzz::{LIMITS, values};

/// What the proxy adds must fit as well.
const WIDE: HeadLimits = HeadLimits { head: 8192, field: 4096, fields: 100, target: 100 };

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"HTTP/") {
        response(bytes);
    } else {
        request(bytes);
    }
});

fn request(bytes: &[u8]) {
    let mut head = RequestHead::default();
    if head.parse(bytes, &LIMITS) != Ok(Progress::Complete) {
        return;
    }
    let address = "203.0.113.9:4711".parse().expect("an address");
    let forwarded = Forwarded { x_forwarded: true, rfc7239: false, via: true };
    let peer = Peer::new(Some(address), Some(80), Scheme::Http, &[], forwarded);
    let method = head.method.of(bytes);
    let arrival = Arrival { method, version: head.version, peer: &peer, trusted_proxies: &[] };
    let Ok(hop) = examine(&mut head.fields, bytes, &arrival) else { return };
    let plan = RequestPlan {
        edits: None,
        method,
        target: head.target.of(bytes),
        host: b"upstream.example",
        framing: head.framing.into(),
        upgrade: None,
        request_id: b"id",
        expect_continue: hop.expect_continue,
        close: false,
        version: head.version,
    };
    let mut out = Vec::new();
    write_request(&mut out, &head.fields, bytes, &peer, &hop, &plan);

    let mut sent = RequestHead::default();
    assert_eq!(sent.parse(&out, &WIDE), Ok(Progress::Complete), "{}", out.escape_ascii());
    assert_eq!((sent.len, sent.framing, sent.version), (out.len(), head.framing, Version::Http11));
    assert!(sent.keep_alive && !sent.upgrade);
    assert_eq!(sent.expect_continue, head.expect_continue);
    assert_eq!((sent.method.of(&out), sent.target.of(&out)), (method, head.target.of(bytes)));
    assert_eq!(values(&sent.fields, &out, b"host"), [b"upstream.example"]);
    for name in ["x-forwarded-for", "x-real-ip"] {
        assert_eq!(values(&sent.fields, &out, name.as_bytes()), [b"203.0.113.9"], "{name}");
    }
    for (name, value) in [("x-forwarded-proto", "http"), ("x-forwarded-port", "80"), ("x-request-id", "id")] {
        assert_eq!(values(&sent.fields, &out, name.as_bytes()), [value.as_bytes()], "{name}");
    }
    for name in
        ["forwarded", "proxy", "upgrade", "keep-alive", "proxy-connection", "proxy-authorization", "http2-settings"]
    {
        assert!(values(&sent.fields, &out, name.as_bytes()).is_empty(), "{name}");
    }
    assert_nothing_nominated_passes(&head.fields, bytes, &sent.fields, &out);
}

fn response(bytes: &[u8]) {
    let mut head = ResponseHead::default();
    if head.parse(bytes, &LIMITS) != Ok(Progress::Complete) || examine_response(&mut head.fields, bytes).is_err() {
        return;
    }
    let framing = head.framing(b"GET").expect("it was parsed");
    let plan = ResponsePlan {
        lines: b"",
        status: head.status,
        phrase: head.reason.of(bytes),
        framing: Framing::from(framing),
        persistence: Persistence::Implied,
        upgrade: None,
        via: None,
        request_id: Some(b"id"),
    };
    let mut out = Vec::new();
    write_response(&mut out, &head.fields, bytes, &plan);
    let mut sent = ResponseHead::default();
    assert_eq!(sent.parse(&out, &WIDE), Ok(Progress::Complete), "{}", out.escape_ascii());
    assert_eq!((sent.len, sent.status, sent.framing(b"GET")), (out.len(), head.status, Ok(framing)));
    assert!(sent.keep_alive && !sent.upgrade);
    assert_eq!(values(&sent.fields, &out, b"x-request-id"), [b"id"]);
    assert_nothing_nominated_passes(&head.fields, bytes, &sent.fields, &out);
}

/// What `Connection` names is for this hop alone, unless the proxy says it anew.
fn assert_nothing_nominated_passes(came: &Fields, bytes: &[u8], sent: &Fields, out: &[u8]) {
    const OURS: [&str; 12] = [
        "te",
        "via",
        "host",
        "max-forwards",
        "transfer-encoding",
        "content-length",
        "connection",
        "x-request-id",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-forwarded-host",
    ];
    for line in values(came, bytes, b"connection") {
        for option in line.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty()) {
            let ours = OURS.iter().any(|name| option.eq_ignore_ascii_case(name.as_bytes()));
            if !ours && !option.eq_ignore_ascii_case(b"x-real-ip") {
                assert!(values(sent, out, option).is_empty(), "{} passed", option.escape_ascii());
            }
        }
    }
}
