//! Lines of outgoing heads, and what a peer's head may hold.

use super::*;
use crate::http1::{Framing, RequestHead};
use crate::moment::Moment;

use super::frame::Header;
use super::meter::Meter;

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
    check("x", " a", Some(Malformed::Value));
    check("x", "a\t", Some(Malformed::Value));
    check("x", "a\r\nb: c", Some(Malformed::Value));
    check("x", "a\0", Some(Malformed::Value));
    check("X", "a", Some(Malformed::Name));
    check("Cookie", "a", Some(Malformed::Name));
    check("", "a", Some(Malformed::Name));
    check("a b", "a", Some(Malformed::Name));
    check(":path", "/", Some(Malformed::Pseudo));
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

fn frame(kind: u8, flags: u8, length: usize) -> Header {
    let mut bytes = [0, 0, 0, kind, flags, 0, 0, 0, 1];
    bytes[1..3].copy_from_slice(&u16::try_from(length).expect("short").to_be_bytes());
    Header::read(&bytes)
}

fn after(seconds: u64) -> Moment {
    Moment::ZERO + std::time::Duration::from_secs(seconds)
}

/// Feeds the same frames until it is too much, and tells how many were taken.
fn taken(frames: &[Header], most: u32) -> (u32, Option<Breach>) {
    let mut meter = Meter::new(200, Moment::ZERO);
    for count in 0..most {
        for frame in frames {
            if let Err(breach) = meter.received(frame, Moment::ZERO) {
                return (count, Some(breach));
            }
        }
    }
    (most, None)
}

#[test]
fn cases_148_to_151_floods_are_told_from_traffic() {
    let check = |frames: &[Header], expect| assert_eq!(taken(frames, 5000), expect);
    check(&[frame(4, 0, 0)], (50, Some(Breach::Settings)));
    check(&[frame(6, 0, 8)], (100, Some(Breach::Pings)));
    check(&[frame(0, 0, 0)], (100, Some(Breach::EmptyData)));
    check(&[frame(2, 0, 5)], (100, Some(Breach::Priorities)));
    check(&[frame(8, 0, 4)], (1000, Some(Breach::WindowUpdates)));
    check(&[frame(3, 0, 4)], (200, Some(Breach::Resets)));
    check(&[frame(9, 0, 4)], (8, Some(Breach::Continuations)));
    check(&[frame(0xbb, 0, 0)], (100, Some(Breach::Unknown)));
    // What carries something is no flood.
    check(&[frame(0, 0, 7)], (5000, None));
    check(&[frame(0, 1, 0)], (5000, None));
    check(&[frame(1, 4, 5)], (5000, None));
    check(&[frame(0, 0, 1), frame(8, 0, 4), frame(6, 0, 8)], (5000, None));
}

#[test]
fn case_149_resets_of_ours_count_too() {
    let mut meter = Meter::new(200, Moment::ZERO);
    for _ in 0..100 {
        assert_eq!(meter.reset_by_us(Code::Cancel), Ok(()));
        assert_eq!(meter.received(&frame(3, 0, 4), Moment::ZERO), Ok(()));
    }
    assert_eq!(meter.reset_by_us(Code::Cancel), Err(Breach::Resets));
}

#[test]
fn case_149_what_is_malformed_has_a_budget_of_its_own() {
    for code in [Code::Protocol, Code::FlowControl, Code::StreamClosed, Code::FrameSize] {
        let mut meter = Meter::new(200, Moment::ZERO);
        for _ in 0..32 {
            assert_eq!(meter.reset_by_us(code), Ok(()));
            // What we gave up by ourselves is nobody's fault.
            assert_eq!(meter.reset_by_us(Code::Internal), Ok(()));
        }
        assert_eq!(meter.reset_by_us(code), Err(Breach::Malformed));
    }
}

#[test]
fn counts_begin_anew_after_ten_seconds() {
    let mut meter = Meter::new(200, Moment::ZERO);
    for second in 0..100 {
        for _ in 0..10 {
            assert_eq!(meter.received(&frame(6, 0, 8), after(second)), Ok(()));
        }
    }
}

#[test]
fn headers_show_what_is_wrong_with_a_size() {
    for (kind, good) in [(2, 5), (3, 4), (6, 8), (8, 4), (4, 6)] {
        for length in 0..20 {
            let fits = length == good || (kind == 4 && length % 6 == 0);
            assert_eq!(frame(kind, 0, length).fits(), fits, "{kind} of {length}");
        }
    }
    assert!(frame(4, 1, 0).fits() && !frame(4, 1, 6).fits());
    assert!(frame(0, 0, 16384).fits() && !frame(0, 0, 16385).fits());
}
