//! Which route answers, and what it does: hosts, paths, conditions, redirects, prefixes, Host.

use crate::harness::{Origin, Proxy, on_workers};

#[test]
fn the_most_specific_route_wins_whatever_the_order() {
    on_workers(|workers| {
        let proxy = Proxy::start(
            workers,
            "routes:\n  \"*\": { respond: any }\n  \"*.b.test\": { respond: suffix }\n  \"*.a.b.test\": { respond: longer }\n  \
             x.b.test: { respond: exact }\n  x.b.test/p: { respond: path }\n  x.b.test/p/q: { respond: deeper }\n  \
             \"*/ws\": { respond: any ws }\n  m.test: { respond: main, also: [www.m.test, \"*.m2.test\"] }\n",
        );
        for (host, path, expect) in [
            ("z.test", "/", "any"),
            ("z.test", "/ws", "any ws"),
            ("z.test", "/wsx", "any"),
            ("b.test", "/", "any"),
            ("y.b.test", "/", "suffix"),
            ("y.b.test", "/ws", "suffix"),
            ("z.y.b.test", "/", "suffix"),
            ("y.a.b.test", "/", "longer"),
            ("a.b.test", "/", "suffix"),
            ("x.b.test", "/", "exact"),
            ("x.b.test", "/p", "path"),
            ("x.b.test", "/p/", "path"),
            ("x.b.test", "/px", "exact"),
            ("x.b.test", "/p/q/r", "deeper"),
            ("x.b.test", "/p/qr", "path"),
            ("www.m.test", "/", "main"),
            ("u.m2.test", "/", "main"),
        ] {
            assert_eq!(proxy.get(host, path).text(), expect, "{host}{path}");
        }
    });
}

#[test]
fn conditions_are_tried_in_order() {
    on_workers(|workers| {
        let proxy = Proxy::start(
            workers,
            "routes:\n  t.test:\n    - { when: { methods: [DELETE, PUT] }, respond: writes }\n    \
             - { when: { headers: { x-a: [one, { prefix: tw }] } }, respond: header }\n    \
             - { when: { query: { v: { regex: '^2' } } }, respond: query }\n    \
             - { when: { cookies: { beta: { present: true } } }, respond: cookie }\n    \
             - { when: { protocol: sse }, respond: sse }\n    \
             - { when: { protocol: websocket }, respond: websocket }\n    \
             - { when: { client_ip: 10.0.0.0/8 }, respond: ten }\n    \
             - { when: { path: { exact: /e } }, respond: exact }\n    \
             - { when: { any: [{ path: /f }, { path: /g }], not: { query: { no: { present: true } } } }, respond: any }\n    \
             - respond: rest\n",
        );
        let ws = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n";
        for (line, lines, expect) in [
            ("PUT /", "", "writes"),
            ("GET /", "X-A: one\r\n", "header"),
            ("GET /", "X-A: two\r\n", "header"),
            ("GET /", "X-A: three\r\n", "rest"),
            ("GET /?a=1&v=27", "", "query"),
            ("GET /?v=12", "", "rest"),
            ("GET /", "Cookie: a=b; beta=1\r\n", "cookie"),
            ("GET /", "Accept: text/event-stream\r\n", "sse"),
            ("GET /", ws, "websocket"),
            ("GET /e", "", "exact"),
            ("GET /e/x", "", "rest"),
            ("GET /f/x", "", "any"),
            ("GET /g", "", "any"),
            ("GET /g?no", "", "rest"),
            ("GET /gx", "", "rest"),
        ] {
            let answer = proxy.ask(format!("{line} HTTP/1.1\r\nHost: t.test\r\n{lines}\r\n"));
            assert_eq!(answer.text(), expect, "{line} {lines:?}");
        }
    });
}

#[test]
fn where_no_condition_holds_the_shorter_path_answers() {
    on_workers(|workers| {
        let proxy = Proxy::start(
            workers,
            "routes:\n  t.test: { respond: short }\n  t.test/a:\n    - { when: { methods: PUT }, respond: long }\n  \
             only.test:\n    - { when: { methods: PUT }, respond: put }\n  \"*\": { respond: any }\n",
        );
        assert_eq!(proxy.get("t.test", "/a/b").text(), "short");
        // A host is chosen once: its own, or none.
        let answer = proxy.get("only.test", "/");
        assert_eq!((answer.status(), answer.reason()), (404, "no_route"));
    });
}

