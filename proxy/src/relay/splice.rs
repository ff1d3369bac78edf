//! Large bodies between plain sockets without copying them: `splice(2)` through a pipe that the worker lends.
//!
//! Pages go from one socket's queue to the other's by reference. Only bodies that are framed by a length or by the end
//! of the connection can go this way; the pump decides, this module moves.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use super::{Coding, Pump, PumpError, Waits};
use crate::transport::Transport;

/// Bodies with less than this left are copied: a pipe costs two system calls a piece. Chosen; that splice beats copying
/// is measured for 1 MiB alone.
const PAYS_FROM: u64 = 128 * 1024;

/// How many bytes one pipe may hold; also what one direction keeps of a slow sink's data, in the kernel.
const PIPE: usize = 256 * 1024;

/// Pipes that a worker keeps for reuse.
const KEPT: usize = 16;

/// The pipes of one worker.
#[derive(Debug)]
struct Pipes {
    kept: Vec<(OwnedFd, OwnedFd)>,
    /// How many more may be open at once, besides those that are kept.
    left: usize,
}

thread_local! {
    static PIPES: RefCell<Pipes> = const { RefCell::new(Pipes { kept: Vec::new(), left: 0 }) };
}

/// Lets the calling worker have so many pipes at once; none before.
pub fn allow(pipes: usize) {
    PIPES.with_borrow_mut(|all| all.left = pipes);
}

/// A lent pipe and how much is in it.
#[derive(Debug)]
pub struct Splice {
    pipe: Option<(OwnedFd, OwnedFd)>,
    held: usize,
}

/// What one poll moved, however it ended.
pub(super) struct Moved {
    /// Bytes taken from the source.
    pub(super) read: u64,
    /// Bytes given to the sink.
    pub(super) written: u64,
    /// The source has ended.
    pub(super) ended: bool,
    /// What it stopped at.
    pub(super) waits: Waits,
}

impl Default for Moved {
    fn default() -> Self {
        Self { read: 0, written: 0, ended: false, waits: Waits::Source }
    }
}

impl Splice {
    /// Whether a body with `left` bytes to come should go this way.
    pub fn pays(left: Option<u64>, coding: Coding) -> bool {
        coding == Coding::Plain && left.is_some_and(|left| left >= PAYS_FROM)
    }

    /// Lends an empty pipe; `None` where the worker's share or the system has none left.
    pub fn lend() -> Option<Self> {
        let pipe = PIPES.with_borrow_mut(|all| {
            if let Some(pipe) = all.kept.pop() {
                return Some(pipe);
            }
            all.left = all.left.checked_sub(1)?;
            let made = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok();
            match &made {
                // A smaller pipe works too: unprivileged users have a quota.
                Some(pipe) => drop(fcntl_setpipe_size(&pipe.1, PIPE)),
                None => all.left += 1,
            }
            made
        })?;
        Some(Self { pipe: Some(pipe), held: 0 })
    }

    /// Whether the sink has taken all that the source gave.
    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Fills the pipe from the source and empties it into the sink until one of them has to be waited for.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        source: &Transport,
        sink: &Transport,
        left: Option<u64>,
        moved: &mut Moved,
    ) -> Result<(), PumpError> {
        loop {
            if self.held > 0 {
                moved.waits = Waits::Sink;
                match self.drain(context, sink) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(Err(error)) => return Err(PumpError::Write(error)),
                    Poll::Ready(Ok(written)) => moved.written += written as u64,
                }
                continue;
            }
            moved.waits = Waits::Source;
            let most = left.map_or(PIPE as u64, |left| left - moved.read).min(PIPE as u64);
            if most == 0 {
                return Ok(());
            }
            match self.load(context, source, usize::try_from(most).unwrap_or(PIPE)) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(PumpError::Read(error)),
                Poll::Ready(Ok(0)) => {
                    moved.ended = true;
                    return Ok(());
                }
                Poll::Ready(Ok(read)) => moved.read += read as u64,
            }
        }
    }

    fn load(&mut self, context: &mut Context<'_>, source: &Transport, most: usize) -> Poll<io::Result<usize>> {
        let Some((_, into)) = &self.pipe else { return Poll::Ready(Ok(0)) };
        source
            .poll_read_with(context, |socket| {
                splice(socket, None, into, None, most, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)
            })
            .map_ok(|read| {
                self.held += read;
                read
            })
    }

    fn drain(&mut self, context: &mut Context<'_>, sink: &Transport) -> Poll<io::Result<usize>> {
        let Some((from, _)) = &self.pipe else { return Poll::Ready(Ok(0)) };
        let held = self.held;
        sink.poll_write_with(context, |socket| {
            splice(from, None, socket, None, held, SpliceFlags::MOVE | SpliceFlags::NONBLOCK)
        })
        .map_ok(|written| {
            self.held -= written;
            written
        })
    }
}

impl Pump {
    /// Moves what can be moved this way.
    pub(super) fn poll_splice(
        &mut self,
        context: &mut Context<'_>,
        source: &Transport,
        sink: &Transport,
    ) -> Poll<Result<(), PumpError>> {
        let Some(splice) = &mut self.splice else { return Poll::Ready(Ok(())) };
        let mut moved = Moved::default();
        let result = splice.poll(context, source, sink, self.body.declared_left(), &mut moved);
        let Moved { read, written, ended, waits } = moved;
        self.waits = waits;
        self.read |= read > 0;
        self.sent += written;
        let drained = splice.is_empty();
        self.body.skip(read);
        self.count(read)?;
        // Only now: bytes that were taken before the failure are gone from the source all the same.
        result?;
        if ended {
            self.end_of_source()?;
        }
        self.complete |= self.body.declared_left() == Some(0);
        if self.complete && drained {
            self.splice = None;
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }
}

impl Drop for Splice {
    fn drop(&mut self) {
        // A pipe with bytes in it would give them to another exchange: it is closed instead.
        let Some(pipe) = self.pipe.take() else { return };
        PIPES.with_borrow_mut(|all| {
            if self.held == 0 && all.kept.len() < KEPT {
                all.kept.push(pipe);
            } else {
                all.left += 1;
            }
        });
    }
}
