//! A registered socket: one system call per message, and readiness where others ask with a system call.
//!
//! `Transport` dispatches to it; `splice` and the pool use it through `Transport` too. It never buffers.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, sockopt};

use super::Gone;
use crate::reactor::Registered;

/// A registered socket.
#[derive(Debug)]
pub struct Socket {
    fd: Registered,
    /// Bytes wait in it whose readiness was given up, to hear of what comes behind them.
    unread: Cell<bool>,
}

impl Socket {
    /// Registers a connected, non-blocking socket with the reactor of the calling worker.
    ///
    /// # Errors
    /// When the reactor refuses it (descriptors or memory exhausted).
    pub fn register(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { fd: Registered::both_ways(fd)?, unread: Cell::new(false) })
    }

    /// Reads once into `buffer`; 0 is the end. A short read clears the readiness, so that the next call costs nothing
    /// until bytes have come: one `recv` per message.
    pub fn poll_read(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.unread.get() {
            match rustix::net::recv(self.fd.fd(), &mut *buffer, RecvFlags::empty()) {
                Ok((read, _)) => {
                    self.unread.set(read == buffer.len());
                    return Poll::Ready(Ok(read));
                }
                Err(Errno::WOULDBLOCK) => self.unread.set(false),
                Err(Errno::INTR) => return again(context),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        loop {
            ready!(self.fd.poll_readable(context));
            match rustix::net::recv(&self.fd, &mut *buffer, RecvFlags::empty()) {
                Ok((read, _)) => {
                    if read > 0 && read < buffer.len() {
                        self.fd.clear_readable();
                    }
                    return Poll::Ready(Ok(read));
                }
                Err(Errno::WOULDBLOCK) => self.fd.clear_readable(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Writes once, all slices in one system call; fewer bytes than offered may be taken.
    ///
    /// There nearly always is room, so the reactor is asked only where there was none.
    pub fn poll_write(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match send(self.fd.fd(), slices) {
            Err(Errno::WOULDBLOCK | Errno::INTR) => self.poll_write_with(context, |socket| send(socket, slices)),
            other => Poll::Ready(other.map_err(io::Error::from)),
        }
    }

    /// Writes once; more follows at once, so that the kernel may put both into one packet (`MSG_MORE`).
    pub fn poll_write_more(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let flags = SendFlags::NOSIGNAL | SendFlags::MORE;
        match rustix::net::send(&self.fd, bytes, flags) {
            Err(Errno::WOULDBLOCK | Errno::INTR) => {
                self.poll_write_with(context, |socket| rustix::net::send(socket, bytes, flags))
            }
            other => Poll::Ready(other.map_err(io::Error::from)),
        }
    }

    /// The address of our end; `None` for a unix socket.
    pub fn local_address(&self) -> Option<std::net::SocketAddr> {
        rustix::net::getsockname(&self.fd).ok()?.try_into().ok()
    }

    /// The address of the other end; none for a unix socket.
    pub fn remote_address(&self) -> Option<std::net::SocketAddr> {
        rustix::net::getpeername(&self.fd).ok()??.try_into().ok()
    }

    /// Writes what there is room for now, 0 bytes where there is none. Nobody is registered to be woken.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match send(self.fd.fd(), &[IoSlice::new(bytes)]) {
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(0),
            other => other.map_err(io::Error::from),
        }
    }

    /// Runs `operation`, which reads from the socket by other means than `recv`, when there may be something to read.
    pub fn poll_read_with(
        &self,
        context: &mut Context<'_>,
        mut operation: impl FnMut(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> Poll<io::Result<usize>> {
        if self.unread.get() {
            match operation(self.fd.as_fd()) {
                Err(Errno::WOULDBLOCK) => self.unread.set(false),
                Err(Errno::INTR) => return again(context),
                other => return Poll::Ready(other.map_err(io::Error::from)),
            }
        }
        loop {
            ready!(self.fd.poll_readable(context));
            match operation(self.fd.as_fd()) {
                Err(Errno::WOULDBLOCK) => self.fd.clear_readable(),
                Err(Errno::INTR) => {}
                other => return Poll::Ready(other.map_err(io::Error::from)),
            }
        }
    }

    /// Runs `operation`, which writes to the socket by other means than `send`, when there may be room.
    pub fn poll_write_with(
        &self,
        context: &mut Context<'_>,
        mut operation: impl FnMut(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.fd.poll_writable(context));
            match operation(self.fd.as_fd()) {
                Err(Errno::WOULDBLOCK) => self.fd.clear_writable(),
                Err(Errno::INTR) => {}
                other => return Poll::Ready(other.map_err(io::Error::from)),
            }
        }
    }

    /// Waits until a connect in progress has ended, and tells how.
    ///
    /// # Errors
    /// The error of the connect.
    pub fn poll_connected(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.fd.poll_writable(context));
        Poll::Ready(match sockopt::socket_error(&self.fd) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) | Err(error) => Err(error.into()),
        })
    }

    /// Tells whether an idle connection is still good: nothing has come and nobody has closed. No system call, except
    /// where only the socket knows: after a read that filled its buffer to the last byte, and in the turn of the last read.
    /// Nobody is registered to be woken.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        !self.fd.is_readable() && !self.unread.get() && self.fd.was_looked_at() || self.asks_for_quiet()
    }

    #[cold]
    fn asks_for_quiet(&self) -> bool {
        let quiet = rustix::net::recv(&self.fd, &mut [0], RecvFlags::PEEK).err() == Some(Errno::WOULDBLOCK);
        if quiet {
            self.fd.clear_readable();
        }
        // Who reads next finds what is here, though the reactor may not have told of it yet.
        self.unread.set(!quiet && !self.fd.is_readable());
        quiet
    }

    /// As [`Registered::turn`].
    pub fn turn(&self) -> u64 {
        self.fd.turn()
    }

    /// Registers for the other side's leaving while we wait for something else. Bytes that have come stay in the
    /// socket: only their readiness is given up, or they would hide that nobody is there any more.
    pub fn poll_gone(&self, context: &mut Context<'_>) -> Poll<Gone> {
        if self.fd.is_readable() && !self.fd.is_read_closed() {
            self.unread.set(true);
            self.fd.clear_readable();
        }
        // After a FIN, too: a reset may follow.
        self.fd.wait_to_read(context);
        match (self.fd.is_write_closed(), self.fd.is_read_closed()) {
            (true, _) => Poll::Ready(Gone::Reset),
            (false, true) => Poll::Ready(Gone::Fin),
            (false, false) => Poll::Pending,
        }
    }

    /// Sends our FIN. An error means that the connection is gone already, which its next use tells.
    pub fn finish(&self) {
        let _ = rustix::net::shutdown(&self.fd, Shutdown::Write);
    }

    /// Makes the close of this socket a reset, so that the other side can't take a cut-off for an end.
    pub fn reset_on_close(&self) {
        let _ = sockopt::set_socket_linger(&self.fd, Some(Duration::ZERO));
    }

    /// Lets the kernel find a dead peer of a connection that may be silent for long: after 60 s, 6 probes 10 s apart.
    /// TCP_USER_TIMEOUT stays unset: it would take a zero window for silence. No effect on unix sockets.
    pub fn keep_alive(&self) {
        keep_alive(&self.fd);
    }

    /// Takes it out of the reactor.
    pub fn into_descriptor(self) -> OwnedFd {
        self.fd.into_fd()
    }
}

