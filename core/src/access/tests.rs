//! Whole lines in both forms, and that no input breaks them.

use super::*;

fn record() -> Record<'static> {
    Record {
        time: *b"2026-11-21T10:25:39.123Z",
        request_id: b"00112233445566778899aabbccddeeff",
        trace: None,
        client: Some(IpAddr::from([192, 0, 2, 7])),
        route: "a.localhost/api",
        upstream: "api",
        endpoint: "127.0.0.1:3001",
        attempt: 1,
        method: b"GET",
        host: b"a.localhost:8080",
        path: b"/api/x",
        query: b"page=2&token=abc",
        protocol: "HTTP/1.1",
        tls: "",
        sni: b"",
        status: 200,
        upstream_status: 200,
        detail: "",
        cache: "",
        reason: "",
        bytes_in: 0,
        bytes_out: 5120,
        total: Duration::from_micros(1_234),
        connect: Some(Duration::from_micros(95)),
        first_byte: Some(Duration::from_micros(1_001)),
        upstream_total: Some(Duration::from_micros(1_200)),
        user_agent: b"curl/8.5.0",
        tunnel: None,
        ended_by: None,
    }
}

/// The least of an exchange: no route, no upstream, hardly a request.
fn bare() -> Record<'static> {
    Record {
        route: "",
        upstream: "",
        endpoint: "",
        attempt: 0,
        query: b"",
        status: 400,
        upstream_status: 0,
        detail: "",
        cache: "",
        reason: "bad_request",
        connect: None,
        first_byte: None,
        upstream_total: None,
        user_agent: b"",
        ..record()
    }
}

fn json(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    record.write_json(&Redact::default(), &mut out);
    String::from_utf8(out).unwrap()
}

