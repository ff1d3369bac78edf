//! What the data path reads from and writes to, behind one enum: a socket, or a stream of an HTTP/2 connection.
//!
//! The exchange, the relay and the tunnel see `poll_read` and `poll_write` into lent buffers and nothing of the reactor
//! or of a version's codec, so that TLS stands here beside the plain socket, and another reactor may beneath it. Where
//! heads and ends are frames and not bytes, it says so ([`Transport::takes_heads`]).

use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::task::{Context, Poll};

use rustix::io::Errno;

use crate::desk::Desk;
use crate::http::h2::Stream;
use crate::tls::stream::TlsStream;

pub mod socket;

pub use socket::{Socket, keep_alive};

/// How the other side of a connection left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It will send no more; it may still read.
    Fin,
    /// It reset the connection: nobody reads what we send.
    Reset,
}

/// One end of an exchange or of a tunnel.
#[derive(Debug)]
pub enum Transport {
    /// TCP or a unix stream socket, as it is.
    Plain(Socket),
    /// TLS over a socket, after its handshake.
    Tls(Box<TlsStream>),
    /// One stream of an HTTP/2 connection, either way. What is read and written are bodies; heads have calls of their own.
    Stream(Box<Stream>),
    /// Nobody: takes whatever is written and never sends. For what is fetched though no client waits for it.
    Nobody,
}

impl Transport {
    /// Registers a connected, non-blocking socket with the reactor of the calling worker.
    ///
    /// # Errors
    /// When the reactor refuses it (descriptors or memory exhausted).
    pub fn plain(fd: OwnedFd) -> io::Result<Self> {
        Socket::register(fd).map(Self::Plain)
    }

    /// Whether the kernel may move its bytes (`splice(2)`).
    pub const fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    /// Whether heads and ends are not bytes on it: they go by [`Transport::send_head`] and [`Transport::send_end`].
    pub const fn takes_heads(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Whether the other side has chosen HTTP/2 in its TLS handshake.
    pub fn chose_http2(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.chose_http2(),
            Self::Plain(_) | Self::Stream(_) | Self::Nobody => false,
        }
    }

    /// Sends a head that is written as HTTP/1 lines, where [`Transport::takes_heads`]; with `ends` nothing follows it.
    ///
    /// # Errors
    /// When the stream or its connection is gone, or the lines can't be said in its version.
    pub fn send_head(&self, lines: &[u8], ends: bool) -> io::Result<()> {
        match self {
            Self::Plain(_) | Self::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
            Self::Stream(stream) => stream.send_head(lines, ends),
            Self::Nobody => Ok(()),
        }
    }

