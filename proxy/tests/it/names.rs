//! Endpoints by name: followed by TTL, asked for again where a connect fails, kept while the resolver fails.

use crate::harness::dns::{Answer, Dns};
use crate::harness::{Origin, Proxy, Wire, on_workers, poll, poll_for};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// An origin at an address of loopback that says which it is and keeps no connection.
fn origin(last: u8, port: u16) -> Origin {
    Origin::start_at(SocketAddr::from(([127, 0, 0, last], port)), move |wire, _| {
        while wire.request().is_some() {
            let body = format!("at {last}");
            wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
    })
}

fn start(workers: usize, dns: &Dns, more: &str, to: &str) -> Proxy {
    Proxy::start(workers, &format!("dns: {{ {}{more} }}\nroutes: {{ t.test: \"{to}\" }}\n", dns.setting()))
}

/// Who answers now: the body, or the status where it is not 200.
fn who(proxy: &Proxy) -> String {
    let answer = proxy.get("t.test", "/");
    if answer.status() == 200 { answer.text() } else { format!("{}", answer.status()) }
}

/// How long it takes until another answers, and how long the slowest request took meanwhile: what this machine adds.
#[track_caller]
fn until(proxy: &Proxy, expect: &str) -> (Duration, Duration) {
    let (start, mut slowest) = (Instant::now(), Duration::ZERO);
    poll(expect, || {
        let asked = Instant::now();
        let now = who(proxy);
        slowest = slowest.max(asked.elapsed());
        (now == expect).then_some(())
    });
    (start.elapsed(), slowest)
}

#[test]
fn experiment_13_a_name_that_moves_is_followed_within_its_ttl_and_a_second() {
    const TTL: u32 = 2;
    on_workers(|workers| {
        let (a, dns) = (origin(2, 0), Dns::start());
        let _b = origin(3, a.port());
        dns.point("app.test", 2, TTL);
        let proxy = start(workers, &dns, "", &format!("app.test:{}", a.port()));
        poll("the first address", || (who(&proxy) == "at 2").then_some(()));
        for last in [3, 2, 3] {
            dns.point("app.test", last, TTL);
            let (took, slowest) = until(&proxy, &format!("at {last}"));
            eprintln!("followed after {took:?}; the slowest request took {slowest:?}");
            let promised = Duration::from_secs(u64::from(TTL) + 1);
            assert!(took <= promised + 4 * slowest, "{took:?}, with requests of {slowest:?}");
        }
        // Whatever the resolver says now, the last addresses stay.
        for trouble in [Answer::Failure, Answer::Nothing] {
            let asked = dns.asked("app.test");
            dns.set("app.test", trouble);
            poll("two more questions", || (dns.asked("app.test") > asked + 3).then_some(()));
            assert_eq!(who(&proxy), "at 3");
        }
        proxy.wait_log("its last addresses stay in use");
        dns.point("app.test", 2, 1);
        poll("the first address again", || (who(&proxy) == "at 2").then_some(()));
        proxy.stop();
    });
}

#[test]
fn experiment_13_a_thousand_addresses_are_a_bounded_list() {
    let (a, dns) = (origin(1, 0), Dns::start());
    let many = (0..1000_u32).map(|n| IpAddr::from(Ipv4Addr::from(0x7f00_0001 + n))).collect();
    dns.set("many.test", Answer::Hosts(many, 600));
    let proxy = start(1, &dns, "", &format!("many.test:{}", a.port()));
    // Of loopback's addresses one alone has somebody who listens: the others refuse, and are passed over.
    poll("an answer", || (who(&proxy) == "at 1").then_some(()));
    assert!(proxy.wait_log("many.test").contains("64"), "no more than 64 are used");
    proxy.stop();
}

#[test]
fn experiment_14_a_resolver_that_is_silent_holds_up_neither_start_nor_reload() {
    let (a, dns) = (origin(1, 0), Dns::start());
    dns.set("app.test", Answer::Silence);
    let begun = Instant::now();
    let proxy = start(2, &dns, "", &format!("app.test:{}", a.port()));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(who(&proxy), "503");
    let begun = Instant::now();
    let text = format!(
        "dns: {{ {} }}\nroutes: {{ t.test: \"app.test:{}\", u.test: {{ respond: new }} }}\n",
        dns.setting(),
        a.port()
    );
    proxy.write_config(&text);
    poll("the reload", || (proxy.get("u.test", "/").status() == 200).then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    dns.point("app.test", 1, 5);
    poll("an address", || (who(&proxy) == "at 1").then_some(()));
    proxy.stop();
}

#[test]
fn a_refused_connect_asks_again_whatever_the_ttl() {
    on_workers(|workers| {
        let dns = Dns::start();
        let gone = TcpListener::bind("127.0.0.2:0").unwrap();
        let port = gone.local_addr().unwrap().port();
        drop(gone);
        let _b = origin(3, port);
        dns.point("app.test", 2, 600);
        let proxy = start(workers, &dns, ", max_ttl: 1h", &format!("app.test:{port}"));
        poll("the name", || (who(&proxy) != "503").then_some(()));
        dns.point("app.test", 3, 600);
        let moved = Instant::now();
        poll("the other address", || (who(&proxy) == "at 3").then_some(()));
        assert!(moved.elapsed() < Duration::from_secs(5), "{:?}", moved.elapsed());
        proxy.stop();
    });
}

/// Listens and never accepts, with a queue that is full: a connect to it gets no answer, as behind a dropped packet.
pub(crate) fn black_hole(at: SocketAddr) -> (TcpListener, Vec<TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::for_address(at), socket2::Type::STREAM, None).unwrap();
    socket.bind(&at.into()).unwrap();
    socket.listen(0).unwrap();
    let listener: TcpListener = socket.into();
    let at = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&at, Duration::from_millis(300)) {
        queue.push(stream);
    }
    (listener, queue)
}

