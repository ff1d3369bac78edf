//! The ways of choosing, seen from outside.

use super::{GET, addresses, group, letters, reload};
use crate::harness::{Origin, Proxy, on_workers, poll};

/// What `count` requests on connections of their own are answered with, sorted.
fn ask(proxy: &Proxy, request: &str, count: usize) -> String {
    let mut answers: Vec<String> = (0..count).map(|_| proxy.ask(request).text()).collect();
    answers.sort();
    answers.concat()
}

#[test]
fn turns_follow_weights_and_survive_a_reload() {
    on_workers(|workers| {
        let origins = letters(2);
        let list = addresses(&origins);
        let heavy = format!("{{ address: \"{}\", weight: 3 }}", list[0]);
        let proxy = group(workers, &[heavy, list[1].clone()], "", "");
        assert_eq!(ask(&proxy, GET, 8), "aaaaaabb");
        proxy.ask(GET);
        let yaml = format!(
            "routes: {{ t.test: g }}\nupstreams: {{ g: {{ endpoints: [\"{}\", \"{}\"] }} }}\n",
            list[0], list[1]
        );
        super::reload(&proxy, &yaml);
        assert_eq!(ask(&proxy, GET, 8), "aaaabbbb");
    });
}

#[test]
fn a_backup_serves_while_no_other_can() {
    on_workers(|workers| {
        let (socket, dead) = super::dead();
        let spare = Origin::named("spare");
        let endpoints = [dead.to_string(), format!("{{ address: \"{}\", backup: true }}", spare.address())];
        let proxy = group(workers, &endpoints, "", "");
        assert_eq!(proxy.ask(GET).text(), "spare");
        socket.listen(16).unwrap();
        let listener: std::net::TcpListener = socket.into();
        let mut client = proxy.send(GET);
        let mut first = crate::harness::Wire::from_tcp(listener.accept().unwrap().0);
        assert!(first.request().is_some());
        first.send(super::OK);
        assert_eq!(client.response().text(), "ok");
    });
}

#[test]
fn a_hash_sends_the_same_to_the_same() {
    let check = |balance: &str, request: &dyn Fn(usize) -> String, bare: &str| {
        on_workers(|workers| {
            let origins = letters(4);
            let proxy = group(workers, &addresses(&origins), &format!("balance: {{ hash: {balance} }}"), "");
            let mut reached = std::collections::BTreeSet::new();
            for user in 0..12 {
                let first = proxy.ask(request(user)).text();
                assert_eq!(proxy.ask(request(user)).text(), first, "{balance}");
                reached.insert(first);
            }
            assert!(reached.len() > 1, "{balance}: all went to {reached:?}");
            if !bare.is_empty() {
                assert_eq!(ask(&proxy, bare, 4), "abcd", "{balance}: without it requests take turns");
            }
        });
    };
    let field = |name: &str| {
        let name = name.to_owned();
        move |n: usize| format!("GET / HTTP/1.1\r\nHost: t.test\r\n{name}{n}\r\n\r\n")
    };
    check("{ header: X-User }", &field("x-user: u"), GET);
    check("{ cookie: sid }", &field("Cookie: a=b; sid=u"), GET);
    check("{ query: u }", &|n| format!("GET /?u={n} HTTP/1.1\r\nHost: t.test\r\n\r\n"), GET);
    check("path", &|n| format!("GET /{n} HTTP/1.1\r\nHost: t.test\r\n\r\n"), "");
}

/// An endpoint that a reload puts in the place of another gets its keys, and no key of the others moves.
#[test]
fn one_that_replaces_another_gets_its_keys_alone() {
    on_workers(|workers| {
        let (origins, fresh) = (letters(4), Origin::named("x"));
        let mut list = addresses(&origins);
        let text = |list: &[String]| {
            format!(
                "routes: {{ t.test: g }}\nupstreams: {{ g: {{ endpoints: [{}], balance: {{ hash: path }} }} }}\n",
                list.join(", ")
            )
        };
        let proxy = Proxy::start(workers, &text(&list));
        let whose = || -> String {
            (0..60).map(|n| proxy.ask(format!("GET /{n} HTTP/1.1\r\nHost: t.test\r\n\r\n")).text()).collect()
        };
        let before = whose();
        list[1] = fresh.address();
        reload(&proxy, &text(&list));
        assert_eq!(whose(), before.replace('b', "x"));
        // A reload that changes something else leaves it there.
        reload(&proxy, &format!("{}access_log: off\n", text(&list)));
        assert_eq!(whose(), before.replace('b', "x"));
    });
}

