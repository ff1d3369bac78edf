//! A body that comes from here instead of from another socket: bytes in memory, and files.
//!
//! The same pump frames it, encodes it and keeps what a slow client does not take; only its source differs. On plain
//! connections files go by `sendfile(2)`; elsewhere they are read as far as the kernel has them at hand, and what the disk
//! has to be waited for is read on another thread.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::fs::sendfile;
use rustix::io::dup;
use tokio::task::JoinHandle;

use super::{COPIED, Coding, Pump, PumpError, READ, Waits};
use crate::files::held::{Held, is_at_hand, read_at};
use crate::files::open::{Fault, How};
use crate::transport::Transport;

/// The most that one `sendfile` is asked for.
const PIECE: u64 = 512 * 1024;

/// Bytes that one poll moves before other connections have their turn.
const TURN: u64 = 2 * 1024 * 1024;

/// A part of such a body.
#[derive(Debug)]
pub enum Part {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A range of a file.
    File {
        /// The file, whose descriptor is held.
        held: Rc<Held>,
        /// The next byte.
        at: u64,
        /// The byte behind the last.
        end: u64,
    },
}

/// A body that comes from here.
#[derive(Debug, Default)]
pub struct Here {
    parts: VecDeque<Part>,
    left: u64,
    /// What another thread reads of the first part: bytes to send, or none where they were only to be fetched.
    reading: Option<JoinHandle<Result<Vec<u8>, Fault>>>,
    /// As far as this the first part is known to be at hand.
    warm: u64,
}

impl Here {
    /// Bytes in memory.
    pub fn bytes(bytes: Bytes) -> Self {
        let mut here = Self::default();
        here.push(Part::Bytes(bytes));
        here
    }

    /// A range of a file, from memory where it is held there.
    pub fn push_file(&mut self, held: &Rc<Held>, range: std::ops::Range<u64>) {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        match held.content() {
            Some(bytes) => {
                let end = place(range.end).min(bytes.len());
                self.push(Part::Bytes(bytes.slice(place(range.start).min(end)..end)));
            }
            None => self.push(Part::File { held: Rc::clone(held), at: range.start, end: range.end }),
        }
    }

    /// Adds a part.
    pub fn push(&mut self, part: Part) {
        self.left += match &part {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::File { at, end, .. } => end.saturating_sub(*at),
        };
        self.parts.push_back(part);
    }

    /// Bytes to come.
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Counts bytes of the first part as gone.
    fn advance(&mut self, count: u64) {
        self.left -= count.min(self.left);
        let done = match self.parts.front_mut() {
            Some(Part::Bytes(bytes)) => {
                let _ = bytes.split_to(usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len()));
                bytes.is_empty()
            }
            Some(Part::File { at, end, .. }) => {
                *at += count;
                *at >= *end
            }
            None => false,
        };
        if done {
            self.parts.pop_front();
            self.warm = 0;
        }
    }

    /// Takes the next piece that is at hand, of at most [`READ`] bytes; `None` where the disk has to be waited for.
    fn take(&mut self, scratch: &mut [u8]) -> Result<Option<Piece>, PumpError> {
        let piece = match self.parts.front() {
            None => Piece::Bytes(Bytes::new()),
            Some(Part::Bytes(bytes)) => Piece::Bytes(bytes.slice(..bytes.len().min(READ))),
            Some(Part::File { held, at, end }) => {
                let most = usize::try_from(end - at).unwrap_or(READ).min(READ);
                let room = scratch.get_mut(..most).unwrap_or_default();
                let file = held.file().ok_or(PumpError::Truncated)?;
                match read_at(file, room, *at, How::Quick) {
                    Ok(0) => return Err(PumpError::Truncated),
                    Ok(read) => Piece::Scratch(read),
                    Err(Fault::WouldBlock) => {
                        self.read_apart(most, false);
                        return Ok(None);
                    }
                    Err(fault) => return Err(PumpError::Read(fault.into())),
                }
            }
        };
        self.advance(piece.len() as u64);
        Ok(Some(piece))
    }

    /// Lets another thread read the next `most` bytes of the file; `fetch` is for the kernel to have them at hand.
    fn read_apart(&mut self, most: usize, fetch: bool) {
        let Some(Part::File { held, at, .. }) = self.parts.front() else { return };
        let (Some(Ok(file)), at) = (held.file().map(dup), *at) else { return };
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; most];
            let mut done = 0;
            while done < most {
                let read = read_at(&file, bytes.get_mut(done..).unwrap_or_default(), at + done as u64, How::Patient)?;
                if read == 0 {
                    break;
                }
                done += read;
            }
            bytes.truncate(if fetch { 0 } else { done });
            Ok(bytes)
        }));
    }

    /// Waits for what another thread reads.
    fn poll_reading(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Vec<u8>>, PumpError>> {
        let Some(reading) = &mut self.reading else { return Poll::Ready(Ok(None)) };
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        match read {
            Ok(Ok(bytes)) => Poll::Ready(Ok(Some(bytes))),
            Ok(Err(fault)) => Poll::Ready(Err(PumpError::Read(fault.into()))),
            Err(error) => Poll::Ready(Err(PumpError::Read(std::io::Error::other(error)))),
        }
    }
}

/// Where a piece lies.
enum Piece {
    Bytes(Bytes),
    /// So many bytes of the scratch.
    Scratch(usize),
}

