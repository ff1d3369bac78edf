//! The pool's own lines: every policy of balancing, every mode of sessions, origins, shares; and what passes through.

use super::{Server, greet};
use crate::harness::{Origin, Proxy, TempDir, on_workers, run, websocket_judge, ws};
use serde_json::Value;

/// `loadBalance.policy`: each of theirs, with weights, and the hashes by what they hash.
#[test]
fn every_policy_of_load_balance() {
    let Some(judge) = websocket_judge("easegress::policies") else { return };
    let (a, b) = (Server::start(&judge, "a"), Server::start(&judge, "b"));
    let proxy = |more: &str| {
        Proxy::start(
            1,
            &format!(
                "routes: {{ ws.test: pool }}\nupstreams: {{ pool: {{ endpoints: [{{ address: \"{}\", weight: 9 }}, \"{}\"], {more} }} }}\n",
                a.url(),
                b.url()
            ),
        )
    };
    let whom = |proxy: &Proxy, path: &str, lines: &str| -> String {
        greet(proxy, "ws.test", path, lines)["name"].as_str().unwrap().to_owned()
    };
    for (policy, most) in [("random", 56), ("weighted_random", 20), ("round_robin", 5)] {
        let proxy = proxy(&format!("balance: {policy}"));
        let b = (0..40).filter(|_| whom(&proxy, "/", "") == "b").count();
        assert!((1..most).contains(&b) || (policy == "weighted_random" && b == 0), "{policy}: {b} of 40 to b");
        proxy.stop();
    }
    for (hash, header) in
        [("client_ip", ""), ("{ header: x-user }", "X-User: u"), ("{ cookie: sid }", "Cookie: other=1; sid=u")]
    {
        let proxy = proxy(&format!("balance: {{ hash: {hash} }}"));
        for user in 0..4 {
            let lines = if header.is_empty() { String::new() } else { format!("{header}{user}\r\n") };
            let first = whom(&proxy, "/", &lines);
            assert_eq!((0..3).map(|_| whom(&proxy, "/", &lines)).collect::<String>(), first.repeat(3), "{hash}");
        }
        proxy.stop();
    }
    // Theirs logs an unknown one and takes turns.
    let dir = TempDir::new();
    dir.write("switchboard.yaml", "routes: { a: u }\nupstreams: { u: { endpoints: :1, balance: round_robbin } }\n");
    let checked = run(dir.path(), &["check"]);
    assert!(String::from_utf8_lossy(&checked.stderr).contains("round_robin"), "{checked:?}");
}

/// `stickySession` in its three modes, over WebSockets: theirs issues no cookie on a 101.
#[test]
fn every_mode_of_sticky_session() {
    let Some(judge) = websocket_judge("easegress::sticky") else { return };
    let (a, b) = (Server::start(&judge, "a"), Server::start(&judge, "b"));
    for (mode, lines, sets) in [
        ("{ app_cookie: sid }", "Cookie: sid=77\r\n", false),
        ("{ cookie: sb, ttl: 2h }", "", true),
        // Theirs of a WebSocket sets no cookie of its own, so nothing binds yet: the next takes its turn.
        ("{ cookie: sb, when_set: sid }", "", false),
    ] {
        let proxy = Proxy::start(
            1,
            &format!(
                "routes: {{ ws.test: pool }}\nupstreams: {{ pool: {{ endpoints: [\"{}\", \"{}\"], sticky: {mode} }} }}\n",
                a.url(),
                b.url()
            ),
        );
        let mut wire = proxy.send(ws::upgrade("ws.test", "/", lines));
        let answer = wire.head();
        assert_eq!((answer.status(), answer.has("set-cookie")), (101, sets), "{mode}");
        let cookie = answer
            .field("set-cookie")
            .map_or_else(|| lines.to_owned(), |set| format!("Cookie: {}\r\n", set.split(';').next().unwrap()));
        let names: Vec<Value> = (0..4).map(|_| greet(&proxy, "ws.test", "/", &cookie)["name"].clone()).collect();
        let same = names.windows(2).all(|pair| pair[0] == pair[1]);
        assert_eq!(same, !cookie.is_empty(), "{mode}: {names:?}");
        drop(wire);
        proxy.stop();
    }
}

