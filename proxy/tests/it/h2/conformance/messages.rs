//! Header blocks and what stands in them: RFC 9113 §6.10 and §8, and RFC 7541.

use super::Expect::{Answer, Close, Stream};
use super::{BROKEN, PROTOCOL, check, odd, post, with_proxies};
use crate::harness::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, NONE, PUSH_PROMISE, field, fields, frame, get, request,
};

#[test]
fn section_6_10_and_8_2_continuation_and_push() {
    with_proxies(|proxy| {
        let block = request("GET", &[("x-a", "b")]);
        let (one, rest) = block.split_at(10);
        let (two, three) = rest.split_at(10);
        let begun = frame(HEADERS, END_STREAM, 1, one);
        let more = |flags, stream, block: &[u8]| frame(CONTINUATION, flags, stream, block);
        check(proxy, "in two frames", &[begun.clone(), more(END_HEADERS, 1, rest)], Answer(1));
        check(proxy, "in three", &[begun.clone(), more(NONE, 1, two), more(END_HEADERS, 1, three)], Answer(1));
        check(
            proxy,
            "DATA within",
            &[begun.clone(), more(NONE, 1, two), frame(DATA, END_STREAM, 1, b"x")],
            Close(&[PROTOCOL]),
        );
        check(proxy, "on 0", &[begun.clone(), more(END_HEADERS, 0, rest)], Close(&[PROTOCOL]));
        check(proxy, "on another stream", &[begun.clone(), more(END_HEADERS, 3, rest)], Close(&[PROTOCOL]));
        check(proxy, "behind a whole block", &[get(1), more(END_HEADERS, 1, rest)], Close(&[PROTOCOL]));
        let whole = [begun, more(END_HEADERS, 1, rest), more(END_HEADERS, 1, rest)];
        check(proxy, "behind the last", &whole, Close(&[PROTOCOL]));
        check(
            proxy,
            "a client pushes",
            &[frame(PUSH_PROMISE, END_HEADERS, 1, [vec![0, 0, 0, 2], request("GET", &[])].concat())],
            Close(&[PROTOCOL]),
        );
    });
}

#[test]
fn section_8_1_requests() {
    with_proxies(|proxy| {
        let plain = |pseudo: &[(&str, &str)]| odd(fields(pseudo));
        let reset = Stream(&[PROTOCOL]);
        let (method, scheme, path, authority) =
            ((":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "t.test"));
        check(
            proxy,
            "a second HEADERS without END_STREAM",
            &[post(1, &[]), frame(HEADERS, END_HEADERS, 1, field("x-t", "y"))],
            reset,
        );
        check(proxy, "an upper-case name", &[odd(request("GET", &[("X-TEST", "ok")]))], reset);
        check(proxy, "an unknown pseudo-field", &[odd(request("GET", &[(":test", "ok")]))], reset);
        check(proxy, ":status in a request", &[odd(request("GET", &[(":status", "200")]))], reset);
        let late = |block: Vec<u8>| frame(HEADERS, END_HEADERS | END_STREAM, 1, block);
        check(proxy, "a pseudo-field in trailers", &[post(1, &[]), late(field(":path", "/"))], reset);
        check(proxy, "an upper-case name in trailers", &[post(1, &[]), late(field("X-T", "y"))], reset);
        check(proxy, "connection in trailers", &[post(1, &[]), late(field("connection", "x"))], reset);
        for path in ["/a#b", "/a b", "/\u{1}", "x", "http://t.test/", "*"] {
            check(proxy, "case 83: :path", &[plain(&[method, scheme, authority, (":path", path)])], reset);
        }
        check(proxy, "a pseudo-field behind a field", &[plain(&[method, scheme, authority, ("x", "y"), path])], reset);
        check(proxy, "connection", &[odd(request("GET", &[("connection", "keep-alive")]))], reset);
        check(proxy, "te", &[odd(request("GET", &[("te", "trailers, deflate")]))], reset);
        check(proxy, "an empty :path", &[plain(&[method, scheme, authority, (":path", "")])], reset);
        check(proxy, "no :method", &[plain(&[scheme, path, authority])], reset);
        check(proxy, "no :scheme", &[plain(&[method, path, authority])], reset);
        check(proxy, "no :path", &[plain(&[method, scheme, authority])], reset);
        check(proxy, "two :method", &[plain(&[method, method, scheme, path, authority])], reset);
        check(proxy, "two :scheme", &[plain(&[method, scheme, scheme, path, authority])], reset);
        check(proxy, "two :path", &[plain(&[method, scheme, path, path, authority])], reset);
        let five = [("content-length", "5")];
        check(proxy, "less than content-length", &[post(1, &five), frame(DATA, END_STREAM, 1, b"x")], reset);
        check(
            proxy,
            "less in several",
            &[post(1, &five), frame(DATA, NONE, 1, b"x"), frame(DATA, END_STREAM, 1, b"x")],
            reset,
        );
        check(proxy, "more than content-length", &[post(1, &five), frame(DATA, END_STREAM, 1, b"sixsix")], reset);
        for method in ["GET", "HEAD", "OPTIONS"] {
            check(proxy, method, &[odd(request(method, &[]))], Answer(1));
        }
        check(proxy, "POST", &[post(1, &[]), frame(DATA, END_STREAM, 1, b"x")], Answer(1));
        let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, field("x-late", "yes"));
        check(
            proxy,
            "POST with trailers",
            &[post(1, &[("trailer", "x-late")]), frame(DATA, NONE, 1, b"x"), trailers],
            Answer(1),
        );
    });
}

#[test]
fn hpack() {
    with_proxies(|proxy| {
        let with = |block: &[u8]| odd([request("GET", &[]), block.to_vec()].concat());
        check(proxy, "2.3.3 an index that is not there", &[with(&[0xff, 0x21])], BROKEN);
        check(proxy, "2.3.3 a literal's name that is not there", &[with(&[0x7f, 0x21, 1, b'x'])], BROKEN);
        check(proxy, "4.2 a size update at the end", &[with(&[0x20])], BROKEN);
        // 5.2: padding longer than 7 bits, not of ones, and an EOS within.
        check(proxy, "5.2 long padding", &[with(&[0, 1, b'x', 0x82, 0xff, 0xff])], BROKEN);
        check(proxy, "5.2 padding of zeros", &[with(&[0, 1, b'x', 0x81, 0b0001_1000])], BROKEN);
        check(proxy, "5.2 EOS", &[with(&[0, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff])], BROKEN);
        check(proxy, "6.1 index 0", &[with(&[0x80])], BROKEN);
        let size = [vec![0x3f, 0xe2, 0x1f], request("GET", &[])].concat();
        check(proxy, "6.3 a table larger than ours", &[odd(size)], BROKEN);
        check(
            proxy,
            "6.3 a table as large as ours",
            &[odd([vec![0x3f, 0xe1, 0x1f], request("GET", &[])].concat())],
            Answer(1),
        );
        check(
            proxy,
            "an indexed request",
            &[odd([vec![0x82, 0x86, 0x84, 0x41, 6], b"t.test".to_vec()].concat())],
            Answer(1),
        );
    });
}
