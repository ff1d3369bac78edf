//! One stream of an HTTP/2 connection, as a transport: bodies by `poll_read` and `poll_write`, heads and ends by calls.
//!
//! Windows are the back-pressure: bytes are released to the peer as they are read, and no more is taken for sending than
//! the peer's window holds. The connection's own task moves the frames; nothing here touches a socket.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};

use super::fields;
use crate::transport::Gone;

/// The most that is handed to the frame layer in one piece.
const PIECE: usize = 64 * 1024;

/// A stream.
#[derive(Debug)]
pub struct Stream {
    incoming: RefCell<Incoming>,
    outgoing: RefCell<Outgoing>,
    /// It has become a tunnel: an abrupt end is CANCEL, as RFC 8441 §5.1 asks, and no error of ours.
    tunnel: Cell<bool>,
}

/// What comes.
#[derive(Debug)]
struct Incoming {
    frames: Option<RecvStream>,
    /// The rest of a frame that was larger than the buffer offered.
    rest: Bytes,
    trailers: Vec<u8>,
}

/// What goes.
#[derive(Debug)]
enum Outgoing {
    /// The head of the answer.
    Respond(SendResponse<Bytes>),
    /// The body, after the head.
    Body(SendStream<Bytes>),
    /// Nothing any more.
    Ended,
}

impl Stream {
    /// A request's stream; `body` is `None` where the head ended it.
    pub fn request(body: Option<RecvStream>, respond: SendResponse<Bytes>) -> Self {
        Self {
            incoming: RefCell::new(Incoming { frames: body, rest: Bytes::new(), trailers: Vec::new() }),
            outgoing: RefCell::new(Outgoing::Respond(respond)),
            tunnel: Cell::new(false),
        }
    }

    /// Sends a head that is written as HTTP/1 lines, interim ones too; with `ends` nothing follows it. A 101 becomes
    /// the 200 that opens a tunnel here (RFC 8441 §5).
    ///
    /// # Errors
    /// When the stream is gone, or the lines are none of a head.
    pub fn send_head(&self, lines: &[u8], ends: bool) -> io::Result<()> {
        let mut outgoing = self.outgoing.borrow_mut();
        let Outgoing::Respond(respond) = &mut *outgoing else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let answer = fields::answer(lines)?;
        if answer.switches {
            self.tunnel.set(true);
        }
        if answer.head.status().is_informational() {
            return respond.send_informational(answer.head).map_err(failure);
        }
        let body = respond.send_response(answer.head, ends).map_err(failure)?;
        *outgoing = if ends { Outgoing::Ended } else { Outgoing::Body(body) };
        Ok(())
    }

    /// Ends the body with trailer lines, or without.
    ///
    /// # Errors
    /// When the stream is gone.
    pub fn send_end(&self, trailers: &[u8]) -> io::Result<()> {
        let mut outgoing = self.outgoing.borrow_mut();
        let Outgoing::Body(body) = &mut *outgoing else { return Err(io::ErrorKind::BrokenPipe.into()) };
        let trailers = fields::trailers(trailers);
        if trailers.is_empty() {
            body.send_data(Bytes::new(), true).map_err(failure)?;
        } else {
            body.send_trailers(trailers).map_err(failure)?;
        }
        *outgoing = Outgoing::Ended;
        Ok(())
    }

    /// Takes the trailers that came behind the body, as lines.
    pub fn take_trailers(&self) -> Vec<u8> {
        std::mem::take(&mut self.incoming.borrow_mut().trailers)
    }

    /// Reads payload; 0 is its clean end. What was read is given back to the peer's window at once: the caller holds no
    /// more than one buffer of it.
    pub fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut incoming = self.incoming.borrow_mut();
        let Incoming { frames, rest, trailers } = &mut *incoming;
        let Some(body) = frames else { return Poll::Ready(Ok(0)) };
        while rest.is_empty() {
            match ready!(body.poll_data(context)) {
                Some(Ok(bytes)) => *rest = bytes,
                Some(Err(error)) => return Poll::Ready(Err(failure(error))),
                None => {
                    if let Some(fields) = ready!(body.poll_trailers(context)).map_err(failure)? {
                        *trailers = fields::trailer_lines(&fields);
                    }
                    *frames = None;
                    return Poll::Ready(Ok(0));
                }
            }
        }
        let count = rest.len().min(buffer.len());
        rest.copy_to_slice(buffer.get_mut(..count).unwrap_or_default());
        if rest.is_empty() {
            *rest = Bytes::new();
        }
        body.flow_control().release_capacity(count).map_err(failure)?;
        Poll::Ready(Ok(count))
    }

    /// Takes as much as the peer's window has room for.
    pub fn poll_write(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut outgoing = self.outgoing.borrow_mut();
        let Outgoing::Body(body) = &mut *outgoing else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        if offered == 0 {
            return Poll::Ready(Ok(0));
        }
        body.reserve_capacity(offered.min(PIECE));
        let mut room = body.capacity();
        while room == 0 {
            room = match ready!(body.poll_capacity(context)) {
                Some(Ok(room)) => room,
                Some(Err(error)) => return Poll::Ready(Err(failure(error))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
        }
        let taken = room.min(offered).min(PIECE);
        let mut piece = BytesMut::with_capacity(taken);
        for slice in slices {
            let left = taken - piece.len();
            piece.extend_from_slice(slice.get(..left.min(slice.len())).unwrap_or_default());
        }
        body.send_data(piece.freeze(), false).map_err(failure)?;
        Poll::Ready(Ok(taken))
    }

    /// Waits for the peer's reset, or the end of its connection. The end of its body alone is no leaving.
    pub fn poll_gone(&self, context: &mut Context<'_>) -> Poll<Gone> {
        let polled = match &mut *self.outgoing.borrow_mut() {
            Outgoing::Respond(respond) => respond.poll_reset(context),
            Outgoing::Body(body) => body.poll_reset(context),
            Outgoing::Ended => return Poll::Pending,
        };
        polled.map(|_| Gone::Reset)
    }

    /// Ends our side.
    pub fn finish(&self) {
        let _ = self.send_end(&[]);
    }

    /// Breaks the stream off in both directions.
    pub fn reset(&self) {
        self.reset_for(if self.tunnel.get() { Reason::CANCEL } else { Reason::INTERNAL_ERROR });
    }

    /// Breaks the stream off and says why.
    pub(super) fn reset_for(&self, reason: Reason) {
        match std::mem::replace(&mut *self.outgoing.borrow_mut(), Outgoing::Ended) {
            Outgoing::Respond(mut respond) => respond.send_reset(reason),
            Outgoing::Body(mut body) => body.send_reset(reason),
            Outgoing::Ended => {}
        }
    }
}

/// What the frame layer reports, as the data path knows it.
fn failure(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into());
    }
    io::Error::new(io::ErrorKind::ConnectionReset, error)
}
