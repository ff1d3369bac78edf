//! Fields, encoded without a dynamic table and without Huffman's code (RFC 7541 §6.1, §6.2.2, §6.2.3).

/// Appends `:status`, as one byte where the static table has it.
pub(in crate::http2) fn put_indexed_status(out: &mut Vec<u8>, status: [u8; 3]) {
    let index: u8 = match &status {
        b"200" => 8,
        b"204" => 9,
        b"206" => 10,
        b"304" => 11,
        b"400" => 12,
        b"404" => 13,
        b"500" => 14,
        _ => {
            out.extend_from_slice(&[0x08, 3]);
            return out.extend_from_slice(&status);
        }
    };
    out.push(0x80 | index);
}

/// Appends a field; its name becomes lower-case.
pub(in crate::http2) fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let mut lower = [0; 32];
    let index = match lower.get_mut(..name.len()) {
        Some(lower) => {
            for (to, from) in lower.iter_mut().zip(name) {
                *to = from.to_ascii_lowercase();
            }
            index_of(lower)
        }
        None => 0,
    };
    // What is a secret is marked as one: nobody on the way may put it into a table (§7.1.3).
    let kind = if matches!(index, 23 | 32 | 49 | 55) { 0x10 } else { 0x00 };
    put_integer(out, kind, 4, index);
    if index == 0 {
        put_integer(out, 0, 7, name.len());
        out.extend(name.iter().map(u8::to_ascii_lowercase));
    }
    put_integer(out, 0, 7, value.len());
    out.extend_from_slice(value);
}

/// The place of a name in the static table; 0 where it has none.
#[rustfmt::skip]
fn index_of(name: &[u8]) -> usize {
    match name {
        b":authority" => 1, b":method" => 2, b":path" => 4, b":scheme" => 6,
        b"accept-charset" => 15, b"accept-encoding" => 16, b"accept-language" => 17, b"accept-ranges" => 18,
        b"accept" => 19, b"access-control-allow-origin" => 20, b"age" => 21, b"allow" => 22,
        b"authorization" => 23, b"cache-control" => 24, b"content-disposition" => 25, b"content-encoding" => 26,
        b"content-language" => 27, b"content-length" => 28, b"content-location" => 29, b"content-range" => 30,
        b"content-type" => 31, b"cookie" => 32, b"date" => 33, b"etag" => 34,
        b"expect" => 35, b"expires" => 36, b"if-match" => 39, b"if-modified-since" => 40,
        b"if-none-match" => 41, b"if-range" => 42, b"if-unmodified-since" => 43, b"last-modified" => 44,
        b"link" => 45, b"location" => 46, b"max-forwards" => 47, b"proxy-authenticate" => 48,
        b"proxy-authorization" => 49, b"range" => 50, b"referer" => 51, b"refresh" => 52,
        b"retry-after" => 53, b"server" => 54, b"set-cookie" => 55, b"strict-transport-security" => 56,
        b"user-agent" => 58, b"vary" => 59, b"via" => 60, b"www-authenticate" => 61,
        _ => 0,
    }
}

/// Appends an integer behind the bits of `kind` (§5.1).
fn put_integer(out: &mut Vec<u8>, kind: u8, bits: u32, value: usize) {
    let most = (1_usize << bits) - 1;
    let low = |value: usize| u8::try_from(value & 0xff).unwrap_or(0);
    if value < most {
        return out.push(kind | low(value));
    }
    out.push(kind | low(most));
    let mut left = value - most;
    while left >= 0x80 {
        out.push(0x80 | low(left & 0x7f));
        left >>= 7;
    }
    out.push(low(left));
}
