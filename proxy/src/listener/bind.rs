//! How listening sockets come to be: bound by us, once per worker, or inherited by number.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, ipproto, sockopt};
use switchboard_core::config::Bind;

use super::holder::{self, Holder};

/// Connections that the kernel holds for us until we accept them; it takes less where `somaxconn` is less.
const BACKLOG: i32 = 4096;

/// The sockets of one listener: one per worker, or one for all.
#[derive(Debug)]
pub struct Bound {
    /// The address that was bound; `None` for a unix socket.
    pub address: Option<SocketAddr>,
    /// One descriptor for each worker that accepts. Just one where the socket can't be had twice.
    pub descriptors: Vec<OwnedFd>,
}

/// Why a listener could not be bound.
#[derive(Debug)]
pub struct BindError {
    /// The address, as the operator would write it.
    pub what: String,
    /// What the system said.
    pub source: io::Error,
    /// The process that has the address, where it can be seen.
    pub holder: Option<Holder>,
}

impl std::fmt::Display for BindError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, source, holder } = self;
        match source.kind() {
            io::ErrorKind::AddrInUse if let Some(Holder { pid, name }) = holder => {
                write!(f, "cannot listen on {what}: {name} (process {pid}) has it. Stop it, or choose another port")
            }
            io::ErrorKind::AddrInUse if what.starts_with("unix:") => {
                write!(f, "cannot listen on {what}: another process has it. `ss -lxp` names it")
            }
            io::ErrorKind::AddrInUse => write!(
                f,
                "cannot listen on {what}: another process has it. `ss -ltnp` as root names it; stop it, or choose \
                 another port"
            ),
            io::ErrorKind::PermissionDenied => write!(
                f,
                "cannot listen on {what}: not permitted. Ports below 1024 need root or CAP_NET_BIND_SERVICE; a port above needs neither"
            ),
            io::ErrorKind::AddrNotAvailable => {
                write!(f, "cannot listen on {what}: no interface of this machine has the address")
            }
            _ if what.starts_with("fd:") => write!(
                f,
                "cannot listen on {what}: {source}. A listening socket is handed over there by a `.socket` unit of systemd, \
                 or by what else starts the proxy: start it by that"
            ),
            _ => write!(f, "cannot listen on {what}: {source}"),
        }
    }
}

/// Binds what `bind` says, for `workers` workers. One listener may be several addresses.
///
/// # Errors
/// When one address can't be bound; nothing stays bound then.
pub fn bind(bind: &Bind, workers: usize) -> Result<Vec<Bound>, BindError> {
    let any = |port| SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
    match bind {
        Bind::Any(port) => {
            // One socket takes both families. Without IPv6 in the kernel it is IPv4 alone.
            let both = tcp(any(*port), workers, false);
            let only_v4 = |_| tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), *port), workers, false);
            both.or_else(|error| if no_ipv6(&error.source) { only_v4(error) } else { Err(error) })
                .map(|bound| vec![bound])
        }
        Bind::Ip(ip, port) => tcp(SocketAddr::new(*ip, *port), workers, true).map(|bound| vec![bound]),
        Bind::Unix(path) => unix(path).map(|bound| vec![bound]),
        Bind::Fd(number) => inherited(*number).map(|bound| vec![bound]),
        Bind::Default => loopback(80, workers).or_else(|_| loopback(8080, workers)),
    }
}

fn loopback(port: u16, workers: usize) -> Result<Vec<Bound>, BindError> {
    let mut bound = vec![tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port), workers, true)?];
    match tcp(SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port), workers, true) {
        Ok(six) => bound.push(six),
        Err(error) if no_ipv6(&error.source) => {}
        Err(error) => return Err(error),
    }
    Ok(bound)
}

