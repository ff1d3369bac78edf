//! Cases of SECURITY.md C, F and H with policies in force, each over HTTP/1.1 and HTTP/2: what a policy forbids stays
//! forbidden however it is said, and nothing of it reaches an upstream.

use super::versions::{in_both, over_h1, over_h2, reset_over_h2};
use crate::harness::h2::{END_HEADERS, Frames, HEADERS, NONE, frame};
use crate::harness::{Origin, Proxy, on_workers};

pub(super) fn proxy(workers: usize, further: &str, rule: &str, origin: &Origin) -> Proxy {
    let listen = "listen: { bind: \"127.0.0.1:0\", h2c: true }";
    Proxy::start(
        workers,
        &format!("{listen}\n{further}routes:\n  t.test: {{ to: \"{}\", {rule} }}\n", origin.address()),
    )
}

pub(super) const GET: (&str, &str, &str) = ("GET", "t.test", "/");

#[test]
fn case_062_063_065_what_a_policy_adds_cannot_be_nominated_away() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = proxy(workers, "", "request_headers: { set: { x-user: \"{client_ip}\" } }", &origin);
        for (at, nominated) in ["X-User", "x-uSER,X-Forwarded-For", "\tX-Forwarded-For , close", "X-User, X-Real-IP"]
            .into_iter()
            .enumerate()
        {
            assert_eq!(over_h1(&proxy, GET, &[("Connection", nominated), ("X-User", "root")], b""), 200);
            let seen = origin.wait_request(at);
            assert_eq!(seen.all("x-user"), ["127.0.0.1"], "{nominated}");
            assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"], "{nominated}");
        }
        // HTTP/2 knows no nominations: who sends one is cut off.
        assert_eq!(reset_over_h2(&proxy, GET, &[("connection", "x-user")]), 1);
        assert_eq!(over_h2(&proxy, GET, &[("x-user", "root")], b""), 200);
        assert_eq!(origin.wait_request(4).all("x-user"), ["127.0.0.1"]);
        assert_eq!(origin.requests().len(), 5);
    });
}

#[test]
fn case_064_066_067_068_what_belongs_to_one_hop_is_nobody_elses() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let proxy = proxy(workers, "", "deny: { headers: { x-role: root } }", &origin);
        for nominated in ["Host", "Content-Length", "Authorization", "Cookie", ":path", "a b", "\"x\""] {
            assert_eq!(over_h1(&proxy, GET, &[("Connection", nominated)], b""), 400, "{nominated}");
        }
        origin.assert_untouched();
        for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
            assert_eq!(reset_over_h2(&proxy, GET, &[(name, "x")]), 1, "{name}");
        }
        origin.assert_untouched();
        let hop = [
            ("Keep-Alive", "timeout=5"),
            ("TE", "gzip"),
            ("Proxy", "http://evil.test"),
            ("Proxy-Authorization", "Basic eA=="),
        ];
        assert_eq!(over_h1(&proxy, GET, &hop, b""), 200);
        assert_eq!(
            over_h2(&proxy, GET, &[("proxy", "http://evil.test"), ("proxy-authorization", "Basic eA==")], b""),
            200
        );
        for at in 0..2 {
            let seen = origin.wait_request(at);
            for (name, _) in hop {
                assert!(!seen.has(name), "{name}");
            }
        }
    });
}

#[test]
fn case_069_070_071_who_may_ask_is_not_what_a_stranger_says() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let rule = "allow: [10.0.0.0/8, 192.168.0.0/16]";
        let strangers = proxy(workers, "", rule, &origin);
        for name in ["x-forwarded-for", "x-real-ip", "forwarded", "x-client-ip", "x_forwarded_for"] {
            let value = if name == "forwarded" { "for=10.0.0.1" } else { "10.0.0.1" };
            in_both(&strangers, GET, &[(name, value)], 403);
        }
        origin.assert_untouched();
        let trusting = proxy(workers, "trusted_proxies: 127.0.0.1\n", rule, &origin);
        in_both(&trusting, GET, &[("x-forwarded-for", "10.0.0.1")], 200);
        in_both(&trusting, GET, &[("x-forwarded-for", "10.0.0.1, 192.0.2.9")], 403);
        in_both(&trusting, GET, &[("x-forwarded-for", "10.0.0.1, nonsense")], 403);
        // A private address in the chain is believed no more than another.
        in_both(&trusting, GET, &[("x-forwarded-for", "192.0.2.9, 10.0.0.1")], 200);
    });
}