#[test]
fn a_request_that_waits_for_a_moved_container_reaches_it_at_its_new_address() {
    on_workers(|workers| {
        let (hole, dns) = (black_hole("127.0.0.2:0".parse().unwrap()), Dns::start());
        let port = hole.0.local_addr().unwrap().port();
        let _b = origin(3, port);
        dns.point("app.test", 2, 600);
        let proxy = start(workers, &dns, ", max_ttl: 1h", &format!("app.test:{port}"));
        poll("the name", || (dns.asked("app.test") > 0).then_some(()));
        let mut client = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n");
        dns.point("app.test", 3, 600);
        // Within timeouts.connect, 3 s, and of one request: nobody has to ask twice.
        let answer = client.response();
        assert_eq!((answer.status(), answer.text()), (200, "at 3".to_owned()));
        proxy.stop();
    });
}

#[test]
fn experiment_04_happy_eyeballs_pass_over_an_address_that_swallows_connects() {
    on_workers(|workers| {
        let (hole, dns) = (black_hole("[::1]:0".parse().unwrap()), Dns::start());
        let port = hole.0.local_addr().unwrap().port();
        let _a = origin(1, port);
        let both = vec![IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), IpAddr::from([127, 0, 0, 1])];
        dns.set("app.test", Answer::Hosts(both, 60));
        let proxy = start(workers, &dns, "", &format!("app.test:{port}"));
        poll("the name", || (dns.asked("app.test") > 1).then_some(()));
        let begun = Instant::now();
        assert_eq!(who(&proxy), "at 1");
        // After 250 ms the second address joins; timeouts.connect would end it all after 3 s.
        assert!(begun.elapsed() < Duration::from_millis(2500), "{:?}", begun.elapsed());
        proxy.stop();
    });
}

#[test]
fn services_say_their_ports_and_who_takes_turns() {
    on_workers(|workers| {
        let (a, b, c, dns) = (origin(1, 0), origin(2, 0), origin(3, 0), Dns::start());
        for (host, last) in [("a.test", 1), ("b.test", 2), ("c.test", 3)] {
            dns.point(host, last, 60);
        }
        let service =
            |priority, weight, origin: &Origin, host: &str| (priority, weight, origin.port(), host.to_owned());
        let all = vec![service(1, 1, &a, "a.test"), service(1, 1, &b, "b.test"), service(2, 1, &c, "c.test")];
        dns.set("_http._tcp.app.test", Answer::Services(all, 1));
        let text = format!(
            "dns: {{ {} }}\nupstreams: {{ app: {{ endpoints: \"srv://_http._tcp.app.test\", pool: {{ idle: off }} }} }}\n\
             routes: {{ t.test: app }}\n",
            dns.setting()
        );
        let proxy = Proxy::start(workers, &text);
        let mut seen = std::collections::BTreeSet::new();
        poll("both of the first priority", || {
            seen.insert(who(&proxy));
            (seen.contains("at 1") && seen.contains("at 2")).then_some(())
        });
        assert!(!seen.contains("at 3"), "the second priority is for when the first fails: {seen:?}");
        dns.set("_http._tcp.app.test", Answer::Services(vec![service(1, 0, &c, "c.test")], 1));
        poll("the third", || (who(&proxy) == "at 3").then_some(()));
        assert!(poll_for(Duration::from_millis(100), || (who(&proxy) != "at 3").then_some(())).is_none());
        proxy.stop();
    });
}

