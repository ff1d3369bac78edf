//! A task: a future with a place in the row, and the waker that puts it there.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::HERE;
use super::mailbox::Mailbox;

/// A future of one thread.
pub(super) struct Task {
    /// `None` once it has ended.
    future: RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>>,
    waker: Waker,
    key: u64,
    /// It stands in the row.
    queued: Cell<bool>,
}

impl Task {
    /// Makes a task that stands in no row yet.
    pub(super) fn new(future: impl Future<Output = ()> + 'static, mailbox: &Arc<Mailbox>, key: u64) -> Rc<Self> {
        let caller = Caller { mailbox: Arc::clone(mailbox), key };
        Rc::new(Self {
            future: RefCell::new(Some(Box::pin(future))),
            waker: Waker::from(Arc::new(caller)),
            key,
            queued: Cell::new(false),
        })
    }

    pub(super) const fn key(&self) -> u64 {
        self.key
    }

    /// Whether `waker` is this task's own.
    pub(super) fn is_of(&self, waker: &Waker) -> bool {
        self.waker.will_wake(waker)
    }

    /// Whether it has to be put in the row.
    pub(super) fn queue(&self) -> bool {
        !self.queued.replace(true)
    }

    /// Polls it once. True when it has ended, by itself or by a panic.
    pub(super) fn poll(&self) -> bool {
        self.queued.set(false);
        let mut place = self.future.borrow_mut();
        let Some(future) = place.as_mut() else { return false };
        let mut context = Context::from_waker(&self.waker);
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context))) {
            Ok(Poll::Pending) => false,
            Ok(Poll::Ready(())) => true,
            Err(_) => {
                tracing::error!("a task of a worker ended in a panic; this is a bug, please report it");
                true
            }
        }
    }

    /// Drops the future. What it held may look at the reactor: nothing of that is borrowed here.
    pub(super) fn end(&self) {
        let future = self.future.take();
        if catch_unwind(AssertUnwindSafe(|| drop(future))).is_err() {
            tracing::error!("the end of a task was a panic; this is a bug, please report it");
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("key", &self.key).field("queued", &self.queued).finish_non_exhaustive()
    }
}

/// Whom a waker wakes, from any thread.
struct Caller {
    mailbox: Arc<Mailbox>,
    key: u64,
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let here = HERE.try_with(|here| {
            let Ok(here) = here.try_borrow() else { return false };
            let own = here.as_ref().filter(|reactor| Arc::ptr_eq(&reactor.mailbox, &self.mailbox));
            own.inspect(|reactor| reactor.wake_by(self.key)).is_some()
        });
        if !here.unwrap_or(false) {
            self.mailbox.post(self.key);
        }
    }
}
