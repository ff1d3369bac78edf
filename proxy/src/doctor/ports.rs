//! Whether the listeners of a configuration can be bound, and who is in the way.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use switchboard_core::config::{Bind, Config};

use super::Finding;
use crate::listener::holder;

/// One finding for each address. `proxy` is the process that runs with this configuration, if one does.
pub(super) fn all(config: &Config, proxy: Option<u32>) -> Vec<Finding> {
    config.listeners.iter().filter_map(|listener| of(&listener.bind, proxy)).collect()
}

fn of(bind: &Bind, proxy: Option<u32>) -> Option<Finding> {
    let one = |address| one(address, proxy);
    match bind {
        Bind::Any(port) => Some(one(SocketAddr::from(([0, 0, 0, 0], *port)))),
        Bind::Ip(ip, port) => Some(one(SocketAddr::new(*ip, *port))),
        // Where 80 can't be had, 8080 is what is meant: only the reason is told.
        Bind::Default => Some(match one(SocketAddr::from(([127, 0, 0, 1], 80))) {
            Finding::Bad(words, mend) => match one(SocketAddr::from(([127, 0, 0, 1], 8080))) {
                Finding::Good(_) => Finding::Note(format!("{words}; port 8080 is used instead"), mend),
                both => both,
            },
            good => good,
        }),
        // These come from somebody else, or are files.
        Bind::Unix(_) | Bind::Fd(_) => None,
    }
}

fn one(address: SocketAddr, proxy: Option<u32>) -> Finding {
    let error = match TcpListener::bind(address) {
        Ok(_) => return Finding::Good(format!("{address} is free")),
        Err(error) => error,
    };
    let port = address.port();
    match error.kind() {
        ErrorKind::AddrInUse => taken(address, proxy),
        ErrorKind::PermissionDenied => Finding::Bad(
            format!("{address} may not be bound by this user"),
            format!(
                "sudo setcap cap_net_bind_service=+ep {}   (again after each update)\n\
                 or sudo sysctl net.ipv4.ip_unprivileged_port_start={port}\n\
                 or listen on a port above 1023",
                std::env::current_exe().map_or_else(|_| "switchboard".to_owned(), |path| path.display().to_string())
            ),
        ),
        _ => Finding::Bad(format!("{address}: {error}"), "name an address that this machine has".to_owned()),
    }
}

fn taken(address: SocketAddr, proxy: Option<u32>) -> Finding {
    let mut holders: Vec<_> = holder::of(address).into_iter().flatten().collect();
    if !holders.is_empty() && holders.iter().all(|holder| Some(holder.pid) == proxy) {
        return Finding::Good(format!("{address} is held by the proxy that runs"));
    }
    // One process has a socket for each of its workers.
    holders.dedup();
    let names: Vec<String> = holders.iter().map(|holder| format!("{} (process {})", holder.name, holder.pid)).collect();
    let who = if names.is_empty() { "another user's program".to_owned() } else { names.join(", ") };
    Finding::Bad(format!("{address} is taken by {who}"), "end that program, or listen on another port".to_owned())
}