/// Tunnels and event streams count for as long as they live, not for as long as their heads take (invariant 8).
#[test]
fn least_requests_counts_streams() {
    let tunnel = "GET / HTTP/1.1\r\nHost: t.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    on_workers(|workers| {
        let origin = |name: &'static str| {
            Origin::start(move |wire, _| {
                while let Some(request) = wire.request() {
                    if request.has("upgrade") {
                        wire.send(
                            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
                        );
                        let _ = wire.rest();
                        return;
                    }
                    if request.text().is_empty() && request.has("accept") {
                        wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n");
                        let _ = wire.rest();
                        return;
                    }
                    wire.offer(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()));
                }
            })
        };
        let origins = [origin("a"), origin("b")];
        let proxy = group(workers, &addresses(&origins), "balance: least_requests", "");
        let mut first = proxy.send(tunnel);
        assert_eq!(first.head().status(), 101);
        // Whichever has the tunnel gets nothing while the other has nothing to do.
        // (An exchange counts a moment longer than its answer takes to arrive, so a run may have a stray.)
        let free = poll("five in a row", || {
            let answers = ask(&proxy, GET, 5);
            ["aaaaa", "bbbbb"].contains(&answers.as_str()).then(|| answers[..1].to_owned())
        });
        let at = usize::from(free == "b");
        let second = poll("an event stream beside the tunnel", || {
            let mut stream = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\nAccept: text/event-stream\r\n\r\n");
            assert_eq!(stream.head().status(), 200);
            origins[at].requests().iter().any(|request| request.has("accept")).then_some(stream)
        });
        poll("turns where each has one", || (ask(&proxy, GET, 6) == "aaabbb").then_some(()));
        drop(first);
        let other = if free == "a" { "b" } else { "a" };
        poll("the end of the tunnel to count", || (ask(&proxy, GET, 4) == other.repeat(4)).then_some(()));
        drop(second);
    });
}

/// A share by header: the same user on the same side, and about as many as it says.
#[test]
fn a_share_of_the_users_goes_elsewhere() {
    on_workers(|workers| {
        let origins = letters(2);
        let yaml = format!(
            "routes:\n  t.test:\n    - {{ when: {{ share: {{ of: 30%, by: {{ header: x-user }} }} }}, to: \"{}\" }}\n    - {{ to: \"{}\" }}\n",
            origins[0].address(),
            origins[1].address()
        );
        let proxy = Proxy::start(workers, &yaml);
        let request = |user: usize| format!("GET / HTTP/1.1\r\nHost: t.test\r\nX-User: {user}\r\n\r\n");
        let mut client = proxy.connect();
        let mut side = |user| {
            client.send(request(user));
            client.response().text()
        };
        let sides: Vec<String> = (0..300).map(&mut side).collect();
        let share = sides.iter().filter(|side| *side == "a").count();
        assert!((60..120).contains(&share), "{share} of 300 for 30%");
        assert_eq!((0..300).map(side).collect::<Vec<_>>(), sides);
        assert_eq!(proxy.ask(GET).text(), "b", "who has no such header is not among them");
    });
}

/// Each request for itself; the shares of two rules fall independently of each other.
#[test]
fn a_share_of_the_requests_goes_elsewhere() {
    on_workers(|workers| {
        let origins = letters(3);
        let at = addresses(&origins);
        let yaml = format!(
            "routes:\n  t.test:\n    - {{ when: {{ share: 50% }}, to: \"{}\" }}\n    - {{ when: {{ share: 50% }}, to: \"{}\" }}\n    \
             - {{ to: \"{}\" }}\n",
            at[0], at[1], at[2]
        );
        let proxy = Proxy::start(workers, &yaml);
        let mut client = proxy.connect();
        let mut counts = [0; 3];
        for _ in 0..400 {
            client.send(GET);
            counts[usize::from(client.response().text().as_bytes()[0] - b'a')] += 1;
        }
        assert!((150..250).contains(&counts[0]) && (60..140).contains(&counts[1]), "{counts:?} for 200, 100, 100");
    });
}

#[test]
fn a_handshake_without_an_origin_gets_one() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = group(workers, &[origin.address()], "default_origin: http://127.0.0.1", "");
        let ask = |lines: &str| {
            proxy.ask(format!("GET / HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n"));
        };
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        ask(upgrade);
        ask(&format!("{upgrade}Origin: https://a.test\r\n"));
        ask("");
        let seen: Vec<_> = origin.requests().iter().map(|request| request.field("origin").map(str::to_owned)).collect();
        assert_eq!(seen, [Some("http://127.0.0.1".to_owned()), Some("https://a.test".to_owned()), None]);
    });
}

#[test]
fn case_108_pages_of_other_origins_open_no_websocket() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let rule = "websocket: { allowed_origins: [\"https://app.example.com\", \"https://*.example.net\"] }";
        let proxy = group(workers, &[origin.address()], "", rule);
        let ask = |lines: &str| {
            let handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
            proxy.ask(format!("GET / HTTP/1.1\r\nHost: t.test\r\n{handshake}{lines}\r\n"))
        };
        for allowed in [
            "",
            "Origin: https://app.example.com\r\n",
            "Origin: https://a.example.net\r\n",
            "Origin: http://t.test\r\n",
            "Origin: https://t.test:8443\r\n",
        ] {
            assert_eq!(ask(allowed).status(), 200, "{allowed}");
        }
        for denied in [
            "https://evil.test",
            "null",
            "https://app.example.com.evil.test",
            "http://app.example.com",
            "https://t.test.evil.test",
            "https://evil.test/t.test",
            "t.test",
            "https://xt.test",
        ] {
            let answer = ask(&format!("Origin: {denied}\r\n"));
            crate::harness::assert_own_answer(&answer, 403, "denied");
        }
        let both = ask("Origin: https://app.example.com\r\nOrigin: https://evil.test\r\n");
        assert!(matches!(both.status(), 400 | 403), "{both:#?}");
        let seen = origin.requests().len();
        assert_eq!(proxy.ask("GET / HTTP/1.1\r\nHost: t.test\r\nOrigin: https://evil.test\r\n\r\n").status(), 200);
        assert_eq!(origin.requests().len(), seen + 1, "what is no handshake is not asked");
    });
}
