//! A set of networks as sorted ranges: membership costs a binary search, however many there are.
//!
//! Conditions ask it for clients, the data path for `trusted_proxies`.

use std::net::IpAddr;

use crate::config::Cidr;

/// A set of IPv4 and IPv6 networks. Overlapping ones are merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Box<[(u32, u32)]>,
    v6: Box<[(u128, u128)]>,
}

impl Networks {
    /// Compiles a list.
    #[must_use]
    pub fn new(list: &[Cidr]) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in list {
            match network.address {
                IpAddr::V4(address) => {
                    let hosts = u32::MAX.checked_shr(u32::from(network.bits)).unwrap_or(0);
                    v4.push((u32::from(address) & !hosts, u32::from(address) | hosts));
                }
                IpAddr::V6(address) => {
                    let hosts = u128::MAX.checked_shr(u32::from(network.bits)).unwrap_or(0);
                    v6.push((u128::from(address) & !hosts, u128::from(address) | hosts));
                }
            }
        }
        Self { v4: merged(v4), v6: merged(v6) }
    }

    /// Tells whether `ip` lies in one of them. An IPv4 address in IPv6 dress (`::ffff:a.b.c.d`) is the IPv4 one.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(ip) => within(&self.v4, u32::from(ip)),
            IpAddr::V6(ip) => within(&self.v6, u128::from(ip)),
        }
    }

    /// Tells whether it holds no network at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

fn merged<T: Ord + Copy>(mut ranges: Vec<(T, T)>) -> Box<[(T, T)]> {
    ranges.sort_unstable();
    let mut out: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match out.last_mut() {
            Some(previous) if first <= previous.1 => previous.1 = previous.1.max(last),
            _ => out.push((first, last)),
        }
    }
    out.into_boxed_slice()
}

fn within<T: Ord + Copy>(ranges: &[(T, T)], value: T) -> bool {
    let after = ranges.partition_point(|range| range.0 <= value);
    ranges.get(..after).and_then(<[_]>::last).is_some_and(|range| value <= range.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        let (address, bits) = text.split_once('/').expect("a test's network has a slash");
        Cidr { address: address.parse().expect("an address"), bits: bits.parse().expect("bits") }
    }

    #[test]
    fn membership() {
        let list = ["10.0.0.0/8", "10.1.0.0/16", "192.168.1.7/32", "fd00::/8", "::1/128"].map(cidr);
        let set = Networks::new(&list);
        let check = |ip: &str, expect: bool| {
            let ip: IpAddr = ip.parse().expect("an address");
            assert_eq!(set.contains(ip), expect, "{ip}");
            assert_eq!(list.iter().any(|network| network.contains(ip)), expect, "{ip} by the list");
        };
        check("10.0.0.0", true);
        check("10.255.255.255", true);
        check("9.255.255.255", false);
        check("11.0.0.0", false);
        check("192.168.1.7", true);
        check("192.168.1.8", false);
        check("::ffff:10.2.3.4", true);
        check("fdff::1", true);
        check("fe80::1", false);
        check("::1", true);
        check("::2", false);
    }

    #[test]
    fn everything_and_nothing() {
        let all = Networks::new(&[cidr("0.0.0.0/0"), cidr("::/0")]);
        let none = Networks::new(&[]);
        for ip in ["0.0.0.0", "255.255.255.255", "::", "ffff::"] {
            let ip = ip.parse().expect("an address");
            assert!(all.contains(ip) && !none.contains(ip), "{ip}");
        }
        assert!(none.is_empty() && !all.is_empty());
    }
}
