//! `listen:` where connections are accepted.

use super::{Fields, Walk, policy, tls};
use crate::config::schema::{LISTENER, LISTENER_TIMEOUTS};
use crate::config::text::{Mark, Node, Value};
use crate::config::value::{address, fault};
use crate::config::{Bind, ErrorKind, LimitScope, Listener, ProxyProtocol, Timeouts, WarningKind};
use std::net::IpAddr;

/// How many listeners there may be: each is compared with every other, and each costs a socket per worker.
const MOST: usize = 256;

/// Reads all listeners, with their places. Never gives none: what can't be read is reported.
pub(super) fn listeners(walk: &mut Walk<'_>, node: Option<&Node>, timeouts: Timeouts) -> Vec<(Mark, Listener)> {
    let mut listeners: Vec<(Mark, Listener)> = Vec::new();
    let items = node.map_or(&[][..], |node| walk.one_or_list(node));
    if let (Some(node), true) = (node, items.is_empty()) {
        let words = "the list is empty; write an address such as `:8080`, or leave `listen` out";
        walk.report.error(node.at, ErrorKind::Missing(words));
    }
    if let Some(item) = items.get(MOST) {
        walk.report.error(item.at, ErrorKind::Excess { what: "listeners", most: MOST });
    }
    for item in items.iter().take(MOST) {
        let Some(listener) = listener(walk, item, timeouts) else { continue };
        let clash = listeners.iter().find_map(|(at, other)| clash(other, &listener).map(|what| (*at, what)));
        match clash {
            Some((first, what)) => {
                let first = walk.report.place(first);
                walk.report.error(item.at, ErrorKind::DuplicateListener { what, first });
            }
            None => listeners.push((item.at, listener)),
        }
    }
    if listeners.is_empty() {
        listeners.push((node.map_or_else(Mark::default, |node| node.at), Listener::default()));
    }
    listeners
}

fn listener(walk: &mut Walk<'_>, node: &Node, timeouts: Timeouts) -> Option<Listener> {
    let Value::Map(_) = &node.value else {
        let (bind, name) = bind(walk, node)?;
        warn_plain(walk, node, &bind);
        return Some(Listener { bind, name, ..Listener::default() });
    };
    let fields = walk.fields(node, &LISTENER)?;
    let proxy_protocol = fields.value("proxy_protocol").and_then(|node| proxy_protocol(walk, node));
    let max_connections = fields.value("max_connections").and_then(|node| walk.count_or(node, "unlimited")).flatten();
    let tls = fields.value("tls").filter(|node| !is_off(node)).and_then(|node| tls::listener(walk, node));
    let https_redirect = fields.value("https_redirect").and_then(|node| walk.switch(node));
    let timeouts = fields.value("timeouts").map(|node| self::timeouts(walk, node, timeouts));
    let max_body = fields.value("max_body").and_then(|node| walk.size_or_unlimited(node)).flatten();
    let name = fields.value("name").and_then(|node| name(walk, node));
    let h2c = fields.value("h2c").and_then(|node| walk.switch(node)).unwrap_or(false);
    let (bind, text) = bound(walk, &fields)?;
    if let (None, Some(node)) = (fields.entry("tls"), fields.value("bind")) {
        warn_plain(walk, node, &bind);
    }
    let name = name.unwrap_or(text);
    let policies = policy::level(walk, &fields, &LimitScope::Listener(name.clone())).policies();
    Some(Listener {
        bind,
        name,
        proxy_protocol: proxy_protocol.unwrap_or(ProxyProtocol::Off),
        max_connections,
        timeouts,
        max_body,
        policies,
        tls,
        https_redirect: https_redirect.unwrap_or(true),
        h2c,
    })
}

/// Warns of a listener at the port of HTTPS that says nothing of TLS.
fn warn_plain(walk: &mut Walk<'_>, node: &Node, bind: &Bind) {
    if let Bind::Any(443) | Bind::Ip(_, 443) = bind {
        let bind = super::written(node);
        // A bracket would begin a list.
        let bind = if bind.starts_with('[') { format!("\"{bind}\"") } else { bind };
        walk.report.warn(node.at, WarningKind::PlainHttps(bind));
    }
}

/// Reads the `timeouts:` of a listener over those of the file.
fn timeouts(walk: &mut Walk<'_>, node: &Node, mut timeouts: Timeouts) -> Timeouts {
    let Some(fields) = walk.fields(node, &LISTENER_TIMEOUTS) else { return timeouts };
    let places = [
        ("tls_handshake", &mut timeouts.tls_handshake),
        ("head", &mut timeouts.head),
        ("keep_alive", &mut timeouts.keep_alive),
    ];
    for (key, place) in places {
        walk.timeout_over(&fields, key, place);
    }
    timeouts
}

fn bound(walk: &mut Walk<'_>, fields: &Fields<'_>) -> Option<(Bind, String)> {
    match fields.value("bind") {
        Some(node) => bind(walk, node),
        None => {
            walk.report.error(fields.at, ErrorKind::Missing("a listener needs its address: `bind: 127.0.0.1:8080`"));
            None
        }
    }
}

/// The address, and its text as the name of a listener that has no other.
fn bind(walk: &mut Walk<'_>, node: &Node) -> Option<(Bind, String)> {
    walk.value(node, "an address", |text| Ok((address::bind(text)?, text.to_owned())))
}

fn name(walk: &mut Walk<'_>, node: &Node) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:[]/".contains(c);
    walk.value(node, "a name", |text| {
        if text.chars().all(allowed) && !text.is_empty() {
            Ok(text.to_owned())
        } else {
            fault("a name", "write letters, digits, `-`, `_` and `.`")
        }
    })
}

/// `tls: off` is a plain listener.
fn is_off(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if matches!(scalar.text.as_str(), "off" | "false"))
}

fn proxy_protocol(walk: &mut Walk<'_>, node: &Node) -> Option<ProxyProtocol> {
    let words = [
        ("off", ProxyProtocol::Off),
        ("accept", ProxyProtocol::Accept),
        ("require", ProxyProtocol::Require),
        ("false", ProxyProtocol::Off),
    ];
    walk.word(node, "off, accept or require", &words)
}

/// What two listeners can't both have.
fn clash(one: &Listener, other: &Listener) -> Option<String> {
    if one.name == other.name {
        return Some(one.name.clone());
    }
    let same = match (&one.bind, &other.bind) {
        (Bind::Any(a), Bind::Any(b)) => a == b && *a != 0,
        (Bind::Any(a), Bind::Ip(ip, b)) | (Bind::Ip(ip, b), Bind::Any(a)) => a == b && *a != 0 && ip.is_unspecified(),
        (Bind::Ip(x, a), Bind::Ip(y, b)) => a == b && *a != 0 && IpAddr::to_canonical(x) == IpAddr::to_canonical(y),
        (a, b) => a == b,
    };
    same.then(|| one.name.clone())
}
