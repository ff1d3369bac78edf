//! `admin:` where the admin plane listens, and `registry:` what becomes of registered routes.

use super::Walk;
use crate::config::schema::{ADMIN, REGISTRY};
use crate::config::text::{Node, Value};
use crate::config::value::{Read, fault};
use crate::config::{Admin, Clash, Registry};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// Reads `admin:`: off, an address, or the long form.
pub(super) fn admin(walk: &mut Walk<'_>, node: &Node) -> Admin {
    let mut admin = Admin { written: true, ..Admin::default() };
    let Value::Map(_) = &node.value else {
        admin.bind = walk.value(node, WHAT, address).unwrap_or(admin.bind);
        return admin;
    };
    let Some(fields) = walk.fields(node, &ADMIN) else { return admin };
    match fields.value("bind") {
        Some(node) => admin.bind = walk.value(node, WHAT, address).unwrap_or(admin.bind),
        None => admin.written = false,
    }
    admin.socket = fields.value("socket").and_then(|node| path(walk, node));
    admin.token_file = fields.value("token_file").and_then(|node| path(walk, node));
    admin
}

const WHAT: &str = "an address for the admin plane";

/// An address of this machine, or `off`. Whoever reaches the admin plane rules the proxy, so no other is taken.
fn address(text: &str) -> Read<Option<SocketAddr>> {
    if matches!(text, "off" | "false") {
        return Ok(None);
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => match port.parse::<u16>() {
            Ok(port) => (host, port),
            Err(_) => return fault(WHAT, "the port is a number from 0 to 65535"),
        },
        None => return fault(WHAT, "write 127.0.0.1:9900, or off"),
    };
    let ip = match host {
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        "" | "*" | "0.0.0.0" | "[::]" => {
            return fault(WHAT, format!("this machine alone may reach it; write 127.0.0.1:{port}, {FROM_ELSEWHERE}"));
        }
        _ => match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().map(IpAddr::V6).ok(),
            None => host.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
        }
        .map_or_else(|| fault(WHAT, format!("write 127.0.0.1:{port}")), Ok)?,
    };
    if !ip.to_canonical().is_loopback() {
        let mend = format!(
            "without TLS and a token it can't be at another machine's reach; write 127.0.0.1:{port}, {FROM_ELSEWHERE}"
        );
        return fault(WHAT, mend);
    }
    Ok(Some(SocketAddr::new(ip, port)))
}

const FROM_ELSEWHERE: &str = "and from elsewhere use `ssh -L 9900:127.0.0.1:9900`";

fn path(walk: &mut Walk<'_>, node: &Node) -> Option<PathBuf> {
    walk.value(node, "a path", |text| match text {
        _ if text.contains('\0') => fault("a path", "a path has no NUL"),
        _ if !text.contains('/') => fault("a path", format!("a path has a slash: ./{text}")),
        _ => Ok(PathBuf::from(text)),
    })
}

/// Reads `registry:`.
pub(super) fn registry(walk: &mut Walk<'_>, node: &Node) -> Registry {
    let Some(fields) = walk.fields(node, &REGISTRY) else { return Registry::default() };
    let words = [("refuse", Clash::Refuse), ("overlay", Clash::Overlay)];
    let clash = fields.value("clash").and_then(|node| walk.word(node, "what a clash does", &words));
    let file = fields.value("file").and_then(|node| path(walk, node));
    Registry { file, clash: clash.unwrap_or_default() }
}
