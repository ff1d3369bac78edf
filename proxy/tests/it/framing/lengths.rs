//! Cases 1–13: which length a request declares.

use crate::harness::{Origin, Pair, on_workers, refused, refused_as};

/// A request with these framing lines and this body.
fn post(lines: &str, body: &str) -> String {
    format!("POST /up HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n{body}")
}

#[test]
fn case_001_content_length_then_chunked() {
    refused(&[
        post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        post("content-length: 5\r\nX-Between: y\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
    ]);
}

#[test]
fn case_002_chunked_then_content_length() {
    refused(&[post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")]);
}

#[test]
fn case_003_two_different_lengths() {
    refused(&[
        post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!"),
        post("Content-Length: 0\r\nContent-Length: 5\r\n", "hello"),
        post("Content-Length: 5, 6\r\n", "hello!"),
    ]);
}

#[test]
fn case_004_two_equal_lengths() {
    refused(&[post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"), post("Content-Length: 5, 5\r\n", "hello")]);
}

#[test]
fn case_005_length_that_is_no_number() {
    let values = ["+5", "-0", "-5", "0x5", "5 5", "1_0", "5,", ",5", "", "5;", "5.0", "\"5\"", "٥", "5\t5", "1e1"];
    refused(&values.map(|v| post(&format!("Content-Length: {v}\r\n"), "hello")));
}

#[test]
fn case_006_length_that_overflows() {
    refused(&[
        post("Content-Length: 9223372036854775808\r\n", "hello"),
        post("Content-Length: 18446744073709551615\r\n", "hello"),
        post("Content-Length: 18446744073709551621\r\n", "hello"),
        post("Content-Length: 99999999999999999999\r\n", "hello"),
        post(&format!("Content-Length: {}\r\n", "9".repeat(400)), "hello"),
    ]);
    // A number that is one, but above the route's limit: 100 MiB unless it says otherwise.
    refused_as(
        413,
        "body_too_large",
        &[post("Content-Length: 9223372036854775807\r\n", "hello"), post("Content-Length: 104857601\r\n", "hello")],
    );
}

#[test]
fn case_007_length_with_leading_zeros() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        assert_eq!(proxy.ask(post("Content-Length: 007\r\n", "seven..")).status(), 200);
        let request = origin.wait_request(0);
        assert_eq!((request.field("content-length"), request.text().as_str()), (Some("7"), "seven.."));
    });
}

#[test]
fn case_008_coding_that_is_not_chunked() {
    let values = [
        "identity",
        "gzip",
        "xchunked",
        "chunkedx",
        "chunked;a=b",
        "",
        "\x0bchunked",
        "\x0cchunked",
        "chunked\x0b",
        "chu\0nked",
        "\"chunked\"",
        "chunked,",
        ",chunked",
        "chunked\u{a0}",
    ];
    refused(&values.map(|v| post(&format!("Transfer-Encoding: {v}\r\n"), "0\r\n\r\n")));
}

#[test]
fn case_009_gzip_then_chunked() {
    refused(&[
        post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"),
    ]);
}

#[test]
fn case_010_chunked_that_is_not_final_or_twice() {
    refused(&[
        post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked,identity\r\n", "0\r\n\r\n"),
    ]);
}

#[test]
fn case_011_two_transfer_encoding_lines() {
    refused(&[
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\nX-Between: y\r\ntransfer-encoding: identity\r\n", "0\r\n\r\n"),
    ]);
}

#[test]
fn case_012_transfer_encoding_in_http_10() {
    let old = |lines: &str| format!("POST /up HTTP/1.0\r\nHost: t.test\r\n{lines}\r\n0\r\n\r\n");
    refused(&[
        old("Transfer-Encoding: chunked\r\n"),
        old("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        old("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n"),
    ]);
}

#[test]
fn case_013_http_10_post_without_length() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        for lines in ["", "Connection: keep-alive\r\n"] {
            let mut client =
                proxy.send(format!("POST /old HTTP/1.0\r\nHost: t.test\r\n{lines}\r\nSMUGGLED /body HTTP/1.1\r\n"));
            client.finish();
            assert_eq!(client.response().status(), 200);
            let rest = String::from_utf8(client.rest()).unwrap();
            assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400 "), "{rest:?}");
        }
        let request = origin.wait_request(0);
        assert_eq!((request.method(), request.target(), request.body.len()), ("POST", "/old", 0));
        let received = String::from_utf8(origin.received()).unwrap();
        assert!(!received.contains("SMUGGLED"), "{received:?}");
    });
}
