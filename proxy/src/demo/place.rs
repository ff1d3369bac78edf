//! Where the demo stands: a port that is free, and a directory that is gone when it ends.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// The port where none is wanted, and how many from it on are tried.
const PORT: u16 = 8080;
const TRIES: u16 = 20;

/// Hosts, port and the addresses to listen on.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The port.
    pub(super) port: u16,
    /// The port that would have been taken, were it free.
    pub(super) instead_of: Option<u16>,
    /// 127.0.0.1, and `[::1]` where the machine has it: browsers try both for a name under `.localhost`.
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
    match wanted {
        Some(wanted) => probe(wanted).map_err(|error| refused(wanted, &error)),
        None => first_free(PORT),
    }
}

/// The first free port from `first` on.
fn first_free(first: u16) -> Result<Place, String> {
    let last = first.saturating_add(TRIES - 1);
    for port in first..=last {
        match probe(port) {
            Ok(place) => return Ok(Place { instead_of: (port != first).then_some(first), ..place }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(refused(port, &error)),
        }
    }
    Err(format!("none of the ports {first} to {last} is free; choose one with --port"))
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
fn probe(port: u16) -> io::Result<Place> {
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
    Ok(Place { port, instead_of: None, addresses })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken() {
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let taken = holder.local_addr().expect("an address").port();
        let error = find(Some(taken)).expect_err("it is taken");
        assert!(error.contains(&format!("port {taken} is taken")), "{error}");
        let place = first_free(taken).expect("one of the next is free");
        assert_eq!(place.instead_of, Some(taken));
        assert!(place.port > taken && place.addresses.iter().all(|address| address.port() == place.port), "{place:?}");
        drop(holder);
        assert_eq!(find(Some(taken)).map(|place| (place.port, place.instead_of)), Ok((taken, None)));
    }

    #[test]
    fn port_0_is_a_port_in_the_end() {
        let place = find(Some(0)).expect("some port is free");
        assert_ne!(place.port, 0);
        assert_eq!(place.authority("h"), format!("h:{}", place.port));
        assert_eq!(Place { port: 80, ..place }.authority("h"), "h");
    }

    #[test]
    fn a_directory_that_goes() {
        let (one, two) = (StateDir::make().expect("one"), StateDir::make().expect("two"));
        let path = one.path().to_owned();
        assert!(path.is_dir() && path != two.path());
        std::fs::write(path.join("file"), "text").expect("it can be written to");
        drop(one);
        assert!(!path.exists());
    }
}
