//! The HTTP version in request lines and status lines (RFC 9112 §2.3).
//!
//! Both look at one byte after the other, so that the first wrong byte decides and a split changes nothing.

use super::HeadError;
use crate::message::Version;

/// `HTTP/1.1` and CRLF.
pub(super) const REQUEST_LEN: usize = 10;
/// `HTTP/1.1`
pub(super) const LEN: usize = 8;

/// Reads the version and the line end behind it at the start of `rest`; `None` where more bytes are needed.
pub(super) fn of_request(rest: &[u8]) -> Result<Option<Version>, HeadError> {
    if rest.starts_with(b"HTTP/1.1\r\n") {
        return Ok(Some(Version::Http11));
    }
    match rest.first() {
        Some(b' ') => return Err(HeadError::DoubleSpace),
        Some(b'\r' | b'\n') => return Err(HeadError::NoVersion),
        _ => {}
    }
    let Some(version) = read(rest, HeadError::BadVersion)? else { return Ok(None) };
    match (rest.get(LEN), rest.get(LEN + 1)) {
        (Some(b'\r'), Some(b'\n')) => Ok(Some(version)),
        (None | Some(b'\r'), None) => Ok(None),
        (Some(b'\r'), _) => Err(HeadError::BareCr),
        (Some(b'\n'), _) => Err(HeadError::BareLf),
        (_, _) => Err(HeadError::BadVersion),
    }
}

/// Reads `HTTP/d.d` at the start of `rest`; `None` where more bytes are needed, `wrong` where it isn't one.
pub(super) fn read(rest: &[u8], wrong: HeadError) -> Result<Option<Version>, HeadError> {
    const FORM: &[u8; LEN] = b"HTTP/0.0";
    if rest.starts_with(b"HTTP/1.1") {
        return Ok(Some(Version::Http11));
    }
    for (&byte, &form) in rest.iter().zip(FORM) {
        let fits = if form == b'0' { byte.is_ascii_digit() } else { byte == form };
        if !fits {
            return Err(wrong);
        }
    }
    match rest.get(..LEN) {
        None => Ok(None),
        Some(b"HTTP/1.0") => Ok(Some(Version::Http10)),
        Some([.., b'1', b'.', _]) => Ok(Some(Version::Http11)),
        Some(_) => Err(HeadError::UnsupportedVersion),
    }
}
