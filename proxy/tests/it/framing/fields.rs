//! Cases 14–21: lines of a head that peers read in different ways.

use crate::harness::{Origin, Pair, on_workers, refused};

/// A request with these lines behind `Host`.
fn get(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n")
}

#[test]
fn case_014_space_before_colon() {
    refused(&[
        get("Transfer-Encoding : chunked\r\n"),
        get("Content-Length : 5\r\n"),
        get("X-Any : y\r\n"),
        get("X-Any\t: y\r\n"),
        "GET / HTTP/1.1\r\nHost : t.test\r\n\r\n".to_owned(),
    ]);
}

#[test]
fn case_015_folded_lines() {
    refused(&[
        get("X-Any: a\r\n b\r\n"),
        get("X-Any: a\r\n\tb\r\n"),
        get("Transfer-Encoding:\r\n chunked\r\n"),
        get("Content-Length:\r\n 5\r\n"),
        get("X-Any: a\r\n \r\n"),
        "GET / HTTP/1.1\r\nHost: t.test\r\n other\r\n\r\n".to_owned(),
    ]);
}

#[test]
fn case_016_white_space_before_the_first_field() {
    refused(&[
        "GET / HTTP/1.1\r\n Host: t.test\r\n\r\n",
        "GET / HTTP/1.1\r\n\tX: y\r\nHost: t.test\r\n\r\n",
        "GET / HTTP/1.1\r\n \r\nHost: t.test\r\n\r\n",
    ]);
}

#[test]
fn case_017_lines_without_a_proper_name() {
    let mut inputs: Vec<Vec<u8>> =
        vec![get("no-colon\r\n").into(), get(": empty name\r\n").into(), get("two words: y\r\n").into()];
    for byte in (0..=b' ').chain(*b"()<>@,;\\\"/[]?={}").chain([0x7f, 0x80, 0xc3, 0xff]) {
        if b"\r\n\t ".contains(&byte) {
            continue; // Cases 14 to 16, 19 and 20.
        }
        let mut input = b"GET / HTTP/1.1\r\nHost: t.test\r\nX".to_vec();
        input.push(byte);
        input.extend_from_slice(b"Y: z\r\n\r\n");
        inputs.push(input);
    }
    refused(&inputs);
}

#[test]
fn case_018_control_bytes_in_a_value() {
    let mut inputs = Vec::new();
    for byte in (0..b' ').chain([0x7f]) {
        if byte == b'\t' || byte == b'\n' {
            continue; // A tab is allowed; LF is case 19.
        }
        let mut input = b"GET / HTTP/1.1\r\nHost: t.test\r\nX: a".to_vec();
        input.push(byte);
        input.extend_from_slice(b"b\r\n\r\n");
        inputs.push(input);
    }
    refused(&inputs);
}

#[test]
fn case_019_bare_lf_as_line_end() {
    refused(&[
        "GET / HTTP/1.1\nHost: t.test\n\n",
        "GET / HTTP/1.1\r\nHost: t.test\n\r\n",
        "GET / HTTP/1.1\nHost: t.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t.test\r\n\n",
        "GET / HTTP/1.1\r\nHost: t.test\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n",
        "\nGET / HTTP/1.1\r\nHost: t.test\r\n\r\n",
    ]);
}

#[test]
fn case_020_bare_cr_as_line_end() {
    refused(&[
        "GET / HTTP/1.1\rHost: t.test\r\r",
        "GET / HTTP/1.1\r\nHost: t.test\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t.test\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: t.test\r\n\rX: y\r\n\r\n",
    ]);
}

#[test]
fn case_021_empty_lines_before_the_request() {
    refused(&["\r\n\r\nGET / HTTP/1.1\r\nHost: t.test\r\n\r\n", "\r\n\r\n\r\n\r\n"]);
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let mut client = proxy.send("\r\nGET /one HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response().status(), 200);
        // Between requests as well: old clients end a body with a stray CRLF (RFC 9112 §2.2).
        client.send("\r\nGET /two HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response().status(), 200);
        assert!(origin.received().starts_with(b"GET /one HTTP/1.1\r\n"));
        assert_eq!(origin.wait_request(1).target(), "/two");
    });
}