#[test]
fn redirects_and_fixed_answers() {
    on_workers(|workers| {
        let proxy = Proxy::start(
            workers,
            "routes:\n  old.test: { redirect: \"https://new.test{uri}\" }\n  \
             m.test: { redirect: \"{scheme}://{host}:1{path}?{query}\", status: 301 }\n  \
             gone.test: { respond: \"It is gone.\", status: 410 }\n",
        );
        let answer = proxy.get("old.test", "/a/b?c=d");
        assert_eq!((answer.status(), answer.field("location")), (308, Some("https://new.test/a/b?c=d")));
        assert_eq!(answer.reason(), "redirect");
        let answer = proxy.get("M.test:80", "/a?b");
        assert_eq!((answer.status(), answer.field("location")), (301, Some("http://m.test:1/a?b")));
        let answer = proxy.get("gone.test", "/");
        assert_eq!((answer.status(), answer.text().as_str(), answer.reason()), (410, "It is gone.", "respond"));
    });
}

#[test]
fn prefixes() {
    on_workers(|workers| {
        let o = Origin::ok();
        let a = o.address();
        let proxy = Proxy::start(
            workers,
            &format!(
                "routes:\n  t.test/s: {{ to: {a}, strip_prefix: true }}\n  t.test/v: {{ to: {a}, strip_prefix: /v/1 }}\n  \
                 t.test/d: {{ to: {a}, add_prefix: /base }}\n  t.test/r: {{ to: {a}, replace_prefix: /new }}\n  t.test: {a}\n"
            ),
        );
        let targets = [
            ("/s/x?q=1", "/x?q=1"),
            ("/s", "/"),
            ("/s/a%2Fb", "/a%2Fb"),
            ("/v/1/x", "/x"),
            ("/v/12/x", "/v/12/x"),
            ("/d/x", "/base/d/x"),
            ("/r/x", "/new/x"),
            ("/r", "/new"),
            ("/plain?x=%20&y", "/plain?x=%20&y"),
            ("/?", "/?"),
        ];
        for (n, (target, upstream)) in targets.into_iter().enumerate() {
            assert_eq!(proxy.get("t.test", target).status(), 200);
            assert_eq!(o.wait_request(n).target(), upstream, "{target}");
        }
    });
}

#[test]
fn host_is_preserved_unless_told_otherwise() {
    on_workers(|workers| {
        let o = Origin::ok();
        let a = o.address();
        let proxy = Proxy::start(
            workers,
            &format!(
                "routes:\n  p.test: {a}\n  u.test: {{ to: {a}, host: upstream }}\n  n.test: {{ to: {a}, host: named.test }}\n  \
                 g.test: {{ to: group, host: named.test }}\n  e.test: ended\nupstreams:\n  \
                 group: {{ endpoints: [{a}], host: upstream }}\n  \
                 ended: {{ endpoints: [{{ address: \"{a}\", host: end.test }}], host: upstream }}\n"
            ),
        );
        let hosts = [
            ("p.test:8080", "p.test:8080"),
            ("u.test", a.as_str()),
            ("n.test", "named.test"),
            ("g.test", a.as_str()),
            ("e.test", "end.test"),
        ];
        for (n, (sent, seen)) in hosts.into_iter().enumerate() {
            assert_eq!(proxy.get(sent, "/").status(), 200);
            let request = o.wait_request(n);
            assert_eq!(request.field("host"), Some(seen));
            assert_eq!(request.field("x-forwarded-host"), Some(sent));
        }
    });
}

#[test]
fn round_robin_over_endpoints() {
    on_workers(|workers| {
        let origins = ["one", "two", "three"].map(Origin::named);
        let list: Vec<String> = origins.iter().map(Origin::address).collect();
        let yaml =
            format!("routes: {{ t.test: group }}\nupstreams: {{ group: {{ endpoints: [{}] }} }}\n", list.join(", "));
        let proxy = Proxy::start(workers, &yaml);
        let mut client = proxy.connect();
        for _ in 0..30 {
            client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
            assert_eq!(client.response().status(), 200);
        }
        assert_eq!(origins.map(|o| o.requests().len()), [10, 10, 10]);
    });
}

#[test]
fn via_where_it_is_wanted() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy =
            Proxy::start(workers, &format!("{}forwarded: {{ via: true }}\n", crate::harness::route_to(&origin)));
        proxy.ask("GET / HTTP/1.0\r\nHost: t.test\r\nVia: 1.1 before\r\n\r\n");
        let via = origin.wait_request(0).all("via").join(", ");
        assert_eq!(via, "1.1 before, 1.0 switchboard");
    });
}

#[test]
fn max_forwards_of_options() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = Proxy::start(workers, &crate::harness::route_to(&origin));
        let answer = proxy.ask("OPTIONS / HTTP/1.1\r\nHost: t.test\r\nMax-Forwards: 0\r\n\r\n");
        assert!(matches!(answer.status(), 200 | 204), "{answer:#?}");
        origin.assert_untouched();
        proxy.ask("OPTIONS / HTTP/1.1\r\nHost: t.test\r\nMax-Forwards: 5\r\n\r\n");
        assert_eq!(origin.wait_request(0).field("max-forwards"), Some("4"));
    });
}
