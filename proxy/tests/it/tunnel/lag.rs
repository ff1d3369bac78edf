//! Readers that are too slow: what `websocket.on_lag` does, and what all tunnels together may hold (`limits.tunnel_memory`).

use super::life::{handing_out, tunnel};
use crate::harness::ws::{CLOSE, TEXT, expect_close, frame, next_frame, open, upgrade};
use crate::harness::{Origin, PATIENCE, Pair, Proxy, Wire, on_workers, poll};
use crate::tls::peer::{Authority, connect_narrow};
use std::io::{Read as _, Write as _};
use std::sync::mpsc::Receiver;
use std::time::Duration;

fn lagging(workers: usize, on_lag: &str) -> (Proxy, Origin, Receiver<Wire>) {
    let (origin, take) = handing_out();
    let to = origin.address();
    let rule = format!("routes:\n  t.test: {{ to: \"{to}\", websocket: {{ on_lag: {on_lag} }} }}\n");
    (Proxy::start(workers, &rule), origin, take)
}

/// A message of the server's with its number in front.
fn message(number: u32, first: u8) -> Vec<u8> {
    let mut payload = vec![b'.'; 8000];
    payload[..4].copy_from_slice(&number.to_be_bytes());
    frame(first, &payload, false)
}

#[test]
fn drop_oldest_leaves_out_whole_messages() {
    on_workers(|workers| {
        let (proxy, _origin, take) = lagging(workers, "drop_oldest");
        let mut client = Wire::connect_narrow(proxy.address());
        open(&mut client, "t.test", "/ws");
        let mut server = take.recv_timeout(PATIENCE).unwrap();
        // Far more than the kernel holds: the server is never slowed down for long.
        let count = 3000;
        for number in 0..count {
            // Some look compressed: none of these may be missing, and they fit into what may be held.
            server.send(message(number, if number % 600 == 0 { TEXT | 0x40 } else { TEXT }));
        }
        let mut seen = Vec::new();
        while seen.last() != Some(&(count - 1)) {
            let (first, payload) = next_frame(&mut client).unwrap();
            assert_eq!(payload.len(), 8000, "a part of a message");
            let number = u32::from_be_bytes(payload[..4].try_into().unwrap());
            assert_eq!(first & 0x40 != 0, number % 600 == 0);
            seen.push(number);
        }
        assert!(seen.is_sorted_by(|one, next| one < next), "out of order");
        assert!(seen.len() < count as usize, "nothing was left out");
        let compressed = seen.iter().filter(|number| **number % 600 == 0).count();
        assert_eq!(compressed, 5, "what is compressed stays");
        client.send(frame(CLOSE, &1000_u16.to_be_bytes(), true));
        expect_close(&mut server, 1000);
        server.send(frame(CLOSE, &1000_u16.to_be_bytes(), false));
        expect_close(&mut client, 1000);
        drop((client, server));
        let line = proxy.wait_access_of("/ws");
        assert_eq!(line["dropped"].as_u64(), Some(u64::from(count) - seen.len() as u64), "{line}");
        assert!(line["lag_ms"].is_number(), "{line}");
    });
}

/// TLS has begun to send what it has encrypted: that can't be left out, or what follows stands at a wrong place. Messages of
/// one length would not show it.
#[test]
fn drop_oldest_cuts_nothing_out_of_what_tls_has_encrypted() {
    let authority = Authority::new();
    authority.issue("t", &["t.test"]);
    on_workers(|workers| {
        let (origin, take) = handing_out();
        let text = format!(
            "listen: {{ bind: 127.0.0.1:0, tls: {{ certificates: {} }} }}\n\
             routes:\n  t.test: {{ to: \"{}\", websocket: {{ on_lag: drop_oldest }} }}\n",
            authority.pair("t"),
            origin.address()
        );
        let proxy = Proxy::start(workers, &text);
        let mut secure = connect_narrow(proxy.address(), "t.test", &authority.client(None)).unwrap();
        let client = secure.bytes();
        client.write_all(upgrade("t.test", "/ws", "").as_bytes()).unwrap();
        let mut server = take.recv_timeout(PATIENCE).unwrap();
        let (count, length) = (9000_u32, |number: u32| 600 + (number % 1009 * 7919 % 800) as usize);
        let payload = |number: u32| [&number.to_be_bytes()[..], &vec![b'.'; length(number)]].concat();
        for number in 0..count {
            server.send(frame(TEXT, &payload(number), false));
        }
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let (mut seen, mut last) = (0, None);
        while last != Some(count - 1) {
            let mut start = [0; 8];
            client.read_exact(&mut start).unwrap();
            let number = u32::from_be_bytes(start[4..].try_into().unwrap());
            let expect = frame(TEXT, &payload(number), false);
            assert_eq!(start[..], expect[..8], "the frame after {last:?}");
            let mut rest = vec![0; expect.len() - 8];
            client.read_exact(&mut rest).unwrap();
            assert!(rest == expect[8..], "torn: {number} after {last:?}");
            assert!(last < Some(number), "out of order");
            (seen, last) = (seen + 1, Some(number));
        }
        assert!(seen < count, "nothing was left out");
    });
}

