//! Drives a session from its first byte until data may flow, on either side.
//!
//! `accept` and `connect` make the session and set the time-out; what this leaves behind becomes a stream.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use rustls::ProtocolVersion;

use super::session::{Event, Session, Sink, broken};
use super::stream::{Leftover, TlsStream};
use crate::transport::Socket;

/// What is read at once: most flights come in one piece.
const READ: usize = 8 * 1024;

/// A handshake under way.
#[derive(Debug)]
pub(super) struct Handshake {
    session: Session,
    leftover: Leftover,
    /// How much of what TLS has to say is sent.
    sent: usize,
    /// Bytes have come that the session has not seen, or it has not been asked to begin.
    fresh: bool,
}

impl Handshake {
    /// Begins with the bytes that came already.
    pub(super) fn new(session: Session, came: Vec<u8>) -> Self {
        Self { session, leftover: Leftover { held: came, ..Leftover::default() }, sent: 0, fresh: true }
    }

    /// Goes on as far as the socket allows. Ready when data may flow: see [`finish`](Self::finish).
    ///
    /// # Errors
    /// What the other side did wrong (it has been told by an alert), or what became of the connection.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, socket: &Socket) -> Poll<io::Result<()>> {
        loop {
            if self.fresh {
                self.fresh = false;
                if let Err(error) = self.work() {
                    let _ = socket.try_write(self.rest());
                    return Poll::Ready(Err(broken(error)));
                }
            }
            let over = !self.session.common().is_handshaking();
            // Tickets go with the answer to what has come already. Else at once: a client that gathers small writes
            // waits for our word before it asks.
            while !(over && self.owes_only_tickets() && !self.leftover.plain.is_empty())
                && self.sent < self.leftover.own.len()
            {
                self.sent += ready!(socket.poll_write(context, &[IoSlice::new(self.rest())]))?;
            }
            if over {
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [0; READ];
            let read = ready!(socket.poll_read(context, &mut bytes))?;
            if read == 0 || self.leftover.ended {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.leftover.held.extend_from_slice(bytes.get(..read).unwrap_or_default());
            self.fresh = true;
        }
    }

    fn work(&mut self) -> Result<(), rustls::Error> {
        let Leftover { held, plain, own, ended } = &mut self.leftover;
        if self.sent == own.len() {
            (*own, self.sent) = (Vec::new(), 0);
        }
        let mut sink = Sink { buffer: &mut [], filled: 0, aside: plain };
        let (used, event) = self.session.work(held, &mut sink, own);
        held.drain(..used);
        if held.is_empty() {
            *held = Vec::new();
        }
        *ended |= event? == Event::Ended;
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        self.leftover.own.get(self.sent..).unwrap_or_default()
    }

    /// A server of TLS 1.3 has sent its last word before the client's; what follows are tickets.
    fn owes_only_tickets(&self) -> bool {
        let version = self.session.common().protocol_version();
        self.sent == 0 && matches!(self.session, Session::Server(_)) && version == Some(ProtocolVersion::TLSv1_3)
    }

    /// The session, for what it knows of the other side.
    pub(super) const fn session(&self) -> &Session {
        &self.session
    }

    /// Joins the session with its socket.
    pub(super) fn finish(self, socket: Socket) -> Box<TlsStream> {
        let Self { session, mut leftover, sent, .. } = self;
        leftover.own.drain(..sent);
        TlsStream::new(socket, session, leftover)
    }
}
