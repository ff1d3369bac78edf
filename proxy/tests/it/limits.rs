//! SECURITY.md §1 H, as far as HTTP/1 goes: time and room that one client may take. Cases 144–147, 157, 160.

use crate::harness::{Ending, Origin, Pair, Proxy, Wire, assert_own_answer, on_workers, poll, poll_for};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Sends a byte every 50 ms until an answer or the end comes; tells how long that took.
fn dribble(client: &mut Wire, bytes: &[u8]) -> Duration {
    let start = Instant::now();
    for byte in bytes {
        client.offer([*byte]);
        if poll_for(Duration::from_millis(50), || client.stirred().then_some(())).is_some() {
            break;
        }
    }
    start.elapsed()
}

#[test]
fn case_144_slow_head() {
    on_workers(|workers| {
        let pair = Pair::with(workers, Origin::ok(), "timeouts: { head: 500ms }\n");
        let start = Instant::now();
        let mut client = pair.proxy.connect();
        dribble(&mut client, format!("GET / HTTP/1.1\r\nHost: t.test\r\nX: {}", "x".repeat(200)).as_bytes());
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(4), "{took:?}");
        assert_own_answer(&client.response(), 408, "head_timeout");
        client.ends();
        pair.origin.assert_untouched();
        // The time is for the whole head, on a connection that was used before as well.
        let mut client = pair.proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response().status(), 200);
        let took = dribble(&mut client, &b"GET / HTTP/1.1\r\nHost: t.test\r\nX: ".repeat(9));
        assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(4), "{took:?}");
        assert_own_answer(&client.response(), 408, "head_timeout");
    });
}

#[test]
fn case_145_connections_that_say_nothing() {
    on_workers(|workers| {
        let more = "timeouts: { head: 400ms, keep_alive: 400ms }\n";
        let pair = Pair::with(workers, Origin::ok(), more);
        let before = pair.proxy.idle_sockets();
        let start = Instant::now();
        let mut silent = pair.proxy.connect();
        // Not a word was read: there is nothing to answer.
        assert_eq!(silent.gone(), Ending::Closed);
        assert!(start.elapsed() >= Duration::from_millis(350), "{:?}", start.elapsed());
        let mut used = pair.proxy.send("GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n");
        assert_eq!(used.response().status(), 404);
        assert_eq!(used.gone(), Ending::Closed);
        drop((silent, used));
        pair.proxy.wait_sockets(before);
    });
}

#[test]
fn case_145_proxy_header_that_dribbles() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = Proxy::start(
            workers,
            &format!(
                "listen: {{ bind: \"127.0.0.1:0\", proxy_protocol: require }}\ntrusted_proxies: [127.0.0.1/32]\n\
                 timeouts: {{ head: 500ms }}\nroutes: {{ t.test: \"{}\" }}\n",
                origin.address()
            ),
        );
        let mut client = proxy.connect();
        let took = dribble(&mut client, format!("PROXY TCP6 {}", "2001:db8::1 ".repeat(20)).as_bytes());
        assert!(took < Duration::from_secs(6), "{took:?}");
        let _ = client.rest();
        origin.assert_untouched();
    });
}

#[test]
fn case_146_slow_body() {
    on_workers(|workers| {
        // The origin answers a request only when it is whole, so the answer is the proxy's.
        let pair = Pair::with(workers, Origin::ok(), "timeouts: { body: 400ms }\n");
        let start = Instant::now();
        let mut client = pair.proxy.send("POST / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 1000\r\n\r\nsome");
        let answer = client.response();
        assert!(start.elapsed() >= Duration::from_millis(350), "{:?}", start.elapsed());
        assert_own_answer(&answer, 408, "body_timeout");
        client.ends();
        pair.origin.wait_all_ended();
        // Whoever moves may take longer than `body` in all.
        let mut client = pair.proxy.send("POST / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 20\r\n\r\n");
        let took = dribble(&mut client, &[b'x'; 20]);
        assert!(took >= Duration::from_millis(450), "{took:?}");
        assert_eq!(client.response().status(), 200);
    });
}

