//! A client's connection: the heads that come in, the answers that go out, and what lies between two requests.
//!
//! `serve` runs one connection from accept to close. The exchange above sees requests and bodies, never the version's
//! codec; what is particular to a version stays in `h1` and `h2`.

pub mod h1;
pub mod h2;

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use switchboard_core::forwarding::{Peer, Scheme};
use switchboard_core::moment::Moment;
use switchboard_core::policy::places::Occupied;
use switchboard_core::proxy_header::Ends;
use switchboard_core::reason::Reason;
use switchboard_core::route::ListenerId;

use crate::deadline::Deadline;
use crate::desk::Desk;
use crate::error::ProxyError;
use crate::generation::Generation;
use crate::listener::{Remote, Socket};
use crate::process::Admitted;
use crate::tls::accept::Accepted;
use crate::tls::{self, Alpn, Secure};
use crate::transport::{self, Transport};
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
    pub peer: Rc<Peer>,
    /// The one time-out of the connection; what it means changes with what is waited for.
    pub deadline: Deadline,
    /// When it was accepted.
    pub opened: Moment,
    /// Requests answered on it.
    pub served: u32,
    /// Places that the exchange has in limits on how many at once; they go with it, or with the tunnel it becomes.
    pub occupied: Vec<Occupied>,
    held: Option<Held>,
    remote: Option<SocketAddr>,
    local_port: Option<u16>,
    /// The listener's place in the configuration that `peer` was made for; one that was removed counts as the first.
    pub listener: ListenerId,
    /// The generation that `peer` and `listener` were made for.
    peer_of: u64,
    /// What is known of its TLS; `None` on a plain one.
    pub secure: Option<Rc<Secure>>,
}

/// Serves a connection until it ends or becomes a tunnel.
pub async fn serve(worker: Rc<Worker>, socket: Arc<Socket>, fd: OwnedFd, remote: Remote, held: Held) {
    let mut connection = match Connection::open(worker, socket, fd, remote, held) {
        Ok(connection) => connection,
        Err(error) => return tracing::debug!(%error, "a connection could not be registered"),
    };
    let mut desk = match h1::take_proxy_header(&mut connection).await {
        Ok(desk) => desk,
        // Dropped without a word to it (case 78): whoever is there does not speak HTTP to us.
        Err(cause) => {
            let socket = &connection.socket;
            return socket.counts.drops.add(cause, &socket.settings.load().name, connection.remote);
        }
    };
    if let Some(endpoint) = connection.tls() {
        // On the heap, and gone with the handshake: a plain connection's task has no room for it.
        match Box::pin(secured(connection, &endpoint, desk.take())).await {
            Some(open) => connection = open,
            None => return,
        }
    }
    if connection.speaks_http2(&mut desk).await {
        let came = desk.as_ref().map(|desk| desk.input.filled().to_vec()).unwrap_or_default();
        if let Some(desk) = desk {
            connection.worker.desks.take_back(desk);
        }
        return Box::pin(h2::serve(connection, came)).await;
    }
    h1::serve(connection, desk).await;
}

