//! The writing side of the chunked coding (RFC 9112 §7.1). Heads are written by those who edit them.

/// What stands behind the data of each chunk.
pub const CHUNK_SUFFIX: &[u8] = b"\r\n";
/// The end of a body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// The end of a body with trailers begins so; their lines follow, and one more CRLF.
pub const LAST_CHUNK_LINE: &[u8] = b"0\r\n";

/// Writes the line in front of a chunk of `len` bytes, `len` > 0: a chunk of none would end the body.
pub fn chunk_prefix(len: usize, out: &mut [u8; 18]) -> &[u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let [front @ .., cr, lf] = out;
    (*cr, *lf) = (b'\r', b'\n');
    let mut start = front.len();
    let mut rest = len;
    for (at, digit) in front.iter_mut().enumerate().rev() {
        *digit = DIGITS[rest & 15];
        start = at;
        rest >>= 4;
        if rest == 0 {
            break;
        }
    }
    &out[start..]
}
