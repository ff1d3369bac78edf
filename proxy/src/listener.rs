//! Sockets that accept: how they are bound, and the loop in which a worker takes connections from them.
//!
//! Each worker has a socket of its own on the same address (`SO_REUSEPORT`), except where there can be only one
//! (`fd:`, unix): then one worker accepts for all. Either way a connection goes to a worker that is not the fullest,
//! before it is registered anywhere, so that long-lived streams don't pile up on one core.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketFlags};
use switchboard_core::config::{Bind, Listener};
use tokio::sync::oneshot;

use self::drops::Drops;
use crate::process::{Admitted, Command, Process};
use crate::reactor::{self, Registered};
use crate::tls::failures::Failures;
use crate::worker::Worker;

pub mod bind;
pub mod drops;
pub mod holder;

/// How long a worker waits when it may not accept: no descriptor left, or the bound on connections reached.
const PAUSE: Duration = Duration::from_millis(50);

/// Connections taken in one go, before those already here get their turn.
const BATCH: usize = 64;

/// A bound address. All workers share this; each has its own descriptor.
#[derive(Debug)]
pub struct Socket {
    /// Tells sockets apart for ever.
    pub id: u64,
    /// As configured: the identity across reloads.
    pub bind: Bind,
    /// The address that was really bound; `None` for a unix socket.
    pub address: Option<SocketAddr>,
    /// What may change by reload.
    pub settings: ArcSwap<Listener>,
    /// Connections open on it, all workers.
    pub open: AtomicU64,
    /// What else is counted of it.
    pub counts: Counts,
}

/// What is counted of a listener: per connection and not per request, so all workers add to one number.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections accepted.
    pub accepted: AtomicU64,
    /// Connections closed at once, over `limits.connections_per_client`.
    pub refused: AtomicU64,
    /// TLS handshakes that were finished.
    pub handshakes: AtomicU64,
    /// TLS handshakes that failed, by cause.
    pub failed_handshakes: Failures,
    /// Connections dropped for their PROXY header, by cause.
    pub drops: Drops,
    /// Times that connections had to wait because `max_connections` was reached.
    pub full: AtomicU64,
}

/// Who connected.
#[derive(Clone, Copy, Debug)]
pub enum Remote {
    /// A TCP peer.
    Ip(SocketAddr),
    /// A local process.
    Unix,
}

/// Accepts until told to stop; then takes what waits in the queue, so that nobody who got a SYN-ACK is refused, and
/// closes the socket.
pub async fn accept(worker: Rc<Worker>, socket: Arc<Socket>, fd: OwnedFd, mut stop: oneshot::Receiver<()>) {
    let listening = match Registered::reading(fd) {
        Ok(listening) => listening,
        Err(error) => {
            tracing::error!(listener = %socket.settings.load().name, %error, "cannot accept on this socket");
            return;
        }
    };
    loop {
        let stopped = tokio::select! {
            biased;
            _ = &mut stop => true,
            () = poll_fn(|context| listening.poll_readable(context)) => {
                match take_batch(&worker, &socket, listening.fd()) {
                    Taken::All => listening.clear_readable(),
                    Taken::More => reactor::yield_now().await,
                    Taken::Pause => worker.deadlines.sleep(PAUSE).await,
                }
                false
            }
        };
        if stopped {
            while matches!(take_batch(&worker, &socket, listening.fd()), Taken::More) {}
            return;
        }
    }
}

enum Taken {
    /// Nobody waits any more.
    All,
    /// There may be more.
    More,
    /// There may be more, but none can be taken now.
    Pause,
}

