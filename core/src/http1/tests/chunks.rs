//! Bodies: cases 22 to 32 and 38, in place and however they are cut.

use super::*;

const TRAILER_LIMIT: usize = 8192;

/// What a body was, with what stood behind it.
type Body = (Vec<u8>, Vec<u8>, Vec<u8>);

/// Feeds the bytes in pieces that end at `stops` and at the end. `None` where the body has not ended.
fn feed(bytes: &[u8], stops: impl IntoIterator<Item = usize>, limit: usize) -> Result<Option<Body>, ChunkError> {
    let mut body = BodyDecoder::new(Framing::Chunked, limit);
    let (mut payload, mut from) = (Vec::new(), 0);
    for stop in stops.into_iter().chain([bytes.len()]) {
        let mut piece = bytes[from..stop].to_vec();
        let Decoded { consumed, produced, done } = body.decode(&mut piece)?;
        payload.extend_from_slice(&piece[..produced]);
        assert_eq!(&piece[consumed..], &bytes[from + consumed..stop], "what is behind the body stays as it was");
        assert_eq!((body.is_done(), body.finish_on_eof()), (done, done));
        if done {
            return Ok(Some((payload, body.trailers().to_vec(), bytes[from + consumed..].to_vec())));
        }
        assert_eq!(consumed, piece.len());
        from = stop;
    }
    Ok(None)
}

fn decode_within(bytes: &[u8], limit: usize) -> Result<Option<Body>, ChunkError> {
    let whole = feed(bytes, [], limit);
    // Long bodies repeat themselves: a few cuts will do, at places that no period hits.
    let step = 1 + bytes.len() / 1000 * 331;
    for cut in (0..bytes.len()).step_by(step) {
        assert_eq!(feed(bytes, [cut], limit), whole, "cut at {cut}: {}", bytes.escape_ascii());
    }
    assert_eq!(feed(bytes, 0..bytes.len(), limit), whole, "byte by byte: {}", bytes.escape_ascii());
    whole
}

fn decode(bytes: impl AsRef<[u8]>) -> Result<Option<Body>, ChunkError> {
    decode_within(bytes.as_ref(), TRAILER_LIMIT)
}

/// Asserts that bodies are refused for `error`.
fn refuse<B: AsRef<[u8]>>(bodies: impl IntoIterator<Item = B>, error: ChunkError) {
    for bytes in bodies {
        assert_eq!(decode(&bytes), Err(error), "{}", bytes.as_ref().escape_ascii());
    }
}

fn refuse_sizes<const N: usize>(lines: [&str; N], error: ChunkError) {
    refuse(lines.map(|line| format!("{line}\r\nhello\r\n0\r\n\r\n")), error);
}

#[test]
fn chunks_are_joined() {
    let body = decode("5\r\nhello\r\n003\r\n wo\r\n0\r\n\r\nGET /").unwrap().unwrap();
    assert_eq!(body, (b"hello wo".to_vec(), Vec::new(), b"GET /".to_vec()));
    let long = [b"1A\r\n", [b'x'; 26].as_slice(), b"\r\nb\r\n", &[b'y'; 11], b"\r\n000\r\n\r\n"].concat();
    assert_eq!(decode(long).unwrap().unwrap().0.len(), 37);
    assert_eq!(decode("0\r\n\r\n").unwrap(), Some((Vec::new(), Vec::new(), Vec::new())));
}

#[test]
fn case_022_lf_without_cr() {
    refuse(["5\nhello\r\n0\r\n\r\n", "5;a\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\n\r\n"], ChunkError::BareLf);
    refuse(["5\r\nhello\n0\r\n\r\n"], ChunkError::DataTooLong);
    refuse(["0\r\n\n", "0\r\nX: y\n\r\n", "0\r\nX: y\r\n\n"], ChunkError::BareLf);
    refuse(["5\rXhello", "0\r\n\rX", "5\r\r\nhello", "0\r\nX: y\rz"], ChunkError::BareCr);
}

