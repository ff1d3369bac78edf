//! Peers that die in the middle, end one side, reset, dribble, or take nothing.

use super::Load;
use crate::balance::group;
use crate::harness::{Node, Origin, Wire, on_workers, poll, websocket_judge, ws};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

const GET: &str = "GET / HTTP/1.1\r\nHost: t.test\r\n\r\n";
const COUNTER: &str = include_str!("../node/counter.cjs");

/// An answer whose server dies is seen to be cut: less than was declared, and no clean end. (The same over HTTP/2:
/// `h2::requests::an_answer_that_breaks_off_is_a_reset_and_no_end`.)
#[test]
fn experiment_02_a_server_that_is_killed_within_its_answer() {
    let Some(judge) = websocket_judge("experiments::cut") else { return };
    on_workers(|workers| {
        let mut node = Node::run(&judge, COUNTER, &["a"]);
        let proxy = group(workers, &[format!("127.0.0.1:{}", node.wait_line(0))], "", "");
        let mut client = proxy.send("GET /large HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.head().field("content-length"), Some("10000000"));
        client.exactly(50_000);
        node.kill();
        assert!(client.rest().len() <= 50_000);
        assert!(client.ending().is_some());
        let line = proxy.wait_access(0);
        assert_eq!((&line["reason"], &line["ended_by"]), (&"upstream_reset".into(), &"upstream".into()), "{line}");
    });
}

/// Connects that get no answer: the next endpoint is tried when the time for one is over, whatever the method, and the
/// silent one is left alone soon. (One alone: `faults::nobody_accepts`.)
#[test]
fn experiment_04_behind_a_black_hole_the_next_endpoint_is_tried() {
    on_workers(|workers| {
        let (hole, well) = (crate::names::black_hole("127.0.0.1:0".parse().unwrap()), Origin::named("well"));
        let list = [hole.0.local_addr().unwrap().to_string(), well.address()];
        let proxy = group(workers, &list, "", "timeouts: { connect: 300ms }");
        for n in 0..20 {
            let method = ["GET", "POST"][n % 2];
            let answer = proxy
                .ask(format!("{method} / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
            assert_eq!((answer.status(), answer.text().as_str()), (200, "well"), "{method} {n}");
        }
        proxy.wait_access(19);
        // Five in a row eject it; until then every other request pays.
        let waited = proxy.access().iter().filter(|line| line["attempt"].as_u64() > Some(1)).count();
        assert!((1..=8).contains(&waited), "{waited} of 20 waited");
        proxy.wait_log("the endpoint is ejected");
        proxy.stop();
    });
}

/// Who has ended his side still gets what comes: the client its answer, a tunnel's other direction its bytes.
#[test]
fn experiment_06_half_closed_connections_go_on() {
    on_workers(|workers| {
        let (go, gone) = mpsc::channel::<()>();
        let gone = Mutex::new(gone);
        let origin = Origin::start(move |wire, _| {
            let Some(request) = wire.request() else { return };
            if request.has("upgrade") {
                wire.send(ws::switching(""));
                assert_eq!(wire.exactly(2), b"up");
                wire.rest();
                wire.send("still here");
                return;
            }
            gone.lock().unwrap().recv().unwrap();
            // Its own side ends behind the answer, and it goes on reading.
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
            wire.finish();
            wire.rest();
        });
        let proxy = group(workers, &[origin.address()], "", "");
        let mut client = proxy.send(GET);
        client.finish();
        origin.wait_request(0);
        go.send(()).unwrap();
        assert_eq!(client.response().text(), "late");
        let mut tunnel = proxy.connect();
        ws::open(&mut tunnel, "t.test", "/");
        tunnel.send("up");
        tunnel.finish();
        assert_eq!(tunnel.exactly(10), b"still here");
        proxy.stop();
    });
}

/// A reset from either side: the right answer, everything given back, and one line for each in the log.
#[test]
fn experiment_07_resets_from_both_sides() {
    on_workers(|workers| {
        let origin =
            Origin::start(|wire, _| match wire.request().map(|request| request.target().to_owned()).as_deref() {
                Some("/reset") => wire.take().reset(),
                Some(_) => drop(wire.rest()),
                None => {}
            });
        let proxy = group(workers, &[origin.address()], "outlier: off", "");
        let before = proxy.idle_sockets();
        let lines = proxy.log().len();
        for n in 0..20 {
            let answer =
                proxy.ask("POST /reset HTTP/1.1\r\nHost: t.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
            assert_eq!((answer.status(), answer.reason()), (502, "upstream_reset"));
            let client = proxy.send("GET /wait HTTP/1.1\r\nHost: t.test\r\n\r\n");
            origin.wait_request(2 * n + 1);
            let reset = Instant::now();
            client.reset();
            origin.wait_all_ended();
            // One second is the promise; the rest is for a machine that does much else.
            assert!(reset.elapsed() < Duration::from_secs(5), "{:?}", reset.elapsed());
        }
        poll("the sockets back", || (proxy.idle_sockets() <= before).then_some(()));
        assert!(proxy.log().len() - lines <= 25, "a storm in the log: {:#?}", proxy.log());
        assert_eq!(proxy.wait_access(39)["reason"].as_str().map(|_| ()), Some(()));
        proxy.stop();
    });
}

/// Each byte of the body reaches the client before the next is sent, and others are served meanwhile.
#[test]
fn experiment_08_a_server_of_one_byte_at_a_time() {
    on_workers(|workers| {
        let (go, gone) = mpsc::channel::<()>();
        let gone = Arc::new(Mutex::new(gone));
        let origin = Origin::start(move |wire, _| {
            while let Some(request) = wire.request() {
                if request.target() != "/slow" {
                    wire.offer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                    continue;
                }
                for byte in *b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n" {
                    wire.offer([byte]);
                }
                for byte in *b"0123456789" {
                    wire.offer([byte]);
                    if gone.lock().unwrap().recv_timeout(crate::harness::PATIENCE).is_err() {
                        return;
                    }
                }
            }
        });
        let proxy = group(workers, &[origin.address()], "", "");
        let mut client = proxy.send("GET /slow HTTP/1.1\r\nHost: t.test\r\n\r\n");
        let load = Load::start(&proxy, 200, false);
        assert_eq!(client.head().status(), 200);
        for n in 0..10_u8 {
            assert_eq!(client.exactly(1), [b'0' + n]);
            go.send(()).unwrap();
        }
        poll("others", || (load.answered() > 100).then_some(()));
        assert!(load.stop().iter().all(|one| one.status == 200));
        proxy.stop();
    });
}

/// Clients that take nothing of a large answer: each costs bounded memory, and the server is held back. Every other answer
/// is chunked: that one is copied through the proxy's own memory, where a declared length goes by a pipe of the kernel's.
fn slow_clients(workers: usize, count: u64) {
    const SIZE: usize = 10_000_000;
    let origin = Origin::start(|wire, number| {
        if wire.request().is_some() {
            let framing = match number % 2 {
                0 => format!("Content-Length: {SIZE}\r\n\r\n"),
                _ => format!("Transfer-Encoding: chunked\r\n\r\n{SIZE:x}\r\n"),
            };
            wire.offer(format!("HTTP/1.1 200 OK\r\n{framing}"));
            let block = [b'x'; 65_536];
            let mut left = SIZE;
            while left > 0 {
                let taken = wire.push_until_blocked(Duration::from_secs(30), block.len().min(left));
                if taken == 0 {
                    return;
                }
                left = left.saturating_sub(taken);
            }
        }
    });
    let proxy = group(workers, &[origin.address()], "", "");
    assert_eq!(proxy.send(GET).head().status(), 200);
    let before = proxy.resident();
    let mut clients: Vec<Wire> = (0..count).map(|_| Wire::connect_narrow(proxy.address())).collect();
    for client in &mut clients {
        client.send(GET);
    }
    for client in &mut clients {
        assert_eq!(client.head().status(), 200);
    }
    // What can flow has flowed: nothing moves any more.
    let grown = || proxy.resident().saturating_sub(before);
    poll("all that will be held", || {
        let now = grown();
        std::thread::park_timeout(Duration::from_millis(300));
        (grown() <= now + 64).then_some(())
    });
    // In KiB.
    assert!(grown() <= count * 128, "{} KiB for each of {count}", grown() / count);
    drop(clients);
    proxy.stop();
}

#[test]
fn experiment_09_a_hundred_clients_that_take_nothing() {
    on_workers(|workers| slow_clients(workers, 100));
}

#[test]
#[ignore = "long: a thousand clients and as many threads"]
fn experiment_09_a_thousand_clients_that_take_nothing() {
    slow_clients(2, 1000);
}

/// A way to an endpoint that delays everything, and now and then as long as a lost packet would. (Kernels without netem
/// can't lose packets on purpose; this is what the loss of one in twenty looks like from above TCP.)
fn lossy(to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for (n, near) in listener.incoming().flatten().enumerate() {
            let far = TcpStream::connect(&to).unwrap();
            for (mut from, mut to) in [
                (near.try_clone().unwrap(), far.try_clone().unwrap()),
                (far.try_clone().unwrap(), near.try_clone().unwrap()),
            ] {
                std::thread::spawn(move || {
                    let (mut block, mut count) = ([0; 16_384], n);
                    while let Ok(read @ 1..) = from.read(&mut block) {
                        count += 1;
                        std::thread::park_timeout(Duration::from_millis(if count % 20 == 0 { 700 } else { 100 }));
                        if to.write_all(&block[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    address
}

/// Nobody is taken for dead because the way to him is bad.
#[test]
fn experiment_15_a_lossy_way_ejects_nobody() {
    on_workers(|workers| {
        let origins = [Origin::named("well"), Origin::named("well")];
        let list: Vec<String> = origins.iter().map(|origin| lossy(origin.address())).collect();
        let health = "health: { http: /, interval: 500ms }";
        let proxy = group(workers, &list, health, "");
        let load = Load::start(&proxy, 100, true);
        poll("load over a bad way", || (load.answered() > 250).then_some(()));
        assert!(load.stop().iter().all(|one| one.status == 200 && one.text == "well"));
        let said = proxy.log().into_iter().find(|line| line.contains("ejected") || line.contains("probes fail"));
        assert_eq!(said, None);
        proxy.stop();
    });
}
