//! Host and port: of a `Host` field, of an absolute target, and of a route's key.
//!
//! One reader for all three, so that a spelling that reaches a route is the spelling that the route was stored under.
//! Stricter than RFC 3986 §3.2.2: the sub-delimiters and percent-encodings that it allows occur in no host name.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::TargetError;
use super::words::is_plain_host;

/// The longest host that is looked at; DNS names end at 253.
const MAX_HOST: usize = 255;

/// A host in canonical form, and its port where one was named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    pub(super) host: Cow<'a, [u8]>,
    pub(super) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `host`, `host:port` or the same with an IPv6 address in brackets.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, TargetError> {
        if text.first() == Some(&b'[') {
            return Self::parse_ipv6(text);
        }
        let (name, port) = split_port(text);
        if name.len() <= MAX_HOST
            && is_plain_host(name)
            && let Ok(port) = parse_port(port)
        {
            return Ok(Self { host: Cow::Borrowed(name), port });
        }
        let (end, lower) = scan_name(text)?;
        let (name, port) = text.split_at(end);
        // The dot that ends an absolute DNS name names the same host.
        let name = name.strip_suffix(b".").unwrap_or(name);
        if name.is_empty() || name.len() > MAX_HOST {
            return Err(TargetError::Host);
        }
        let host = if lower { Cow::Borrowed(name) } else { Cow::Owned(name.to_ascii_lowercase()) };
        Ok(Self { host, port: parse_port(port)? })
    }

    fn parse_ipv6(text: &'a [u8]) -> Result<Self, TargetError> {
        let close = text.iter().position(|&b| b == b']').ok_or(TargetError::Host)?;
        let (literal, port) = text.split_at(close + 1);
        let address = text.get(1..close).and_then(ipv6).ok_or(TargetError::Host)?;
        let canonical = format!("[{address}]").into_bytes();
        let host = if canonical == literal { Cow::Borrowed(literal) } else { Cow::Owned(canonical) };
        Ok(Self { host, port: parse_port(port)? })
    }

    /// Tells whether both name the same place where `default_port` is what no port means.
    pub(super) fn equals(&self, other: &Self, default_port: u16) -> bool {
        self.host == other.host && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

/// Brings the host of a route's key into the form in which [`super::Destination::host`] gives it.
///
/// Takes an IPv6 address with brackets and without. `None` where no request can ever name such a host.
#[must_use]
pub fn canonical_host(host: &str) -> Option<String> {
    if let Some(address) = ipv6(host.as_bytes()) {
        return Some(format!("[{address}]"));
    }
    let authority = Authority::parse(host.as_bytes()).ok()?;
    if authority.port.is_some() {
        return None;
    }
    String::from_utf8(authority.host.into_owned()).ok()
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What a byte means in a host name.
#[derive(Clone, Copy)]
enum Class {
    Plain,
    Upper,
    Dot,
    Colon,
    At,
    Bad,
}

const CLASSES: [Class; 256] = {
    let mut table = [Class::Bad; 256];
    let mut byte = 0u8;
    while byte < 128 {
        table[byte as usize] = match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => Class::Plain,
            b'A'..=b'Z' => Class::Upper,
            b'.' => Class::Dot,
            b':' => Class::Colon,
            b'@' => Class::At,
            _ => Class::Bad,
        };
        byte += 1;
    }
    table
};

/// Finds the end of a name (the colon or the end of the text) and whether it is in lower case, in one pass.
fn scan_name(text: &[u8]) -> Result<(usize, bool), TargetError> {
    let mut lower = true;
    // A name that begins with a dot has an empty label, as one with two dots in a row has.
    let mut after_dot = true;
    for (at, &byte) in text.iter().enumerate() {
        match CLASSES[usize::from(byte)] {
            Class::Plain => after_dot = false,
            Class::Upper => (lower, after_dot) = (false, false),
            Class::Dot if after_dot => return Err(TargetError::Host),
            Class::Dot => after_dot = true,
            // `user:password@host`
            Class::Colon if text.contains(&b'@') => return Err(TargetError::UserInfo),
            Class::Colon => return Ok((at, lower)),
            Class::At => return Err(TargetError::UserInfo),
            Class::Bad => return Err(TargetError::Host),
        }
    }
    Ok((text.len(), lower))
}

/// Splits off what looks like a port: a colon within the last six bytes, and what follows.
fn split_port(text: &[u8]) -> (&[u8], &[u8]) {
    let colon = text.iter().rev().take(6).position(|&byte| byte == b':');
    text.split_at(colon.map_or(text.len(), |behind| text.len() - behind - 1))
}

/// Reads what stands behind a host: nothing, or a colon and a port from 1 to 65535.
fn parse_port(text: &[u8]) -> Result<Option<u16>, TargetError> {
    let Some((colon, digits)) = text.split_first() else {
        return Ok(None);
    };
    // Five digits hold every port; the sum of five can't overflow 32 bits.
    if *colon != b':' || !(1..=5).contains(&digits.len()) {
        return Err(TargetError::Port);
    }
    let mut port = 0u32;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(TargetError::Port);
        }
        port = port * 10 + u32::from(digit - b'0');
    }
    match u16::try_from(port) {
        Ok(0) | Err(_) => Err(TargetError::Port),
        Ok(port) => Ok(Some(port)),
    }
}
