//! What is sent again and what never is: SECURITY §3.3, row by row.

use super::{GET, OK, POST, addresses, dead, group};
use crate::harness::{Origin, Proxy, Wire, assert_own_answer, on_workers, poll, poll_for};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PUT: &str = "PUT / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 2\r\n\r\nok";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: t.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Answers every request with a status.
fn status(status: u16) -> Origin {
    Origin::answering(format!("HTTP/1.1 {status} X\r\nContent-Length: 4\r\n\r\nfrom"))
}

/// Reads a request and closes without a byte.
fn closer() -> Origin {
    Origin::start(|wire, _| drop(wire.request()))
}

/// How many requests all of them got.
fn seen(origins: &[Origin]) -> usize {
    origins.iter().map(|origin| origin.requests().len()).sum()
}

/// Row 1: a connect that failed carried nothing. Any method goes elsewhere, an upgrade too.
#[test]
fn what_was_never_sent_goes_elsewhere() {
    on_workers(|workers| {
        let (_socket, nobody) = dead();
        let origin = status(200);
        let proxy = group(workers, &[nobody.to_string(), origin.address()], "", "");
        for request in [GET, POST, PUT, UPGRADE].repeat(2) {
            assert_eq!(proxy.ask(request).status(), 200, "{request}");
        }
        assert_eq!(origin.requests().len(), 8);
    });
}

/// Row 2: a connection that dies before a byte of the answer. Only what may be sent twice goes elsewhere.
#[test]
fn what_may_have_been_acted_on_is_sent_twice_only_where_that_is_no_harm() {
    let check = |request: &'static str, retried: bool| {
        on_workers(|workers| {
            let origins = [closer(), closer()];
            let proxy = group(workers, &addresses(&origins), "", "");
            assert_own_answer(&proxy.ask(request), 502, "upstream_reset");
            assert_eq!(seen(&origins), if retried { 2 } else { 1 }, "{request}");
            assert_eq!(proxy.wait_access(0)["attempt"], if retried { 2 } else { 1 });
        });
    };
    check(GET, true);
    check(PUT, true);
    check(POST, false);
    check(UPGRADE, false);
}

/// Row 4: an answer is given up only where the rule says so, only for what may be sent twice.
#[test]
fn statuses_are_retried_where_the_rule_says_so() {
    let check = |request: &'static str, rule: &'static str, expect: u16| {
        on_workers(|workers| {
            let origins = [status(503), status(200)];
            let proxy = group(workers, &addresses(&origins), "", rule);
            let answers: Vec<u16> = (0..2).map(|_| proxy.ask(request).status()).collect();
            assert_eq!(answers.iter().max(), Some(&expect), "{request} {rule}");
        });
    };
    let rule = "retry: { causes: [connect, 503] }";
    check(GET, rule, 200);
    check(PUT, rule, 200);
    check(POST, rule, 503);
    check(UPGRADE, rule, 503);
    check(GET, "", 503);
    check(GET, "retry: { causes: [connect, 502] }", 503);
    check(GET, "retry: off", 503);
}

/// Where all give the status, the last one's answer is the client's: it is an answer.
#[test]
fn the_last_answer_counts() {
    on_workers(|workers| {
        let origins = [status(503), status(503)];
        let proxy = group(workers, &addresses(&origins), "", "retry: { causes: [503], retries: 2 }");
        let answer = proxy.ask(GET);
        assert_eq!((answer.status(), answer.text().as_str()), (503, "from"));
        assert_eq!(seen(&origins), 3);
    });
}

/// Never once an answer has begun.
#[test]
fn an_answer_that_has_begun_is_not_asked_for_again() {
    on_workers(|workers| {
        let half = || {
            Origin::start(|wire, _| {
                if wire.request().is_some() {
                    wire.offer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
                }
            })
        };
        let origins = [half(), half()];
        let proxy = group(workers, &addresses(&origins), "", "retry: { causes: [connect, reset, timeout, 500] }");
        let mut client = proxy.send(GET);
        assert_eq!(client.head().status(), 200);
        assert_eq!(client.rest(), b"half");
        assert_eq!(seen(&origins), 1);
    });
}

