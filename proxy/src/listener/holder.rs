//! Who listens on a port: asked when a bind fails, so that the error can name the process that has it.
//!
//! Reads `/proc` and changes nothing. Processes of other users and of other containers can't be seen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A process that listens on an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// What it calls itself.
    pub name: String,
}

impl Holder {
    /// Whether it is this process.
    pub fn is_us(&self) -> bool {
        self.pid == std::process::id()
    }
}

/// The processes that listen on an address or on one that overlaps with it; `None` stands for one that can't be seen.
pub fn of(address: SocketAddr) -> Vec<Option<Holder>> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let sockets: Vec<u64> = tables.iter().flat_map(|table| listening(table, address)).collect();
    if sockets.is_empty() {
        return Vec::new();
    }
    let own = std::process::id();
    // Our own first: where it is us, no other process has to be looked through.
    let mut processes = std::iter::once(own).chain(processes().filter(|pid| *pid != own));
    let mut holders: Vec<Option<Holder>> = vec![None; sockets.len()];
    while holders.contains(&None) {
        let Some(pid) = processes.next() else { break };
        for socket in sockets_of(pid) {
            let at = sockets.iter().position(|one| *one == socket);
            if let Some(holder) = at.and_then(|at| holders.get_mut(at)) {
                *holder = Some(Holder { pid, name: name_of(pid) });
            }
        }
    }
    holders
}

/// Whether the address is taken by this process alone.
pub fn is_ours(address: SocketAddr) -> bool {
    let holders = of(address);
    !holders.is_empty() && holders.iter().all(|holder| holder.as_ref().is_some_and(Holder::is_us))
}

/// The inodes of the sockets in a table of the kernel that listen on an overlapping address.
fn listening(table: &str, address: SocketAddr) -> impl Iterator<Item = u64> {
    // LISTEN in the kernel's numbering.
    const LISTEN: &str = "0A";
    table.lines().skip(1).filter_map(move |line| {
        let mut words = line.split_whitespace();
        let (local, state) = (words.nth(1)?, words.nth(1)?);
        let overlaps = state == LISTEN && overlap(parse(local)?, address);
        overlaps.then(|| words.nth(5)?.parse().ok()).flatten()
    })
}

fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() == other.port() && (a == b || a.is_unspecified() || b.is_unspecified())
}

/// `0100007F:1F90`: words in the byte order of the machine, the port as a number.
fn parse(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let mut bytes = Vec::with_capacity(16);
    for start in (0..ip.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(ip.get(start..start + 8)?, 16).ok()?.to_ne_bytes());
    }
    let ip = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn sockets_of(pid: u32) -> impl Iterator<Item = u64> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
    entries.filter_map(|entry| {
        let link = std::fs::read_link(entry.ok()?.path()).ok()?;
        link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    })
}

fn name_of(pid: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    // A process chooses its name; a terminal must not be told what to do by it.
    name.trim_end().chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{Holder, is_ours, listening, of, parse};
    use std::net::TcpListener;

    #[test]
    fn addresses_of_the_table() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(parse(text), expect.map(|text| text.parse().unwrap()), "{text}");
        };
        if cfg!(target_endian = "little") {
            check("0100007F:1F90", Some("127.0.0.1:8080"));
            check("00000000000000000000000001000000:0050", Some("[::1]:80"));
        }
        check("00000000:0000", Some("0.0.0.0:0"));
        check("0100007F", None);
        check("01:1F90", None);
        check("ä100007F:1F90", None);
    }

    #[test]
    fn only_sockets_that_listen_there() {
        let line = |local: &str, state: &str| {
            format!("head\n 0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 4711 1 0\n")
        };
        let check = |local: &str, state: &str, address: &str, expect: &[u64]| {
            let found: Vec<u64> = listening(&line(local, state), address.parse().unwrap()).collect();
            assert_eq!(found, expect, "{local} {state} {address}");
        };
        check("00000000:0050", "0A", "127.0.0.1:80", &[4711]);
        check("00000000:0050", "0A", "[::]:80", &[4711]);
        check("00000000:0050", "01", "127.0.0.1:80", &[]);
        check("00000000:0050", "0A", "127.0.0.1:81", &[]);
    }

    #[test]
    fn names_a_holder() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let found = of(address);
        assert!(matches!(found.as_slice(), [Some(holder)] if holder.is_us() && !holder.name.is_empty()), "{found:?}");
        assert!(is_ours(address));
        drop(listener);
        assert_eq!(of(address), Vec::<Option<Holder>>::new());
        assert!(!is_ours(address));
    }
}