fn no_ipv6(error: &io::Error) -> bool {
    [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn tcp(address: SocketAddr, workers: usize, only_v6: bool) -> Result<Bound, BindError> {
    let failed = |source: io::Error| BindError { what: address.to_string(), source, holder: None };
    if address.port() != 0 {
        probe(address, only_v6)?;
    }
    let mut bound = address;
    let mut descriptors = Vec::with_capacity(workers);
    for _ in 0..workers {
        let fd = socket(bound, true, only_v6).map_err(failed)?;
        // A port that the system chose for the first, which is nobody's, holds for all.
        bound = local_address(&fd).map_err(failed)?;
        rustix::net::listen(&fd, BACKLOG).map_err(|errno| failed(errno.into()))?;
        descriptors.push(fd);
    }
    Ok(Bound { address: Some(bound), descriptors })
}

/// Finds out whether a port is free. With SO_REUSEPORT, which the workers' sockets have, a second proxy of the same user
/// would get half of the traffic instead of an error.
fn probe(address: SocketAddr, only_v6: bool) -> Result<(), BindError> {
    let Err(source) = socket(address, false, only_v6) else { return Ok(()) };
    let taken = source.kind() == io::ErrorKind::AddrInUse;
    // Another listener of ours may have a wider or a narrower address (`:80` besides `127.0.0.1:80`, or instead of it
    // from this reload on): the kernel gives each connection to the nearest.
    if taken && holder::is_ours(address) {
        return Ok(());
    }
    let holder = if taken { holder::of(address).into_iter().flatten().next() } else { None };
    Err(BindError { what: address.to_string(), source, holder })
}

fn socket(address: SocketAddr, shared: bool, only_v6: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let fd = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    if shared {
        sockopt::set_socket_reuseport(&fd, true)?;
    }
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&fd, only_v6)?;
    }
    super::prepare(&fd);
    rustix::net::bind(&fd, &address)?;
    Ok(fd)
}

fn unix(path: &Path) -> Result<Bound, BindError> {
    let failed = |source: io::Error| BindError { what: format!("unix:{}", path.display()), source, holder: None };
    remove_stale(path).map_err(failed)?;
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let bound = || -> io::Result<OwnedFd> {
        let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&fd, &SocketAddrUnix::new(path)?)?;
        // Group members may connect; others need the directory's permission anyway.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        rustix::net::listen(&fd, BACKLOG)?;
        Ok(fd)
    };
    Ok(Bound { address: None, descriptors: vec![bound().map_err(failed)?] })
}

/// Removes a socket file that a dead process left. One that answers stays, and so does anything that is no socket.
pub(crate) fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file of that name that is no socket"))
        }
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
            Err(_) => std::fs::remove_file(path),
        },
    }
}

fn inherited(number: i32) -> Result<Bound, BindError> {
    let failed = |source: io::Error| BindError { what: format!("fd:{number}"), source, holder: None };
    let fd = descriptor::take(number).map_err(failed)?;
    let listening = sockopt::socket_acceptconn(&fd).map_err(|errno| failed(errno.into()))?;
    if !listening {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "this descriptor is no listening socket")));
    }
    rustix::io::ioctl_fionbio(&fd, true).map_err(|errno| failed(errno.into()))?;
    super::prepare(&fd);
    Ok(Bound { address: local_address(&fd).ok(), descriptors: vec![fd] })
}

fn local_address(fd: &OwnedFd) -> io::Result<SocketAddr> {
    let address = rustix::net::getsockname(fd)?;
    SocketAddr::try_from(address).map_err(|_| io::ErrorKind::Unsupported.into())
}

/// The one place where a number becomes a descriptor.
mod descriptor {
    use super::{AsRawFd as _, OwnedFd, io};
    use std::os::fd::BorrowedFd;

    /// Duplicates an inherited descriptor, so that what we close is ours. The original stays open for the next reload.
    pub(super) fn take(number: i32) -> io::Result<OwnedFd> {
        if number < 3 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "0, 1 and 2 are not for sockets"));
        }
        // SAFETY: the number is only borrowed for the call, and F_DUPFD_CLOEXEC refuses one that is not open.
        #[expect(unsafe_code, reason = "a number from outside has to become a descriptor somewhere")]
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        let own = rustix::io::fcntl_dupfd_cloexec(borrowed, 3)?;
        debug_assert_ne!(own.as_raw_fd(), number);
        Ok(own)
    }
}
