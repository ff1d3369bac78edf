//! Cases 101–107 and 117: no tunnel before a verified 101, and none for anything but `websocket`.

use crate::harness::ws::{ACCEPT, KEY, agree, open, switching, upgrade};
use crate::harness::{Origin, Pair, assert_own_answer, on_workers, refused};

#[test]
fn case_101_early_bytes_and_another_status() {
    let early = "GET /early HTTP/1.1\r\nHost: unknown.test\r\n\r\n";
    on_workers(|workers| {
        for (status, answer) in [
            (200, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"),
            (403, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"),
            (426, "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 2\r\n\r\nno"),
        ] {
            let Pair { proxy, origin } = Pair::new(workers, Origin::answering(answer));
            let mut client = proxy.send(format!("{}{early}", upgrade("t.test", "/ws", "")));
            let got = client.response();
            assert_eq!((got.status(), got.text().as_str()), (status, "no"));
            // Held until the answer; then a request like any other, or nothing at all.
            let rest = {
                client.finish();
                String::from_utf8(client.rest()).unwrap()
            };
            assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 404 "), "{rest:?}");
            let received = String::from_utf8(origin.received()).unwrap();
            assert!(!received.contains("early"), "{received:?}");
        }
    });
}

#[test]
fn case_101_early_bytes_wait_for_the_tunnel() {
    on_workers(|workers| {
        let (ask, asked) = std::sync::mpsc::channel::<()>();
        let asked = std::sync::Mutex::new(asked);
        let origin = Origin::start(move |wire, _| {
            let Some(_) = wire.request() else { return };
            asked.lock().unwrap().recv().unwrap();
            assert!(!wire.stirred(), "bytes behind the request were forwarded before the 101");
            wire.send(switching(""));
            wire.expect("early and late");
            wire.send("heard");
        });
        let Pair { proxy, origin } = Pair::new(workers, origin);
        let mut client = proxy.send(format!("{}early", upgrade("t.test", "/ws", "")));
        origin.wait_head(0);
        client.send(" and");
        // Another exchange through the same proxy: by now it has read what was sent above, were it to read it.
        assert_eq!(proxy.get("unknown.test", "/").status(), 404);
        ask.send(()).unwrap();
        assert_eq!(client.head().status(), 101);
        client.send(" late");
        client.expect("heard");
    });
}

#[test]
fn case_102_status_200_with_upgrade_is_no_tunnel() {
    on_workers(|workers| {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\
             Content-Length: 2\r\n\r\nno"
        );
        let Pair { proxy, origin } = Pair::new(workers, Origin::answering(answer));
        let mut client = proxy.send(upgrade("t.test", "/ws", ""));
        let got = client.response();
        assert_eq!((got.status(), got.text().as_str()), (200, "no"));
        assert!(!got.has("upgrade"), "{got:#?}");
        // What follows is HTTP again: routed by the proxy, not tunnelled.
        client.offer("GET /behind HTTP/1.1\r\nHost: unknown.test\r\n\r\n");
        client.finish();
        let rest = String::from_utf8(client.rest()).unwrap();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 404 "), "{rest:?}");
        assert!(!String::from_utf8(origin.received()).unwrap().contains("behind"));
    });
}

#[test]
fn case_103_status_101_that_proves_nothing() {
    let head = "HTTP/1.1 101 Switching Protocols\r\n";
    let answers = [
        format!("{head}Connection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"),
        format!("{head}Upgrade: websocket\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"),
        format!("{head}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
        format!("{head}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {KEY}\r\n\r\n"),
        format!("{head}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept:\r\n\r\n"),
        format!("{head}Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"),
        format!("{head}Upgrade: websocket\r\nConnection: close\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"),
        format!("{head}Upgrade: websocket, h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n"),
        switching(&format!("Sec-WebSocket-Accept: {ACCEPT}\r\n")),
        format!(
            "{head}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            ACCEPT.to_lowercase()
        ),
    ];
    on_workers(|workers| {
        for answer in &answers {
            eprintln!("answered: {answer:?}");
            let answer = answer.clone();
            let origin = Origin::start(move |wire, _| {
                if wire.request().is_some() {
                    wire.send(format!("{answer}evil"));
                    let _ = wire.rest();
                }
            });
            let Pair { proxy, origin } = Pair::new(workers, origin);
            let mut client = proxy.send(upgrade("t.test", "/ws", ""));
            assert_own_answer(&client.response(), 502, "upgrade_failed");
            origin.wait_all_ended();
            let line = proxy.wait_access(0);
            let detail = line["detail"].as_str().unwrap_or_default();
            assert!(detail.contains("101") && line["endpoint"] == origin.address(), "{line}");
        }
    });
}

#[test]
fn case_104_status_101_that_nobody_asked_for() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if wire.request().is_some() {
                wire.send(format!("{}evil", switching("")));
                let _ = wire.rest();
            }
        });
        let Pair { proxy, origin } = Pair::new(workers, origin);
        let mut client = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        let answer = client.response();
        assert_eq!(answer.status(), 502);
        assert!(matches!(answer.reason(), "upstream_bad_response" | "upgrade_failed"), "{answer:#?}");
        origin.wait_all_ended();
    });
}

#[test]
fn case_105_other_protocols_are_plain_requests() {
    on_workers(|workers| {
        for token in ["foo", "h2c", "proto1, websocket", "websocket, proto1", "websocket/13", "TLS/1.0"] {
            let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
            let lines =
                format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {token}\r\nHTTP2-Settings: AAMAAABk\r\n");
            let mut client = proxy.send(format!("GET / HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n"));
            let answer = client.response();
            if answer.status() == 400 {
                origin.assert_untouched();
                continue;
            }
            assert_eq!(answer.status(), 200, "{token}: {answer:#?}");
            let request = origin.wait_request(0);
            assert!(!request.has("upgrade") && !request.has("http2-settings"), "{token}: {request:#?}");
        }
    });
}