#[test]
fn close_ends_a_tunnel_whose_reader_is_too_slow() {
    on_workers(|workers| {
        let (proxy, _origin, take) = lagging(workers, "close");
        let mut client = Wire::connect_narrow(proxy.address());
        open(&mut client, "t.test", "/ws");
        let mut server = take.recv_timeout(PATIENCE).unwrap();
        let sent = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut sent = 0_u32;
                while !server.stirred() {
                    server.offer(message(sent, TEXT));
                    sent += 1;
                }
                expect_close(&mut server, 1013);
                sent
            });
            poll("the writer to be stopped", || writer.is_finished().then_some(()));
            writer.join().unwrap()
        });
        assert!(sent > 1);
        server.send(frame(CLOSE, &1013_u16.to_be_bytes(), false));
        // Everything up to there is whole, and then the Close.
        loop {
            match next_frame(&mut client).unwrap() {
                (TEXT, payload) => assert_eq!(payload.len(), 8000),
                (CLOSE, code) => break assert_eq!(code, 1013_u16.to_be_bytes()),
                other => panic!("{:?}", other.0),
            }
        }
        client.send(frame(CLOSE, &1013_u16.to_be_bytes(), true));
        client.gone();
        let line = proxy.wait_access_of("/ws");
        assert_eq!((line["reason"].as_str(), line["ended_by"].as_str()), (Some("slow_peer"), Some("client")), "{line}");
        assert_eq!(line["close_code"].as_u64(), Some(1013), "{line}");
    });
}

#[test]
fn all_tunnels_together_hold_no_more_than_they_may() {
    let (origin, take) = handing_out();
    let more = "limits: { tunnel_memory: 1MiB, tunnel_buffer: 1MiB }\nadmin: 127.0.0.1:0\n";
    let pair = Pair::with(1, origin, more);
    let held = || {
        let mut admin = Wire::connect(pair.proxy.admin());
        admin.send("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
        let page = admin.response().text();
        let line = page.lines().find_map(|line| line.strip_prefix("switchboard_tunnels_held_bytes ")).unwrap();
        line.parse::<f64>().unwrap()
    };
    assert!(held() < 1.0);
    // Each reads nothing: what the kernel does not take stays with the proxy, 64 KiB at a time and tunnel.
    let mut ends: Vec<(Wire, Wire)> = (0..40).map(|_| tunnel(&pair, &take)).collect();
    let mut most = 0.0_f64;
    std::thread::scope(|scope| {
        for (_, server) in &mut ends {
            scope.spawn(|| server.push_until_blocked(Duration::from_secs(2), 16 << 20));
        }
        // However long it takes on this machine until that shows.
        poll("forty slow readers to be held for", || {
            most = most.max(held());
            (most > 500_000.0).then_some(())
        });
    });
    most = most.max(held());
    assert!(most <= f64::from((1 << 20) + (64 << 10) + 40 * 1024), "{most} bytes");
    // What flows elsewhere goes on, a little at a time.
    let (mut client, mut server) = tunnel(&pair, &take);
    let text = frame(TEXT, &[b'x'; 20_000], true);
    client.send(&text);
    server.expect(&text);
    drop((ends, client, server));
    poll("everything to be given back", || (held() < 1.0).then_some(()));
}