#[test]
fn case_146_body_that_trickles() {
    // Ten seconds of grace cannot be configured away, so both run at once and only here.
    std::thread::scope(|scope| {
        for workers in [1, 2] {
            scope.spawn(move || {
                let pair = Pair::with(workers, Origin::ok(), "limits: { body_min_rate: 100B/s }\n");
                let mut client = pair.proxy.send("POST / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 5000\r\n\r\n");
                // 20 bytes a second: each within `body`, all together below the rate.
                let took = dribble(&mut client, &[b'x'; 400]);
                assert!(took >= Duration::from_secs(9) && took < Duration::from_secs(18), "{took:?}");
                assert_own_answer(&client.response(), 408, "body_timeout");
                client.ends();
                pair.origin.wait_all_ended();
            });
            // Whoever is fast enough may take longer than the grace.
            scope.spawn(move || {
                let pair = Pair::with(workers, Origin::ok(), "limits: { body_min_rate: 5B/s }\n");
                let mut client = pair.proxy.send("POST / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 240\r\n\r\n");
                let took = dribble(&mut client, &[b'x'; 240]);
                assert!(took >= Duration::from_secs(11), "{took:?}");
                assert_eq!(client.response().status(), 200);
            });
        }
    });
}

#[test]
fn slow_senders_hold_nobody_up() {
    on_workers(|workers| {
        let pair = Pair::new(workers, Origin::ok());
        let slow_head = "GET /slow HTTP/1.1\r\nHost: t.test\r\nX: ";
        let slow_body = "POST /slow HTTP/1.1\r\nHost: t.test\r\nContent-Length: 1000\r\n\r\n";
        let mut slow: Vec<Wire> =
            (0..200).map(|n| pair.proxy.send(if n % 2 == 0 { slow_head } else { slow_body })).collect();
        let mut client = pair.proxy.connect();
        for _ in 0..20 {
            slow.iter_mut().for_each(|wire| wire.send("x"));
            let start = Instant::now();
            client.send("GET /good HTTP/1.1\r\nHost: t.test\r\n\r\n");
            assert_eq!(client.response().status(), 200);
            assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        }
        drop(slow);
        pair.origin.wait_open(workers);
    });
}

#[test]
fn case_147_reader_that_takes_nothing() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if wire.request().is_some() {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
                wire.push_until_blocked(Duration::from_secs(12), 100_000_000);
                let _ = wire.rest();
            }
        });
        let pair = Pair::with(workers, origin, "timeouts: { write: 700ms }\n");
        let before = pair.proxy.idle_sockets();
        let resident = pair.proxy.resident();
        let mut client = Wire::connect_narrow(pair.proxy.address());
        let start = Instant::now();
        client.send("GET /large HTTP/1.1\r\nHost: t.test\r\n\r\n");
        pair.origin.wait_head(0);
        pair.origin.wait_all_ended();
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(600) && took < Duration::from_secs(10), "{took:?}");
        let grown = pair.proxy.resident().saturating_sub(resident);
        assert!(grown < 4096, "{grown} KiB for one reader that takes nothing");
        let line = pair.proxy.wait_access_of("/large");
        assert!(line["reason"].is_string(), "{line}");
        drop(client);
        pair.proxy.wait_sockets(before);
    });
}

/// Who has ended his side and reads late is woken for by room, not by the next time-out.
#[test]
fn case_147_reader_that_has_ended_its_side_gets_it_all() {
    on_workers(|workers| {
        let size = 3_000_000;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
        let origin = Origin::answering([head.into_bytes(), vec![b'x'; size]].concat());
        let pair = Pair::with(workers, origin, "timeouts: { write: 60s }\n");
        let mut client = Wire::connect_narrow(pair.proxy.address());
        client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.head().status(), 200);
        client.finish();
        let start = Instant::now();
        assert_eq!(client.exactly(size).len(), size);
        assert!(start.elapsed() < Duration::from_secs(30), "it waited for a time-out");
    });
}

