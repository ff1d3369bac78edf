//! `dns:` who is asked for the names of endpoints.

use super::Walk;
use crate::config::schema::DNS;
use crate::config::text::Node;
use crate::config::value::{Read, fault};
use crate::config::{Dns, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Reads `dns:`.
pub(super) fn dns(walk: &mut Walk<'_>, node: &Node) -> Dns {
    let mut dns = Dns::default();
    let Some(fields) = walk.fields(node, &DNS) else { return dns };
    if let Some(node) = fields.value("servers") {
        let items = walk.one_or_list(node);
        dns.servers =
            items.iter().filter_map(|item| walk.value(item, "the address of a name server", server)).collect();
    }
    for (key, place) in [("min_ttl", &mut dns.min_ttl), ("max_ttl", &mut dns.max_ttl)] {
        if let Some(time) = fields.value(key).and_then(|node| walk.span(node)) {
            *place = time;
        }
    }
    // What is asked without a pause is an attack on the server.
    if dns.min_ttl < Duration::from_millis(100) || dns.max_ttl < dns.min_ttl {
        let words = "min_ttl is at least 100ms, and max_ttl is not below it";
        walk.report.error(fields.at, ErrorKind::Missing(words));
    }
    dns
}

fn server(text: &str) -> Read<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    match (text.parse::<SocketAddr>(), bare.parse::<IpAddr>()) {
        (Ok(at), _) => Ok(at),
        (Err(_), Ok(ip)) => Ok(SocketAddr::new(ip, 53)),
        (Err(_), Err(_)) => fault("the address of a name server", "write 10.0.0.2, 127.0.0.1:5353 or [::1]:53"),
    }
}
