//! Request lines: cases 20, 21 and 51 to 59, and what is refused before the line is whole.

use super::*;

/// Asserts what becomes of a request whose first line is `line`.
fn check(line: impl AsRef<[u8]>, expect: Result<(&str, &str, Version), HeadError>) {
    let bytes = [line.as_ref(), b"\r\nHost: a\r\n\r\n"].concat();
    let seen = request(&bytes)
        .map(|head| (head.method.of(&bytes).to_owned(), head.target.of(&bytes).to_owned(), head.version));
    let expect = expect.map(|(method, target, version)| (method.into(), target.into(), version));
    assert_eq!(seen, expect, "{}", bytes.escape_ascii());
}

#[test]
fn a_request_line_is_taken_apart() {
    check("GET / HTTP/1.1", Ok(("GET", "/", Version::Http11)));
    check("GET http://a/?b HTTP/1.0", Ok(("GET", "http://a/?b", Version::Http10)));
    check("OPTIONS * HTTP/1.1", Ok(("OPTIONS", "*", Version::Http11)));
    check("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1", Ok(("!#$%&'*+-.^_`|~09azAZ", "/", Version::Http11)));
}

#[test]
fn case_020_cr_only_line_ends() {
    refuse_at_last_byte(b"GET / HTTP/1.1\rH", HeadError::BareCr);
    refuse_at_last_byte(b"GET / HTTP/1.1\r\nHost: a\r\r", HeadError::BareCr);
    refuse_at_last_byte(b"GET / HTTP/1.1\r\nHost: a\r\n\rX", HeadError::BareCr);
}

#[test]
fn case_021_blank_lines_before_the_request_line() {
    let bytes = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let head = request(bytes).unwrap();
    assert_eq!((head.len, head.method.of(bytes)), (bytes.len(), &b"GET"[..]));
    refuse_at_last_byte(b"\r\n\r", HeadError::LeadingBlankLines);
    refuse_at_last_byte(b"\r\n\n", HeadError::LeadingBlankLines);
    refuse_at_last_byte(b"\n", HeadError::BareLf);
    refuse_at_last_byte(b"\rG", HeadError::BareCr);
}

#[test]
fn case_052_raw_bytes_in_the_target() {
    for byte in (0..=0x20).chain(0x7F..=0xFF) {
        let error = match byte {
            b' ' => continue,
            b'\r' | b'\n' => HeadError::NoVersion,
            _ => HeadError::BadTarget,
        };
        refuse_at_last_byte(&[b"GET /a".as_slice(), &[byte]].concat(), error);
        // Wherever the byte stands in a block of the scanner.
        for before in [0, 8, 14, 15, 16, 17, 33] {
            let line = [b"GET /".as_slice(), &vec![b'a'; before], &[byte], b"b HTTP/1.1"].concat();
            check(line, Err(error));
        }
    }
}

#[test]
fn case_053_tabs_and_double_spaces() {
    check("GET  / HTTP/1.1", Err(HeadError::DoubleSpace));
    check("GET /  HTTP/1.1", Err(HeadError::DoubleSpace));
    check("GET\t/ HTTP/1.1", Err(HeadError::BadMethod));
    check("GET /\tHTTP/1.1", Err(HeadError::BadTarget));
    check(" GET / HTTP/1.1", Err(HeadError::BadMethod));
    check("GET / HTTP/1.1 ", Err(HeadError::BadVersion));
    check("GET / HTTP/1.1\t", Err(HeadError::BadVersion));
    check("GET /a b HTTP/1.1", Err(HeadError::BadVersion));
}

#[test]
fn case_054_versions_that_are_not_written_as_they_must_be() {
    for version in [
        "HTTP/1",
        "HTTP/01.1",
        "http/1.1",
        "HTTP/1.1 x",
        "HTTP/1.",
        "HTTP/1.10",
        "HTTP/11.1",
        "HTTP/a.1",
        "HTTP/1,1",
        "HTTPS/1.1",
        "HTTP 1.1",
        "FTP/1.1",
        "HTTP/-1.1",
        "HTTP/1.x",
        "HTTP/2",
    ] {
        check(format!("GET / {version}"), Err(HeadError::BadVersion));
    }
}

#[test]
fn case_055_a_higher_minor_version_is_1_1() {
    for minor in 1..=9 {
        check(format!("GET / HTTP/1.{minor}"), Ok(("GET", "/", Version::Http11)));
    }
}

#[test]
fn case_056_other_major_versions_and_none() {
    for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/9.9"] {
        check(format!("GET / {version}"), Err(HeadError::UnsupportedVersion));
    }
    check("PRI * HTTP/2.0", Err(HeadError::UnsupportedVersion));
    check("GET /", Err(HeadError::NoVersion));
    check("GET / ", Err(HeadError::NoVersion));
    check("GET", Err(HeadError::BadMethod));
    for error in [HeadError::UnsupportedVersion, HeadError::NoVersion] {
        assert_eq!(error.reason().status(), 505);
    }
}

#[test]
fn case_057_the_method() {
    check("get / HTTP/1.1", Ok(("get", "/", Version::Http11)));
    check(format!("{} / HTTP/1.1", "M".repeat(32)), Ok((&"M".repeat(32), "/", Version::Http11)));
    refuse_at_last_byte("M".repeat(33).as_bytes(), HeadError::MethodTooLong);
    for byte in (0_u8..=255).filter(|b| !b.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~ ".contains(b)) {
        check([b"GE".as_slice(), &[byte], b"T / HTTP/1.1"].concat(), Err(HeadError::BadMethod));
    }
    refuse_at_last_byte(b" ", HeadError::BadMethod);
}

#[test]
fn case_059_a_target_that_is_too_long() {
    let limits = HeadLimits { target: 10, ..LIMITS };
    let parse = |target: &str| {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        parse_within::<RequestHead>(bytes.as_bytes(), &limits).map(|(progress, _)| progress)
    };
    assert_eq!(parse("/123456789"), Ok(Progress::Complete));
    assert_eq!(parse("/1234567890"), Err(HeadError::TargetTooLong));
    assert_eq!(parse("/1234567890\u{1}"), Err(HeadError::TargetTooLong));
    assert_eq!(HeadError::TargetTooLong.reason().status(), 414);
    let flood = [b"GET /".as_slice(), &[b'a'; 8192]].concat();
    refuse_at_last_byte(&flood, HeadError::TargetTooLong);
}

#[test]
fn a_client_hello_is_recognised() {
    refuse_at_last_byte(b"\x16\x03", HeadError::Tls);
    refuse_at_last_byte(b"\x16\x04", HeadError::BadMethod);
}

#[test]
fn what_is_wrong_is_refused_at_once() {
    refuse_at_last_byte(b"GET / HTTP/1.1\n", HeadError::BareLf);
    refuse_at_last_byte(b"GET / X", HeadError::BadVersion);
    refuse_at_last_byte(b"GET / HTTP/2.0", HeadError::UnsupportedVersion);
    refuse_at_last_byte(b"PRI * HTTP/2.0", HeadError::UnsupportedVersion);
    refuse_at_last_byte(b"GET /\r", HeadError::NoVersion);
    refuse_at_last_byte(b"{", HeadError::BadMethod);
}