#[test]
fn case_147_slow_but_steady_reader_is_not_cut() {
    on_workers(|workers| {
        let size = 3_000_000;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
        let origin = Origin::answering([head.into_bytes(), vec![b'x'; size]].concat());
        let pair = Pair::with(workers, origin, "timeouts: { write: 400ms, idle: 400ms }\n");
        let mut client = Wire::connect_narrow(pair.proxy.address());
        client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.head().status(), 200);
        // Twelve sips, 100 ms apart: longer in all than `write`, each within it.
        for _ in 0..12 {
            assert!(client.exactly(20_000).iter().all(|&b| b == b'x'));
            poll_for(Duration::from_millis(100), || None::<()>);
        }
        assert_eq!(client.exactly(size - 12 * 20_000).len(), size - 12 * 20_000);
    });
}

#[test]
fn case_157_connections_of_a_listener() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = Proxy::start(
            workers,
            &format!(
                "listen: {{ bind: \"127.0.0.1:0\", max_connections: 4 }}\nroutes: {{ t.test: \"{}\" }}\n",
                origin.address()
            ),
        );
        let ask = |client: &mut Wire| {
            client.offer("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
            client.response().status()
        };
        let mut held: Vec<Wire> = (0..4).map(|_| proxy.connect()).collect();
        for client in &mut held {
            assert_eq!(ask(client), 200);
        }
        // The fifth waits, or is told; it is not served.
        let mut fifth = proxy.connect();
        fifth.offer("GET /fifth HTTP/1.1\r\nHost: t.test\r\n\r\n");
        for client in &mut held {
            assert_eq!(ask(client), 200, "those that are in stay in");
        }
        assert!(!origin.requests().iter().any(|r| r.target() == "/fifth"), "more than max_connections were served");
        held.clear();
        poll("room for one more", || {
            let mut client = proxy.connect();
            client.offer("GET / HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n");
            client.rest().starts_with(b"HTTP/1.1 200 ").then_some(())
        });
    });
}

#[test]
fn case_157_descriptors_exhausted() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy =
            Proxy::start_with(workers, &format!("routes: {{ t.test: \"{}\" }}\n", origin.address()), |command| {
                limit_descriptors(command, 300);
            });
        let mut held: Vec<Wire> = Vec::new();
        let mut established = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(established.response().status(), 200);
        for _ in 0..150 {
            held.push(proxy.connect());
        }
        // Full: it says so, it neither spins nor falls, and whoever was there before is served.
        proxy.wait_log("no more connections are accepted");
        let before = proxy.ticks();
        for _ in 0..5 {
            established.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
            assert_eq!(established.response().status(), 200);
            poll_for(Duration::from_millis(60), || None::<()>);
        }
        let spent = proxy.ticks() - before;
        assert!(spent < 20, "{spent} ticks in 300 ms: it spins");
        held.clear();
        poll("room again", || {
            let mut client = proxy.connect();
            client.offer("GET / HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n");
            client.rest().starts_with(b"HTTP/1.1 200 ").then_some(())
        });
    });
}