#[test]
fn case_072_073_074_fields_under_other_names() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let service = Origin::answering("HTTP/1.1 200 OK\r\nX-User: ann\r\nContent-Length: 0\r\n\r\n");
        let rule = format!(
            "forward_auth: {{ url: \"http://{}/\", copy_headers: [x-user, x-groups] }}, request_headers: {{ set: {{ X-Edge: here }} }}",
            service.address()
        );
        let proxy = proxy(workers, "", &rule, &origin);
        let claims = [
            ("X-USER", "root"),
            ("x_user", "root"),
            ("x.groups", "all"),
            ("x-groups", "all"),
            ("x-EDGE", "there"),
            ("x_edge", "there"),
        ];
        assert_eq!(over_h1(&proxy, GET, &claims, b""), 200);
        let lower: Vec<(String, &str)> = claims.iter().map(|(name, value)| (name.to_lowercase(), *value)).collect();
        let lower: Vec<(&str, &str)> = lower.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(over_h2(&proxy, GET, &lower, b""), 200);
        for at in 0..2 {
            let seen = origin.wait_request(at);
            assert_eq!((seen.all("x-user"), seen.all("x-edge")), (vec!["ann"], vec!["here"]));
            for name in ["x-groups", "x_user", "x.groups", "x_edge"] {
                assert!(!seen.has(name), "{name}");
            }
        }
    });
}

#[test]
fn case_075_076_077_values_that_repeat_or_would_end_a_line() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let rule = "deny: { headers: { x-team: red } }, request_headers: { set: { x-where: \"{path}?{query} {header.x-any}\" } }";
        let proxy = proxy(workers, "forwarded: { rfc7239: true }\n", rule, &origin);
        for values in [&["red"][..], &["blue", "red"], &["red", "blue"], &["blue, red"], &["red,blue"]] {
            let lines: Vec<(&str, &str)> = values.iter().map(|value| ("x-team", *value)).collect();
            in_both(&proxy, GET, &lines, 403);
        }
        for path in ["/%0d%0aX-Evil:1", "/a%0a", "/%00"] {
            in_both(&proxy, ("GET", "t.test", path), &[], 400);
        }
        assert_eq!(over_h1(&proxy, GET, &[("X-Any", "a\rX-Evil: 1")], b""), 400);
        assert_eq!(reset_over_h2(&proxy, GET, &[("x-any", "a\r\nX-Evil: 1")]), 1);
        origin.assert_untouched();
        in_both(&proxy, ("GET", "t.test", "/a?b"), &[("x-any", "e\t!")], 200);
        for at in 0..2 {
            let seen = origin.wait_request(at);
            assert_eq!((seen.field("x-where"), seen.has("x-evil")), (Some("/a?b e\t!"), false));
            assert!(seen.field("forwarded").unwrap().contains("127.0.0.1"));
        }
    });
}

#[test]
fn case_078_policies_go_by_what_the_proxy_header_says() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let yaml = |trusted: &str| {
            format!(
                "listen: {{ bind: \"127.0.0.1:0\", h2c: true, proxy_protocol: accept }}\n{trusted}routes: {{ t.test: {{ to: \"{}\", allow: 10.0.0.0/8 }} }}\n",
                origin.address()
            )
        };
        let proxy = Proxy::start(workers, &yaml("trusted_proxies: 127.0.0.1\n"));
        let get = "GET / HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n\r\n";
        for (line, status) in
            [("PROXY TCP4 10.0.0.7 10.0.0.1 1000 80\r\n", 200), ("PROXY TCP4 192.0.2.7 10.0.0.1 1000 80\r\n", 403)]
        {
            assert_eq!(proxy.ask(format!("{line}{get}")).status(), status, "{line}");
            let mut client = Frames::connect(&proxy);
            client.offer(line);
            client.offer([crate::harness::h2::PREFACE, &frame(4, NONE, 0, []), &crate::harness::h2::get(1)].concat());
            assert_eq!(client.status(1), status, "HTTP/2: {line}");
        }
        let strangers = Proxy::start(workers, &yaml(""));
        let mut wire = strangers.send(format!("PROXY TCP4 10.0.0.7 10.0.0.1 1000 80\r\n{get}"));
        assert_ne!(wire.response().status(), 200);
    });
}

