//! Responses: cases 37 and 39, status lines, and when the server keeps the connection.

use super::*;

/// Asserts what becomes of a response with this status line.
fn check(line: impl AsRef<[u8]>, expect: Result<(u16, &[u8], Version), HeadError>) {
    let bytes = [line.as_ref(), b"\r\nServer: a\r\n\r\n"].concat();
    let seen = response(&bytes).map(|head| (head.status, head.reason.of(&bytes).to_vec(), head.version));
    assert_eq!(
        seen,
        expect.map(|(status, reason, version)| (status, reason.to_vec(), version)),
        "{}",
        bytes.escape_ascii()
    );
}

/// The framing of an answer to GET.
fn framing(first: &str, lines: &str) -> Result<Framing, HeadError> {
    response(format!("{first}\r\n{lines}\r\n"))?.framing(b"GET")
}

#[test]
fn a_status_line_is_taken_apart() {
    check("HTTP/1.1 200 OK", Ok((200, b"OK", Version::Http11)));
    check("HTTP/1.0 404 Not\tFound ", Ok((404, b"Not\tFound ", Version::Http10)));
    check("HTTP/1.2 999 ", Ok((999, b"", Version::Http11)));
    check("HTTP/1.1 200", Ok((200, b"", Version::Http11)));
    check(b"HTTP/1.1 200 \xE9", Ok((200, b"\xE9", Version::Http11)));
}

#[test]
fn status_lines_that_are_wrong() {
    for line in [
        "",
        "200 OK",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 20 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 099 X",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200\tOK",
        "HTTP/1 200 OK",
        "ICY 200 OK",
        "http/1.1 200 OK",
        " HTTP/1.1 200 OK",
        "\r\nHTTP/1.1 200 OK",
    ] {
        check(line, Err(HeadError::BadStatusLine));
    }
    check("HTTP/2.0 200 OK", Err(HeadError::UnsupportedVersion));
    check("HTTP/1.1 200 O\0K", Err(HeadError::BadReason));
    check("HTTP/1.1 200 O\rK", Err(HeadError::BareCr));
    check("HTTP/1.1 200 OK\nX: y", Err(HeadError::BareLf));
    check("HTTP/1.1 200\nX: y", Err(HeadError::BareLf));
    check(format!("HTTP/1.1 200 {}", "x".repeat(16 << 10)), Err(HeadError::FieldTooLong));
}

#[test]
fn case_037_framing_that_contradicts_itself() {
    let first = "HTTP/1.1 200 OK";
    let cases = [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", HeadError::LengthAndTransferEncoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", HeadError::LengthAndTransferEncoding),
        ("Content-Length: x\r\n", HeadError::BadLength),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", HeadError::RepeatedLength),
        ("Transfer-Encoding: gzip\r\n", HeadError::BadTransferEncoding),
        ("Transfer-Encoding: chunked, gzip\r\n", HeadError::BadTransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", HeadError::RepeatedTransferEncoding),
        ("X: a\r\n b\r\n", HeadError::ObsFold),
    ];
    for (lines, error) in cases {
        assert_eq!(framing(first, lines), Err(error), "{lines}");
    }
    let chunked = "Transfer-Encoding: chunked\r\n";
    assert_eq!(framing("HTTP/1.0 200 OK", chunked), Err(HeadError::TransferEncodingIn10));
    assert_eq!(framing(first, chunked), Ok(Framing::Chunked));
    assert_eq!(framing(first, "Content-Length: 5\r\n"), Ok(Framing::Length(5)));
    assert_eq!(framing(first, ""), Ok(Framing::Close));
    assert_eq!(framing("HTTP/1.0 200 OK", ""), Ok(Framing::Close));
}

#[test]
fn case_039_answers_that_have_no_body() {
    for lines in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        for status in [100, 101, 103, 199, 204, 304] {
            let head = response(format!("HTTP/1.1 {status} X\r\n{lines}\r\n")).unwrap();
            assert_eq!(head.framing(b"GET"), Ok(Framing::None), "{status} {lines}");
        }
        for status in [200, 404, 205, 206, 500] {
            let head = response(format!("HTTP/1.1 {status} X\r\n{lines}\r\n")).unwrap();
            assert_eq!(head.framing(b"HEAD"), Ok(Framing::None), "{status} {lines}");
            assert_ne!(head.framing(b"GET"), Ok(Framing::None), "{status} {lines}");
            assert_ne!(head.framing(b"head"), Ok(Framing::None), "{status} {lines}");
        }
    }
}

#[test]
fn case_039_who_frames_a_body_that_cannot_be_is_not_kept() {
    let cases = [
        (204, "", true),
        (204, "Content-Length: 0\r\n", true),
        (204, "Content-Length: 5\r\n", false),
        (204, "Transfer-Encoding: chunked\r\n", false),
        (304, "Content-Length: 5\r\n", true),
        (200, "Content-Length: 5\r\n", true),
        (200, "Connection: close\r\n", false),
    ];
    for (status, lines, keep_alive) in cases {
        let head = response(format!("HTTP/1.1 {status} X\r\n{lines}\r\n")).unwrap();
        assert_eq!(head.keep_alive, keep_alive, "{status} {lines}");
    }
}

#[test]
fn http_1_0_servers_are_kept_only_where_they_say_so() {
    for (lines, keep_alive) in [("", false), ("Connection: keep-alive\r\n", true), ("Connection: close\r\n", false)] {
        let head = response(format!("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n{lines}\r\n")).unwrap();
        assert_eq!(head.keep_alive, keep_alive, "{lines}");
    }
}

#[test]
fn a_switch_of_protocols_is_seen() {
    let head = response("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n").unwrap();
    assert!(head.upgrade);
    assert!(!response("HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n").unwrap().upgrade);
}

#[test]
fn odd_connection_options_of_servers_are_passed_over() {
    let head = response("HTTP/1.1 200 OK\r\nConnection: timeout=5, close\r\n\r\n").unwrap();
    assert!(!head.keep_alive);
    let many = format!("HTTP/1.1 200 OK\r\nConnection: {}\r\n\r\n", "a,".repeat(33));
    assert_eq!(response(many).map(|head| head.len), Err(HeadError::TooManyConnectionOptions));
}
