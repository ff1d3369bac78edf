//! `upstreams:` and the addresses that rules give without a name.

use super::{Walk, balance, health, tags, tls};
use crate::config::schema::{ENDPOINT, POOL, UPSTREAM};
use crate::config::suggest::nearest;
use crate::config::text::{Mark, Node, Value};
use crate::config::value::{address, amount, fault, host};
use crate::config::{
    Address, Bind, Endpoint, EndpointScheme, ErrorKind, HostHeader, Outlier, Pool, Upstream, WarningKind,
};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads `upstreams:`. Names count as known even where what stands under them is wrong.
pub(super) fn upstreams(walk: &mut Walk<'_>, node: &Node) {
    let Some(map) = walk.map(node, "upstreams by name") else { return };
    for entry in &map.entries {
        if let Some(mend) = wrong_name(&entry.key) {
            let kind = ErrorKind::Value { written: entry.key.clone(), expected: "a name for an upstream", mend };
            walk.report.error(entry.key_at, kind);
            continue;
        }
        walk.named.insert(entry.key.clone());
    }
    // Those that take in endpoints of others come after them.
    let (others, own): (Vec<_>, Vec<_>) = map.entries.iter().partition(|entry| tags::takes_in(&entry.value));
    for entry in own.into_iter().chain(others).filter(|entry| wrong_name(&entry.key).is_none()) {
        if let Some(upstream) = upstream(walk, &entry.value) {
            walk.upstreams.insert(entry.key.clone(), upstream);
        }
    }
}

fn wrong_name(name: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if address::is_address(name) {
        return Some("a text with a colon is an address; write a bare word".to_owned());
    }
    (name.is_empty() || !name.chars().all(allowed)).then(|| "write letters, digits, `-`, `_` and `.`".to_owned())
}

fn upstream(walk: &mut Walk<'_>, node: &Node) -> Option<Upstream> {
    let Value::Map(_) = &node.value else {
        let endpoints = endpoints(walk, node)?;
        return Some(Upstream::of(endpoints));
    };
    let fields = walk.fields(node, &UPSTREAM)?;
    let pool = fields.value("pool").map_or_else(Pool::default, |node| pool(walk, node));
    let host = fields.value("host").and_then(|node| host_header(walk, node));
    let balance = fields.value("balance").and_then(|node| balance::balance(walk, node)).unwrap_or_default();
    let slow_start = fields.value("slow_start").and_then(|node| walk.timeout(node)).flatten();
    let limits = fields.value("limits").map(|node| balance::bounds(walk, node)).unwrap_or_default();
    let health = fields.value("health").and_then(|node| health::health(walk, node));
    let outlier = match fields.value("outlier") {
        Some(node) => health::outlier(walk, node).flatten(),
        None => Some(Outlier::default()),
    };
    let default_origin = fields.value("default_origin").and_then(|node| balance::default_origin(walk, node));
    let sticky = fields.value("sticky").and_then(|node| balance::sticky(walk, node));
    let endpoints = match fields.value("endpoints") {
        Some(list) => {
            if let Some((key, entry)) = fields.first(&["from", "tags"]) {
                let mend = "goes without `endpoints`: it takes in those of another upstream";
                walk.report.error(entry.key_at, ErrorKind::Misplaced { key: key.to_owned(), mend });
            }
            endpoints(walk, list)?
        }
        None => tags::taken_in(walk, &fields)?,
    };
    let (tls, send_proxy_protocol) = tls::to_endpoints(walk, &fields, &endpoints);
    let said = Upstream {
        pool,
        host,
        balance,
        slow_start,
        limits,
        sticky,
        default_origin,
        health,
        outlier,
        ..Upstream::of(endpoints)
    };
    Some(Upstream { tls, send_proxy_protocol, ..said })
}

fn pool(walk: &mut Walk<'_>, node: &Node) -> Pool {
    let mut pool = Pool::default();
    let Some(fields) = walk.fields(node, &POOL) else { return pool };
    if let Some(idle) = fields.value("idle").and_then(|node| idle(walk, node)) {
        pool.idle = idle;
    }
    if let Some(time) = fields.value("idle_timeout").and_then(|node| walk.span(node)) {
        pool.idle_timeout = time;
    }
    if let Some(time) = fields.value("max_age").and_then(|node| walk.span(node)) {
        pool.max_age = time;
    }
    pool
}

