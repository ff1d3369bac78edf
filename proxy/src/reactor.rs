//! What a worker's thread runs on: tasks that never leave it, and the sockets that wake them.
//!
//! One `epoll_wait`, then every task that has something to do, and again. All of it is the worker's own, so readiness is
//! a cell, and to wake a task is to put it in a row: no atomics, no locks. Other threads wake through a mailbox.
//! `transport`, `listener` and `deadline` register descriptors here; nothing else knows of it but `spawn`.

mod mailbox;
mod slab;
mod source;
mod task;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::event::epoll;
use rustix::io::Errno;

pub use source::Registered;

use mailbox::Mailbox;
use slab::Slab;
use source::Source;
use task::Task;

/// Events that one look takes from the kernel; what there is more of comes with the next.
const EVENTS: usize = 512;

/// Times that one poll of a task may find a descriptor ready before the others have their turn: a download between two
/// fast peers would never wait by itself.
const TURNS: u32 = 128;

/// Times that the row is gone through between two looks: what a task has for another one (a stream for its connection, and
/// the other way round) goes on without a system call. Not more, or tasks that wake each other would keep sockets waiting.
const PASSES: usize = 2;

thread_local! {
    /// The reactor that the calling thread runs.
    static HERE: RefCell<Option<Rc<Reactor>>> = const { RefCell::new(None) };
}

/// The tasks and descriptors of one thread.
struct Reactor {
    epoll: OwnedFd,
    sources: RefCell<Slab<Rc<Source>>>,
    tasks: RefCell<Slab<Rc<Task>>>,
    /// Tasks that have something to do, each once.
    row: RefCell<VecDeque<Rc<Task>>>,
    /// What the last look brought.
    events: RefCell<Vec<epoll::Event>>,
    /// The task that is being polled.
    current: RefCell<Option<Rc<Task>>>,
    /// How often the kernel was asked what has happened, and at which of these looks it last told all.
    looks: Cell<u64>,
    told_all: Cell<u64>,
    /// How often the current task may still find a descriptor ready.
    turns: Cell<u32>,
    mailbox: Arc<Mailbox>,
}

/// Runs `main` and what it spawns on the calling thread until `main` has ended; what has not ended then is dropped.
///
/// # Errors
/// When the system gives no descriptor for it, or when `main` has panicked.
pub fn run<T: 'static>(main: impl Future<Output = T> + 'static) -> io::Result<T> {
    let reactor = Rc::new(Reactor::new()?);
    HERE.set(Some(Rc::clone(&reactor)));
    let ended = Rc::new(Cell::new(None));
    let told = Rc::clone(&ended);
    reactor.spawn(async move { told.set(Some(main.await)) });
    let outcome = loop {
        (0..PASSES).for_each(|_| reactor.run_row());
        if let Some(output) = ended.take() {
            break Ok(output);
        }
        // Its task alone holds the other end: it has gone without a word.
        if Rc::strong_count(&ended) == 1 {
            break Err(io::Error::other("the worker's first task has panicked"));
        }
        if let Err(error) = reactor.look() {
            break Err(error);
        }
    };
    reactor.clear();
    HERE.set(None);
    outcome
}

/// Starts a task on the calling worker. A panic in it ends it alone.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    HERE.with_borrow(|here| here.as_ref().expect("only workers spawn tasks here").spawn(future));
}

/// How many tasks the calling worker has.
pub fn tasks() -> usize {
    HERE.with_borrow(|here| here.as_ref().map_or(0, |reactor| reactor.tasks.borrow().len()))
}

/// Lets the other tasks of this worker have their turn.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|context: &mut Context<'_>| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits until the reactor has looked at all descriptors once more.
pub async fn next_turn() {
    let looks = || HERE.with_borrow(|here| here.as_ref().map(|reactor| reactor.looks.get()));
    let before = looks();
    while looks() == before {
        yield_now().await;
    }
}

impl Reactor {
    fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mailbox = Mailbox::new()?;
        epoll::add(&epoll, mailbox.bell(), epoll::EventData::new_u64(slab::NONE), source::READING)?;
        Ok(Self {
            epoll,
            sources: RefCell::default(),
            tasks: RefCell::default(),
            row: RefCell::default(),
            events: RefCell::new(Vec::with_capacity(EVENTS)),
            current: RefCell::default(),
            looks: Cell::new(0),
            told_all: Cell::new(0),
            turns: Cell::new(TURNS),
            mailbox: Arc::new(mailbox),
        })
    }

    fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let task = self.tasks.borrow_mut().insert_with(|key| Task::new(future, &self.mailbox, key));
        self.wake(&task);
    }

    /// Polls each task that is in the row now. What is woken meanwhile waits for the next pass.
    fn run_row(&self) {
        let due = self.row.borrow().len();
        for _ in 0..due {
            let Some(task) = self.row.borrow_mut().pop_front() else { return };
            self.turns.set(TURNS);
            self.current.replace(Some(Rc::clone(&task)));
            let ended = task.poll();
            self.current.replace(None);
            if ended {
                self.tasks.borrow_mut().remove(task.key());
                task.end();
            }
        }
    }

    /// Waits until something happens, unless a task has something to do already, and wakes whom it concerns.
    fn look(&self) -> io::Result<()> {
        let mut events = self.events.borrow_mut();
        events.clear();
        let at_once = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
        let patience = if self.row.borrow().is_empty() { None } else { Some(&at_once) };
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut *events), patience) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        self.looks.set(self.looks.get() + 1);
        // A list that is full may not be all.
        if events.len() < EVENTS {
            self.told_all.set(self.looks.get());
        }
        for event in events.iter() {
            match event.data.u64() {
                slab::NONE => self.open_mail(),
                key => {
                    // A key that is not there any more is an event that was under way when its descriptor went.
                    let source = self.sources.borrow().get(key).cloned();
                    if let Some(source) = source {
                        source.note(event.flags, self);
                    }
                }
            }
        }
        Ok(())
    }

    fn open_mail(&self) {
        for key in self.mailbox.empty() {
            self.wake_by(key);
        }
    }

    fn wake_by(&self, key: u64) {
        let task = self.tasks.borrow().get(key).cloned();
        if let Some(task) = task {
            self.wake(&task);
        }
    }

    fn wake(&self, task: &Rc<Task>) {
        if task.queue() {
            self.row.borrow_mut().push_back(Rc::clone(task));
        }
    }

    /// Whether the current task may go on with what is ready. Where it has had its turns, it is in the row again.
    fn may_go_on(&self, context: &Context<'_>) -> bool {
        match self.turns.get().checked_sub(1) {
            Some(left) => {
                self.turns.set(left);
                true
            }
            None => {
                context.waker().wake_by_ref();
                false
            }
        }
    }

    /// Drops all tasks. What they hold may wake and spawn others, which end here too.
    fn clear(&self) {
        loop {
            let left = self.tasks.borrow_mut().take_all();
            if left.is_empty() {
                break;
            }
            left.iter().for_each(|task| task.end());
        }
        self.row.borrow_mut().clear();
        self.mailbox.close();
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