#[test]
fn case_105_another_protocol_where_the_route_names_it() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            let Some(request) = wire.request() else { return };
            assert_eq!(request.field("upgrade").map(str::to_lowercase).as_deref(), Some("foo"));
            wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n");
            wire.expect("ping");
            wire.send("pong");
        });
        let yaml = format!("routes:\n  t.test: {{ to: {}, upgrade: [foo] }}\n", origin.address());
        let proxy = crate::harness::Proxy::start(workers, &yaml);
        let mut client = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n");
        assert_eq!(client.head().status(), 101);
        client.send("ping");
        client.expect("pong");
    });
}

#[test]
fn case_106_upgrades_that_cannot_be() {
    let ws = upgrade("t.test", "/ws", "");
    refused(&[
        ws.replace("HTTP/1.1", "HTTP/1.0"),
        ws.replace("GET ", "POST "),
        ws.replace("GET ", "HEAD "),
        upgrade("t.test", "/ws", "Content-Length: 5\r\n") + "hello",
        upgrade("t.test", "/ws", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
    ]);
}

#[test]
fn case_107_key_and_version() {
    let ws = upgrade("t.test", "/ws", "");
    refused(&[
        ws.replace(&format!("Sec-WebSocket-Key: {KEY}\r\n"), ""),
        upgrade("t.test", "/ws", &format!("Sec-WebSocket-Key: {KEY}\r\n")),
    ]);
    on_workers(|workers| {
        // Another version is the origin's to refuse, with the version that it speaks.
        let no = "HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n";
        let Pair { proxy, origin: _origin } = Pair::new(workers, Origin::answering(no));
        let mut client = proxy.send(ws.replace("Version: 13", "Version: 8"));
        let answer = client.response();
        if answer.status() != 400 {
            assert_eq!((answer.status(), answer.field("sec-websocket-version")), (426, Some("13")), "{answer:#?}");
        }
    });
}

#[test]
fn case_107_key_of_another_form_is_the_origins_to_judge() {
    on_workers(|workers| {
        let no = "HTTP/1.1 400 Bad Request\r\nX-From: origin\r\nContent-Length: 0\r\n\r\n";
        let Pair { proxy, origin } = Pair::new(workers, Origin::answering(no));
        let mut client = proxy.send(upgrade("t.test", "/ws", "").replace(KEY, "short"));
        assert_eq!(client.response().field("x-from"), Some("origin"));
        assert_eq!(origin.wait_request(0).field("sec-websocket-key"), Some("short"));
    });
}

#[test]
fn case_117_extensions_and_subprotocols_pass_untouched() {
    on_workers(|workers| {
        let offer = "permessage-deflate; client_max_window_bits, permessage-deflate";
        let origin = Origin::start(move |wire, _| {
            let Some(request) = wire.request() else { return };
            assert_eq!(request.field("sec-websocket-extensions"), Some(offer));
            assert_eq!(request.field("sec-websocket-protocol"), Some("chat, superchat"));
            assert_eq!(request.field("origin"), Some("http://elsewhere.test"));
            assert_eq!(request.field("sec-websocket-version"), Some("13"));
            assert_eq!(request.field("upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
            assert_eq!(request.field("connection").map(str::to_lowercase).as_deref(), Some("upgrade"));
            wire.send(switching(
                "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: superchat\r\n",
            ));
            let _ = wire.rest();
        });
        let Pair { proxy, origin: _origin } = Pair::new(workers, origin);
        let lines = format!(
            "Sec-WebSocket-Extensions: {offer}\r\nSec-WebSocket-Protocol: chat, superchat\r\nOrigin: http://elsewhere.test\r\n"
        );
        let mut client = proxy.send(upgrade("t.test", "/ws", &lines));
        let answer = client.head();
        assert_eq!(answer.status(), 101, "{answer:#?}");
        assert_eq!(answer.field("sec-websocket-extensions"), Some("permessage-deflate"));
        assert_eq!(answer.field("sec-websocket-protocol"), Some("superchat"));
        assert_eq!(answer.field("upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
        assert_eq!(answer.field("connection").map(str::to_lowercase).as_deref(), Some("upgrade"));
        // A frame with RSV1 set (a compressed one) and a short one, both ways, as they are.
        client.finish();
        client.ends();
    });
}

#[test]
fn bytes_behind_the_101_are_the_tunnels() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if wire.request().is_some() {
                wire.send(switching("").into_bytes().into_iter().chain(*b"\x81\x05hello").collect::<Vec<u8>>());
                let _ = wire.rest();
            }
        });
        let Pair { proxy, origin: _origin } = Pair::new(workers, origin);
        let mut client = proxy.send(upgrade("t.test", "/ws", ""));
        assert_eq!(client.head().status(), 101);
        client.expect(b"\x81\x05hello");
    });
}

#[test]
fn every_byte_passes_both_ways() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if agree(wire).is_some() {
                let bytes = wire.exactly(300_000);
                wire.send(bytes);
                let _ = wire.rest();
            }
        });
        let Pair { proxy, origin: _origin } = Pair::new(workers, origin);
        let mut client = proxy.connect();
        open(&mut client, "t.test", "/ws");
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| u8::try_from(n * 7 % 251).unwrap()).collect();
        client.send(&bytes);
        assert_eq!(client.exactly(bytes.len()), bytes);
    });
}
