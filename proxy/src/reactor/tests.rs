//! Tasks, wakes from here and elsewhere, and readiness, with real descriptors.

use std::future::poll_fn;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;

use rustix::io::Errno;
use tokio::sync::{Notify, oneshot};

use super::*;

fn pair() -> (Registered, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    ours.set_nonblocking(true).expect("a flag");
    (Registered::both_ways(ours.into()).expect("a registration"), theirs)
}

async fn read(socket: &Registered) -> Vec<u8> {
    poll_fn(|context| {
        loop {
            std::task::ready!(socket.poll_readable(context));
            let mut buffer = [0; 64];
            match rustix::io::read(socket, &mut buffer) {
                Ok(count) => return Poll::Ready(buffer[..count].to_vec()),
                Err(Errno::AGAIN) => socket.clear_readable(),
                Err(error) => panic!("{error}"),
            }
        }
    })
    .await
}

#[test]
fn bytes_and_ends_wake_who_waits_for_them() {
    run(async {
        let (socket, mut other) = pair();
        let writer = std::thread::spawn(move || {
            for word in ["one", "two", "three"] {
                other.write_all(word.as_bytes()).unwrap();
                std::thread::yield_now();
            }
        });
        let mut all = Vec::new();
        loop {
            let came = read(&socket).await;
            if came.is_empty() {
                break;
            }
            all.extend(came);
        }
        assert_eq!(all, b"onetwothree");
        // The end was read; the reactor tells of it when it looks the next time.
        next_turn().await;
        assert!(socket.is_read_closed());
        writer.join().unwrap();
    })
    .unwrap();
}

#[test]
fn a_panic_of_the_first_task_is_told() {
    assert!(run(async { panic!("on purpose") }).is_err());
}

#[test]
fn other_threads_wake_tasks() {
    let (send, receive) = oneshot::channel();
    let (started, wait) = mpsc::channel();
    let worker = std::thread::spawn(move || {
        run(async move {
            started.send(()).unwrap();
            receive.await.unwrap()
        })
    });
    wait.recv().unwrap();
    send.send(7).unwrap();
    assert_eq!(worker.join().unwrap().unwrap(), 7);
}

#[test]
fn a_wake_after_the_end_is_nothing() {
    let waker = run(async { poll_fn(|context| Poll::Ready(context.waker().clone())).await }).unwrap();
    waker.wake_by_ref();
    run(async move { waker.wake() }).unwrap();
}

#[test]
fn a_panic_ends_its_task_alone() {
    run(async {
        let (done, wait) = oneshot::channel::<()>();
        spawn(async move {
            let _held = done;
            panic!("on purpose");
        });
        assert!(wait.await.is_err());
        let (done, wait) = oneshot::channel();
        spawn(async move { done.send(()).unwrap() });
        assert!(wait.await.is_ok());
    })
    .unwrap();
}

#[test]
fn nobody_starves_beside_a_task_that_is_always_ready() {
    run(async {
        let (socket, mut other) = pair();
        other.write_all(b"x").unwrap();
        // It never reads, so its descriptor stays ready.
        spawn(async move {
            poll_fn(|context| {
                while socket.poll_readable(context).is_ready() {}
                Poll::<()>::Pending
            })
            .await;
        });
        for _ in 0..3 {
            yield_now().await;
        }
    })
    .unwrap();
}

#[test]
fn wakers_of_others_are_kept_as_they_are() {
    // `select!` and friends poll with the task's own; a set of futures doesn't.
    run(async {
        let (socket, mut other) = pair();
        let flag = std::sync::Arc::new(Flag::default());
        let waker = std::task::Waker::from(std::sync::Arc::clone(&flag));
        assert!(socket.poll_readable(&Context::from_waker(&waker)).is_pending());
        other.write_all(b"x").unwrap();
        while !flag.0.load(std::sync::atomic::Ordering::Relaxed) {
            yield_now().await;
        }
        assert!(socket.is_readable());
    })
    .unwrap();
}

#[derive(Default)]
struct Flag(std::sync::atomic::AtomicBool);

impl std::task::Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn what_has_not_ended_is_dropped_with_what_it_spawns() {
    struct Last(Rc<Cell<u32>>);
    impl Drop for Last {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            if self.0.get() < 3 {
                let next = Last(Rc::clone(&self.0));
                spawn(async move {
                    let _next = next;
                    std::future::pending::<()>().await;
                });
            }
        }
    }
    let count = run(async {
        let count = Rc::new(Cell::new(0));
        let (last, notify) = (Last(Rc::clone(&count)), Rc::new(Notify::new()));
        let (held, known) = (Rc::clone(&notify), notify);
        spawn(async move {
            let _last = last;
            held.notified().await;
        });
        yield_now().await;
        drop(known);
        count
    })
    .unwrap();
    assert_eq!(count.get(), 3);
}

#[test]
fn a_descriptor_that_left_is_watched_no_longer() {
    run(async {
        let (socket, mut other) = pair();
        let fd = socket.into_fd();
        other.write_all(b"x").unwrap();
        yield_now().await;
        let again = Registered::both_ways(fd).expect("a registration");
        assert_eq!(read(&again).await, b"x");
    })
    .unwrap();
}
