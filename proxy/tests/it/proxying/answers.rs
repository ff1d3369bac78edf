//! HEAD, 204, 304, the proxy's own answers and their forms, request ids.

use crate::harness::{Origin, Pair, Proxy, assert_own_answer, on_workers};

#[test]
fn answers_without_a_body() {
    on_workers(|workers| {
        for (method, answer) in [
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nX-A: b\r\n\r\n"),
            ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n"),
            ("HEAD", "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\nX-A: b\r\n\r\n"),
            ("GET", "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n"),
            ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nX-A: b\r\n\r\n"),
            ("GET", "HTTP/1.1 304 Not Modified\r\nX-A: b\r\n\r\n"),
        ] {
            let Pair { proxy, origin } = Pair::new(workers, Origin::answering(answer));
            let mut client = proxy.connect();
            for _ in 0..3 {
                client.send(format!("{method} / HTTP/1.1\r\nHost: t.test\r\n\r\n"));
                let got = client.response_to(method);
                assert_eq!((got.start.as_str(), got.field("x-a")), (answer.lines().next().unwrap(), Some("b")));
                let length = answer.lines().find_map(|l| l.strip_prefix("Content-Length: "));
                assert_eq!(got.field("content-length"), length, "{answer:?}");
            }
            assert_eq!(origin.connections(), 1, "nothing stood in the way of using it again: {answer:?}");
        }
    });
}

#[test]
fn own_answers_to_head_have_no_body() {
    on_workers(|workers| {
        let proxy = Proxy::start(workers, "routes: { t.test: { respond: hello } }\n");
        let mut client = proxy.connect();
        for (host, status, reason) in [("t.test", 200, "respond"), ("u.test", 404, "no_route")] {
            for _ in 0..2 {
                client.send(format!("HEAD / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
                let answer = client.response_to("HEAD");
                assert_eq!((answer.status(), answer.reason()), (status, reason));
                assert!(answer.field("content-length").is_some_and(|l| l != "0"));
            }
        }
        client.send("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(client.response().text(), "hello");
    });
}

#[test]
fn reasons_come_in_the_form_that_the_client_accepts() {
    on_workers(|workers| {
        let proxy = Proxy::start(workers, "routes: {}\n");
        for (accept, kind, begins) in [
            ("", "text/plain; charset=utf-8", "404 "),
            ("Accept: */*\r\n", "text/plain; charset=utf-8", "404 "),
            ("Accept: application/json\r\n", "application/json", "{"),
            ("Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n", "text/html; charset=utf-8", "<!doctype html>"),
            ("Accept: text/html;q=0.1, application/json\r\n", "application/json", "{"),
        ] {
            let answer = proxy.ask(format!("GET /x HTTP/1.1\r\nHost: u.test\r\n{accept}\r\n"));
            assert_own_answer(&answer, 404, "no_route");
            assert_eq!(answer.field("content-type"), Some(kind), "{accept:?}");
            let text = answer.text();
            assert!(text.starts_with(begins), "{accept:?}: {text:?}");
            assert!(text.contains(answer.field("x-request-id").unwrap()), "{text:?}");
            if kind == "application/json" {
                let body: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!((&body["status"], &body["reason"]), (&404.into(), &"no_route".into()));
            }
        }
    });
}

#[test]
fn request_ids_are_the_proxys_own() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::new(workers, Origin::ok());
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..20 {
            proxy.ask("GET / HTTP/1.1\r\nHost: t.test\r\nX-Request-Id: mine\r\n\r\n");
            let id = origin.wait_request(n).field("x-request-id").unwrap().to_owned();
            assert!(id.len() >= 16 && id != "mine", "{id:?}");
            assert_eq!(proxy.wait_access(n)["request_id"], id, "the log and the origin know it by the same name");
            assert!(seen.insert(id), "the same id twice");
        }
    });
}

#[test]
fn request_id_of_a_trusted_peer_is_kept() {
    on_workers(|workers| {
        let Pair { proxy, origin } = Pair::with(workers, Origin::ok(), "trusted_proxies: [127.0.0.1/32]\n");
        proxy.ask("GET / HTTP/1.1\r\nHost: t.test\r\nX-Request-Id: theirs-7\r\n\r\n");
        assert_eq!(origin.wait_request(0).field("x-request-id"), Some("theirs-7"));
        let answer = proxy.ask("GET / HTTP/1.1\r\nHost: u.test\r\nX-Request-Id: theirs-8\r\n\r\n");
        assert_eq!(answer.field("x-request-id"), Some("theirs-8"));
    });
}

#[test]
fn the_origins_own_words_pass_unchanged() {
    on_workers(|workers| {
        let origin = Origin::answering(
            "HTTP/1.1 200 Fine By Me\r\nServer: odd/1\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX-MiXeD: Case\r\n\
             Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Empty:\r\nX-Latin: caf\u{e9}\r\nContent-Length: 2\r\n\r\nok"
                .chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap())
                .collect::<Vec<u8>>(),
        );
        let Pair { proxy, origin: _origin } = Pair::new(workers, origin);
        let answer = proxy.ask("GET / HTTP/1.1\r\nHost: t.test\r\n\r\n");
        assert_eq!(answer.start, "HTTP/1.1 200 Fine By Me");
        assert_eq!(answer.field("server"), Some("odd/1"));
        assert_eq!(answer.field("date"), Some("Thu, 01 Jan 1970 00:00:00 GMT"));
        assert!(answer.fields.contains(&("X-MiXeD".to_owned(), "Case".to_owned())), "{answer:#?}");
        assert_eq!(answer.all("set-cookie"), ["a=1", "b=2"]);
        assert_eq!((answer.field("x-empty"), answer.field("x-latin")), (Some(""), Some("caf\u{e9}")));
        // An answer that an origin made is not the proxy's.
        assert!(!answer.has("x-switchboard-reason") && !answer.has("via"));
    });
}
