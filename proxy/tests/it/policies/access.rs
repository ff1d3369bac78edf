//! Who may ask: `deny`, `allow`, lists, methods, maintenance, and pages of the site's own.

use crate::harness::{Origin, Pair, Proxy, assert_own_answer, on_workers, poll};

/// A GET of `t.test` with these further lines.
fn get(proxy: &Proxy, target: &str, lines: &str) -> crate::harness::Message {
    proxy.ask(format!("GET {target} HTTP/1.1\r\nHost: t.test\r\nConnection: close\r\n{lines}\r\n"))
}

#[test]
fn what_is_denied_reaches_no_upstream() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let yaml = format!(
            "trusted_proxies: 127.0.0.1\ndefaults: {{ deny: 192.0.2.0/24 }}\n\
             routes:\n  t.test: {{ to: \"{}\", deny: {{ path: /admin }}, allow: [10.0.0.0/8, {{ headers: {{ x-key: s }} }}] }}\n",
            origin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        for (target, lines) in [
            ("/", ""),
            ("/", "X-Forwarded-For: 192.0.2.7\r\nX-Key: s\r\n"),
            ("/admin", "X-Forwarded-For: 10.0.0.1\r\n"),
            ("/x/..//%61dmin;v/y", "X-Forwarded-For: 10.0.0.1\r\n"),
            ("/", "X-Forwarded-For: 11.0.0.1\r\nX-Key: s\r\nX-Key: t\r\n"),
        ] {
            let answer = get(&proxy, target, lines);
            assert_own_answer(&answer, 403, "denied");
        }
        origin.assert_untouched();
        assert_eq!(get(&proxy, "/", "X-Forwarded-For: 10.0.0.1\r\n").status(), 200);
        assert_eq!(get(&proxy, "/", "X-Key: s\r\n").status(), 200);
        let handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let answer = proxy.ask(format!("GET /admin HTTP/1.1\r\nHost: t.test\r\n{handshake}"));
        assert_own_answer(&answer, 403, "denied");
        assert_eq!(origin.requests().len(), 2);
    });
}

#[test]
fn a_list_follows_its_file() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let place = crate::harness::TempDir::new();
        let file = place.write("banned.cidr", "# nobody yet\n");
        let yaml = format!(
            "lists: {{ banned: {} }}\nroutes: {{ t.test: {{ to: \"{}\", deny: banned }} }}\n",
            file.display(),
            origin.address()
        );
        let proxy = Proxy::start(workers, &yaml);
        assert_eq!(proxy.get("t.test", "/").status(), 200);
        place.write("banned.cidr", "127.0.0.0/8 # everybody here\n");
        poll("the list to be read again", || (proxy.get("t.test", "/").status() == 403).then_some(()));
        // A list that can't be read changes nothing.
        place.write("banned.cidr", "127.0.0.0/99\n");
        proxy.wait_log("line 1: `127.0.0.0/99` is not a network");
        assert_eq!(proxy.get("t.test", "/").status(), 403);
        place.write("banned.cidr", "");
        poll("the list to be read again", || (proxy.get("t.test", "/").status() == 200).then_some(()));
    });
}

#[test]
fn a_listener_forbids_for_all_its_rules() {
    let origin = Origin::ok();
    let yaml = format!(
        "listen:\n  - {{ bind: \"127.0.0.1:0\", name: closed, deny: 127.0.0.0/8 }}\n  - {{ bind: \"127.0.0.1:0\", name: open }}\n\
         routes:\n  t.test: {a}\n  free.test: {{ to: {a}, inherit: false }}\n",
        a = format_args!("\"{}\"", origin.address())
    );
    on_workers(|workers| {
        let proxy = Proxy::start(workers, &yaml);
        let ask = |listener: &str, host: &str| {
            let mut wire = crate::harness::Wire::connect(proxy.address_of(listener));
            wire.offer(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
            wire.response().status()
        };
        assert_eq!((ask("closed", "t.test"), ask("open", "t.test")), (403, 200));
        assert_eq!((ask("closed", "free.test"), ask("open", "free.test")), (200, 200));
    });
}

#[test]
fn methods_that_are_not_listed_get_405_with_the_list() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let yaml = format!("routes: {{ t.test: {{ to: \"{}\", methods: [GET, POST] }} }}\n", origin.address());
        let proxy = Proxy::start(workers, &yaml);
        let mut client = proxy.connect();
        client.offer("DELETE / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        let answer = client.response_to("DELETE");
        assert_own_answer(&answer, 405, "method_not_allowed");
        assert_eq!(answer.field("allow"), Some("GET, POST, HEAD"));
        // The connection is as good as before.
        client.offer("HEAD / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response_to("HEAD").status(), 200);
        assert_eq!(origin.requests().len(), 1);
    });
}

#[test]
fn maintenance_shows_the_page_of_the_site() {
    on_workers(|workers| {
        let origin = Origin::ok();
        let place = crate::harness::TempDir::new();
        let page = place.write("503.html", "<h1>Back soon</h1>");
        let json = place.write("any.json", "{\"back\":\"soon\"}");
        let yaml = format!(
            "routes: {{ t.test: {{ to: \"{}\", maintenance: true, error_pages: {{ 503: {}, 5xx: {} }} }} }}\n",
            origin.address(),
            page.display(),
            json.display()
        );
        let proxy = Proxy::start(workers, &yaml);
        let html = get(&proxy, "/", "Accept: text/html\r\n");
        assert_eq!((html.status(), html.reason(), html.text().as_str()), (503, "maintenance", "<h1>Back soon</h1>"));
        assert_eq!(html.field("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(get(&proxy, "/", "Accept: application/json\r\n").text(), "{\"back\":\"soon\"}");
        assert_own_answer(&get(&proxy, "/", ""), 503, "maintenance");
        origin.assert_untouched();
    });
}

#[test]
fn policies_change_by_reload_and_streams_stay() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        assert_eq!(proxy.get("t.test", "/").status(), 200);
        proxy.write_config(&format!("routes: {{ t.test: {{ to: \"{}\", deny: {{ path: / }} }} }}\n", origin.address()));
        poll("the policy to hold", || (proxy.get("t.test", "/").status() == 403).then_some(()));
        proxy.wait_log("~ rule 1 of route t.test");
    });
}