#[test]
fn case_121_to_129_no_spelling_of_a_path_gets_around_a_policy() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let many: String = (0..120).map(|n| format!("  t.test/r{n}: {{ respond: r, status: 202 }}\n")).collect();
        let yaml = format!(
            "listen: {{ bind: \"127.0.0.1:0\", h2c: true }}\nroutes:\n{many}  t.test: {{ to: \"{a}\", deny: {{ path: /admin }}, rewrite: {{ regex: '^/old(.*)$', to: '/new{{1}}' }} }}\n",
            a = origin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        let at = |path: &'static str| ("GET", "t.test", path);
        for (path, status) in [
            // 121
            ("/a/../admin", 403),
            ("/a/./admin", 200),
            ("/%2e%2e/admin", 400),
            ("/a/%2E%2e/admin", 403),
            ("/./admin", 403),
            ("/.%2E/x", 400),
            // 122, 123
            ("/public/..%2fadmin", 400),
            ("/a%5c..%5cadmin", 400),
            ("/a/..;x/admin", 400),
            ("/admin;x", 403),
            ("/admin;x/y", 403),
            // 124
            ("//admin", 403),
            ("///admin//x", 403),
            ("/admin//", 403),
            // 125
            ("/%00admin", 400),
            ("/admin%0d%0a", 400),
            ("/%c0%af", 400),
            ("/%zz", 400),
            ("/%u002f", 400),
            // 126, 127
            ("/%61dmin", 403),
            ("/%61%64%6d%69%6e/x", 403),
            ("/ADMIN", 200),
            ("/admin%20", 200),
            ("/administrator", 200),
            ("/%252e%252e%252fadmin", 200),
            // 128
            ("/old/../admin", 403),
            ("/old/%2e%2e/x", 200),
            ("/oldest", 200),
            // 129
            ("/x?a=/../admin&b=;/admin", 200),
            ("/r7", 202),
            ("/r%37", 202),
            ("/x/../r119", 202),
        ] {
            in_both(&proxy, at(path), &[], status);
        }
        let forbidden = |target: &str| {
            let path = target.split('?').next().unwrap().to_ascii_lowercase();
            path.starts_with("/admin")
                && !path.starts_with("/administrator")
                && !path.contains("%20")
                && target.starts_with("/admin")
        };
        for seen in origin.requests() {
            assert!(!forbidden(seen.target()), "{} went up", seen.target());
        }
    });
}

#[test]
fn case_108_pages_of_other_origins_open_no_websocket_over_http2() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let rule = "websocket: { allowed_origins: [\"https://app.test\"] }";
        let proxy = proxy(workers, "", rule, &origin);
        for (page, status) in [("https://evil.test", 403), ("null", 403), ("https://app.test.evil.test", 403)] {
            let pseudo = [
                (":method", "CONNECT"),
                (":protocol", "websocket"),
                (":scheme", "http"),
                (":path", "/"),
                (":authority", "t.test"),
            ];
            let further = [("sec-websocket-version", "13"), ("origin", page)];
            let mut client = Frames::begin(&proxy);
            let block = [crate::harness::h2::fields(&pseudo), crate::harness::h2::fields(&further)].concat();
            client.offer(frame(HEADERS, END_HEADERS, 1, block));
            assert_eq!(client.status(1), status, "{page}");
            let handshake = crate::harness::ws::upgrade("t.test", "/", &format!("Origin: {page}\r\n"));
            assert_eq!(proxy.ask(handshake).status(), status, "{page}");
        }
        origin.assert_untouched();
    });
}