/// `off` keeps no connection; `unlimited` can't be: idle connections cost the origin too.
fn idle(walk: &mut Walk<'_>, node: &Node) -> Option<u32> {
    walk.value(node, "a count", |text| match text {
        "off" | "false" => Ok(0),
        "0" => fault("a count", "to keep no idle connection write `off`"),
        _ => amount::count(text, 1, 1_000_000).map(|count| u32::try_from(count).unwrap_or(u32::MAX)),
    })
}

/// Reads one address or a list of them; never gives none.
fn endpoints(walk: &mut Walk<'_>, node: &Node) -> Option<Vec<Endpoint>> {
    let items = walk.one_or_list(node);
    if items.is_empty() {
        walk.report.error(node.at, ErrorKind::Missing("the list is empty; an upstream needs an address at least"));
    }
    let mut endpoints: Vec<Endpoint> = Vec::new();
    let mut written = BTreeSet::new();
    for item in items {
        let Some(endpoint) = endpoint(walk, item) else { continue };
        if written.insert(endpoint.written.clone()) {
            endpoints.push(endpoint);
        } else {
            walk.wrong(item, "another address", "it stands in this list already; leave one of them out");
        }
    }
    (!endpoints.is_empty()).then_some(endpoints)
}

fn endpoint(walk: &mut Walk<'_>, node: &Node) -> Option<Endpoint> {
    let Value::Map(_) = &node.value else {
        let (address, written) = place(walk, node)?;
        return Some(Endpoint::at(written, address));
    };
    let fields = walk.fields(node, &ENDPOINT)?;
    let host = fields.value("host").and_then(|node| host_header(walk, node));
    let share = balance::member(walk, &fields);
    let tags = fields.value("tags").map(|node| tags::words(walk, node)).unwrap_or_default();
    let Some(node) = fields.value("address") else {
        let words = "an endpoint needs its address: `address: 10.0.0.1:3000`";
        walk.report.error(fields.at, ErrorKind::Missing(words));
        return None;
    };
    let (address, written) = place(walk, node)?;
    Some(Endpoint { host, tags, ..share(Endpoint::at(written, address)) })
}

/// Reads an address, and keeps it as written too.
fn place(walk: &mut Walk<'_>, node: &Node) -> Option<(Address, String)> {
    let (address, written) = walk.value(node, "an address", |text| Ok((address::address(text)?, text.to_owned())))?;
    warn_public(walk, node.at, &address, &written);
    warn_own(walk, node.at, &address, &written);
    Some((address, written))
}

fn warn_public(walk: &mut Walk<'_>, at: Mark, address: &Address, written: &str) {
    if EndpointScheme::of(written) == EndpointScheme::Http
        && let Address::Ip(ip, _) = address
        && is_public(*ip)
    {
        walk.report.warn(at, WarningKind::PlainHttp(written.to_owned()));
    }
}

/// Warns of an address where we listen ourselves. It is no error: another rule may answer there, or another host's.
fn warn_own(walk: &mut Walk<'_>, at: Mark, address: &Address, written: &str) {
    let own = walk.binds.iter().zip(&walk.listeners).find(|(bind, _)| leads_to(address, bind));
    if let Some((_, listener)) = own {
        let kind = WarningKind::OwnAddress { address: written.to_owned(), listener: listener.clone() };
        walk.report.warn(at, kind);
    }
}

/// Whether a connect to an address ends at a listener, as far as the two texts tell.
fn leads_to(address: &Address, bind: &Bind) -> bool {
    const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let (to, port) = match address {
        Address::Unix(path) => return matches!(bind, Bind::Unix(bound) if bound == path),
        Address::Loopback(port) => (&LOOPBACK[..], *port),
        Address::Name(name, port) if name == "localhost" => (&LOOPBACK[..], *port),
        Address::Ip(ip, port) => (std::slice::from_ref(ip), *port),
        Address::Name(..) | Address::Srv(_) => return false,
    };
    let any = |own: u16| own == port && to.iter().any(IpAddr::is_loopback);
    match bind {
        Bind::Any(own) => any(*own),
        Bind::Ip(bound, own) if bound.is_unspecified() => any(*own),
        Bind::Ip(bound, own) => *own == port && to.contains(bound),
        // Where 80 can't be bound, it is somebody else's.
        Bind::Default => any(80),
        Bind::Unix(_) | Bind::Fd(_) => false,
    }
}

