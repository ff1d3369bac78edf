//! Moves bytes between a connection and its socket, and knows since when the peer takes nothing or leaves a frame undone.
//!
//! It reads into memory that all connections of a thread share; an idle one keeps none.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use switchboard_core::http2::{Connection, Event, Fault};
use switchboard_core::moment::Moment;

use super::shared::Shared;
use crate::transport::Transport;

/// What one read asks for: four frames of full size.
const READ: usize = 4 * (16 * 1024 + 9);

/// Reads in one turn; others have theirs before more.
const TURNS: usize = 4;

/// The type of DATA, in the fourth byte of a header.
const DATA: Option<&u8> = Some(&0);

thread_local! {
    /// What came; the frame that was not whole before stands in front.
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Why nothing more is read.
#[derive(Debug)]
pub(super) enum End {
    /// The peer has closed, or the socket broke.
    Closed(io::Error),
    /// The connection can't go on.
    Fault(Fault),
}

/// The socket's side of a connection.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// A frame that is not whole yet.
    held: Vec<u8>,
    /// Since when the peer has taken nothing of what waits for it.
    pub(super) stalled: Option<Moment>,
    /// Since when a frame, or a header block, has been incomplete.
    pub(super) within: Option<Moment>,
    /// Bytes that came.
    pub(super) read: u64,
    /// Nothing was read, and nobody registered to be woken for it, since too much waits to be sent.
    deaf: bool,
}

impl Wire {
    /// `came` was read already.
    pub(super) fn new(came: Vec<u8>, now: Moment) -> Self {
        Self { held: came, stalled: None, within: Some(now), read: 0, deaf: false }
    }

    /// Sends what is to be said, as far as the socket takes it.
    ///
    /// # Errors
    /// When the peer is gone.
    pub(super) fn send(
        &mut self,
        context: &mut Context<'_>,
        transport: &Transport,
        shared: &Shared,
        now: Moment,
    ) -> io::Result<()> {
        let mut moved = false;
        loop {
            let mut core = shared.core.borrow_mut();
            if core.outgoing().is_empty() {
                self.stalled = None;
                break;
            }
            match transport.poll_write(context, &[IoSlice::new(core.outgoing())]) {
                Poll::Ready(taken) => {
                    core.sent(taken?);
                    moved = true;
                }
                Poll::Pending => {
                    let since = self.stalled.filter(|_| !moved).unwrap_or(now);
                    self.stalled = Some(since);
                    break;
                }
            }
        }
        if moved {
            shared.tell_crowd();
        }
        // What came meanwhile wakes nobody a second time.
        if self.deaf && !shared.core.borrow().is_choked() {
            self.deaf = false;
            context.waker().wake_by_ref();
        }
        Ok(())
    }

    /// Reads what has come and hands its events to `tell`, with the connection that they are of.
    pub(super) fn receive(
        &mut self,
        context: &mut Context<'_>,
        transport: &Transport,
        shared: &Shared,
        now: Moment,
        mut tell: impl FnMut(&mut Connection, Event),
    ) -> Poll<End> {
        if self.read == 0 && !self.held.is_empty() {
            let came = std::mem::take(&mut self.held);
            if let Err(fault) = self.take(&came, 0, shared, now, &mut tell) {
                return Poll::Ready(End::Fault(fault));
            }
        }
        INPUT.with_borrow_mut(|input| {
            for _ in 0..TURNS {
                self.deaf = shared.core.borrow().is_choked();
                if self.deaf {
                    return Poll::Pending;
                }
                let held = self.held.len();
                if input.len() < held + READ {
                    input.resize(held + READ, 0);
                }
                let read = match transport.poll_read(context, input.get_mut(held..held + READ).unwrap_or_default()) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(0)) => return Poll::Ready(End::Closed(io::ErrorKind::UnexpectedEof.into())),
                    Poll::Ready(Ok(read)) => read,
                    Poll::Ready(Err(error)) => return Poll::Ready(End::Closed(error)),
                };
                if let Some(place) = input.get_mut(..held) {
                    place.copy_from_slice(&self.held);
                }
                let came = input.get(..held + read).unwrap_or_default();
                if let Err(fault) = self.take(came, held, shared, now, &mut tell) {
                    return Poll::Ready(End::Fault(fault));
                }
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
    }

    /// Gives what came to the connection, of which `held` bytes are not new, and keeps what makes no frame yet.
    fn take(
        &mut self,
        came: &[u8],
        held: usize,
        shared: &Shared,
        now: Moment,
        tell: &mut impl FnMut(&mut Connection, Event),
    ) -> Result<(), Fault> {
        self.read = self.read.wrapping_add((came.len() - held) as u64);
        let mut core = shared.core.borrow_mut();
        let mut rest = came;
        while let Some(event) = core.next(&mut rest, now)? {
            tell(&mut core, event);
        }
        // Payload that moves is in nobody's way; a head has to come whole in its time.
        let moves = rest.len() < came.len() || rest.get(3) == DATA;
        self.within = match (core.is_within(), rest.is_empty()) {
            (true, _) => Some(self.within.unwrap_or(now)),
            (false, false) => Some(self.within.filter(|_| !moves).unwrap_or(now)),
            (false, true) => None,
        };
        if rest.is_empty() {
            self.held = Vec::new();
        } else {
            self.held.clear();
            self.held.extend_from_slice(rest);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use switchboard_core::config::Http2;
    use switchboard_core::forwarding::Scheme;
    use switchboard_core::http2::Role;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// While so much waits to be sent, nobody registers for what comes: the end of the one has to be the begin of the other.
    #[test]
    fn what_is_sent_at_last_lets_the_peer_be_heard_again() {
        let heard = crate::reactor::run(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let transport = Transport::plain(ours.into()).unwrap();
            let bounds = Http2 { streams: 100, stream_window: 64 << 10, connection_window: 1 << 20, resets: 200 };
            let shared = Shared::new(Connection::new(Role::Client, bounds, 32 * 1024, Moment::ZERO), None);
            let text = format!("GET / HTTP/1.1\r\nhost: h\r\nx-long: {}\r\n\r\n", "~".repeat(15_000));
            while !shared.core.borrow().is_choked() {
                let key = shared.core.borrow_mut().open();
                assert!(shared.core.borrow_mut().send_request(key, text.as_bytes(), Scheme::Http, true).is_ok());
            }
            let woken = Arc::new(Woken::default());
            let waker = Arc::clone(&woken).into();
            let mut context = Context::from_waker(&waker);
            let mut wire = Wire::new(Vec::new(), Moment::ZERO);
            assert!(wire.receive(&mut context, &transport, &shared, Moment::ZERO, |_, _| {}).is_pending());
            assert_eq!(woken.0.load(Ordering::SeqCst), 0);
            while shared.core.borrow().is_choked() {
                wire.send(&mut context, &transport, &shared, Moment::ZERO).unwrap();
                let _ = theirs.read(&mut [0; 65_536]).unwrap();
            }
            woken.0.load(Ordering::SeqCst)
        });
        assert_eq!(heard.unwrap(), 1);
    }
}
