//! Sockets of the admin plane: a bounded number of connections each, so that a flood of one leaves the other usable and
//! the data plane untouched.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper::{Request, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use crate::listener::holder;

/// Connections of one socket at once; further ones wait in the kernel.
const MOST: usize = 64;

/// How long a head may take, and how long a connection may wait for the next one.
const HEAD: Duration = Duration::from_secs(10);

/// How long a connection may live. Streams of events (`/v1/events`) begin anew by themselves.
const LIFE: Duration = Duration::from_hours(1);

/// What to do where the address is taken.
const MEND: &str = "Stop it, choose another port by `admin: 127.0.0.1:PORT`, or write `admin: off`";

/// What a head may take, in bytes and in lines.
const BUFFER: usize = 64 << 10;
const FIELDS: usize = 64;

/// By which way a request came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Via {
    /// The unix socket: the file's mode has decided who may, and this is the user.
    Unix(Option<u32>),
    /// An address: where we listen, and who asks.
    Tcp(SocketAddr, SocketAddr),
}

impl Via {
    /// Whether it came to an address, where every user of this machine can ask.
    pub(super) const fn is_tcp(self) -> bool {
        matches!(self, Self::Tcp(..))
    }
}

/// A unix socket that is bound, and whose file goes with it as long as nobody serves it.
#[derive(Debug)]
pub(super) struct Unix {
    /// Its file.
    pub(super) path: PathBuf,
    listener: Option<std::os::unix::net::UnixListener>,
}

impl Unix {
    /// Binds it, 0600.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        crate::listener::bind::remove_stale(path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        // The file takes its mode from the socket, less the umask: so at no moment may others connect.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        rustix::net::listen(&socket, 128)?;
        Ok(Self { path: path.to_owned(), listener: Some(socket.into()) })
    }

    /// Answers who comes.
    pub(super) fn serve(mut self, router: Router) -> Option<AbortHandle> {
        let listener = UnixListener::from_std(self.listener.take()?);
        let listener = listener.inspect_err(|error| tracing::error!(%error, "the admin socket can't be used")).ok()?;
        let room = Arc::new(Semaphore::new(MOST));
        let accept = async move {
            while let Ok(place) = Arc::clone(&room).acquire_owned().await {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let user = stream.peer_cred().ok().map(|peer| peer.uid());
                        serve(stream, Via::Unix(user), router.clone(), place);
                    }
                    Err(error) => pause(&error).await,
                }
            }
        };
        Some(tokio::spawn(accept).abort_handle())
    }
}

impl Drop for Unix {
    fn drop(&mut self) {
        if self.listener.is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Binds an address. An error names who has it.
pub(super) fn bind_tcp(address: SocketAddr) -> Result<std::net::TcpListener, String> {
    let told = |error: io::Error| match holder::of(address).into_iter().flatten().next() {
        Some(holder) if error.kind() == io::ErrorKind::AddrInUse => {
            format!(
                "cannot listen on {address} for the admin plane: {} (process {}) has it. {MEND}",
                holder.name, holder.pid
            )
        }
        _ if error.kind() == io::ErrorKind::AddrInUse => {
            format!("cannot listen on {address} for the admin plane: another process has it. {MEND}")
        }
        Some(_) | None => format!("cannot listen on {address} for the admin plane: {error}"),
    };
    let listener = std::net::TcpListener::bind(address).map_err(told)?;
    listener.set_nonblocking(true).map_err(told)?;
    Ok(listener)
}

/// Answers who comes to an address. Returns it with the port that it got.
pub(super) fn serve_tcp(listener: std::net::TcpListener, router: Router) -> io::Result<(AbortHandle, SocketAddr)> {
    let listener = TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    let room = Arc::new(Semaphore::new(MOST));
    let accept = async move {
        while let Ok(place) = Arc::clone(&room).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    serve(stream, Via::Tcp(address, peer), router.clone(), place);
                }
                Err(error) => pause(&error).await,
            }
        }
    };
    Ok((tokio::spawn(accept).abort_handle(), address))
}

/// Lets descriptors come free before the next look.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "the admin plane can't accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn serve<S>(stream: S, via: Via, router: Router, place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        let inner = TowerToHyperService::new(router);
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(via);
            inner.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(BUFFER)
            .max_headers(FIELDS)
            .serve_connection(TokioIo::new(stream), service);
        // What goes wrong here is the asker's doing, and the asker sees it.
        let _ = tokio::time::timeout(LIFE, connection).await;
        drop(place);
    });
}
