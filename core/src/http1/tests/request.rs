//! Fields of requests: cases 1 to 19, 34 to 36, 59, 66, and what the fields say about body and connection.

use super::*;
use crate::message::Name;

/// The framing of a request with these lines (each with its CRLF).
fn framing(first: &str, lines: &str) -> Result<Framing, HeadError> {
    request(format!("{first}\r\nHost: a\r\n{lines}\r\n")).map(|head| head.framing)
}

#[test]
fn a_head_is_taken_apart() {
    let bytes = b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length:\t 5 \r\nX:\r\nY: \t \r\nZ:a\tb \xE9\r\n\r\nhello";
    let head = request(bytes).unwrap();
    assert_eq!(head.len, bytes.len() - 5);
    let seen: Vec<_> = head.fields.all().iter().map(|f| (f.name_id, f.name.of(bytes), f.value.of(bytes))).collect();
    let expect: [(Name, &[u8], &[u8]); 5] = [
        (Name::Host, b"Host", b"x"),
        (Name::ContentLength, b"Content-Length", b"5"),
        (Name::Other, b"X", b""),
        (Name::Other, b"Y", b""),
        (Name::Other, b"Z", b"a\tb \xE9"),
    ];
    assert_eq!(seen, expect);
    // The lines lie end to end: that is what lets them be copied in runs.
    let lines: Vec<u8> = head.fields.all().iter().flat_map(|f| f.line.of(bytes)).copied().collect();
    assert_eq!([b"POST /a?b HTTP/1.1\r\n", lines.as_slice(), b"\r\nhello"].concat(), bytes);
}

#[test]
fn white_space_around_values_is_not_theirs() {
    for (line, value) in [
        ("X:a", "a"),
        ("X: a ", "a"),
        ("X: a\t", "a"),
        ("X:\ta", "a"),
        ("X:  a", "a"),
        ("X: a b", "a b"),
        ("X:  ", ""),
        ("X: a  b \t ", "a  b"),
    ] {
        let bytes = format!("GET / HTTP/1.1\r\n{line}\r\n\r\n");
        assert_eq!(request(&bytes).unwrap().fields.all()[0].value.of(bytes.as_bytes()), value.as_bytes(), "{line:?}");
    }
}

#[test]
fn case_001_length_then_transfer_encoding() {
    let lines = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(framing("POST / HTTP/1.1", lines), Err(HeadError::LengthAndTransferEncoding));
}

#[test]
fn case_002_transfer_encoding_then_length() {
    let lines = "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n";
    assert_eq!(framing("POST / HTTP/1.1", lines), Err(HeadError::LengthAndTransferEncoding));
}

#[test]
fn case_003_two_lengths_that_differ() {
    refuse_lines(["Content-Length: 5\r\nContent-Length: 6"], HeadError::RepeatedLength);
}

#[test]
fn case_004_two_lengths_that_agree() {
    refuse_lines(["Content-Length: 5\r\ncontent-length: 5"], HeadError::RepeatedLength);
    refuse_lines(["Content-Length: 5, 5", "Content-Length: 5,5"], HeadError::BadLength);
}

#[test]
fn case_005_lengths_that_are_no_numbers() {
    let texts =
        ["+5", "-0", "-5", "0x5", "5 5", "1_0", "5,", ",5", "", " ", "5a", "a", "5.0", "\u{0665}", "5\t5", "5;"];
    refuse_lines(texts.map(|text| format!("Content-Length: {text}")), HeadError::BadLength);
}

#[test]
fn case_006_lengths_beyond_any_body() {
    let most = i64::MAX as u64;
    assert_eq!(framing("POST / HTTP/1.1", &format!("Content-Length: {most}\r\n")), Ok(Framing::Length(most)));
    let texts = ["9223372036854775808", "9999999999999999999", "18446744073709551616", "00000000000000000005"];
    refuse_lines(texts.map(|text| format!("Content-Length: {text}")), HeadError::LengthTooLarge);
}

#[test]
fn case_007_leading_zeros_are_decimal_and_not_passed_on() {
    for (text, length, dropped) in [("007", 7, true), ("00", 0, true), ("0", 0, false), ("7", 7, false)] {
        let head = request(format!("POST / HTTP/1.1\r\nContent-Length: {text}\r\n\r\n")).unwrap();
        assert_eq!(head.framing, Framing::Length(length));
        assert_eq!((head.length_dropped, head.fields.all()[0].dropped), (dropped, dropped), "{text}");
    }
}