/// An origin of WebSockets at an address of loopback.
fn streams(last: u8, port: u16) -> Origin {
    Origin::start_at(SocketAddr::from(([127, 0, 0, last], port)), move |wire, _| {
        let Some(request) = wire.request() else { return };
        let Some(key) = request.field("sec-websocket-key") else {
            return wire.offer("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        };
        let accept = String::from_utf8(switchboard_core::websocket::accept(key.as_bytes()).to_vec()).unwrap();
        let switching = crate::harness::ws::switching(&format!("X-At: {last}\r\n"));
        wire.send(switching.replace(crate::harness::ws::ACCEPT, &accept));
        // Echoes what comes.
        while let Some(bytes) = wire.at_least(1) {
            wire.offer(bytes);
        }
    })
}

/// Streams over an address that the name no longer has end as `on_remove` says; those over others, or while the resolver
/// only fails, don't.
#[test]
fn streams_over_an_address_that_is_dropped_end_as_on_remove_says() {
    use crate::harness::ws;
    on_workers(|workers| {
        let (a, dns) = (streams(2, 0), Dns::start());
        let port = a.port();
        let _b = streams(3, port);
        let both =
            |dns: &Dns| dns.set("app.test", Answer::Hosts(vec![[127, 0, 0, 2].into(), [127, 0, 0, 3].into()], 1));
        both(&dns);
        let route = |host: &str, what: &str| format!("  {host}: {{ to: \"app.test:{port}\", on_remove: {what} }}\n");
        let proxy = Proxy::start(
            workers,
            &format!(
                "dns: {{ {} }}\ndrain: {{ spread: 0s }}\nroutes:\n{}{}{}",
                dns.setting(),
                route("keep.test", "keep"),
                route("drain.test", "{ drain: 1h }"),
                route("close.test", "{ close: 1012 }")
            ),
        );
        poll("the name", || (dns.asked("app.test") > 1).then_some(()));
        let echoes = |wire: &mut Wire| {
            wire.send(ws::frame(ws::TEXT, b"here", true));
            assert_eq!(wire.exactly(10)[0], ws::TEXT);
        };
        // Addresses take turns, so the fourth has seen both.
        let open = |host: &str| -> Vec<(bool, Wire)> {
            let one = || {
                let mut wire = proxy.connect();
                let answer = ws::open(&mut wire, host, "/");
                (answer.field("x-at") == Some("2"), wire)
            };
            (0..4).map(|_| one()).collect()
        };
        let mut kept = open("keep.test");
        kept.append(&mut open("drain.test"));
        let mut closed = open("close.test");
        assert!(closed.iter().any(|(first, _)| *first) && closed.iter().any(|(first, _)| !first));
        // A resolver that fails says nothing of anybody.
        let asked = dns.asked("app.test");
        dns.set("app.test", Answer::Failure);
        poll("two more questions", || (dns.asked("app.test") > asked + 3).then_some(()));
        closed.iter_mut().chain(&mut kept).for_each(|(_, wire)| echoes(wire));
        dns.set("app.test", Answer::Hosts(vec![[127, 0, 0, 3].into()], 1));
        for (first, wire) in &mut closed {
            if *first {
                ws::expect_close(wire, 1012);
            }
        }
        closed.iter_mut().filter(|(first, _)| !first).chain(&mut kept).for_each(|(_, wire)| echoes(wire));
    });
}

/// The same of streams that share a connection of HTTP/2 to the address.
#[test]
fn streams_of_http2_over_an_address_that_is_dropped_end_as_on_remove_says() {
    use crate::harness::ws;
    on_workers(|workers| {
        let (origin, dns) = (streams(1, 0), Dns::start());
        // One server with every address of loopback, who speaks HTTP/2 to us.
        let near = Proxy::start(
            workers,
            &format!("listen: {{ bind: \"0.0.0.0:0\", h2c: true }}\nroutes: {{ \"*\": \"{}\" }}\n", origin.address()),
        );
        dns.point("app.test", 2, 1);
        let address = format!("h2c://app.test:{}", near.address().port());
        let route = |host: &str, what: &str| format!("  {host}: {{ to: \"{address}\", on_remove: {what} }}\n");
        let proxy = Proxy::start(
            workers,
            &format!(
                "dns: {{ {} }}\ndrain: {{ spread: 0s }}\nroutes:\n{}{}",
                dns.setting(),
                route("keep.test", "keep"),
                route("close.test", "{ close: 1012 }")
            ),
        );
        poll("the name", || (proxy.get("keep.test", "/").status() == 426).then_some(()));
        let open = |host: &str| {
            let mut wire = proxy.connect();
            assert_eq!(ws::open(&mut wire, host, "/").status(), 101);
            wire
        };
        let echoes = |wire: &mut Wire| {
            wire.send(ws::frame(ws::TEXT, b"here", true));
            assert_eq!(wire.exactly(10)[0], ws::TEXT);
        };
        let (mut kept, mut closed) = (open("keep.test"), open("close.test"));
        echoes(&mut kept);
        echoes(&mut closed);
        dns.point("app.test", 3, 1);
        ws::expect_close(&mut closed, 1012);
        echoes(&mut kept);
        // Who comes now goes to the other address, and stays.
        echoes(&mut open("close.test"));
    });
}
