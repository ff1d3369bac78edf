//! A client's connection: the heads that come in, the answers that go out, and what lies between two requests.
//!
//! `serve` runs one connection from accept to close. The exchange above sees requests and bodies, never the version's
//! codec; what is particular to HTTP/1 stays in `h1`.

pub mod h1;
pub mod h2;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::forwarding::{Peer, Scheme};
use switchboard_core::moment::Moment;
use switchboard_core::proxy_header::Ends;
use switchboard_core::route::ListenerId;

use crate::deadline::Deadline;
use crate::generation::Generation;
use crate::listener::{Remote, Socket};
use crate::process::Admitted;
use crate::transport::Transport;
use crate::worker::{Open, Worker};

/// What a connection holds for as long as it lives, whatever becomes of it: its places in the counts.
pub type Held = (Admitted, Open);

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    /// The worker that serves it.
    pub worker: Rc<Worker>,
    /// The client's socket.
    pub transport: Transport,
    /// The socket that accepted it.
    pub socket: Arc<Socket>,
    /// Who is at the other end, and the header lines that say so upstream.
    pub peer: Peer,
    /// The one time-out of the connection; what it means changes with what is waited for.
    pub deadline: Deadline,
    /// When it was accepted.
    pub opened: Moment,
    /// Requests answered on it.
    pub served: u32,
    held: Option<Held>,
    remote: Option<SocketAddr>,
    local_port: Option<u16>,
    /// The listener's place in the configuration that `peer` was made for; one that was removed counts as the first.
    pub listener: ListenerId,
    /// The generation that `peer` and `listener` were made for.
    peer_of: u64,
}

/// Serves a connection until it ends or becomes a tunnel.
pub async fn serve(worker: Rc<Worker>, socket: Arc<Socket>, fd: OwnedFd, remote: Remote, held: Held) {
    match Connection::open(worker, socket, fd, remote, held) {
        Ok(connection) => h1::serve(connection).await,
        Err(error) => tracing::debug!(%error, "a connection could not be registered"),
    }
}

impl Connection {
    fn open(worker: Rc<Worker>, socket: Arc<Socket>, fd: OwnedFd, remote: Remote, held: Held) -> io::Result<Self> {
        let remote = match remote {
            Remote::Ip(address) => Some(address),
            Remote::Unix => None,
        };
        let local_port = socket.address.map(|address| address.port());
        let generation = worker.generation();
        let (trusted, forwarded) = (&generation.config.trusted_proxies, generation.snapshot.forwarded);
        let peer = Peer::new(remote, local_port, Scheme::Http, trusted, forwarded);
        Ok(Self {
            transport: Transport::plain(fd)?,
            deadline: worker.deadlines.place(),
            opened: worker.deadlines.now(),
            served: 0,
            held: Some(held),
            peer,
            peer_of: generation.number,
            listener: place_of(&socket, &generation),
            remote,
            local_port,
            socket,
            worker,
        })
    }

    /// The address of the socket's other end; the PROXY header's is in `peer`.
    pub const fn socket_peer(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// Takes the word of a PROXY header for who is at the other end.
    pub fn believe(&mut self, ends: Option<Ends>, generation: &Generation) {
        if let Some(ends) = ends {
            self.remote = Some(ends.source);
            self.local_port = Some(ends.destination.port());
            self.make_peer(generation);
        }
    }

    /// Makes `peer` say what `generation` says of trust and headers. Costs one comparison where nothing was reloaded.
    pub fn refresh_peer(&mut self, generation: &Generation) {
        if self.peer_of != generation.number {
            self.make_peer(generation);
        }
    }

    fn make_peer(&mut self, generation: &Generation) {
        self.peer_of = generation.number;
        self.listener = place_of(&self.socket, generation);
        let (trusted, forwarded) = (&generation.config.trusted_proxies, generation.snapshot.forwarded);
        self.peer = Peer::new(self.remote, self.local_port, Scheme::Http, trusted, forwarded);
    }

    /// Takes the connection's socket and its places in the counts, for a tunnel.
    pub fn into_parts(self) -> (Transport, Option<Held>) {
        (self.transport, self.held)
    }

    /// Sends a whole answer, whose last `body` bytes are its body; the write time-out runs while the client takes nothing.
    ///
    /// # Errors
    /// When the client is gone, or took nothing for that long.
    pub async fn answer(&self, bytes: &[u8], body: usize, patience: Option<Duration>) -> io::Result<()> {
        if !self.transport.takes_heads() {
            return self.write_all(bytes, patience).await;
        }
        let (head, body) = bytes.split_at(bytes.len().saturating_sub(body));
        self.transport.send_head(head, body.is_empty())?;
        if !body.is_empty() {
            self.write_all(body, patience).await?;
            self.transport.send_end(&[])?;
        }
        Ok(())
    }

    /// Writes all of `bytes`; the write time-out runs while the client takes nothing.
    ///
    /// # Errors
    /// When the client is gone, or took nothing for that long.
    pub async fn write_all(&self, bytes: &[u8], patience: Option<Duration>) -> io::Result<()> {
        let mut rest = bytes;
        self.deadline.set_in(patience);
        while !rest.is_empty() {
            let taken = std::future::poll_fn(|context| {
                self.deadline.register(context);
                match self.transport.poll_write(context, &[IoSlice::new(rest)]) {
                    std::task::Poll::Pending if self.deadline.has_come() => {
                        std::task::Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
                    }
                    other => other,
                }
            })
            .await?;
            rest = rest.get(taken..).unwrap_or_default();
            self.deadline.set_in(patience);
        }
        Ok(())
    }
}

fn place_of(socket: &Socket, generation: &Generation) -> ListenerId {
    ListenerId(u32::try_from(socket.place_in(&generation.config.listeners)).unwrap_or(0))
}