/// `defaultOrigin`, `originPatterns`, and the `filter` of a pool by share (`ipHash`, `headerHash`, `random` with `permil`).
#[test]
fn origins_and_filters_by_share() {
    let Some(judge) = websocket_judge("easegress::origins") else { return };
    let (a, b) = (Server::start(&judge, "a"), Server::start(&judge, "b"));
    let proxy = Proxy::start(
        1,
        &format!(
            "routes:\n  ws.test: {{ to: main, websocket: {{ allowed_origins: [\"https://app.test\"] }} }}\n  \
             share.test:\n    - {{ when: {{ share: {{ of: 50%, by: {{ header: x-user }} }} }}, to: canary }}\n    - {{ to: main }}\n  \
             none.test:\n    - {{ when: {{ share: {{ of: 0.1%, by: client_ip }} }}, to: canary }}\n    - {{ to: main }}\n\
             upstreams:\n  main: {{ endpoints: \"{}\", default_origin: \"http://127.0.0.1/hello\" }}\n  canary: \"{}\"\n",
            a.url(),
            b.url()
        ),
    );
    let origin = |lines: &str| greet(&proxy, "ws.test", "/", lines)["headers"]["origin"].clone();
    // A path in it is trimmed.
    assert_eq!(origin(""), "http://127.0.0.1");
    assert_eq!(origin("Origin: https://app.test\r\n"), "https://app.test");
    let denied = proxy.ask(ws::upgrade("ws.test", "/", "Origin: https://evil.test\r\n"));
    assert_eq!((denied.status(), denied.reason()), (403, "denied"));
    let sides: Vec<Value> = (0..24)
        .map(|user| {
            let lines = format!("X-User: u{user}\r\n");
            let first = greet(&proxy, "share.test", "/", &lines)["name"].clone();
            assert_eq!(greet(&proxy, "share.test", "/", &lines)["name"], first);
            first
        })
        .collect();
    assert!(sides.iter().any(|name| name == "a") && sides.iter().any(|name| name == "b"), "{sides:?}");
    assert_eq!(greet(&proxy, "none.test", "/", "")["name"], "a");
    proxy.stop();
}

/// What theirs answers or takes away reaches the other side: pings, and the offer of compression.
#[test]
fn pings_and_extensions_pass_from_end_to_end() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            let Some(request) = wire.request() else { return };
            assert_eq!(request.field("sec-websocket-extensions"), Some("permessage-deflate"));
            wire.send(ws::switching("Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: b\r\n"));
            wire.expect(ws::frame(ws::PING, b"are you there", true));
            wire.send(ws::frame(ws::PONG, b"are you there", false));
            wire.send(ws::frame(ws::PING, b"and you", false));
            wire.expect(ws::frame(ws::PONG, b"and you", true));
        });
        let proxy = Proxy::start(workers, &format!("routes: {{ ws.test: \"ws://{}\" }}\n", origin.address()));
        let lines = "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Protocol: a, b\r\n";
        let mut wire = proxy.send(ws::upgrade("ws.test", "/", lines));
        let answer = wire.head();
        assert_eq!(answer.field("sec-websocket-extensions"), Some("permessage-deflate"));
        assert_eq!(answer.field("sec-websocket-protocol"), Some("b"));
        wire.send(ws::frame(ws::PING, b"are you there", true));
        wire.expect(ws::frame(ws::PONG, b"are you there", false));
        wire.expect(ws::frame(ws::PING, b"and you", false));
        wire.send(ws::frame(ws::PONG, b"and you", true));
        drop(wire);
        proxy.stop();
    });
}
