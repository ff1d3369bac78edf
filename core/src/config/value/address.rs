//! Addresses: where an endpoint is dialled, and where a listener binds.

use super::{Fault, Read, amount, fault, host};
use crate::config::{Address, Bind, EndpointScheme};
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;

const WHAT: &str = "an address";
const BIND: &str = "a place to listen";

/// The port of `http://`, `ws://` and `h2c://` addresses that name none.
const HTTP: u16 = 80;

/// The port of `https://` and `wss://` addresses that name none.
const HTTPS: u16 = 443;

/// Tells an address from the name of an upstream: an address has a port or a scheme, so it has a colon.
pub(in crate::config) fn is_address(text: &str) -> bool {
    text.contains(':')
}

/// Whether an address says that its endpoint speaks HTTP/2 without TLS.
#[must_use]
pub fn is_h2c(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("h2c"))
}

/// Reads `:3000`, `host:3000`, `[::1]:3000`, `http://host`, `https://host`, `ws://host:3000`, `wss://host`, `h2c://host` or
/// `unix:/path`.
pub(in crate::config) fn address(text: &str) -> Read<Address> {
    if let Some(path) = text.strip_prefix("unix:") {
        return socket(WHAT, path).map(Address::Unix);
    }
    let (scheme, authority) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text),
    };
    match scheme.map(str::to_ascii_lowercase).as_deref() {
        None | Some("http" | "ws" | "h2c" | "https" | "wss") => {}
        Some("srv") => return service(authority),
        Some(_) => return fault(WHAT, "the schemes are http, https, h2c, ws, wss, srv and unix:/path"),
    }
    if let Some(at) = authority.find(['/', '?', '#']) {
        let (before, path) = authority.split_at_checked(at).unwrap_or((authority, ""));
        return fault(
            WHAT,
            match path {
                "/" => format!("leave the last slash out; write {}", text.strip_suffix('/').unwrap_or(before)),
                _ => format!(
                    "an address has no path; leave `{path}` out, and put it in front of paths by `add_prefix: {path}`"
                ),
            },
        );
    }
    if authority.contains('@') {
        return fault(WHAT, "a user and a password have no meaning here; leave out what stands before `@`");
    }
    let (name, port) = split(WHAT, authority)?;
    let port = match port {
        Some(port) => port_number(WHAT, port, 1)?,
        None if EndpointScheme::of(text) == EndpointScheme::Https => HTTPS,
        None if scheme.is_some() => HTTP,
        None => return fault(WHAT, format!("the port is missing; write {authority}:3000, say")),
    };
    if name.is_empty() {
        return Ok(Address::Loopback(port));
    }
    match ip(WHAT, name)? {
        Some(ip) if ip.is_unspecified() => fault(WHAT, format!("nothing can be dialled there; write :{port}")),
        Some(ip) => Ok(Address::Ip(ip, port)),
        None => Ok(Address::Name(host::name(WHAT, name)?, port)),
    }
}

/// Reads the name of a service, `_http._tcp.example.com`: the ports come with its hosts (RFC 2782).
fn service(name: &str) -> Read<Address> {
    let bare = name.trim_end_matches(['/', '.']);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.chars().all(allowed);
    if bare.contains(':') {
        return fault(WHAT, "a service has no port: its answer names the ports");
    }
    if bare.len() > 253 || !bare.split('.').all(label) {
        return fault(WHAT, "after srv:// stands the name of a service: srv://_http._tcp.example.com");
    }
    Ok(Address::Srv(bare.to_ascii_lowercase()))
}

