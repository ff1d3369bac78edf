//! Answers: what ends at this hop, and what is said about body and connection.

use super::*;
use crate::message::Version;

const PLAN: ResponsePlan<'static> = ResponsePlan {
    lines: b"",
    status: 200,
    phrase: b"OK",
    framing: Framing::None,
    persistence: Persistence::Implied,
    upgrade: None,
    via: None,
    request_id: None,
};

fn answered(lines: &str, plan: &ResponsePlan<'_>) -> Result<String, Rejected> {
    let text = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
    let mut head = ResponseHead::default();
    assert_eq!(head.parse(text.as_bytes(), &limits()), Ok(Progress::Complete), "{lines:?}");
    examine_response(&mut head.fields, text.as_bytes())?;
    let mut out = Vec::new();
    write_response(&mut out, &head.fields, text.as_bytes(), plan);
    Ok(String::from_utf8(out).unwrap())
}

#[track_caller]
fn check(lines: &str, plan: &ResponsePlan<'_>, expected: &str) {
    assert_eq!(answered(lines, plan).as_deref(), Ok(expected), "{lines:?}");
}

#[test]
fn what_an_upstream_says_of_itself_passes() {
    let lines = "Server: Werkzeug/3\r\nDate: now\r\nX_Odd.name: 1\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\
        X-Request-Id: theirs\r\nX-Switchboard-Reason: inner\r\n";
    check(lines, &PLAN, &format!("HTTP/1.1 200 OK\r\n{lines}\r\n"));
}

#[test]
fn case_062_nominated_fields_of_answers() {
    check(
        "Connection: close, X-Debug\r\nX-Debug: 1\r\nA: b\r\nx-debug: 2\r\n",
        &PLAN,
        "HTTP/1.1 200 OK\r\nA: b\r\n\r\n",
    );
}

#[test]
fn case_064_an_answer_that_nominates_what_it_must_not() {
    for name in ["Content-Length", "transfer-encoding", "Set-Cookie", "Cache-Control", "Content-Type"] {
        let refused = answered(&format!("Connection: {name}\r\n"), &PLAN).unwrap_err();
        assert_eq!(refused.reason, Reason::UpstreamBadResponse, "{name}");
    }
}

#[test]
fn case_067_hop_by_hop_fields_of_answers() {
    let lines = "Keep-Alive: timeout=5\r\nConnection: keep-alive\r\nProxy-Connection: close\r\nA: b\r\n\
        Upgrade: h2c\r\nProxy-Authenticate: Basic\r\nProxy-Authentication-Info: x\r\n";
    check(lines, &PLAN, "HTTP/1.1 200 OK\r\nA: b\r\n\r\n");
}

#[test]
fn case_102_a_200_that_speaks_of_an_upgrade_is_an_ordinary_answer() {
    check("Upgrade: websocket\r\nConnection: Upgrade\r\n", &PLAN, "HTTP/1.1 200 OK\r\n\r\n");
}

#[test]
fn a_verified_101_names_its_protocol() {
    let plan = ResponsePlan { status: 101, phrase: b"Switching Protocols", upgrade: Some(b"websocket"), ..PLAN };
    let plan = ResponsePlan { persistence: Persistence::Close, ..plan };
    let expected = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n\
        connection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let lines =
        "Upgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: chat\r\n";
    check(lines, &plan, expected);
}

#[test]
fn body_and_connection_are_the_plans_to_say() {
    let lines = "Content-Length: 007\r\nA: b\r\n";
    for (framing, persistence, said) in [
        (Framing::None, Persistence::Implied, ""),
        (Framing::None, Persistence::Close, "connection: close\r\n"),
        (Framing::Length(7), Persistence::Implied, "content-length: 7\r\n"),
        (Framing::Length(u64::MAX), Persistence::Implied, "content-length: 18446744073709551615\r\n"),
        (Framing::Length(0), Persistence::KeepAlive, "content-length: 0\r\nconnection: keep-alive\r\n"),
        (Framing::Chunked, Persistence::Implied, "transfer-encoding: chunked\r\n"),
    ] {
        let plan = ResponsePlan { framing, persistence, ..PLAN };
        check(lines, &plan, &format!("HTTP/1.1 200 OK\r\nA: b\r\n{said}\r\n"));
    }
    let declared = ResponsePlan { framing: Framing::Declared, ..PLAN };
    check("Content-Length: 12\r\nA: b\r\n", &declared, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\nA: b\r\n\r\n");
    check("Transfer-Encoding: chunked\r\nA: b\r\n", &declared, "HTTP/1.1 200 OK\r\nA: b\r\n\r\n");
}

#[test]
fn an_id_and_via_are_added_where_wanted() {
    let plan = ResponsePlan { status: 404, phrase: b"", via: Some(Version::Http10), request_id: Some(b"id1"), ..PLAN };
    let expected = "HTTP/1.1 404 \r\nVia: 1.1 app\r\nvia: 1.0 switchboard\r\nx-request-id: id1\r\n\r\n";
    check("X-Request-ID: theirs\r\nVia: 1.1 app\r\n", &plan, expected);
}

#[test]
fn persistence_of_answers_is_read() {
    for (lines, close, keep_alive) in [
        ("", false, false),
        ("Connection: Keep-Alive\r\n", false, true),
        ("Connection: x\r\nConnection: Close\r\n", true, false),
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        let mut head = ResponseHead::default();
        assert_eq!(head.parse(text.as_bytes(), &limits()), Ok(Progress::Complete));
        let hop = examine_response(&mut head.fields, text.as_bytes()).unwrap();
        assert_eq!((hop.close, hop.keep_alive), (close, keep_alive), "{lines:?}");
    }
}
