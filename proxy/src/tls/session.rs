//! One rustls session of either side, driven record by record: what came in, what TLS itself has to say, what it means.
//!
//! `handshake` drives it until it is open, `stream` after that. It never touches a socket.

use std::io;

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError, UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error};

/// What a record costs at most besides its plaintext (RFC 8446 §5.2, RFC 5246 §6.2.3.3).
const FRAME: usize = 64;

/// The session.
pub(super) enum Session {
    /// A client of ours.
    Server(UnbufferedServerConnection),
    /// An endpoint.
    Client(UnbufferedClientConnection),
}

impl std::fmt::Debug for Session {
    /// Never the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Server(_) => "Session::Server",
            Self::Client(_) => "Session::Client",
        })
    }
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Something was done; there may be more to do.
    Again,
    /// The handshake needs bytes of the other side.
    Blocked,
    /// Nothing more can be done with these bytes; data may be sent.
    Open,
    /// The other side said that it sends no more.
    Ended,
}

/// Where decrypted bytes go: as many as fit into the reader's buffer, the rest aside.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    /// The reader's.
    pub(super) buffer: &'a mut [u8],
    /// How much of it is filled.
    pub(super) filled: usize,
    /// The rest.
    pub(super) aside: &'a mut Vec<u8>,
}

impl Sink<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let taken = if self.aside.is_empty() { bytes.len().min(room.len()) } else { 0 };
        let (now, later) = bytes.split_at(taken);
        if let Some(place) = room.get_mut(..taken) {
            place.copy_from_slice(now);
        }
        self.filled += taken;
        self.aside.extend_from_slice(later);
    }
}

impl Session {
    /// The protocol that was agreed on.
    pub(super) fn alpn(&self) -> Option<&[u8]> {
        match self {
            Self::Server(session) => session.alpn_protocol(),
            Self::Client(session) => session.alpn_protocol(),
        }
    }

    /// What both sides have in common: version, suite, certificates, the protocol agreed upon.
    pub(super) fn common(&self) -> &CommonState {
        match self {
            Self::Server(session) => session,
            Self::Client(session) => session,
        }
    }

    /// Works on the ciphertext in `input` as far as it goes: how many bytes of it are used up, and what it came to. What
    /// TLS has to say of its own accord is appended to `own`: after an error, the alert that tells the other side.
    ///
    /// What is not used up has to stand in front of the next `input`, unchanged: rustls joins messages in place.
    pub(super) fn work(
        &mut self,
        input: &mut [u8],
        sink: &mut Sink<'_>,
        own: &mut Vec<u8>,
    ) -> (usize, Result<Event, Error>) {
        let mut used = 0;
        loop {
            let rest = input.get_mut(used..).unwrap_or_default();
            let (discard, event) = self.step(rest, sink, own);
            used += discard;
            match event {
                Ok(Event::Again) => {}
                Ok(event) => return (used, Ok(event)),
                Err(error) => {
                    // What stands in the queue, the alert last. Bytes are not looked at again.
                    while self.common().wants_write() {
                        let _ = self.step(input.get_mut(used..).unwrap_or_default(), sink, own);
                    }
                    return (used, Err(error));
                }
            }
        }
    }

    fn step(&mut self, input: &mut [u8], sink: &mut Sink<'_>, own: &mut Vec<u8>) -> (usize, Result<Event, Error>) {
        match self {
            Self::Server(session) => follow(session.process_tls_records(input), sink, own),
            Self::Client(session) => follow(session.process_tls_records(input), sink, own),
        }
    }

    /// Encrypts `plain` into `wire`, behind what TLS has to say itself. Returns how many bytes stand there. `held` is
    /// what is left of the last input.
    ///
    /// # Errors
    /// When the session is closed, or its keys are used up.
    pub(super) fn encrypt(&mut self, held: &mut [u8], plain: &[u8], wire: &mut Vec<u8>) -> io::Result<usize> {
        let room = plain.len() + (plain.len().div_ceil(super::owed::RECORD) + 1) * FRAME;
        if wire.len() < room {
            wire.resize(room, 0);
        }
        self.write(held, wire, Say::Data(plain))
    }

