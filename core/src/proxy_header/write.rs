//! The header that we send: to endpoints with `send_proxy_protocol`.

use std::net::{IpAddr, SocketAddr};

use super::Ends;
use crate::config::ProxyVersion;

/// What every header of version 2 begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Writes a header; without ends it says that nothing is known of the client.
#[must_use]
pub fn write(version: ProxyVersion, ends: Option<Ends>) -> Vec<u8> {
    match version {
        ProxyVersion::V1 => line(ends),
        ProxyVersion::V2 => block(ends),
    }
}

fn line(ends: Option<Ends>) -> Vec<u8> {
    let Some(Ends { source, destination }) = ends.map(one_family) else { return b"PROXY UNKNOWN\r\n".to_vec() };
    let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from, to) = (source.ip(), destination.ip());
    format!("PROXY {family} {from} {to} {} {}\r\n", source.port(), destination.port()).into_bytes()
}

fn block(ends: Option<Ends>) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    let Some(Ends { source, destination }) = ends.map(one_family) else {
        // LOCAL: the ends of the connection itself count.
        out.extend_from_slice(&[0x20, 0, 0, 0]);
        return out;
    };
    out.extend_from_slice(if source.is_ipv4() { &[0x21, 0x11, 0, 12] } else { &[0x21, 0x21, 0, 36] });
    for end in [source, destination] {
        match end.ip() {
            IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
        }
    }
    for end in [source, destination] {
        out.extend_from_slice(&end.port().to_be_bytes());
    }
    out
}

/// A header names one family: where the ends differ, both are written as IPv6.
fn one_family(ends: Ends) -> Ends {
    let canonical = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
    let (source, destination) = (canonical(ends.source), canonical(ends.destination));
    if source.is_ipv4() == destination.is_ipv4() {
        return Ends { source, destination };
    }
    let wide = |end: SocketAddr| match end.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), end.port()),
        IpAddr::V6(_) => end,
    };
    Ends { source: wide(source), destination: wide(destination) }
}

#[cfg(test)]
mod tests {
    use super::{Ends, ProxyVersion, write};
    use crate::proxy_header::{Parsed, parse};

    #[test]
    fn what_is_written_is_read_back() {
        let check = |source: &str, destination: &str| {
            let ends = Ends { source: source.parse().unwrap(), destination: destination.parse().unwrap() };
            for version in [ProxyVersion::V1, ProxyVersion::V2] {
                let written = write(version, Some(ends));
                let Ok(Parsed::Done(header)) = parse(&written) else { panic!("{version:?} of {source}") };
                assert_eq!((header.consumed, header.ends), (written.len(), Some(ends)), "{version:?}");
            }
        };
        check("203.0.113.7:4711", "10.0.0.1:443");
        check("[2001:db8::7]:4711", "[2001:db8::1]:443");
        for version in [ProxyVersion::V1, ProxyVersion::V2] {
            let written = write(version, None);
            let Ok(Parsed::Done(header)) = parse(&written) else { panic!("{version:?} of nobody") };
            assert_eq!((header.consumed, header.ends), (written.len(), None));
        }
    }

    #[test]
    fn ends_of_two_families_become_one() {
        let ends = Ends { source: "203.0.113.7:1".parse().unwrap(), destination: "[2001:db8::1]:2".parse().unwrap() };
        let line = String::from_utf8(write(ProxyVersion::V1, Some(ends))).unwrap();
        assert_eq!(line, "PROXY TCP6 ::ffff:203.0.113.7 2001:db8::1 1 2\r\n");
    }
}
