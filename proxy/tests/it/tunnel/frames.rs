//! Frames in tunnels: what the log knows of them, and how the proxy says goodbye.

use super::life::{handing_out, tunnel};
use crate::harness::ws::{CLOSE, PING, PONG, TEXT, expect_close, frame, next_frame, open};
use crate::harness::{Pair, Proxy, on_workers, poll, run};
use std::time::{Duration, Instant};

const BINARY: u8 = 0x82;

#[test]
fn a_tunnels_line_tells_messages_and_who_closed() {
    on_workers(|workers| {
        let (origin, take) = handing_out();
        let pair = Pair::new(workers, origin);
        let (mut client, mut server) = tunnel(&pair, &take);
        // In one write, and a head in pieces: nothing is lost or held for long.
        let messages = [frame(TEXT, b"one", true), frame(BINARY, &[7; 300], true), frame(PING, b"p", true)].concat();
        client.send(&messages);
        server.expect(&messages);
        server.send(frame(PONG, b"p", false));
        client.expect(frame(PONG, b"p", false));
        let long = frame(TEXT, &[b'x'; 70_000], false);
        for byte in &long[..12] {
            server.send([*byte]);
        }
        server.send(&long[12..]);
        client.expect(&long);
        // An unmasked frame of a client is a fault, and passes.
        client.send(frame(TEXT, b"bare", false));
        server.expect(frame(TEXT, b"bare", false));
        client.send(frame(CLOSE, &4001_u16.to_be_bytes(), true));
        expect_close(&mut server, 4001);
        server.send(frame(CLOSE, &4001_u16.to_be_bytes(), false));
        expect_close(&mut client, 4001);
        server.finish();
        client.ends();
        drop(client);
        let line = pair.proxy.wait_access_of("/ws");
        let number = |key: &str| line[key].as_u64();
        assert_eq!((number("messages_in"), number("messages_out")), (Some(3), Some(1)), "{line}");
        assert_eq!((number("longest_message"), number("frame_faults")), (Some(70_000), Some(1)), "{line}");
        assert_eq!((number("close_code"), line["closed_by"].as_str()), (Some(4001), Some("client")), "{line}");
        assert!(line["pong_ms"].is_number() && line["reason"].is_null(), "{line}");
    });
}

#[test]
fn shutdown_closes_with_a_code_between_messages() {
    on_workers(|workers| {
        let (origin, take) = handing_out();
        let pair = Pair::with(workers, origin, "drain: { tunnels: 300ms, code: 1001 }\n");
        let (mut client, mut server) = tunnel(&pair, &take);
        // The endpoint is in the middle of a message: the client gets its end before the Close.
        let half = frame(0x01, b"first half", false);
        server.send(&half);
        client.expect(&half);
        let Pair { mut proxy, origin: _origin } = pair;
        proxy.signal("TERM");
        // It is not told either, or it would never say the rest.
        let told = Instant::now();
        poll("the time to be up", || (told.elapsed() >= Duration::from_millis(700)).then_some(()));
        assert!(!server.stirred() && !client.stirred(), "a Close in the middle of a message");
        let end = frame(0x80, b"second half", false);
        server.send(&end);
        assert_eq!(next_frame(&mut server), Some((CLOSE, 1001_u16.to_be_bytes().to_vec())), "masked");
        server.send(frame(CLOSE, &1001_u16.to_be_bytes(), false));
        client.expect(&end);
        expect_close(&mut client, 1001);
        client.send(frame(CLOSE, &1001_u16.to_be_bytes(), true));
        client.ends();
        server.ends();
        assert_eq!(proxy.wait_exit().code(), Some(0));
        let line = proxy.wait_access_of("/ws");
        assert_eq!((line["reason"].as_str(), line["closed_by"].as_str()), (Some("draining"), Some("proxy")), "{line}");
        assert_eq!(line["close_code"].as_u64(), Some(1001), "{line}");
    });
}

#[test]
fn drain_on_demand_is_paced_and_shows_progress() {
    on_workers(|workers| {
        let (origin, take) = handing_out();
        let to = origin.address();
        let proxy = Proxy::start(workers, &format!("routes:\n  t.test: {to}\n  other.test: {to}\n"));
        let mut other = proxy.connect();
        open(&mut other, "other.test", "/ws");
        let _other = take.recv_timeout(crate::harness::PATIENCE).unwrap();
        let mut clients = Vec::new();
        let mut servers = Vec::new();
        for _ in 0..6 {
            let mut client = proxy.connect();
            open(&mut client, "t.test", "/ws");
            clients.push(client);
            servers.push(take.recv_timeout(crate::harness::PATIENCE).unwrap());
        }
        // The one that has said something last goes last on its worker.
        let text = frame(TEXT, b"awake", true);
        clients[0].send(&text);
        servers[0].expect(&text);
        let config = proxy.config();
        let drained = std::thread::scope(|scope| {
            let start = Instant::now();
            let asked = scope.spawn(|| {
                let config = config.to_str().unwrap();
                run(proxy.dir().path(), &["drain", "t.test", "--spread", "1200ms", "--code", "3001", "-c", config])
            });
            let ends: Vec<_> = clients
                .iter_mut()
                .zip(&mut servers)
                .map(|(client, server)| {
                    scope.spawn(move || {
                        expect_close(client, 3001);
                        let end = start.elapsed();
                        expect_close(server, 3001);
                        client.send(frame(CLOSE, &3001_u16.to_be_bytes(), true));
                        server.send(frame(CLOSE, &3001_u16.to_be_bytes(), false));
                        client.gone();
                        end
                    })
                })
                .collect();
            let ends: Vec<Duration> = ends.into_iter().map(|end| end.join().unwrap()).collect();
            let (first, last) = (ends.iter().min().unwrap(), ends.iter().max().unwrap());
            assert!(*last - *first >= Duration::from_millis(400), "all at once: {ends:?}");
            // Where there are several workers each has an order of its own.
            assert!(workers > 1 || ends[0] == *last, "the one that spoke last is not the last: {ends:?}");
            asked.join().unwrap()
        });
        let said = String::from_utf8_lossy(&drained.stdout);
        assert!(drained.status.success() && said.contains("6 of 6 streams have ended"), "{drained:?}");
        assert!(!other.stirred(), "another route's tunnel was ended");
        let unknown = run(proxy.dir().path(), &["drain", "nobody", "-c", config.to_str().unwrap()]);
        assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    });
}
