//! From an accepted socket to a decrypted connection: the ClientHello is read first, then its name chooses the policy.
//!
//! `http` calls it once per connection on a listener with TLS. All of it, from the first byte on, has to be over within
//! `timeouts.tls_handshake`.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::server::{Acceptor, ServerConfig, UnbufferedServerConnection};

use super::handshake::Handshake;
use super::session::{Session, broken};
use super::setup::{Endpoint, Policy, Treatment};
use super::table::{Only, canonical};
use super::{Alpn, Secure, alpn};
use crate::deadline::Deadline;
use crate::http::Connection;
use crate::transport::{Socket, Transport};

/// More than any ClientHello has; rustls itself stops at 64 KiB.
const MOST_HELLO: usize = 64 * 1024;

/// What is read at once.
const READ: usize = 4 * 1024;

/// What became of a connection.
#[derive(Debug)]
pub enum Accepted {
    /// It is open.
    Open(Box<Connection>),
    /// Who is there speaks HTTP in plain text. The bytes that came.
    Plain(Box<Connection>, Vec<u8>),
    /// It is not decrypted: the name that was asked for, and the bytes that came.
    Passthrough(Box<Connection>, Option<String>, Vec<u8>),
    /// It is over; why, for the log, and the name that was asked for, as far as that came.
    Failed(io::Error, Option<String>),
}

/// Does the handshake of a connection; `came` is what was read of it already.
pub async fn accept(connection: Connection, endpoint: &Endpoint, came: Vec<u8>) -> Accepted {
    let patience = connection.worker.generation().snapshot.timeouts_of(connection.listener).tls_handshake;
    connection.deadline.set_in(patience);
    let Transport::Plain(socket) = &connection.transport else {
        return Accepted::Failed(io::ErrorKind::Unsupported.into(), None);
    };
    let mut reading = Reading { acceptor: Acceptor::default(), bytes: came, seen: 0 };
    let hello = poll_fn(|context| timed(context, &connection.deadline, |context| reading.poll(context, socket))).await;
    let hello = match hello {
        Ok(hello) => hello,
        Err(_) if looks_like_http(&reading.bytes) => return Accepted::Plain(Box::new(connection), reading.bytes),
        Err(error) => return Accepted::Failed(error, None),
    };
    let policy = match endpoint.treatment(hello.name.as_deref()) {
        Treatment::Passthrough => return Accepted::Passthrough(Box::new(connection), hello.name, reading.bytes),
        Treatment::Terminate(policy) => Arc::clone(policy),
    };
    let Some(config) = config_for(&connection, endpoint, &policy, &hello).await else {
        // Fatal, unrecognized_name (RFC 6066 §3): there is no certificate to go on with.
        let _ = socket.try_write(&[21, 3, 3, 0, 2, 2, 112]);
        let error = io::Error::new(io::ErrorKind::NotFound, "there is no certificate for this name");
        return Accepted::Failed(error, hello.name);
    };
    let session = match UnbufferedServerConnection::new(config) {
        Ok(session) => Session::Server(session),
        Err(error) => return Accepted::Failed(broken(error), hello.name),
    };
    let mut handshake = Handshake::new(session, reading.bytes);
    let done = poll_fn(|context| timed(context, &connection.deadline, |context| handshake.poll(context, socket))).await;
    if let Err(error) = done {
        return Accepted::Failed(error, hello.name);
    }
    if hello.proves {
        // The authority has seen what it came for.
        let error = io::Error::other("it was the validation of a certificate, and is over");
        return Accepted::Failed(error, hello.name);
    }
    let secure = Secure::of(handshake.session().common(), hello.name, policy.id);
    Accepted::Open(Box::new(connection.over_tls(|socket| handshake.finish(socket), Rc::new(secure))))
}

/// Polls until the deadline.
pub(super) fn timed<T>(
    context: &mut Context<'_>,
    deadline: &Deadline,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>,
) -> Poll<io::Result<T>> {
    deadline.register(context);
    match poll(context) {
        Poll::Pending if deadline.has_come() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        other => other,
    }
}

/// What a handshake with this client works with; `None` where there is no certificate for the name.
async fn config_for(
    connection: &Connection,
    endpoint: &Endpoint,
    policy: &Policy,
    hello: &Hello,
) -> Option<Arc<ServerConfig>> {
    let certs = &connection.worker.process.certs;
    let (key, protocols) = if hello.proves {
        (certs.challenge(hello.name.as_deref()?), vec![alpn::ACME.to_vec()])
    } else if endpoint.table.is_some() {
        return Some(Arc::clone(&policy.config));
    } else {
        let name = match &hello.name {
            Some(name) => name.clone(),
            None => connection.local_ip()?.to_string(),
        };
        (certs.wanted(&name).await, policy.config.alpn_protocols.clone())
    };
    let mut config = ServerConfig::clone(&policy.config);
    config.cert_resolver = Arc::new(Only(key?));
    config.alpn_protocols = protocols;
    Some(Arc::new(config))
}

/// A client that speaks HTTP where TLS is spoken can be told so.
fn looks_like_http(bytes: &[u8]) -> bool {
    bytes.len() >= 3 && bytes.iter().take(3).all(u8::is_ascii_uppercase)
}

/// What a ClientHello says.
struct Hello {
    /// The name, in canonical form.
    name: Option<String>,
    /// It is an authority that looks for our proof (RFC 8737).
    proves: bool,
}

/// A ClientHello that is being read. Its bytes stay: the handshake reads them again.
struct Reading {
    acceptor: Acceptor,
    bytes: Vec<u8>,
    seen: usize,
}

impl Reading {
    fn poll(&mut self, context: &mut Context<'_>, socket: &Socket) -> Poll<io::Result<Hello>> {
        loop {
            if let Some(hello) = self.look(socket)? {
                return Poll::Ready(Ok(hello));
            }
            if self.bytes.len() > MOST_HELLO {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
            let mut bytes = [0; READ];
            let read = ready!(socket.poll_read(context, &mut bytes))?;
            if read == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.bytes.extend_from_slice(bytes.get(..read).unwrap_or_default());
        }
    }

    /// Shows the new bytes to rustls, whose word counts for what is in a hello: nobody else reads it (case 166).
    fn look(&mut self, socket: &Socket) -> io::Result<Option<Hello>> {
        while self.seen < self.bytes.len() {
            let mut fresh = self.bytes.get(self.seen..).unwrap_or_default();
            let read = self.acceptor.read_tls(&mut fresh)?;
            self.seen += read;
            match self.acceptor.accept() {
                Ok(None) if read == 0 => return Ok(None),
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let hello = accepted.client_hello();
                    let proves = hello.alpn().is_some_and(|mut all| all.all(|one| one == alpn::ACME));
                    return Ok(Some(Hello { name: hello.server_name().map(canonical), proves }));
                }
                Err((error, mut alert)) => {
                    let mut wire = Vec::new();
                    if !looks_like_http(&self.bytes) && alert.write_all(&mut wire).is_ok() {
                        let _ = socket.try_write(&wire);
                    }
                    return Err(broken(error));
                }
            }
        }
        Ok(None)
    }
}

impl Alpn {
    /// What was agreed upon.
    pub(super) fn of(protocol: Option<&[u8]>) -> Self {
        match protocol {
            Some(b"h2") => Self::Http2,
            Some(_) | None => Self::Http1,
        }
    }
}
