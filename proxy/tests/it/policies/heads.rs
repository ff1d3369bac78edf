//! Edits of heads on both ways: headers, cookies, security headers, CORS.

use crate::harness::{Message, Origin, Proxy, on_workers, ws};

/// A proxy with one rule of these policies before an origin.
fn start(workers: usize, origin: &Origin, policies: &str) -> Proxy {
    Proxy::start(workers, &format!("routes: {{ t.test: {{ to: \"{}\", {policies} }} }}\n", origin.address()))
}

fn ask(proxy: &Proxy, start: &str, lines: &str) -> Message {
    proxy.ask(format!("{start} HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n{lines}\r\n"))
}

#[test]
fn case_074_a_field_of_ours_stands_alone() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let policies = "request_headers: { set: { x-auth-user: \"ours-{client_ip}\", x-forwarded-proto: https }, \
                        remove: [x-real-ip], default: { x-lang: en } }";
        let proxy = start(workers, &origin, policies);
        ask(
            &proxy,
            "GET /",
            "X-Auth-User: evil\r\nx-AUTH-user: evil\r\nX_Auth_User: evil\r\nX-Forwarded-Proto: http\r\n",
        );
        let request = origin.wait_request(0);
        assert_eq!(request.all("x-auth-user"), ["ours-127.0.0.1"]);
        assert_eq!(request.all("x-forwarded-proto"), ["https"]);
        assert_eq!(request.all("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(request.all("x-lang"), ["en"]);
        assert!(!request.has("x-real-ip") && !request.has("x_auth_user"), "{request:#?}");
        ask(&proxy, "GET /", "X-Lang: de\r\n");
        assert_eq!(origin.wait_request(1).all("x-lang"), ["de"]);
    });
}

#[test]
fn answers_of_both_kinds_are_edited() {
    on_workers(|workers| {
        let origin = Origin::answering(
            "HTTP/1.1 200 OK\r\nServer: x/1\r\nSet-Cookie: a=1\r\nX-Frame-Options: DENY\r\nContent-Length: 2\r\n\r\nok",
        );
        let policies = "security_headers: true, cookies: { secure: true, http_only: true }, deny: { path: /no }, \
                        response_headers: { remove: server, set: { x-edge: \"{host}\", cache-control: private } }";
        let proxy = start(workers, &origin, policies);
        let theirs = ask(&proxy, "GET /", "");
        assert_eq!(theirs.all("set-cookie"), ["a=1; Secure; HttpOnly"]);
        assert_eq!((theirs.field("x-frame-options"), theirs.has("server")), (Some("DENY"), false));
        let ours = ask(&proxy, "GET /no", "");
        assert_eq!((ours.status(), ours.field("x-frame-options")), (403, Some("SAMEORIGIN")));
        for answer in [theirs, ours] {
            assert_eq!((answer.field("x-edge"), answer.field("cache-control")), (Some("t.test"), Some("private")));
            assert_eq!(answer.all("x-content-type-options"), ["nosniff"]);
            assert!(!answer.has("strict-transport-security"), "HSTS over plain HTTP");
        }
    });
}

#[test]
fn a_handshake_is_edited_and_stays_one() {
    on_workers(|workers| {
        let origin = Origin::start(|wire, _| {
            if ws::agree(wire).is_some() {
                let _ = wire.rest();
            }
        });
        let proxy =
            start(workers, &origin, "request_headers: { set: { x-a: b } }, response_headers: { set: { x-c: d } }");
        let mut client = proxy.connect();
        assert_eq!(ws::open(&mut client, "t.test", "/").field("x-c"), Some("d"));
        assert_eq!(origin.wait_head(0).field("x-a"), Some("b"));
    });
}

#[test]
fn preflights_are_answered_and_answers_say_who_may_read() {
    on_workers(|workers| {
        let origin =
            Origin::answering("HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: 2\r\n\r\nok");
        let policies = "cors: { origins: [\"https://*.b.test\"], credentials: true, max_age: 1m }, methods: [GET, PUT]";
        let proxy = start(workers, &origin, policies);
        let page = "Origin: https://a.b.test\r\n";
        let wants = "Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: x-a, x-b\r\n";
        let answer = ask(&proxy, "OPTIONS /x", &format!("{page}{wants}"));
        assert_eq!((answer.status(), answer.reason()), (204, "preflight"));
        assert_eq!(answer.field("access-control-allow-origin"), Some("https://a.b.test"));
        assert_eq!(answer.field("access-control-allow-headers"), Some("x-a, x-b"));
        assert_eq!(answer.field("access-control-max-age"), Some("60"));
        let other = ask(&proxy, "OPTIONS /x", &format!("Origin: https://c.test\r\n{wants}"));
        assert_eq!((other.status(), other.reason(), other.has("access-control-allow-origin")), (403, "denied", false));
        origin.assert_untouched();
        assert_eq!(ask(&proxy, "GET /x", page).all("access-control-allow-origin"), ["https://a.b.test"]);
        assert!(!ask(&proxy, "GET /x", "Origin: https://c.test\r\n").has("access-control-allow-origin"));
        // A page may read why it was refused.
        let refused = ask(&proxy, "DELETE /x", page);
        assert_eq!((refused.status(), refused.all("access-control-allow-origin")), (405, vec!["https://a.b.test"]));
    });
}
