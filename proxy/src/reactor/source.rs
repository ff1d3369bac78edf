//! A descriptor that the reactor watches, and what is known of it.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rustix::event::epoll::{self, EventFlags};

use super::task::Task;
use super::{HERE, Reactor};

/// What is watched of a descriptor that is only read. Each change is told once.
pub(super) const READING: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ET);

/// Bytes may have come.
const READABLE: u8 = 1;
/// Nothing comes any more.
const READ_CLOSED: u8 = 2;
/// There may be room.
const WRITABLE: u8 = 4;
/// Nobody takes anything any more.
const WRITE_CLOSED: u8 = 8;

/// What the kernel told of a descriptor, and who waits for more.
#[derive(Debug, Default)]
pub(super) struct Source {
    ready: Cell<u8>,
    /// At which look it was last known that there is nothing to read.
    cleared: Cell<u64>,
    reader: RefCell<Waiting>,
    writer: RefCell<Waiting>,
}

/// Who waits.
#[derive(Debug, Default)]
enum Waiting {
    #[default]
    Nobody,
    /// A task of this thread.
    Task(Rc<Task>),
    /// Something between the task and the descriptor that has wakers of its own.
    Other(Waker),
}

impl Source {
    /// Takes note of an event and wakes whom it concerns.
    pub(super) fn note(&self, flags: EventFlags, reactor: &Reactor) {
        let news = news(flags);
        self.ready.set(self.ready.get() | news);
        if news & (READABLE | READ_CLOSED) != 0 {
            self.reader.take().wake(reactor);
        }
        if news & (WRITABLE | WRITE_CLOSED) != 0 {
            self.writer.take().wake(reactor);
        }
    }
}

/// What the kernel's flags mean. A reset closes both sides; a FIN closes the reading side alone.
fn news(flags: EventFlags) -> u8 {
    let mut news = 0;
    let mut add = |holds: bool, bit: u8| news |= if holds { bit } else { 0 };
    let (up, error) = (flags.contains(EventFlags::HUP), flags.contains(EventFlags::ERR));
    add(flags.contains(EventFlags::IN), READABLE);
    add(up || flags.contains(EventFlags::IN | EventFlags::RDHUP), READ_CLOSED);
    add(flags.contains(EventFlags::OUT), WRITABLE);
    add(up || error && (flags == EventFlags::ERR || flags.contains(EventFlags::OUT)), WRITE_CLOSED);
    news
}

impl Waiting {
    fn wake(self, reactor: &Reactor) {
        match self {
            Self::Nobody => {}
            Self::Task(task) => reactor.wake(&task),
            Self::Other(waker) => waker.wake(),
        }
    }
}

/// A descriptor that belongs to a worker: watched until it is dropped, for the kernel forgets what is closed.
#[derive(Debug)]
pub struct Registered {
    fd: OwnedFd,
    watch: Watch,
}

/// Its place in the reactor.
#[derive(Debug)]
struct Watch {
    key: u64,
    source: Rc<Source>,
    reactor: Rc<Reactor>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.reactor.sources.borrow_mut().remove(self.key);
    }
}

impl Registered {
    /// Watches a non-blocking descriptor that is only read.
    ///
    /// # Errors
    /// When the kernel refuses it (memory, or the limit on watches, exhausted).
    pub fn reading(fd: OwnedFd) -> io::Result<Self> {
        Self::new(fd, READING)
    }

    /// Watches a non-blocking descriptor in both directions.
    ///
    /// # Errors
    /// As [`Self::reading`].
    pub fn both_ways(fd: OwnedFd) -> io::Result<Self> {
        Self::new(fd, READING.union(EventFlags::OUT))
    }

    fn new(fd: OwnedFd, flags: EventFlags) -> io::Result<Self> {
        let reactor = HERE.with_borrow(|here| here.clone().expect("only workers register descriptors"));
        let mut key = 0;
        let looks = reactor.looks.clone();
        let source = reactor.sources.borrow_mut().insert_with(|new| {
            key = new;
            Rc::new(Source { cleared: looks, ..Source::default() })
        });
        let watch = Watch { key, source, reactor };
        epoll::add(&watch.reactor.epoll, &fd, epoll::EventData::new_u64(key), flags)?;
        Ok(Self { fd, watch })
    }

    /// The descriptor.
    pub const fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Ready when bytes may have come or none come any more; else the caller is woken then.
    pub fn poll_readable(&self, context: &Context<'_>) -> Poll<()> {
        if self.is_readable() {
            return if self.watch.reactor.may_go_on(context) { Poll::Ready(()) } else { Poll::Pending };
        }
        self.wait_to_read(context);
        Poll::Pending
    }

    /// Ready when there may be room or nobody takes anything any more; else the caller is woken then.
    pub fn poll_writable(&self, context: &Context<'_>) -> Poll<()> {
        if self.has(WRITABLE | WRITE_CLOSED) {
            return if self.watch.reactor.may_go_on(context) { Poll::Ready(()) } else { Poll::Pending };
        }
        self.wait(&self.watch.source.writer, context);
        Poll::Pending
    }

    /// Wakes the caller when something comes, or nothing comes any more.
    pub fn wait_to_read(&self, context: &Context<'_>) {
        self.wait(&self.watch.source.reader, context);
    }

    /// Whether bytes may have come, or none come any more.
    pub fn is_readable(&self) -> bool {
        self.has(READABLE | READ_CLOSED)
    }

    /// Whether the other side has ended what it sends. Bytes may still be there.
    pub fn is_read_closed(&self) -> bool {
        self.has(READ_CLOSED)
    }

    /// Whether nobody takes anything any more.
    pub fn is_write_closed(&self) -> bool {
        self.has(WRITE_CLOSED)
    }

    /// All that had come was read; what comes from now on is told anew. An end stays known.
    pub fn clear_readable(&self) {
        self.watch.source.ready.set(self.watch.source.ready.get() & !READABLE);
        self.watch.source.cleared.set(self.turn());
    }

    /// Which turn it is: another one once the reactor has looked, though it may not have seen all there is.
    pub fn turn(&self) -> u64 {
        self.watch.reactor.looks.get()
    }

    /// Whether the reactor has seen all there is since all was read: what came behind that in the same turn it doesn't know
    /// of.
    pub fn was_looked_at(&self) -> bool {
        self.watch.source.cleared.get() < self.watch.reactor.told_all.get()
    }

    /// There is no room; the next room is told anew.
    pub fn clear_writable(&self) {
        self.watch.source.ready.set(self.watch.source.ready.get() & !WRITABLE);
    }

    /// Watches it no longer.
    pub fn into_fd(self) -> OwnedFd {
        // It was added and is open, so this can't fail.
        let _ = epoll::delete(&self.watch.reactor.epoll, &self.fd);
        self.fd
    }

    fn has(&self, bits: u8) -> bool {
        self.watch.source.ready.get() & bits != 0
    }

    fn wait(&self, place: &RefCell<Waiting>, context: &Context<'_>) {
        let current = self.watch.reactor.current.borrow();
        let own = current.as_ref().filter(|task| task.is_of(context.waker()));
        let mut place = place.borrow_mut();
        match (&*place, own) {
            (Waiting::Task(known), Some(task)) if Rc::ptr_eq(known, task) => {}
            (_, Some(task)) => *place = Waiting::Task(Rc::clone(task)),
            (Waiting::Other(known), None) if known.will_wake(context.waker()) => {}
            (_, None) => *place = Waiting::Other(context.waker().clone()),
        }
    }
}

impl AsFd for Registered {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