fn take_batch(worker: &Rc<Worker>, socket: &Arc<Socket>, listening: &OwnedFd) -> Taken {
    let process = &worker.process;
    for _ in 0..BATCH {
        let full =
            socket.settings.load().max_connections.is_some_and(|most| socket.open.load(Ordering::Relaxed) >= most);
        if full || !process.admission.has_room() {
            if full {
                socket.counts.full.fetch_add(1, Ordering::Relaxed);
            } else {
                worker.counters.accept_full.add(1);
            }
            process.say_full(if full { "max_connections of the listener" } else { "half of the open-file limit" });
            return Taken::Pause;
        }
        if process.memory_full.load(Ordering::Relaxed) {
            process.say_full("limits.memory");
            return Taken::Pause;
        }
        let accepted = rustix::net::acceptfrom_with(listening, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC);
        match accepted {
            Ok((fd, address)) => welcome(worker, socket, fd, peer_of(address)),
            Err(Errno::WOULDBLOCK) => return Taken::All,
            Err(Errno::INTR | Errno::CONNABORTED | Errno::PROTO | Errno::PERM) => {}
            Err(error) => {
                // EMFILE, ENFILE, ENOBUFS, ENOMEM: others may free some; accepting at once again would only spin.
                worker.counters.accept_exhausted.add(1);
                process.say_exhausted("accept", &error.into());
                return Taken::Pause;
            }
        }
    }
    Taken::More
}

fn peer_of(address: Option<SocketAddrAny>) -> Remote {
    match address.map(SocketAddr::try_from) {
        Some(Ok(address)) => Remote::Ip(SocketAddr::new(address.ip().to_canonical(), address.port())),
        Some(Err(_)) | None => Remote::Unix,
    }
}

/// Admits a connection and gives it to this worker, or to a less loaded one.
fn welcome(worker: &Rc<Worker>, socket: &Arc<Socket>, fd: OwnedFd, peer: Remote) {
    let process = &worker.process;
    let Some(admitted) = Admitted::enter(process, socket, worker.client_limit(peer)) else {
        // Over the limit of this client: closed without a word, as the kernel would refuse it.
        socket.counts.refused.fetch_add(1, Ordering::Relaxed);
        return;
    };
    socket.counts.accepted.fetch_add(1, Ordering::Relaxed);
    match lighter_worker(process, worker.index) {
        Some(link) => {
            let _ = link.send(Command::Serve(Arc::clone(socket), fd, peer, admitted));
        }
        None => worker.serve(Arc::clone(socket), fd, peer, admitted),
    }
}

/// A worker that has so much less to do than this one that the hand-over pays: an eighth and sixteen connections less.
fn lighter_worker(process: &Process, own: usize) -> Option<&tokio::sync::mpsc::UnboundedSender<Command>> {
    let load_of = |index: usize| process.workers.get(index).map_or(0, |link| link.load.load(Ordering::Relaxed));
    let own_load = load_of(own);
    let lightest = (0..process.workers.len()).min_by_key(|index| load_of(*index))?;
    let load = load_of(lightest);
    if lightest != own && own_load > load + load / 8 + 16 { Some(&process.workers.get(lightest)?.inbox) } else { None }
}

impl Socket {
    /// The text of the line that says where it listens.
    pub fn describe(&self) -> String {
        match (&self.bind, self.address) {
            (_, Some(address)) => address.to_string(),
            (Bind::Unix(path), None) => format!("unix:{}", path.display()),
            (Bind::Fd(number), None) => format!("fd:{number}"),
            (Bind::Any(_) | Bind::Ip(..) | Bind::Default, None) => "?".to_owned(),
        }
    }

    /// Its place among the listeners of a configuration. Several may have the bind `127.0.0.1:0`: then the name tells.
    /// One that was removed counts as the first.
    pub fn place_in(&self, listeners: &[Listener]) -> usize {
        let mut same = listeners.iter().enumerate().filter(|(_, listener)| listener.bind == self.bind);
        match (same.next(), same.next()) {
            (None, _) => 0,
            (Some((only, _)), None) => only,
            (Some((first, _)), Some(_)) => {
                let settings = self.settings.load();
                listeners.iter().position(|listener| listener.name == settings.name).unwrap_or(first)
            }
        }
    }

    /// The port that clients ask for, 0 for a unix socket.
    pub fn port(&self) -> u16 {
        self.address.map_or(0, |address| address.port())
    }
}

/// Makes accepted sockets inherit what every client connection has. On a unix socket it means nothing and fails.
pub(crate) fn prepare(fd: impl AsFd) {
    crate::transport::keep_alive(fd.as_fd());
    let _ = rustix::net::sockopt::set_tcp_nodelay(fd, true);
}
