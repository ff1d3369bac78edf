//! Tests of the codec: what all its tables share, and the shape of heads that are fine.

use super::*;

pub(super) const LIMITS: HeadLimits = HeadLimits { head: 32 << 10, field: 16 << 10, fields: 100, target: 8 << 10 };

#[test]
fn a_request_is_taken_apart() {
    let bytes = b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length:\t 5 \r\nX:\r\n\r\nhello";
    let mut head = RequestHead::default();
    assert_eq!(head.parse(bytes, &LIMITS), Ok(Progress::Complete));
    assert_eq!(head.method.of(bytes), b"POST");
    assert_eq!(head.target.of(bytes), b"/a?b");
    assert_eq!(head.len, bytes.len() - 5);
    assert_eq!(head.framing, Framing::Length(5));
    assert!(head.keep_alive);
    let values: Vec<_> = head.fields.all().iter().map(|f| (f.name.of(bytes), f.value.of(bytes))).collect();
    assert_eq!(values, [(&b"Host"[..], &b"x"[..]), (b"Content-Length", b"5"), (b"X", b"")]);
    assert_eq!(head.fields.all()[1].line.of(bytes), b"Content-Length:\t 5 \r\n");
}

#[test]
fn a_response_is_taken_apart() {
    for (line, reason) in [("200 OK", "OK"), ("200 ", ""), ("200", ""), ("200 Not  so \u{e9}", "Not  so \u{e9}")] {
        let bytes = format!("HTTP/1.1 {line}\r\nServer: y\r\n\r\n");
        let mut head = ResponseHead::default();
        assert_eq!(head.parse(bytes.as_bytes(), &LIMITS), Ok(Progress::Complete), "{line}");
        assert_eq!((head.status, head.reason.of(bytes.as_bytes())), (200, reason.as_bytes()));
        assert_eq!((head.len, head.fields.all().len()), (bytes.len(), 1));
        assert_eq!(head.framing(b"GET"), Ok(Framing::Close));
        assert_eq!(head.framing(b"HEAD"), Ok(Framing::None));
    }
}

#[test]
fn chunks_are_taken_apart_in_place() {
    let mut buf = *b"5;a=\"b\"\r\nhello\r\n3\r\n wo\r\n0\r\nX-Sum: 1\r\nHost: evil\r\n\r\nGET /";
    let mut body = BodyDecoder::new(Framing::Chunked, 8192);
    let Decoded { consumed, produced, done } = body.decode(&mut buf).unwrap();
    assert!(done);
    assert_eq!(&buf[..produced], b"hello wo");
    assert_eq!(&buf[consumed..], b"GET /");
    assert_eq!(body.trailers(), b"X-Sum: 1\r\n");
}

#[test]
fn chunk_lines_are_written() {
    for (len, line) in [(1, "1"), (15, "f"), (16, "10"), (0x2_0000, "20000"), (usize::MAX, "ffffffffffffffff")] {
        assert_eq!(chunk_prefix(len, &mut [0; 18]), format!("{line}\r\n").as_bytes());
    }
}