    /// Reads the next head of an answer into `desk`, where [`Transport::takes_heads`]; of `fields` at most.
    ///
    /// # Errors
    /// When the stream broke, or the head is malformed (`InvalidData`).
    pub fn poll_head(&self, context: &mut Context<'_>, desk: &mut Desk, fields: usize) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) | Self::Tls(_) | Self::Nobody => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            Self::Stream(stream) => stream.poll_head(context, desk, fields),
        }
    }

    /// Ends the body that is being sent, with trailer lines or without, where [`Transport::takes_heads`].
    ///
    /// # Errors
    /// When the stream or its connection is gone.
    pub fn send_end(&self, trailers: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(_) | Self::Tls(_) | Self::Nobody => Err(io::ErrorKind::Unsupported.into()),
            Self::Stream(stream) => stream.send_end(trailers),
        }
    }

    /// Takes the trailer lines that came behind a body whose end was read. Empty where trailers are bytes of the body.
    pub fn take_trailers(&self) -> Vec<u8> {
        match self {
            Self::Plain(_) | Self::Tls(_) | Self::Nobody => Vec::new(),
            Self::Stream(stream) => stream.take_trailers(),
        }
    }

    /// Reads once into `buffer`; 0 is the end. A short read clears the readiness, so that the next call costs nothing
    /// until bytes have come: one `recv` per message. A connection over TLS that ends without saying so gives
    /// [`io::ErrorKind::UnexpectedEof`]: it may have been cut.
    pub fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_read(context, buffer),
            Self::Tls(stream) => stream.poll_read(context, buffer),
            Self::Stream(stream) => stream.poll_read(context, buffer),
            Self::Nobody => Poll::Pending,
        }
    }

    /// Writes once, all slices in one system call; fewer bytes than offered may be taken. What was not taken has to be
    /// offered again in front of everything else: TLS has encrypted it already.
    pub fn poll_write(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_write(context, slices),
            Self::Tls(stream) => stream.poll_write(context, slices),
            Self::Stream(stream) => stream.poll_write(context, slices),
            Self::Nobody => Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum())),
        }
    }

    /// How many of the bytes that were offered last and not taken are on their way all the same: whoever would rather not
    /// send them comes too late for these.
    pub fn under_way(&self) -> usize {
        match self {
            Self::Tls(stream) => stream.under_way(),
            Self::Plain(_) | Self::Stream(_) | Self::Nobody => 0,
        }
    }

    /// Writes once, and lets the kernel wait for what follows at once, where that saves a packet.
    pub fn poll_write_more(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_write_more(context, bytes),
            Self::Tls(_) | Self::Stream(_) | Self::Nobody => self.poll_write(context, &[IoSlice::new(bytes)]),
        }
    }

    /// Writes bytes of a body behind which, with `last`, nothing comes: where all are taken the body ends with them, and
    /// [`Transport::send_end`] is not needed. Only where [`Transport::takes_heads`].
    pub fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8], last: bool) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_write(context, &[IoSlice::new(bytes)]),
            Self::Tls(stream) => stream.poll_write(context, &[IoSlice::new(bytes)]),
            Self::Stream(stream) => stream.poll_send(context, &[IoSlice::new(bytes)], last),
            Self::Nobody => Poll::Ready(Ok(bytes.len())),
        }
    }

    /// Runs `operation`, which reads from a plain socket by other means than `recv`, when there may be something to read.
    pub fn poll_read_with(
        &self,
        context: &mut Context<'_>,
        operation: impl FnMut(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_read_with(context, operation),
            Self::Tls(_) | Self::Stream(_) | Self::Nobody => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Runs `operation`, which writes to a plain socket by other means than `send`, when there may be room.
    pub fn poll_write_with(
        &self,
        context: &mut Context<'_>,
        operation: impl FnMut(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => socket.poll_write_with(context, operation),
            Self::Tls(_) | Self::Stream(_) | Self::Nobody => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Waits until a connect in progress has ended, and tells how.
    ///
    /// # Errors
    /// The error of the connect.
    pub fn poll_connected(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(socket) => socket.poll_connected(context),
            Self::Tls(_) | Self::Stream(_) | Self::Nobody => Poll::Ready(Ok(())),
        }
    }

    /// Tells whether an idle connection is still good: nothing has come and nobody has closed. A stream never is: it
    /// serves once.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_quiet(),
            Self::Tls(stream) => stream.is_quiet(),
            Self::Stream(_) | Self::Nobody => false,
        }
    }

    /// The turn of the reactor; 0 for what has no socket of its own.
    pub fn turn(&self) -> u64 {
        match self {
            Self::Plain(socket) => socket.turn(),
            Self::Tls(stream) => stream.socket().turn(),
            Self::Stream(_) | Self::Nobody => 0,
        }
    }

    /// Registers for the other side's leaving while we wait for something else. Bytes that have come stay where they are.
    pub fn poll_gone(&self, context: &mut Context<'_>) -> Poll<Gone> {
        match self {
            Self::Plain(socket) => socket.poll_gone(context),
            Self::Tls(stream) => stream.socket().poll_gone(context),
            Self::Stream(stream) => stream.poll_gone(context),
            Self::Nobody => Poll::Pending,
        }
    }

    /// Sends our FIN (over TLS behind a `close_notify`), or ends our side of the stream. An error means that the connection is gone already, which its
    /// next use tells.
    pub fn finish(&self) {
        match self {
            Self::Plain(socket) => socket.finish(),
            Self::Tls(stream) => stream.finish(),
            Self::Stream(stream) => stream.finish(),
            Self::Nobody => {}
        }
    }

    /// Makes the close a reset, so that the other side can't take a cut-off for an end.
    pub fn reset_on_close(&self) {
        match self {
            Self::Plain(socket) => socket.reset_on_close(),
            Self::Tls(stream) => stream.reset_on_close(),
            Self::Stream(stream) => stream.reset(),
            Self::Nobody => {}
        }
    }

    /// Lets the kernel find a dead peer of a connection that may be silent for long; see [`Socket::keep_alive`].
    pub fn keep_alive(&self) {
        match self {
            Self::Plain(socket) => socket.keep_alive(),
            Self::Tls(stream) => stream.socket().keep_alive(),
            Self::Stream(_) | Self::Nobody => {}
        }
    }

    /// The address of our end, where there is one.
    pub fn local_address(&self) -> Option<std::net::SocketAddr> {
        match self {
            Self::Plain(socket) => socket.local_address(),
            Self::Tls(stream) => stream.socket().local_address(),
            Self::Stream(_) | Self::Nobody => None,
        }
    }

    /// The address of the other end; none for a unix socket and for a client's stream.
    pub fn remote_address(&self) -> Option<std::net::SocketAddr> {
        match self {
            Self::Plain(socket) => socket.remote_address(),
            Self::Tls(stream) => stream.socket().remote_address(),
            Self::Stream(stream) => stream.remote_address(),
            Self::Nobody => None,
        }
    }

    /// Takes the socket out of the reactor; `None` over TLS, where it is of no use without
    /// the keys, and for a stream, which is part of another connection's.
    pub fn into_descriptor(self) -> Option<OwnedFd> {
        match self {
            Self::Plain(socket) => Some(socket.into_descriptor()),
            Self::Tls(_) | Self::Stream(_) | Self::Nobody => None,
        }
    }
}
