//! Time-outs of one worker: a row of moments instead of a timer per connection.
//!
//! Setting a deadline is one store. One task per worker sleeps until the earliest and then walks the row, which for
//! 10,000 connections is one pass over a flat list; tokio's wheel would be touched at each request. Connections wake when
//! theirs has come and compare by themselves. Precision is [`GRAIN`].

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use switchboard_core::moment::Moment;

use crate::reactor::Registered;

/// The shortest sleep between two walks: what a deadline may be late. Chosen well below the shortest sensible time-out.
pub const GRAIN: Duration = Duration::from_millis(10);

/// The deadlines of one worker.
#[derive(Debug)]
pub struct Deadlines {
    /// The origin as the system's clock counts, in nanoseconds.
    zero: u64,
    row: RefCell<Row>,
    next: Cell<Moment>,
    /// What the timer is set to; [`Moment::NEVER`] where it is not.
    armed: Cell<Moment>,
    sleeper: RefCell<Option<Waker>>,
    /// Where [`Self::chance`] stands.
    dice: Cell<u64>,
}

#[derive(Debug, Default)]
struct Row {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    at: Moment,
    waker: Option<Waker>,
}

impl Deadlines {
    /// Makes an empty row whose moments count from `origin`.
    pub fn new(origin: Instant) -> Rc<Self> {
        Rc::new(Self {
            // The two clocks are one; what passes between their readings is nothing to a time-out.
            zero: nanos(ClockId::Monotonic).saturating_sub(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(0)),
            row: RefCell::default(),
            next: Cell::new(Moment::NEVER),
            armed: Cell::new(Moment::NEVER),
            sleeper: RefCell::new(None),
            dice: Cell::new(nanos(ClockId::Monotonic) | 1),
        })
    }

    /// Reads the clock: for durations that somebody will read.
    pub fn now(&self) -> Moment {
        self.read(ClockId::Monotonic)
    }

    /// Reads what the kernel noted at its last tick, at most 10 ms ago: good enough for time-outs, and cheaper: no
    /// hardware counter is read.
    pub fn about_now(&self) -> Moment {
        self.read(ClockId::MonotonicCoarse)
    }

    /// A number from 0 to 255 for jitter: not random enough for anything else (xorshift, begun at the clock).
    pub fn chance(&self) -> u8 {
        let mut state = self.dice.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.dice.set(state);
        state.to_be_bytes()[0]
    }

    fn read(&self, clock: ClockId) -> Moment {
        Moment::from_nanos(nanos(clock).saturating_sub(self.zero))
    }

