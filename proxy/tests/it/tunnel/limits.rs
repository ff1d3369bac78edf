//! Cases 115 and 116: what `websocket:` holds a tunnel to, and how the log tells.

use super::life::{handing_out, tunnel};
use crate::harness::ws::{CLOSE, PING, PONG, TEXT, expect_close, frame, next_frame, open, upgrade};
use crate::harness::{Ending, Origin, Pair, Proxy, Wire, on_workers, poll};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// A proxy whose one rule has these limits, and the tunnels that come through it.
fn limited(workers: usize, websocket: &str) -> (Proxy, Origin, Receiver<Wire>) {
    let (origin, take) = handing_out();
    let to = origin.address();
    let rule = format!("routes:\n  t.test: {{ to: \"{to}\", websocket: {websocket} }}\n");
    (Proxy::start(workers, &rule), origin, take)
}

fn both(proxy: &Proxy, take: &Receiver<Wire>) -> (Wire, Wire) {
    let mut client = proxy.connect();
    open(&mut client, "t.test", "/ws");
    (client, take.recv_timeout(crate::harness::PATIENCE).expect("no tunnel at the origin"))
}

/// Answers the Close that both sides have had, and sees both connections end.
fn part(mut client: Wire, mut server: Wire, code: u16) {
    server.send(frame(CLOSE, &code.to_be_bytes(), false));
    client.send(frame(CLOSE, &code.to_be_bytes(), true));
    server.gone();
    client.gone();
}

#[track_caller]
fn check_line(proxy: &Proxy, reason: &str, code: u16, ended_by: &str) {
    let line = proxy.wait_access_of("/ws");
    let texts = (line["reason"].as_str(), line["ended_by"].as_str());
    assert_eq!(texts, (Some(reason), Some(ended_by)), "{line}");
    assert_eq!(line["close_code"].as_u64(), Some(code.into()), "{line}");
}

#[test]
fn case_116_longer_message_closes_with_1009() {
    on_workers(|workers| {
        for (limit, parts) in [
            ("{ max_message: 1000B }", vec![frame(TEXT, &[b'x'; 1001], true)]),
            ("{ max_message: { client: 1000B } }", vec![frame(1, &[b'x'; 600], true), frame(0x80, &[b'x'; 600], true)]),
            ("{ max_frame: 1000B }", vec![frame(TEXT, &[b'x'; 1001], true)]),
        ] {
            let (proxy, _origin, take) = limited(workers, limit);
            let (mut client, mut server) = both(&proxy, &take);
            let fits = frame(TEXT, &[b'y'; 1000], true);
            client.send(&fits);
            server.expect(&fits);
            client.send(parts.concat());
            // What fits has gone on; what does not has not.
            parts[..parts.len() - 1].iter().for_each(|part| server.expect(part));
            expect_close(&mut server, 1009);
            expect_close(&mut client, 1009);
            part(client, server, 1009);
            check_line(&proxy, "message_too_long", 1009, "client");
        }
    });
}

#[test]
fn case_116_strict_closes_with_1002() {
    on_workers(|workers| {
        for (faulty, from_client) in [
            (frame(TEXT, b"unmasked", false), true),
            (frame(TEXT, b"masked", true), false),
            (frame(0xC1, b"RSV without an extension", true), true),
            (frame(PING, &[0; 126], false), false),
            (frame(0x83, b"unknown", true), true),
        ] {
            let (proxy, _origin, take) = limited(workers, "{ strict: true }");
            let (mut client, mut server) = both(&proxy, &take);
            let (at_fault, other) = if from_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
            at_fault.send(&faulty);
            expect_close(other, 1002);
            // Its own Close goes on, and is the one that the side at fault gets.
            other.send(frame(CLOSE, &1002_u16.to_be_bytes(), !from_client));
            expect_close(at_fault, 1002);
            at_fault.send(frame(CLOSE, &1002_u16.to_be_bytes(), from_client));
            client.gone();
            server.gone();
            check_line(&proxy, "frame_fault", 1002, if from_client { "client" } else { "upstream" });
        }
    });
}