#[test]
fn a_slow_first_byte_is_a_cause_where_the_rule_says_so() {
    on_workers(|workers| {
        let origins = [Origin::silent(), status(200)];
        let rule = "retry: { causes: [timeout], per_try: 1s }";
        let proxy = group(workers, &addresses(&origins), "", rule);
        for _ in 0..2 {
            assert_eq!(proxy.ask(GET).status(), 200);
        }
        let posts: Vec<u16> = (0..2).map(|_| proxy.ask(POST).status()).collect();
        assert!(posts.contains(&504), "a POST that was sent is not sent again: {posts:?}");
    });
}

/// A body up to 64 KiB is kept until the first byte of the answer; a longer one can't be sent again.
#[test]
fn bodies_are_sent_again_whole_or_not_at_all() {
    let check = |size: usize, chunked: bool, retried: bool| {
        on_workers(|workers| {
            let refusing = Origin::start(|wire, _| {
                while wire.request().is_some() {
                    wire.offer("HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n");
                }
            });
            let taking = status(200);
            let list = [refusing.address(), taking.address()];
            let proxy = group(workers, &list, "", "retry: { causes: [503], retries: 1 }");
            let body: Vec<u8> = (0..size).map(|n| b'a' + u8::try_from(n % 26).unwrap()).collect();
            for _ in 0..2 {
                let length =
                    if chunked { "Transfer-Encoding: chunked".into() } else { format!("Content-Length: {size}") };
                let mut client = proxy.send(format!("PUT / HTTP/1.1\r\nHost: t.test\r\n{length}\r\n\r\n"));
                // In pieces, so that not all of it comes with the head.
                for piece in body.chunks(10_000) {
                    if chunked {
                        client.offer(format!("{:x}\r\n", piece.len()));
                        client.offer(piece);
                        client.offer("\r\n");
                    } else {
                        client.offer(piece);
                    }
                }
                if chunked {
                    client.offer("0\r\n\r\n");
                }
                let answer = client.response();
                if retried {
                    assert_eq!(answer.status(), 200, "{size} {chunked}");
                }
            }
            if retried {
                assert_eq!(taking.requests().len(), 2);
                assert!(taking.requests().iter().all(|request| request.body == body), "{size} {chunked}");
            } else {
                assert_eq!(taking.requests().len(), 1, "{size} {chunked}: too long to be kept");
            }
        });
    };
    check(5, false, true);
    check(60_000, false, true);
    check(60_000, true, true);
    check(200_000, false, false);
}

/// Experiment 5: the origin closes a kept connection in the moment of its reuse.
#[test]
fn experiment_05_connections_that_close_at_reuse_cost_no_get() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if wire.request().is_some() {
                wire.offer(OK);
            }
        });
        let proxy = group(workers, &[origin.address()], "", "");
        let mut client = proxy.connect();
        for _ in 0..200 {
            client.send(GET);
            assert_eq!(client.response().text(), "ok");
        }
    });
}

/// Experiment 1: one of three origins is gone in the middle of the load: no GET fails, no POST is sent twice.
#[test]
fn experiment_01_one_of_three_dies_under_load() {
    on_workers(|workers| {
        let mut origins: Vec<Origin> = (0..3).map(|_| status(200)).collect();
        let proxy = group(workers, &addresses(&origins), "", "");
        let address = proxy.address();
        let sent = Arc::new(AtomicUsize::new(0));
        let load: Vec<_> = (0..6)
            .map(|n| {
                let sent = Arc::clone(&sent);
                std::thread::spawn(move || {
                    let mut client = crate::harness::Wire::connect(address);
                    let mut lost = 0;
                    for turn in 0..150 {
                        let id = format!("{n}-{turn}");
                        let post = turn % 5 == 4;
                        let method = if post { "POST" } else { "GET" };
                        client.send(format!("{method} /{id} HTTP/1.1\r\nHost: t.test\r\nContent-Length: 0\r\n\r\n"));
                        let answer = client.response();
                        sent.fetch_add(1, Ordering::SeqCst);
                        assert!(post || answer.status() == 200, "GET {id}: {answer:#?}");
                        lost += usize::from(answer.status() != 200);
                    }
                    lost
                })
            })
            .collect();
        poll("some load", || (sent.load(Ordering::SeqCst) > 150).then_some(()));
        let dead = origins.remove(1);
        let before: Vec<String> = dead.requests().iter().map(|request| request.target().to_owned()).collect();
        drop(dead);
        let lost: usize = load.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert!(lost <= 6, "{lost} POSTs were in flight at one origin");
        let mut posts: Vec<String> = before;
        for request in origins.iter().flat_map(Origin::requests).filter(|request| request.method() == "POST") {
            assert!(!posts.contains(&request.target().to_owned()), "{} was sent twice", request.target());
            posts.push(request.target().to_owned());
        }
    });
}

