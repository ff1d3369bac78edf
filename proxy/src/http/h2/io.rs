//! The socket below the frame layer: it counts the frames that pass, and knows since when the peer takes nothing.
//!
//! What the meter refuses is not read any further; the connection's task looks at `Pulse` and ends it.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use switchboard_core::http2::{Breach, Meter};
use switchboard_core::moment::Moment;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::deadline::Deadlines;
use crate::transport::Transport;

/// What can be known of a connection from below.
#[derive(Debug)]
pub(super) struct Pulse {
    /// `None` for connections that we open: an endpoint is chosen, not anybody.
    meter: Option<RefCell<Meter>>,
    clock: Rc<Deadlines>,
    breach: Cell<Option<Breach>>,
    stalled: Cell<Option<Moment>>,
    within: Cell<Option<Moment>>,
    read: Cell<u64>,
}

impl Pulse {
    pub(super) fn metered(meter: Meter, clock: Rc<Deadlines>) -> Rc<Self> {
        Self::new(Some(RefCell::new(meter)), clock)
    }

    pub(super) fn unmetered(clock: Rc<Deadlines>) -> Rc<Self> {
        Self::new(None, clock)
    }

    fn new(meter: Option<RefCell<Meter>>, clock: Rc<Deadlines>) -> Rc<Self> {
        let within = Cell::new(meter.as_ref().map(|_| clock.about_now()));
        let (breach, stalled, read) = (Cell::new(None), Cell::new(None), Cell::new(0));
        Rc::new(Self { meter, clock, breach, stalled, within, read })
    }

    /// Why nothing more is read of the peer.
    pub(super) fn breach(&self) -> Option<Breach> {
        self.breach.get()
    }

    /// Since when the peer has taken nothing of what waits for it.
    pub(super) fn stalled(&self) -> Option<Moment> {
        self.stalled.get()
    }

    /// Since when a frame or a header block has been incomplete.
    pub(super) fn within(&self) -> Option<Moment> {
        self.within.get()
    }

    /// Bytes that came.
    pub(super) fn read(&self) -> u64 {
        self.read.get()
    }

    fn received(&self, bytes: &[u8]) {
        self.read.set(self.read.get().wrapping_add(bytes.len() as u64));
        let Some(meter) = &self.meter else { return };
        let mut meter = meter.borrow_mut();
        let now = self.clock.about_now();
        if let Err(breach) = meter.received(bytes, now) {
            self.breach.set(Some(breach));
        }
        let since = meter.is_within().then(|| self.within.get().unwrap_or(now));
        self.within.set(since);
    }

    fn sent(&self, slices: &[IoSlice<'_>], mut count: usize) {
        let Some(meter) = &self.meter else { return };
        let now = self.clock.about_now();
        for slice in slices {
            let taken = slice.get(..count.min(slice.len())).unwrap_or_default();
            count -= taken.len();
            if let Err(breach) = meter.borrow_mut().sent(taken, now) {
                self.breach.set(Some(breach));
            }
        }
    }
}

/// The socket, as the frame layer wants it. `T` owns the transport, or the connection that does.
#[derive(Debug)]
pub(super) struct Io<T> {
    pub(super) owner: T,
    /// What was read before the version was known.
    pub(super) came: Vec<u8>,
    pub(super) pulse: Rc<Pulse>,
}

impl<T: AsRef<Transport> + Unpin> AsyncRead for Io<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.pulse.breach().is_some() {
            return Poll::Pending;
        }
        if !self.came.is_empty() {
            let count = self.came.len().min(buffer.remaining());
            let came = self.came.split_off(count);
            let came = std::mem::replace(&mut self.came, came);
            self.pulse.received(&came);
            if self.pulse.breach().is_some() {
                return Poll::Pending;
            }
            buffer.put_slice(&came);
            return Poll::Ready(Ok(()));
        }
        let room = buffer.initialize_unfilled();
        let read = ready!(self.owner.as_ref().poll_read(context, room))?;
        self.pulse.received(room.get(..read).unwrap_or_default());
        // The frame layer would answer by itself, and not with the right code.
        if self.pulse.breach().is_some() {
            return Poll::Pending;
        }
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsRef<Transport> + Unpin> AsyncWrite for Io<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.owner.as_ref().poll_write(context, slices) {
            Poll::Pending => {
                let since = self.pulse.stalled().unwrap_or_else(|| self.pulse.clock.about_now());
                self.pulse.stalled.set(Some(since));
                Poll::Pending
            }
            Poll::Ready(taken) => {
                self.pulse.stalled.set(None);
                let taken = taken?;
                self.pulse.sent(slices, taken);
                Poll::Ready(Ok(taken))
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.owner.as_ref().finish();
        Poll::Ready(Ok(()))
    }
}
