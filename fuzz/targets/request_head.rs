//! Request heads: split-independent, the same when written again, and read alike by httparse.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_core::http1::{Framing, HeadLimits, Progress, RequestHead};
use switchboard_core::message::Version;
use switchboard_fuzz::{LIMITS, assert_fields, cuts, grow, values, write_fields};

fuzz_target!(|bytes: &[u8]| {
    let mut head = RequestHead::default();
    let verdict = head.parse(bytes, &LIMITS);
    let mut other = RequestHead::default();
    for stops in cuts(bytes) {
        other.clear();
        assert_eq!(grow(bytes, &stops, |piece| other.parse(piece, &LIMITS)), verdict, "cut at {stops:?}");
        if verdict == Ok(Progress::Complete) {
            assert_eq!(facts(&other), facts(&head));
        }
    }
    if verdict != Ok(Progress::Complete) {
        return;
    }
    let whole = &bytes[..head.len];
    assert!(head.len <= LIMITS.head && head.fields.all().len() <= LIMITS.fields);
    assert_fields(&head.fields, whole);
    assert_framing(&head, whole);
    assert_same_when_written_again(&head, whole);
    assert_httparse_agrees(&head, whole);
});

fn facts(head: &RequestHead) -> impl PartialEq + std::fmt::Debug {
    let flags = (head.keep_alive, head.expect_continue, head.upgrade, head.length_dropped);
    (head.method, head.target, head.version, head.fields.clone(), head.len, head.framing, flags)
}

/// The rules of RFC 9112 §6.3 once more, without looking at how the codec came to its answer.
fn assert_framing(head: &RequestHead, bytes: &[u8]) {
    let lengths = values(&head.fields, bytes, b"content-length");
    let codings = values(&head.fields, bytes, b"transfer-encoding");
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => assert_eq!(head.framing, Framing::None),
        ([length], []) => {
            let length: u64 = std::str::from_utf8(length).unwrap().parse().unwrap();
            assert_eq!(head.framing, Framing::Length(length));
        }
        ([], [coding]) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked") && head.version == Version::Http11);
            assert_eq!(head.framing, Framing::Chunked);
        }
        _ => panic!("{lengths:?} and {codings:?} were accepted"),
    }
}

fn assert_same_when_written_again(head: &RequestHead, bytes: &[u8]) {
    let version: &[u8] = if head.version == Version::Http10 { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" };
    let mut again = [head.method.of(bytes), b" ", head.target.of(bytes), version].concat();
    write_fields(&mut again, &head.fields, bytes);
    let mut second = RequestHead::default();
    // Written out, `a:b` is a byte longer than it came.
    let limits = HeadLimits { head: 2048, field: 600, ..LIMITS };
    assert_eq!(second.parse(&again, &limits), Ok(Progress::Complete));
    assert_eq!(second.len, again.len());
    assert_eq!((second.framing, second.version), (head.framing, head.version));
    assert_eq!((second.keep_alive, second.expect_continue), (head.keep_alive, head.expect_continue));
    assert_eq!((second.upgrade, second.length_dropped), (head.upgrade, head.length_dropped));
    assert_eq!(second.method.of(&again), head.method.of(bytes));
    assert_eq!(second.target.of(&again), head.target.of(bytes));
    for (a, b) in second.fields.all().iter().zip(head.fields.all()) {
        assert_eq!(
            (a.name_id, a.name.of(&again), a.value.of(&again)),
            (b.name_id, b.name.of(bytes), b.value.of(bytes))
        );
    }
}

fn assert_httparse_agrees(head: &RequestHead, bytes: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; LIMITS.fields];
    let mut judge = httparse::Request::new(&mut fields);
    match judge.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => assert_eq!(len, head.len),
        // It knows no minor version above 1.
        Err(httparse::Error::Version) => return,
        other => panic!("httparse says {other:?}"),
    }
    assert_eq!(judge.method.unwrap().as_bytes(), head.method.of(bytes));
    assert_eq!(judge.path.unwrap().as_bytes(), head.target.of(bytes));
    assert_eq!(judge.headers.len(), head.fields.all().len());
    for (judged, field) in judge.headers.iter().zip(head.fields.all()) {
        assert_eq!((judged.name.as_bytes(), judged.value), (field.name.of(bytes), field.value.of(bytes)));
    }
}
