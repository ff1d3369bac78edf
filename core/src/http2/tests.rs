//! Lines of outgoing heads, and what a peer's head may hold.

use super::*;
use crate::http1::{Framing, RequestHead};

#[test]
fn lines_are_found_up_to_the_blank_one() {
    let text = b"a: 1\r\nempty:\r\nspaced: \t x y \r\n\r\nbody: no\r\n";
    let found: Vec<(&[u8], &[u8])> = lines(text).map(|line| (&text[line.name], &text[line.value])).collect();
    let expect: [(&[u8], &[u8]); 3] = [(b"a", b"1"), (b"empty", b""), (b"spaced", b"x y")];
    assert_eq!(found, expect);
}

fn build(fields: &[(&str, &str)], ended: bool) -> Result<(String, RequestHead), Malformed> {
    let (mut out, mut head) = (Vec::new(), RequestHead::default());
    let mut builder = Builder::request(&mut out, &mut head, b"GET", b"/x?y", 4);
    for (name, value) in fields {
        builder.field(name.as_bytes(), value.as_bytes())?;
    }
    builder.finish_request(&mut head, ended);
    Ok((String::from_utf8(out).expect("what went in was text"), head))
}

#[test]
fn a_head_has_the_form_that_all_versions_share() {
    let (text, head) = build(&[("accept", "*/*"), ("content-length", "5")], false).expect("nothing is wrong with it");
    assert_eq!(text, "GET /x?y HTTP/2.0\r\naccept: */*\r\ncontent-length: 5\r\n\r\n");
    assert_eq!(head.method.of(text.as_bytes()), b"GET");
    assert_eq!(head.target.of(text.as_bytes()), b"/x?y");
    assert_eq!(head.framing, Framing::Frames(Some(5)));
    assert_eq!(head.len, text.len());
    let values: Vec<_> = head.fields.all().iter().map(|field| field.value.of(text.as_bytes())).collect();
    assert_eq!(values, [b"*/*".as_slice(), b"5"]);
}

#[test]
fn case_094_cookie_crumbs_are_joined() {
    let (text, _) =
        build(&[("cookie", "a=1"), ("accept", "*/*"), ("cookie", "b=2"), ("cookie", "c=3")], true).expect("fine");
    assert!(text.ends_with("cookie: a=1; b=2; c=3\r\n\r\n"), "{text}");
    assert_eq!(text.matches("cookie").count(), 1);
}

#[test]
fn case_152_each_crumb_counts_as_a_field() {
    let crumbs = |count| vec![("cookie", "a"); count];
    assert!(build(&crumbs(4), true).is_ok());
    assert_eq!(build(&crumbs(5), true).err(), Some(Malformed::TooLarge));
}

#[test]
fn cases_079_081_and_lengths_are_refused() {
    let check = |name, value, expect| assert_eq!(build(&[(name, value)], true).err(), expect, "{name}: {value}");
    check("x", " a", Some(Malformed::Space));
    check("x", "a\t", Some(Malformed::Space));
    check("x", "a b", None);
    check("connection", "close", Some(Malformed::ConnectionField));
    check("keep-alive", "1", Some(Malformed::ConnectionField));
    check("proxy-connection", "x", Some(Malformed::ConnectionField));
    check("transfer-encoding", "chunked", Some(Malformed::ConnectionField));
    check("upgrade", "websocket", Some(Malformed::ConnectionField));
    check("te", "gzip", Some(Malformed::ConnectionField));
    check("te", "trailers, deflate", Some(Malformed::ConnectionField));
    check("te", "trailers", None);
    check("content-length", "", Some(Malformed::Length));
    check("content-length", "-1", Some(Malformed::Length));
    check("content-length", "99999999999999999999", Some(Malformed::Length));
}
