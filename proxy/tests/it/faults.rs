//! Origins that fail in every way they know: the right reason each time, and nothing leaks.

use crate::balance::group;
use crate::harness::{Message, Origin, Pair, Proxy, Wire, assert_own_answer, on_workers, poll};
use std::net::TcpListener;
use std::time::{Duration, Instant};

const GET: &str = "GET / HTTP/1.1\r\nHost: t.test\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 2\r\n\r\nok";

/// Asks a few times and asserts the reason each time, that the log says the same, and that no descriptor stays.
#[track_caller]
fn fails(proxy: &Proxy, status: u16, reason: &str) -> Message {
    let before = proxy.idle_sockets();
    let logged = proxy.access().len();
    let mut last = None;
    for n in 0..5 {
        let answer = proxy.ask(GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        assert_own_answer(&answer, status, reason);
        let line = proxy.wait_access(logged + n);
        assert_eq!((&line["status"], &line["reason"]), (&status.into(), &reason.into()), "{line}");
        assert_eq!(line["request_id"], answer.field("x-request-id").unwrap());
        last = Some(answer);
    }
    proxy.wait_sockets(before);
    last.unwrap()
}

#[test]
fn nobody_listens() {
    on_workers(|workers| {
        // A port that was free a moment ago, kept from others by a socket that does not listen.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        let proxy = Proxy::start(workers, &format!("routes: {{ t.test: \"127.0.0.1:{port}\" }}\n"));
        let answer = fails(&proxy, 502, "connect_refused");
        assert!(!answer.text().contains(&port.to_string()), "the address is nobody's business: {}", answer.text());
        // As soon as somebody listens, it works.
        socket.listen(16).unwrap();
        let listener: TcpListener = socket.into();
        let mut client = proxy.send(GET);
        let mut origin = Wire::from_tcp(listener.accept().unwrap().0);
        assert!(origin.request().is_some());
        origin.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        assert_eq!(client.response().text(), "ok");
    });
}

#[test]
fn nobody_accepts() {
    on_workers(|workers| {
        // A listener whose queue is full answers no SYN: `timeouts.connect` must end the wait.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let mut fill = Vec::new();
        while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            fill.push(stream);
            assert!(fill.len() < 100, "the queue never fills");
        }
        let more = "timeouts: { connect: 300ms }\n";
        let proxy = Proxy::start(workers, &format!("routes: {{ t.test: \"{address}\" }}\n{more}"));
        let start = Instant::now();
        let answer = proxy.ask(GET);
        assert_own_answer(&answer, 504, "connect_timeout");
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(250) && took < Duration::from_secs(5), "{took:?}");
    });
}

#[test]
fn origin_that_never_answers() {
    on_workers(|workers| {
        let pair = Pair::with(workers, Origin::silent(), "timeouts: { first_byte: 300ms }\n");
        let start = Instant::now();
        fails(&pair.proxy, 504, "response_timeout");
        assert!(start.elapsed() >= Duration::from_millis(1400), "{:?}", start.elapsed());
        pair.origin.wait_all_ended();
    });
}

#[test]
fn origin_that_stops_within_its_answer() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if wire.request().is_some() {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
                let _ = wire.rest();
            }
        });
        let pair = Pair::with(workers, origin, "timeouts: { idle: 300ms }\n");
        let before = pair.proxy.idle_sockets();
        let mut client = pair.proxy.send(GET);
        assert_eq!(client.head().status(), 200);
        assert_eq!(client.rest(), b"half");
        pair.origin.wait_all_ended();
        assert_eq!(pair.proxy.wait_access(0)["reason"], "response_timeout");
        drop(client);
        pair.proxy.wait_sockets(before);
    });
}

#[test]
fn origin_that_closes_or_resets_before_its_answer() {
    on_workers(|workers| {
        for (part, reset) in [("", false), ("", true), ("HTTP/1.1 2", false), ("HTTP/1.1 200 OK\r\nX: y\r\n", true)] {
            let origin = Origin::start(move |wire, _| {
                if wire.request().is_some() {
                    wire.send(part);
                    if reset {
                        wire.take().reset();
                    }
                }
            });
            let pair = Pair::new(workers, origin);
            fails(&pair.proxy, 502, "upstream_reset");
            // A POST is never sent twice: one connection for it, whatever came of it.
            let before = pair.origin.requests().len();
            assert_own_answer(&pair.proxy.ask(POST), 502, "upstream_reset");
            assert_eq!(pair.origin.requests().len(), before + 1);
        }
    });
}

#[test]
fn origin_that_speaks_no_http() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            wire.offer("SSH-2.0-OpenSSH_9.6\r\n\r\n");
            let _ = wire.rest();
        });
        let pair = Pair::new(workers, origin);
        fails(&pair.proxy, 502, "upstream_bad_response");
    });
}