#[test]
fn case_008_transfer_encodings_that_are_not_chunked() {
    let texts = [
        "identity",
        "gzip",
        "xchunked",
        "chunkedx",
        "chunked;a=b",
        "",
        " ",
        "chunked,",
        ",chunked",
        "\"chunked\"",
        "chunk",
    ];
    refuse_lines(texts.map(|text| format!("Transfer-Encoding: {text}")), HeadError::BadTransferEncoding);
    let texts = ["\x0Bchunked", "chunked\x0C", "chunked\0", "chun\0ked"];
    refuse_lines(texts.map(|text| format!("Transfer-Encoding: {text}")), HeadError::BadValue);
    assert_eq!(framing("POST / HTTP/1.1", "transfer-ENCODING:\t CHUNked \t\r\n"), Ok(Framing::Chunked));
}

#[test]
fn case_009_gzip_then_chunked() {
    refuse_lines(["Transfer-Encoding: gzip, chunked"], HeadError::BadTransferEncoding);
}

#[test]
fn case_010_chunked_that_is_not_last_or_not_alone() {
    refuse_lines(
        ["Transfer-Encoding: chunked, gzip", "Transfer-Encoding: chunked, chunked"],
        HeadError::BadTransferEncoding,
    );
}

#[test]
fn case_011_two_transfer_encoding_lines() {
    let line = "Transfer-Encoding: chunked";
    refuse_lines(
        [format!("{line}\r\n{line}"), format!("{line}\r\nTransfer-Encoding: identity")],
        HeadError::RepeatedTransferEncoding,
    );
}

#[test]
fn case_012_transfer_encoding_in_http_1_0() {
    let line = "Transfer-Encoding: chunked\r\n";
    assert_eq!(framing("POST / HTTP/1.0", line), Err(HeadError::TransferEncodingIn10));
    let both = format!("{line}Content-Length: 5\r\n");
    assert_eq!(framing("POST / HTTP/1.0", &both), Err(HeadError::LengthAndTransferEncoding));
}

#[test]
fn case_013_http_1_0_without_length() {
    for (first, keep_alive) in [("POST / HTTP/1.0", false), ("PUT / HTTP/1.0", false), ("GET / HTTP/1.0", true)] {
        let head = request(format!("{first}\r\nConnection: keep-alive\r\n\r\nbody")).unwrap();
        assert_eq!((head.framing, head.keep_alive), (Framing::None, keep_alive), "{first}");
    }
    let head = request("POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nbody").unwrap();
    assert_eq!((head.framing, head.keep_alive), (Framing::Length(4), true));
}

#[test]
fn case_014_space_before_colon() {
    refuse_lines(["Transfer-Encoding : chunked", "Host : a", "X\t: y", "a b: c", "a b"], HeadError::SpaceBeforeColon);
    refuse_at_last_byte(b"GET / HTTP/1.1\r\nHost ", HeadError::SpaceBeforeColon);
}

#[test]
fn case_015_folded_lines() {
    refuse_lines(
        ["X: a\r\n b", "X: a\r\n\tb", "X:\r\n b", "Host: b\r\n c", "Connection: close\r\n "],
        HeadError::ObsFold,
    );
    refuse_lines(["Transfer-Encoding: chunked\r\n ", "Content-Length: 5\r\n 5"], HeadError::ObsFold);
    // These two are wrong already by what stands before the fold.
    refuse_lines(["Transfer-Encoding:\r\n chunked"], HeadError::BadTransferEncoding);
    refuse_lines(["Content-Length:\r\n 5"], HeadError::BadLength);
    refuse_at_last_byte(b"GET / HTTP/1.1\r\nX: a\r\n ", HeadError::ObsFold);
}

#[test]
fn case_016_white_space_before_the_first_field() {
    for blank in [" ", "\t", " Host: b\r\n", "\r\n "] {
        let bytes = format!("GET / HTTP/1.1\r\n{blank}X: y\r\n\r\n");
        let expect = if blank.starts_with('\r') { Ok(()) } else { Err(HeadError::SpaceBeforeFirstField) };
        assert_eq!(request(bytes).map(|_| ()), expect, "{blank:?}");
    }
}

