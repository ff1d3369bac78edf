//! Many reloads under load: no failed request, no dropped stream, memory back to its start.
//!
//! The light version runs always; the long one is `./check --long` (`cargo test -- --ignored`).

use crate::harness::ws::{TEXT, agree, frame, next_frame, open};
use crate::harness::{Origin, Proxy, Wire, on_workers, poll};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How much of everything.
struct Scale {
    reloads: usize,
    over: Duration,
    sockets: usize,
    streams: usize,
    clients: usize,
}

#[test]
fn twenty_reloads_with_open_sockets() {
    let scale = Scale { reloads: 20, over: Duration::from_secs(2), sockets: 50, streams: 10, clients: 2 };
    on_workers(|workers| hundred_reloads(workers, &scale));
}

#[test]
#[ignore = "long: a minute under load"]
fn a_hundred_reloads_in_a_minute_with_a_thousand_websockets() {
    let scale = Scale { reloads: 100, over: Duration::from_secs(60), sockets: 1000, streams: 100, clients: 4 };
    hundred_reloads(2, &scale);
}

/// An origin with an echo at `/ws`, a stream that says `tick` every 50 ms at `/sse`, and `ok` for all else.
fn origin() -> Origin {
    Origin::start(|wire, _| {
        while let Some(request) = wire.request() {
            match request.target() {
                "/ws" => {
                    wire.send(crate::harness::ws::switching(""));
                    while let Some((first, payload)) = next_frame(wire) {
                        wire.send(frame(first, &payload, false));
                    }
                    return;
                }
                "/sse" => {
                    wire.send(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
                    );
                    while !wire.stirred() {
                        wire.offer("6\r\ntick\n\n\r\n");
                        crate::harness::poll_for(Duration::from_millis(50), || None::<()>);
                    }
                    return;
                }
                _ => wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            }
        }
    })
}

fn config(origin: &Origin, generation: usize) -> String {
    let a = origin.address();
    let changing: String =
        (0..20).map(|n| format!("  g{}.test/{n}: {{ respond: generation {generation} }}\n", generation % 7)).collect();
    format!("access_log: off\nroutes:\n  t.test: {a}\n  gen.test: {{ respond: \"{generation}\" }}\n{changing}")
}

fn hundred_reloads(workers: usize, scale: &Scale) {
    let origin = origin();
    let proxy = Arc::new(Proxy::start(workers, &config(&origin, 0)));
    let mut sockets: Vec<Wire> = (0..scale.sockets)
        .map(|_| {
            let mut client = proxy.connect();
            open(&mut client, "t.test", "/ws");
            client
        })
        .collect();
    let mut streams: Vec<Wire> = (0..scale.streams)
        .map(|_| {
            let mut client = proxy.send("GET /sse HTTP/1.1\r\nHost: t.test\r\n\r\n");
            assert_eq!(client.head().status(), 200);
            client
        })
        .collect();
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = (0..scale.clients)
        .map(|n| {
            let (address, stop, served) = (proxy.address(), Arc::clone(&stop), Arc::clone(&served));
            std::thread::spawn(move || hammer(address, n, &stop, &served))
        })
        .collect();
    poll("the load to flow", || (served.load(Ordering::SeqCst) > 100).then_some(()));
    let resident = proxy.resident();
    let (start, mut rounds) = (Instant::now(), 0);
    for n in 1..=scale.reloads {
        // Renamed into place: a file that is caught half-written is another test's matter.
        let new = proxy.dir().write("new.yaml", &proxy.text(&config(&origin, n)));
        std::fs::rename(new, proxy.config()).unwrap();
        poll(&format!("generation {n}"), || (proxy.get("gen.test", "/").text() == n.to_string()).then_some(()));
        let due = start + scale.over * u32::try_from(n).unwrap() / u32::try_from(scale.reloads).unwrap();
        loop {
            echoed(&mut sockets[rounds % scale.sockets]);
            rounds += 1;
            if Instant::now() >= due {
                break;
            }
        }
    }
    sockets.iter_mut().for_each(echoed);
    for client in &mut streams {
        // From the first tick to the newest, none is missing and the framing never broke.
        assert_eq!(client.chunk(), b"tick\n\n");
        assert!(client.ending().is_none());
    }
    stop.store(true, Ordering::SeqCst);
    for thread in load {
        thread.join().expect("a request failed");
    }
    // Old generations are dropped: memory comes back, but for what the allocator keeps.
    poll("memory to come back", || (proxy.resident() < resident + resident / 5 + 2048).then_some(()));
    drop((sockets, streams));
}

/// Sends a message and has it back.
fn echoed(client: &mut Wire) {
    client.send(frame(TEXT, b"still here", true));
    assert_eq!(next_frame(client).expect("the WebSocket ended"), (TEXT, b"still here".to_vec()));
}

/// Asks without a pause until told to stop, on one connection and on new ones; every answer must be right.
fn hammer(address: std::net::SocketAddr, n: usize, stop: &AtomicBool, served: &AtomicUsize) {
    let mut client = Wire::connect(address);
    while !stop.load(Ordering::SeqCst) {
        if n % 2 == 1 {
            client = Wire::connect(address);
        }
        client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        let answer = client.response();
        assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"), "{answer:#?}");
        if answer.field("connection") == Some("close") {
            client = Wire::connect(address);
        }
        served.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn agreeing_origin_is_what_it_seems() {
    // The harness itself, without a proxy: a test that passes for a wrong reason would pass here too.
    let direct = Origin::start(|wire, _| drop(agree(wire)));
    let mut client = Wire::connect(direct.address().parse().unwrap());
    open(&mut client, "t.test", "/ws");
    client.ends();
}
