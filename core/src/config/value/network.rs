//! Networks: `10.0.0.0/8`, or one address.

use super::{Read, fault};
use crate::config::Cidr;
use std::net::IpAddr;

const WHAT: &str = "a network";

/// Reads a network; an address alone is the network of that address. IPv4 in IPv6 dress becomes IPv4.
pub(in crate::config) fn cidr(text: &str) -> Read<Cidr> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return fault(WHAT, mend(address));
    };
    let width = width(address);
    let bits = match bits {
        None => width,
        Some(bits) => match bits.parse::<u8>() {
            Ok(count) if count <= width && super::amount::is_digits(bits) => count,
            Ok(_) | Err(_) => return fault(WHAT, format!("after the `/` stands a number from 0 to {width}")),
        },
    };
    let (address, bits) = match address.to_canonical() {
        inner @ IpAddr::V4(_) if address.is_ipv6() && bits >= 96 => (inner, bits - 96),
        _ => (address, bits),
    };
    let network = masked(address, bits);
    if network != address {
        let whole = self::width(address);
        return fault(WHAT, format!("it has bits set beyond /{bits}; write {network}/{bits}, or {address}/{whole}"));
    }
    Ok(Cidr { address, bits })
}

fn mend(address: &str) -> String {
    match address.parse::<std::net::SocketAddr>() {
        Ok(socket) => format!("a network has no port; write {}", socket.ip()),
        Err(_) if address.contains('[') => "leave the brackets out".to_owned(),
        Err(_) => "write an address or a network such as 10.0.0.0/8 or fd00::/8".to_owned(),
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits.into())).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits.into())).unwrap_or(0);
            IpAddr::V6((u128::from(v6) & mask).into())
        }
    }
}
