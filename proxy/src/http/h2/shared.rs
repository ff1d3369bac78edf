//! What the task of a connection and its streams share: the connection itself, and who waits for what on it.
//!
//! The connection's task moves bytes between it and the socket; streams read and write on it directly, and wake that task
//! when there is something to send. Each stream is polled by one task, whatever it waits for.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Waker};

use switchboard_core::http2::{Block, Connection, Event, Key};

/// Heads of one answer that may wait: an endpoint that sends interim ones without end is not kept up with for ever. Chosen.
const HEADS: usize = 32;

/// An HTTP/2 connection of this worker, on either side.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) core: RefCell<Connection>,
    /// Where an endpoint is that we connected to.
    pub(super) remote: Option<SocketAddr>,
    seats: RefCell<Vec<Seat>>,
    task: RefCell<Option<Waker>>,
    /// Streams that wait for room in front of the socket, in the order in which they came.
    crowd: RefCell<VecDeque<Key>>,
    /// Who is woken first where all are: a small window is not the same stream's every time.
    turn: Cell<usize>,
}

/// What is kept beside a stream.
#[derive(Debug, Default)]
struct Seat {
    waker: Option<Waker>,
    /// Heads of answers that nobody has read, and whether the answer ends with them.
    heads: VecDeque<(Block, bool)>,
}

impl Shared {
    pub(super) fn new(core: Connection, remote: Option<SocketAddr>) -> Rc<Self> {
        Rc::new(Self {
            core: RefCell::new(core),
            remote,
            seats: RefCell::default(),
            task: RefCell::default(),
            crowd: RefCell::default(),
            turn: Cell::new(0),
        })
    }

    /// Does something on the connection for one of its streams; what it says goes out with its task's next turn.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Connection) -> T) -> T {
        let mut core = self.core.borrow_mut();
        let was_quiet = core.outgoing().is_empty();
        let done = act(&mut core);
        if was_quiet && !core.outgoing().is_empty() {
            self.wake_task();
        }
        done
    }

    /// Wakes the connection's task when a stream has something for it.
    pub(super) fn register_task(&self, context: &Context<'_>) {
        let mut task = self.task.borrow_mut();
        if !task.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            *task = Some(context.waker().clone());
        }
    }

    pub(super) fn wake_task(&self) {
        if let Some(task) = &*self.task.borrow() {
            task.wake_by_ref();
        }
    }

    /// Wakes a stream's task when something happens on it.
    pub(super) fn register(&self, key: Key, context: &Context<'_>) {
        let mut seats = self.seats.borrow_mut();
        if seats.len() <= key.index() {
            seats.resize_with(key.index() + 1, Seat::default);
        }
        if let Some(seat) = seats.get_mut(key.index())
            && !seat.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker()))
        {
            seat.waker = Some(context.waker().clone());
        }
    }

    /// As [`Shared::register`], for a stream that would send; where it is the socket that has no room, it stands in line.
    pub(super) fn register_sender(&self, key: Key, context: &Context<'_>) {
        self.register(key, context);
        if !self.core.borrow().has_room() {
            let mut crowd = self.crowd.borrow_mut();
            if !crowd.contains(&key) {
                crowd.push_back(key);
            }
        }
    }

    /// Tells those who wait for it what has happened.
    pub(super) fn tell(&self, event: Event) {
        match event {
            Event::Came(key) | Event::Room(key) | Event::Request(key, _) | Event::Answer(key, _) => self.wake(key),
            Event::RoomForAll | Event::LostMany => {
                let seats = self.seats.borrow();
                let turn = self.turn.get() % seats.len().max(1);
                self.turn.set(turn + 1);
                let (last, first) = seats.split_at_checked(turn).unwrap_or_default();
                first.iter().chain(last).filter_map(|seat| seat.waker.as_ref()).for_each(Waker::wake_by_ref);
            }
        }
    }

    /// Tells those who stand in line that the socket has taken something.
    pub(super) fn tell_crowd(&self) {
        let mut crowd = self.crowd.borrow_mut();
        if !crowd.is_empty() && self.core.borrow().has_room() {
            crowd.drain(..).for_each(|key| self.wake(key));
        }
    }

    fn wake(&self, key: Key) {
        if let Some(waker) = self.seats.borrow().get(key.index()).and_then(|seat| seat.waker.as_ref()) {
            waker.wake_by_ref();
        }
    }

    /// Keeps the head of an answer until the stream's task reads it. False where too many wait already.
    pub(super) fn put_head(&self, key: Key, block: Block, ended: bool) -> bool {
        let mut seats = self.seats.borrow_mut();
        if seats.len() <= key.index() {
            seats.resize_with(key.index() + 1, Seat::default);
        }
        let seat = seats.get_mut(key.index()).filter(|seat| seat.heads.len() < HEADS);
        seat.map(|seat| seat.heads.push_back((block, ended))).is_some()
    }

    /// The next head of an answer.
    pub(super) fn take_head(&self, key: Key) -> Option<(Block, bool)> {
        self.seats.borrow_mut().get_mut(key.index())?.heads.pop_front()
    }

    /// Gives a stream back. Where it was the last, the connection's task has to know.
    pub(super) fn release(&self, key: Key) {
        self.with(|core| core.release(key));
        let idle = self.core.borrow().held() == 0;
        let mut seats = self.seats.borrow_mut();
        if idle {
            *seats = Vec::new();
            *self.crowd.borrow_mut() = VecDeque::new();
            self.wake_task();
        } else if let Some(seat) = seats.get_mut(key.index()) {
            *seat = Seat::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use switchboard_core::config::Http2;
    use switchboard_core::http2::Role;
    use switchboard_core::moment::Moment;

    use super::*;

    #[test]
    fn interim_heads_that_nobody_reads_do_not_pile_up() {
        let bounds = Http2 { streams: 4, stream_window: 64 << 10, connection_window: 1 << 20, resets: 200 };
        let shared = Shared::new(Connection::new(Role::Client, bounds, 32 * 1024, Moment::ZERO), None);
        let key = shared.core.borrow_mut().open();
        for _ in 0..HEADS {
            assert!(shared.put_head(key, Block::default(), false));
        }
        assert!(!shared.put_head(key, Block::default(), false));
        shared.take_head(key);
        assert!(shared.put_head(key, Block::default(), false));
    }
}
