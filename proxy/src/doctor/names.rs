//! Whether names under `localhost` lead to this machine.

use std::net::ToSocketAddrs as _;

use super::Finding;

const NAME: &str = "doctor.switchboard.localhost";

/// RFC 6761 §6.3 wants it of every resolver; many leave it to whoever asks.
pub(super) fn localhost() -> Finding {
    let found: Vec<_> = match (NAME, 80).to_socket_addrs() {
        Ok(found) => found.map(|address| address.ip()).collect(),
        Err(error) => return unresolved(&error.to_string()),
    };
    match found.iter().find(|ip| !ip.is_loopback()) {
        None if found.is_empty() => unresolved("no address"),
        None => Finding::Good("names under localhost lead to this machine, for every program".to_owned()),
        Some(ip) => Finding::Bad(
            format!("{NAME} leads to {ip}, which is not this machine"),
            "somebody answers for names under localhost: look at /etc/resolv.conf and at your router's search domain"
                .to_owned(),
        ),
    }
}

fn unresolved(why: &str) -> Finding {
    Finding::Note(
        format!(
            "names under localhost are not resolved here ({why}); Chrome, Edge and Firefox know them all the same, \
                 and so does curl from 7.77"
        ),
        "for other programs: apt-get install libnss-myhostname (Debian, Ubuntu), use systemd-resolved,\n\
         or write `127.0.0.1 NAME.localhost` into /etc/hosts"
            .to_owned(),
    )
}