#[test]
fn kept_connections_make_room_where_descriptors_are_short() {
    const AT_ONCE: usize = 20;
    on_workers(|workers| {
        // Each endpoint is asked by all at once, so that as many connections to it are kept: in all more than there are
        // descriptors.
        let together = || {
            let barrier = Arc::new(Barrier::new(AT_ONCE));
            Origin::start(move |wire, _| {
                while wire.request().is_some() {
                    barrier.wait();
                    wire.offer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                }
            })
        };
        let origins: Vec<Origin> = (0..16).map(|_| together()).collect();
        let routes: Vec<String> =
            origins.iter().enumerate().map(|(n, origin)| format!("t{n}.test: \"{}\"", origin.address())).collect();
        let yaml = format!("routes: {{ {} }}\n", routes.join(", "));
        let proxy = Proxy::start_with(workers, &yaml, |command| limit_descriptors(command, 300));
        let mut clients: Vec<Wire> = (0..AT_ONCE).map(|_| proxy.connect()).collect();
        for n in 0..origins.len() {
            for client in &mut clients {
                client.send(format!("GET / HTTP/1.1\r\nHost: t{n}.test\r\n\r\n"));
            }
            for client in &mut clients {
                assert_eq!(client.response().text(), "ok", "endpoint {n}");
            }
        }
    });
}

/// Runs the command under a hard limit of descriptors.
pub(crate) fn limit_descriptors(command: &mut std::process::Command, most: u32) {
    let line: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|part| format!("'{}'", part.to_string_lossy()))
        .collect();
    let mut shell = std::process::Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -n {most}; exec {}", line.join(" ")));
    shell.stdin(std::process::Stdio::null());
    shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    *command = shell;
}

#[test]
fn case_160_catastrophic_expressions() {
    on_workers(|workers| {
        let yaml = "routes:\n  t.test:\n    - { when: { headers: { x: { regex: '^(a+)+$' } } }, respond: matched }\n    \
            - { when: { path: { regex: '(x+x+)+y' } }, respond: matched }\n    - respond: rest\n";
        let proxy = Proxy::start(workers, yaml);
        let before = proxy.ticks();
        let input = format!("GET /{} HTTP/1.1\r\nHost: t.test\r\nX: {}!\r\n\r\n", "x".repeat(8000), "a".repeat(10_000));
        assert_eq!(proxy.ask(input).text(), "rest");
        assert!(proxy.ticks() - before < 50, "{} ticks for one request", proxy.ticks() - before);
    });
}

#[test]
fn requests_per_connection() {
    on_workers(|workers| {
        let pair = Pair::with(workers, Origin::ok(), "limits: { requests_per_connection: 3 }\n");
        let mut client = pair.proxy.connect();
        for n in 0..3 {
            client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
            let answer = client.response();
            assert_eq!((answer.status(), answer.field("connection") == Some("close")), (200, n == 2), "{answer:#?}");
        }
        client.ends();
    });
}

#[test]
fn total_time_where_it_is_set() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if wire.request().is_some() {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
                while wire.push_until_blocked(Duration::from_millis(50), 1) > 0 && !wire.stirred() {
                    poll_for(Duration::from_millis(20), || None::<()>);
                }
            }
        });
        let pair = Pair::with(workers, origin, "timeouts: { total: 600ms }\n");
        let start = Instant::now();
        let mut client = pair.proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.head().status(), 200);
        assert!(client.rest().len() < 1_000_000);
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(5), "{took:?}");
    });
}

#[test]
fn body_larger_than_the_route_allows() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| drop(wire.rest()));
        let yaml = format!("routes:\n  t.test: {{ to: {}, max_body: 1KiB }}\n", origin.address());
        let proxy = Proxy::start(workers, &yaml);
        let answer = proxy.ask("POST / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 1025\r\n\r\nx");
        assert_own_answer(&answer, 413, "body_too_large");
        origin.assert_untouched();
        // A chunked one shows its size only as it comes.
        let mut client = proxy.send("POST / HTTP/1.1\r\nHost: t.test\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.offer(format!("400\r\n{}\r\n", "x".repeat(1024)));
        client.offer("1\r\ny\r\n0\r\n\r\n");
        assert_own_answer(&client.response(), 413, "body_too_large");
        client.ends();
        origin.wait_all_ended();
        let received = String::from_utf8(origin.received()).unwrap();
        let body = received.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        assert!(!body.contains("0\r\n\r\n"), "a clean end was made up: {body:?}");
    });
}
