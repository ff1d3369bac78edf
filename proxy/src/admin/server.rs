//! Sockets of the admin plane: a bounded number of connections each, so that a flood of one leaves the other usable and
//! the data plane untouched.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper::{Request, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
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

/// Opens the unix socket, 0600.
pub(super) fn unix(path: &Path, router: Router) -> io::Result<AbortHandle> {
    crate::listener::bind::remove_stale(path)?;
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
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
    Ok(tokio::spawn(accept).abort_handle())
}

/// Opens an address. An error names who has it.
pub(super) fn tcp(address: SocketAddr, router: Router) -> Result<(AbortHandle, SocketAddr), String> {
    let told = |error: io::Error| match holder::of(address).into_iter().flatten().next() {
        Some(holder) if error.kind() == io::ErrorKind::AddrInUse => {
            format!("cannot listen on {address} for the admin plane: {} (process {}) has it", holder.name, holder.pid)
        }
        Some(_) | None => format!("cannot listen on {address} for the admin plane: {error}"),
    };
    let listener = std::net::TcpListener::bind(address).map_err(told)?;
    listener.set_nonblocking(true).map_err(told)?;
    let listener = TcpListener::from_std(listener).map_err(told)?;
    let address = listener.local_addr().map_err(told)?;
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
