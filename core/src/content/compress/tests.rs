//! Which answers are compressed, and what becomes of their heads.

use super::*;
use crate::http1::{HeadLimits, ResponseHead};

fn head(lines: &str) -> (Vec<u8>, ResponseHead) {
    let text = format!("HTTP/1.1 200 OK\r\n{lines}\r\n").into_bytes();
    let mut head = ResponseHead::default();
    head.parse(&text, &HeadLimits::from(&crate::config::Limits::default())).expect("a head");
    (text, head)
}

fn decide(lines: &str, change: impl FnOnce(&mut Compress, &mut Facts)) -> Decision {
    let (text, head) = head(lines);
    let mut compress = Compress::default();
    let mut facts = Facts { status: 200, length: Some(5000), authorized: false };
    change(&mut compress, &mut facts);
    compress.decide(&Accepted::read([b"gzip".as_slice()]), &facts, &head.fields, &text)
}

#[test]
fn what_gains_is_compressed_and_nothing_else() {
    let gzip = Decision::Encode(Coding::Gzip);
    let check = |lines: &str, expect| assert_eq!(decide(lines, |_, _| {}), expect, "{lines}");
    check("content-type: application/json\r\n", gzip);
    check("content-type: TEXT/HTML; charset=utf-8\r\n", gzip);
    check("content-type: image/svg+xml\r\n", gzip);
    check("content-type: application/problem+json\r\n", gzip);
    check("content-type: application/json\r\ncontent-encoding: identity\r\n", gzip);
    check("", Decision::Never);
    check("content-type: image/png\r\n", Decision::Never);
    check("content-type: video/mp4\r\n", Decision::Never);
    check("content-type: application/grpc\r\n", Decision::Never);
    check("content-type: text/event-stream\r\n", Decision::Never);
    check("content-type: text/event-stream; charset=utf-8\r\n", Decision::Never);
    check("content-type: text/html\r\ncontent-encoding: br\r\n", Decision::Never);
    check("content-type: text/html\r\ncontent-range: bytes 0-1/2\r\n", Decision::Never);
    check("content-type: text/html\r\ncache-control: public, No-Transform\r\n", Decision::Never);
    check("content-type: text/html\r\ncontent-digest: sha-256=:x:\r\n", Decision::Never);
}

#[test]
fn case_159_secrets_are_not_compressed_unless_the_rule_says_so() {
    let html = "content-type: text/html\r\n";
    let cookie = "content-type: text/html\r\nset-cookie: a=b\r\n";
    let gzip = Decision::Encode(Coding::Gzip);
    assert_eq!(decide(cookie, |_, _| {}), Decision::Never);
    assert_eq!(decide(cookie, |compress, _| compress.credentials = true), gzip);
    assert_eq!(decide(html, |_, facts| facts.authorized = true), Decision::Never);
    assert_eq!(
        decide(html, |compress, facts| {
            facts.authorized = true;
            compress.credentials = true;
        }),
        gzip
    );
}

#[test]
fn size_status_and_what_the_client_takes_count() {
    let html = "content-type: text/html\r\n";
    let gzip = Decision::Encode(Coding::Gzip);
    assert_eq!(decide(html, |_, facts| facts.length = Some(1023)), Decision::Never);
    assert_eq!(decide(html, |_, facts| facts.length = Some(1024)), gzip);
    assert_eq!(decide(html, |_, facts| facts.length = None), gzip);
    assert_eq!(decide(html, |_, facts| facts.status = 404), gzip);
    for status in [101, 204, 205, 206, 304] {
        assert_eq!(decide(html, |_, facts| facts.status = status), Decision::Never, "{status}");
    }
    assert_eq!(decide(html, |compress, _| compress.algorithms = vec![Coding::Zstd]), Decision::Identity);
}

fn edited(decision: Decision, lines: &str) -> (String, Vec<String>) {
    let (text, mut head) = head(lines);
    let mut out = Vec::new();
    edit(decision, &mut head.fields, &text, &mut out);
    let kept = head.fields.all().iter().filter(|field| !field.dropped);
    let kept = kept.map(|field| String::from_utf8_lossy(field.line.of(&text)).trim_end().to_owned()).collect();
    (String::from_utf8(out).expect("text"), kept)
}

#[test]
fn the_head_tells_what_became_of_the_body() {
    let gzip = Decision::Encode(Coding::Gzip);
    let (lines, kept) = edited(gzip, "etag: \"a\"\r\naccept-ranges: bytes\r\nx-a: 1\r\n");
    assert_eq!(lines, "etag: W/\"a\"\r\nvary: accept-encoding\r\ncontent-encoding: gzip\r\n");
    assert_eq!(kept, ["x-a: 1"]);
    let (lines, kept) = edited(gzip, "etag: W/\"a\"\r\nvary: origin, Accept-Encoding\r\n");
    assert_eq!(lines, "content-encoding: gzip\r\n");
    assert_eq!(kept.len(), 2);
    let (lines, kept) = edited(Decision::Identity, "etag: \"a\"\r\nvary: origin\r\naccept-ranges: bytes\r\n");
    assert_eq!(lines, "vary: accept-encoding\r\n");
    assert_eq!(kept.len(), 3);
    assert_eq!(edited(Decision::Never, "etag: \"a\"\r\n").0, "");
}

#[test]
fn a_304_names_the_form_that_the_client_has() {
    let known = |asked: &[u8]| {
        let (text, mut head) = head("etag: \"a\"\r\n");
        let mut out = Vec::new();
        edit_known([asked], &mut head.fields, &text, &mut out);
        String::from_utf8(out).expect("text")
    };
    assert_eq!(known(b"W/\"a\""), "etag: W/\"a\"\r\n");
    assert_eq!(known(b"\"b\", W/\"a\""), "etag: W/\"a\"\r\n");
    assert_eq!(known(b"\"a\""), "");
    assert_eq!(known(b"*"), "");
}