#[test]
fn case_017_names_that_are_no_tokens() {
    refuse_lines(["X", "X y", "Content-Length"].map(|line| line.replace(' ', "")), HeadError::NoColon);
    refuse_lines([": x", ":"], HeadError::EmptyName);
    for byte in (0_u8..=255).filter(|b| !b.is_ascii_alphanumeric() && !b"!#$%&'*+-.^_`|~:\r\n \t".contains(b)) {
        for before in [0, 1, 7, 14, 15, 16, 17, 33] {
            let line = [&vec![b'x'; before], [byte].as_slice(), b"y: z"].concat();
            refuse_lines([line], HeadError::BadName);
        }
    }
    let bytes = b"GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~09azAZ: fine\r\n\r\n";
    assert_eq!(request(bytes).unwrap().fields.all()[0].name.of(bytes), b"!#$%&'*+-.^_`|~09azAZ");
}

#[test]
fn case_018_control_characters_in_values() {
    for byte in (0..0x20).chain([0x7F]) {
        for before in [0, 1, 14, 15, 16, 17, 40] {
            let line = [b"X: ", vec![b'a'; before].as_slice(), &[byte], b"b"].concat();
            let error = match byte {
                b'\t' => {
                    request([b"GET / HTTP/1.1\r\n", line.as_slice(), b"\r\n\r\n"].concat()).unwrap();
                    continue;
                }
                b'\r' => HeadError::BareCr,
                b'\n' => HeadError::BareLf,
                _ => HeadError::BadValue,
            };
            refuse_lines([line], error);
        }
    }
}

#[test]
fn case_019_bare_lf_ends_lines() {
    refuse_at_last_byte(b"GET / HTTP/1.1\n", HeadError::BareLf);
    refuse_at_last_byte(b"GET / HTTP/1.1\r\nHost: a\n", HeadError::BareLf);
    refuse_at_last_byte(b"GET / HTTP/1.1\r\nHost: a\r\n\n", HeadError::BareLf);
    refuse_at_last_byte(b"GET / HTTP/1.1\r\n\n", HeadError::BareLf);
    refuse_at_last_byte(b"GET / HTTP/1.1\r\nHost\n", HeadError::NoColon);
}

#[test]
fn case_034_bodies_of_methods_that_seldom_have_one() {
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        let first = format!("{method} / HTTP/1.1");
        assert_eq!(framing(&first, "Content-Length: 5\r\n"), Ok(Framing::Length(5)));
        assert_eq!(framing(&first, "Transfer-Encoding: chunked\r\n"), Ok(Framing::Chunked));
        assert_eq!(framing(&first, ""), Ok(Framing::None));
    }
}

#[test]
fn case_035_bytes_behind_an_empty_body_belong_to_the_next_request() {
    let bytes = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\nGET /next HTTP/1.1\r\n\r\n";
    let head = request(bytes).unwrap();
    assert_eq!(head.framing, Framing::Length(0));
    let mut body = BodyDecoder::new(head.framing, 0);
    assert!(body.is_done());
    let mut rest = bytes[head.len..].to_vec();
    assert_eq!(body.decode(&mut rest), Ok(Decoded { consumed: 0, produced: 0, done: true }));
    assert_eq!(request(&rest).unwrap().target.of(&rest), b"/next");
}

#[test]
fn case_036_two_requests_in_one_segment() {
    let bytes = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n";
    let mut head = RequestHead::default();
    assert_eq!(head.parse(bytes, &LIMITS), Ok(Progress::Complete));
    let (first, rest) = bytes.split_at(head.len);
    assert_eq!((head.target.of(first), head.fields.all().len()), (&b"/1"[..], 1));
    head.clear();
    assert_eq!(head.parse(rest, &LIMITS), Ok(Progress::Complete));
    assert_eq!((head.target.of(rest), head.fields.all().len(), head.len), (&b"/2"[..], 1, rest.len()));
}

