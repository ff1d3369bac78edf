//! What the one worker of the floor lends to its connections: read and write scratch, and the pool of idle upstream
//! connections. Everything is borrowed within one poll and never across an await.

use std::{
    cell::RefCell,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    net::TcpStream,
};

use crate::splice::Pipes;

/// The most that one `recv` takes, in bytes: with large bodies each system call should carry much.
const SCRATCH: usize = 256 * 1024;

/// The state that all connections of the worker share.
pub(crate) struct Worker {
    pub(crate) pipes: Pipes,
    upstream: SocketAddr,
    idle: RefCell<Vec<TcpStream>>,
    read: RefCell<Box<[u8]>>,
    write: RefCell<Vec<u8>>,
}

impl Worker {
    pub(crate) fn new(upstream: SocketAddr) -> Worker {
        Worker {
            pipes: Pipes::default(),
            upstream,
            idle: RefCell::default(),
            read: RefCell::new(vec![0; SCRATCH].into_boxed_slice()),
            write: RefCell::default(),
        }
    }

    /// Reads once from `stream` and gives `take` what came, with an emptied write buffer beside it.
    ///
    /// One `recv` per message: after a short read tokio clears the readiness bit itself. At the end of the stream `take`
    /// sees an empty slice.
    pub(crate) fn poll_read<T>(
        &self,
        stream: &mut TcpStream,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8], &mut Vec<u8>) -> T,
    ) -> Poll<io::Result<T>> {
        let mut scratch = self.read.borrow_mut();
        let mut buffer = ReadBuf::new(&mut scratch);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        let mut write = self.write.borrow_mut();
        write.clear();
        Poll::Ready(Ok(take(buffer.filled(), &mut write)))
    }

    /// Takes an idle upstream connection, the one used last first.
    pub(crate) fn pooled(&self) -> Option<TcpStream> {
        self.idle.borrow_mut().pop()
    }

    /// Gives back a connection whose exchange is complete.
    pub(crate) fn give_back(&self, stream: TcpStream) {
        self.idle.borrow_mut().push(stream);
    }

    /// Opens a new upstream connection.
    pub(crate) async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.upstream).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// Sends what the socket takes now and returns what is left, usually nothing.
pub(crate) fn send_now(stream: &TcpStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    match stream.try_write(bytes) {
        Ok(sent) if sent == bytes.len() => Ok(Vec::new()),
        Ok(sent) => Ok(bytes[sent..].to_vec()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(bytes.to_vec()),
        Err(error) => Err(error),
    }
}
