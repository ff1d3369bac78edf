//! Cases 112–114 and 120: how tunnels end, and what a slow reader costs.

use crate::harness::ws::{agree, open};
use crate::harness::{Ending, Origin, Pair, Wire, on_workers, poll};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// An origin that agrees and hands each tunnel's end to the test.
pub(super) fn handing_out() -> (Origin, Receiver<Wire>) {
    let (give, take) = channel();
    let give: Mutex<Sender<Wire>> = Mutex::new(give);
    let origin = Origin::start_narrow(move |wire, _| {
        if agree(wire).is_some() {
            // A test that has seen enough takes no more.
            let _ = give.lock().unwrap().send(wire.take());
        }
    });
    (origin, take)
}

/// A tunnel with both of its ends.
#[track_caller]
pub(super) fn tunnel(pair: &Pair, take: &Receiver<Wire>) -> (Wire, Wire) {
    let mut client = Wire::connect_narrow(pair.proxy.address());
    open(&mut client, "t.test", "/ws");
    let server = take.recv_timeout(crate::harness::PATIENCE).expect("no tunnel at the origin");
    (client, server)
}

#[test]
fn case_112_end_of_the_client() {
    on_workers(|workers| {
        let (origin, take) = handing_out();
        let pair = Pair::with(workers, origin, "timeouts: { tunnel_fin: 500ms }\n");
        let before = pair.proxy.idle_sockets();
        // FIN: half-closed on the other side as well, and what is on its way back arrives.
        let (mut client, mut server) = tunnel(&pair, &take);
        client.send("last words");
        client.finish();
        server.expect("last words");
        server.ends();
        server.send("reply");
        drop(server);
        client.expect("reply");
        client.ends();
        // RST: within a second on the other side.
        let (client, mut server) = tunnel(&pair, &take);
        let start = Instant::now();
        client.reset();
        server.gone();
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        // And from the other side.
        let (mut client, server) = tunnel(&pair, &take);
        server.reset();
        client.gone();
        drop(client);
        pair.proxy.wait_sockets(before);
    });
}

#[test]
fn case_113_half_closed_tunnel() {
    on_workers(|workers| {
        for client_ends in [true, false] {
            let (origin, take) = handing_out();
            let pair = Pair::with(workers, origin, "timeouts: { tunnel_fin: 700ms }\n");
            let (client, server) = tunnel(&pair, &take);
            let (mut silent, mut talking) = if client_ends { (client, server) } else { (server, client) };
            let start = Instant::now();
            silent.finish();
            talking.ends();
            // The other direction still flows, and arrives at once.
            for n in 0..20 {
                talking.send(format!("line {n}\n"));
                silent.expect(format!("line {n}\n"));
            }
            // But not for ever: `tunnel_fin` ends what is left.
            silent.gone();
            let took = start.elapsed();
            assert!(took >= Duration::from_millis(600) && took < Duration::from_secs(5), "{took:?}");
        }
    });
}

/// The most of a frame's head that waits for the rest of it: these bytes are frames to the proxy, if strange ones.
const HEAD: usize = 16;

#[test]
fn case_114_slow_reader_of_a_tunnel() {
    on_workers(|workers| {
        for to_client in [true, false] {
            let (origin, take) = handing_out();
            let pair = Pair::new(workers, origin);
            let (client, server) = tunnel(&pair, &take);
            let (mut reader, mut writer) = if to_client { (client, server) } else { (server, client) };
            let resident = pair.proxy.resident();
            let taken = writer.push_until_blocked(Duration::from_millis(300), kernel_room() * 2);
            // What the kernel may hold for a socket on each side, and at most 64 KiB of ours.
            assert!(taken < kernel_room() + (1 << 20), "{taken} bytes vanished into the proxy");
            let grown = pair.proxy.resident().saturating_sub(resident);
            assert!(grown < 4096, "{grown} KiB more memory for one slow reader");
            // Nothing is lost once it reads on.
            let got = reader.exactly(taken - HEAD);
            assert!(got.iter().all(|&b| b == b'x'));
            writer.send("end");
            reader.expect([[b'x'; HEAD].as_slice(), b"end"].concat());
        }
    });
}

/// The most that the kernel holds on the way: a receive buffer before the proxy, a send buffer behind it.
fn kernel_room() -> usize {
    ["tcp_rmem", "tcp_wmem"]
        .iter()
        .map(|name| {
            let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).unwrap();
            text.split_whitespace().last().unwrap().parse::<usize>().unwrap()
        })
        .sum()
}

#[test]
fn case_120_upgraded_connection_is_never_pooled() {
    on_workers(|workers| {
        let (origin, take) = handing_out();
        let pair = Pair::with(workers, origin, "timeouts: { tunnel_fin: 300ms }\n");
        for n in 0..3 {
            let (mut client, mut server) = tunnel(&pair, &take);
            client.finish();
            server.ends();
            server.finish();
            client.ends();
            assert_eq!(pair.origin.connections(), n + 1, "an upgraded connection was used again");
        }
    });
}

#[test]
fn tunnel_is_logged_when_it_ends() {
    on_workers(|workers| {
        let (origin, take) = handing_out();
        let pair = Pair::with(workers, origin, "");
        let (mut client, mut server) = tunnel(&pair, &take);
        client.send("12345");
        server.expect("12345");
        server.send("1234567");
        client.expect("1234567");
        assert!(pair.proxy.stdout().is_empty(), "logged before its end");
        client.finish();
        server.ends();
        drop(server);
        client.ends();
        let line = pair.proxy.wait_access_of("/ws");
        assert_eq!((&line["status"], &line["method"]), (&101.into(), &"GET".into()), "{line}");
        assert_eq!(
            (&line["tunnel"], &line["bytes_in"], &line["bytes_out"]),
            (&"websocket".into(), &5.into(), &7.into()),
            "{line}"
        );
        assert!(line["tunnel_ms"].is_number(), "{line}");
    });
}

#[test]
fn quiet_tunnels_stay() {
    on_workers(|workers| {
        let (origin, take) = handing_out();
        let more =
            "timeouts: { head: 300ms, body: 300ms, keep_alive: 300ms, first_byte: 300ms, idle: 300ms, write: 300ms }\n";
        let pair = Pair::with(workers, origin, more);
        let (mut client, mut server) = tunnel(&pair, &take);
        // A plain connection beside it runs into `keep_alive`: by then every time-out of a request is over thrice.
        for _ in 0..3 {
            let mut other = pair.proxy.connect();
            other.send("GET / HTTP/1.1\r\nHost: unknown.test\r\n\r\n");
            assert_eq!(other.response().status(), 404);
            assert_eq!(other.gone(), Ending::Closed);
        }
        assert!(!client.stirred() && !server.stirred(), "a quiet tunnel was ended");
        client.send("still here");
        server.expect("still here");
    });
}

#[test]
fn killed_origin_ends_its_tunnels() {
    on_workers(|workers| {
        let (origin, take) = handing_out();
        let pair = Pair::new(workers, origin);
        let (mut client, server) = tunnel(&pair, &take);
        drop(server);
        poll("the client to be told", || client.stirred().then_some(()));
        client.gone();
    });
}