fn text(record: &Record<'_>, colours: bool) -> String {
    let mut out = Vec::new();
    record.write_text(&Redact::default(), colours, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn json_line() {
    let expect = concat!(
        r#"{"time":"2026-11-21T10:25:39.123Z","request_id":"00112233445566778899aabbccddeeff","#,
        r#""client":"192.0.2.7","method":"GET","host":"a.localhost:8080","path":"/api/x","#,
        r#""query":"page=2&token=***","protocol":"HTTP/1.1","status":200,"route":"a.localhost/api","#,
        r#""upstream":"api","endpoint":"127.0.0.1:3001","attempt":1,"upstream_status":200,"bytes_in":0,"#,
        r#""bytes_out":5120,"total_ms":1.234,"connect_ms":0.095,"first_byte_ms":1.001,"upstream_ms":1.200,"#,
        r#""user_agent":"curl/8.5.0"}"#,
        "\n"
    );
    assert_eq!(json(&record()), expect);
}

#[test]
fn json_line_of_an_exchange_that_went_nowhere() {
    let expect = concat!(
        r#"{"time":"2026-11-21T10:25:39.123Z","request_id":"00112233445566778899aabbccddeeff","#,
        r#""client":"192.0.2.7","method":"GET","host":"a.localhost:8080","path":"/api/x","#,
        r#""protocol":"HTTP/1.1","status":400,"reason":"bad_request","bytes_in":0,"bytes_out":5120,"total_ms":1.234}"#,
        "\n"
    );
    assert_eq!(json(&bare()), expect);
    let line = json(&Record { detail: "It has two \"Host\" lines.", ..bare() });
    assert!(line.contains(r#""reason":"bad_request","detail":"It has two \"Host\" lines.","bytes_in":0"#), "{line}");
}

#[test]
fn json_line_of_a_tunnel() {
    let tunnel = Tunnel { kind: "websocket", duration: Duration::from_secs(90), lag: Duration::ZERO, frames: None };
    let line = json(&Record { status: 101, tunnel: Some(tunnel), ended_by: Some(Side::Client), ..record() });
    let end = r#","tunnel":"websocket","tunnel_ms":90000.000,"ended_by":"client"}"#;
    assert!(line.trim_end().ends_with(end), "{line}");
}

#[test]
fn text_line() {
    let id = "00112233445566778899aabbccddeeff";
    let check = |record: &Record<'_>, expect: &str| assert_eq!(text(record, false), format!("{expect} {id}\n"));
    check(&record(), "10:25:39.123 200     1.234 ms GET  a.localhost:8080/api/x?page=2&token=*** -> 127.0.0.1:3001");
    check(&bare(), "10:25:39.123 400     1.234 ms GET  a.localhost:8080/api/x bad_request");
    let second = Record { attempt: 2, method: b"OPTIONS", query: b"", total: Duration::from_secs(3600), ..record() };
    check(&second, "10:25:39.123 200 3600000.000 ms OPTIONS a.localhost:8080/api/x -> 127.0.0.1:3001 (attempt 2)");
    let tunnel = Tunnel { kind: "websocket", duration: Duration::from_secs(90), lag: Duration::ZERO, frames: None };
    let tunnel = Record { query: b"", tunnel: Some(tunnel), ended_by: Some(Side::Proxy), ..record() };
    check(
        &tunnel,
        "10:25:39.123 200     1.234 ms GET  a.localhost:8080/api/x -> 127.0.0.1:3001 websocket in 0 out 5120 ended by proxy",
    );
}

#[test]
fn colours_surround_and_change_nothing_else() {
    let coloured = text(&record(), true);
    let mut plain = coloured.clone();
    for code in ["\x1b[32m", "\x1b[2m", "\x1b[0m"] {
        assert!(plain.contains(code), "{coloured:?}");
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, text(&record(), false));
}

#[test]
fn case_185_no_input_breaks_a_line() {
    let hostile: &[&[u8]] =
        &[b"\r\nX: 1", b"\x1b[2J", b"\"}\n{\"", b"\\", b"\xff\xfe", b"\0", "\u{202e}\u{2028}".as_bytes()];
    for bytes in hostile {
        let written = String::from_utf8_lossy(bytes).into_owned();
        let record = Record {
            request_id: bytes,
            route: &written,
            upstream: &written,
            endpoint: &written,
            method: bytes,
            host: bytes,
            path: bytes,
            query: bytes,
            user_agent: bytes,
            tunnel: Some(Tunnel { kind: &written, duration: Duration::ZERO, lag: Duration::ZERO, frames: None }),
            ..record()
        };
        for line in [json(&record), text(&record, false)] {
            let inside = line.strip_suffix('\n').unwrap();
            assert!(inside.chars().all(|c| !c.is_control() && c != '\u{202e}' && c != '\u{2028}'), "{line:?}");
        }
        assert_json_object(&json(&record));
    }
}

/// Checks that a line is one flat JSON object, by the grammar of RFC 8259 as far as lines use it.
fn assert_json_object(line: &str) {
    let mut rest = line.strip_prefix('{').expect("an object");
    loop {
        rest = string(rest).strip_prefix(':').expect("a colon");
        rest = match rest.strip_prefix(|c: char| c.is_ascii_digit()) {
            Some(number) => number.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'),
            None => string(rest),
        };
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => break,
        }
    }
    assert_eq!(rest, "}\n", "{line}");
}

fn string(text: &str) -> &str {
    let mut rest = text.strip_prefix('"').expect("a string");
    loop {
        let at = rest.find(['"', '\\']).expect("an end of the string");
        let (found, after) = rest.split_at(at);
        assert!(found.chars().all(|c| c >= ' '), "a bare control character in {text:?}");
        match after.strip_prefix('"') {
            Some(end) => return end,
            None => rest = escaped(after),
        }
    }
}

fn escaped(text: &str) -> &str {
    match text.get(1..2) {
        Some("u") => {
            let digits = text.get(2..6).expect("four digits");
            assert!(digits.chars().all(|c| c.is_ascii_hexdigit()), "{text:?}");
            &text[6..]
        }
        Some("\"" | "\\" | "n" | "r" | "t") => &text[2..],
        other => panic!("an escape {other:?} in {text:?}"),
    }
}
