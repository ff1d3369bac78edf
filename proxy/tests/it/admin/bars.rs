//! The bars of live routes: a change answers at once however many others there are, disturbs nobody, and leaves no memory
//! behind. Here in small; `bench/run --bet generations` runs the long ones with an optimised build and prints their figures.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::ADMIN;
use crate::harness::{Origin, Proxy, Wire, poll, ws};

/// A connection to the admin plane that stays open.
struct Changes {
    wire: Wire,
    token: String,
}

impl Changes {
    fn new(proxy: &Proxy) -> Self {
        Self { wire: Wire::connect(proxy.admin()), token: proxy.token() }
    }

    fn offer(&mut self, line: &str, body: &str) {
        self.wire.offer(format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        ));
    }

    fn make(&mut self, line: &str, body: &str) -> u16 {
        self.offer(line, body);
        self.wire.response().status()
    }

    /// Registers so many routes, several on their way at once.
    fn fill(&mut self, count: usize) {
        for from in (0..count).step_by(100) {
            let batch = from..(from + 100).min(count);
            for n in batch.clone() {
                self.offer(&format!("PUT /v1/routes/r{n}.test"), "{\"respond\": \"x\"}");
            }
            for _ in batch {
                assert_eq!(self.wire.response().status(), 201);
            }
        }
    }
}

fn say(words: &str) {
    // Straight to the descriptor: the test runner shows captured output of failed tests only.
    let _ = writeln!(std::io::stderr(), "{words}");
}

