//! Version 1 of the PROXY header: one line of text. Called by `parse`; strict in every space and digit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{BadProxyHeader, Ends, Header, Parsed};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The longest line, with its CRLF: two IPv6 addresses in full and two ports of five digits.
const MAX_LINE: usize = 107;

/// Reads the line. `bytes` begin with the signature, or are its beginning.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, BadProxyHeader> {
    let window = bytes.get(..MAX_LINE).unwrap_or(bytes);
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < MAX_LINE { Ok(Parsed::NeedMore) } else { Err(BadProxyHeader::Line) };
    };
    let line = window.get(SIGNATURE.len()..end).ok_or(BadProxyHeader::Line)?;
    let ends = ends(line).ok_or(BadProxyHeader::Line)?;
    Ok(Parsed::Done(Header { consumed: end + 2, ends }))
}

/// Reads what follows the signature; the outer `None` is a fault.
#[expect(clippy::option_option, reason = "a line may be right and name no ends")]
fn ends(line: &[u8]) -> Option<Option<Ends>> {
    // Whatever a sender adds to UNKNOWN is to be ignored.
    if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        return Some(None);
    }
    let mut words = line.split(|&byte| byte == b' ');
    let read: fn(&[u8]) -> Option<IpAddr> = match words.next()? {
        b"TCP4" => |word| text(word)?.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        b"TCP6" => |word| text(word)?.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => return None,
    };
    let (source, destination) = (read(words.next()?)?, read(words.next()?)?);
    let (from, to) = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    Some(Some(Ends { source: SocketAddr::new(source, from), destination: SocketAddr::new(destination, to) }))
}

fn text(word: &[u8]) -> Option<&str> {
    std::str::from_utf8(word).ok()
}

/// 0–65535 in digits alone, with no zero in front.
fn port(word: &[u8]) -> Option<u16> {
    let plain = word.iter().all(u8::is_ascii_digit) && (word.len() == 1 || word.first() != Some(&b'0'));
    if plain { text(word)?.parse().ok() } else { None }
}
