//! Lines of outgoing heads, and what a peer's head may hold.

use super::*;
use crate::http1::{Framing, RequestHead};
use crate::moment::Moment;

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

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
}

fn after(seconds: u64) -> Moment {
    Moment::ZERO + std::time::Duration::from_secs(seconds)
}

/// Feeds the same frame until it is too much, and tells how many were taken.
fn taken(meter: &mut Meter, frame: &[u8], most: u32) -> (u32, Option<Breach>) {
    for count in 0..most {
        if let Err(breach) = meter.received(frame, Moment::ZERO) {
            return (count, Some(breach));
        }
    }
    (most, None)
}

fn begun() -> Meter {
    let mut meter = Meter::server(200, Moment::ZERO);
    meter.received(PREFACE, Moment::ZERO).expect("the preface is no frame");
    meter.received(&frame(4, 0, &[]), Moment::ZERO).expect("SETTINGS come first");
    meter
}

#[test]
fn cases_148_to_151_floods_are_told_from_traffic() {
    let check = |frame: &[u8], expect| assert_eq!(taken(&mut begun(), frame, 5000), expect);
    check(&frame(4, 0, &[]), (49, Some(Breach::Settings)));
    check(&frame(6, 0, &[0; 8]), (100, Some(Breach::Pings)));
    check(&frame(0, 0, &[]), (100, Some(Breach::EmptyData)));
    check(&frame(2, 0, &[0; 5]), (100, Some(Breach::Priorities)));
    check(&frame(8, 0, &[0, 0, 0, 1]), (1000, Some(Breach::WindowUpdates)));
    check(&frame(3, 0, &[0; 4]), (200, Some(Breach::Resets)));
    check(&frame(9, 0, &[0; 4]), (8, Some(Breach::Continuations)));
    check(&frame(0xbb, 0, &[]), (100, Some(Breach::Unknown)));
    // What carries something is no flood.
    check(&frame(0, 0, b"payload"), (5000, None));
    check(&frame(0, 1, &[]), (5000, None));
    check(&frame(1, 4, b"block"), (5000, None));
    check(&[frame(0, 0, b"x"), frame(8, 0, &[0, 0, 0, 1]), frame(6, 0, &[0; 8])].concat(), (5000, None));
}

#[test]
fn case_149_resets_of_ours_count_too() {
    let mut meter = begun();
    let reset = frame(3, 0, &[0; 4]);
    for _ in 0..100 {
        assert_eq!(meter.sent(&reset, Moment::ZERO), Ok(()));
        assert_eq!(meter.received(&reset, Moment::ZERO), Ok(()));
    }
    assert_eq!(meter.sent(&reset, Moment::ZERO), Err(Breach::Resets));
}

#[test]
fn counts_begin_anew_after_ten_seconds() {
    let mut meter = begun();
    let ping = frame(6, 0, &[0; 8]);
    for second in 0..100 {
        for _ in 0..10 {
            assert_eq!(meter.received(&ping, after(second)), Ok(()));
        }
    }
}

#[test]
fn frames_are_found_however_they_are_split() {
    let stream = [PREFACE.to_vec(), frame(4, 0, &[]), frame(0, 0, b"payload"), frame(1, 0, b"x")].concat();
    for step in 1..stream.len() {
        let mut meter = Meter::server(1, Moment::ZERO);
        assert!(meter.is_within());
        for piece in stream.chunks(step) {
            assert_eq!(meter.received(piece, Moment::ZERO), Ok(()));
        }
        assert!(meter.is_within(), "a header block is open");
        assert_eq!(meter.received(&frame(9, 4, b"y"), Moment::ZERO), Ok(()));
        assert!(!meter.is_within());
    }
}

#[test]
fn headers_show_what_is_wrong_with_a_frame() {
    let check = |frame: Vec<u8>, expect| {
        assert_eq!(begun().received(&frame, Moment::ZERO), expect, "{:?}", &frame[..9]);
    };
    for (kind, good) in [(2, 5), (3, 4), (6, 8), (8, 4), (4, 6)] {
        for length in 0..20 {
            let fits = length == good || (kind == 4 && length % 6 == 0);
            check(frame(kind, 0, &vec![0; length]), if fits { Ok(()) } else { Err(Breach::FrameSize) });
        }
    }
    check(frame(4, 1, &[]), Ok(()));
    check(frame(4, 1, &[0; 6]), Err(Breach::FrameSize));
    check(frame(0, 0, &[0; 16384]), Ok(()));
    check(frame(0, 0, &[0; 16385]), Err(Breach::FrameSize));
    for first in [frame(1, 5, b"block"), frame(4, 1, &[]), frame(6, 0, &[0; 8])] {
        let mut meter = Meter::server(1, Moment::ZERO);
        assert_eq!(meter.received(&[PREFACE, &first[..]].concat(), Moment::ZERO), Err(Breach::NoSettings));
    }
}