/// Experiment 43: half of all answers are 503 and are retried: what is sent again is a fifth at most, but for the first few.
#[test]
fn experiment_43_a_retry_storm_adds_a_fifth() {
    const REQUESTS: usize = 300;
    on_workers(|workers| {
        let origins = [status(503), status(503)];
        let proxy = group(workers, &addresses(&origins), "", "retry: { causes: [503], retries: 1, budget: 20% }");
        let start = Instant::now();
        let mut client = proxy.connect();
        for _ in 0..REQUESTS {
            client.send(GET);
            assert_eq!(client.response().status(), 503);
        }
        let seen = seen(&origins);
        assert!(seen <= REQUESTS * 12 / 10 + 3, "{seen} for {REQUESTS}");
        assert!(seen >= REQUESTS * 11 / 10, "the budget is there to be used: {seen}");
        assert!(start.elapsed() < Duration::from_secs(60));
    });
}

/// A request that came too early was not acted on: it goes again once, whatever its method, unless the client said that
/// it is early data, for then the answer is the client's (RFC 8470 §5.2).
#[test]
fn what_came_too_early_is_sent_again_once() {
    let check = |request: String, expect: &'static [u16]| {
        on_workers(|workers| {
            let count = AtomicUsize::new(0);
            let origin = Origin::start(move |wire, _| {
                while wire.request().is_some() {
                    let status = if count.fetch_add(1, Ordering::SeqCst) == 0 { 425 } else { 200 };
                    wire.offer(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
                }
            });
            let late = status(425);
            let proxy = group(workers, &[origin.address()], "", "");
            assert_eq!(proxy.ask(&request).status(), expect[0], "{request}");
            let proxy = group(workers, &[late.address()], "", "");
            assert_eq!(proxy.ask(&request).status(), 425);
            assert_eq!(late.requests().len(), usize::from(expect[1]), "{request}");
        });
    };
    check(GET.to_owned(), &[200, 2]);
    check(POST.to_owned(), &[200, 2]);
    check(GET.replace("\r\n\r\n", "\r\nEarly-Data: 1\r\n\r\n"), &[425, 1]);
}

/// The time-out of the first byte begins with the request, not with the way to the endpoint: that has one of its own.
#[test]
fn a_slow_connect_leaves_the_first_byte_its_time() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let listener = std::net::TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    // Its queue is full: whoever comes now is not heard before he asks again, a second later.
    let _first = std::net::TcpStream::connect(address).unwrap();
    let rule = "timeouts: { connect: 14s, first_byte: 500ms }, retry: off";
    let proxy = Proxy::start(1, &format!("routes: {{ t.test: {{ to: \"{address}\", {rule} }} }}\n"));
    let mut client = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
    let asks = format!(":{:04X} 02 ", address.port());
    poll("a connect that waits", || std::fs::read_to_string("/proc/net/tcp").unwrap().contains(&asks).then_some(()));
    let served = std::thread::spawn(move || {
        drop(listener.accept().unwrap());
        let mut wire = Wire::from_tcp(listener.accept().unwrap().0);
        wire.until("\r\n\r\n");
        // Less than it has; more than is left of it, if the connect is counted.
        poll_for(Duration::from_millis(200), || None::<()>);
        wire.offer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        wire
    });
    assert_eq!(client.response().text(), "ok");
    drop(served.join());
}