fn again<T>(context: &Context<'_>) -> Poll<T> {
    context.waker().wake_by_ref();
    Poll::Pending
}

fn send(socket: impl AsFd, slices: &[IoSlice<'_>]) -> Result<usize, Errno> {
    match slices {
        [one] => rustix::net::send(socket, one, SendFlags::NOSIGNAL),
        many => {
            let mut nothing = SendAncillaryBuffer::default();
            rustix::net::sendmsg(socket, many, &mut nothing, SendFlags::NOSIGNAL)
        }
    }
}

/// Sets the keepalive of [`Socket::keep_alive`]; on a listening socket, accepted ones inherit it.
pub fn keep_alive(socket: impl AsFd) {
    let socket = socket.as_fd();
    let _ = sockopt::set_socket_keepalive(socket, true);
    let _ = sockopt::set_tcp_keepidle(socket, Duration::from_secs(60));
    let _ = sockopt::set_tcp_keepintvl(socket, Duration::from_secs(10));
    let _ = sockopt::set_tcp_keepcnt(socket, 6);
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::reactor;

    fn pair() -> (Socket, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (register(ours), theirs)
    }

    fn register(stream: UnixStream) -> Socket {
        stream.set_nonblocking(true).unwrap();
        Socket::register(stream.into()).unwrap()
    }

    async fn read(socket: &Socket) -> usize {
        poll_fn(|context| socket.poll_read(context, &mut [0; 8])).await.unwrap()
    }

    /// What a task of the reactor finds. A panic there would end the task and not the test: the verdict comes after.
    fn found<T: 'static>(main: impl Future<Output = T> + 'static) -> T {
        reactor::run(main).unwrap()
    }

    #[test]
    fn what_comes_behind_a_read_in_the_same_turn_is_no_quiet() {
        let quiet = found(async {
            let (socket, mut theirs) = pair();
            theirs.write_all(b"answer").unwrap();
            let first = (read(&socket).await, socket.is_quiet());
            theirs.write_all(b"more").unwrap();
            let same_turn = (socket.is_quiet(), read(&socket).await);
            reactor::next_turn().await;
            let later = (socket.fd.was_looked_at(), socket.is_quiet());
            drop(theirs);
            reactor::next_turn().await;
            [first, (6, same_turn.0), (same_turn.1, later.0), (0, later.1), (0, socket.is_quiet())]
        });
        assert_eq!(quiet, [(6, true), (6, false), (4, true), (0, true), (0, false)]);
    }

    /// With more events than one look takes, turns go on: else nobody would be lent a connection while there is much to do.
    #[test]
    fn a_look_that_does_not_see_all_is_a_turn_all_the_same() {
        let found = found(async {
            let (socket, mut theirs) = pair();
            theirs.write_all(b"answer").unwrap();
            let first = read(&socket).await;
            let crowd: Vec<_> = (0..300).map(|_| pair()).map(|(ours, theirs)| (ours, register(theirs))).collect();
            theirs.write_all(b"more").unwrap();
            let (turn, crowded) = (socket.turn(), crowd.len());
            reactor::next_turn().await;
            (first, crowded, socket.turn() - turn, socket.fd.was_looked_at(), socket.is_quiet())
        });
        assert_eq!(found, (6, 300, 1, false, false));
    }

    #[test]
    fn what_nobody_has_read_is_no_quiet() {
        let quiet = found(async {
            let (socket, mut theirs) = pair();
            theirs.write_all(b"behind").unwrap();
            // Whoever waits for the other side to leave gives up the readiness of what has come.
            while !socket.unread.get() {
                reactor::yield_now().await;
                let _ = poll_fn(|context| Poll::Ready(socket.poll_gone(context))).await;
            }
            reactor::next_turn().await;
            (socket.is_quiet(), read(&socket).await)
        });
        assert_eq!(quiet, (false, 6));
    }
}
