//! Sticky sessions: our cookie, theirs, and the moment in which theirs is set.

use super::{addresses, group, letters, reload};
use crate::harness::{Message, Origin, Proxy, on_workers, poll};

/// Asks with cookies.
fn ask(proxy: &Proxy, cookies: &str) -> Message {
    let line = if cookies.is_empty() { String::new() } else { format!("Cookie: {cookies}\r\n") };
    proxy.ask(format!("GET / HTTP/1.1\r\nHost: t.test\r\n{line}\r\n"))
}

/// The pair that an answer sets, with what stands behind it.
fn set(answer: &Message) -> Option<(String, String)> {
    let line = answer.field("set-cookie")?;
    let (pair, rest) = line.split_once(';')?;
    Some((pair.to_owned(), rest.to_owned()))
}

#[test]
fn a_client_stays_where_it_was() {
    on_workers(|workers| {
        let origins = letters(3);
        let proxy = group(workers, &addresses(&origins), "sticky: { cookie: sb, ttl: 1h }", "");
        for _ in 0..3 {
            let first = ask(&proxy, "");
            let (pair, rest) = set(&first).expect("a client without a cookie gets one");
            assert!(pair.starts_with("sb="), "{pair}");
            assert_eq!(rest, " Path=/; Max-Age=3600; HttpOnly; SameSite=Lax");
            for _ in 0..6 {
                let next = ask(&proxy, &format!("theirs=1; {pair}; more=2"));
                assert_eq!(next.text(), first.text());
                assert_eq!(set(&next), None, "it has its cookie");
            }
        }
        let seen = origins.iter().flat_map(Origin::requests).filter(|request| request.has("cookie"));
        for request in seen {
            assert_eq!(request.all("cookie"), ["theirs=1; more=2"], "ours is nobody's business upstream");
        }
        // Somebody else's idea of a cookie binds nobody, and is replaced.
        assert!(set(&ask(&proxy, "sb=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).is_some());
    });
}

#[test]
fn sessions_survive_reload_and_restart_and_leave_an_endpoint_that_is_gone() {
    on_workers(|workers| {
        // They close behind each answer: nothing is left of one that is gone.
        let closing = |name| Origin::closing(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}"));
        let mut origins = ["a", "b", "c"].map(closing).map(Some);
        let list: Vec<String> = origins.iter().flatten().map(Origin::address).collect();
        let yaml = |list: &[String]| {
            let list = list.join(", ");
            format!(
                "routes: {{ t.test: g }}\nupstreams: {{ g: {{ endpoints: [{list}], sticky: {{ cookie: sb }} }} }}\n"
            )
        };
        let proxy = Proxy::start(workers, &yaml(&list));
        let first = ask(&proxy, "");
        let (pair, _) = set(&first).unwrap();
        let key = std::fs::metadata(proxy.dir().path().join("state/sticky-key"))
            .or_else(|_| std::fs::metadata(proxy.dir().file("sticky-key")));
        let mode = std::os::unix::fs::PermissionsExt::mode(&key.expect("the key lies in state_dir").permissions());
        assert_eq!(mode & 0o777, 0o600);
        let mut turned = list.clone();
        turned.reverse();
        reload(&proxy, &yaml(&turned));
        (0..4).for_each(|_| assert_eq!(ask(&proxy, &pair).text(), first.text()));
        // Gone from the configuration, and gone from the world: both fall back, and bind anew.
        let at = usize::from(first.text().as_bytes()[0] - b'a');
        let left: Vec<String> = list.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, one)| one.clone()).collect();
        reload(&proxy, &yaml(&left));
        let next = ask(&proxy, &pair);
        let (pair, _) = set(&next).expect("bound anew");
        assert_ne!(next.text(), first.text());
        (0..4).for_each(|_| assert_eq!(ask(&proxy, &pair).text(), next.text()));
        let at = usize::from(next.text().as_bytes()[0] - b'a');
        origins[at] = None;
        // Its listener is closed by a thread of its own.
        poll("the origin to be gone", || std::net::TcpStream::connect(&list[at]).is_err().then_some(()));
        let last = ask(&proxy, &pair);
        assert_eq!(last.status(), 200);
        assert!(set(&last).is_some(), "bound to the one that answered");
    });
}

/// Easegress never sets it on a WebSocket route; a tunnel is where it matters most.
#[test]
fn a_handshake_is_bound_too_and_shares_the_group() {
    on_workers(|workers| {
        // Two servers, each at an address of its own, with a port for pages and one for sockets.
        let pages = [("127.0.0.2:0", "a"), ("127.0.0.3:0", "b")].map(|(at, name)| {
            Origin::start_at(at.parse().unwrap(), move |wire, _| {
                while wire.request().is_some() {
                    wire.offer(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}"));
                }
            })
        });
        let sockets = [("127.0.0.2:0", "a"), ("127.0.0.3:0", "b")].map(|(at, name)| {
            Origin::start_at(at.parse().unwrap(), move |wire, _| {
                if wire.request().is_some() {
                    wire.send(format!(
                        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Name: {name}\r\n\
                         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
                    ));
                    let _ = wire.rest();
                }
            })
        });
        let ends = |origins: &[Origin]| addresses(origins).join(", ");
        let sticky = "sticky: { cookie: sb, group: app }";
        let proxy = Proxy::start(
            workers,
            &format!(
                "routes: {{ t.test: pages, t.test/ws: sockets }}\nupstreams:\n  pages: {{ endpoints: [{}], {sticky} }}\n  \
                 sockets: {{ endpoints: [{}], {sticky} }}\n",
                ends(&pages),
                ends(&sockets)
            ),
        );
        let tunnel = |cookie: &str| {
            proxy.send(format!(
                "GET /ws HTTP/1.1\r\nHost: t.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{cookie}\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ))
        };
        let mut client = tunnel("");
        let head = client.head();
        assert_eq!(head.status(), 101);
        let (pair, _) = set(&head).expect("the 101 sets it");
        for _ in 0..4 {
            assert_eq!(ask(&proxy, &pair).text(), head.field("x-name").unwrap());
            let mut again = tunnel(&format!("Cookie: {pair}\r\n"));
            let again = again.head();
            assert_eq!((again.field("x-name"), set(&again)), (head.field("x-name"), None));
        }
    });
}

#[test]
fn the_applications_cookie_decides_where_the_rule_says_so() {
    on_workers(|workers| {
        let origins = letters(4);
        let proxy = group(workers, &addresses(&origins), "sticky: { app_cookie: sid }", "");
        let mut reached = std::collections::BTreeSet::new();
        for user in 0..12 {
            let cookie = format!("x=1; sid={user}");
            let first = ask(&proxy, &cookie);
            assert_eq!(set(&first), None);
            assert_eq!(ask(&proxy, &cookie).text(), first.text());
            reached.insert(first.text());
        }
        assert!(reached.len() > 1);
        assert_eq!(
            origins.iter().flat_map(Origin::requests).next().unwrap().field("cookie").map(|c| &c[..4]),
            Some("x=1;")
        );
    });
}

#[test]
fn a_session_begins_where_the_application_begins_one() {
    on_workers(|workers| {
        let origin = |name: &'static str| {
            Origin::start(move |wire, _| {
                while let Some(request) = wire.request() {
                    let login = if request.target() == "/login" { "Set-Cookie: sid=1; Path=/\r\n" } else { "" };
                    wire.offer(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n{login}\r\n{name}"));
                }
            })
        };
        let origins = [origin("a"), origin("b")];
        let proxy = group(workers, &addresses(&origins), "sticky: { cookie: sb, when_set: sid }", "");
        assert_eq!(set(&ask(&proxy, "")), None, "no session yet");
        let login = proxy.get("t.test", "/login");
        let ours =
            login.all("set-cookie").into_iter().find(|line| line.starts_with("sb=")).expect("ours beside theirs");
        let pair = ours.split(';').next().unwrap().to_owned();
        assert_eq!(login.all("set-cookie").len(), 2);
        (0..4).for_each(|_| assert_eq!(ask(&proxy, &pair).text(), login.text()));
    });
}

/// A kept connection that ended says little of its endpoint: a session asks there once more before it goes elsewhere.
#[test]
fn a_session_asks_its_endpoint_again_after_a_stale_connection() {
    on_workers(|workers| {
        let origin = |name: &'static str| {
            Origin::start(move |wire, _| {
                // One answer for each connection; the next request finds it closed.
                if wire.request().is_some() {
                    wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}"));
                    wire.request();
                }
            })
        };
        let origins = [origin("a"), origin("b")];
        let proxy = group(workers, &addresses(&origins), "sticky: { cookie: sb }", "");
        // On one connection, so that one worker has the kept one.
        let mut client = proxy.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        let first = client.response();
        let (pair, _) = set(&first).unwrap();
        for n in 1..4 {
            client.send(format!("GET / HTTP/1.1\r\nHost: t.test\r\nCookie: {pair}\r\n\r\n"));
            let next = client.response();
            assert_eq!((next.text(), set(&next)), (first.text(), None), "request {n}");
        }
        let stale: u64 = (1..4).map(|n| proxy.wait_access(n)["attempt"].as_u64().unwrap() - 1).sum();
        assert!(stale > 0, "no connection was stale");
        proxy.stop();
    });
}
