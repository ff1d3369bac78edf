//! One stream of an HTTP/2 connection, as a transport: bodies by `poll_read` and `poll_write`, heads and ends by calls.
//!
//! Windows are the back-pressure: bytes are released to the peer as they are read, and no more is taken for sending than
//! the peer's window holds. The connection's own task moves the frames; nothing here touches a socket.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use switchboard_core::forwarding::Scheme;

use super::place::Place;
use super::{fields, head};
use crate::desk::Desk;
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
    _place: Place,
}

/// What comes.
#[derive(Debug)]
struct Incoming {
    source: Source,
    /// The rest of a frame that was larger than the buffer offered.
    rest: Bytes,
    trailers: Vec<u8>,
}

/// Where it comes from.
#[derive(Debug)]
enum Source {
    /// Nothing: the request has not been sent, or all has come.
    Nothing,
    /// An answer's head, with what a handshake's answer has to prove above.
    Answer(ResponseFuture, Option<[u8; 28]>),
    /// A body.
    Body(RecvStream),
}

/// What goes.
enum Outgoing {
    /// The head of the answer.
    Respond(SendResponse<Bytes>),
    /// The head of the request, and how its connection is called.
    Request(Box<Request>),
    /// The body, after the head.
    Body(SendStream<Bytes>),
    /// Nothing any more.
    Ended,
}