/// Does the handshake of a connection on a listener with TLS. `None` where it is over.
async fn secured(
    connection: Connection,
    endpoint: &tls::setup::Endpoint,
    desk: Option<Box<Desk>>,
) -> Option<Connection> {
    let worker = Rc::clone(&connection.worker);
    let (socket, client) = (Arc::clone(&connection.socket), connection.remote);
    let came = desk.map_or_else(Vec::new, |desk| {
        let came = desk.input.filled().to_vec();
        worker.desks.take_back(desk);
        came
    });
    match tls::accept::accept(connection, endpoint, came).await {
        Accepted::Open(open) => {
            worker.counters.tls_handshakes.add(1);
            socket.counts.handshakes.fetch_add(1, Ordering::Relaxed);
            Some(*open)
        }
        Accepted::Plain(mut connection, _) => {
            let detail = "This port speaks HTTPS, and the request came in plain HTTP: write https:// in the address.";
            let error = ProxyError::client(Reason::BadRequest, detail);
            crate::exchange::refuse_head(&mut connection, &mut None, error).await;
            h1::linger(&connection).await;
            None
        }
        Accepted::Passthrough(connection, name, came) => {
            crate::exchange::passthrough::pass(*connection, name, came).await;
            None
        }
        Accepted::Failed(error, sni) => {
            worker.counters.tls_failed.add(1);
            socket.counts.failed_handshakes.add(&error);
            let client = client.map(|client| tracing::field::display(client.ip().to_canonical()));
            tracing::debug!(client, listener = %socket.settings.load().name, sni, %error, "a TLS handshake failed");
            None
        }
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
            occupied: Vec::new(),
            peer: Rc::new(peer),
            peer_of: generation.number,
            listener: place_of(&socket, &generation),
            remote,
            local_port,
            socket,
            worker,
            secure: None,
        })
    }

    /// Whether the client speaks HTTP/2: agreed on in the handshake, or begun without asking where the listener allows it.
    async fn speaks_http2(&self, desk: &mut Option<Box<Desk>>) -> bool {
        match &self.secure {
            Some(secure) => secure.alpn == Alpn::Http2,
            None => self.socket.settings.load().h2c && Box::pin(h2::begins(self, desk)).await,
        }
    }

    /// Makes a connection that says the same of its client, over another transport: a stream of this one, or nobody.
    pub fn beside(&self, stream: Transport) -> Self {
        Self {
            transport: stream,
            deadline: self.worker.deadlines.place(),
            opened: self.opened,
            served: 0,
            held: None,
            occupied: Vec::new(),
            peer: Rc::clone(&self.peer),
            peer_of: self.peer_of,
            listener: self.listener,
            remote: self.remote,
            local_port: self.local_port,
            socket: Arc::clone(&self.socket),
            worker: Rc::clone(&self.worker),
            secure: self.secure.clone(),
        }
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
        let scheme = if self.secure.is_some() { Scheme::Https } else { Scheme::Http };
        let mut peer = Peer::new(self.remote, self.local_port, scheme, trusted, forwarded);
        if let Some(shown) = self.secure.as_ref().and_then(|secure| secure.certificate.as_ref()) {
            peer = peer.with_certificate(&shown.subject, &shown.fingerprint.0);
        }
        self.peer = Rc::new(peer);
    }

    /// What its listener does with TLS; `None` on a plain one.
    fn tls(&self) -> Option<Arc<tls::setup::Endpoint>> {
        self.worker.generation().tls.listener(self.listener.0 as usize).cloned()
    }

    /// The address that the client has reached.
    pub fn local_ip(&self) -> Option<std::net::IpAddr> {
        self.transport.local_address().map(|address| address.ip().to_canonical())
    }

    /// The two ends of the client's connection, as far as they have addresses.
    pub fn ends(&self) -> Option<Ends> {
        let source = self.peer.address()?;
        let reached = self.transport.local_address()?;
        let destination = SocketAddr::new(reached.ip(), self.peer.local_port().unwrap_or(reached.port()));
        Some(Ends { source, destination })
    }

    /// The same connection, over TLS from now on.
    pub fn over_tls(
        self,
        join: impl FnOnce(transport::Socket) -> Box<tls::stream::TlsStream>,
        secure: Rc<Secure>,
    ) -> Self {
        let transport = match self.transport {
            Transport::Plain(socket) => Transport::Tls(join(socket)),
            other @ (Transport::Tls(_) | Transport::Stream(_) | Transport::Nobody) => other,
        };
        let mut connection = Self { transport, secure: Some(secure), ..self };
        let generation = connection.worker.generation();
        connection.make_peer(&generation);
        connection
    }

    /// Takes the connection's socket and its places in the counts, for a tunnel.
    pub fn into_parts(self) -> (Transport, (Option<Held>, Vec<Occupied>)) {
        (self.transport, (self.held, self.occupied))
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
        if body.is_empty() {
            return Ok(());
        }
        self.write_all(body, patience).await?;
        self.transport.send_end(&[])
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
