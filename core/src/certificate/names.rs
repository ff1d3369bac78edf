//! Names: which of them routes know, and who may issue a certificate for each.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::config::{Cidr, Config, HostPattern, Route, RouteKey};

/// Suffixes that no public authority issues for, because nobody owns a name below them (RFC 6761, RFC 8375, ICANN's
/// `.internal`) or because home and office networks use them as if they were reserved.
pub const PRIVATE_SUFFIXES: &[&str] = &["localhost", "internal", "test", "local", "lan", "home.arpa"];

/// Networks whose addresses are private: loopback, RFC 1918, RFC 6598, link-local, RFC 4193.
pub const PRIVATE_NETWORKS: &[Cidr] = &[
    v4(127, 0, 8),
    v4(10, 0, 8),
    v4(172, 16, 12),
    v4(192, 168, 16),
    v4(100, 64, 10),
    v4(169, 254, 16),
    v6(0, 1, 128),
    v6(0xfc00, 0, 7),
    v6(0xfe80, 0, 10),
];

const fn v4(first: u8, second: u8, bits: u8) -> Cidr {
    Cidr { address: IpAddr::V4(std::net::Ipv4Addr::new(first, second, 0, 0)), bits }
}

const fn v6(first: u16, last: u16, bits: u8) -> Cidr {
    Cidr { address: IpAddr::V6(std::net::Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, last)), bits }
}

/// Who may issue a certificate for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// The proxy's own authority: the name means something on this network alone.
    Local,
    /// A public authority, by ACME.
    Public,
    /// Nobody: a public address, or no name at all.
    Nobody,
}

/// Tells who may issue for a name in lower case, without a trailing dot; an IPv6 address with or without brackets.
#[must_use]
pub fn issuer_of(name: &str) -> Issuer {
    if let Some(ip) = address(name) {
        let private = PRIVATE_NETWORKS.iter().any(|network| network.contains(ip));
        return if private { Issuer::Local } else { Issuer::Nobody };
    }
    let odd = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'));
    if name.is_empty() || name.len() > 253 || name.contains(odd) || name.split('.').any(str::is_empty) {
        return Issuer::Nobody;
    }
    let below = |suffix: &str| name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if !name.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| below(suffix)) {
        return Issuer::Local;
    }
    Issuer::Public
}

/// The address that a host of a route or a name from a handshake is, if it is one.
pub(super) fn address(name: &str) -> Option<IpAddr> {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    bare.parse().ok()
}

/// How routes know a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// A route has this very host.
    Exact,
    /// It lies under a wildcard.
    Wildcard,
}

/// The names that routes know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    exact: BTreeSet<String>,
    suffixes: BTreeSet<String>,
    any: bool,
}

impl Names {
    /// Collects the hosts of all routes of a configuration, `also:` included, without those that no listener with
    /// `tls: auto` decrypts.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let mut names = Self::default();
        for (key, route) in &config.routes {
            names.add(config, key, route);
        }
        names
    }

    /// Adds the hosts of one more route: of one that was registered over the configuration.
    pub fn add(&mut self, config: &Config, key: &RouteKey, route: &Route) {
        for host in std::iter::once(&key.host).chain(&route.also).filter(|host| !passes_through(config, host)) {
            match host {
                HostPattern::Exact(name) => drop(self.exact.insert(name.clone())),
                HostPattern::Suffix(suffix) => drop(self.suffixes.insert(suffix.clone())),
                HostPattern::Any => self.any = true,
            }
        }
    }

    /// Tells how routes know a name, if they do. `*` knows private names alone, and of those of one label only
    /// `localhost`: what else it stood for would be chosen by whoever connects.
    #[must_use]
    pub fn cover(&self, name: &str) -> Option<Cover> {
        let bracketed = address(name).filter(IpAddr::is_ipv6).map(|ip| format!("[{ip}]"));
        if self.exact.contains(bracketed.as_deref().unwrap_or(name)) {
            return Some(Cover::Exact);
        }
        let mut rest = name;
        while let Some((_, suffix)) = rest.split_once('.') {
            if self.suffixes.contains(suffix) && address(name).is_none() {
                return Some(Cover::Wildcard);
            }
            rest = suffix;
        }
        let nameless = !name.contains(['.', ':']) && name != "localhost";
        (self.any && issuer_of(name) == Issuer::Local && !nameless).then_some(Cover::Wildcard)
    }

    /// The names for which a public authority is asked without anybody having connected.
    pub fn public(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().map(String::as_str).filter(|name| issuer_of(name) == Issuer::Public)
    }

    /// The names of one label: the proxy's own authority may sign for them only if it knew them when it was made.
    pub fn single_labels(&self) -> impl Iterator<Item = &str> {
        self.exact.iter().map(String::as_str).filter(|name| !name.contains(['.', ':']) && *name != "localhost")
    }
}

/// Whether every listener with `tls: auto` gives the bytes of a host on as they come.
fn passes_through(config: &Config, host: &HostPattern) -> bool {
    let mut automatic = config.listeners.iter().filter(|listener| listener.orders_certificates()).peekable();
    automatic.peek().is_some() && automatic.all(|listener| listener.passes_through(host))
}

#[cfg(test)]
mod tests {
    use super::{Cover, Issuer, Names, issuer_of};
    use crate::config::Config;

    #[test]
    fn who_may_issue() {
        let check = |name: &str, expect: Issuer| assert_eq!(issuer_of(name), expect, "{name}");
        for local in [
            "localhost",
            "a.localhost",
            "a.b.test",
            "db.internal",
            "printer.local",
            "nas.lan",
            "nas",
            "x.home.arpa",
            "127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "100.64.0.1",
            "::1",
            "[::1]",
            "[fd00::1]",
        ] {
            check(local, Issuer::Local);
        }
        for public in ["example.com", "a.example.com", "localhost.example.com", "mylocalhost.com", "contest.org"] {
            check(public, Issuer::Public);
        }
        for nobody in
            ["", ".", "a..b", "8.8.8.8", "172.32.0.1", "[2001:db8::1]", "a b.com", "A.com", "../x.com", "*.com"]
        {
            check(nobody, Issuer::Nobody);
        }
    }

    #[test]
    fn which_names_routes_know() {
        let text = "routes: {a.com: :1, b.com/x: {to: :1, also: [c.com, nas]}, '*.d.com': :1, '[::1]': :1, '*': :1}";
        let names = Names::of(&Config::from_text(text).unwrap());
        let check = |name: &str, expect: Option<Cover>| assert_eq!(names.cover(name), expect, "{name}");
        for exact in ["a.com", "b.com", "c.com", "nas", "::1", "[::1]"] {
            check(exact, Some(Cover::Exact));
        }
        for under in ["x.d.com", "y.x.d.com", "x.localhost", "10.0.0.1"] {
            check(under, Some(Cover::Wildcard));
        }
        for unknown in ["d.com", "x.a.com", "e.com", "8.8.8.8", "", "printer"] {
            check(unknown, None);
        }
        assert_eq!(names.public().collect::<Vec<_>>(), ["a.com", "b.com", "c.com"]);
        assert_eq!(names.single_labels().collect::<Vec<_>>(), ["nas"]);
    }
}