impl Piece {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Scratch(read) => *read,
        }
    }

    fn of<'a>(&'a self, scratch: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Scratch(read) => scratch.get(..*read).unwrap_or_default(),
        }
    }
}

impl Pump {
    /// Writes `head` with the first piece of the body, in one system call where it is at hand.
    pub fn start_here(
        &mut self,
        context: &mut Context<'_>,
        sink: &Transport,
        head: &mut Vec<u8>,
        here: &mut Here,
        scratch: &mut [u8],
    ) -> Result<(), PumpError> {
        if self.complete {
            return self.begin(context, sink, head, &[]);
        }
        if self.sends(sink, here) {
            let taken = match sink.poll_write_more(context, head) {
                Poll::Ready(taken) => taken.map_err(PumpError::Write)?,
                Poll::Pending => 0,
            };
            self.sent += taken as u64;
            self.pending.extend_from_slice(head.get(taken..).unwrap_or_default());
            return Ok(());
        }
        let Some(piece) = here.take(scratch)? else { return self.begin(context, sink, head, &[]) };
        self.count_here(piece.len(), here)?;
        let encoded = self.encode(piece.of(scratch))?;
        self.begin(context, sink, head, encoded.as_deref().unwrap_or(piece.of(scratch)))
    }

    fn begin(
        &mut self,
        context: &mut Context<'_>,
        sink: &Transport,
        head: &mut Vec<u8>,
        payload: &[u8],
    ) -> Result<(), PumpError> {
        if sink.takes_heads() {
            return self.start_frames(context, sink, head, payload);
        }
        if self.coding == Coding::Plain && payload.len() <= COPIED {
            head.extend_from_slice(payload);
            return self.emit(context, sink, head, &[]);
        }
        self.emit(context, sink, head, payload)
    }

    /// Moves what can be moved of a body that comes from here. Ready when it has passed whole.
    pub fn poll_here(
        &mut self,
        context: &mut Context<'_>,
        here: &mut Here,
        sink: &Transport,
        scratch: &mut [u8],
    ) -> Poll<Result<(), PumpError>> {
        let turn = self.received + TURN;
        loop {
            ready!(self.poll_flush(context, sink))?;
            if self.complete {
                return Poll::Ready(self.say_end(sink));
            }
            if self.allowance == 0 {
                self.waits = Waits::Pace;
                return Poll::Pending;
            }
            if self.received >= turn {
                self.waits = Waits::Sink;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if here.reading.is_some() {
                self.waits = Waits::Source;
                if let Some(bytes @ [_, ..]) = ready!(here.poll_reading(context))?.as_deref() {
                    here.advance(bytes.len() as u64);
                    self.count_here(bytes.len(), here)?;
                    ready!(self.poll_offer(context, sink, bytes))?;
                }
                continue;
            }
            if self.sends(sink, here) {
                ready!(self.poll_sendfile(context, here, sink))?;
                continue;
            }
            if let Some(piece) = here.take(scratch)? {
                self.count_here(piece.len(), here)?;
                ready!(self.poll_offer(context, sink, piece.of(scratch)))?;
            }
        }
    }

    fn poll_offer(&mut self, context: &mut Context<'_>, sink: &Transport, bytes: &[u8]) -> Poll<Result<(), PumpError>> {
        if self.encoder.is_some() {
            return self.poll_encode(context, sink, bytes);
        }
        Poll::Ready(self.emit(context, sink, &[], bytes))
    }

    /// Whether the next part can go from the file to the socket without passing through here.
    fn sends(&self, sink: &Transport, here: &Here) -> bool {
        let unpaced = self.allowance > Self::UNPACED / 2;
        unpaced
            && self.coding == Coding::Plain
            && sink.is_plain()
            && matches!(here.parts.front(), Some(Part::File { .. }))
    }

    fn poll_sendfile(
        &mut self,
        context: &mut Context<'_>,
        here: &mut Here,
        sink: &Transport,
    ) -> Poll<Result<(), PumpError>> {
        let Some(Part::File { held, at, end }) = here.parts.front() else { return Poll::Ready(Ok(())) };
        let Some(file) = held.file() else { return Poll::Ready(Err(PumpError::Truncated)) };
        let count = (end - at).min(PIECE);
        if *at + count > here.warm {
            // Its last byte tells for the piece: the kernel reads ahead.
            if !is_at_hand(file, at + count - 1) {
                here.warm = at + count;
                here.read_apart(usize::try_from(count).unwrap_or(READ), true);
                return Poll::Ready(Ok(()));
            }
            here.warm = at + count;
        }
        self.waits = Waits::Sink;
        let (mut offset, most) = (*at, usize::try_from(count).unwrap_or(READ));
        let sent = ready!(sink.poll_write_with(context, |socket| sendfile(socket, file, Some(&mut offset), most)));
        match sent.map_err(PumpError::Write)? {
            // The file has become shorter than its head says.
            0 => Poll::Ready(Err(PumpError::Truncated)),
            sent => {
                self.sent += sent as u64;
                here.advance(sent as u64);
                Poll::Ready(self.count_here(sent, here))
            }
        }
    }

    fn count_here(&mut self, passed: usize, here: &Here) -> Result<(), PumpError> {
        self.body.skip(passed as u64);
        self.complete = here.left == 0;
        // A piece is sent whole: what it was too long by is waited for behind it.
        self.allowance = self.allowance.saturating_sub(passed as u64);
        self.count(passed as u64)
    }
}
