//! One stream of an HTTP/2 connection, as a transport: bodies by `poll_read` and `poll_write`, heads and ends by calls.
//!
//! Windows are the back-pressure: bytes are given back to the peer as they are read, and no more is taken for sending than
//! its windows hold. The connection's own task moves the frames; nothing here touches a socket.

use std::fmt;
use std::io::{self, IoSlice};
use std::rc::Rc;
use std::task::{Context, Poll};

use switchboard_core::forwarding::Scheme;
use switchboard_core::http2::{self, Key, Loss, Read, Unsent};

use super::shared::Shared;
use crate::desk::Desk;
use crate::transport::Gone;

/// A stream.
#[derive(Debug)]
pub struct Stream {
    shared: Rc<Shared>,
    key: Key,
    side: Side,
}

/// Who opened it.
#[derive(Debug)]
enum Side {
    Client,
    /// We did. `accept` is what a handshake's answer has to prove above.
    Ours {
        scheme: Scheme,
        accept: std::cell::Cell<Option<[u8; 28]>>,
    },
}

/// The peer says that it has not looked at the request: it may be sent again, whatever it is (RFC 9113 §8.7).
#[derive(Debug)]
pub struct Unprocessed;

impl fmt::Display for Unprocessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer has not looked at the request")
    }
}

impl std::error::Error for Unprocessed {}

impl Stream {
    /// The stream of a client's request.
    pub(super) const fn request(shared: Rc<Shared>, key: Key) -> Self {
        Self { shared, key, side: Side::Client }
    }

    /// A stream that a request to an endpoint will open.
    pub(super) fn of_link(shared: Rc<Shared>, scheme: Scheme) -> Self {
        let key = shared.core.borrow_mut().open();
        Self { shared, key, side: Side::Ours { scheme, accept: std::cell::Cell::new(None) } }
    }

    /// Where the endpoint is that it goes to; none for a client's stream.
    pub fn remote_address(&self) -> Option<std::net::SocketAddr> {
        self.shared.remote
    }

    /// Sends a head that is written as HTTP/1 lines, interim ones too; with `ends` nothing follows it. A 101 becomes
    /// the 200 that opens a tunnel here, an upgrade to WebSocket an extended CONNECT (RFC 8441 §5).
    ///
    /// # Errors
    /// When the stream is gone, or the lines are none of a head. `Unsupported` where the peer takes no tunnel.
    pub fn send_head(&self, lines: &[u8], ends: bool) -> io::Result<()> {
        let sent = match &self.side {
            Side::Client => self.shared.with(|core| core.send_answer(self.key, lines, ends)),
            Side::Ours { scheme, accept } => self
                .shared
                .with(|core| core.send_request(self.key, lines, *scheme, ends))
                .map(|request| accept.set(request.accept)),
        };
        sent.map_err(|unsent| match unsent {
            Unsent::Lost(loss) => failure(loss),
            Unsent::Unsupported => io::ErrorKind::Unsupported.into(),
        })
    }

    /// Reads the next head of the answer into `desk`, an interim one or the last; `fields` at most.
    ///
    /// # Errors
    /// When the stream broke, or the head is malformed (`InvalidData`).
    pub fn poll_head(&self, context: &mut Context<'_>, desk: &mut Desk, fields: usize) -> Poll<io::Result<()>> {
        let Side::Ours { accept, .. } = &self.side else {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        };
        let Some((block, ended)) = self.shared.take_head(self.key) else {
            return match self.shared.with(|core| core.read(self.key, &mut [])) {
                Read::Lost(loss) => Poll::Ready(Err(failure(loss))),
                Read::Bytes(_) | Read::End | Read::Nothing => {
                    self.shared.register(self.key, context);
                    Poll::Pending
                }
            };
        };
        let Desk { answer_input, answer, output, .. } = desk;
        let read = http2::answer(&block, ended, accept.get(), fields, output, answer);
        answer_input.clear();
        answer_input.put(output);
        let malformed = |malformed| io::Error::new(io::ErrorKind::InvalidData, format!("{malformed:?}"));
        Poll::Ready(read.map_err(malformed))
    }

    /// Ends the body with trailer lines, or without.
    ///
    /// # Errors
    /// When the stream is gone.
    pub fn send_end(&self, trailers: &[u8]) -> io::Result<()> {
        let sent = self.shared.with(|core| core.send_end(self.key, trailers));
        if sent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    /// Takes the trailers that came behind the body, as lines.
    pub fn take_trailers(&self) -> Vec<u8> {
        self.shared.core.borrow_mut().take_trailers(self.key)
    }

    /// Reads payload; 0 is its clean end. What was read is given back to the peer's window at once: the caller holds no
    /// more than one buffer of it.
    pub fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        match self.shared.with(|core| core.read(self.key, buffer)) {
            Read::Bytes(count) => Poll::Ready(Ok(count)),
            Read::End => Poll::Ready(Ok(0)),
            Read::Lost(loss) => Poll::Ready(Err(failure(loss))),
            Read::Nothing => {
                self.shared.register(self.key, context);
                Poll::Pending
            }
        }
    }

    /// Takes as much as the peer's window has room for.
    pub fn poll_write(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.poll_send(context, slices, false)
    }

    /// As [`Stream::poll_write`]; with `last`, and where all is taken, the body ends with it.
    pub fn poll_send(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>], last: bool) -> Poll<io::Result<usize>> {
        match self.shared.with(|core| core.send_data(self.key, slices, last)) {
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Some(0) if slices.iter().any(|slice| !slice.is_empty()) => {
                self.shared.register_sender(self.key, context);
                Poll::Pending
            }
            Some(taken) => Poll::Ready(Ok(taken)),
        }
    }

    /// Waits for the peer's reset, or the end of its connection. The end of its body alone is no leaving.
    pub fn poll_gone(&self, context: &mut Context<'_>) -> Poll<Gone> {
        if self.shared.core.borrow_mut().is_gone(self.key) {
            return Poll::Ready(Gone::Reset);
        }
        self.shared.register(self.key, context);
        Poll::Pending
    }

    /// Ends our side.
    pub fn finish(&self) {
        let _ = self.send_end(&[]);
    }

    /// Breaks the stream off in both directions.
    pub fn reset(&self) {
        self.shared.with(|core| core.abort(self.key));
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.release(self.key);
    }
}

/// How a stream was lost, as the data path knows it.
fn failure(loss: Loss) -> io::Error {
    match loss {
        Loss::Unprocessed => io::Error::new(io::ErrorKind::ConnectionReset, Unprocessed),
        Loss::Malformed => io::Error::new(io::ErrorKind::InvalidData, "the peer broke the rules of HTTP/2"),
        Loss::Reset | Loss::Ours => io::ErrorKind::ConnectionReset.into(),
    }
}
