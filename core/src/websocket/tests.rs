//! Handshakes as bytes, named after the cases of SECURITY.md.

use super::*;
use crate::config::Forwarded;
use crate::forwarding::{self, Arrival, Peer, Scheme};
use crate::http1::{HeadLimits, Progress, RequestHead, ResponseHead};

const LIMITS: HeadLimits = HeadLimits { head: 32 << 10, field: 16 << 10, fields: 100, target: 8 << 10 };

/// The example of RFC 6455 §1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const FIELDS: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn agreed() -> Upgrade {
    Upgrade::WebSocket(accept(KEY.as_bytes()))
}

/// What the `Upgrade` of a request comes to, with `allowed` in the rule; `None` where it is refused.
fn asked(line: &str, fields: &str, allowed: &[String]) -> Option<Upgrade> {
    let text = format!("{line}\r\nHost: a\r\n{fields}\r\n");
    let bytes = text.as_bytes();
    let mut head = RequestHead::default();
    assert_eq!(head.parse(bytes, &LIMITS), Ok(Progress::Complete), "{text}");
    let forwarded = Forwarded { x_forwarded: true, rfc7239: false, via: false };
    let peer = Peer::new(None, None, Scheme::Http, &[], forwarded);
    let (method, version) = (head.method.of(bytes), head.version);
    let arrival = Arrival { method, version, peer: &peer, trusted_proxies: &[] };
    let hop = forwarding::examine(&mut head.fields, bytes, &arrival).unwrap();
    let request = Handshake { method, version, framing: head.framing.into() };
    match examine(&head.fields, bytes, &hop, &request, allowed) {
        Ok(upgrade) => Some(upgrade),
        Err(refused) => {
            assert_eq!(refused.reason, Reason::BadRequest);
            None
        }
    }
}

#[track_caller]
fn check_request(line: &str, fields: &str, expected: Option<Upgrade>) {
    let allowed = ["websocket".to_owned(), "foo".to_owned()];
    assert_eq!(asked(line, fields, &allowed), expected, "{line} {fields:?}");
}

#[track_caller]
fn check_101(lines: &str, upgrade: &Upgrade, expected: Result<(), UpgradeFault>) {
    let text = format!("HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n");
    let mut head = ResponseHead::default();
    assert_eq!(head.parse(text.as_bytes(), &LIMITS), Ok(Progress::Complete));
    forwarding::examine_response(&mut head.fields, text.as_bytes()).unwrap();
    assert_eq!(verify_101(&head.fields, text.as_bytes(), upgrade), expected, "{lines:?}");
}

#[test]
fn the_accept_of_the_rfc() {
    assert_eq!(accept(KEY.as_bytes()), ACCEPT.as_bytes());
    // Hashed as it stands, so its form is the upstream's to judge.
    assert_ne!(accept(b"x"), accept(b"y"));
}

#[test]
fn a_handshake_is_found() {
    check_request("GET /ws HTTP/1.1", FIELDS, Some(agreed()));
    check_request("GET /ws HTTP/1.1", &FIELDS.to_uppercase().replace(&KEY.to_uppercase(), KEY), Some(agreed()));
    let odd = FIELDS.replace(KEY, "no base64!");
    check_request("GET /ws HTTP/1.1", &odd, Some(Upgrade::WebSocket(accept(b"no base64!"))));
    check_request("GET /ws HTTP/1.1", &format!("Content-Length: 0\r\n{FIELDS}"), Some(agreed()));
}

#[test]
fn case_105_other_offers_come_to_nothing() {
    for token in
        ["h2c", "h2", "proto1, websocket", "websocket, websocket", "websocket/13", "websockets", "\"websocket\"", ""]
    {
        let fields = FIELDS.replace("Upgrade: websocket", &format!("Upgrade: {token}"));
        check_request("GET / HTTP/1.1", &fields, Some(Upgrade::None));
    }
    check_request("GET / HTTP/1.1", &format!("{FIELDS}Upgrade: foo\r\n"), Some(Upgrade::None));
    check_request("GET / HTTP/1.1", &FIELDS.replace("Connection: Upgrade", "Connection: close"), Some(Upgrade::None));
    // What a rule does not list is no handshake there, and so is not judged as one.
    assert_eq!(asked("POST / HTTP/1.1", FIELDS, &[]), Some(Upgrade::None));
    assert_eq!(asked("GET / HTTP/1.1", FIELDS, &["foo".to_owned()]), Some(Upgrade::None));
}

#[test]
fn other_protocols_of_the_rule() {
    let fields = "Connection: Upgrade\r\nUpgrade: Foo\r\n";
    check_request("POST / HTTP/1.1", fields, Some(Upgrade::Other("foo".into())));
    // RFC 9110 §7.8: to be ignored.
    check_request("GET / HTTP/1.0", fields, Some(Upgrade::None));
}