#[test]
fn case_023_sizes_that_are_no_numbers() {
    refuse_sizes(
        ["0x5", "+5", "-1", "5_0", " 5", "", "x", "5.0", "5,", "\t5", "5\0", "\u{0665}", "5\"", "h"],
        ChunkError::BadSize,
    );
    refuse_sizes(["5 ", "5\t", "5 5", "5 x"], ChunkError::BadExtension);
}

#[test]
fn case_024_sizes_beyond_any_body() {
    refuse_sizes(["00000000000000005", "fffffffffffffffff"], ChunkError::SizeTooLarge);
    refuse_sizes(["ffffffffffffffff", "8000000000000000"], ChunkError::SizeTooLarge);
    assert_eq!(decode("7fffffffffffffff\r\nhello"), Ok(None));
    // The sum overflows, not the summand.
    let mut decoder = ChunkedDecoder::new(0);
    decoder.decode(&mut b"5\r\nhello\r\n".to_vec()).unwrap();
    assert_eq!(decoder.decode(&mut b"7ffffffffffffffb\r\n".to_vec()), Err(ChunkError::SizeTooLarge));
}

#[test]
fn case_025_a_size_line_without_end() {
    let line = |n: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(n));
    assert!(decode(line(253)).unwrap().is_some());
    refuse([line(254), line(300), "5;".to_owned() + &"a".repeat(255)], ChunkError::SizeLineTooLong);
}

#[test]
fn case_026_extensions_that_are_malformed() {
    refuse_sizes(
        [
            "5;",
            "5;=",
            "5;=b",
            "5;a=",
            "5;a=\"",
            "5;a=\"b",
            "5;a=\"b\"c",
            "5;a=\"b\\",
            "5;a;",
            "5;a b",
            "5;a=b c",
            "5;a= ",
            "5;a=b;",
            "5; ",
            "5;a=\"\u{1}\"",
            "5;\u{7f}",
            "5;a\u{0}",
            "5;a ",
            "5;a=b ",
            "5;a=\"\\\u{1}\"",
            "5;a==b",
            "5;a=(b)",
        ],
        ChunkError::BadExtension,
    );
    refuse(["5;a=\"\r\nhello\r\n0\r\n\r\n", "5;a=\"\nhello", "5;a=\"\\\n\"\r\nhello"], ChunkError::BadExtension);
}

#[test]
fn case_027_extensions_are_taken_off() {
    let lines = [
        "5;a",
        "5;a=b",
        "5;a=\"b c;\\\"\"",
        "5;a;b=c;d",
        "5 ; a = b ;\tc",
        "5;a=\"\"",
        "5;a=\"\u{e9}\"",
        "5;a=\"b\" ;c",
    ];
    for line in lines {
        let body = decode(format!("{line}\r\nhello\r\n0;z\r\n\r\n")).unwrap().unwrap();
        assert_eq!(body.0, b"hello", "{line}");
    }
}

#[test]
fn case_028_too_much_overhead() {
    let chunk = format!("1;{}\r\nx\r\n", "a".repeat(199));
    assert!(decode(chunk.repeat(20) + "0\r\n\r\n").unwrap().is_some(), "4,000 bytes of extensions are fine");
    refuse([chunk.repeat(21) + "0\r\n\r\n"], ChunkError::TooMuchOverhead);
    let honest = "1\r\nx\r\n".repeat(20_000) + "0\r\n\r\n";
    assert_eq!(decode(honest).unwrap().unwrap().0.len(), 20_000);
    let padded = "0000000000000001\r\nx\r\n";
    assert!(decode(padded.repeat(3_000) + "0\r\n\r\n").unwrap().is_some(), "the first 64 KiB of framing are free");
    refuse([padded.repeat(4_000) + "0\r\n\r\n"], ChunkError::TooMuchOverhead);
}

#[test]
fn case_029_data_longer_than_its_size() {
    refuse(["5\r\nhello!\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhello\rX"], ChunkError::DataTooLong);
}

