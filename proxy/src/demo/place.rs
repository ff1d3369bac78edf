//! Where the demo stands: a port that is free, and a directory that is gone when it ends.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The port where none is wanted, and how many behind it are tried.
const PORT: u16 = 8080;
const TRIES: u16 = 20;

/// Hosts, port and the addresses to listen on.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The port.
    pub(super) port: u16,
    /// The port that would have been taken, were it free.
    pub(super) instead_of: Option<u16>,
    /// 127.0.0.1, and [::1] where the machine has it: browsers try both for a name under `.localhost`.
    pub(super) addresses: Vec<SocketAddr>,
}

impl Place {
    /// The host of workspace A.
    pub(super) const HOST_A: &str = "a.localhost";
    /// The host of workspace B.
    pub(super) const HOST_B: &str = "b.localhost";
    /// A host that nobody serves.
    pub(super) const MISSING: &str = "c.localhost";

    /// A host with the port, as a URL has it.
    pub(super) fn authority(&self, host: &str) -> String {
        if self.port == 80 { host.to_owned() } else { format!("{host}:{}", self.port) }
    }
}

/// Finds a port: the one that is wanted, or the first that is free from 8080 on.
///
/// # Errors
/// In words, where the wanted one can't be had or none is free.
pub(super) fn find(wanted: Option<u16>) -> Result<Place, String> {
    let place = |port, addresses| Place { port, instead_of: None, addresses };
    if let Some(wanted) = wanted {
        return probe(wanted).map(|(port, addresses)| place(port, addresses)).map_err(|error| refused(wanted, &error));
    }
    for port in PORT..PORT + TRIES {
        match probe(port) {
            Ok((port, addresses)) => {
                return Ok(Place { instead_of: (port != PORT).then_some(PORT), ..place(port, addresses) });
            }
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(refused(port, &error)),
        }
    }
    Err(format!("none of the ports {PORT} to {} is free; choose one with --port", PORT + TRIES - 1))
}

fn refused(port: u16, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} is taken: `ss -ltnp` names the holder. Without --port the demo finds a free one")
        }
        io::ErrorKind::PermissionDenied => {
            format!("port {port} is not permitted: ports below 1024 need root or CAP_NET_BIND_SERVICE")
        }
        _ => format!("port {port} can't be had: {error}"),
    }
}

/// Whether a port is free on both loopback addresses. Port 0 becomes the one that the system chooses.
fn probe(port: u16) -> io::Result<(u16, Vec<SocketAddr>)> {
    let four = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let port = four.local_addr()?.port();
    let mut addresses = vec![SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)];
    let six = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port);
    match TcpListener::bind(six) {
        Ok(_) => addresses.push(six),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
        // No IPv6 on this machine.
        Err(_) => {}
    }
    Ok((port, addresses))
}

/// A directory of its own, removed when dropped.
#[derive(Debug)]
pub(super) struct StateDir(PathBuf);

impl StateDir {
    /// Makes one that only this user may enter.
    ///
    /// # Errors
    /// When the system's directory for temporary files takes none.
    pub(super) fn make() -> io::Result<Self> {
        let mut random = [0; 8];
        // Without randomness the number of the process has to do: a name that is there already is an error, not a risk.
        let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
        let name = format!("switchboard-demo-{}-{:016x}", std::process::id(), u64::from_ne_bytes(random));
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
