//! One end of a raw connection, the client's or the origin's: every byte is the test's own, every read has a deadline.

mod messages;

use super::PATIENCE;
use super::origin::Record;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Leaves a socket little room in the kernel; on a listening one it holds for the connections that it accepts.
pub(crate) fn narrow(socket: &socket2::SockRef<'_>) {
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.set_send_buffer_size(16 * 1024).unwrap();
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a FIN.
    Closed,
    /// With an RST.
    Reset,
}

/// A connected socket with what was read from it and not yet used.
pub(crate) struct Wire {
    socket: Socket,
    held: Vec<u8>,
    ended: Option<Ending>,
    record: Option<Arc<Record>>,
    patience: Duration,
}

impl Wire {
    /// Connects over TCP.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap_or_else(|e| panic!("{address}: {e}"));
        Self::from_tcp(stream)
    }

    /// Connects over TCP from an address of this machine, to be another client.
    #[track_caller]
    pub(crate) fn connect_from(source: &str, address: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None).unwrap();
        let source: SocketAddr = source.parse().unwrap();
        socket.bind(&source.into()).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::from_tcp(socket.into())
    }

    /// Connects with little room in the kernel on this end, so that back-pressure shows soon. The room is chosen before
    /// the connection is made: a window that shrinks later makes TCP wait for its timers.
    #[track_caller]
    pub(crate) fn connect_narrow(address: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None).unwrap();
        narrow(&socket2::SockRef::from(&socket));
        socket.connect(&address.into()).unwrap();
        Self::from_tcp(socket.into())
    }

    /// Connects to a unix socket.
    #[track_caller]
    pub(crate) fn connect_unix(path: &Path) -> Self {
        Self::new(Socket::Unix(UnixStream::connect(path).unwrap()))
    }

    pub(crate) fn from_tcp(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        Self::new(Socket::Tcp(stream))
    }

    pub(crate) fn from_unix(stream: UnixStream) -> Self {
        Self::new(Socket::Unix(stream))
    }

    fn new(socket: Socket) -> Self {
        Self { socket, held: Vec::new(), ended: None, record: None, patience: PATIENCE }
    }

    pub(crate) fn recorded(mut self, record: Arc<Record>) -> Self {
        self.record = Some(record);
        self
    }

    /// The address of this end.
    pub(crate) fn local(&self) -> SocketAddr {
        match &self.socket {
            Socket::Tcp(s) => s.local_addr().unwrap(),
            Socket::Unix(_) => unreachable!("a unix socket has no address"),
        }
    }

    /// Takes the connection out of an origin's script, to be driven from the test.
    pub(crate) fn take(&mut self) -> Self {
        let socket = match &self.socket {
            Socket::Tcp(s) => Socket::Tcp(s.try_clone().unwrap()),
            Socket::Unix(s) => Socket::Unix(s.try_clone().unwrap()),
        };
        Self {
            socket,
            held: std::mem::take(&mut self.held),
            ended: self.ended,
            record: self.record.clone(),
            patience: self.patience,
        }
    }

    /// Writes all of it; panics where the peer takes no more.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.write(bytes.as_ref()).unwrap_or_else(|e| panic!("send: {e}"));
    }

    /// Writes as much as the peer takes: it may refuse midway.
    pub(crate) fn offer(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.write(bytes.as_ref());
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(s) => {
                s.set_write_timeout(Some(self.patience))?;
                s.write_all(bytes)
            }
            Socket::Unix(s) => {
                s.set_write_timeout(Some(self.patience))?;
                s.write_all(bytes)
            }
        }
    }

    /// Writes until the peer takes nothing more for `pause`; tells how many bytes it took.
    pub(crate) fn push_until_blocked(&mut self, pause: Duration, most: usize) -> usize {
        let Socket::Tcp(s) = &mut self.socket else { return 0 };
        s.set_write_timeout(Some(pause)).unwrap();
        let block = [b'x'; 16384];
        let mut taken = 0;
        while taken < most {
            match s.write(&block) {
                Ok(n) => taken += n,
                Err(_) => break,
            }
        }
        taken
    }

    /// Ends this direction and goes on reading.
    pub(crate) fn finish(&mut self) {
        let _ = match &self.socket {
            Socket::Tcp(s) => s.shutdown(Shutdown::Write),
            Socket::Unix(s) => s.shutdown(Shutdown::Write),
        };
    }

    /// Ends the connection with an RST.
    pub(crate) fn reset(self) {
        if let Socket::Tcp(s) = &self.socket {
            socket2::SockRef::from(s).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }

    /// Reads once; tells whether bytes came. Panics when nothing happens for too long.
    #[track_caller]
    fn fill(&mut self, deadline: Instant) -> bool {
        if self.ended.is_some() {
            return false;
        }
        let mut block = [0; 65536];
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let outcome = match &mut self.socket {
            Socket::Tcp(s) => s.set_read_timeout(Some(left)).and_then(|()| s.read(&mut block)),
            Socket::Unix(s) => s.set_read_timeout(Some(left)).and_then(|()| s.read(&mut block)),
        };
        match outcome {
            Ok(0) => self.end(Ending::Closed),
            Ok(n) => {
                self.held.extend_from_slice(&block[..n]);
                if let Some(record) = &self.record {
                    record.received(&block[..n]);
                }
                return true;
            }
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                self.end(Ending::Reset);
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => return true,
            Err(e) => panic!("nothing more came ({e}) after {} bytes: {:?}", self.held.len(), self.held_text()),
        }
        false
    }

    fn end(&mut self, ending: Ending) {
        self.ended = Some(ending);
        if let Some(record) = &self.record {
            record.ended();
        }
    }

    fn held_text(&self) -> String {
        String::from_utf8_lossy(&self.held[..self.held.len().min(2000)]).into_owned()
    }

    /// Takes everything up to and including `marker`; panics where the connection ends first.
    #[track_caller]
    pub(crate) fn until(&mut self, marker: impl AsRef<[u8]>) -> Vec<u8> {
        let taken = self.until_or_end(marker.as_ref());
        taken.unwrap_or_else(|| self.fail_at_end(&format!("{:?}", String::from_utf8_lossy(marker.as_ref()))))
    }

    /// As `until`; `None` where the connection ends first.
    #[track_caller]
    fn until_or_end(&mut self, marker: &[u8]) -> Option<Vec<u8>> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(at) = self.held.windows(marker.len()).position(|w| w == marker) {
                return Some(self.held.drain(..at + marker.len()).collect());
            }
            if !self.fill(deadline) {
                return None;
            }
        }
    }

    /// Takes exactly `n` bytes; panics where the connection ends first.
    #[track_caller]
    pub(crate) fn exactly(&mut self, n: usize) -> Vec<u8> {
        self.exactly_or_end(n).unwrap_or_else(|| self.fail_at_end(&format!("{n} bytes")))
    }

    /// As `exactly`; `None` where the connection ends first.
    #[track_caller]
    pub(crate) fn exactly_or_end(&mut self, n: usize) -> Option<Vec<u8>> {
        let deadline = Instant::now() + self.patience;
        while self.held.len() < n {
            if !self.fill(deadline) {
                return None;
            }
        }
        Some(self.held.drain(..n).collect())
    }

    #[track_caller]
    fn fail_at_end(&self, wanted: &str) -> ! {
        panic!("ended ({:?}) before {wanted}: {:?}", self.ended, self.held_text())
    }

    /// Takes exactly these bytes.
    #[track_caller]
    pub(crate) fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let got = self.exactly(bytes.len());
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(bytes));
    }

    /// Takes everything until the connection ends, however it ends.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + self.patience;
        while self.fill(deadline) {}
        std::mem::take(&mut self.held)
    }

    /// Takes what has come, at least `n` bytes; `None` where the connection has ended instead. Waits for as long as a
    /// test may last: for origins that echo.
    #[track_caller]
    pub(crate) fn at_least(&mut self, n: usize) -> Option<Vec<u8>> {
        let deadline = Instant::now() + 8 * self.patience;
        while self.held.len() < n {
            if !self.fill(deadline) {
                return None;
            }
        }
        Some(std::mem::take(&mut self.held))
    }

    /// Asserts that nothing more comes and that the connection ends with a FIN.
    #[track_caller]
    pub(crate) fn ends(&mut self) {
        let ending = self.gone();
        assert_eq!(ending, Ending::Closed, "the end cut off what was on its way");
    }

    /// Asserts that nothing more comes and that the connection ends, with a FIN or an RST.
    #[track_caller]
    pub(crate) fn gone(&mut self) -> Ending {
        let rest = self.rest();
        assert!(rest.is_empty(), "more came: {:?}", String::from_utf8_lossy(&rest));
        self.ended.unwrap()
    }

    /// How the connection ended, if it has.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.ended
    }

    /// Whether anything has come that was not taken yet, or the connection has ended. Does not wait.
    pub(crate) fn stirred(&mut self) -> bool {
        if !self.held.is_empty() || self.ended.is_some() {
            return true;
        }
        let mut byte = [0];
        match &self.socket {
            Socket::Tcp(s) => {
                s.set_nonblocking(true).unwrap();
                let outcome = s.peek(&mut byte);
                s.set_nonblocking(false).unwrap();
                !matches!(outcome, Err(e) if e.kind() == ErrorKind::WouldBlock)
            }
            Socket::Unix(_) => unreachable!("only asked of TCP"),
        }
    }
}
