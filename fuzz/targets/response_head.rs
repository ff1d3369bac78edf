//! Response heads: split-independent, the same when written again, and read alike by httparse.
#![no_main]

use libfuzzer_sys::fuzz_target;
use switchboard_core::http1::{Framing, HeadLimits, Progress, ResponseHead};
use switchboard_core::message::Version;
use switchboard_fuzz::{LIMITS, assert_fields, cuts, grow, values, write_fields};

fuzz_target!(|bytes: &[u8]| {
    let mut head = ResponseHead::default();
    let verdict = head.parse(bytes, &LIMITS);
    let mut other = ResponseHead::default();
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
    assert!(head.len <= LIMITS.head && head.fields.all().len() <= LIMITS.fields && (100..1000).contains(&head.status));
    assert_fields(&head.fields, whole);
    assert_framing(&head, whole);
    assert_same_when_written_again(&head, whole);
    assert_httparse_agrees(&head, whole);
});

fn facts(head: &ResponseHead) -> impl PartialEq + std::fmt::Debug {
    let flags = (head.keep_alive, head.upgrade, head.length_dropped);
    (head.status, head.reason, head.version, head.fields.clone(), head.len, head.framing(b"GET"), flags)
}

/// The rules of RFC 9112 §6.3 once more, in its order.
fn assert_framing(head: &ResponseHead, bytes: &[u8]) {
    assert_eq!(head.framing(b"HEAD"), Ok(Framing::None));
    let lengths = values(&head.fields, bytes, b"content-length");
    let codings = values(&head.fields, bytes, b"transfer-encoding");
    assert!(lengths.len() + codings.len() <= 1);
    let bodiless = head.status < 200 || head.status == 204 || head.status == 304;
    let expect = match (lengths.first(), codings.first()) {
        _ if bodiless => Framing::None,
        (_, Some(coding)) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked") && head.version == Version::Http11);
            Framing::Chunked
        }
        (Some(length), None) => Framing::Length(std::str::from_utf8(length).unwrap().parse().unwrap()),
        (None, None) => Framing::Close,
    };
    assert_eq!(head.framing(b"GET"), Ok(expect));
}

fn assert_same_when_written_again(head: &ResponseHead, bytes: &[u8]) {
    let version = if head.version == Version::Http10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let mut again = format!("{version} {} ", head.status).into_bytes();
    again.extend_from_slice(head.reason.of(bytes));
    again.extend_from_slice(b"\r\n");
    write_fields(&mut again, &head.fields, bytes);
    let mut second = ResponseHead::default();
    let limits = HeadLimits { head: 2048, field: 600, ..LIMITS };
    assert_eq!(second.parse(&again, &limits), Ok(Progress::Complete));
    assert_eq!((second.len, second.reason.of(&again)), (again.len(), head.reason.of(bytes)));
    assert_eq!((second.framing(b"GET"), second.version), (head.framing(b"GET"), head.version));
    assert_eq!((second.keep_alive, second.upgrade), (head.keep_alive, head.upgrade));
    for (a, b) in second.fields.all().iter().zip(head.fields.all()) {
        assert_eq!(
            (a.name_id, a.name.of(&again), a.value.of(&again)),
            (b.name_id, b.name.of(bytes), b.value.of(bytes))
        );
    }
}

fn assert_httparse_agrees(head: &ResponseHead, bytes: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; LIMITS.fields];
    let mut judge = httparse::Response::new(&mut fields);
    match judge.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => assert_eq!(len, head.len),
        Err(httparse::Error::Version) => return,
        other => panic!("httparse says {other:?}"),
    }
    assert_eq!(judge.code, Some(head.status));
    assert_eq!(judge.headers.len(), head.fields.all().len());
    for (judged, field) in judge.headers.iter().zip(head.fields.all()) {
        assert_eq!((judged.name.as_bytes(), judged.value), (field.name.of(bytes), field.value.of(bytes)));
    }
}