#[test]
fn case_030_the_connection_ends_before_the_body() {
    let bytes = b"5\r\nhello\r\n0\r\nX: y\r\n\r\n";
    for cut in 0..bytes.len() {
        let mut body = BodyDecoder::new(Framing::Chunked, TRAILER_LIMIT);
        assert!(!body.decode(&mut bytes[..cut].to_vec()).unwrap().done);
        assert!(!body.finish_on_eof(), "{cut}");
        assert_eq!(body.trailers(), b"", "half a trailer section is none");
    }
    let mut body = BodyDecoder::new(Framing::Length(5), 0);
    for (piece, whole) in [(b"he".as_slice(), false), (b"", false), (b"llo", true)] {
        body.decode(&mut piece.to_vec()).unwrap();
        assert_eq!(body.finish_on_eof(), whole);
    }
    assert!(BodyDecoder::new(Framing::None, 0).finish_on_eof());
    assert!(BodyDecoder::new(Framing::Length(0), 0).finish_on_eof());
    let mut body = BodyDecoder::new(Framing::Close, 0);
    assert_eq!(body.decode(&mut b"all".to_vec()), Ok(Decoded { consumed: 3, produced: 3, done: false }));
    assert!(body.finish_on_eof());
}

#[test]
fn case_031_trailers_that_must_not_come_late() {
    for name in [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Authorization",
        "Cookie",
        "Content-Type",
        "Content-Encoding",
        "Connection",
        "Forwarded",
        "X-Forwarded-For",
        "x-forwarded-anything",
        "Set-Cookie",
        "Cache-Control",
        "Trailer",
        "TE",
        "Upgrade",
        "Keep-Alive",
        "Proxy-Authorization",
        "If-Match",
        "Range",
        "X_Forwarded_For",
        "a.b",
        "Content_Length",
    ] {
        let body = decode(format!("0\r\nA: 1\r\n{name}: chunked\r\nB: 2\r\n\r\nrest")).unwrap().unwrap();
        assert_eq!(body, (Vec::new(), b"A: 1\r\nB: 2\r\n".to_vec(), b"rest".to_vec()), "{name}");
    }
    let body = decode("0\r\nGrpc-Status: 0\r\nETag: \"x\"\r\nDigest:\r\n\r\n").unwrap().unwrap();
    assert_eq!(body.1, b"Grpc-Status: 0\r\nETag: \"x\"\r\nDigest:\r\n");
    assert_eq!(decode("0\r\nHost: a\r\n\r\n").unwrap().unwrap().1, b"");
}

#[test]
fn case_032_trailers_that_are_too_many() {
    let fields = |n: usize, name: &str| format!("0\r\n{}\r\n", format!("{name}: y\r\n").repeat(n));
    assert!(decode(fields(32, "X")).unwrap().is_some());
    refuse([fields(33, "X"), fields(33, "Host")], ChunkError::TooManyTrailers);
    let line = |n: usize| format!("0\r\nX: {}\r\n\r\n", "y".repeat(n));
    assert!(decode_within(line(5).as_bytes(), 10).unwrap().is_some());
    assert_eq!(decode_within(line(6).as_bytes(), 10), Err(ChunkError::TrailersTooLarge));
    assert_eq!(
        decode_within(b"0\r\nHost: 34\r\nX: 1\r\n\r\n", 15),
        Err(ChunkError::TrailersTooLarge),
        "dropped ones count"
    );
    assert!(decode_within(b"0\r\n\r\n", 0).unwrap().is_some());
    for error in [ChunkError::TooManyTrailers, ChunkError::TrailersTooLarge] {
        assert_eq!(error.reason().status(), 431);
    }
}

#[test]
fn trailer_lines_are_as_strict_as_those_of_heads() {
    let lines = ["X : y", "X", ": y", "X: \u{0}", " X: y", "X: y\r\n z", "X\u{e9}: y"];
    refuse(lines.map(|line| format!("0\r\n{line}\r\n\r\n")), ChunkError::BadTrailer);
}

#[test]
fn case_038_bytes_behind_a_length() {
    let mut body = BodyDecoder::new(Framing::Length(5), 0);
    let mut buf = *b"hello, there";
    assert_eq!(body.decode(&mut buf), Ok(Decoded { consumed: 5, produced: 5, done: true }));
    assert_eq!(&buf, b"hello, there");
    assert_eq!(body.decode(&mut buf), Ok(Decoded { consumed: 0, produced: 0, done: true }));
}
