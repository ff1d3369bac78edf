//! Frames in tunnels: what the log knows of them, and how the proxy says goodbye.

use super::life::{handing_out, tunnel};
use crate::harness::ws::{CLOSE, PING, PONG, TEXT, expect_close, frame, next_frame};
use crate::harness::{Pair, on_workers};

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
        // The endpoint has had its Close, masked, while the client still waits.
        assert_eq!(next_frame(&mut server), Some((CLOSE, 1001_u16.to_be_bytes().to_vec())));
        let end = frame(0x80, b"second half", false);
        server.send(&end);
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