#[test]
fn origin_with_an_endless_head() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if wire.request().is_some() {
                wire.offer("HTTP/1.1 200 OK\r\n");
                for n in 0..20_000 {
                    wire.offer(format!("X-{n}: {}\r\n", "y".repeat(60)));
                }
                let _ = wire.rest();
            }
        });
        let pair = Pair::new(workers, origin);
        // Once to find its size, and again: that must cost nothing more.
        fails(&pair.proxy, 502, "upstream_bad_response");
        let before = pair.proxy.resident();
        fails(&pair.proxy, 502, "upstream_bad_response");
        let grown = pair.proxy.resident().saturating_sub(before);
        assert!(grown < 2048, "{grown} KiB more");
    });
}

#[test]
fn origin_that_is_killed_while_it_works() {
    // A process, to be killed as operators' processes are.
    on_workers(|workers| {
        let script = "import socket\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\ns.listen()\n\
            print(s.getsockname()[1], flush=True)\nheld = []\nwhile True:\n    c, _ = s.accept()\n    held.append(c)\n    \
            c.recv(65536)\n    print('request', flush=True)\n";
        let mut python = std::process::Command::new("python3")
            .args(["-c", script])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(python.stdout.take().unwrap()));
        let port = lines.next().unwrap().unwrap();
        let proxy = Proxy::start(workers, &format!("routes: {{ t.test: \"127.0.0.1:{port}\" }}\n"));
        let before = proxy.idle_sockets();
        let mut client = proxy.send(GET);
        assert_eq!(lines.next().unwrap().unwrap(), "request");
        python.kill().unwrap();
        python.wait().unwrap();
        let answer = client.response();
        // The first try died with the origin; a second one, if made, found nobody.
        assert_eq!(answer.status(), 502);
        assert!(matches!(answer.reason(), "upstream_reset" | "connect_refused"), "{answer:#?}");
        drop(client);
        let answer = proxy.ask(GET);
        assert_own_answer(&answer, 502, "connect_refused");
        proxy.wait_sockets(before);
    });
}

#[test]
fn another_endpoint_takes_over_where_one_refuses() {
    on_workers(|workers| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        let dead = socket.local_addr().unwrap().as_socket().unwrap();
        let origin = Origin::ok();
        let yaml = format!(
            "routes: {{ t.test: group }}\nupstreams: {{ group: {{ endpoints: [{dead}, {}] }} }}\n",
            origin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        for n in 0..10 {
            // A refused connection has carried nothing: every method may go elsewhere.
            let answer = proxy.ask(if n % 2 == 0 { GET } else { POST });
            assert_eq!(answer.text(), "ok");
        }
        poll("a line with a second attempt", || proxy.access().iter().any(|l| l["attempt"] == 2).then_some(()));
    });
}

#[test]
fn kept_connection_that_dies_under_a_post_is_not_retried() {
    on_workers(|workers| {
        // The second request of each connection is read and dropped.
        let origin = Origin::start(|wire, _| {
            if wire.request().is_some() {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                let _ = wire.request();
            }
        });
        let pair = Pair::new(workers, origin);
        let mut client = pair.proxy.connect();
        client.send(GET);
        assert_eq!(client.response().text(), "ok");
        client.send(POST);
        assert_own_answer(&client.response(), 502, "upstream_reset");
        assert_eq!(pair.origin.requests().len(), 2, "a POST that may have been acted on was sent again");
    });
}

#[test]
fn kept_connection_that_dies_under_a_get_is_retried() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if wire.request().is_some() {
                wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                let _ = wire.request();
            }
        });
        let pair = Pair::new(workers, origin);
        let mut client = pair.proxy.connect();
        for _ in 0..5 {
            client.send(GET);
            assert_eq!(client.response().text(), "ok");
        }
    });
}

#[test]
fn clients_that_come_and_go_leave_nothing_behind() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let pair = Pair { proxy: group(workers, &[origin.address()], "pool: { idle_timeout: 300ms }", ""), origin };
        let before = pair.proxy.idle_sockets();
        for n in 0..120 {
            let mut client = pair.proxy.connect();
            match n % 4 {
                0 => client.send(&GET[..n % GET.len()]),
                1 => client.send(GET),
                2 => client.send("POST / HTTP/1.1\r\nHost: t.test\r\nContent-Length: 9\r\n\r\nhalf"),
                _ => {}
            }
            if n % 3 == 0 { client.reset() } else { drop(client) }
        }
        pair.proxy.wait_sockets(before);
        pair.origin.wait_all_ended();
        assert_eq!(pair.proxy.ask(GET).text(), "ok");
    });
}
