//! `explain --try ws://…`: the handshake as the proxy would send it, to each endpoint, and what comes back.
//!
//! From where the command runs, which need not be where the proxy does. It is the one thing of `explain` that connects.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use switchboard_core::config::{Address, Config};
use switchboard_core::snapshot::{Endpoint, Rule, Snapshot};

use super::Told;
use crate::cli::paint::{Paint, plain};
use crate::control::probe::{Heard, handshake};
use crate::live::Place;
use crate::tls::endpoints::Clients;

/// How long one endpoint has.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tries it. Returns what to show, and whether every endpoint agreed.
///
/// # Errors
/// In words, where the configuration's files for TLS can't be read.
pub(super) fn attempt(
    config: &Config,
    snapshot: &Snapshot,
    told: &Told,
    paint: Paint,
) -> Result<(String, bool), String> {
    let mut text = format!("\n{}\n", paint.bold("Tried"));
    let (Some(head), Some(upstream), Some(rule)) = (&told.handshake, told.upstream, told.rule) else {
        text.push_str(match (told.rule, told.upstream) {
            (Some(_), None) => "  nothing: this route answers by itself, and asks no endpoint\n",
            (Some(_) | None, _) => "  nothing: the request is no WebSocket handshake that goes to an upstream\n",
        });
        return Ok((text, false));
    };
    let rule = snapshot.rule(rule);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let mut clients = Clients::default();
    clients.prepare(config)?;
    let mut all = true;
    for id in &snapshot.upstream(upstream).endpoints {
        let endpoint = snapshot.endpoint(*id);
        let tls = endpoint.tls.as_ref().map(|settings| clients.of(settings, &endpoint.address));
        let head = head_for(head, endpoint, rule);
        let heard = places(&endpoint.address)
            .and_then(|places| runtime.block_on(handshake(&places, tls.as_ref(), &head, key_of(&head), PATIENCE)));
        all &= show(&mut text, endpoint, &heard, paint);
    }
    Ok((text, all))
}

/// Adds what one endpoint said; tells whether it agreed.
fn show(text: &mut String, endpoint: &Endpoint, heard: &Result<Heard, String>, paint: Paint) -> bool {
    let name = plain(endpoint.identity.address.as_bytes());
    let (verdict, agreed) = match heard {
        Err(words) => (paint.red(words), false),
        Ok(Heard { status: 101, missing: None, .. }) => (paint.green("a WebSocket"), true),
        Ok(Heard { missing: Some(missing), .. }) => (paint.red(&format!("no WebSocket: {missing}")), false),
        Ok(_) => (paint.red("no WebSocket: it answers the request, and the client gets this as it is"), false),
    };
    text.push_str(&format!("  {name}: {verdict}\n"));
    if let Ok(heard) = heard {
        let lines = heard.head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
        for line in lines.filter(|line| !line.is_empty()) {
            text.push_str(&format!("    {}\n", plain(line)));
        }
    }
    agreed
}

/// The head with the `Host` that this endpoint sees.
fn head_for(head: &[u8], endpoint: &Endpoint, rule: &Rule) -> Vec<u8> {
    let Some(host) = endpoint.host_for(rule) else { return head.to_vec() };
    let mut out = Vec::with_capacity(head.len());
    for line in head.split_inclusive(|&byte| byte == b'\n') {
        match line.get(..5) {
            Some(name) if name.eq_ignore_ascii_case(b"host:") => {
                out.extend_from_slice(format!("host: {host}\r\n").as_bytes());
            }
            Some(_) | None => out.extend_from_slice(line),
        }
    }
    out
}

/// The key that the answer has to prove.
fn key_of(head: &[u8]) -> &[u8] {
    const NAME: &[u8] = b"sec-websocket-key:";
    let mut lines = head.split(|&byte| byte == b'\n');
    let line = lines.find(|line| line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME)));
    line.and_then(|line| line.get(NAME.len()..)).unwrap_or_default().trim_ascii()
}

fn places(address: &Address) -> Result<Vec<Place>, String> {
    let places: Vec<SocketAddr> = match address {
        Address::Loopback(port) => vec![(Ipv4Addr::LOCALHOST, *port).into(), (Ipv6Addr::LOCALHOST, *port).into()],
        Address::Ip(ip, port) => vec![(*ip, *port).into()],
        Address::Name(name, port) => match (name.as_str(), *port).to_socket_addrs() {
            Ok(places) => places.collect(),
            Err(error) => return Err(format!("its name does not resolve here: {error}")),
        },
        Address::Srv(_) => return Err("not tried: services are looked up by the proxy alone".to_owned()),
        Address::Unix(path) => return Ok(vec![Place::Unix(path.clone())]),
    };
    Ok(places.into_iter().map(Place::Ip).collect())
}