/// Reads `:80`, `127.0.0.1:80`, `[::1]:80`, `unix:/path` or `fd:3`.
pub(in crate::config) fn bind(text: &str) -> Read<Bind> {
    if let Some(path) = text.strip_prefix("unix:") {
        return socket(BIND, path).map(Bind::Unix);
    }
    if let Some(number) = text.strip_prefix("fd:") {
        // 0, 1 and 2 are the standard streams.
        return match amount::count(number, 3, 65_535) {
            Ok(number) => Ok(Bind::Fd(i32::try_from(number).unwrap_or(i32::MAX))),
            Err(_) => fault(BIND, "after `fd:` stands the number of an inherited socket, 3 or higher"),
        };
    }
    if amount::is_digits(text) {
        return fault(BIND, format!("write :{text} for all addresses, or 127.0.0.1:{text}"));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let rest = rest.split('/').next().unwrap_or(rest);
        let secure = scheme.eq_ignore_ascii_case("https");
        let tls = if secure { ", and `tls: auto` beside it" } else { "" };
        // What is left may not be a place to listen either: then its own mend is the one to give.
        return match bind(rest) {
            Ok(_) => fault(BIND, format!("a listener has no scheme; write {rest}{tls}")),
            Err(Fault::Value { .. }) if !rest.contains(':') => {
                fault(BIND, format!("a listener has no scheme; write :{}{tls}", if secure { 443 } else { 80 }))
            }
            Err(Fault::Value { mend, .. }) => fault(BIND, format!("a listener has no scheme; {mend}{tls}")),
        };
    }
    let (name, port) = split(BIND, text)?;
    let Some(port) = port else {
        return match ip(BIND, name)? {
            Some(_) => fault(BIND, format!("the port is missing; write {text}:80")),
            None => fault(BIND, "write a port, :80, or an address with one, 127.0.0.1:80"),
        };
    };
    let port = port_number(BIND, port, 0)?;
    match name {
        "" => return Ok(Bind::Any(port)),
        "*" => return fault(BIND, format!("all addresses are written :{port}")),
        _ => {}
    }
    match ip(BIND, name)? {
        Some(ip) => Ok(Bind::Ip(ip, port)),
        None => fault(BIND, format!("a listener binds an address, not a name; write 127.0.0.1:{port} or [::1]:{port}")),
    }
}

/// Splits host and port; the host keeps its brackets.
fn split<'t>(what: &'static str, text: &'t str) -> Read<(&'t str, Option<&'t str>)> {
    if text.starts_with('[') {
        let Some((_, rest)) = text.split_once(']') else {
            return fault(what, "the closing bracket is missing");
        };
        let inside = text.strip_suffix(rest).unwrap_or(text);
        return match (rest, rest.strip_prefix(':')) {
            ("", _) => Ok((inside, None)),
            (_, Some(port)) => Ok((inside, Some(port))),
            (_, None) => fault(what, "after the bracket stands `:` and a port"),
        };
    }
    match text.rsplit_once(':') {
        Some((name, port)) if name.contains(':') => match (name.parse::<Ipv6Addr>(), text.parse::<Ipv6Addr>()) {
            (Ok(_), _) => fault(what, format!("an IPv6 address stands in brackets; write [{name}]:{port}")),
            (Err(_), Ok(_)) => fault(what, format!("an IPv6 address stands in brackets; write [{text}]:80, say")),
            (Err(_), Err(_)) if text.contains(',') => {
                let each: Vec<&str> = text.split(',').map(str::trim).collect();
                fault(what, format!("several addresses are a list: [{}]", each.join(", ")))
            }
            (Err(_), Err(_)) => fault(what, "it has more than one port; an IPv6 address stands in brackets: [::1]:80"),
        },
        Some((name, port)) => Ok((name, Some(port))),
        None => Ok((text, None)),
    }
}

fn port_number(what: &'static str, text: &str, least: u16) -> Read<u16> {
    let number = if amount::is_digits(text) { text.parse::<u16>().ok() } else { None };
    match number.filter(|port| *port >= least) {
        Some(port) => Ok(port),
        None => fault(what, format!("the port is a number from {least} to 65535")),
    }
}

/// Reads an IP address, IPv6 in brackets; `None` is a name.
fn ip(what: &'static str, text: &str) -> Read<Option<IpAddr>> {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(v6) => match v6.parse::<Ipv6Addr>() {
            Ok(v6) => Ok(Some(IpAddr::V6(v6).to_canonical())),
            Err(_) => fault(what, "in brackets stands an IPv6 address, without a zone"),
        },
        None => Ok(text.parse().ok()),
    }
}

fn socket(what: &'static str, path: &str) -> Read<PathBuf> {
    // sun_path has 108 bytes on Linux, the closing NUL included.
    const LONGEST: usize = 107;
    match path {
        "" => fault(what, "after `unix:` stands the path of the socket: unix:/run/app.sock"),
        _ if path.starts_with("//") => fault(what, format!("write unix:/{}", path.trim_start_matches('/'))),
        _ if path.contains('\0') || path.len() > LONGEST => {
            fault(what, format!("the path of a socket has at most {LONGEST} bytes"))
        }
        _ => Ok(PathBuf::from(path)),
    }
}
