//! TLS over a socket, after its handshake: plaintext in and out of lent buffers, as a plain socket gives and takes it.
//!
//! rustls is used without its buffers: records are read into this worker's scratch, decrypted from there, and what is
//! written is encrypted into another and sent at once. A connection keeps only what makes no whole record yet, what its
//! reader had no room for, and what the socket did not take; idle it keeps nothing but its keys.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker, ready};

use super::owed::Owed;
use super::session::{Event, Session, Sink, broken};
use crate::transport::Socket;

/// The most plaintext that one write encrypts: what the relay reads at once.
const WRITE: usize = 64 * 1024;

/// The least that is asked of the socket at once: a record of full size and its frame.
const LEAST_READ: usize = 17 * 1024;

/// The most ciphertext that is decrypted at once.
const READ: usize = 64 * 1024;

thread_local! {
    /// Ciphertext that came; what was held of a record stands in front.
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Plaintext of several slices, to be encrypted as one.
    static GATHERED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// Ciphertext to be sent.
    static OUTPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A TLS connection, on either side of it.
#[derive(Debug)]
pub struct TlsStream {
    socket: Socket,
    state: RefCell<State>,
    /// No `close_notify` when it is dropped: it was sent already, or a cut must look like one.
    silent: Cell<bool>,
}

#[derive(Debug)]
struct State {
    session: Session,
    /// Ciphertext that makes no whole record yet.
    held: Vec<u8>,
    /// Plaintext that a reader had no room for, from `at` on.
    plain: Vec<u8>,
    at: usize,
    owed: Owed,
    end: Option<End>,
    /// Our FIN waits for what is owed.
    finishing: bool,
}

/// How the other side's bytes ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By `close_notify`.
    Said,
    /// The connection ended before anybody said so.
    Cut,
}

/// What a handshake leaves behind.
#[derive(Debug, Default)]
pub(super) struct Leftover {
    /// Ciphertext that makes no whole record yet.
    pub(super) held: Vec<u8>,
    /// Plaintext that came with the last message of the handshake.
    pub(super) plain: Vec<u8>,
    /// What TLS has still to say (tickets): it goes with the first write.
    pub(super) own: Vec<u8>,
    /// The other side has said already that it sends no more.
    pub(super) ended: bool,
}

impl TlsStream {
    /// Joins a socket and a session whose handshake is over.
    pub(super) fn new(socket: Socket, session: Session, leftover: Leftover) -> Box<Self> {
        let Leftover { held, plain, own, ended } = leftover;
        let mut owed = Owed::default();
        owed.push(&own, 0);
        let end = ended.then_some(End::Said);
        let state = State { session, held, plain, at: 0, owed, end, finishing: false };
        Box::new(Self { socket, state: RefCell::new(state), silent: Cell::new(false) })
    }

    /// The socket below.
    pub const fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Whether HTTP/2 was agreed on.
    pub fn chose_http2(&self) -> bool {
        self.state.borrow().session.alpn() == Some(b"h2")
    }

