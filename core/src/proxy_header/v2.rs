//! Version 2 of the PROXY header: a binary block with a length, and additions (TLVs) that are checked and skipped.
//! Called by `parse`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{BadProxyHeader, Ends, Header, MAX_LENGTH, Parsed};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family, length.
const FIXED: usize = 16;

/// Reads the block. `bytes` begin with the signature, or are its beginning.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, BadProxyHeader> {
    // Each byte is judged when it is there, so that nonsense does not hold a connection until its time-out.
    let command = match bytes.get(12) {
        None => return Ok(Parsed::NeedMore),
        Some(0x20) => Command::Local,
        Some(0x21) => Command::Proxy,
        Some(_) => return Err(BadProxyHeader::Block),
    };
    let Some(&[family, high, low]) = bytes.get(13..FIXED) else { return Ok(Parsed::NeedMore) };
    let consumed = FIXED + usize::from(u16::from_be_bytes([high, low]));
    if consumed > MAX_LENGTH {
        return Err(BadProxyHeader::Block);
    }
    let Some(body) = bytes.get(FIXED..consumed) else { return Ok(Parsed::NeedMore) };
    let ends = match command {
        // A sender's own health check: the rest of the block is to be ignored, whatever it is.
        Command::Local => None,
        Command::Proxy => proxied(family, body)?,
    };
    Ok(Parsed::Done(Header { consumed, ends }))
}

enum Command {
    Local,
    Proxy,
}

fn proxied(family: u8, body: &[u8]) -> Result<Option<Ends>, BadProxyHeader> {
    let (ends, rest) = match family {
        // Unspecified: what follows is to be ignored.
        0x00 => return Ok(None),
        0x11 => ipv4(body).map(|(ends, rest)| (Some(ends), rest)),
        0x21 => ipv6(body).map(|(ends, rest)| (Some(ends), rest)),
        // Two unix paths of 108 bytes.
        0x31 => body.get(216..).map(|rest| (None, rest)),
        // Datagrams do not come over a stream, and nothing else is defined.
        _ => None,
    }
    .ok_or(BadProxyHeader::Block)?;
    if tlvs_fill(rest) { Ok(ends) } else { Err(BadProxyHeader::Tlv) }
}

fn ipv4(body: &[u8]) -> Option<(Ends, &[u8])> {
    let (source, body) = body.split_first_chunk::<4>()?;
    let (destination, body) = body.split_first_chunk::<4>()?;
    let (from, to, rest) = ports(body)?;
    let source = SocketAddr::new(Ipv4Addr::from(*source).into(), from);
    Some((Ends { source, destination: SocketAddr::new(Ipv4Addr::from(*destination).into(), to) }, rest))
}

fn ipv6(body: &[u8]) -> Option<(Ends, &[u8])> {
    let (source, body) = body.split_first_chunk::<16>()?;
    let (destination, body) = body.split_first_chunk::<16>()?;
    let (from, to, rest) = ports(body)?;
    let source = SocketAddr::new(Ipv6Addr::from(*source).into(), from);
    Some((Ends { source, destination: SocketAddr::new(Ipv6Addr::from(*destination).into(), to) }, rest))
}

fn ports(body: &[u8]) -> Option<(u16, u16, &[u8])> {
    let (from, body) = body.split_first_chunk::<2>()?;
    let (to, rest) = body.split_first_chunk::<2>()?;
    Some((u16::from_be_bytes(*from), u16::from_be_bytes(*to), rest))
}

/// Tells whether additions (a type, two bytes of length, a value) fill `rest` to its last byte.
fn tlvs_fill(mut rest: &[u8]) -> bool {
    while let Some(([_, high, low], value)) = rest.split_first_chunk::<3>() {
        let Some(next) = value.get(usize::from(u16::from_be_bytes([*high, *low]))..) else { return false };
        rest = next;
    }
    rest.is_empty()
}
