//! Seeded mutation: good messages with a few bytes changed, tens of thousands of them at each run. The same seeds every
//! time, so that a failure repeats; the coverage-guided long runs are in `fuzz/`.

use super::*;

const SEEDS: u64 = 400;

/// Marsaglia's xorshift: enough to pick places and bytes.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    /// Changes, removes, doubles or inserts a few bytes, mostly ones that mean something.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        const TELLING: &[u8] = b"\r\n\r\n \t:;,=\"\\\x000159afx/H\x7F\x80\xFF";
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len());
            let byte = TELLING[self.below(TELLING.len())];
            match self.below(5) {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 if bytes.len() > 1 => drop(bytes.remove(at)),
                3 => bytes.insert(at, bytes[at]),
                _ => bytes.truncate(at + 1),
            }
        }
    }
}

const REQUESTS: [&[u8]; 4] = [
    b"GET /a/b?c=d HTTP/1.1\r\nHost: example.com:80\r\nAccept: */*\r\nConnection: keep-alive, x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\nhello",
    b"PUT /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"\r\nGET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n",
];
const RESPONSES: [&[u8]; 3] = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: a\r\n\r\nhello",
    b"HTTP/1.1 204\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
    b"HTTP/1.0 301 \r\nLocation: http://a/\r\nX: \xE9\r\n\r\n",
];

/// Writes an accepted head again from its spans; parsed anew it must say the same (but for where things stand).
fn rewritten(head: &RequestHead, bytes: &[u8]) -> Vec<u8> {
    let version: &[u8] = if head.version == Version::Http10 { b" HTTP/1.0\r\n" } else { b" HTTP/1.1\r\n" };
    let mut out = [head.method.of(bytes), b" ", head.target.of(bytes), version].concat();
    for field in head.fields.all() {
        out.extend([field.name.of(bytes), b": ", field.value.of(bytes), b"\r\n"].concat());
    }
    out.extend(b"\r\n");
    out
}

#[test]
fn mutated_requests_are_judged_alike_however_they_are_cut_and_written() {
    let mut accepted = 0;
    for seed in 0..SEEDS {
        for message in REQUESTS {
            let mut bytes = message.to_vec();
            Dice::new(seed).mutate(&mut bytes);
            let Ok((Progress::Complete, head)) = parse_within::<RequestHead>(&bytes, &LIMITS) else { continue };
            accepted += 1;
            let again = rewritten(&head, &bytes);
            let second = request(&again).unwrap_or_else(|error| panic!("{error}: {}", again.escape_ascii()));
            assert_eq!(second.len, again.len());
            assert_eq!(
                (head.framing, head.keep_alive, head.upgrade),
                (second.framing, second.keep_alive, second.upgrade)
            );
            assert_eq!(rewritten(&second, &again), again);
        }
    }
    assert!(accepted > 100, "the mutations are mild enough for some to pass: {accepted}");
}

#[test]
fn mutated_responses_are_judged_alike_however_they_are_cut() {
    let mut accepted = 0;
    for seed in 0..SEEDS {
        for message in RESPONSES {
            let mut bytes = message.to_vec();
            Dice::new(seed).mutate(&mut bytes);
            accepted +=
                usize::from(matches!(parse_within::<ResponseHead>(&bytes, &LIMITS), Ok((Progress::Complete, _))));
        }
    }
    assert!(accepted > 100, "{accepted}");
}

#[test]
fn mutated_chunks_are_decoded_alike_however_they_are_cut() {
    let message = b"5;a=\"b\"\r\nhello\r\nA\r\n0123456789\r\n0\r\nX-Sum: 1\r\nHost: b\r\n\r\nGET / HTTP/1.1";
    let mut accepted = 0;
    for seed in 0..SEEDS * 4 {
        let mut bytes = message.to_vec();
        Dice::new(seed).mutate(&mut bytes);
        let whole = feed_chunks(&bytes, &[]);
        for cut in 0..bytes.len() {
            assert_eq!(feed_chunks(&bytes, &[cut]), whole, "cut at {cut}: {}", bytes.escape_ascii());
        }
        assert_eq!(feed_chunks(&bytes, &(0..bytes.len()).collect::<Vec<_>>()), whole, "{}", bytes.escape_ascii());
        accepted += usize::from(whole.is_ok_and(|(_, _, done)| done));
    }
    assert!(accepted > 100, "{accepted}");
}

/// Payload, trailers and whether the body ended.
fn feed_chunks(bytes: &[u8], stops: &[usize]) -> Result<(Vec<u8>, Vec<u8>, bool), ChunkError> {
    let mut decoder = ChunkedDecoder::new(100);
    let (mut payload, mut from) = (Vec::new(), 0);
    for &stop in stops.iter().chain([&bytes.len()]) {
        let mut piece = bytes[from..stop].to_vec();
        let decoded = decoder.decode(&mut piece)?;
        payload.extend_from_slice(&piece[..decoded.produced]);
        from = stop;
    }
    Ok((payload, decoder.trailers().to_vec(), decoder.is_done()))
}