#[test]
fn case_059_heads_that_are_too_large() {
    let limits = HeadLimits { head: 60, field: 20, fields: 3, target: 10 };
    let parse = |lines: &str| {
        let bytes = format!("GET / HTTP/1.1\r\n{lines}\r\nbytes of the body do not count");
        parse_within::<RequestHead>(bytes.as_bytes(), &limits).map(|(progress, _)| progress)
    };
    // 16 bytes of request line, and 2 of the blank line.
    assert_eq!(parse("a: 5678901234567890\r\n"), Err(HeadError::FieldTooLong));
    assert_eq!(parse("a: 56789012345678\r\n"), Ok(Progress::Complete));
    assert_eq!(parse("a-name-that-is-longer: 1\r\n"), Err(HeadError::FieldTooLong));
    assert_eq!(parse("a: 56789012345678\r\nb: 56789012345678\r\n\r\n"), Ok(Progress::Complete));
    assert_eq!(parse("a: 56789012345678\r\nb: 56789012345678\r\nc: 5\r\n"), Err(HeadError::HeadTooLarge));
    assert_eq!(parse("a: 1\r\nb: 2\r\nc: 3\r\n"), Ok(Progress::Complete));
    assert_eq!(parse("a: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n"), Err(HeadError::TooManyFields));
    // Full without a blank line is too large already: nobody waits for one byte more.
    let full = [b"GET / HTTP/1.1\r\n".as_slice(), &b"a: 1\r\n".repeat(8)].concat();
    let limits = HeadLimits { head: full.len(), ..LIMITS };
    let parse = |bytes: &[u8]| parse_within::<RequestHead>(bytes, &limits).map(|(progress, _)| progress);
    assert_eq!(parse(&full[..full.len() - 1]), Ok(Progress::Partial));
    assert_eq!(parse(&full), Err(HeadError::HeadTooLarge));
    for error in [HeadError::HeadTooLarge, HeadError::FieldTooLong, HeadError::TooManyFields] {
        assert_eq!(error.reason().status(), 431);
    }
}

#[test]
fn case_066_connection_options() {
    refuse_lines(
        ["a b", "close;x", "\"close\"", "a, (b)", "caf\u{e9}"].map(|v| format!("Connection: {v}")),
        HeadError::BadConnection,
    );
    let many = |n: usize| format!("Connection: {}", vec!["a"; n].join(", "));
    request(format!("GET / HTTP/1.1\r\n{}\r\n\r\n", many(32))).unwrap();
    refuse_lines(
        [many(33), format!("{}\r\nConnection: keep-alive", many(32)), format!("Connection: {}", ",".repeat(40))],
        HeadError::TooManyConnectionOptions,
    );
}

#[test]
fn what_the_client_wants_of_the_connection() {
    let cases = [
        ("HTTP/1.1", "", true),
        ("HTTP/1.1", "Connection: close\r\n", false),
        ("HTTP/1.1", "Connection: Close\r\n", false),
        ("HTTP/1.1", "Connection: x,\tclose ,, y\r\n", false),
        ("HTTP/1.1", "Connection: close\r\nConnection: keep-alive\r\n", false),
        ("HTTP/1.1", "Connection: keep-alive, close\r\n", false),
        ("HTTP/1.1", "Connection:\r\n", true),
        ("HTTP/1.1", "Proxy-Connection: close\r\n", true),
        ("HTTP/1.0", "", false),
        ("HTTP/1.0", "Connection: keep-alive\r\n", true),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
        ("HTTP/1.0", "Connection: keep-alive, close\r\n", false),
    ];
    for (version, lines, keep_alive) in cases {
        let head = request(format!("GET / {version}\r\n{lines}\r\n")).unwrap();
        assert_eq!(head.keep_alive, keep_alive, "{version} {lines}");
    }
}

#[test]
fn upgrades_and_expectations() {
    let cases = [
        ("HTTP/1.1", "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n", [true, false]),
        ("HTTP/1.0", "Upgrade: websocket\r\nConnection: upgrade\r\n", [true, false]),
        ("HTTP/1.1", "Upgrade: websocket\r\n", [false, false]),
        ("HTTP/1.1", "Connection: upgrade\r\n", [false, false]),
        ("HTTP/1.1", "Expect: 100-Continue\r\n", [false, true]),
        ("HTTP/1.0", "Expect: 100-continue\r\n", [false, false]),
        ("HTTP/1.1", "Expect: something\r\n", [false, false]),
    ];
    for (version, lines, expect) in cases {
        let head = request(format!("GET / {version}\r\n{lines}\r\n")).unwrap();
        assert_eq!([head.upgrade, head.expect_continue], expect, "{version} {lines}");
    }
}