/// Addresses that are routed over the Internet; documentation ranges count as such, so that examples warn too.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let shared = u32::from(v4) >> 22 == u32::from(std::net::Ipv4Addr::new(100, 64, 0, 0)) >> 22;
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local())
        }
    }
}

/// Reads what a rule's `to:` names, and gives the name of the upstream.
pub(super) fn target(walk: &mut Walk<'_>, node: &Node) -> Option<String> {
    if let Value::Scalar(_) = &node.value {
        let text = walk.text(node, "an upstream's name or an address")?;
        if !address::is_address(&text) {
            return named(walk, node, text);
        }
    }
    if let Value::List(items) = &node.value {
        let name = |item: &&Node| matches!(&item.value, Value::Scalar(one) if !address::is_address(&one.text) && !one.text.contains("${"));
        if let Some(item) = items.iter().find(name) {
            let mend = "in a list stand addresses (10.0.0.1:3000); an upstream's name stands alone";
            walk.wrong(item, "an address", mend);
            return None;
        }
    }
    let endpoints = endpoints(walk, node)?;
    let name = endpoints.iter().map(|endpoint| endpoint.written.as_str()).collect::<Vec<_>>().join(",");
    walk.upstreams.entry(name.clone()).or_insert_with(|| Upstream::of(endpoints));
    Some(name)
}

fn named(walk: &mut Walk<'_>, node: &Node, name: String) -> Option<String> {
    if walk.named.contains(&name) {
        return Some(name);
    }
    let written = super::written(node);
    if written != name {
        // What `${…}` became is never shown.
        let mend = "look at what it stands for".to_owned();
        walk.report.error(node.at, ErrorKind::UnknownName { what: "upstream", name: written, mend });
        return None;
    }
    let meant = if walk.may_suggest() { nearest(&name, walk.named.iter().map(String::as_str)) } else { None };
    let mend = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if amount::is_digits(&name) => format!("a port of this machine is written :{name}"),
        None if name.contains('/') => format!("a directory is served by `files: {name}`"),
        None if (name.contains('.') || name == "localhost") && host::name("", &name).is_ok() => {
            format!("an address has a port: {name}:80; a name stands under `upstreams:`")
        }
        None => "add it under `upstreams:`, or write an address with a port".to_owned(),
    };
    walk.report.error(node.at, ErrorKind::UnknownName { what: "upstream", name, mend });
    None
}

/// Reads `host:` of a rule, an upstream or an endpoint.
pub(super) fn host_header(walk: &mut Walk<'_>, node: &Node) -> Option<HostHeader> {
    const WHAT: &str = "a host";
    walk.value(node, WHAT, |text| match text {
        "preserve" => Ok(HostHeader::Preserve),
        "upstream" => Ok(HostHeader::Upstream),
        _ => {
            if let Some(meant) = nearest(text, ["preserve", "upstream"]) {
                return fault(WHAT, format!("did you mean `{meant}`?"));
            }
            let (name, port) = match text.rsplit_once(':') {
                Some((name, port)) if !text.ends_with(']') => (name, Some(port)),
                Some(_) | None => (text, None),
            };
            let name = match host::pattern(name)? {
                crate::config::HostPattern::Exact(name) => name,
                crate::config::HostPattern::Suffix(_) | crate::config::HostPattern::Any => {
                    return fault(WHAT, "write preserve, upstream or one name");
                }
            };
            match port.map(|port| amount::count(port, 1, 65_535)) {
                None => Ok(HostHeader::Name(name)),
                Some(Ok(port)) => Ok(HostHeader::Name(format!("{name}:{port}"))),
                Some(Err(_)) => fault(WHAT, "the port is a number from 1 to 65535"),
            }
        }
    })
}
