//! Case 78 of SECURITY.md: every header here is also tried byte by byte.

use super::*;

/// Checks `header` with bytes of HTTP behind it, and that each of its beginnings asks for more.
#[track_caller]
fn check(header: &[u8], ends: Option<(&str, &str)>) {
    let ends = ends.map(|(source, destination)| Ends {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    });
    let expected = Ok(Parsed::Done(Header { consumed: header.len(), ends }));
    assert_eq!(parse(header), expected, "{}", header.escape_ascii());
    assert_eq!(parse(&[header, b"GET / HTTP/1.1\r\n"].concat()), expected);
    for end in 0..header.len() {
        assert_eq!(parse(&header[..end]), Ok(Parsed::NeedMore), "{}", header[..end].escape_ascii());
    }
}

/// Checks that `bytes` are refused, and that they were not taken for a header at any of their beginnings.
#[track_caller]
fn check_bad(bytes: &[u8], fault: BadProxyHeader) {
    assert_eq!(parse(bytes), Err(fault), "{}", bytes.escape_ascii());
    for end in 0..bytes.len() {
        assert!(!matches!(parse(&bytes[..end]), Ok(Parsed::Done(_))), "{}", bytes[..end].escape_ascii());
    }
    assert!(fault.detail().ends_with('.'));
}

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [v2::SIGNATURE, &[command, family], &length, body].concat()
}

const V4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x67, 0, 80];
const V4_ENDS: Option<(&str, &str)> = Some(("192.0.2.1:4711", "198.51.100.2:80"));