#[test]
fn strict_lets_pass_what_answers_the_time_before_the_fault() {
    let (good, answer) = (frame(TEXT, b"good", true), frame(TEXT, b"answer", false));
    let close = frame(CLOSE, &1002_u16.to_be_bytes(), false);
    on_workers(|workers| {
        // The endpoint answers and closes; it answers and ends without a Close; it says nothing.
        for (said, ends) in [([&answer[..], &close].concat(), false), (answer.clone(), true), (Vec::new(), false)] {
            let (proxy, _origin, take) = limited(workers, "{ strict: true }");
            let (mut client, mut server) = both(&proxy, &take);
            let start = Instant::now();
            client.send([&good[..], &frame(0x83, b"unknown", true)].concat());
            server.expect(&good);
            expect_close(&mut server, 1002);
            server.send(&said);
            if ends {
                drop(server);
            }
            if !said.is_empty() {
                client.expect(&answer);
            }
            expect_close(&mut client, 1002);
            assert!(!said.is_empty() || start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
            client.send(frame(CLOSE, &1002_u16.to_be_bytes(), true));
            client.gone();
            check_line(&proxy, "frame_fault", 1002, "client");
        }
    });
}

#[test]
fn strict_ends_what_is_in_the_middle_of_a_message() {
    let (half_a_frame, half_a_message) = (&frame(TEXT, &[b'x'; 10], false)[..5], frame(0x01, b"half", false));
    on_workers(|workers| {
        let (proxy, _origin, take) = limited(workers, "{ strict: true }");
        let (mut in_frame, mut its_server) = both(&proxy, &take);
        let (mut in_message, mut other_server) = both(&proxy, &take);
        its_server.send(half_a_frame);
        in_frame.expect(half_a_frame);
        other_server.send(&half_a_message);
        in_message.expect(&half_a_message);
        for (client, server) in [(&mut in_frame, &mut its_server), (&mut in_message, &mut other_server)] {
            client.send(frame(0xB1, b"RSV", true));
            expect_close(server, 1002);
        }
        // A Close may stand between two frames when no message's end is waited for any more; in a frame nothing may.
        expect_close(&mut in_message, 1002);
        part(in_message, other_server, 1002);
        assert_eq!(in_frame.gone(), Ending::Reset);
        assert_eq!(its_server.gone(), Ending::Reset);
        check_line(&proxy, "frame_fault", 1002, "client");
    });
}

#[test]
fn case_115_silent_tunnel_is_closed_after_idle() {
    on_workers(|workers| {
        let (proxy, _origin, take) = limited(workers, "{ idle: 2s }");
        let (mut client, mut server) = both(&proxy, &take);
        let text = frame(TEXT, b"still here", true);
        let mut last = Instant::now();
        for _ in 0..3 {
            last = Instant::now();
            client.send(&text);
            server.expect(&text);
            poll("half of what is too long", || (last.elapsed() >= Duration::from_secs(1)).then_some(()));
        }
        expect_close(&mut client, 1001);
        assert!(last.elapsed() >= Duration::from_millis(1990), "{:?}", last.elapsed());
        expect_close(&mut server, 1001);
        part(client, server, 1001);
        check_line(&proxy, "tunnel_idle", 1001, "proxy");
    });
}

#[test]
fn old_tunnel_is_closed() {
    on_workers(|workers| {
        let (proxy, _origin, take) = limited(workers, "{ max_age: 500ms }");
        let start = Instant::now();
        let (mut client, mut server) = both(&proxy, &take);
        expect_close(&mut client, 1001);
        assert!(start.elapsed() >= Duration::from_millis(440), "{:?}", start.elapsed());
        expect_close(&mut server, 1001);
        part(client, server, 1001);
        check_line(&proxy, "tunnel_age", 1001, "proxy");
    });
}

#[test]
fn silent_peers_are_pinged_and_a_dead_one_is_found() {
    on_workers(|workers| {
        let (proxy, _origin, take) = limited(workers, "{ ping: 1s }");
        let (mut client, mut server) = both(&proxy, &take);
        for _ in 0..2 {
            let (first, payload) = next_frame(&mut server).unwrap();
            assert_eq!(first, PING);
            server.send(frame(PONG, &payload, false));
            let (first, payload) = next_frame(&mut client).unwrap();
            assert_eq!(first, PING);
            client.send(frame(PONG, &payload, true));
        }
        // Our Pongs go no further: what comes next on each side is the other's message.
        let text = frame(TEXT, b"hello", true);
        client.send(&text);
        server.expect(&text);
        // From now on the server says nothing.
        loop {
            match next_frame(&mut client).unwrap() {
                (PING, payload) => client.send(frame(PONG, &payload, true)),
                (CLOSE, code) => {
                    assert_eq!(code, 1001_u16.to_be_bytes());
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        client.send(frame(CLOSE, &1001_u16.to_be_bytes(), true));
        client.gone();
        check_line(&proxy, "peer_dead", 1001, "upstream");
    });
}

#[test]
fn who_is_not_read_is_not_asked() {
    on_workers(|workers| {
        let (proxy, _origin, take) = limited(workers, "{ ping: 500ms, bytes: { client: 1KB/s } }");
        let (mut client, mut server) = both(&proxy, &take);
        // The client's rate is used up for four seconds and more: a Pong of its would lie unread.
        let long = frame(TEXT, &[b'x'; 5000], true);
        client.send(&long);
        server.expect(&long);
        for _ in 0..4 {
            let (first, payload) = next_frame(&mut server).unwrap();
            assert_eq!(first, PING);
            server.send(frame(PONG, &payload, false));
        }
        assert!(!client.stirred(), "it got a Ping, or a Close");
        server.send(frame(TEXT, b"still here", false));
        client.expect(frame(TEXT, b"still here", false));
    });
}

#[test]
fn who_has_been_told_of_an_end_is_told_nothing_more() {
    on_workers(|workers| {
        let (proxy, _origin, take) = limited(workers, "{ ping: 300ms }");
        let (mut client, mut server) = both(&proxy, &take);
        client.finish();
        server.ends();
        let ended = Instant::now();
        poll("several pings' time", || (ended.elapsed() >= Duration::from_millis(900)).then_some(()));
        let late = frame(TEXT, b"late", false);
        server.send(&late);
        client.expect(&late);
        drop(server);
        assert_eq!(client.gone(), Ending::Closed);
        // The same of a Close.
        let (proxy, _origin, take) = limited(workers, "{ max_age: 500ms }");
        let (mut client, mut server) = both(&proxy, &take);
        client.finish();
        server.ends();
        expect_close(&mut client, 1001);
        server.send(frame(CLOSE, &1001_u16.to_be_bytes(), false));
        assert_eq!(client.gone(), Ending::Closed);
        check_line(&proxy, "tunnel_age", 1001, "proxy");
        // And the other way round.
        let (proxy, _origin, take) = limited(workers, "{ max_age: 500ms }");
        let (mut client, mut server) = both(&proxy, &take);
        server.finish();
        client.ends();
        expect_close(&mut server, 1001);
        client.send(frame(CLOSE, &1001_u16.to_be_bytes(), true));
        assert_eq!(server.gone(), Ending::Closed);
        check_line(&proxy, "tunnel_age", 1001, "proxy");
    });
}

#[test]
fn rates_delay_or_close() {
    on_workers(|workers| {
        let (proxy, _origin, take) = limited(workers, "{ messages: { client: 10/s } }");
        let (mut client, mut server) = both(&proxy, &take);
        let start = Instant::now();
        let text = frame(TEXT, b"hello", true);
        for _ in 0..15 {
            client.send(&text);
            server.expect(&text);
        }
        // Ten at once, and then one each 100 ms.
        assert!(start.elapsed() >= Duration::from_millis(350), "{:?}", start.elapsed());
        // The other direction has no limit.
        let answer = frame(TEXT, b"hello", false);
        server.send(answer.repeat(50));
        client.expect(answer.repeat(50));
        let (proxy, _origin, take) = limited(workers, "{ bytes: 1KB/s, on_rate: close }");
        let (mut client, mut server) = both(&proxy, &take);
        let long = frame(TEXT, &[b'x'; 3000], true);
        client.send(&long);
        server.expect(&long);
        expect_close(&mut client, 1008);
        expect_close(&mut server, 1008);
        part(client, server, 1008);
        check_line(&proxy, "rate_limited", 1008, "client");
    });
}

#[test]
fn more_tunnels_than_allowed_are_refused() {
    on_workers(|workers| {
        for (limit, status, reason) in
            [("{ max_tunnels: 2 }", 503, "overloaded"), ("{ max_tunnels: { client: 2 } }", 429, "rate_limited")]
        {
            let (proxy, origin, take) = limited(workers, limit);
            let (_first, second) = (both(&proxy, &take), both(&proxy, &take));
            let answer = proxy.ask(upgrade("t.test", "/ws", ""));
            assert_eq!((answer.status(), answer.field("x-switchboard-reason")), (status, Some(reason)), "{answer:#?}");
            assert_eq!(origin.connections(), 2, "it was asked first");
            // Its end makes room.
            drop(second);
            poll("room", || {
                let mut client = proxy.connect();
                client.send(upgrade("t.test", "/ws", ""));
                (client.head().status() == 101).then_some(())
            });
        }
    });
}

#[test]
fn no_limits_cost_no_timer_and_keep_the_silent() {
    on_workers(|workers| {
        let (origin, take) = handing_out();
        let pair = Pair::new(workers, origin);
        let (mut client, mut server) = tunnel(&pair, &take);
        let spent = || {
            let (ticks, start) = (pair.proxy.ticks(), Instant::now());
            poll("a while", || (start.elapsed() >= Duration::from_millis(300)).then_some(()));
            pair.proxy.ticks() - ticks
        };
        // What began with the process comes to its end first.
        poll("the end of the start", || (spent() <= 3).then_some(()));
        assert!(spent() <= 3, "a silent tunnel costs time");
        assert!(!client.stirred() && !server.stirred());
    });
}