#[test]
fn case_106_a_handshake_of_the_wrong_kind() {
    check_request("GET / HTTP/1.0", FIELDS, None);
    for method in ["POST", "HEAD", "OPTIONS", "get"] {
        check_request(&format!("{method} / HTTP/1.1"), FIELDS, None);
    }
    check_request("GET / HTTP/1.1", &format!("{FIELDS}Content-Length: 1\r\n"), None);
    check_request("GET / HTTP/1.1", &format!("{FIELDS}Transfer-Encoding: chunked\r\n"), None);
}

#[test]
fn case_107_key_and_version() {
    let (key, version) = (format!("Sec-WebSocket-Key: {KEY}\r\n"), "Sec-WebSocket-Version: 13\r\n");
    check_request("GET / HTTP/1.1", &FIELDS.replace(&key, ""), None);
    check_request("GET / HTTP/1.1", &FIELDS.replace(KEY, ""), None);
    check_request("GET / HTTP/1.1", &format!("{FIELDS}{key}"), None);
    check_request("GET / HTTP/1.1", &FIELDS.replace(version, ""), None);
    check_request("GET / HTTP/1.1", &format!("{FIELDS}{version}"), None);
    // Another version is the upstream's to answer, with 426 and the versions that it speaks.
    check_request("GET / HTTP/1.1", &FIELDS.replace("13", "8"), Some(agreed()));
}

#[test]
fn case_103_a_101_that_proves_nothing() {
    let good = format!("Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n");
    check_101(&good, &agreed(), Ok(()));
    check_101(
        &good.replace("Connection: keep-alive, upgrade", "Connection: a\r\nConnection: UPGRADE"),
        &agreed(),
        Ok(()),
    );
    for (from, to, fault) in [
        ("Upgrade: WebSocket\r\n", "", UpgradeFault::Token),
        ("Upgrade: WebSocket\r\n", "Upgrade: websocket\r\nUpgrade: websocket\r\n", UpgradeFault::Token),
        ("WebSocket\r\n", "websocket, foo\r\n", UpgradeFault::Token),
        ("WebSocket\r\n", "h2c\r\n", UpgradeFault::Token),
        ("upgrade\r\n", "upgraded\r\n", UpgradeFault::Connection),
        ("Connection: keep-alive, upgrade\r\n", "", UpgradeFault::Connection),
        ("Accept: s3", "Accept: S3", UpgradeFault::Accept),
        ("Sec-WebSocket-Accept", "Sec-WebSocket-Accepted", UpgradeFault::Accept),
        (ACCEPT, "", UpgradeFault::Accept),
        (ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo", UpgradeFault::Accept),
    ] {
        assert!(good.contains(from), "{from:?} is replaced");
        check_101(&good.replace(from, to), &agreed(), Err(fault));
        assert!(fault.detail().ends_with('.'));
    }
    check_101(&format!("{good}Sec-WebSocket-Accept: {ACCEPT}\r\n"), &agreed(), Err(UpgradeFault::Accept));
    // What was not asked for is not judged: the client fails such a connection itself.
    check_101(&format!("{good}Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x\r\n"), &agreed(), Ok(()));
    // Another protocol proves itself by its token alone.
    check_101("Upgrade: foo\r\nConnection: upgrade\r\n", &Upgrade::Other("foo".into()), Ok(()));
    check_101(&good, &Upgrade::Other("foo".into()), Err(UpgradeFault::Token));
}

#[test]
fn case_104_a_101_that_nobody_asked_for() {
    let good = format!("Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n");
    check_101(&good, &Upgrade::None, Err(UpgradeFault::Unasked));
}

#[test]
fn the_token_is_ours() {
    assert_eq!(agreed().token(), Some(b"websocket".as_slice()));
    assert_eq!(Upgrade::Other("foo".into()).token(), Some(b"foo".as_slice()));
    assert_eq!(Upgrade::None.token(), None);
}

#[test]
fn no_answer_panics_and_none_but_the_right_one_is_taken() {
    let pieces: &[&str] = &[
        "Upgrade: ",
        "Connection: ",
        "websocket",
        "upgrade",
        "Sec-WebSocket-Accept: ",
        ACCEPT,
        "\r\n",
        "\r\n",
        "\r\n",
        ",",
        " ",
        "x: y",
        "=",
        "Proxy-Authenticate: ",
        "Content-Length: 1",
    ];
    let mut state = 1_u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    for _ in 0..20_000 {
        let lines: String = (0..below(20)).map(|_| pieces[below(pieces.len())]).collect();
        let text = format!("HTTP/1.1 101 \r\n{lines}\r\n\r\n");
        let mut head = ResponseHead::default();
        if head.parse(text.as_bytes(), &LIMITS) == Ok(Progress::Complete) {
            let examined = forwarding::examine_response(&mut head.fields, text.as_bytes());
            if examined.is_ok() && verify_101(&head.fields, text.as_bytes(), &agreed()).is_ok() {
                assert!(text.contains(ACCEPT), "{text:?}");
                assert!(text.contains("Connection: ") && text.contains("Upgrade: "), "{text:?}");
            }
        }
    }
}