#[test]
fn case_078_lines() {
    check(b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 80\r\n", V4_ENDS);
    check(
        b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 0\r\n",
        Some(("255.255.255.255:65535", "255.255.255.255:0")),
    );
    check(b"PROXY TCP6 2001:db8::1 ::1 4711 80\r\n", Some(("[2001:db8::1]:4711", "[::1]:80")));
    check(b"PROXY UNKNOWN\r\n", None);
    check(b"PROXY UNKNOWN ffff::1 what ever\r\n", None);
    // The longest line there can be.
    let full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let longest = format!("PROXY UNKNOWN {full} {full} 65535 65535\r\n");
    assert_eq!(longest.len(), 107);
    check(longest.as_bytes(), None);
}

#[test]
fn case_078_bad_lines() {
    for line in [
        "TCP4 192.0.2.1 198.51.100.2 4711",
        "TCP4 192.0.2.1 198.51.100.2 4711 80 ",
        "TCP4 192.0.2.1 198.51.100.2 4711 80 1",
        "TCP4  192.0.2.1 198.51.100.2 4711 80",
        "TCP4\t192.0.2.1 198.51.100.2 4711 80",
        "TCP4 192.0.2.1 198.51.100.2 4711 65536",
        "TCP4 192.0.2.1 198.51.100.2 4711 080",
        "TCP4 192.0.2.1 198.51.100.2 4711 +80",
        "TCP4 192.0.2.1 198.51.100.2 4711 -1",
        "TCP4 192.0.2.1 198.51.100.2  80",
        "TCP4 192.0.2.01 198.51.100.2 4711 80",
        "TCP4 192.0.2 198.51.100.2 4711 80",
        "TCP4 ::1 ::1 4711 80",
        "TCP6 192.0.2.1 198.51.100.2 4711 80",
        "TCP6 fe80::1%eth0 ::1 4711 80",
        "TCP6 [::1] ::1 4711 80",
        "TCP5 192.0.2.1 198.51.100.2 4711 80",
        "tcp4 192.0.2.1 198.51.100.2 4711 80",
        "UNKNOWNX",
        "",
        " TCP4 192.0.2.1 198.51.100.2 4711 80",
        "TCP4 192.0.2.1 198.51.100.2 4711 80\n",
        "TCP4 192.0.2.1 198.51.100.2 4711 \u{e9}",
    ] {
        check_bad(format!("PROXY {line}\r\n").as_bytes(), BadProxyHeader::Line);
    }
    let long = format!("PROXY UNKNOWN {}", "x".repeat(200));
    check_bad(long.as_bytes(), BadProxyHeader::Line);
    check_bad(format!("PROXY UNKNOWN {}\r\n", "x".repeat(92)).as_bytes(), BadProxyHeader::Line);
    // It is refused as soon as no line end can come any more.
    assert_eq!(parse(&long.as_bytes()[..106]), Ok(Parsed::NeedMore));
    assert_eq!(parse(&long.as_bytes()[..107]), Err(BadProxyHeader::Line));
}

#[test]
fn case_078_blocks() {
    check(&v2(0x21, 0x11, V4), V4_ENDS);
    let mut v6 = [0; 36];
    v6[15] = 1;
    v6[31] = 2;
    v6[35] = 80;
    check(&v2(0x21, 0x21, &v6), Some(("[::1]:0", "[::2]:80")));
    check(&v2(0x21, 0x31, &[b'/'; 216]), None);
    check(&v2(0x21, 0x00, b""), None);
    check(&v2(0x21, 0x00, b"anything"), None);
    // A health check of the balancer's own; the rest of its block is to be ignored.
    check(&v2(0x20, 0x00, b""), None);
    check(&v2(0x20, 0x11, V4), None);
    check(&v2(0x20, 0xff, &[9; 7]), None);
    // Additions: an empty one, one of five bytes, the most that fits.
    check(&v2(0x21, 0x11, &[V4, &[4, 0, 0]].concat()), V4_ENDS);
    check(&v2(0x21, 0x11, &[V4, &[4, 0, 0, 5, 0, 5], b"GET /"].concat()), V4_ENDS);
    check(&v2(0x21, 0x11, &[V4, &[4, 0x01, 0xf9], &[0; 505]].concat()), V4_ENDS);
}

#[test]
fn case_078_bad_blocks() {
    for command in [0x00, 0x01, 0x11, 0x22, 0x2f, 0x31, 0xff] {
        check_bad(&v2(command, 0x11, V4), BadProxyHeader::Block);
        // It is refused before its length has come.
        check_bad(&v2(command, 0x11, V4)[..13], BadProxyHeader::Block);
    }
    for family in [0x01, 0x10, 0x12, 0x13, 0x20, 0x22, 0x30, 0x32, 0x41, 0xff] {
        check_bad(&v2(0x21, family, &[0; 216]), BadProxyHeader::Block);
    }
    check_bad(&v2(0x21, 0x11, &V4[..11]), BadProxyHeader::Block);
    check_bad(&v2(0x21, 0x11, b""), BadProxyHeader::Block);
    check_bad(&v2(0x21, 0x21, &[0; 35]), BadProxyHeader::Block);
    check_bad(&v2(0x21, 0x31, &[0; 215]), BadProxyHeader::Block);
    // Too long, said before it is there.
    check_bad(&v2(0x21, 0x11, &[0; 521])[..16], BadProxyHeader::Block);
    check_bad(&v2(0x20, 0x00, &[0; 521])[..16], BadProxyHeader::Block);
}

#[test]
fn case_078_additions_never_spill() {
    for rest in [&[4_u8][..], &[4, 0], &[4, 0, 1], &[4, 0, 3, 1, 2], &[4, 0, 0, 5], &[4, 0xff, 0xff, 0, 0]] {
        check_bad(&v2(0x21, 0x11, &[V4, rest].concat()), BadProxyHeader::Tlv);
        // Not even where the bytes behind the block would fill them.
        assert_eq!(parse(&[v2(0x21, 0x11, &[V4, rest].concat()), vec![0; 600]].concat()), Err(BadProxyHeader::Tlv));
    }
}

#[test]
fn case_078_no_header() {
    for bytes in
        ["GET / HTTP/1.1\r\n", "POST", "PO", "proxy TCP4", "PROXY\r\n", "\r\nGET", "\r\n\r\nG", "\u{16}\u{3}\u{1}"]
    {
        check_bad(bytes.as_bytes(), BadProxyHeader::Absent);
    }
    for bytes in ["", "P", "\r", "\r\n"] {
        assert_eq!(parse(bytes.as_bytes()), Ok(Parsed::NeedMore), "{bytes:?}");
    }
}

/// What is right or wrong stays so when more comes, and nothing panics.
#[test]
fn verdicts_do_not_change_as_bytes_come() {
    let pieces: &[&[u8]] = &[
        v2::SIGNATURE,
        b"PROXY ",
        b"TCP4",
        b"TCP6",
        b"UNKNOWN",
        b" ",
        b"1.2.3.4",
        b"::1",
        b"80",
        b"\r\n",
        b"\r",
        b"\n",
        b"\x21",
        b"\x20",
        b"\x11",
        b"\x21\x11\0\x0c",
        b"\0",
        b"\0\x0c",
        b"\xff",
        V4,
    ];
    let mut state = 1_u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % bound
    };
    for _ in 0..20_000 {
        let mut bytes = pieces[below(2)].to_vec();
        for _ in 0..below(12) {
            bytes.extend_from_slice(pieces[below(pieces.len())]);
        }
        let mut settled = None;
        for end in 0..=bytes.len() {
            let verdict = parse(&bytes[..end]);
            match settled {
                Some(before) => assert_eq!(verdict, before, "{}", bytes[..end].escape_ascii()),
                None if verdict != Ok(Parsed::NeedMore) => settled = Some(verdict),
                None => assert!(end < MAX_LENGTH),
            }
            if let Ok(Parsed::Done(header)) = verdict {
                assert!(header.consumed <= end && header.consumed <= MAX_LENGTH);
            }
        }
    }
}