    /// Writes `close_notify` into `wire`. Returns how many bytes stand there.
    ///
    /// # Errors
    /// As [`encrypt`](Self::encrypt).
    pub(super) fn say_goodbye(&mut self, held: &mut [u8], wire: &mut Vec<u8>) -> io::Result<usize> {
        self.write(held, wire, Say::Goodbye)
    }

    fn write(&mut self, held: &mut [u8], wire: &mut Vec<u8>, say: Say<'_>) -> io::Result<usize> {
        let mut own = Vec::new();
        loop {
            let written = match self {
                Self::Server(session) => speak(session.process_tls_records(held), wire, &mut own, say),
                Self::Client(session) => speak(session.process_tls_records(held), wire, &mut own, say),
            };
            match written.map_err(broken)? {
                None => {}
                Some(written) if own.is_empty() => return Ok(written),
                // A key update that was due: it stands in front.
                Some(written) => {
                    wire.splice(..0, own.iter().copied());
                    return Ok(written + own.len());
                }
            }
        }
    }
}

/// What is to be said.
#[derive(Clone, Copy)]
enum Say<'a> {
    Data(&'a [u8]),
    Goodbye,
}

/// An error of TLS as one of a connection.
pub(super) fn broken(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Does what one state asks for, and tells what it came to.
fn follow<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    sink: &mut Sink<'_>,
    own: &mut Vec<u8>,
) -> (usize, Result<Event, Error>) {
    let UnbufferedStatus { mut discard, state } = status;
    let event = match state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut records)) => {
            let mut event = Ok(Event::Again);
            while let Some(record) = records.next_record() {
                match record {
                    Ok(record) => {
                        discard += record.discard;
                        sink.put(record.payload);
                    }
                    Err(error) => event = Err(error),
                }
            }
            event
        }
        Ok(ConnectionState::EncodeTlsData(mut message)) => encode(&mut message, own).map(|()| Event::Again),
        // The bytes stand in `own`, and whoever lent it sends them.
        Ok(ConnectionState::TransmitTlsData(sent)) => {
            sent.done();
            Ok(Event::Again)
        }
        Ok(ConnectionState::BlockedHandshake) => Ok(Event::Blocked),
        Ok(ConnectionState::WriteTraffic(_)) => Ok(Event::Open),
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Event::Ended),
        // Early data is off; a state of a later rustls would be as unexpected.
        Ok(_) => Err(Error::General("rustls is in a state that was never asked for".to_owned())),
    };
    (discard, event)
}

/// Says something where the session is open for it; `None` where something else had to be done first.
fn speak<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    wire: &mut Vec<u8>,
    own: &mut Vec<u8>,
    say: Say<'_>,
) -> Result<Option<usize>, Error> {
    match status.state? {
        ConnectionState::WriteTraffic(mut open) => say_it(&mut open, wire, say).map(Some),
        ConnectionState::EncodeTlsData(mut message) => encode(&mut message, own).map(|()| None),
        ConnectionState::TransmitTlsData(sent) => {
            sent.done();
            Ok(None)
        }
        // Told to the reader by the session's next step; it closes nothing for the writer.
        ConnectionState::PeerClosed => Ok(None),
        _ => Err(Error::General("the session takes no data any more".to_owned())),
    }
}

fn say_it<Data>(open: &mut WriteTraffic<'_, Data>, wire: &mut Vec<u8>, say: Say<'_>) -> Result<usize, Error> {
    loop {
        let written = match say {
            Say::Data(plain) => open.encrypt(plain, wire),
            Say::Goodbye => open.queue_close_notify(wire),
        };
        match written {
            Ok(written) => return Ok(written),
            Err(EncryptError::InsufficientSize(InsufficientSizeError { required_size })) => {
                wire.resize(required_size, 0);
            }
            Err(EncryptError::EncryptExhausted) => return Err(Error::EncryptError),
        }
    }
}

fn encode<Data>(message: &mut EncodeTlsData<'_, Data>, own: &mut Vec<u8>) -> Result<(), Error> {
    let before = own.len();
    loop {
        match message.encode(own.get_mut(before..).unwrap_or_default()) {
            Ok(written) => {
                own.truncate(before + written);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
                own.resize(before + required_size, 0);
            }
            Err(EncodeError::AlreadyEncoded) => return Ok(()),
        }
    }
}