/// What is needed to open a stream to an endpoint.
struct Request {
    requests: SendRequest<Bytes>,
    scheme: Scheme,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Respond(_) => "Respond",
            Self::Request(_) => "Request",
            Self::Body(_) => "Body",
            Self::Ended => "Ended",
        })
    }
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
    pub(super) fn request(body: RecvStream, respond: SendResponse<Bytes>, place: Place) -> Self {
        Self::new(Source::Body(body), Outgoing::Respond(respond), place)
    }

    /// A stream that a request to an endpoint will open.
    pub(super) fn of_link(requests: SendRequest<Bytes>, scheme: Scheme, place: Place) -> Self {
        Self::new(Source::Nothing, Outgoing::Request(Box::new(Request { requests, scheme })), place)
    }

    fn new(source: Source, outgoing: Outgoing, place: Place) -> Self {
        Self {
            incoming: RefCell::new(Incoming { source, rest: Bytes::new(), trailers: Vec::new() }),
            outgoing: RefCell::new(outgoing),
            tunnel: Cell::new(false),
            _place: place,
        }
    }

    /// Sends a head that is written as HTTP/1 lines, interim ones too; with `ends` nothing follows it. A 101 becomes
    /// the 200 that opens a tunnel here, an upgrade to WebSocket an extended CONNECT (RFC 8441 §5).
    ///
    /// # Errors
    /// When the stream is gone, or the lines are none of a head. `Unsupported` where the peer takes no tunnel.
    pub fn send_head(&self, lines: &[u8], ends: bool) -> io::Result<()> {
        let mut outgoing = self.outgoing.borrow_mut();
        let body = match &mut *outgoing {
            Outgoing::Respond(respond) => {
                let answer = fields::answer(lines)?;
                self.tunnel.set(answer.switches);
                if answer.head.status().is_informational() {
                    return respond.send_informational(answer.head).map_err(failure);
                }
                respond.send_response(answer.head, ends).map_err(failure)?
            }
            Outgoing::Request(request) => {
                let Request { requests, scheme } = &mut **request;
                let request = fields::request(lines, *scheme)?;
                if request.accept.is_some() && !requests.is_extended_connect_protocol_enabled() {
                    return Err(io::ErrorKind::Unsupported.into());
                }
                self.tunnel.set(request.accept.is_some());
                let ends = ends && request.accept.is_none();
                let (answer, body) = requests.send_request(request.head, ends).map_err(failure)?;
                self.incoming.borrow_mut().source = Source::Answer(answer, request.accept);
                body
            }
            Outgoing::Body(_) | Outgoing::Ended => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        // Kept also where it has ended: dropping it would take back our interest in the answer.
        *outgoing = Outgoing::Body(body);
        Ok(())
    }

    /// Reads the next head of the answer into `desk`, an interim one or the last; `fields` at most.
    ///
    /// # Errors
    /// When the stream broke, or the head is malformed (`InvalidData`).
    pub fn poll_head(&self, context: &mut Context<'_>, desk: &mut Desk, fields: usize) -> Poll<io::Result<()>> {
        let mut incoming = self.incoming.borrow_mut();
        let Source::Answer(answer, accept) = &mut incoming.source else {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        };
        let malformed = |malformed| io::Error::new(io::ErrorKind::InvalidData, format!("{malformed:?}"));
        if let Poll::Ready(Some(interim)) = answer.poll_informational(context) {
            let (parts, ()) = interim.map_err(failure)?.into_parts();
            return Poll::Ready(head::answer(&parts, false, None, fields, desk).map_err(malformed));
        }
        let (parts, body) = ready!(Pin::new(answer).poll(context)).map_err(failure)?.into_parts();
        let accept = accept.take();
        let read = head::answer(&parts, body.is_end_stream(), accept, fields, desk).map_err(malformed);
        incoming.source = Source::Body(body);
        Poll::Ready(read)
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
            body.send_data(Bytes::new(), true).map_err(failure)
        } else {
            body.send_trailers(trailers).map_err(failure)
        }
    }

    /// Takes the trailers that came behind the body, as lines.
    pub fn take_trailers(&self) -> Vec<u8> {
        std::mem::take(&mut self.incoming.borrow_mut().trailers)
    }

    /// Reads payload; 0 is its clean end. What was read is given back to the peer's window at once: the caller holds no
    /// more than one buffer of it.
    pub fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut incoming = self.incoming.borrow_mut();
        let Incoming { source, rest, trailers } = &mut *incoming;
        let Source::Body(body) = source else { return Poll::Ready(Ok(0)) };
        while rest.is_empty() {
            match ready!(body.poll_data(context)) {
                Some(Ok(bytes)) => *rest = bytes,
                Some(Err(error)) => return Poll::Ready(Err(failure(error))),
                None => {
                    if let Some(fields) = ready!(body.poll_trailers(context)).map_err(failure)? {
                        *trailers = fields::trailer_lines(&fields);
                    }
                    *source = Source::Nothing;
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
        self.poll_send(context, slices, false)
    }

    /// As [`Stream::poll_write`]; with `last`, and where all is taken, the body ends with it.
    pub fn poll_send(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>], last: bool) -> Poll<io::Result<usize>> {
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
        body.send_data(piece.freeze(), last && taken == offered).map_err(failure)?;
        Poll::Ready(Ok(taken))
    }

    /// Waits for the peer's reset, or the end of its connection. The end of its body alone is no leaving.
    pub fn poll_gone(&self, context: &mut Context<'_>) -> Poll<Gone> {
        let polled = match &mut *self.outgoing.borrow_mut() {
            Outgoing::Respond(respond) => respond.poll_reset(context),
            Outgoing::Body(body) => body.poll_reset(context),
            Outgoing::Request(_) | Outgoing::Ended => return Poll::Pending,
        };
        polled.map(|_| Gone::Reset)
    }

    /// Ends our side.
    pub fn finish(&self) {
        let _ = self.send_end(&[]);
    }

    /// Breaks the stream off in both directions.
    pub fn reset(&self) {
        let reason = if self.tunnel.get() { Reason::CANCEL } else { Reason::INTERNAL_ERROR };
        match std::mem::replace(&mut *self.outgoing.borrow_mut(), Outgoing::Ended) {
            Outgoing::Respond(mut respond) => respond.send_reset(reason),
            Outgoing::Body(mut body) => body.send_reset(reason),
            Outgoing::Request(_) | Outgoing::Ended => {}
        }
    }
}

/// What the frame layer reports, as the data path knows it.
fn failure(error: h2::Error) -> io::Error {
    let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    // A GOAWAY of the peer's fails only the streams that it has not looked at.
    if error.is_remote() && (refused || error.is_go_away()) {
        return io::Error::new(io::ErrorKind::ConnectionReset, Unprocessed);
    }
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::ConnectionReset.into());
    }
    // What the frame layer itself found wrong is the peer's fault.
    let kind = if error.is_library() { io::ErrorKind::InvalidData } else { io::ErrorKind::ConnectionReset };
    io::Error::new(kind, error)
}