    /// Takes a place in the row. It is free again when the deadline is dropped.
    pub fn place(self: &Rc<Self>) -> Deadline {
        let mut row = self.row.borrow_mut();
        let slot = Slot { at: Moment::NEVER, waker: None };
        let index = match row.free.pop() {
            Some(index) => {
                if let Some(place) = row.slots.get_mut(index as usize) {
                    *place = slot;
                }
                index
            }
            None => {
                row.slots.push(slot);
                u32::try_from(row.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        Deadline { row: Rc::clone(self), index, at: Cell::new(Moment::NEVER) }
    }

    /// Wakes everything that has a place, so that it can look at the state of its worker.
    pub fn wake_all(&self) {
        let wakers: Vec<Waker> = self.row.borrow().slots.iter().filter_map(|slot| slot.waker.clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Has every deadline that is set come now: nothing is waited for any longer.
    pub fn expire(&self) {
        self.row.borrow_mut().slots.iter_mut().for_each(|slot| slot.at = Moment::NEVER);
        self.wake_all();
    }

    /// Waits for `span`, which a walk may make up to [`GRAIN`] longer.
    pub async fn sleep(self: &Rc<Self>, span: Duration) {
        let deadline = self.place();
        deadline.set_in(Some(span));
        poll_fn(|context| {
            deadline.register(context);
            if deadline.has_come() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Makes the timer that [`Self::watch`] waits for. A descriptor of the kernel's: to wait for sockets
    /// with a time-out would set a timer, and read the clock, each time.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn timer() -> io::Result<Registered> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Registered::reading(timerfd_create(TimerfdClockId::Monotonic, flags)?)
    }

    /// Walks the row for ever. One task of the worker runs this.
    pub async fn watch(self: Rc<Self>, timer: Registered) {
        loop {
            poll_fn(|context| self.poll_timer(&timer, context)).await;
            // The clock that deadlines are made from: what is woken must find that its time has come.
            self.next.set(self.wake_due(self.about_now()));
        }
    }

    /// Sets the timer where the earliest deadline has changed, and waits for it.
    fn poll_timer(&self, timer: &Registered, context: &mut Context<'_>) -> Poll<()> {
        if !self.sleeper.borrow().as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            *self.sleeper.borrow_mut() = Some(context.waker().clone());
        }
        let next = self.next.get();
        if self.armed.replace(next) != next {
            self.arm(timer, next);
        }
        loop {
            ready!(timer.poll_readable(context));
            // How often it has gone off is not asked; a read only takes that off it.
            if rustix::io::read(timer, &mut [0; 8]).is_ok() {
                self.armed.set(Moment::NEVER);
                return Poll::Ready(());
            }
            timer.clear_readable();
        }
    }

    fn arm(&self, timer: &Registered, next: Moment) {
        // All zero is off, so the first nanosecond stands for the origin of the system's clock.
        let nanos = if next == Moment::NEVER { 0 } else { self.zero.saturating_add(next.as_nanos()).max(1) };
        let time = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX),
                tv_nsec: i64::try_from(nanos % 1_000_000_000).unwrap_or(0),
            },
        };
        // It fails for times out of range alone, and these are none.
        let _ = timerfd_settime(timer, TimerfdTimerFlags::ABSTIME, &time);
    }

    /// Wakes what is due and tells when to look again.
    fn wake_due(&self, now: Moment) -> Moment {
        let mut due = Vec::new();
        let mut next = Moment::NEVER;
        for slot in &mut self.row.borrow_mut().slots {
            if slot.at <= now {
                slot.at = Moment::NEVER;
                due.extend(slot.waker.clone());
            } else {
                next = next.min(slot.at);
            }
        }
        due.into_iter().for_each(Waker::wake);
        next.max(now + GRAIN)
    }

    fn set(&self, index: u32, at: Moment) {
        if let Some(slot) = self.row.borrow_mut().slots.get_mut(index as usize) {
            slot.at = at;
        }
        if at < self.next.get() {
            self.next.set(at);
            if let Some(waker) = self.sleeper.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
    }
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds * 1_000_000_000 + nanos
}

/// One connection's place in the row.
#[derive(Debug)]
pub struct Deadline {
    row: Rc<Deadlines>,
    index: u32,
    at: Cell<Moment>,
}

impl Deadline {
    /// The clock that its moments are of.
    pub fn clock(&self) -> &Deadlines {
        &self.row
    }

    /// Remembers whom to wake. Cheap where it is the same task as before.
    pub fn register(&self, context: &Context<'_>) {
        if let Some(slot) = self.row.row.borrow_mut().slots.get_mut(self.index as usize)
            && !slot.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()))
        {
            slot.waker = Some(context.waker().clone());
        }
    }

    /// Sets it; [`Moment::NEVER`] is none.
    pub fn set(&self, at: Moment) {
        if self.at.replace(at) != at {
            self.row.set(self.index, at);
        }
    }

    /// Sets it `span` from now, or to none.
    pub fn set_in(&self, span: Option<Duration>) {
        self.set(span.map_or(Moment::NEVER, |span| self.row.about_now() + span));
    }

    /// Tells whether it has come. No clock is read: the walk takes a deadline out of the row when it wakes its owner.
    pub fn has_come(&self) -> bool {
        self.at.get() != Moment::NEVER
            && self.row.row.borrow().slots.get(self.index as usize).is_some_and(|slot| slot.at == Moment::NEVER)
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut row = self.row.row.borrow_mut();
        if let Some(slot) = row.slots.get_mut(self.index as usize) {
            *slot = Slot { at: Moment::NEVER, waker: None };
        }
        row.free.push(self.index);
    }
}
