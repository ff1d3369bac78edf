//! Counts the streams that are open on a connection, either way, and wakes its task when that matters.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

/// Streams open on a connection.
#[derive(Debug, Default)]
pub(super) struct Open {
    count: Cell<u32>,
    /// Who waits for the count to become zero, or something else than zero.
    waker: RefCell<Option<Waker>>,
}

impl Open {
    pub(super) const fn count(&self) -> u32 {
        self.count.get()
    }

    /// Wakes the task once, when the last stream ends or the first begins.
    pub(super) fn wake_when_turning(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *waker = Some(context.waker().clone());
        }
    }

    fn change(&self, count: u32) {
        let turned = (self.count.replace(count) == 0) != (count == 0);
        if turned && let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// One open stream, counted while it lives: as exchange or as tunnel.
#[derive(Debug)]
pub(super) struct Place(Rc<Open>);

impl Place {
    pub(super) fn take(open: &Rc<Open>) -> Self {
        open.change(open.count() + 1);
        Self(Rc::clone(open))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.change(self.0.count() - 1);
    }
}