    /// As [`Transport::poll_read`](crate::transport::Transport::poll_read).
    pub fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state.borrow_mut();
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if state.finishing {
            self.go_on_finishing(&mut state);
        }
        loop {
            let taken = state.take_plain(buffer);
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
            match state.end {
                Some(End::Said) => return Poll::Ready(Ok(0)),
                Some(End::Cut) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                None => {}
            }
            let read = ready!(self.poll_records(context, &mut state, buffer))?;
            if read > 0 {
                return Poll::Ready(Ok(read));
            }
        }
    }

    /// Reads ciphertext once and decrypts all that is whole: into `buffer`, and what it has no room for aside.
    fn poll_records(&self, context: &mut Context<'_>, state: &mut State, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let (held, room) = (state.held.len(), buffer.len().clamp(LEAST_READ, READ));
        INPUT.with_borrow_mut(|input| {
            if input.len() < held + room {
                input.resize(held + room, 0);
            }
            let fresh = input.get_mut(held..held + room).unwrap_or_default();
            let read = ready!(self.socket.poll_read(context, fresh))?;
            if read == 0 {
                state.end = Some(End::Cut);
                return Poll::Ready(Ok(0));
            }
            let input = input.get_mut(..held + read).unwrap_or_default();
            if let Some(place) = input.get_mut(..held) {
                place.copy_from_slice(&state.held);
            }
            let result = state.decrypt(input, buffer);
            if result.is_err() {
                // The alert that says why.
                self.try_send(state);
            }
            Poll::Ready(result)
        })
    }

    /// As [`Transport::poll_write`](crate::transport::Transport::poll_write).
    pub fn poll_write(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let state = &mut *self.state.borrow_mut();
        loop {
            let progress = state.owed.take_progress();
            if progress > 0 {
                return Poll::Ready(Ok(progress));
            }
            if state.owed.is_under_way() {
                let sent = ready!(self.socket.poll_write(context, &[IoSlice::new(state.owed.rest())]))?;
                state.owed.advance(sent);
                continue;
            }
            if slices.iter().all(|slice| slice.is_empty()) {
                return Poll::Ready(Ok(0));
            }
            if let Some(taken) = self.send(state, slices)? {
                return Poll::Ready(Ok(taken));
            }
        }
    }

    /// As [`Transport::under_way`](crate::transport::Transport::under_way).
    pub fn under_way(&self) -> usize {
        self.state.borrow().owed.uncounted()
    }

    /// Encrypts what is offered, up to a bound, and sends it in one system call with what TLS has to say itself. `None`
    /// where the socket did not take all: the rest is owed.
    fn send(&self, state: &mut State, slices: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        OUTPUT.with_borrow_mut(|output| {
            let mut filled = slices.iter().filter(|slice| !slice.is_empty());
            let (plain, written) = match (filled.next(), filled.next()) {
                (Some(one), None) => {
                    let plain = one.get(..one.len().min(WRITE)).unwrap_or_default();
                    (plain.len(), state.session.encrypt(&mut state.held, plain, output)?)
                }
                _ => GATHERED.with_borrow_mut(|gathered| {
                    gather(slices, gathered);
                    state.session.encrypt(&mut state.held, gathered, output).map(|written| (gathered.len(), written))
                })?,
            };
            let wire = output.get(..written).unwrap_or_default();
            if !state.owed.is_empty() {
                state.owed.push(wire, plain);
                self.try_send(state);
                return Ok(None);
            }
            let sent = self.socket.try_write(wire)?;
            if sent == written {
                return Ok(Some(plain));
            }
            state.owed.push(wire, plain);
            state.owed.advance(sent);
            Ok(None)
        })
    }

    /// Sends what is owed as far as there is room. An error comes back at the next write.
    fn try_send(&self, state: &mut State) {
        if !state.owed.is_empty()
            && let Ok(sent) = self.socket.try_write(state.owed.rest())
        {
            state.owed.advance(sent);
        }
    }

    /// As [`Transport::is_quiet`](crate::transport::Transport::is_quiet). Tickets and key updates are no noise.
    pub fn is_quiet(&self) -> bool {
        let state = &mut *self.state.borrow_mut();
        let mut noop = Context::from_waker(Waker::noop());
        while state.is_silent() {
            if self.socket.is_quiet() {
                return true;
            }
            match self.poll_records(&mut noop, state, &mut []) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return false,
                Poll::Pending => return state.is_silent(),
            }
        }
        false
    }

    /// Sends `close_notify`, and our FIN behind it. What there is no room for follows with the next read.
    pub fn finish(&self) {
        let state = &mut *self.state.borrow_mut();
        state.say_goodbye();
        state.finishing = true;
        self.silent.set(true);
        self.go_on_finishing(state);
    }

    fn go_on_finishing(&self, state: &mut State) {
        self.try_send(state);
        if state.owed.is_empty() {
            state.finishing = false;
            self.socket.finish();
        }
    }

    /// Makes the close a reset, without `close_notify`.
    pub fn reset_on_close(&self) {
        self.silent.set(true);
        self.socket.reset_on_close();
    }
}

impl Drop for TlsStream {
    /// The other side is told that the end is meant, as far as there is room for it.
    fn drop(&mut self) {
        let state = self.state.get_mut();
        if !self.silent.get() && !state.owed.is_under_way() {
            state.say_goodbye();
            let _ = self.socket.try_write(state.owed.rest());
        }
    }
}

impl State {
    /// Nothing has come that a reader would see.
    fn is_silent(&self) -> bool {
        self.end.is_none() && self.plain.is_empty() && self.held.is_empty()
    }

    /// Gives what was put aside.
    fn take_plain(&mut self, buffer: &mut [u8]) -> usize {
        let rest = self.plain.get(self.at..).unwrap_or_default();
        let taken = rest.len().min(buffer.len());
        if let (Some(place), Some(bytes)) = (buffer.get_mut(..taken), rest.get(..taken)) {
            place.copy_from_slice(bytes);
        }
        self.at += taken;
        if self.at == self.plain.len() && self.at > 0 {
            // Freed at once: an idle connection holds nothing.
            (self.plain, self.at) = (Vec::new(), 0);
        }
        taken
    }

    fn decrypt(&mut self, input: &mut [u8], buffer: &mut [u8]) -> io::Result<usize> {
        let mut own = Vec::new();
        let mut sink = Sink { buffer, filled: 0, aside: &mut self.plain };
        let (used, event) = self.session.work(input, &mut sink, &mut own);
        let filled = sink.filled;
        self.held = input.get(used..).unwrap_or_default().to_vec();
        if !own.is_empty() {
            self.owed.push(&own, 0);
        }
        match event {
            Ok(Event::Ended) => self.end = Some(End::Said),
            Ok(Event::Again | Event::Blocked | Event::Open) => {}
            Err(error) => {
                // Whoever reads again all the same finds a connection that was cut.
                self.end = Some(End::Cut);
                return Err(broken(error));
            }
        }
        Ok(filled)
    }

    fn say_goodbye(&mut self) {
        let mut wire = Vec::new();
        if let Ok(written) = self.session.say_goodbye(&mut self.held, &mut wire) {
            self.owed.push(wire.get(..written).unwrap_or_default(), 0);
        }
    }
}

/// Joins slices, as many bytes as one write takes: each record costs a header and a tag.
fn gather(slices: &[IoSlice<'_>], into: &mut Vec<u8>) {
    into.clear();
    for slice in slices {
        let taken = slice.len().min(WRITE - into.len());
        into.extend_from_slice(slice.get(..taken).unwrap_or_default());
    }
}