/// From a PUT to the first answer through the new route, beside so many others: half took no longer, and 99 in 100.
fn put_to_answer(routes: usize, rounds: usize) -> (Duration, Duration) {
    let proxy = Proxy::start(2, ADMIN);
    let mut changes = Changes::new(&proxy);
    changes.fill(routes);
    let mut client = proxy.connect();
    let mut times = Vec::new();
    for round in 0..rounds {
        if round % 500 == 499 {
            client = proxy.connect();
        }
        let start = Instant::now();
        assert_eq!(changes.make(&format!("PUT /v1/routes/new{round}.test"), "{\"respond\": \"new\"}"), 201);
        client.send(format!("GET / HTTP/1.1\r\nHost: new{round}.test\r\n\r\n"));
        assert_eq!(client.response().text(), "new");
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let figures = (times[rounds / 2], times[rounds * 99 / 100]);
    say(&format!("PUT to first answer, {routes} routes: p50 {:?}, p99 {:?}", figures.0, figures.1));
    figures
}

/// What a storm of changes did to those who were there.
struct Storm {
    changes: u64,
    requests: u64,
    failed: u64,
    /// In KiB.
    grown: i64,
}

/// An origin that says ok, and echoes what comes through a WebSocket.
fn echo() -> Origin {
    Origin::start(|wire: &mut Wire, _| {
        while let Some(request) = wire.request() {
            if request.has("upgrade") {
                wire.send(ws::switching(""));
                while let Some((first, payload)) = ws::next_frame(wire) {
                    wire.offer(ws::frame(first, &payload, false));
                }
                return;
            }
            wire.offer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    })
}

/// A client that asks until it is told to stop.
fn keep_asking(
    proxy: &Proxy,
    done: &Arc<AtomicBool>,
    requests: &Arc<AtomicU64>,
    failed: &Arc<AtomicU64>,
) -> std::thread::JoinHandle<()> {
    let (address, done) = (proxy.address(), Arc::clone(done));
    let (requests, failed) = (Arc::clone(requests), Arc::clone(failed));
    std::thread::spawn(move || {
        while !done.load(Ordering::Relaxed) {
            let mut wire = Wire::connect(address);
            for _ in 0..500 {
                wire.offer("GET / HTTP/1.1\r\nHost: load.test\r\n\r\n");
                let status = wire.response().status();
                requests.fetch_add(1, Ordering::Relaxed);
                failed.fetch_add(u64::from(status != 200), Ordering::Relaxed);
            }
        }
    })
}

/// Asserts that WebSockets are open: each is echoed.
fn alive(mut held: Vec<&mut Wire>) {
    held.iter_mut().for_each(|wire| wire.send(ws::frame(ws::TEXT, b"still here", true)));
    for wire in held {
        assert_eq!(ws::next_frame(wire), Some((ws::TEXT, b"still here".to_vec())));
    }
}

/// Changes routes for a while, under load, beside so many routes and open WebSockets.
fn storm(routes: usize, sockets: usize, per_second: u32, time: Duration) -> Storm {
    let origin = echo();
    // Four at once are allowed and eight ask: somebody always stands in the queue that the workers share.
    let proxy = Proxy::start(
        2,
        &format!(
            "{ADMIN}access_log: off\nroutes: {{ load.test: queued, ws.test: \"{0}\" }}\n\
             upstreams: {{ queued: {{ endpoints: [\"{0}\"], limits: {{ connections: 4, queue: 64 }}, \
             pool: {{ idle_timeout: 5s }} }} }}\n",
            origin.address()
        ),
    );
    let mut changes = Changes::new(&proxy);
    changes.fill(routes);
    let mut held: Vec<Wire> = (0..sockets).map(|_| proxy.connect()).collect();
    held.iter_mut().for_each(|wire| drop(ws::open(wire, "ws.test", "/")));
    let (done, requests, failed): (Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>) = Default::default();
    let load: Vec<_> = (0..8).map(|_| keep_asking(&proxy, &done, &requests, &failed)).collect();
    let (start, mut made, mut before) = (Instant::now(), 0_u64, None);
    while start.elapsed() < time {
        // A third of the way in everything has the size that it needs.
        if before.is_none() && start.elapsed() > time / 3 {
            before = Some(proxy.resident());
        }
        for n in 0..10 {
            match n % 2 {
                0 => changes.offer(&format!("PUT /v1/routes/storm{}.test", made % 50), "{\"respond\": \"storm\"}"),
                _ => changes.offer(&format!("DELETE /v1/routes/storm{}.test", made % 50), ""),
            }
            made += u64::from(n % 2 == 1);
        }
        for _ in 0..10 {
            let status = changes.wire.response().status();
            assert!(matches!(status, 200 | 201), "{status}");
        }
        // Ten of the WebSockets, in turn: each is asked within a second or two.
        let asked = usize::try_from(made / 5).unwrap() % (held.len() / 10).max(1) * 10;
        alive(held.iter_mut().skip(asked).take(10).collect());
        let due = Duration::from_secs(1) * u32::try_from(made * 2).unwrap() / per_second;
        std::thread::park_timeout(due.saturating_sub(start.elapsed()));
    }
    let after = proxy.resident();
    done.store(true, Ordering::Relaxed);
    load.into_iter().for_each(|thread| thread.join().unwrap());
    alive(held.iter_mut().collect());
    let grown = i64::try_from(after).unwrap() - i64::try_from(before.unwrap_or(after)).unwrap();
    let told = Storm {
        changes: made * 2,
        requests: requests.load(Ordering::Relaxed),
        failed: failed.load(Ordering::Relaxed),
        grown,
    };
    say(&format!(
        "storm beside {routes} routes and {sockets} WebSockets: {} changes in {:.1} s, {} requests, {} failed, memory \
         grew by {} KiB",
        told.changes,
        start.elapsed().as_secs_f32(),
        told.requests,
        told.failed,
        told.grown
    ));
    told
}

/// Adds routes and takes them away again; by how many KiB memory grew after the first fifth of it.
fn adds_and_removes(count: usize) -> i64 {
    let proxy = Proxy::start(2, ADMIN);
    let mut changes = Changes::new(&proxy);
    let mut before = 0;
    for from in (0..count).step_by(50) {
        if from == count / 5 {
            before = proxy.resident();
        }
        for n in from..from + 50 {
            changes.offer(&format!("PUT /v1/routes/r{n}.test"), "{\"to\": \":9\"}");
            changes.offer(&format!("DELETE /v1/routes/r{n}.test"), "");
        }
        for n in 0..100 {
            assert_eq!(changes.wire.response().status(), if n % 2 == 0 { 201 } else { 200 });
        }
    }
    let after = poll("what was removed to be given back", || Some(proxy.resident()));
    let grown = i64::try_from(after).unwrap() - i64::try_from(before).unwrap();
    say(&format!("{count} adds and removes: memory grew by {} KiB after the first fifth", grown));
    grown
}

/// In the unit of `resident`.
const MIB: i64 = 1 << 10;

#[test]
fn a_change_answers_however_many_others_there_are() {
    // A debug build on a busy machine: whether it grows with the number of routes is what can be seen.
    let (few, many) = (put_to_answer(10, 60).0, put_to_answer(2000, 60).0);
    assert!(many < few * 20 + Duration::from_millis(50), "{many:?} beside {few:?}");
}

#[test]
fn a_storm_of_changes_disturbs_nobody() {
    let told = storm(300, 50, 500, Duration::from_secs(3));
    assert_eq!(told.failed, 0);
    assert!(told.requests > 0 && told.changes > 20);
    assert!(told.grown < 32 * MIB, "{}", told.grown);
}

#[test]
fn what_is_removed_leaves_no_memory_behind() {
    assert!(adds_and_removes(2000) < 16 * MIB);
}

#[test]
#[ignore = "long: bench/run --bet generations"]
fn long_put_to_answer_beside_ten_thousand_routes() {
    assert!(put_to_answer(10_000, 2000).1 < Duration::from_millis(5));
}

#[test]
#[ignore = "long: bench/run --bet generations"]
fn long_storm_of_a_thousand_changes_a_second() {
    let told = storm(10_000, 1000, 1000, Duration::from_secs(30));
    assert_eq!(told.failed, 0);
    assert!(told.changes >= 29_000, "{} changes", told.changes);
    assert!(told.grown < 16 * MIB, "{}", told.grown);
}

#[test]
#[ignore = "long: bench/run --bet generations"]
fn long_hundred_thousand_adds_and_removes() {
    assert!(adds_and_removes(100_000) < 8 * MIB);
}
